/* What attempts teach about a destination. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "queue/queue_destination.h"

#define T0 INT64_C(1000000000000)

static struct queue_policy policy;

static int set_up(void **state)
{
	queue_policy_init(&policy);
	return 0;
}

static bool apply(struct queue_destination *d, enum queue_event event, size_t others, int64_t now)
{
	return queue_destination_apply(d, &policy, event, others, STR("said"), now);
}

static struct queue_destination up(uint32_t limit)
{
	struct queue_destination d;

	queue_destination_init(&d, 42);
	assert_int_equal(d.limit, 5);
	d.limit = limit;
	return d;
}

static struct queue_destination failing(uint32_t limit)
{
	struct queue_destination d = up(limit);

	apply(&d, QUEUE_EVENT_FAILED, 0, T0);
	assert_true(queue_destination_is_failing(&d));
	d.limit = limit;
	return d;
}

/* Events on one that is up: new limit, failing or not. */
static const struct {
	enum queue_event event;
	size_t others;
	uint32_t limit, want_limit;
	bool want_failing;
} on_up[] = {
    {QUEUE_EVENT_NONE, 0, 5, 5, false},
    {QUEUE_EVENT_SUCCESS, 0, 5, 6, false},
    {QUEUE_EVENT_SUCCESS, 0, 19, 20, false},
    {QUEUE_EVENT_SUCCESS, 0, 20, 20, false},
    {QUEUE_EVENT_ANSWERED, 0, 5, 5, false},
    {QUEUE_EVENT_BUSY, 0, 5, 2, false},
    {QUEUE_EVENT_BUSY, 9, 1, 1, false},
    {QUEUE_EVENT_TURNED_AWAY, 0, 5, 2, true},
    {QUEUE_EVENT_TURNED_AWAY, 3, 20, 3, false},
    {QUEUE_EVENT_TURNED_AWAY, 15, 20, 10, false},
    {QUEUE_EVENT_TURNED_AWAY, 1, 1, 1, false},
    {QUEUE_EVENT_FAILED, 0, 20, 10, true},
    {QUEUE_EVENT_FAILED, 7, 1, 1, true},
};

static void test_events(void **state)
{
	for (size_t i = 0; i < sizeof on_up / sizeof on_up[0]; i++) {
		struct queue_destination d = up(on_up[i].limit);

		assert_false(apply(&d, on_up[i].event, on_up[i].others, T0));
		assert_int_equal(d.limit, on_up[i].want_limit);
		assert_int_equal(queue_destination_is_failing(&d), on_up[i].want_failing);
		assert_int_equal(d.failing_since, on_up[i].want_failing ? T0 : 0);
		assert_int_equal(d.last_try, on_up[i].event == QUEUE_EVENT_NONE ? 0 : T0);
		assert_int_equal(d.last_reply.n, on_up[i].event == QUEUE_EVENT_NONE ? 0 : 4);
	}
}

static void test_wakes(void **state)
{
	static const enum queue_event waking[] = {
	    QUEUE_EVENT_SUCCESS, QUEUE_EVENT_ANSWERED, QUEUE_EVENT_BUSY};

	for (size_t i = 0; i < sizeof waking / sizeof waking[0]; i++) {
		struct queue_destination d = failing(4);

		assert_int_equal(queue_destination_room(&d, 0, T0 + 1), 0);
		assert_true(apply(&d, waking[i], 0, T0 + 1));
		assert_false(queue_destination_is_failing(&d));
		assert_int_equal(d.next_probe, 0);
		assert_int_equal(d.failing_since, 0);
		assert_int_equal(queue_destination_room(&d, 0, T0 + 1), d.limit);
		assert_int_equal(queue_destination_room(&d, 1, T0 + 1), d.limit - 1);
	}
}

/* Twenty sessions that break together are one failure; the probe is the second. */
static void test_one_failure(void **state)
{
	struct queue_destination d = up(20);
	int64_t probe;

	apply(&d, QUEUE_EVENT_FAILED, 19, T0);
	probe = d.next_probe;
	assert_in_range(probe, T0 + 5 * MINUTE_MS, T0 + 5 * MINUTE_MS + 30 * SECOND_MS);
	for (size_t others = 19; others-- > 0;)
		assert_false(apply(&d, others % 2 ? QUEUE_EVENT_FAILED : QUEUE_EVENT_TURNED_AWAY,
		    others, T0 + 100));
	assert_int_equal(d.failures, 1);
	assert_int_equal(d.limit, 10);
	assert_int_equal(d.next_probe, probe);
	assert_false(apply(&d, QUEUE_EVENT_TURNED_AWAY, 0, probe));
	assert_int_equal(d.failures, 2);
	assert_int_equal(d.failing_since, T0);
	assert_in_range(d.next_probe - probe, 810 * SECOND_MS, 990 * SECOND_MS);
}

