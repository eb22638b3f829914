#include "pop3/pop3_top.h"

enum {
	LINE_EMPTY,
	LINE_CR,
	LINE_TEXT
};

void pop3_top_init(struct pop3_top *t, int64_t lines)
{
	*t = (struct pop3_top){.all = lines < 0, .lines = lines < 0 ? 0 : (uint64_t)lines};
}

/* A line of the message has ended. */
static void line_end(struct pop3_top *t)
{
	if (t->in_body)
		t->lines--;
	else
		t->in_body = t->line != LINE_TEXT;
	t->full = t->in_body && t->lines == 0;
	t->line = LINE_EMPTY;
}

/* Octets of a line that has not ended here. */
static void line_part(struct pop3_top *t, struct str part)
{
	if (part.n == 1 && part.p[0] == '\r' && t->line == LINE_EMPTY)
		t->line = LINE_CR;
	else if (part.n)
		t->line = LINE_TEXT;
}

size_t pop3_top_take(struct pop3_top *t, struct str in)
{
	size_t at = 0;

	if (t->all)
		return in.n;
	while (at < in.n && !t->full) {
		struct str rest = str_from(in, at);
		size_t n = str_find(rest, '\n');

		line_part(t, str_sub(rest, 0, n));
		if (n < rest.n)
			line_end(t);
		at += n < rest.n ? n + 1 : n;
	}
	return at;
}
