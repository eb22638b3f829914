/* What makes messages one thread: hashes of the base subject and of message ids. */
#ifndef MIME_THREAD_H
#define MIME_THREAD_H

#include "mime/mime_message.h"

/*
 * Hash of a Subject's base: decoded, without "Re:", "Fwd:" and their like in a few languages,
 * "[list]", "(fwd)", case and blanks [RFC 5256 2.1; RFC 8621 3]. The raw subject is cut at
 * LIMIT_MIME_TEXT.
 */
uint64_t mime_thread_subject(struct str raw);

/* Hash of the first "<id>" in the text of a field; 0 when there is none. */
uint64_t mime_thread_id(struct str text);

/*
 * Adds the hash of each "<id>" in the text: the first one ever added stays first, of the others the
 * newest LIMIT_MIME_THREAD_REFS - 1 are kept; none twice.
 */
void mime_thread_add_refs(struct mime_thread_key *key, struct str text);

/* The same for the hashes of another key. */
void mime_thread_merge_refs(struct mime_thread_key *key, const struct mime_thread_key *more);

/* Appends the base subject that mime_thread_subject() hashes: for tests and for people. */
void mime_thread_base_subject(struct buf *b, struct str raw);

#endif
