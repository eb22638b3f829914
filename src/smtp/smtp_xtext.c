/* Both decoders work through the text once and put the buffer back when they fail. */
#include "smtp/smtp_xtext.h"

#include "base/ascii.h"
#include "base/cur.h"
#include "base/mem.h"
#include "base/utf8.h"

static const char digits[] = "0123456789ABCDEF";

/* xchar: stands for itself. */
static bool is_xchar(uint8_t c)
{
	return ascii_is_vchar(c) && c != '+' && c != '=';
}

/* QCHAR: the same, but for the backslash. */
static bool is_qchar(uint8_t c)
{
	return is_xchar(c) && c != '\\';
}

/* End of a decoder that began when out held before octets. */
static bool settle(struct buf *out, size_t before, bool good)
{
	if (good && !out->overflow)
		return true;
	out->n = before;
	return false;
}

void smtp_xtext_encode(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (is_xchar(s.p[i])) {
			buf_byte(out, s.p[i]);
			continue;
		}
		buf_byte(out, '+');
		buf_byte(out, (uint8_t)digits[s.p[i] >> 4]);
		buf_byte(out, (uint8_t)digits[s.p[i] & 15]);
	}
}

/* The digits of hexchar = "+" 2("0"-"9" / "A"-"F"), upper case only */
static void hexchar(struct cur *c, struct buf *out)
{
	uint8_t a = cur_u8(c);
	uint8_t b = cur_u8(c);

	if (c->bad || ascii_hex(a) < 0 || ascii_hex(b) < 0 || ascii_is_lower(a) ||
	    ascii_is_lower(b))
		cur_fail(c);
	else
		buf_byte(out, (uint8_t)(ascii_hex(a) << 4 | ascii_hex(b)));
}

bool smtp_xtext_decode(struct buf *out, struct str s)
{
	size_t before = out->n;
	struct cur c = cur_of(s);

	while (cur_left(&c)) {
		struct str plain = cur_while(&c, is_xchar);

		buf_str(out, plain);
		if (plain.n == 0 && cur_byte(&c, '+'))
			hexchar(&c, out);
	}
	return settle(out, before, !c.bad);
}

/* Code point of a well-formed character of n octets. */
static uint32_t code_point(const uint8_t *p, size_t n)
{
	uint32_t code = n == 1 ? p[0] : p[0] & (0x7fu >> n);

	for (size_t i = 1; i < n; i++)
		code = code << 6 | (p[i] & 0x3f);
	return code;
}

/* EmbeddedUnicodeChar: "\x{" HEXPOINT "}", at least two digits. */
static void put_embedded(struct buf *out, uint32_t code)
{
	int shift = 20;

	while (shift > 4 && code >> shift == 0)
		shift -= 4;
	buf_lit(out, "\\x{");
	for (; shift >= 0; shift -= 4)
		buf_byte(out, (uint8_t)digits[code >> shift & 15]);
	buf_byte(out, '}');
}

void smtp_utf8_xtext_encode(struct buf *out, struct str s)
{
	while (s.n) {
		size_t n = utf8_char(s);

		MUST(n > 0);
		if (is_qchar(s.p[0]))
			buf_byte(out, s.p[0]);
		else
			put_embedded(out, code_point(s.p, n));
		s = str_from(s, n);
	}
}

/* HEXPOINT "}" behind "\x{": no leading zeros, no surrogate, no control character, not QCHAR. */
static void hexpoint(struct cur *c, struct buf *out)
{
	uint32_t code = 0;
	int n = 0;

	if (cur_peek(c) == '0')
		cur_fail(c);
	for (; n <= 6 && cur_left(c) && ascii_hex(*c->p) >= 0; n++)
		code = code << 4 | (uint32_t)ascii_hex(cur_u8(c));
	cur_byte(c, '}');
	if (n < 2 || n > 6 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		cur_fail(c);
	else if (code < 0x20 || (code >= 0x7f && code < 0xa0) ||
		 (code < 0x7f && is_qchar((uint8_t)code)))
		cur_fail(c);
	else if (!c->bad)
		utf8_put(out, code);
}

/* One character above 127, as it is; U+0080 to U+009F are control characters. */
static void unichar(struct cur *c, struct buf *out)
{
	size_t n = utf8_char(str_of(c->p, cur_left(c)));
	struct str s = cur_take(c, n);

	if (n < 2 || (s.p[0] == 0xc2 && s.p[1] < 0xa0))
		cur_fail(c);
	else
		buf_str(out, s);
}

bool smtp_utf8_xtext_decode(struct buf *out, struct str s)
{
	size_t before = out->n;
	struct cur c = cur_of(s);

	while (cur_left(&c)) {
		struct str plain = cur_while(&c, is_qchar);

		buf_str(out, plain);
		if (plain.n)
			continue;
		if (cur_peek(&c) == '\\' && cur_lit(&c, STR("\\x{")))
			hexpoint(&c, out);
		else
			unichar(&c, out);
	}
	return settle(out, before, !c.bad);
}
