#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cli/cli_json.h"

static void assert_out(struct buf *b, const char *want)
{
	assert_string_equal(buf_cstr(b), want);
	buf_clear(b);
}

static void test_escapes(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		const char *want;
	} rows[] = {
	    {"", 0, "\"\""},
	    {"abc", 3, "\"abc\""},
	    {"a\"b\\c/", 6, "\"a\\\"b\\\\c/\""},
	    {"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
	    {"\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\\u007f\""},
	    {"gr\xc3\xbc\xc3\x9f", 6, "\"gr\xc3\xbc\xc3\x9f\""},
	    {"\xf0\x9f\x90\xa6", 4, "\"\xf0\x9f\x90\xa6\""},
	    {"a\xff"
	     "b",
		3,
		"\"a\xef\xbf\xbd"
		"b\""},
	    {"\xc3", 1, "\"\xef\xbf\xbd\""},
	    {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
	};
	struct cli_json j;
	struct buf b;

	buf_init(&b, 4096);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		cli_json_init(&j, &b);
		cli_json_text(&j, CLI_JSON_NO_KEY, str_of(rows[i].text, rows[i].n));
		assert_out(&b, rows[i].want);
	}
	buf_fini(&b);
}

static void test_nesting(void **state)
{
	struct cli_json j;
	struct buf b;

	buf_init(&b, 4096);
	cli_json_init(&j, &b);
	cli_json_array(&j, CLI_JSON_NO_KEY);
	cli_json_end(&j);
	assert_out(&b, "[]\n");

	cli_json_init(&j, &b);
	cli_json_array(&j, CLI_JSON_NO_KEY);
	cli_json_object(&j, CLI_JSON_NO_KEY);
	cli_json_int(&j, STR("n"), -5);
	cli_json_bool(&j, STR("on"), true);
	cli_json_array(&j, STR("list"));
	cli_json_int(&j, CLI_JSON_NO_KEY, 1);
	cli_json_int(&j, CLI_JSON_NO_KEY, 2);
	cli_json_end(&j);
	cli_json_object(&j, STR("none"));
	cli_json_end(&j);
	cli_json_end(&j);
	cli_json_object(&j, CLI_JSON_NO_KEY);
	cli_json_int(&j, STR("n"), 6);
	cli_json_end(&j);
	cli_json_end(&j);
	assert_out(&b,
	    "[\n  {\"n\": -5, \"on\": true, \"list\": [1, 2], \"none\": {}},\n  {\"n\": 6}\n]\n");
	buf_fini(&b);
}

static void test_scalars(void **state)
{
	struct cli_json j;
	struct buf b;

	buf_init(&b, 4096);
	cli_json_init(&j, &b);
	cli_json_object(&j, CLI_JSON_NO_KEY);
	cli_json_int(&j, STR("min"), INT64_MIN);
	cli_json_time(&j, STR("at"), INT64_C(1795463673123));
	cli_json_time(&j, STR("never"), 0);
	cli_json_bool(&j, STR("a\"b"), false);
	cli_json_end(&j);
	assert_out(&b,
	    "{\n  \"min\": -9223372036854775808,\n  \"at\": \"2026-11-23T19:54:33.123Z\",\n"
	    "  \"never\": null,\n  \"a\\\"b\": false\n}\n");
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_escapes),
	    cmocka_unit_test(test_nesting),
	    cmocka_unit_test(test_scalars),
	};

	return cmocka_run_group_tests_name("cli/json", tests, NULL, NULL);
}
