/*
 * Text in header fields that is not ASCII: encoded words [RFC 2047] and extended parameters
 * [RFC 2231].
 */
#ifndef MIME_WORD_H
#define MIME_WORD_H

#include "mime/mime_content.h"

/*
 * Appends the text of an unstructured field or a display name as UTF-8: folds removed, encoded
 * words decoded, the blanks between two of them dropped [RFC 2047 6.2]. Words in a charset or
 * encoding not known stay as they are; octets that are no UTF-8 become U+FFFD; control characters
 * become blanks. At most 3 times raw.n octets.
 */
void mime_word_decode(struct buf *b, struct str raw);

/*
 * Appends UTF-8 text for an unstructured field, folded: as it is when it is ASCII that nobody can
 * mistake for an encoded word, else as encoded words of at most 75 characters, B or Q, whichever is
 * shorter [RFC 2047 2, 5]; those may stand in a phrase too. column: octets that stand before it on
 * its line. Ill-formed UTF-8 becomes U+FFFD, control characters become blanks.
 */
void mime_word_encode(struct buf *b, struct str text, size_t column);

/*
 * Appends a parameter's value as UTF-8, whether it came plainly, as encoded words (which is wrong
 * but common), or extended and in pieces: name*, name*0, name*1* [RFC 2231 3, 4]. At most 3 times
 * the octets of the pieces. False: there is none, nothing appended.
 */
bool mime_word_param(struct buf *b, const struct mime_params *ps, struct str name);

/*
 * Appends "; name=value" to a field, on a folded line of its own: as token, as quoted string or,
 * when not ASCII, as name*=UTF-8''... in as many pieces as needed [RFC 2231 3, 4]. The value is cut
 * at 255 octets; control characters become blanks.
 */
void mime_word_put_param(struct buf *b, struct str name, struct str value);

#endif
