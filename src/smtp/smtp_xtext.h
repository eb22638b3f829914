/* xtext [RFC 3461 4] and the forms of internationalised addresses in ORCPT [RFC 6533 3]. */
#ifndef SMTP_XTEXT_H
#define SMTP_XTEXT_H

#include "base/buf.h"

/* Decoding: false, out as it was, unless s is exactly xtext. */
void smtp_xtext_encode(struct buf *out, struct str s);
bool smtp_xtext_decode(struct buf *out, struct str s);

/*
 * utf-8-addr-xtext and utf-8-addr-unitext: \x{HEX} stands for a character. s must be UTF-8;
 * encoding gives the ASCII form. Decoding: false, out as it was, for anything else, control
 * characters included.
 */
void smtp_utf8_xtext_encode(struct buf *out, struct str s);
bool smtp_utf8_xtext_decode(struct buf *out, struct str s);

#endif
