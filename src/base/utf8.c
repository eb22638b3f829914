#include "base/utf8.h"

static bool is_tail(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

size_t utf8_char(struct str s)
{
	uint8_t c = s.n ? s.p[0] : 0xff;
	size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	if (n == 0 || s.n < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if (!is_tail(s.p[i]))
			return 0;
	if ((c == 0xe0 && s.p[1] < 0xa0) || (c == 0xed && s.p[1] > 0x9f) ||
	    (c == 0xf0 && s.p[1] < 0x90) || (c == 0xf4 && s.p[1] > 0x8f))
		return 0;
	return n;
}

bool utf8_is_valid(struct str s)
{
	while (s.n) {
		size_t n = utf8_char(s);

		if (n == 0)
			return false;
		s.p += n;
		s.n -= n;
	}
	return true;
}

bool utf8_is_hidden(struct str c)
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

void utf8_put(struct buf *b, uint32_t code)
{
	if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		code = 0xfffd;
	if (code < 0x80) {
		buf_byte(b, (uint8_t)code);
		return;
	}
	if (code < 0x800) {
		buf_byte(b, (uint8_t)(0xc0 | code >> 6));
	} else if (code < 0x10000) {
		buf_byte(b, (uint8_t)(0xe0 | code >> 12));
		buf_byte(b, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
	} else {
		buf_byte(b, (uint8_t)(0xf0 | code >> 18));
		buf_byte(b, (uint8_t)(0x80 | (code >> 12 & 0x3f)));
		buf_byte(b, (uint8_t)(0x80 | (code >> 6 & 0x3f)));
	}
	buf_byte(b, (uint8_t)(0x80 | (code & 0x3f)));
}

/* Octets of the character at the head of s that may stand in a line as it is; 0: none may. */
static size_t shown(struct str s)
{
	size_t n = utf8_char(s);

	if (n == 1)
		return s.p[0] >= ' ' && s.p[0] != 0x7f ? 1 : 0;
	return n && !utf8_is_hidden(str_sub(s, 0, n)) ? n : 0;
}

void utf8_put_quoted(struct buf *b, struct str s)
{
	buf_byte(b, '"');
	while (s.n) {
		size_t n = shown(s);

		if (s.p[0] == '"' || s.p[0] == '\\')
			buf_byte(b, '\\');
		if (n) {
			buf_str(b, str_sub(s, 0, n));
		} else {
			n = 1;
			buf_lit(b, "\\x");
			buf_hex(b, str_sub(s, 0, 1));
		}
		s = str_from(s, n);
	}
	buf_byte(b, '"');
}
