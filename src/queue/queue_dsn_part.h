/* The parts of a report. For queue_dsn.c alone. */
#ifndef QUEUE_DSN_PART_H
#define QUEUE_DSN_PART_H

#include "queue/queue_dsn.h"

/* Octets of an address that are shown: more than a local part, quoted, and a domain have. */
#define QUEUE_DSN_ADDRESS ((size_t)512)

/*
 * Appends what people read: paragraphs of short lines that end with LF. full: the original is
 * whole.
 */
void queue_dsn_text(struct buf *b, const struct queue_dsn *d, bool full);

/*
 * Appends what programs read: the fields for the message and, behind an empty line each, for its
 * recipients, with CRLF lines. utf8: the part may hold 8-bit octets. [RFC 3464 2.1, RFC 6533 4]
 */
void queue_dsn_fields(struct buf *b, const struct queue_dsn *d, bool utf8);

/* Has it characters above 127, all well-formed? What is not well-formed is shown as "?". */
bool queue_dsn_is_utf8(struct str s);

#endif
