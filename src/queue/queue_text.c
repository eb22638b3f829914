/* Filters of text. Both are one pass over what they take. */
#include "queue/queue_text.h"

#include "base/ascii.h"
#include "base/mem.h"
#include "base/utf8.h"

static bool is_blank(uint8_t c)
{
	return ascii_is_wsp(c) || c == '\r' || c == '\n';
}

/* Characters above 127 that show nothing, or change how their neighbours show. */
static bool is_hidden(struct str c)
{
	static const struct {
		uint32_t first, last;
	} hidden[] = {
	    {0x80, 0x9f},     /* C1 controls */
	    {0xad, 0xad},     /* soft hyphen */
	    {0x200b, 0x200f}, /* without width; direction marks */
	    {0x2028, 0x202e}, /* line and paragraph ends, direction */
	    {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xe0000, 0xe007f}, /* tags */
	};
	uint32_t code = c.p[0] & (0xffu >> (c.n + 1));

	for (size_t i = 1; i < c.n; i++)
		code = code << 6 | (c.p[i] & 0x3f);
	for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
		if (code >= hidden[i].first && code <= hidden[i].last)
			return true;
	return false;
}

/* The character at the head of s as it may be shown; *used_r: its octets. */
static struct str shown(struct str s, bool utf8, size_t *used_r)
{
	size_t n = utf8_char(s);

	*used_r = n ? n : 1;
	if (n == 1 && !ascii_is_cntrl(s.p[0]))
		return str_sub(s, 0, 1);
	if (n > 1 && utf8 && !is_hidden(str_sub(s, 0, n)))
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

/* Characters, if it is UTF-8. */
static size_t count(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += (s.p[i] & 0xc0) != 0x80;
	return n;
}

void queue_text_wrap(struct buf *b, struct str text, struct str eol, size_t width, size_t column)
{
	struct str tail = str_from(eol, str_rfind(eol, '\n') + 1);
	bool first = true;

	while (text.n) {
		struct str word = str_split(text, ' ', &text);
		size_t n = count(word);

		if (!first && column + 1 + n > width) {
			buf_str(b, eol);
			column = tail.n;
		} else if (!first) {
			buf_byte(b, ' ');
			column++;
		}
		buf_str(b, word);
		column += n;
		first = false;
	}
}

struct str queue_text_domain(struct str address)
{
	return str_from(address, str_rfind(address, '@') + 1);
}
