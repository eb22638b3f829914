/* Limits on connections and logins, on a clock of the test's own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/limits.h"
#include "store/admit.h"

static struct ip ip_of(const char *text)
{
	struct ip ip;

	assert_true(ip_parse(str_of_c(text), &ip));
	return ip;
}

static enum admit_verdict come(struct admit *a, const char *text, int64_t now)
{
	struct ip ip = ip_of(text);

	return admit_open(a, &ip, now);
}

static void leave(struct admit *a, const char *text)
{
	struct ip ip = ip_of(text);

	admit_close(a, &ip);
}

static void counts_what_is_open(void **state)
{
	struct admit_config cfg = {.total = 5, .per_address = 2, .per_network = 3};
	struct admit *a = admit_new(&cfg);

	assert_int_equal(come(a, "192.0.2.1", 0), ADMIT_OK);
	assert_int_equal(come(a, "192.0.2.1", 0), ADMIT_OK);
	assert_int_equal(come(a, "192.0.2.1", 0), ADMIT_ADDRESS);
	assert_int_equal(come(a, "192.0.2.2", 0), ADMIT_OK);
	assert_int_equal(come(a, "192.0.2.3", 0), ADMIT_NETWORK);
	assert_int_equal(come(a, "192.0.3.3", 0), ADMIT_OK);
	assert_int_equal(come(a, "127.0.0.1", 0), ADMIT_OK);
	assert_int_equal(come(a, "127.0.0.1", 0), ADMIT_TOTAL);
	assert_int_equal(admit_counts(a).open, 5);
	leave(a, "192.0.2.1");
	assert_int_equal(come(a, "192.0.2.3", 0), ADMIT_OK);
	assert_int_equal(admit_counts(a).verdicts[ADMIT_OK], 6);
	assert_int_equal(admit_counts(a).verdicts[ADMIT_TOTAL], 1);
	admit_free(&a);
}

/* IPv6: an address is a /64, a network a /56. */
static void ipv6_counts_by_prefix(void **state)
{
	struct admit_config cfg = {.per_address = 1, .per_network = 2};
	struct admit *a = admit_new(&cfg);

	assert_int_equal(come(a, "2001:db8:0:100::1", 0), ADMIT_OK);
	assert_int_equal(come(a, "2001:db8:0:100:9::9", 0), ADMIT_ADDRESS);
	assert_int_equal(come(a, "2001:db8:0:101::1", 0), ADMIT_OK);
	assert_int_equal(come(a, "2001:db8:0:1ff::1", 0), ADMIT_NETWORK);
	assert_int_equal(come(a, "2001:db8:0:200::1", 0), ADMIT_OK);
	admit_free(&a);
}

static void limits_the_rate(void **state)
{
	struct admit_config cfg = {.rate = 2};
	struct admit *a = admit_new(&cfg);

	for (int i = 0; i < 2; i++) {
		assert_int_equal(come(a, "192.0.2.1", 1000), ADMIT_OK);
		leave(a, "192.0.2.1");
	}
	assert_int_equal(come(a, "192.0.2.1", 1000 + MINUTE_MS - 1), ADMIT_RATE);
	assert_int_equal(come(a, "192.0.2.2", 1000 + MINUTE_MS - 1), ADMIT_OK);
	assert_int_equal(come(a, "192.0.2.1", 1000 + MINUTE_MS), ADMIT_OK);
	admit_free(&a);
}

static void loopback_and_trusted_are_exempt(void **state)
{
	struct ip_net trusted;
	struct admit_config cfg = {.per_address = 1,
	    .rate = 1,
	    .auth_failures = 1,
	    .ban_ms = 1000,
	    .trusted = &trusted,
	    .trusted_n = 1};
	static const char *const exempt[] = {"127.0.0.9", "::1", "10.9.9.9"};
	struct admit *a;

	assert_true(ip_net_parse(STR("10.0.0.0/8"), &trusted));
	a = admit_new(&cfg);
	for (size_t i = 0; i < 3; i++) {
		struct ip ip = ip_of(exempt[i]);

		for (int n = 0; n < 5; n++) {
			assert_int_equal(admit_open(a, &ip, 0), ADMIT_OK);
			assert_false(admit_auth_failed(a, &ip, 1, 0));
		}
		assert_true(admit_is_exempt(a, &ip));
	}
	assert_int_equal(come(a, "11.0.0.1", 0), ADMIT_OK);
	assert_int_equal(come(a, "11.0.0.1", 0), ADMIT_ADDRESS);
	admit_free(&a);
}

