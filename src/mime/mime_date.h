/* Dates in header fields [RFC 5322 3.3], with the obsolete zones and years of 4.3. */
#ifndef MIME_DATE_H
#define MIME_DATE_H

#include "base/buf.h"

/* The moments a date may name: the years 1900 to 9999 in UTC. */
#define MIME_DATE_MIN INT64_C(-2208988800000)
#define MIME_DATE_MAX INT64_C(253402300799000)

struct mime_date {
	int64_t ms;        /* since 1970-01-01 UTC */
	int16_t zone;      /* minutes east of UTC of the text, -1439 to 1439 */
	bool zone_unknown; /* "-0000", a military zone or one nobody knows: ms assumes UTC */
};

enum mime_date_status {
	MIME_DATE_OK,
	MIME_DATE_BAD, /* no date, or one that does not exist, as 30 Feb; *date_r untouched */
};

/*
 * Reads the body of a Date field: comments and folds anywhere, day name optional (and not compared
 * with the date), years of two and three digits as 4.3 says, second 60 allowed. Text behind the
 * zone is tolerated if it is a comment. MIME_DATE_MIN to MIME_DATE_MAX.
 */
enum mime_date_status mime_date_parse(struct str body, struct mime_date *date_r);

/* "Mon, 23 Nov 2026 19:54:33 +0000". Years 0 to 9999; aborts on others. */
void mime_date_put(struct buf *b, int64_t ms);

#endif
