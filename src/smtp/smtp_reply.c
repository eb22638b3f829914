/* Every reply of the server is written here, and every reply to the client is read here. */
#include "smtp/smtp_reply.h"

#include "base/ascii.h"
#include "base/cur.h"
#include "base/limits.h"

#define LINES_MAX 16

/* The status as "2.1.5 ". */
static void put_status(struct buf *out, struct smtp_status st)
{
	if (st.class == 0)
		return;
	buf_u64(out, st.class);
	buf_byte(out, '.');
	buf_u64(out, st.subject);
	buf_byte(out, '.');
	buf_u64(out, st.detail);
	buf_byte(out, ' ');
}

static void put_line(struct buf *out, const struct smtp_reply *r, struct str text, bool last)
{
	size_t start = out->n;

	buf_u64_pad(out, r->code, 3);
	buf_byte(out, last ? ' ' : '-');
	put_status(out, r->status);
	text = str_sub(text, 0, LIMIT_SMTP_REPLY_LINE - 2 - (out->n - start));
	for (size_t i = 0; i < text.n; i++)
		buf_byte(out, text.p[i] == ' ' || ascii_is_vchar(text.p[i]) ? text.p[i] : '?');
	buf_lit(out, "\r\n");
}

void smtp_reply_put(struct buf *out, const struct smtp_reply *r)
{
	struct str rest = r->text;

	for (int i = 1; i <= LINES_MAX; i++) {
		struct str line = str_split(rest, '\n', &rest);

		put_line(out, r, line, rest.n == 0 || i == LINES_MAX);
		if (rest.n == 0)
			break;
	}
}

struct smtp_reply smtp_reply_copy(struct arena *a, const struct smtp_reply *r)
{
	struct smtp_reply copy = *r;

	copy.text = arena_str(a, str_sub(r->text, 0, SMTP_REPLY_MAX));
	return copy;
}

/* 2, 4 or 5 [RFC 3463 2], and that of the code. */
static bool is_class_of(uint8_t class, uint16_t code)
{
	return class == code / 100 && class != 3;
}

/* Takes "2.1.5 " off the front of the text when it is a status of that class. */
static void split_status(struct smtp_reply *r)
{
	struct cur c = cur_of(r->text);
	struct smtp_status st;

	st.class = (uint8_t)cur_number(&c, 5);
	cur_byte(&c, '.');
	st.subject = (uint16_t)cur_number(&c, 999);
	cur_byte(&c, '.');
	st.detail = (uint16_t)cur_number(&c, 999);
	if (cur_left(&c) && !cur_sp(&c))
		cur_fail(&c);
	if (c.bad || !is_class_of(st.class, r->code))
		return;
	r->status = st;
	r->text = cur_rest(&c);
}

enum smtp_reply_line smtp_reply_parse(struct str line, struct smtp_reply *r_r)
{
	struct smtp_reply r = {0};
	struct cur c = cur_of(line);
	struct cur digits;
	bool more;

	digits = cur_of(cur_take(&c, 3));
	r.code = (uint16_t)cur_number(&digits, 599);
	more = cur_try(&c, '-');
	if (!more && cur_left(&c))
		cur_byte(&c, ' ');
	if (c.bad || !cur_done(&digits) || r.code < 200)
		return SMTP_REPLY_LINE_BAD;
	r.text = cur_rest(&c);
	split_status(&r);
	*r_r = r;
	return more ? SMTP_REPLY_LINE_MORE : SMTP_REPLY_LINE_LAST;
}
