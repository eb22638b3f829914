/*
 * States of the decoder stand for what was read since the last line start:
 *   BOL       nothing: the last octets were CRLF, or the message begins
 *   BARE_BOL  nothing, after a bare LF: dots are unstuffed, but no message can end here
 *   TEXT      something
 *   CR        a CR that is not yet written out
 *   DOT       "." at BOL, not yet written out (BARE_DOT: at BARE_BOL)
 *   DOT_CR    "." CR at BOL, neither written out
 */
#include "base/dot.h"

#include "base/mem.h"

enum {
	BOL,
	BARE_BOL,
	TEXT,
	CR,
	DOT,
	BARE_DOT,
	DOT_CR
};

void dot_in_init(struct dot_in *d, bool dots, bool normalize)
{
	*d = (struct dot_in){.state = BOL, .dots = dots, .normalize = normalize};
}

/* A bare LF or CR: noted, and written as it is or as a line end. */
static void put_bare(struct dot_in *d, uint8_t c, struct buf *out)
{
	d->bare = true;
	d->bare_cr |= c == '\r';
	if (d->normalize)
		buf_lit(out, "\r\n");
	else
		buf_byte(out, c);
}

/* Copies octets that need no look, at most up to the room; gives how many. */
static size_t copy_text(struct str in, struct buf *out)
{
	size_t room = buf_room(out) - 3;
	struct str s = str_sub(in, 0, room);
	size_t n = str_find(s, '\n');

	n = str_find(str_sub(s, 0, n), '\r');
	buf_str(out, str_sub(s, 0, n));
	return n;
}

/* State after a pending CR turned out to be bare; the octet behind it is looked at again. */
static void settle_cr(struct dot_in *d, struct buf *out)
{
	put_bare(d, '\r', out);
	d->state = d->normalize ? BARE_BOL : TEXT;
}

/* One octet where it matters; true when it is consumed, false to look again in the new state. */
static bool step(struct dot_in *d, uint8_t c, struct buf *out)
{
	switch (d->state) {
	case CR:
		if (c != '\n') {
			settle_cr(d, out);
			return false;
		}
		buf_lit(out, "\r\n");
		d->state = BOL;
		return true;
	case DOT:
		if (c == '\r') {
			d->state = DOT_CR;
			return true;
		}
		d->state = TEXT; /* the dot was stuffed (or should have been): it is dropped */
		return false;
	case BARE_DOT:
		if (c == '\r' || c == '\n')
			buf_byte(out, '.'); /* content: only CRLF "." CRLF ends a message */
		d->state = TEXT;
		return false;
	case DOT_CR: /* "." CR and no LF: a line that begins with a bare CR */
		d->state = CR;
		return false;
	case BOL:
	case BARE_BOL:
		if (c == '.' && d->dots) {
			d->state = d->state == BOL ? DOT : BARE_DOT;
			return true;
		}
		d->state = TEXT;
		return false;
	default:
		if (c == '\r') {
			d->state = CR;
		} else {
			put_bare(d, '\n', out);
			d->state = BARE_BOL;
		}
		return true;
	}
}

enum dot_status dot_in_feed(struct dot_in *d, struct str in, size_t *used_r, struct buf *out)
{
	size_t i = 0;

	while (i < in.n && buf_room(out) >= 4) {
		if (d->state == DOT_CR && in.p[i] == '\n') {
			d->state = BOL;
			*used_r = i + 1;
			return DOT_END;
		}
		if (d->state == TEXT && in.p[i] != '\r' && in.p[i] != '\n')
			i += copy_text(str_from(in, i), out);
		else if (step(d, in.p[i], out))
			i++;
	}
	*used_r = i;
	return DOT_MORE;
}

void dot_in_finish(struct dot_in *d, struct buf *out, bool *midline_r)
{
	MUST(!d->dots);
	if (d->state == CR)
		settle_cr(d, out);
	*midline_r = d->state == TEXT;
}

void dot_out_init(struct dot_out *d, bool dots)
{
	*d = (struct dot_out){.dots = dots};
}

void dot_out_feed(struct dot_out *d, struct str in, size_t *used_r, struct buf *out)
{
	size_t i = 0;

	while (i < in.n && buf_room(out) >= 2) {
		struct str rest = str_from(in, i);
		size_t n;

		if (d->dots && !d->midline && rest.p[0] == '.')
			buf_byte(out, '.');
		rest = str_sub(rest, 0, buf_room(out));
		n = str_find(rest, '\n');
		d->midline = n == rest.n;
		n += !d->midline;
		buf_str(out, str_sub(rest, 0, n));
		i += n;
	}
	*used_r = i;
}

void dot_out_end(struct dot_out *d, struct buf *out)
{
	if (d->midline)
		buf_lit(out, "\r\n");
	if (d->dots)
		buf_lit(out, ".\r\n");
	d->midline = false;
}
