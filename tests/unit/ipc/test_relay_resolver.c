/* Questions and answers over the edge between relay and resolver: there and back, cut, changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/mem.h"
#include "ipc/relay_resolver.h"

static struct buf b;
static struct arena *arena;

static int set_up(void **state)
{
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	arena = arena_new();
	return 0;
}

static int tear_down(void **state)
{
	buf_fini(&b);
	arena_free(&arena);
	return 0;
}

/* ---- questions ---- */
static void test_lookup(void **state)
{
	for (int type = 0; type < DNS_TYPES; type++) {
		struct rr_lookup m = {STR("_25._tcp.mx.b.test"), (enum dns_type)type}, got;

		buf_clear(&b);
		rr_lookup_put(&b, &m);
		assert_true(b.n <= rr_edge.types[RR_LOOKUP].max);
		assert_true(rr_lookup_get(buf_view(&b), &got));
		assert_int_equal(got.type, type);
		assert_true(str_eq(got.name, m.name));
		for (size_t n = 0; n < b.n; n++)
			assert_false(rr_lookup_get(str_of(b.p, n), &got));
		buf_byte(&b, 0);
		assert_false(rr_lookup_get(buf_view(&b), &got));
	}
}

static void test_lookup_refused(void **state)
{
	static const struct rr_lookup rows[] = {
	    {STR_INIT(""), DNS_A},
	    {STR_INIT("."), DNS_A},
	    {STR_INIT("a b"), DNS_A},
	    {STR_INIT("a\0b"), DNS_A},
	    {STR_INIT("a"), DNS_TYPES},
	};
	struct rr_lookup got = {STR("kept"), DNS_MX};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_clear(&b);
		rr_lookup_put(&b, &rows[i]);
		assert_false(rr_lookup_get(buf_view(&b), &got));
	}
	assert_true(str_eq(got.name, STR("kept")));
}

/* ---- answers ---- */
static const struct dns_answer answers[DNS_TYPES] = {
    [DNS_A] = {.ip = {{[10] = 0xff, [11] = 0xff, [12] = 192, [15] = 1}}},
    [DNS_AAAA] = {.ip = {{0x20, 1, [15] = 2}}},
    [DNS_MX] = {.preference = 10, .host = STR_INIT("mx.b.test")},
    [DNS_TXT] = {.bytes = STR_INIT("v=spf1\0-all")},
    [DNS_TLSA] = {.usage = 3, .selector = 1, .matching = 2, .bytes = STR_INIT("\1\2\0")},
    [DNS_PTR] = {.host = STR_INIT("mail.b.test")},
};

static void assert_answer(const struct dns_answer *got, const struct dns_answer *want)
{
	assert_int_equal(got->preference, want->preference);
	assert_true(str_eq(got->host, want->host));
	assert_true(ip_eq(&got->ip, &want->ip));
	assert_int_equal(got->usage, want->usage);
	assert_int_equal(got->selector, want->selector);
	assert_int_equal(got->matching, want->matching);
	assert_true(str_eq(got->bytes, want->bytes));
}

static void put_ok(enum dns_type type)
{
	struct dns_result m = {.status = DNS_OK,
	    .secure = true,
	    .ttl = 3600,
	    .canonical = STR("c.b.test"),
	    .answers = &answers[type],
	    .count = 1,
	    .dropped = 2};

	buf_clear(&b);
	rr_reply_put(&b, type, &m);
	assert_true(b.n <= rr_edge.types[RR_LOOKUP].reply_max);
}

static void test_reply(void **state)
{
	for (int i = 0; i < DNS_TYPES; i++) {
		enum dns_type type = (enum dns_type)i;
		struct dns_result got;

		put_ok(type);
		assert_true(rr_reply_get(buf_view(&b), type, arena, &got));
		memset(b.p, 0, b.n); /* what was read stays */
		assert_int_equal(got.status, DNS_OK);
		assert_true(got.secure);
		assert_int_equal(got.ttl, 3600);
		assert_true(str_eq(got.canonical, STR("c.b.test")));
		assert_int_equal(got.why.n, 0);
		assert_int_equal(got.dropped, 2);
		assert_int_equal(got.count, 1);
		assert_answer(&got.answers[0], &answers[type]);
	}
}

