/*
 * Tokens of structured header fields: words, quoted strings, domain literals, specials, with
 * comments and folds skipped [RFC 5322 3.2, 4.1; RFC 2045 5.1]. Every octet is looked at once.
 */
#ifndef MIME_LEX_H
#define MIME_LEX_H

#include "base/str.h"

/* What ends a word; the dot is part of words in all of them. */
enum mime_lex_grammar {
	MIME_LEX_ADDRESS = 1, /* specials [RFC 5322 3.2.3] but the dot */
	MIME_LEX_CONTENT = 2, /* tspecials [RFC 2045 5.1] */
	MIME_LEX_DATE = 4,    /* specials, "+" and "-" */
};

enum mime_lex_kind {
	MIME_LEX_END,
	MIME_LEX_WORD,    /* text: octets that are no special, blank, CR, LF or NUL */
	MIME_LEX_QUOTED,  /* text: between the quotes, as it came */
	MIME_LEX_LITERAL, /* text: "[...]" with its brackets, as it came */
	MIME_LEX_SPECIAL, /* special: that octet; also a quote or bracket that is never closed */
};

struct mime_lex_token {
	enum mime_lex_kind kind;
	uint8_t special;
	bool gap; /* blanks or comments stood before it */
	struct str text;
};

struct mime_lex {
	const uint8_t *p, *end;
	enum mime_lex_grammar grammar;
	struct str comment; /* inside of the last comment that was skipped; p is NULL without one */
	size_t steps;       /* octets consumed */
};

void mime_lex_init(struct mime_lex *l, struct str s, enum mime_lex_grammar grammar);

/*
 * The next token; views into the text given at init. What is never closed takes all that is left.
 */
struct mime_lex_token mime_lex_next(struct mime_lex *l);

/* The token is this special. */
static inline bool mime_lex_is(const struct mime_lex_token *t, uint8_t special)
{
	return t->kind == MIME_LEX_SPECIAL && t->special == special;
}

/*
 * Writes text to out without quoted pairs and folds: "\x" gives x; CR and LF vanish, NUL becomes a
 * blank. Returns the octets written, at most text.n.
 */
size_t mime_lex_unquote(uint8_t *out, struct str text);

#endif
