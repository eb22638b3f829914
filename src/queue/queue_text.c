/* Filters of text. Both are one pass over what they take. */
#include "queue/queue_text.h"

#include "base/ascii.h"
#include "base/mem.h"
#include "base/utf8.h"

static bool is_blank(uint8_t c)
{
	return ascii_is_wsp(c) || c == '\r' || c == '\n';
}

/* The character at the head of s as it may be shown; *used_r: its octets. */
static struct str shown(struct str s, bool utf8, size_t *used_r)
{
	size_t n = utf8_char(s);

	*used_r = n ? n : 1;
	if (n == 1 && !ascii_is_cntrl(s.p[0]))
		return str_sub(s, 0, 1);
	if (n > 1 && utf8 && !utf8_is_hidden(str_sub(s, 0, n)))
		return str_sub(s, 0, n);
	return STR("?");
}

void queue_text_clean(struct buf *b, struct str s, size_t max, bool utf8)
{
	size_t start = b->n, mark = b->n;
	bool blank = false;

	MUST(max >= 4);
	while (s.n) {
		struct str c;
		size_t used = 1;

		if (is_blank(s.p[0])) {
			blank = b->n > start;
			s = str_from(s, 1);
			continue;
		}
		c = shown(s, utf8, &used);
		if (b->n - start + blank + c.n > max) {
			b->n = mark;
			buf_lit(b, "...");
			return;
		}
		if (blank)
			buf_byte(b, ' ');
		buf_str(b, c);
		if (b->overflow)
			return;
		if (b->n - start <= max - 3)
			mark = b->n;
		blank = false;
		s = str_from(s, used);
	}
}

/* ---- lines ---- */

/* Has two columns: U+2E80 and above; what is rarer and wide is not told apart. */
static bool is_wide(struct str c)
{
	return c.n == 4 || (c.n == 3 && (c.p[0] > 0xe2 || (c.p[0] == 0xe2 && c.p[1] >= 0xba)));
}

static bool is_one_of(struct str c, struct str marks)
{
	return c.n == 3 && str_find_str(marks, c) < marks.n;
}

/* May a line end between two characters that follow each other? */
static bool may_break(struct str before, struct str after)
{
	if (is_one_of(after, STR("\u3002\uff0c\uff1b\uff1a\uff01\uff1f\u3001\uff09\u300d\u201d")) ||
	    is_one_of(before, STR("\uff08\u300c\u201c")))
		return false;
	return is_wide(before) || is_wide(after);
}

static struct str char_of(struct str s)
{
	size_t n = utf8_char(s);

	return str_sub(s, 0, n ? n : 1);
}

/* What must stay together at the head of text; *columns_r: how many it has. */
static struct str piece_of(struct str text, size_t *columns_r)
{
	struct str c = char_of(text), next;
	size_t n = 0;

	*columns_r = 0;
	while (n < text.n && text.p[n] != ' ') {
		n += c.n;
		*columns_r += is_wide(c) ? 2 : 1;
		next = char_of(str_from(text, n));
		if (n < text.n && may_break(c, next))
			break;
		c = next;
	}
	return str_sub(text, 0, n);
}

void queue_text_wrap(struct buf *b, struct str text, struct str eol, size_t width, size_t column)
{
	struct str tail = str_from(eol, str_rfind(eol, '\n') + 1);
	bool first = true;

	while (text.n) {
		size_t gap = text.p[0] == ' ', n;
		struct str piece = piece_of(str_from(text, gap), &n);

		if (!first && column + gap + n > width) {
			buf_str(b, eol);
			column = tail.n;
		} else if (gap) {
			buf_byte(b, ' ');
			column++;
		}
		buf_str(b, piece);
		column += n;
		first = false;
		text = str_from(text, gap + piece.n);
	}
}

struct str queue_text_domain(struct str address)
{
	return str_from(address, str_rfind(address, '@') + 1);
}