static void test_reply_without(void **state)
{
	for (int i = DNS_NODATA; i < DNS_STATUSES; i++) {
		struct dns_result m = {.status = (enum dns_status)i, .why = STR("a reason")}, got;

		buf_clear(&b);
		rr_reply_put(&b, DNS_MX, &m);
		assert_true(rr_reply_get(buf_view(&b), DNS_MX, arena, &got));
		assert_int_equal(got.status, i);
		assert_true(str_eq(got.why, STR("a reason")));
		assert_int_equal(got.count, 0);
	}
}

/* The root is the host of a null MX, and of nothing else. */
static void test_root(void **state)
{
	static const struct dns_answer root;
	struct dns_result m = {.status = DNS_OK, .answers = &root, .count = 1}, got;

	rr_reply_put(&b, DNS_MX, &m);
	assert_true(rr_reply_get(buf_view(&b), DNS_MX, arena, &got));
	assert_int_equal(got.answers[0].host.n, 0);
	buf_clear(&b);
	rr_reply_put(&b, DNS_PTR, &m);
	assert_false(rr_reply_get(buf_view(&b), DNS_PTR, arena, &got));
}

/* What exceeds the limits is left out by the writer, and counted. */
static void test_limits(void **state)
{
	static uint8_t octets[LIMIT_DNS_ANSWER + 1];
	static struct dns_answer many[200];
	struct dns_result m = {.status = DNS_OK, .answers = many, .count = 200}, got;

	for (size_t i = 0; i < 200; i++)
		many[i].bytes = str_of(octets, i == 3 ? LIMIT_DNS_ANSWER + 1 : LIMIT_DNS_ANSWER);
	rr_reply_put(&b, DNS_TXT, &m);
	assert_true(b.n <= rr_edge.types[RR_LOOKUP].reply_max);
	assert_true(rr_reply_get(buf_view(&b), DNS_TXT, arena, &got));
	assert_int_equal(got.count, LIMIT_DNS_ANSWERS);
	assert_int_equal(got.dropped, 200 - LIMIT_DNS_ANSWERS);
	buf_clear(&b);
	m.answers = &many[3];
	m.count = 1;
	rr_reply_put(&b, DNS_TXT, &m);
	assert_true(rr_reply_get(buf_view(&b), DNS_TXT, arena, &got));
	assert_int_equal(got.status, DNS_BAD);
}

/* Of every cut none is read; of every change only what keeps the promises of the header. */
static void test_hostile(void **state)
{
	struct dns_result got;

	for (int i = 0; i < DNS_TYPES; i++) {
		enum dns_type type = (enum dns_type)i;

		put_ok(type);
		for (size_t n = 0; n < b.n; n++)
			assert_false(rr_reply_get(str_of(b.p, n), type, arena, &got));
		for (size_t at = 0; at < b.n * 256; at++) {
			uint8_t was = b.p[at / 256];

			b.p[at / 256] = (uint8_t)at;
			arena_reset(arena, true);
			if (rr_reply_get(buf_view(&b), type, arena, &got)) {
				assert_true(got.status < DNS_STATUSES);
				assert_int_equal(got.count > 0, got.status == DNS_OK);
				assert_true(type != DNS_A || ip_is_v4(&got.answers[0].ip));
				assert_true(
				    got.canonical.n == 0 || dns_name_is_valid(got.canonical));
			}
			b.p[at / 256] = was;
		}
		buf_byte(&b, 0);
		assert_false(rr_reply_get(buf_view(&b), type, arena, &got));
	}
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_lookup),
	    T(test_lookup_refused),
	    T(test_reply),
	    T(test_reply_without),
	    T(test_root),
	    T(test_limits),
	    T(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
