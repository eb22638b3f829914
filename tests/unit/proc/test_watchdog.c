/* Who is hung, and who only had no time. */
#include <limits.h>
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

/* ---- all processes of a server ---- */

#define PROCESSES 5
#define NEVER     UINT_MAX

/* A process is silent from tick `from` to before tick `until`. */
struct silence {
	unsigned from, until;
};

/* What became of it, by the numbers of the ticks; NEVER: nothing. */
struct fate {
	unsigned machine;          /* the first excuse */
	unsigned ended[PROCESSES]; /* the first end of each; it answers from then on */
};

static void end_the_hung(struct watch *w, struct fate *f, unsigned tick)
{
	for (size_t i = 0; i < PROCESSES; i++) {
		if (!watch_is_hung(&w[i], PATIENCE))
			continue;
		watch_ended(&w[i]);
		f->ended[i] = tick;
	}
}

static struct fate run(const struct silence *silences, unsigned ticks)
{
	struct watch w[PROCESSES] = {0}, *all[PROCESSES];
	struct fate f = {NEVER, {NEVER, NEVER, NEVER, NEVER, NEVER}};

	for (unsigned tick = 0; tick < ticks; tick++) {
		for (size_t i = 0; i < PROCESSES; i++) {
			const struct silence *s = &silences[i];

			all[i] = &w[i];
			watch_pass(&w[i], watchdog_step(PATIENCE));
			if (tick < s->from || tick >= s->until || f.ended[i] != NEVER)
				watch_answered(&w[i]);
		}
		if (watchdog_judge(all, PROCESSES, PATIENCE) && f.machine == NEVER)
			f.machine = tick;
		end_the_hung(w, &f, tick);
	}
	return f;
}

/* In ticks: a patience is 4, three of them are 12. */
static void test_all_together(void **state)
{
	static const struct {
		const char *name;
		struct silence silences[PROCESSES];
		struct fate want;
	} cases[] = {
	    {"all answer", {{0, 0}}, {NEVER, {NEVER, NEVER, NEVER, NEVER, NEVER}}},
	    {"one hung", {{1, NEVER}}, {NEVER, {5, NEVER, NEVER, NEVER, NEVER}}},
	    {"two hung", {{1, NEVER}, {1, NEVER}}, {NEVER, {5, 5, NEVER, NEVER, NEVER}}},
	    {"all slow on a slow machine", {{1, 12}, {1, 12}, {2, 12}, {3, 12}, {4, 12}},
		{5, {NEVER, NEVER, NEVER, NEVER, NEVER}}},
	    {"one that is asked later and answers later than the others", {{1, 6}, {1, 6}, {3, 9}},
		{5, {NEVER, NEVER, NEVER, NEVER, NEVER}}},
	    {"a majority hung, one after the other", {{1, NEVER}, {2, NEVER}, {3, NEVER}},
		{5, {13, 14, 15, NEVER, NEVER}}},
	    {"all hung", {{1, NEVER}, {1, NEVER}, {1, NEVER}, {1, NEVER}, {1, NEVER}},
		{5, {13, 13, 13, 13, 13}}},
	    {"one hung on a slow machine", {{1, NEVER}, {1, 8}, {2, 8}, {3, 8}, {4, 8}},
		{5, {13, NEVER, NEVER, NEVER, NEVER}}},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct fate got = run(cases[i].silences, 100);

		print_message("%s\n", cases[i].name);
		assert_int_equal(got.machine, cases[i].want.machine);
		for (size_t k = 0; k < PROCESSES; k++)
			assert_int_equal(got.ended[k], cases[i].want.ended[k]);
	}
}

/* One that answered has no excuse left, and may have another. */
static void test_recovery(void **state)
{
	struct watch a = {0}, b = {0}, *both[] = {&a, &b};

	for (int i = 0; i < 10; i++) {
		assert_true(watch_pass(&a, 1));
		assert_true(watch_pass(&b, 1));
		watch_pass(&a, PATIENCE);
		watch_pass(&b, PATIENCE);
		assert_true(watch_is_hung(&a, PATIENCE));
		assert_true(watchdog_judge(both, 2, PATIENCE));
		assert_false(watch_is_hung(&a, PATIENCE));
		watch_pass(&a, 2 * PATIENCE - 1);
		assert_false(watchdog_judge(both, 2, PATIENCE));
		assert_false(watch_is_hung(&a, PATIENCE));
		assert_true(watch_answered(&a));
		assert_true(watch_answered(&b));
	}
	watch_pass(&a, 1);
	watch_pass(&a, PATIENCE);
	assert_false(watchdog_judge(both, 2, PATIENCE)); /* b answers */
	assert_true(watch_is_hung(&a, PATIENCE));
	assert_false(watchdog_judge(both, 1, PATIENCE)); /* one alone */
}

static void test_excused_once(void **state)
{
	struct watch a = {0}, b = {0}, *both[] = {&a, &b};

	for (int i = 0; i < 2; i++) {
		watch_pass(&a, PATIENCE); /* asks at first */
		watch_pass(&b, PATIENCE);
	}
	assert_true(watchdog_judge(both, 2, PATIENCE));
	watch_pass(&a, 2 * PATIENCE);
	watch_pass(&b, 2 * PATIENCE);
	assert_false(watchdog_judge(both, 2, PATIENCE));
	assert_true(watch_is_hung(&a, PATIENCE));
	watch_begin(&b); /* it died meanwhile: another process has nothing of it */
	watch_pass(&b, 1);
	watch_pass(&b, PATIENCE);
	assert_true(watch_is_hung(&b, PATIENCE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_silence),
	    cmocka_unit_test(test_patience_doubles),
	    cmocka_unit_test(test_late_ticks),
	    cmocka_unit_test(test_all_together),
	    cmocka_unit_test(test_recovery),
	    cmocka_unit_test(test_excused_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
