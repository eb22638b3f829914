#include "base/line.h"

void line_in_init(struct line_in *l, size_t max)
{
	*l = (struct line_in){0};
	buf_init(&l->acc, max);
}

void line_in_fini(struct line_in *l)
{
	buf_wipe(&l->acc);
}

void line_in_reset(struct line_in *l)
{
	buf_wipe(&l->acc);
	l->too_long = false;
}

static enum line_status finish(struct str whole, struct str *line_r)
{
	bool crlf = whole.n >= 2 && whole.p[whole.n - 2] == '\r';

	*line_r = str_sub(whole, 0, whole.n - (crlf ? 2 : 1));
	return crlf && str_find(*line_r, '\r') == line_r->n ? LINE_DONE : LINE_BARE;
}

/* The limit is more than that. */
static void keep_head(struct line_in *l, struct str part)
{
	struct str kept = buf_view(&l->acc);

	for (size_t i = 0; i < LINE_HEAD && i < kept.n + part.n; i++)
		l->head[i] = i < kept.n ? kept.p[i] : part.p[i - kept.n];
}

enum line_status line_in_next(struct line_in *l, struct str in, size_t *used_r, struct str *line_r)
{
	size_t at = str_find(in, '\n');
	bool ended = at < in.n;
	struct str part = str_sub(in, 0, ended ? at + 1 : in.n);

	*used_r = part.n;
	*line_r = (struct str){NULL, 0};
	if (l->too_long || part.n > l->acc.max - l->acc.n) {
		if (!l->too_long)
			keep_head(l, part);
		buf_clear(&l->acc);
		l->too_long = !ended;
		if (ended)
			*line_r = str_of(l->head, LINE_HEAD);
		return ended ? LINE_TOO_LONG : LINE_MORE;
	}
	if (ended && l->acc.n == 0)
		return finish(part, line_r);
	buf_str(&l->acc, part);
	if (!ended)
		return LINE_MORE;
	part = buf_view(&l->acc);
	l->acc.n = 0; /* the bytes stay valid until the next call */
	return finish(part, line_r);
}
