/* Command lines: keyword and arguments, by tables. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "pop3/pop3_command.h"

static void assert_str(struct str got, const char *want)
{
	assert_int_equal(got.n, strlen(want));
	assert_memory_equal(got.p, want, got.n);
}

static void test_split(void **state)
{
	static const struct {
		const char *line, *verb, *rest;
	} t[] = {
	    {"", "", ""},
	    {"QUIT", "QUIT", ""},
	    {"QUIT ", "QUIT", ""},
	    {"PASS  a b ", "PASS", " a b "},
	    {" QUIT", "", "QUIT"},
	    {"TOP 1 2", "TOP", "1 2"},
	};

	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct str rest;

		assert_str(pop3_command_split(str_of_c(t[i].line), &rest), t[i].verb);
		assert_str(rest, t[i].rest);
	}
}

static void test_numbers(void **state)
{
	static const struct {
		pop3_args_parser *parse;
		const char *rest;
		bool ok, has_number;
		uint64_t number, lines;
	} t[] = {
	    {pop3_args_none, "", true, false, 0, 0},
	    {pop3_args_none, "  ", true, false, 0, 0},
	    {pop3_args_none, "1", false, false, 0, 0},
	    {pop3_args_number, "1", true, true, 1, 0},
	    {pop3_args_number, "0007 ", true, true, 7, 0},
	    {pop3_args_number, "  3", true, true, 3, 0},
	    {pop3_args_maybe_number, " 4 ", true, true, 4, 0},
	    {pop3_args_top, " 5   6 ", true, true, 5, 6},
	    {pop3_args_number, "9223372036854775807", true, true, INT64_MAX, 0},
	    {pop3_args_number, "9223372036854775808", false, false, 0, 0},
	    {pop3_args_number, "", false, false, 0, 0},
	    {pop3_args_number, "+1", false, false, 0, 0},
	    {pop3_args_number, "1x", false, false, 0, 0},
	    {pop3_args_number, "1 2", false, false, 0, 0},
	    {pop3_args_maybe_number, "", true, false, 0, 0},
	    {pop3_args_maybe_number, " ", true, false, 0, 0},
	    {pop3_args_maybe_number, "12", true, true, 12, 0},
	    {pop3_args_maybe_number, "x", false, false, 0, 0},
	    {pop3_args_top, "3 0", true, true, 3, 0},
	    {pop3_args_top, "3  10 ", true, true, 3, 10},
	    {pop3_args_top, "3", false, false, 0, 0},
	    {pop3_args_top, "3 ", false, false, 0, 0},
	    {pop3_args_top, "3 -1", false, false, 0, 0},
	    {pop3_args_top, "3 1 1", false, false, 0, 0},
	};

	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct pop3_args args = {.number = 77, .lines = 88};
		bool ok = t[i].parse(str_of_c(t[i].rest), &args) == POP3_ARGS_OK;

		assert_int_equal(ok, t[i].ok);
		assert_int_equal(args.number, ok ? t[i].number : 77);
		assert_int_equal(args.lines, ok ? t[i].lines : 88);
		if (ok)
			assert_int_equal(args.has_number, t[i].has_number);
	}
}

static void test_texts(void **state)
{
	static const struct {
		pop3_args_parser *parse;
		const char *rest;
		const char *want; /* NULL: refused */
	} t[] = {
	    {pop3_args_name, "bob", "bob"},
	    {pop3_args_name, " bob@example.org ", "bob@example.org"},
	    {pop3_args_name, "bob b\xc3\xa4r", "bob b\xc3\xa4r"},
	    {pop3_args_name, "", NULL},
	    {pop3_args_name, " ", NULL},
	    {pop3_args_name, "b\tb", NULL},
	    {pop3_args_name, "b\xff", NULL},
	    {pop3_args_password, " a b ", " a b "},
	    {pop3_args_password, " ", " "},
	    {pop3_args_password, "", NULL},
	    {pop3_args_password, "\xff", NULL},
	};

	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct pop3_args args = {0};
		enum pop3_args_status status = t[i].parse(str_of_c(t[i].rest), &args);

		assert_int_equal(status, t[i].want ? POP3_ARGS_OK : POP3_ARGS_BAD);
		if (t[i].want)
			assert_str(args.text, t[i].want);
	}
}

static void test_text_limits(void **state)
{
	uint8_t octets[LIMIT_PASSWORD + 1];
	struct pop3_args args;

	memset(octets, 'x', sizeof octets);
	assert_int_equal(pop3_args_name(str_of(octets, LIMIT_USER_NAME), &args), POP3_ARGS_OK);
	assert_int_equal(pop3_args_name(str_of(octets, LIMIT_USER_NAME + 1), &args), POP3_ARGS_BAD);
	assert_int_equal(pop3_args_password(str_of(octets, LIMIT_PASSWORD), &args), POP3_ARGS_OK);
	assert_int_equal(
	    pop3_args_password(str_of(octets, LIMIT_PASSWORD + 1), &args), POP3_ARGS_BAD);
}

static void test_auth(void **state)
{
	static const struct {
		const char *rest, *mechanism,
		    *initial; /* mechanism NULL: refused; initial NULL: none */
	} t[] = {
	    {"PLAIN", "PLAIN", NULL},
	    {"PLAIN ", "PLAIN", NULL},
	    {"plain AGE=", "plain", "AGE="},
	    {"PLAIN =", "PLAIN", "="},
	    {"PLAIN a b", NULL, NULL},
	    {"", NULL, NULL},
	    {"PL\xc3\xa4N", NULL, NULL},
	};

	for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
		struct pop3_args args = {0};
		enum pop3_args_status status = pop3_args_auth(str_of_c(t[i].rest), &args);

		assert_int_equal(status, t[i].mechanism ? POP3_ARGS_OK : POP3_ARGS_BAD);
		if (!t[i].mechanism)
			continue;
		assert_str(args.text, t[i].mechanism);
		assert_int_equal(args.has_initial, t[i].initial != NULL);
		if (t[i].initial)
			assert_str(args.initial, t[i].initial);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_split),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_text_limits),
	    cmocka_unit_test(test_auth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
