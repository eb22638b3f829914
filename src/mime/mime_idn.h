/*
 * Domain names for lookups [RFC 5890 2.3.2.1, UTS 46 non-transitional]. A library of its own
 * ("idn"), for it needs libidn2.
 */
#ifndef MIME_IDN_H
#define MIME_IDN_H

#include "base/buf.h"

enum mime_idn_status {
	MIME_IDN_OK,
	MIME_IDN_BAD, /* not a domain name: bad labels, characters, or too long; nothing appended */
};

/*
 * Appends the domain in lower case with A-labels; a trailing dot goes. ASCII names need no library.
 */
enum mime_idn_status mime_idn_to_ascii(struct buf *b, struct str domain);

/*
 * Appends the domain with U-labels where that maps back to the same A-labels: for people to read.
 */
enum mime_idn_status mime_idn_to_unicode(struct buf *b, struct str domain);

#endif
