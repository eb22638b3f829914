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

static int64_t parse(const char *text)
{
	int64_t ms = -1;
	struct err e = {""};

	return cli_time_parse(str_of_c(text), NOW, &ms, &e) == 0 ? ms : -1;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_moments),
	    cmocka_unit_test(test_no_moments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
