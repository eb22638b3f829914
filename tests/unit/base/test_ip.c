/* Addresses and networks: what is read, what is refused, and the network of an address. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/ip.h"

static struct ip ip_of(const char *text)
{
	struct ip ip;

	assert_true(ip_parse(str_of_c(text), &ip));
	return ip;
}

static void network_keeps_the_first_bits(void **state)
{
	static const struct {
		const char *ip, *want;
	} t[] = {
	    {"192.0.2.77", "192.0.2.0"},
	    {"2001:db8:1:2ff:3::4", "2001:db8:1:200::"},
	    {"127.0.0.1", "127.0.0.0"},
	};

	for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
		struct ip ip = ip_of(t[i].ip), want = ip_of(t[i].want);
		struct ip got = ip_network(&ip, 24, 56);

		assert_true(ip_eq(&got, &want));
	}
}

static void network_of_all_bits_is_the_address(void **state)
{
	struct ip v4 = ip_of("192.0.2.77"), v6 = ip_of("2001:db8::77");
	struct ip n4 = ip_network(&v4, 32, 64), n6 = ip_network(&v6, 32, 128);

	assert_true(ip_eq(&n4, &v4));
	assert_true(ip_eq(&n6, &v6));
}

static void networks_with_host_bits_are_refused(void **state)
{
	struct ip_net net = {.bits = 7};

	assert_false(ip_net_parse(STR("10.0.0.1/8"), &net));
	assert_false(ip_net_parse(STR("10.0.0.0/33"), &net));
	assert_int_equal(net.bits, 7);
	assert_true(ip_net_parse(STR("10.0.0.0/8"), &net));
	assert_int_equal(net.bits, 104);
	assert_false(ip_net_parse_masked(STR("10.0.0.1/33"), &net));
	assert_true(ip_net_parse_masked(STR("10.1.2.3/15"), &net));
	assert_true(ip_eq(&net.addr, &(struct ip){{[10] = 0xff, [11] = 0xff, [12] = 10}}));
	assert_int_equal(net.bits, 111);
}

static void all_of_a_family(void **state)
{
	static const char *const none[] = {"127.0.0.1", "0.0.0.1", "::1", "1::"};
	struct ip ip;

	assert_true(ip_parse(STR("0.0.0.0"), &ip) && ip_is_any(&ip));
	assert_true(ip_parse(STR("::ffff:0.0.0.0"), &ip) && ip_is_any(&ip));
	assert_true(ip_parse(STR("::"), &ip) && ip_is_any(&ip));
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_true(ip_parse(str_of_c(none[i]), &ip) && !ip_is_any(&ip));
}

static void literals(void **state)
{
	static const char *const none[] = {"", "[", "[]", "192.0.2.1", "[192.0.2.1", "192.0.2.1]",
	    "[IPv6:]", "[x.test]", "[IPv4:192.0.2.1]"};
	struct ip ip, want;

	assert_true(ip_parse(STR("192.0.2.1"), &want));
	assert_true(ip_parse_literal(STR("[192.0.2.1]"), &ip) && ip_eq(&ip, &want));
	assert_true(ip_parse(STR("2001:db8::1"), &want));
	assert_true(ip_parse_literal(STR("[ipv6:2001:DB8::1]"), &ip) && ip_eq(&ip, &want));
	assert_true(ip_parse_literal(STR("[2001:db8:0::1]"), &ip) && ip_eq(&ip, &want));
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_false(ip_parse_literal(str_of_c(none[i]), &ip));
	assert_true(ip_eq(&ip, &want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(network_keeps_the_first_bits),
	    cmocka_unit_test(network_of_all_bits_is_the_address),
	    cmocka_unit_test(networks_with_host_bits_are_refused),
	    cmocka_unit_test(all_of_a_family),
	    cmocka_unit_test(literals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
