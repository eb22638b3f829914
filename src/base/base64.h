/* Base 64 [RFC 4648 4]: the standard alphabet, padding required, no line breaks. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

void base64_encode(struct buf *out, struct str in);

/*
 * Appends the decoded bytes. False, with out as it was, for anything that is not exactly the
 * canonical encoding (foreign characters, missing padding, non-zero trailing bits).
 */
bool base64_decode(struct buf *out, struct str in);

/* Value of one character of the alphabet, -1 if it is none. */
int base64_value(uint8_t c);

#endif