static const struct {
	bool failing;
	size_t active;
	int64_t not_before, after; /* T0, and from the probe's time */
	enum queue_hold want;
} holds[] = {
    {false, 0, 0, 0, QUEUE_HOLD_NONE},
    {false, 4, 0, 0, QUEUE_HOLD_NONE},
    {false, 5, 0, 0, QUEUE_HOLD_SESSIONS},
    {false, 50, 0, 0, QUEUE_HOLD_SESSIONS},
    {false, 0, T0 + DAY_MS, 0, QUEUE_HOLD_OWN},
    {true, 0, 0, -1, QUEUE_HOLD_PROBE_TIME},
    {true, 0, 0, 0, QUEUE_HOLD_NONE},
    {true, 1, 0, 0, QUEUE_HOLD_PROBE},
    {true, 1, 0, -1, QUEUE_HOLD_PROBE},
    {true, 0, T0 + DAY_MS, 0, QUEUE_HOLD_OWN},
};

static void test_holds(void **state)
{
	for (size_t i = 0; i < sizeof holds / sizeof holds[0]; i++) {
		struct queue_destination d = holds[i].failing ? failing(5) : up(5);
		int64_t now = (holds[i].failing ? d.next_probe : T0) + holds[i].after;
		enum queue_hold hold = queue_destination_hold(
		    &d, holds[i].active, holds[i].not_before, now);
		size_t room = queue_destination_room(&d, holds[i].active, now);

		assert_int_equal(hold, holds[i].want);
		if (holds[i].not_before == 0)
			assert_int_equal(hold == QUEUE_HOLD_NONE, room > 0);
		if (holds[i].failing)
			assert_true(room <= 1);
	}
}

/* None of its hosts may be gone to: it waits, whether it fails itself or not, until one wakes it. */
static void test_waits(void **state)
{
	struct queue_destination d = up(5);

	queue_destination_wait(&d, T0 + MINUTE_MS, true);
	assert_int_equal(queue_destination_hold(&d, 0, 0, T0), QUEUE_HOLD_HOST);
	assert_int_equal(queue_destination_hold(&d, 3, 0, T0), QUEUE_HOLD_HOST);
	assert_int_equal(queue_destination_room(&d, 0, T0), 0);
	assert_int_equal(queue_destination_room(&d, 0, T0 + MINUTE_MS), 5);
	assert_int_equal(queue_destination_standing(&d), QUEUE_STANDING_UNKNOWN);
	queue_destination_wake(&d);
	assert_int_equal(queue_destination_hold(&d, 0, 0, T0), QUEUE_HOLD_NONE);
	d = failing(5);
	queue_destination_wait(&d, T0 + DAY_MS, true);
	assert_int_equal(d.failures, 1);
	assert_int_equal(d.waits, 0);
	assert_int_equal(d.next_probe, T0 + DAY_MS);
	queue_destination_wait(&d, T0 + MINUTE_MS, false); /* it has a host that is up */
	assert_int_equal(d.failures, 0);
	assert_int_equal(d.waits, T0 + MINUTE_MS);
	apply(&d, QUEUE_EVENT_FAILED, 0, T0);
	assert_int_equal(d.waits, 0);
	queue_destination_wake(&d);
	assert_int_equal(d.next_probe, 0);
	queue_destination_wait(&d, T0 + MINUTE_MS, true);
	apply(&d, QUEUE_EVENT_ANSWERED, 0, T0);
	assert_int_equal(d.waits, 0);
}

static void test_settle(void **state)
{
	struct queue_destination d = failing(5);
	int64_t wait = d.next_probe - T0;

	assert_false(queue_destination_settle(&d, T0));
	assert_true(queue_destination_settle(&d, T0 - DAY_MS));
	assert_int_equal(d.next_probe, T0 - DAY_MS + wait);
	assert_int_equal(d.failing_since, T0 - DAY_MS);
	assert_int_equal(d.last_try, T0 - DAY_MS);
	assert_false(queue_destination_settle(&d, T0 - DAY_MS));
	d = up(5);
	apply(&d, QUEUE_EVENT_SUCCESS, 0, T0);
	assert_true(queue_destination_settle(&d, T0 - 1));
	assert_int_equal(d.next_probe, 0);
	assert_int_equal(d.failing_since, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_events),
	    cmocka_unit_test(test_wakes),
	    cmocka_unit_test(test_one_failure),
	    cmocka_unit_test(test_holds),
	    cmocka_unit_test(test_waits),
	    cmocka_unit_test(test_settle),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
