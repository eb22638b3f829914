/*
 * One pass, no looking back. Comments nest without recursion: a counter is enough. A backslash
 * takes the next octet with it in quoted strings, comments and literals, nowhere else.
 */
#include "mime/mime_lex.h"

enum {
	A = MIME_LEX_ADDRESS,
	C = MIME_LEX_CONTENT,
	D = MIME_LEX_DATE,
	ALL = A | C | D,
	BLANK = 8,
};

static const uint8_t classes[256] = {
    ['('] = ALL,
    [')'] = ALL,
    ['<'] = ALL,
    ['>'] = ALL,
    ['@'] = ALL,
    [','] = ALL,
    [';'] = ALL,
    [':'] = ALL,
    ['\\'] = ALL,
    ['"'] = ALL,
    ['['] = ALL,
    [']'] = ALL,
    ['/'] = C,
    ['?'] = C,
    ['='] = C,
    ['+'] = D,
    ['-'] = D,
    [' '] = BLANK,
    ['\t'] = BLANK,
    ['\r'] = BLANK,
    ['\n'] = BLANK,
    ['\0'] = BLANK,
};

void mime_lex_init(struct mime_lex *l, struct str s, enum mime_lex_grammar grammar)
{
	*l = (struct mime_lex){.p = s.p, .end = s.p ? s.p + s.n : s.p, .grammar = grammar};
}

/*
 * Moves behind the closing octet and gives what stands before it. open: an octet that must be
 * closed as often again (comments nest), or the closing one itself.
 */
static struct str enclosed(struct mime_lex *l, uint8_t open, uint8_t close)
{
	const uint8_t *start = l->p;
	size_t depth = 1;

	for (; l->p < l->end; l->p++) {
		if (*l->p == '\\' && l->end - l->p > 1)
			l->p++;
		else if (*l->p == close && --depth == 0)
			return str_of(start, (size_t)(l->p++ - start));
		else if (*l->p == open)
			depth++;
	}
	return str_of(start, (size_t)(l->p - start));
}

/* Skips blanks and comments; were there any? */
static bool skip_gap(struct mime_lex *l)
{
	const uint8_t *start = l->p;

	while (l->p < l->end) {
		if (classes[*l->p] & BLANK) {
			l->p++;
		} else if (*l->p == '(') {
			l->p++;
			l->comment = enclosed(l, '(', ')');
		} else {
			break;
		}
	}
	return l->p != start;
}

static struct str word(struct mime_lex *l)
{
	const uint8_t *start = l->p;
	unsigned stop = (unsigned)l->grammar | BLANK;

	while (l->p < l->end && !(classes[*l->p] & stop))
		l->p++;
	return str_of(start, (size_t)(l->p - start));
}

static void scan_token(struct mime_lex *l, struct mime_lex_token *t)
{
	const uint8_t *start = l->p;
	uint8_t c = *l->p;

	if (!(classes[c] & (unsigned)l->grammar)) {
		t->kind = MIME_LEX_WORD;
		t->text = word(l);
		return;
	}
	l->p++;
	t->kind = MIME_LEX_SPECIAL;
	t->special = c;
	t->text = str_of(start, 1);
	if (c == '"' || c == '[') {
		t->text = enclosed(l, c == '"' ? '"' : ']', c == '"' ? '"' : ']');
		if (l->p > t->text.p + t->text.n)
			t->kind = c == '"' ? MIME_LEX_QUOTED : MIME_LEX_LITERAL;
	}
	if (t->kind == MIME_LEX_LITERAL)
		t->text = str_of(start, (size_t)(l->p - start));
}

struct mime_lex_token mime_lex_next(struct mime_lex *l)
{
	struct mime_lex_token t = {.kind = MIME_LEX_END};
	const uint8_t *start = l->p;

	t.gap = skip_gap(l);
	if (l->p < l->end)
		scan_token(l, &t);
	l->steps += (size_t)(l->p - start);
	return t;
}

size_t mime_lex_unquote(uint8_t *out, struct str text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];

		if (c == '\\' && i + 1 < text.n)
			c = text.p[++i];
		if (c != '\r' && c != '\n')
			out[n++] = c ? c : ' ';
	}
	return n;
}
