/* Text from outside made fit for people, rows and header fields; and lines of a bearable length. */
#ifndef QUEUE_TEXT_H
#define QUEUE_TEXT_H

#include "base/buf.h"

/*
 * Appends s as one line of at most max octets (4 or more), cut between characters and ending in
 * "..." when there was more. Blanks and line ends become one blank and vanish at both ends.
 * Control characters, also those of Unicode that change the direction of text, and octets that are
 * no UTF-8 become "?"; so do all others above 127 unless utf8. Looks at little more of s than it
 * takes.
 */
void queue_text_clean(struct buf *b, struct str s, size_t max, bool utf8);

/*
 * Appends words that are separated by single blanks, going on behind eol wherever a line would
 * have more than width columns. column: columns that are taken on the line before them. A wide
 * character (of Chinese, Japanese, Korean) has two, and a line may end before and behind it, but not
 * before a closing nor behind an opening mark. Any other word is never broken.
 */
void queue_text_wrap(struct buf *b, struct str text, struct str eol, size_t width, size_t column);

/* The domain of "local@domain"; empty when there is none. */
struct str queue_text_domain(struct str address);

#endif
