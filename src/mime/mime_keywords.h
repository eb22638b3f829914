/*
 * Keywords of a message [RFC 8621 4.1.1]: lower case, sorted, each once, separated by single spaces;
 * and the letters that stand for some of them in mbox files and Maildir names.
 */
#ifndef MIME_KEYWORDS_H
#define MIME_KEYWORDS_H

#include "base/buf.h"

#define MIME_KEYWORD_MAX  ((size_t)255) /* octets of one */
#define MIME_KEYWORDS_MAX 64            /* of one message */
#define MIME_KEYWORDS_OUT ((size_t)4096)

/*
 * Appends the words (separated by blanks or commas) in that form. What cannot be a keyword is left
 * out, so are words above the limits.
 */
void mime_keywords_put(struct buf *b, struct str words);

/* Whether all of the words can be keywords, and are together within the limits. */
bool mime_keywords_are(struct str words);

/*
 * Appends `old` without those of `remove` and with those of `add`, all three in that form. False, nothing
 * appended, when that is more than the limits let one message have.
 */
bool mime_keywords_change(struct buf *b, struct str old, struct str remove, struct str add);

/* Whether a keyword is among those in that form. */
bool mime_keywords_has(struct str keywords, struct str word);

/* Letters of a format and the keywords they stand for. */
enum mime_letters {
	MIME_LETTERS_STATUS,  /* mbox: Status */
	MIME_LETTERS_XSTATUS, /* mbox: X-Status */
	MIME_LETTERS_MAILDIR, /* behind ":2," */
	MIME_LETTERS
};

/* Appends the letters for the keywords, in the format's order. */
void mime_keywords_letters(struct buf *b, enum mime_letters format, struct str keywords);

/* Appends the keywords for the letters, each with a blank before it; others are passed over. */
void mime_keywords_of_letters(struct buf *b, enum mime_letters format, struct str letters);

#endif
