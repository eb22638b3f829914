#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cli/cli_text.h"

struct row {
	const char *in, *want;
};

static void check(void (*fn)(struct buf *, struct str), const struct row *rows, size_t n)
{
	struct buf b;

	buf_init(&b, 4096);
	for (size_t i = 0; i < n; i++) {
		buf_clear(&b);
		fn(&b, str_of_c(rows[i].in));
		assert_string_equal(buf_cstr(&b), rows[i].want);
	}
	buf_fini(&b);
}

static void test_one_line(void **state)
{
	static const struct row rows[] = {
	    {"plain", "plain"},
	    {"\x1b[2Jgone", " [2Jgone"},
	    {"a\r\nb\tc", "a  b c"},
	    {"\xc2\x9b"
	     "31m",
		" 31m"}, /* CSI as one C1 character */
	    {"\x7f", " "},
	    {"\xff", "\xef\xbf\xbd"},
	    {"\xe2\x80\xae"
	     "fdp.exe",
		"\xef\xbf\xbd"
		"fdp.exe"}, /* right-to-left override */
	    {"\xe4\xbd\xa0\xe5\xa5\xbd", "\xe4\xbd\xa0\xe5\xa5\xbd"},
	};

	check(cli_text_put, rows, sizeof rows / sizeof *rows);
}

static void test_lines(void **state)
{
	static const struct row rows[] = {
	    {"a\r\nb\n\tc", "a\nb\n\tc"},
	    {"a\rb", "a b"},
	    {"a\r", "a "},
	    {"\x1b]0;title\x07", " ]0;title "},
	};

	check(cli_text_put_lines, rows, sizeof rows / sizeof *rows);
}

static void test_width(void **state)
{
	static const struct {
		const char *text;
		size_t width;
		const char *fit5;
	} rows[] = {
	    {"", 0, ""},
	    {"hello", 5, "hello"},
	    {"hello!", 6, "hello"},
	    {"\xe4\xbd\xa0\xe5\xa5\xbd\xe5\x90\x97", 6, "\xe4\xbd\xa0\xe5\xa5\xbd"},
	    {"e\xcc\x81t\xc3\xa9", 3, "e\xcc\x81t\xc3\xa9"},
	    {"\xf0\x9f\x90\xa6", 2, "\xf0\x9f\x90\xa6"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct str s = str_of_c(rows[i].text);

		assert_int_equal(cli_text_width(s), rows[i].width);
		assert_true(str_eq(cli_text_fit(s, 5), str_of_c(rows[i].fit5)));
	}
}

static void test_bytes(void **state)
{
	static const struct {
		int64_t bytes;
		const char *want;
	} rows[] = {
	    {-1, "0"},
	    {0, "0"},
	    {1023, "1023"},
	    {1024, "1.0 KB"},
	    {1536, "1.5 KB"},
	    {10239, "9.9 KB"},
	    {10240, "10 KB"},
	    {1048575, "1023 KB"},
	    {1048576, "1.0 MB"},
	    {INT64_C(5) << 30, "5.0 GB"},
	    {INT64_MAX, "7.9 EB"},
	};
	struct buf b;

	buf_init(&b, 64);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_clear(&b);
		cli_text_bytes(&b, rows[i].bytes);
		assert_string_equal(buf_cstr(&b), rows[i].want);
	}
	buf_fini(&b);
}

static void test_time_is_local(void **state)
{
	struct buf b;

	setenv("TZ", "UTC-8", 1);
	buf_init(&b, 64);
	cli_text_time(&b, INT64_C(1795463673123));
	assert_string_equal(buf_cstr(&b), "2026-11-24 03:54:33");
	buf_fini(&b);
}

/* As a shell reads it again. */
static void test_words(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
	    {"", "''"}, {"a b", "'a b'"}, {"Ann's", "'Ann'\\''s'"}, {"$x`y`\\", "'$x`y`\\'"}};
	struct buf b;

	buf_init(&b, 100);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_clear(&b);
		cli_text_word(&b, str_of_c(rows[i].text));
		assert_string_equal(buf_cstr(&b), rows[i].want);
	}
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_one_line),
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_width),
	    cmocka_unit_test(test_bytes),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_time_is_local),
	};

	return cmocka_run_group_tests_name("cli/text", tests, NULL, NULL);
}
