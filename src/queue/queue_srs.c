/*
 * Writing and reading of SRS addresses.
 *
 * 1. What is hashed is all that is read, in lower case: whoever changes more than the case of an
 *    address has another hash.
 * 2. The three forms hash texts that begin differently, so none can be made into another.
 */
#include "queue/queue_srs.h"

#include "base/ascii.h"
#include "base/cur.h"
#include "base/id.h"
#include "base/limits.h"

#define HASH_LEN ((size_t)8)
#define DAY_LEN  ((size_t)2)
#define DAYS     1024

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"; /* [RFC 4648 6] */

/* -1: not of the alphabet. */
static int digit_of(uint8_t c)
{
	uint8_t upper = ascii_upper(c);

	if (upper >= 'A' && upper <= 'Z')
		return upper - 'A';
	return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

static void put_digits(struct buf *b, uint64_t value, size_t n)
{
	while (n-- > 0)
		buf_byte(b, (uint8_t)alphabet[value >> 5 * n & 31]);
}

static uint64_t take_digits(struct cur *c, size_t n)
{
	uint64_t value = 0;

	while (n-- > 0) {
		int digit = digit_of(cur_u8(c));

		if (digit < 0)
			cur_fail(c);
		else
			value = value << 5 | (uint64_t)digit;
	}
	return value;
}

/* Of a form, '0' or '1', and what follows the hash. */
static uint64_t hash_of(const struct hash_key *key, uint8_t form, struct str rest)
{
	struct buf b;
	uint64_t hash;

	buf_init(&b, LIMIT_SMTP_PATH);
	buf_byte(&b, form);
	buf_lower(&b, rest);
	hash = hash_bytes(key, buf_view(&b));
	buf_fini(&b);
	return hash >> (64 - 5 * HASH_LEN);
}

static uint64_t day_of(int64_t time)
{
	return (uint64_t)(time > 0 ? time / DAY_MS : 0) % DAYS;
}

/* ---- writing ---- */

/* An atom and dots, as it may stand inside of another one [RFC 5321 4.1.2]. */
static bool is_plain_local(struct str s)
{
	static const struct str special = STR_INIT("\"(),:;<>@[\\]");

	if (s.n == 0 || s.p[0] == '.' || s.p[s.n - 1] == '.' || str_find_str(s, STR("..")) < s.n)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!ascii_is_vchar(s.p[i]) || str_find(special, s.p[i]) < special.n)
			return false;
	}
	return true;
}

static bool is_plain_domain(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!ascii_is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
			return false;
	}
	return s.n > 0;
}

static bool is_separator(int c)
{
	return c == '=' || c == '+' || c == '-';
}

/* "SRS0=", "srs1+" ... */
static bool has_form(struct str local, uint8_t form)
{
	return local.n > 5 && str_has_prefix_i(local, STR("SRS")) && local.p[3] == form &&
	       is_separator(local.p[4]);
}

/* What follows the day of an SRS1 for one of others; false: it is none, or none that can be followed. */
static bool put_chained(struct buf *b, struct str local, struct str domain)
{
	struct str first, rest;

	if (has_form(local, '0')) {
		buf_str(b, domain);
		buf_byte(b, '=');
		buf_str(b, str_from(local, 4)); /* its separator too */
		return true;
	}
	if (!has_form(local, '1'))
		return false;
	rest = str_from(local, 5);
	rest = str_from(rest, str_find(rest, '=') + 1);
	first = str_sub(rest, 0, str_find(rest, '='));
	if (!is_plain_domain(first) || rest.n < first.n + 3 || !is_separator(rest.p[first.n + 1]))
		return false;
	buf_str(b, rest);
	return true;
}

/* rest: what is hashed, a day first. */
static void put_form(struct buf *b, const struct hash_key *key, uint8_t form, struct str rest)
{
	buf_lit(b, "SRS");
	buf_byte(b, form);
	buf_byte(b, '=');
	put_digits(b, hash_of(key, form, rest), HASH_LEN);
	if (form == '0')
		buf_byte(b, '=');
	buf_str(b, rest);
}

/* The sender inside of it. False, b empty: that cannot be. */
static bool put_address(
    struct buf *b, const struct hash_key *key, struct str reverse_path, int64_t time)
{
	size_t at = str_rfind(reverse_path, '@');
	struct str local = str_sub(reverse_path, 0, at), domain = str_from(reverse_path, at + 1);
	struct buf rest;
	uint8_t form = '1';

	if (!is_plain_local(local) || !is_plain_domain(domain))
		return false;
	buf_init(&rest, LIMIT_SMTP_LOCAL_PART);
	put_digits(&rest, day_of(time), DAY_LEN);
	buf_byte(&rest, '=');
	if (!put_chained(&rest, local, domain)) {
		form = '0';
		buf_str(&rest, domain);
		buf_byte(&rest, '=');
		buf_str(&rest, local);
	}
	if (!rest.overflow)
		put_form(b, key, form, buf_view(&rest));
	if (rest.overflow || b->overflow)
		buf_clear(b);
	buf_fini(&rest);
	return b->n > 0;
}

