#include "base/cur.h"

#include "base/ascii.h"

bool cur_fail(struct cur *c)
{
	c->bad = true;
	return false;
}

struct str cur_take(struct cur *c, size_t n)
{
	struct str s = {c->p, n};

	if (cur_left(c) < n || c->bad) {
		cur_fail(c);
		return (struct str){NULL, 0};
	}
	c->p += n;
	return s;
}

struct str cur_rest(struct cur *c)
{
	return cur_take(c, cur_left(c));
}

static bool starts_i(const struct cur *c, struct str lit)
{
	return !c->bad && str_has_prefix_i(str_of(c->p, cur_left(c)), lit);
}

bool cur_lit(struct cur *c, struct str lit)
{
	if (c->bad || !str_has_prefix(str_of(c->p, cur_left(c)), lit))
		return cur_fail(c);
	c->p += lit.n;
	return true;
}

bool cur_lit_i(struct cur *c, struct str lit)
{
	return cur_try_lit_i(c, lit) || cur_fail(c);
}

bool cur_try_lit_i(struct cur *c, struct str lit)
{
	if (!starts_i(c, lit))
		return false;
	c->p += lit.n;
	return true;
}

bool cur_try(struct cur *c, uint8_t b)
{
	if (cur_peek(c) != b)
		return false;
	c->p++;
	return true;
}

bool cur_byte(struct cur *c, uint8_t b)
{
	return cur_try(c, b) || cur_fail(c);
}

bool cur_end(struct cur *c)
{
	return cur_done(c) || cur_fail(c);
}

bool cur_sp(struct cur *c)
{
	const uint8_t *start = c->p;

	while (cur_left(c) && ascii_is_wsp(*c->p))
		c->p++;
	return c->p != start;
}

struct str cur_while(struct cur *c, bool (*is)(uint8_t))
{
	const uint8_t *start = c->p;

	while (cur_left(c) && is(*c->p))
		c->p++;
	return str_of(start, (size_t)(c->p - start));
}

uint64_t cur_number(struct cur *c, uint64_t max)
{
	struct str digits = cur_while(c, ascii_is_digit);
	uint64_t v = 0;

	if (digits.n > 20 || !str_to_u64(digits, max, &v)) {
		cur_fail(c);
		return 0;
	}
	return v;
}

/* n bytes, most significant first. */
static uint64_t cur_be(struct cur *c, size_t n)
{
	struct str s = cur_take(c, n);
	uint64_t v = 0;

	for (size_t i = 0; i < s.n; i++)
		v = v << 8 | s.p[i];
	return v;
}

uint8_t cur_u8(struct cur *c)
{
	return (uint8_t)cur_be(c, 1);
}

uint16_t cur_u16(struct cur *c)
{
	return (uint16_t)cur_be(c, 2);
}

uint32_t cur_u32(struct cur *c)
{
	return (uint32_t)cur_be(c, 4);
}

uint64_t cur_u64(struct cur *c)
{
	return cur_be(c, 8);
}

int64_t cur_i64(struct cur *c)
{
	return (int64_t)cur_be(c, 8);
}

uint8_t cur_enum(struct cur *c, uint8_t count)
{
	uint8_t v = cur_u8(c);

	if (v < count)
		return v;
	cur_fail(c);
	return 0;
}

bool cur_bool(struct cur *c)
{
	return cur_enum(c, 2) == 1;
}

struct str cur_str(struct cur *c, size_t max)
{
	uint32_t n = cur_u32(c);

	if (n > max)
		cur_fail(c);
	return cur_take(c, n);
}
