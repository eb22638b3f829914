#include "net_fixture.h"

#include <netinet/in.h>

#include "net/net_addr.h"

static void test_put_and_sys(void **state)
{
	static const struct {
		const char *ip, *want;
		int family;
	} rows[] = {
	    {"192.0.2.1", "192.0.2.1:25", AF_INET},
	    {"2001:db8::1", "[2001:db8::1]:25", AF_INET6},
	    {"::", "[::]:25", AF_INET6},
	};
	struct buf text;

	buf_init(&text, 100);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct sockaddr_storage sys;
		struct net_addr addr, back;
		struct ip ip;
		socklen_t len;

		assert_true(ip_parse(str_of_c(rows[i].ip), &ip));
		addr = net_addr_ip(&ip, 25);
		buf_clear(&text);
		net_addr_put(&text, &addr);
		assert_string_equal(buf_cstr(&text), rows[i].want);
		len = net_addr_to_sys(&addr, &sys);
		assert_int_equal(sys.ss_family, rows[i].family);
		assert_true(net_addr_from_sys(&sys, len, &back));
		assert_true(ip_eq(&back.ip, &ip));
		assert_int_equal(back.port, 25);
		assert_false(net_addr_from_sys(&sys, 3, &back));
	}
	buf_fini(&text);
}

static void test_path(void **state)
{
	char path[NET_PATH_MAX + 1];
	struct sockaddr_storage sys;
	struct net_addr addr, back;
	struct buf text;
	struct err e;

	buf_init(&text, 200);
	memset(path, 'p', sizeof path);
	path[NET_PATH_MAX] = 0;
	assert_int_equal(net_addr_path(path, &addr, &e), -1);
	assert_non_null(strstr(e.text, "is too long: at most 107 characters fit"));
	path[NET_PATH_MAX - 1] = 0;
	assert_int_equal(net_addr_path(path, &addr, &e), 0);
	net_addr_put(&text, &addr);
	assert_string_equal(buf_cstr(&text), path);
	assert_false(net_addr_from_sys(&sys, net_addr_to_sys(&addr, &sys), &back));
	assert_int_equal(sys.ss_family, AF_UNIX);
	buf_fini(&text);
}

static void test_split(void **state)
{
	static const struct {
		const char *text, *host; /* NULL: malformed */
		unsigned port;
	} rows[] = {
	    {"mail.x.org", "mail.x.org", 7},
	    {"mail.x.org:25", "mail.x.org", 25},
	    {"192.0.2.1:65535", "192.0.2.1", 65535},
	    {"::1", "::1", 7},
	    {"[::1]", "::1", 7},
	    {"[::1]:110", "::1", 110},
	    {"", NULL, 0},
	    {":25", NULL, 0},
	    {"[]:25", NULL, 0},
	    {"[::1", NULL, 0},
	    {"[::1]25", NULL, 0},
	    {"a:", NULL, 0},
	    {"a:0", NULL, 0},
	    {"a:65536", NULL, 0},
	    {"a:25x", NULL, 0},
	    {"a:1:2", NULL, 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct str host = STR("untouched");
		uint16_t port = 7;
		bool ok = net_addr_split(str_of_c(rows[i].text), &host, &port);

		if (ok != (rows[i].host != NULL))
			fail_msg("%s: %d", rows[i].text, ok);
		if (!ok)
			assert_true(str_eq(host, STR("untouched")) && port == 7);
		else
			assert_true(str_eq(host, str_of_c(rows[i].host)) && port == rows[i].port);
	}
}

static void test_resolve(void **state)
{
	struct net_addr addrs[4];
	struct err e;

	assert_true(net_addr_resolve("127.0.0.1", 25, addrs, 4, &e) == 1);
	assert_true(ip_is_loopback(&addrs[0].ip));
	assert_int_equal(addrs[0].port, 25);
	assert_int_equal(net_addr_resolve("not a name", 25, addrs, 4, &e), -1);
	assert_non_null(strstr(e.text, "the name not a name is not found: "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_put_and_sys),
	    cmocka_unit_test(test_path),
	    cmocka_unit_test(test_split),
	    cmocka_unit_test(test_resolve),
	};

	return cmocka_run_group_tests_name("net/addr", tests, NULL, NULL);
}
