/*
 * A dialogue in bounded memory. Lines are appended; when there are too many, those behind the
 * beginning go. Invariants:
 * - text is whole lines, but for the one that is being written: the beginning, the mark if any line was
 *   left out, the end.
 * - It grows by two lines of the longest kind above max before it is shortened to max again, so that
 *   an octet is moved a fixed number of times however many follow it.
 */
#include "smtp/smtp_dialogue.h"

#include "base/mem.h"

#define DIALOGUE_MIN 256
#define HEAD_SHARE   4 /* of max, for the beginning */
#define LINE_SHARE   8 /* of max, for one line */
#define MARK_MAX     48

void smtp_dialogue_init(struct smtp_dialogue *d, size_t max)
{
	MUST(max >= DIALOGUE_MIN);
	*d = (struct smtp_dialogue){.max = max};
	buf_init(&d->text, max + 2 * (max / LINE_SHARE));
}

void smtp_dialogue_fini(struct smtp_dialogue *d)
{
	buf_fini(&d->text);
	smtp_dialogue_clear(d);
}

void smtp_dialogue_clear(struct smtp_dialogue *d)
{
	buf_clear(&d->text);
	d->left_out = d->head = d->mark = 0;
}

/* Octets of the lines that are whole. */
static size_t whole_lines(struct str text)
{
	size_t at = str_rfind(text, '\n');

	return at < text.n ? at + 1 : 0;
}

static size_t count_lines(struct str text)
{
	size_t n = 0;

	for (; text.n; n++)
		str_split(text, '\n', &text);
	return n;
}

/* Of the lines behind the beginning the last stay, as many as fit in room; so many more are missed between. */
static void leave_out(struct smtp_dialogue *d, size_t room, size_t more)
{
	struct str text = buf_view(&d->text);
	struct buf kept;
	size_t begin, from;

	if (d->left_out == 0)
		d->head = whole_lines(str_sub(text, 0, d->max / HEAD_SHARE));
	begin = d->head + d->mark;
	from = text.n - begin > room ? text.n - room : begin;
	if (from > begin) /* and on to where a line begins */
		from += str_find(str_from(text, from - 1), '\n');
	d->left_out += count_lines(str_sub(text, begin, from - begin)) + more;
	buf_init(&kept, d->text.max);
	buf_str(&kept, str_sub(text, 0, d->head));
	buf_lit(&kept, "* lines left out: ");
	buf_u64(&kept, d->left_out);
	buf_byte(&kept, '\n');
	d->mark = kept.n - d->head;
	buf_str(&kept, str_from(text, from));
	buf_fini(&d->text);
	d->text = kept;
}

static void shorten(struct smtp_dialogue *d)
{
	leave_out(d, d->max - d->max / HEAD_SHARE - MARK_MAX, 0);
}

struct buf *smtp_dialogue_begin(struct smtp_dialogue *d, const char *who)
{
	if (buf_room(&d->text) < d->max / LINE_SHARE)
		shorten(d);
	d->line = d->text.n;
	buf_c(&d->text, who);
	return &d->text;
}

void smtp_dialogue_end(struct smtp_dialogue *d)
{
	buf_byte(&d->text, '\n');
	if (!d->text.overflow && d->text.n - d->line <= d->max / LINE_SHARE)
		return;
	d->text.n = d->line;
	leave_out(d, 0, 1);
}

static void add_lines(struct smtp_dialogue *d, struct str text)
{
	while (text.n) {
		struct str line = str_split(text, '\n', &text);

		buf_str(smtp_dialogue_begin(d, ""), line);
		smtp_dialogue_end(d);
	}
}

void smtp_dialogue_append(struct smtp_dialogue *d, const struct smtp_dialogue *more)
{
	struct str text = buf_view(&more->text);

	add_lines(d, str_sub(text, 0, more->head));
	if (more->left_out)
		leave_out(d, 0, more->left_out);
	add_lines(d, str_from(text, more->head + more->mark));
}

struct str smtp_dialogue_text(struct smtp_dialogue *d)
{
	if (d->text.n > d->max)
		shorten(d);
	return buf_view(&d->text);
}
