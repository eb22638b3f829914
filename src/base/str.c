#include "base/str.h"

#include "base/ascii.h"

struct str str_of(const void *p, size_t n)
{
	return (struct str){p, n};
}

struct str str_of_c(const char *s)
{
	return s ? str_of(s, strlen(s)) : (struct str){NULL, 0};
}

bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool str_eq_i(struct str a, struct str b)
{
	return a.n == b.n && str_has_prefix_i(a, b);
}

bool str_has_prefix(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq(str_sub(s, 0, prefix.n), prefix);
}

bool str_has_prefix_i(struct str s, struct str prefix)
{
	if (s.n < prefix.n)
		return false;
	for (size_t i = 0; i < prefix.n; i++)
		if (ascii_lower(s.p[i]) != ascii_lower(prefix.p[i]))
			return false;
	return true;
}

bool str_has_suffix_i(struct str s, struct str suffix)
{
	return s.n >= suffix.n && str_has_prefix_i(str_from(s, s.n - suffix.n), suffix);
}

struct str str_sub(struct str s, size_t off, size_t n)
{
	if (off >= s.n)
		return (struct str){NULL, 0};
	return (struct str){s.p + off, n < s.n - off ? n : s.n - off};
}

struct str str_from(struct str s, size_t off)
{
	return str_sub(s, off, s.n);
}

size_t str_find(struct str s, uint8_t c)
{
	const uint8_t *q = s.n ? memchr(s.p, c, s.n) : NULL;

	return q ? (size_t)(q - s.p) : s.n;
}

size_t str_rfind(struct str s, uint8_t c)
{
	const uint8_t *q = s.n ? memrchr(s.p, c, s.n) : NULL;

	return q ? (size_t)(q - s.p) : s.n;
}

size_t str_find_str(struct str s, struct str needle)
{
	const uint8_t *q;

	if (needle.n == 0)
		return 0;
	q = s.n >= needle.n ? memmem(s.p, s.n, needle.p, needle.n) : NULL;
	return q ? (size_t)(q - s.p) : s.n;
}

static bool is_blank(uint8_t c)
{
	return ascii_is_wsp(c) || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
	while (s.n && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

struct str str_split(struct str s, uint8_t sep, struct str *rest)
{
	size_t at = str_find(s, sep);

	*rest = at < s.n ? str_from(s, at + 1) : (struct str){NULL, 0};
	return str_sub(s, 0, at);
}

bool str_to_u64(struct str s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint64_t digit = (uint64_t)s.p[i] - '0';

		if (!ascii_is_digit(s.p[i]) || digit > max || v > (max - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return true;
}

/* Message bodies pass here: eight octets at a time. */
bool str_has_8bit(struct str s)
{
	uint64_t eight, all = 0;
	uint8_t rest = 0;
	size_t i = 0;

	for (; s.n - i >= sizeof eight; i += sizeof eight) {
		memcpy(&eight, s.p + i, sizeof eight);
		all |= eight;
	}
	for (; i < s.n; i++)
		rest |= s.p[i];
	return (all & UINT64_C(0x8080808080808080)) || (rest & 0x80);
}

bool str_has_cntrl(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (ascii_is_cntrl(s.p[i]))
			return true;
	return false;
}
