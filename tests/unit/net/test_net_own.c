/* Which addresses are this server's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "net/net_own.h"

#define MAX 8

static const char *const machine = "127.0.0.1 192.0.2.1 ::1 2001:db8::1 fe80::1";

static size_t read_ips(const char *text, struct ip *ips)
{
	struct str rest = str_of_c(text);
	size_t n = 0;

	while (rest.n)
		assert_true(ip_parse(str_split(rest, ' ', &rest), &ips[n++]));
	return n;
}

static void expect(const struct ip *ips, size_t n, const char *want)
{
	struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < n; i++) {
		buf_c(&b, i ? " " : "");
		ip_put(&b, &ips[i]);
	}
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
}

static void test_expand(void **state)
{
	static const struct {
		const char *listen, *want;
		bool open;
	} rows[] = {
	    {"192.0.2.7", "192.0.2.7", false},
	    {"192.0.2.7 2001:db8::7", "192.0.2.7 2001:db8::7", false},
	    {"192.0.2.7 192.0.2.7", "192.0.2.7", false},
	    {"0.0.0.0", "127.0.0.1 192.0.2.1", true},
	    {"::", "::1 2001:db8::1 fe80::1", true},
	    {"0.0.0.0 ::", "127.0.0.1 192.0.2.1 ::1 2001:db8::1 fe80::1", true},
	    {":: 192.0.2.7", "192.0.2.7 ::1 2001:db8::1 fe80::1", true},
	    {"0.0.0.0 192.0.2.1", "192.0.2.1 127.0.0.1", true},
	    {"", "", false},
	};
	struct ip listen[MAX], interfaces[MAX], own[MAX];
	size_t count = read_ips(machine, interfaces);

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t n = read_ips(rows[i].listen, listen);

		assert_int_equal(net_own_is_open(listen, n), rows[i].open);
		expect(own, net_own_expand(listen, n, interfaces, count, own, MAX), rows[i].want);
	}
}

/* No more than there is room for; those that are named come first. */
static void test_room(void **state)
{
	struct ip listen[MAX], interfaces[MAX], own[MAX];
	size_t count = read_ips(machine, interfaces);
	size_t n = read_ips("0.0.0.0 :: 2001:db8::7", listen);

	expect(own, net_own_expand(listen, n, interfaces, count, own, 3),
	    "2001:db8::7 127.0.0.1 192.0.2.1");
	assert_int_equal(net_own_expand(listen, n, interfaces, count, own, 0), 0);
}

/* Every machine that runs tests has this one. */
static void test_this_machine(void **state)
{
	struct ip listen[MAX], own[1000], loopback;
	size_t n = read_ips("0.0.0.0", listen), found = 0;

	read_ips("127.0.0.1", &loopback);
	n = net_own_addresses(listen, n, own, 1000);
	for (size_t i = 0; i < n; i++) {
		assert_true(ip_is_v4(&own[i]));
		found += ip_eq(&own[i], &loopback);
	}
	assert_int_equal(found, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_expand),
	    cmocka_unit_test(test_room),
	    cmocka_unit_test(test_this_machine),
	};

	return cmocka_run_group_tests_name("net/own", tests, NULL, NULL);
}
