/* Who is hung, and who only had no time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "proc/watchdog.h"

#define PATIENCE INT64_C(60000)

/* Ticks in time until the watch is hung, at most 1000; 0: never. */
static unsigned ticks_until_hung(struct watch *w)
{
	for (unsigned n = 1; n <= 1000; n++) {
		watch_pass(w, watchdog_step(PATIENCE));
		if (watch_is_hung(w, PATIENCE))
			return n;
	}
	return 0;
}

static void test_silence(void **state)
{
	struct watch w = {0};

	watch_begin(&w);
	assert_true(watch_pass(&w, 100000)); /* before it was asked no time counts */
	assert_false(watch_pass(&w, 30000));
	assert_false(watch_is_hung(&w, PATIENCE));
	assert_true(watch_is_slow(&w, PATIENCE));
	assert_false(watch_is_slow(&w, PATIENCE + 1));
	assert_true(watch_answered(&w));
	assert_false(watch_is_slow(&w, PATIENCE));
	assert_false(watch_answered(&w)); /* nobody asked */
	assert_int_equal(ticks_until_hung(&w), 5);
}

static void test_patience_doubles(void **state)
{
	static const unsigned want[] = {5, 9, 17, 33, 65, 65};
	struct watch w = {0};

	for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
		watch_begin(&w);
		assert_int_equal(ticks_until_hung(&w), want[i]);
		watch_ended(&w);
	}
	for (int i = 0; i < 4 * 64; i++) {
		watch_pass(&w, 10);
		assert_true(watch_answered(&w));
	}
	assert_int_equal(ticks_until_hung(&w), 5);
}

/* A machine that was away: the tick is late, and the time does not count. */
static void test_late_ticks(void **state)
{
	struct watchdog d = {0};
	int64_t step = watchdog_step(PATIENCE), now = 1000000;

	assert_int_equal(watchdog_tick(&d, now, PATIENCE), 0);
	assert_int_equal(watchdog_tick(&d, now += step, PATIENCE), step);
	assert_int_equal(watchdog_tick(&d, now += 10 * PATIENCE, PATIENCE), 0);
	assert_int_equal(watchdog_tick(&d, now += step, PATIENCE), step);
}

static void test_machine(void **state)
{
	assert_false(watchdog_is_machine(0, 5));
	assert_false(watchdog_is_machine(1, 1));
	assert_false(watchdog_is_machine(2, 5));
	assert_true(watchdog_is_machine(3, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_silence),
	    cmocka_unit_test(test_patience_doubles),
	    cmocka_unit_test(test_late_ticks),
	    cmocka_unit_test(test_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
