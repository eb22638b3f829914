/*
 * The compact binary form of a struct mime_message, kept beside each message. It has a version; a
 * reader that does not know it has the message scanned anew.
 */
#ifndef MIME_SUMMARY_H
#define MIME_SUMMARY_H

#include "mime/mime_message.h"

/*
 * Appends the summary, at most max octets (LIMIT_SUMMARY, or less if the buffer has less room; at
 * least LIMIT_SUMMARY_MIN, else it aborts). Where all does not fit, detail goes first: parameters,
 * nested envelopes, long lists, long texts, at last the parts but the root; incomplete is then set
 * in it. Returns the octets appended.
 */
size_t mime_summary_put(struct buf *b, const struct mime_message *m, size_t max);

enum mime_summary_status {
	MIME_SUMMARY_OK,
	MIME_SUMMARY_VERSION, /* made by another version: scan the message anew */
	MIME_SUMMARY_BAD,     /* damaged or hostile */
};

/*
 * Reads a summary, taking no octet on trust: counts, offsets, parents, kinds and texts are checked
 * (within size, parents before children, no NUL, CR or LF). Result in the arena, its texts pointing
 * into bytes; memory at most some 100 times bytes.n. *m_r untouched unless OK.
 */
enum mime_summary_status mime_summary_read(
    struct arena *a, struct str bytes, struct mime_message *m_r);

#endif