static void failures_ban_for_a_while(void **state)
{
	struct admit_config cfg = {.auth_failures = 3, .ban_ms = 10 * MINUTE_MS};
	struct admit *a = admit_new(&cfg);
	struct ip ip = ip_of("192.0.2.1");

	assert_false(admit_auth_failed(a, &ip, 1, 0));
	assert_false(admit_auth_failed(a, &ip, 1, 0));
	admit_auth_good(a, &ip, 1); /* forgets them */
	assert_false(admit_auth_failed(a, &ip, 1, 0));
	assert_false(admit_auth_failed(a, &ip, 1, 0));
	assert_false(
	    admit_auth_failed(a, &ip, 1, 11 * MINUTE_MS)); /* long after: the first again */
	assert_false(admit_auth_failed(a, &ip, 1, 11 * MINUTE_MS));
	assert_false(admit_is_banned(a, &ip, 11 * MINUTE_MS));
	assert_true(admit_auth_failed(a, &ip, 1, 11 * MINUTE_MS));
	assert_true(admit_is_banned(a, &ip, 21 * MINUTE_MS - 1));
	assert_int_equal(admit_open(a, &ip, 21 * MINUTE_MS - 1), ADMIT_BANNED);
	assert_false(admit_is_banned(a, &ip, 21 * MINUTE_MS));
	assert_int_equal(admit_open(a, &ip, 21 * MINUTE_MS), ADMIT_OK);
	assert_int_equal(admit_counts(a).banned, 1);
	admit_free(&a);
}

/* Whoever has account 1 does not guess the password of another between good logins. */
static void good_login_forgets_its_own_failures(void **state)
{
	struct admit_config cfg = {.auth_failures = 7, .ban_ms = 10 * MINUTE_MS};
	struct admit *a = admit_new(&cfg);
	struct ip ip = ip_of("192.0.2.1");

	for (int n = 0; n < 3; n++) {
		assert_false(admit_auth_failed(a, &ip, 1, 0));
		assert_false(admit_auth_failed(a, &ip, 1, 0));
		admit_auth_good(a, &ip, 1);
	}
	for (int n = 0; n < 5; n++) {
		assert_false(admit_auth_failed(a, &ip, n % 2 ? 0 : 2, 0));
		admit_auth_good(a, &ip, 1);
		assert_false(admit_auth_failed(a, &ip, 1, 0));
		admit_auth_good(a, &ip, 1);
		admit_auth_good(a, &ip, 1);
	}
	assert_false(admit_auth_failed(a, &ip, 2, 0));
	assert_true(admit_auth_failed(a, &ip, 2, 0));
	admit_free(&a);
}

static void tells_why(void **state)
{
	static const char *const want[ADMIT_VERDICTS] = {
	    [ADMIT_TOTAL] = "all 7 connections of this server are in use; try again later",
	    [ADMIT_ADDRESS] = "your address has 2 connections open, which is the limit; close one "
			      "first",
	    [ADMIT_NETWORK] = "your network has 3 connections open, which is the limit; try again "
			      "later",
	    [ADMIT_RATE] = "your address made 4 connections within a minute, which is the limit; "
			   "try again in a minute",
	    [ADMIT_BANNED] = "too many failed logins from your address; try again in 2 minutes",
	};
	struct admit_config cfg = {.total = 7,
	    .per_address = 2,
	    .per_network = 3,
	    .rate = 4,
	    .auth_failures = 1,
	    .ban_ms = 2 * MINUTE_MS};
	struct admit *a = admit_new(&cfg);
	struct ip ip = ip_of("192.0.2.1");
	struct buf b;

	buf_init(&b, KIB);
	admit_auth_failed(a, &ip, 1, 1);
	for (int v = ADMIT_TOTAL; v < ADMIT_VERDICTS; v++) {
		buf_clear(&b);
		admit_put_reason(a, &b, (enum admit_verdict)v, &ip, 1);
		assert_string_equal(buf_cstr(&b), want[v]);
	}
	buf_fini(&b);
	admit_free(&a);
}

/* Any number of addresses comes and goes: what is remembered has a maximum, what is open does not go. */
static void memory_is_bounded(void **state)
{
	struct admit_config cfg = {.per_address = 1};
	struct admit *a = admit_new(&cfg);

	assert_int_equal(come(a, "192.0.2.1", 0), ADMIT_OK);
	for (uint32_t i = 0; i < 2 * LIMIT_ADMIT_ENTRIES; i++) {
		struct ip ip = ip_of("10.0.0.0");

		ip.b[13] = (uint8_t)(i >> 16);
		ip.b[14] = (uint8_t)(i >> 8);
		ip.b[15] = (uint8_t)i;
		assert_int_equal(admit_open(a, &ip, i), ADMIT_OK);
		admit_close(a, &ip);
	}
	assert_true(admit_counts(a).entries <= (int64_t)LIMIT_ADMIT_ENTRIES);
	assert_int_equal(come(a, "192.0.2.1", 0), ADMIT_ADDRESS);
	admit_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counts_what_is_open),
	    cmocka_unit_test(ipv6_counts_by_prefix),
	    cmocka_unit_test(limits_the_rate),
	    cmocka_unit_test(loopback_and_trusted_are_exempt),
	    cmocka_unit_test(failures_ban_for_a_while),
	    cmocka_unit_test(good_login_forgets_its_own_failures),
	    cmocka_unit_test(tells_why),
	    cmocka_unit_test(memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
