/* Charsets built in: UTF-8, US-ASCII, ISO-8859-1 and -15, windows-1252. */
#ifndef MIME_CHARSET_H
#define MIME_CHARSET_H

#include "base/buf.h"

enum mime_charset {
	MIME_CHARSET_UTF8,   /* us-ascii is read as UTF-8 */
	MIME_CHARSET_LATIN1, /* read as windows-1252, as everybody does */
	MIME_CHARSET_LATIN9,
	MIME_CHARSET_UNKNOWN,
};

/* By name, case ignored, with the usual aliases; the empty name is US-ASCII. */
enum mime_charset mime_charset_by_name(struct str name);

/*
 * Appends s as UTF-8: at most 3 times s.n octets. UNKNOWN is read as UTF-8; what is none is U+FFFD.
 */
void mime_charset_to_utf8(struct buf *b, enum mime_charset c, struct str s);

#endif
