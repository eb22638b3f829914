/* Types, names that may be asked for, names of addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "dns/dns.h"

#define L63 "abcdefghijklmnopqrstuvwxyz0123456789-_abcdefghijklmnopqrstuvwxyz"
#define N63 "bcdefghijklmnopqrstuvwxyz0123456789-_abcdefghijklmnopqrstuvwxyz"

static void test_types(void **state)
{
	static const struct {
		const char *name;
		enum dns_type type;
		uint16_t code;
	} rows[] = {{"A", DNS_A, 1}, {"AAAA", DNS_AAAA, 28}, {"MX", DNS_MX, 15},
	    {"TXT", DNS_TXT, 16}, {"TLSA", DNS_TLSA, 52}, {"PTR", DNS_PTR, 12}};

	assert_int_equal(sizeof rows / sizeof *rows, DNS_TYPES);
	for (size_t i = 0; i < DNS_TYPES; i++) {
		enum dns_type type = DNS_TYPES;

		assert_true(dns_type_parse(str_of_c(rows[i].name), &type));
		assert_int_equal(type, rows[i].type);
		assert_string_equal(dns_type_name(type), rows[i].name);
		assert_int_equal(dns_type_code(type), rows[i].code);
	}
}

static void test_no_type(void **state)
{
	static const char *const rows[] = {"", "AA", "ANY", "M", "MXX"};
	enum dns_type type = DNS_PTR;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_false(dns_type_parse(str_of_c(rows[i]), &type));
	assert_int_equal(type, DNS_PTR);
	assert_true(dns_type_parse(STR("tlsa"), &type));
	assert_int_equal(type, DNS_TLSA);
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		bool valid;
	} rows[] = {
	    {"a", true},
	    {"b.test", true},
	    {"_25._tcp.mail.B.test", true},
	    {"xn--bcher-kva.example", true},
	    {"1.2.0.192.in-addr.arpa", true},
	    {N63 ".test", true},
	    {L63 ".test", false},
	    {N63 "." N63 "." N63 ".bcdefghijklmnopqrstuvwxyz0123456789-_abcdefghijklmnopqrstuvwx",
		true},
	    {N63 "." N63 "." N63 ".bcdefghijklmnopqrstuvwxyz0123456789-_abcdefghijklmnopqrstuvwxy",
		false},
	    {N63 "." N63 "." N63 "." N63, false},
	    {"", false},
	    {".", false},
	    {"a.", false},
	    {".a", false},
	    {"a..b", false},
	    {"a b", false},
	    {"a\\.b", false},
	    {"b\303\274cher.test", false},
	    {"[192.0.2.1]", false},
	    {"a/b", false},
	    {"a\nb", false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (dns_name_is_valid(str_of_c(rows[i].name)) != rows[i].valid)
			fail_msg("row %zu: %s", i, rows[i].name);
	assert_false(dns_name_is_valid(STR("a\0b")));
}

static void test_reverse(void **state)
{
	static const struct {
		const char *ip, *want;
	} rows[] = {
	    {"192.0.2.130", "130.2.0.192.in-addr.arpa"},
	    {"0.0.0.0", "0.0.0.0.in-addr.arpa"},
	    {"2001:db8::567:89ab",
		"b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct ip ip;
		struct buf b;

		assert_true(ip_parse(str_of_c(rows[i].ip), &ip));
		buf_init(&b, 100);
		dns_name_put_reverse(&b, &ip);
		assert_string_equal(buf_cstr(&b), rows[i].want);
		assert_true(dns_name_is_valid(buf_view(&b)));
		buf_fini(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_types),
	    cmocka_unit_test(test_no_type),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_reverse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