static void put_message(struct buf *b, const struct hash_key *key, int64_t message, int64_t time)
{
	struct buf rest;

	buf_init(&rest, LIMIT_SMTP_LOCAL_PART);
	put_digits(&rest, day_of(time), DAY_LEN);
	buf_lit(&rest, "==");
	id_put(&rest, message);
	put_form(b, key, '0', buf_view(&rest));
	buf_fini(&rest);
}

bool queue_srs_put(struct buf *b, const struct hash_key *key, struct str reverse_path,
    int64_t message, struct str domain, int64_t time)
{
	struct buf local;
	bool fits;

	buf_init(&local, LIMIT_SMTP_LOCAL_PART);
	if (!put_address(&local, key, reverse_path, time) ||
	    local.n + 1 + domain.n > QUEUE_SRS_PATH_MAX) {
		buf_clear(&local);
		put_message(&local, key, message, time);
	}
	fits = local.n + 1 + domain.n <= QUEUE_SRS_PATH_MAX;
	if (fits) {
		buf_str(b, buf_view(&local));
		buf_byte(b, '@');
		buf_str(b, domain);
	}
	buf_fini(&local);
	return fits;
}

/* ---- reading ---- */

/* A clock that was set back by up to a day makes no address of the future. */
static bool is_valid_day(uint64_t day, int64_t now)
{
	return (day_of(now) + 1 + DAYS - day) % DAYS <= QUEUE_SRS_DAYS + 1;
}

static struct str lower_domain(struct arena *a, struct str domain)
{
	struct buf b;
	struct str s;

	buf_init(&b, domain.n);
	buf_lower(&b, domain);
	s = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return s;
}

/* What follows the day of an SRS0. */
static enum queue_srs_status read_zero(struct str rest, struct arena *a, struct queue_srs_origin *o)
{
	struct str local, domain = str_split(rest, '=', &local);

	if (local.n == 0)
		return QUEUE_SRS_BAD;
	if (domain.n == 0 && !id_parse(local, &o->message))
		return QUEUE_SRS_BAD;
	o->local = domain.n ? arena_str(a, local) : STR("");
	o->domain = lower_domain(a, domain);
	return domain.n ? QUEUE_SRS_ADDRESS : QUEUE_SRS_MESSAGE;
}

/* What follows the day of an SRS1: back to the first forwarder, with his separator. */
static enum queue_srs_status read_one(struct str rest, struct arena *a, struct queue_srs_origin *o)
{
	struct str domain = str_split(rest, '=', &rest);
	struct buf b;

	if (domain.n == 0 || rest.n < 2 || !is_separator(rest.p[0]))
		return QUEUE_SRS_BAD;
	buf_init(&b, rest.n + 4);
	buf_lit(&b, "SRS0");
	buf_str(&b, rest);
	o->local = arena_str(a, buf_view(&b));
	o->domain = lower_domain(a, domain);
	buf_fini(&b);
	return QUEUE_SRS_ADDRESS;
}

/* Behind the hash, which is good. */
static enum queue_srs_status read_dated(
    struct cur *c, uint8_t form, int64_t now, struct arena *a, struct queue_srs_origin *o)
{
	uint64_t day = take_digits(c, DAY_LEN);
	enum queue_srs_status status;

	cur_byte(c, '=');
	if (c->bad)
		return QUEUE_SRS_BAD;
	status = form == '0' ? read_zero(cur_rest(c), a, o) : read_one(cur_rest(c), a, o);
	return status == QUEUE_SRS_BAD || is_valid_day(day, now) ? status : QUEUE_SRS_EXPIRED;
}

enum queue_srs_status queue_srs_read(const struct hash_key *key, struct str local, int64_t now,
    struct arena *a, struct queue_srs_origin *origin_r)
{
	struct queue_srs_origin o = {STR(""), STR(""), 0};
	struct cur c = cur_of(str_from(local, 5));
	enum queue_srs_status status = QUEUE_SRS_BAD;
	uint8_t form;
	uint64_t hash;

	if (!has_form(local, '0') && !has_form(local, '1'))
		return QUEUE_SRS_NONE;
	form = local.p[3];
	hash = take_digits(&c, HASH_LEN);
	if (form == '0')
		cur_byte(&c, '=');
	if (c.bad || local.n > LIMIT_SMTP_LOCAL_PART ||
	    hash != hash_of(key, form, str_of(c.p, cur_left(&c))))
		return QUEUE_SRS_BAD;
	status = read_dated(&c, form, now, a, &o);
	if (status == QUEUE_SRS_ADDRESS || status == QUEUE_SRS_MESSAGE)
		*origin_r = o;
	return status;
}
