#include "base/base64.h"

#include "base/ascii.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct buf *out, struct str in)
{
	for (size_t i = 0; i < in.n; i += 3) {
		size_t have = in.n - i < 3 ? in.n - i : 3;
		uint32_t v = (uint32_t)in.p[i] << 16;

		if (have > 1)
			v |= (uint32_t)in.p[i + 1] << 8;
		if (have > 2)
			v |= in.p[i + 2];
		buf_byte(out, (uint8_t)alphabet[v >> 18]);
		buf_byte(out, (uint8_t)alphabet[v >> 12 & 63]);
		buf_byte(out, have > 1 ? (uint8_t)alphabet[v >> 6 & 63] : '=');
		buf_byte(out, have > 2 ? (uint8_t)alphabet[v & 63] : '=');
	}
}

int base64_value(uint8_t c)
{
	if (ascii_is_upper(c))
		return c - 'A';
	if (ascii_is_lower(c))
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* One group of four characters; pads allowed in the last one only. False: not canonical. */
static bool decode_group(struct buf *out, const uint8_t *p, bool last)
{
	int pads = p[3] != '=' ? 0 : p[2] != '=' ? 1 : 2;
	uint32_t v = 0;

	if (pads && !last)
		return false;
	for (int i = 0; i < 4; i++) {
		int d = i < 4 - pads ? base64_value(p[i]) : 0;

		if (d < 0)
			return false;
		v = v << 6 | (uint32_t)d;
	}
	if (pads && (v & (pads == 1 ? 0xffu : 0xffffu)))
		return false;
	for (int i = 0; i < 3 - pads; i++)
		buf_byte(out, (uint8_t)(v >> (16 - 8 * i)));
	return true;
}

bool base64_decode(struct buf *out, struct str in)
{
	size_t before = out->n;
	bool good = in.n % 4 == 0;

	for (size_t i = 0; good && i < in.n; i += 4)
		good = decode_group(out, in.p + i, i + 4 == in.n);
	if (good && !out->overflow)
		return true;
	out->n = before;
	return false;
}
