/*
 * One pass over a message, fed in chunks of any size, that finds its header fields and parts
 * [RFC 5322 2; RFC 2045; RFC 2046]. Works in bounded memory and linear time on any bytes.
 */
#ifndef MIME_SCAN_H
#define MIME_SCAN_H

#include "mime/mime_message.h"

struct mime_scan;

/* Free with mime_scan_free(). */
struct mime_scan *mime_scan_new(void);

/* Takes NULL, sets NULL. What mime_scan_finish() gave goes with it. */
void mime_scan_free(struct mime_scan **s);

/* The next octets of the message, all consumed. Not after mime_scan_finish(). */
void mime_scan_feed(struct mime_scan *s, struct str bytes);

/*
 * End of the message. What was found, owned by the scan. Nothing is an error: bytes that are no
 * mail at all are a message of one text/plain part. Depth, parts, addresses and texts beyond their
 * limits are left out and set incomplete, sizes and offsets of the rest stay true. A line ends with
 * LF or CRLF; a delimiter line is exactly "--boundary" or "--boundary--" and blanks [RFC 2046
 * 5.1.1].
 */
const struct mime_message *mime_scan_finish(struct mime_scan *s);

/* Octets looked at so far: for tests of linear time. */
uint64_t mime_scan_steps(const struct mime_scan *s);

#endif
