/*
 * The one place that ends a command line, for SMTP and POP3 servers and clients alike: a line ends
 * with CRLF [RFC 5321 2.3.8]. A bare LF also ends it, so that a session is not stuck, but the line is
 * marked and must be refused unless the caller's policy allows it. Too long lines are swallowed to
 * their end, in bounded memory.
 */
#ifndef BASE_LINE_H
#define BASE_LINE_H

#include "base/buf.h"

enum line_status {
	LINE_MORE,     /* all input consumed, no line end yet */
	LINE_DONE,     /* *line_r holds the line without its end; valid until the next call */
	LINE_BARE,     /* the same, but it ended with a bare LF or holds a bare CR */
	LINE_TOO_LONG, /* a line above the limit has ended; *line_r holds its first LINE_HEAD octets */
};

#define LINE_HEAD 4 /* the longest verb of SMTP and POP3 whose line announces octets: BDAT */

struct line_in {
	struct buf acc; /* the part of a line that came earlier */
	bool too_long;
	uint8_t head[LINE_HEAD]; /* of one that is too long */
};

/* max: octets of a line with its CRLF. */
void line_in_init(struct line_in *l, size_t max);
void line_in_fini(struct line_in *l);

/* Forgets a partial line, wiping it. */
void line_in_reset(struct line_in *l);

/*
 * Takes one line from the front of in; *used_r: octets consumed. A line that lies in one piece in
 * the input is given without a copy.
 */
enum line_status line_in_next(struct line_in *l, struct str in, size_t *used_r, struct str *line_r);

#endif
