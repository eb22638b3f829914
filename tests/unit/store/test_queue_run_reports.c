/* The scheduler: reports are in time, and it asks for nothing over and over. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_run_rig.h"

/* Reports that the disk has no room for wait, and nobody asks a thousand times a second whether it has. */
static void no_room_for_reports(void **state)
{
	int64_t id;

	start();
	q.world = unknown;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	s.full = true;
	work();
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	assert_in_range(queue_run_turn(&s.run), SECOND_MS, MINUTE_MS);
	assert_in_range(queue_run_tick(&s.run), SECOND_MS, MINUTE_MS);
	s.full = false;
	turn();
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
}

/*
 * More than are looked at at once ended so long before a start, and are given time until so many minutes behind it: who
 * ends half an hour behind them all ends in time.
 */
static void expect_in_time(int64_t before, int minutes)
{
	int64_t life = q.cfg.policy.lifetime, id, spared;

	start();
	for (int64_t n = 0; n <= 1000; n = qrig_count(&q, "queue"))
		send_more_than_a_slice();
	spared = qrig_count(&q, "queue");
	turn();
	pass(before + 20 * MINUTE_MS);
	id = qrig_send_one(&q, "ann@a.test", "eve@c.test");
	pass(life - 20 * MINUTE_MS);
	start();
	for (int minute = 1; minute <= minutes + 1; minute++) {
		pass(MINUTE_MS);
		turn();
		assert_int_equal(
		    qrig_state(&q, id, 0), minute < 20 ? LEDGER_QUEUED : LEDGER_BOUNCED);
		if (minute != minutes) /* so many are returned one thousand after the other */
			assert_int_equal(
			    qrig_count(&q, "queue WHERE report = 0 AND address LIKE 'r%'"),
			    minute < minutes ? spared : 0);
	}
}

static void many_are_spared(void **state)
{
	expect_in_time(HOUR_MS, 48);
}

static void many_end_with_the_start(void **state)
{
	expect_in_time(MINUTE_MS, 29);
}

/* The row is damaged: the scheduler does not look at it again and again. */
static void who_came_at_the_end_of_time_is_never_due(void **state)
{
	start();
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	rig_sql(&q.rig, "UPDATE queue SET accepted = 9223372036854775807");
	turn();
	assert_true(s.run.due.wake > q.rig.now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(no_room_for_reports),
	    T(many_are_spared),
	    T(many_end_with_the_start),
	    T(who_came_at_the_end_of_time_is_never_due),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
