/* UTF-8 [RFC 3629]. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/buf.h"

/*
 * Length in octets (1 to 4) of the well-formed character at the head of s, 0 when there is none:
 * overlong forms, surrogates and values above U+10FFFF are not well-formed.
 */
size_t utf8_char(struct str s);

/* The whole of s is well-formed. ASCII is. */
bool utf8_is_valid(struct str s);

/*
 * c: one well-formed character of 2 to 4 octets. It shows nothing, ends a line or changes how its neighbours
 * show: a C1 control, a line separator, a mark of direction, without width.
 */
bool utf8_is_hidden(struct str c);

/* Appends one code point (at most U+10FFFF, no surrogate: else U+FFFD). */
void utf8_put(struct buf *b, uint32_t code);

/*
 * Appends s in quotes and in one line: characters that show as they are, quotes and backslashes behind a
 * backslash, octets of all else as \xHH. At most 4 octets for each, and 2.
 */
void utf8_put_quoted(struct buf *b, struct str s);

#endif
