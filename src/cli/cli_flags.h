/* Flags as people write them, and as IMAP does: "seen", "\Seen", "$seen" are one keyword. Pure. */
#ifndef CLI_CLI_FLAGS_H
#define CLI_CLI_FLAGS_H

#include "base/buf.h"
#include "base/err.h"

#define CLI_FLAGS_MAX ((size_t)8192) /* octets of words given, at most */

/*
 * Appends the keywords (mime/mime_keywords.h) that the words stand for, separated by blanks or commas:
 * those that every mail program knows have a "$" [RFC 8621 4.1.1]. 0, or -1 with a sentence in *e.
 */
int cli_flags_put(struct buf *b, struct str words, struct err *e);

#endif
