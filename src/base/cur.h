/*
 * A cursor over bytes for parsers. Failure is sticky: after the first mismatch every further call
 * fails and moves nothing, so that a parser reads like its ABNF and checks once at its end.
 * Text functions first, then the big-endian binary ones that pair with base/wire.h.
 */
#ifndef BASE_CUR_H
#define BASE_CUR_H

#include "base/str.h"

struct cur {
	const uint8_t *p;
	const uint8_t *end;
	bool bad;
};

static inline struct cur cur_of(struct str s)
{
	return (struct cur){s.p, s.p ? s.p + s.n : s.p, false};
}

/* Bytes left (0 after a failure). */
static inline size_t cur_left(const struct cur *c)
{
	return c->bad ? 0 : (size_t)(c->end - c->p);
}

/* Everything went well and nothing is left. */
static inline bool cur_done(const struct cur *c)
{
	return !c->bad && c->p == c->end;
}

/* Next octet without moving, -1 at the end or after a failure. */
static inline int cur_peek(const struct cur *c)
{
	return cur_left(c) ? *c->p : -1;
}

/* Marks failure; always false. */
bool cur_fail(struct cur *c);

/* These must match, else the cursor fails. _i ignores ASCII case. */
bool cur_lit(struct cur *c, struct str lit);
bool cur_lit_i(struct cur *c, struct str lit);
bool cur_byte(struct cur *c, uint8_t b);
bool cur_end(struct cur *c);

/* These match or leave the cursor as it is; they never fail it. */
bool cur_try(struct cur *c, uint8_t b);
bool cur_try_lit_i(struct cur *c, struct str lit);

/* One or more WSP: true and skipped; none: false, no failure. */
bool cur_sp(struct cur *c);

/* The longest run of octets for which is() holds; may be empty. */
struct str cur_while(struct cur *c, bool (*is)(uint8_t));

/* Exactly n bytes, else failure and the empty view. */
struct str cur_take(struct cur *c, size_t n);

/* All that is left. */
struct str cur_rest(struct cur *c);

/* Decimal number of 1 to 20 digits, at most max; else failure and 0. */
uint64_t cur_number(struct cur *c, uint64_t max);

/* Big-endian integers; failure gives 0. */
uint8_t cur_u8(struct cur *c);
uint16_t cur_u16(struct cur *c);
uint32_t cur_u32(struct cur *c);
uint64_t cur_u64(struct cur *c);
int64_t cur_i64(struct cur *c);

/* 0 or 1 as one octet; anything else fails. */
bool cur_bool(struct cur *c);

/* One octet that must be below count: for enums. */
uint8_t cur_enum(struct cur *c, uint8_t count);

/* 32-bit length and that many bytes, at most max of them; else failure and the empty view. */
struct str cur_str(struct cur *c, size_t max);

#endif
