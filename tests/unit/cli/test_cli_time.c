/* Moments as people write them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include "base/clock.h"
#include "cli/cli_time.h"

#define NOW INT64_C(1795463673000) /* 2026-11-23T19:54:33Z */

static int64_t parse_way(const char *text, enum cli_time_way way)
{
	int64_t ms = -1;
	struct err e = {""};

	return cli_time_parse(str_of_c(text), NOW, way, &ms, &e) == 0 ? ms : -1;
}

static int64_t parse(const char *text)
{
	return parse_way(text, CLI_TIME_AGO);
}

static void test_moments(void **state)
{
	setenv("TZ", "XXX-2", 1); /* two hours east */
	tzset();
	assert_int_equal(parse("2026-11-23T19:54:33Z"), NOW);
	assert_int_equal(parse("2026-11-23 21:54:33"), NOW);
	assert_int_equal(parse("2026-11-23 21:54"), NOW - 33000);
	assert_int_equal(parse("2026-11-23"), INT64_C(1795384800000));
	assert_int_equal(parse("2024-02-29 00:00:00Z"), INT64_C(1709164800000));
	assert_int_equal(parse("90m"), NOW - 90 * MINUTE_MS);
	assert_int_equal(parse("3d"), NOW - 3 * DAY_MS);
	assert_int_equal(parse("12h"), NOW - 12 * HOUR_MS);
	assert_int_equal(parse("0s"), NOW);
	assert_int_equal(parse_way("12h", CLI_TIME_AHEAD), NOW + 12 * HOUR_MS);
	assert_int_equal(parse_way("2026-11-23T19:54:33Z", CLI_TIME_AHEAD), NOW);
}

static void test_no_moments(void **state)
{
	static const char *const texts[] = {"", "x", "3", "d", "-3d", "3w", "2026", "2026-11",
	    "2026-13-01", "2026-02-30", "2026-11-23 24:00", "2026-11-23 12", "2026-11-23 12:00x",
	    "1969-12-31", "23.11.2026", "99999999999d"};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		if (parse(texts[i]) != -1)
			fail_msg("\"%s\" is taken for a moment", texts[i]);
	}
}

static void test_cure(void **state)
{
	int64_t ms;
	struct err e;

	assert_int_equal(cli_time_parse(STR("yesterday"), NOW, CLI_TIME_AGO, &ms, &e), -1);
	assert_non_null(strstr(e.text, "or 12h or 3d for so long ago"));
	assert_int_equal(cli_time_parse(STR("yesterday"), NOW, CLI_TIME_AHEAD, &ms, &e), -1);
	assert_non_null(strstr(e.text, "or 12h or 3d for so long from now"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_moments),
	    cmocka_unit_test(test_no_moments),
	    cmocka_unit_test(test_cure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
