/* Base 64, UTF-8, ids, calendar: tables of want and got. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/utf8.h"

/* [RFC 4648 10] */
static void test_base64(void **state)
{
	static const char *const pairs[][2] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"},
	    {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"}};
	static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm 9v", "Zm9v\n",
	    "====", "Zg==Zg==", "Zm9-", "Z=g="};
	struct buf b;

	buf_init(&b, 100);
	for (size_t i = 0; i < 7; i++) {
		buf_clear(&b);
		base64_encode(&b, str_of_c(pairs[i][0]));
		assert_string_equal(buf_cstr(&b), pairs[i][1]);
		buf_clear(&b);
		assert_true(base64_decode(&b, str_of_c(pairs[i][1])));
		assert_string_equal(buf_cstr(&b), pairs[i][0]);
	}
	buf_clear(&b);
	buf_lit(&b, "keep");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(base64_decode(&b, str_of_c(bad[i])));
		assert_string_equal(buf_cstr(&b), "keep");
	}
	buf_fini(&b);
}

static void test_utf8(void **state)
{
	static const char *const good[] = {"", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80",
	    "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
	static const char *const bad[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2z",
	    "\xe0\x9f\xbf", "\xe0\xa0", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
	    "\xf5\x80\x80\x80", "\xff", "a\xc2"};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(utf8_is_valid(str_of_c(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(utf8_is_valid(str_of_c(bad[i])));
}

static void test_utf8_put_is_read_back(void **state)
{
	struct buf b;

	buf_init(&b, 8);
	for (uint32_t code = 0; code <= 0x110000; code += code < 0x3000 ? 1 : 251) {
		bool none = code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff);

		buf_clear(&b);
		utf8_put(&b, code);
		assert_int_equal(utf8_char(buf_view(&b)), b.n);
		if (none)
			assert_true(str_eq(buf_view(&b), STR("\xef\xbf\xbd")));
	}
	buf_fini(&b);
}

static void test_ids_rise_whatever_the_clock_does(void **state)
{
	static const int64_t clock[] = {1767225600000, 1767225600000, 1767225600001, 1767139200000,
	    1767139200000, 1767225600002, 0};
	struct id_maker m;
	int64_t last = 0;

	id_maker_init(&m, 5, 0);
	for (size_t i = 0; i < 7; i++) {
		int64_t id = id_make(&m, clock[i]);

		assert_true(id > last);
		last = id;
	}
	assert_int_equal(id_time(last), 1767225600002);
	assert_true(id_first(1767225600002) <= last && last < id_first(1767225600003));
	assert_int_equal(id_time(id_first(1767225600003)), 1767225600003);
	assert_int_equal(id_first(0), 0);
	for (int i = 0; i < 10000; i++) { /* more in a millisecond than it has numbers */
		int64_t id = id_make(&m, 1767225600002);

		assert_true(id > last);
		last = id;
	}
	for (uint16_t node = 4; node <= 6; node++) {
		id_maker_init(&m, node, last);
		assert_true(id_make(&m, 0) > last);
		last = id_make(&m, 0);
	}
	id_maker_raise(&m, 7); /* raises nothing */
	assert_true(id_make(&m, 0) > last);
}

static void test_id_text(void **state)
{
	static const char *const bad[] = {"", "0000000000000", "000000000000", "00000000000010",
	    "800000000000a", "00000000000i1", "0000000000 01"};
	struct buf b;
	int64_t id = 7;

	buf_init(&b, 20);
	id_put(&b, INT64_MAX);
	assert_string_equal(buf_cstr(&b), "7zzzzzzzzzzzz");
	assert_true(id_parse(buf_view(&b), &id));
	assert_true(id == INT64_MAX);
	assert_true(id_parse(STR("000000000000Z"), &id));
	assert_int_equal(id, 31);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(id_parse(str_of_c(bad[i]), &id));
	assert_int_equal(id, 31);
	buf_fini(&b);
}

static void test_calendar(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
		int weekday;
	} cases[] = {
	    {0, "1970-01-01T00:00:00.000Z", 4},
	    {-1, "1969-12-31T23:59:59.999Z", 3},
	    {951782400000, "2000-02-29T00:00:00.000Z", 2},
	    {1709164799999, "2024-02-28T23:59:59.999Z", 3},
	    {1795463673042, "2026-11-23T19:54:33.042Z", 1},
	    {4107542400000, "2100-03-01T00:00:00.000Z", 1},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct civil c = clock_civil(cases[i].ms);
		struct buf b;

		buf_init(&b, 40);
		clock_put_iso_ms(&b, cases[i].ms);
		assert_string_equal(buf_cstr(&b), cases[i].text);
		assert_int_equal(c.weekday, cases[i].weekday);
		assert_true(clock_from_civil(&c) <= cases[i].ms);
		assert_true(clock_from_civil(&c) > cases[i].ms - 1000);
		buf_fini(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_base64),
	    cmocka_unit_test(test_utf8),
	    cmocka_unit_test(test_utf8_put_is_read_back),
	    cmocka_unit_test(test_ids_rise_whatever_the_clock_does),
	    cmocka_unit_test(test_id_text),
	    cmocka_unit_test(test_calendar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
