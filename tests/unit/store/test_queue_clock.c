/* The scheduler, and a clock that is set while mail waits. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_run_rig.h"

/* Of the first or last message; times are whole minutes here, but for the turns. */
static void expect_accepted(const char *which, int64_t when)
{
	char select[80];

	snprintf(select, sizeof select, "SELECT %s(accepted) FROM queue", which);
	assert_in_range(rig_number(&q.rig, select), when - MINUTE_MS, when);
}

static int64_t row_number(const char *column, int64_t message)
{
	char select[80];

	snprintf(select, sizeof select, "SELECT %s FROM queue WHERE message = %lld", column,
	    (long long)message);
	return rig_number(&q.rig, select);
}

static enum queue_problem problem;

static struct qrig_answer not_yet(const struct queue_job *job, const struct queue_row *row)
{
	return qrig_problem(problem);
}

/* The clock went ahead: who is up again by then has the mail, and nobody is told anything. */
static void ahead_by_six_days(void **state)
{
	int64_t id, other;

	start();
	q.world = greylisted;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	other = qrig_send_one(&q, "ann@a.test", "carl@c.test");
	live(HOUR_MS);
	q.rig.now += 6 * DAY_MS;
	turn();
	q.cfg.started = queue_run_since(&s.run);
	assert_int_equal(q.cfg.started, q.rig.now);
	assert_true(has(explained(id), "as its clock was set ahead: unless an attempt succeeds"));
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	q.world = some;
	work();
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_RELAYED);
	assert_int_equal(qrig_state(&q, other, 0), LEDGER_QUEUED);
	live(HOUR_MS);
	assert_int_equal(qrig_state(&q, other, 0), LEDGER_BOUNCED); /* it was tried */
	assert_int_equal(q.warnings, 0);
	assert_int_equal(qrig_mails(&q), 1);
}

/* The network is not there yet, or our resolver, or we are not able to: that was not all. */
static void ahead_and_not_ready(void **state)
{
	static const enum queue_problem not_ready[] = {QUEUE_PROBLEM_UNREACHABLE, QUEUE_PROBLEM_DNS,
	    QUEUE_PROBLEM_NO_RESOLVER, QUEUE_PROBLEM_LOCAL};

	for (size_t i = 0; i < sizeof not_ready / sizeof *not_ready; i++) {
		int64_t id;

		start();
		problem = not_ready[i];
		id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
		q.rig.now += 6 * DAY_MS;
		q.world = not_yet;
		work();
		assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
		q.world = all_well;
		pass(6 * MINUTE_MS);
		work();
		assert_int_equal(qrig_state(&q, id, 0), LEDGER_RELAYED);
	}
}

/* Nobody takes jobs: the return comes when there was time for two attempts. */
static void ahead_and_nothing_is_tried(void **state)
{
	int64_t id;

	start();
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	q.rig.now += 6 * DAY_MS;
	turn();
	for (int i = 0; i < 48; i++) {
		assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
		pass(MINUTE_MS);
		turn();
	}
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_int_equal(q.warnings, 0);
}

/* A probe, or an attempt with him, that was under way then and broke off is not the one that he has behind it. */
static void ahead_in_an_attempt(void **state)
{
	int64_t first, second;

	start();
	q.world = refused;
	first = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	second = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	live(4 * HOUR_MS);
	pass(HOUR_MS);
	turn();
	assert_int_equal(qrig_lease(&q, OWNER, QRIG_JOBS), 1);
	q.rig.now += 6 * DAY_MS;
	q.cfg.started = queue_run_since(&s.run);
	assert_true(qrig_settle(&q, OWNER, &q.lease.jobs[0]));
	turn();
	q.world = all_well;
	work();
	work();
	assert_int_equal(qrig_state(&q, first, 0), LEDGER_RELAYED);
	assert_int_equal(qrig_state(&q, second, 0), LEDGER_RELAYED);
}

/* The same of one who was to be refused for now. */
static void ahead_in_his_attempt(void **state)
{
	int64_t id;

	start();
	q.world = greylisted;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	assert_int_equal(qrig_lease(&q, OWNER, QRIG_JOBS), 1);
	q.rig.now += 6 * DAY_MS;
	q.cfg.started = queue_run_since(&s.run);
	assert_true(qrig_settle(&q, OWNER, &q.lease.jobs[0]));
	turn();
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	q.world = all_well;
	work();
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_RELAYED);
}

/* It has its five days, the hour in which the clock was wrong among them. */
static void set_back_and_corrected(void **state)
{
	int64_t id, began;

	start();
	q.world = greylisted;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	live(HOUR_MS);
	began = q.rig.now;
	q.rig.now -= 6 * DAY_MS;
	work();
	assert_int_equal(s.set_back, 1);
	expect_accepted("min", q.rig.now);
	live(HOUR_MS);
	q.rig.now += 6 * DAY_MS;
	work();
	expect_accepted("min", began);
	assert_int_equal(q.warnings, 0);
	live(5 * DAY_MS - 2 * HOUR_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	assert_int_equal(q.warnings, 1);
	live(HOUR_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
}

/* And what came while it was wrong, be it put right in two steps; what came before that is older than it. */
static void corrected_in_two_steps(void **state)
{
	int64_t began, was;

	start();
	q.world = greylisted;
	was = q.rig.now;
	qrig_send_one(&q, "ann@a.test", "old@b.test");
	live(2 * DAY_MS);
	began = q.rig.now;
	q.rig.now -= DAY_MS;
	work();
	expect_accepted("min", was);
	pass(HOUR_MS);
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	for (int i = 0; i < 2; i++) {
		q.rig.now += 12 * HOUR_MS;
		work();
	}
	expect_accepted("min", was);
	expect_accepted("max", began + HOUR_MS + 2 * SECOND_MS);
	q.rig.now += 3 * DAY_MS; /* and this was a sleep */
	turn();
	expect_accepted("max", began + HOUR_MS + 2 * SECOND_MS);
}

/* Also by hours only, which are much of the time until a warning. */
static void set_back_by_hours_and_corrected(void **state)
{
	start();
	q.world = greylisted;
	live(HOUR_MS);
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	q.rig.now -= 11 * HOUR_MS;
	work();
	live(HOUR_MS);
	q.rig.now += 11 * HOUR_MS;
	work();
	live(2 * HOUR_MS);
	assert_int_equal(q.warnings, 0);
	live(2 * HOUR_MS);
	assert_int_equal(q.warnings, 1);
}

/* By two steps, and put right in one: nobody is older, whichever of them is the larger. */
static void set_back_twice(void **state)
{
	static const int64_t steps[][2] = {
	    {5 * DAY_MS, 5 * DAY_MS + HOUR_MS}, {3 * DAY_MS, 2 * DAY_MS}};

	for (size_t i = 0; i < 2; i++) {
		int64_t id, came;

		start();
		q.world = greylisted;
		id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
		came = q.rig.now;
		for (size_t k = 0; k < 2; k++) {
			live(HOUR_MS);
			q.rig.now -= steps[i][k];
			work();
		}
		live(HOUR_MS);
		q.rig.now += steps[i][0] + steps[i][1];
		work();
		assert_in_range(row_number("accepted", id), came, q.rig.now);
		assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	}
}

/* What came between two steps follows the one before it only. */
static void came_between(void **state)
{
	static const int64_t steps[][2] = {{6 * MINUTE_MS, HOUR_MS}, {3 * DAY_MS, 2 * HOUR_MS}};

	for (size_t i = 0; i < 2; i++) {
		int64_t id, came;

		start();
		q.world = greylisted;
		q.rig.now -= steps[i][0];
		turn();
		live(HOUR_MS);
		id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
		came = q.rig.now;
		live(3 * HOUR_MS);
		q.rig.now -= steps[i][1];
		work();
		live(10 * MINUTE_MS);
		q.rig.now += steps[i][1];
		work();
		assert_in_range(row_number("accepted", id), came - SECOND_MS, came);
		q.rig.now += steps[i][0];
		work();
		assert_in_range(
		    row_number("accepted", id), came + steps[i][0] - SECOND_MS, came + steps[i][0]);
	}
}

/* More of them than are told apart. */
static void set_back_often(void **state)
{
	int64_t id, came;

	start();
	q.world = greylisted;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	came = q.rig.now;
	for (int i = 0; i < 6; i++) {
		live(10 * MINUTE_MS);
		q.rig.now -= DAY_MS;
		work();
	}
	for (int i = 0; i < 6; i++) {
		q.rig.now += DAY_MS;
		work();
	}
	assert_in_range(row_number("accepted", id), came, q.rig.now);
	assert_int_equal(s.run.nback, 0);
}

/* A correction of a wrong correction: what moved with the first moves with both. */
static void set_back_by_more_and_by_little(void **state)
{
	int64_t id, came;

	start();
	q.world = greylisted;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	came = q.rig.now;
	live(HOUR_MS);
	q.rig.now -= 6 * DAY_MS;
	work();
	live(MINUTE_MS);
	q.rig.now -= 4 * MINUTE_MS;
	work();
	live(HOUR_MS);
	q.rig.now += 6 * DAY_MS + 4 * MINUTE_MS;
	work();
	assert_in_range(row_number("accepted", id), came, q.rig.now);
}

/* One before that nobody put right in a week, and more than are told apart since then. */
static void an_old_step_and_more(void **state)
{
	start();
	q.world = greylisted;
	q.rig.now -= DAY_MS;
	turn();
	live(8 * DAY_MS);
	for (int i = 0; i < 4; i++) {
		q.rig.now -= HOUR_MS;
		turn();
		live(MINUTE_MS);
	}
	q.rig.now += 5 * HOUR_MS;
	turn();
	assert_int_equal(s.run.nback, 0);
	assert_in_range(s.run.ahead, HOUR_MS - SECOND_MS, HOUR_MS + SECOND_MS);
}

/* The machine slept, by which both clocks go on: what is set back and put right behind it is so still. */
static void slept_and_set_back(void **state)
{
	int64_t began;

	start();
	q.world = greylisted;
	pass(8 * HOUR_MS);
	turn();
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	live(HOUR_MS);
	began = q.rig.now;
	q.rig.now -= 6 * DAY_MS;
	work();
	live(HOUR_MS);
	q.rig.now += 6 * DAY_MS;
	work();
	expect_accepted("min", began);
}

/* What was not put right within a week is the time; a later set-back is for itself. */
static void set_back_and_left(void **state)
{
	int64_t id;

	start();
	q.world = greylisted;
	q.rig.now -= DAY_MS;
	turn();
	for (int day = 0; day < 8; day++)
		live(DAY_MS);
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	live(HOUR_MS);
	q.rig.now -= HOUR_MS;
	turn();
	q.rig.now += 5 * DAY_MS + 20 * HOUR_MS; /* an hour of it puts it right */
	turn();
	live(HOUR_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
}

/* This process stood still, and both clocks went on: what could not be tried is, before it is returned. */
static void stood_still(void **state)
{
	int64_t id;

	start();
	q.world = greylisted;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	live(HOUR_MS);
	pass(6 * DAY_MS);
	turn();
	assert_int_equal(queue_run_since(&s.run), q.rig.now);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	q.world = all_well;
	work();
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_RELAYED);
}

/* It went ahead, and that was the fault: nothing but the attempt comes of it. */
static void ahead_and_corrected(void **state)
{
	int64_t id, was;

	start();
	q.world = greylisted;
	was = q.rig.now;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	live(HOUR_MS);
	q.rig.now += 6 * DAY_MS;
	turn();
	pass(MINUTE_MS);
	q.rig.now -= 6 * DAY_MS;
	turn();
	assert_int_equal(queue_run_since(&s.run), q.rig.now);
	expect_accepted("min", was);
	live(4 * DAY_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	live(DAY_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
}

/* It began in the past, as it has no battery, and was put right later. */
static void began_in_the_past(void **state)
{
	int64_t id, began;

	start();
	q.world = greylisted;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	live(HOUR_MS);
	q.rig.now -= 1000 * DAY_MS;
	start();
	turn();
	began = q.rig.now;
	expect_accepted("min", began);
	pass(MINUTE_MS);
	q.rig.now += 3 * SECOND_MS; /* this is not that */
	work();
	q.rig.now += 1000 * DAY_MS;
	work();
	expect_accepted("min", q.rig.now - MINUTE_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
}

/* Set again while rows still follow: each of it is followed, slice by slice. */
static void many_follow(void **state)
{
	int64_t began;

	start();
	send_more_than_a_slice();
	turn();
	pass(HOUR_MS);
	began = q.rig.now;
	q.rig.now -= 6 * DAY_MS;
	queue_run_turn(&s.run);
	assert_int_equal(s.nwrites, 1);
	carry_out();
	assert_int_equal(s.nwrites, 1); /* there is another slice */
	q.rig.now += 6 * DAY_MS;
	turn();
	assert_int_equal(qrig_count(&q, "queue WHERE report = 0"), 12 * LIMIT_SLICE_ROWS / 10);
	assert_true(rig_number(&q.rig, "SELECT max(accepted) FROM queue") <= began);
	assert_true(
	    rig_number(&q.rig, "SELECT min(accepted) FROM queue") >= began - HOUR_MS - SECOND_MS);
}

/* Though it is set again and again, and none of it can be followed; and what it is put right by is not forgotten. */
static void expect_reports_go_on(void)
{
	int64_t id, was;

	q.rig.now -= DAY_MS;
	turn();
	was = rig_number(&q.rig, "SELECT max(accepted) FROM queue");
	q.rig.now += DAY_MS;
	queue_run_turn(&s.run);
	for (int i = 0; i < 5; i++) {
		end_write(LANE_FAILED);
		pass(30 * MINUTE_MS);
		q.rig.now -= 3 * SECOND_MS;
		queue_run_turn(&s.run);
	}
	end_write(LANE_FAILED);
	pass(MINUTE_MS);
	q.world = unknown;
	id = qrig_send_one(&q, "ann@a.test", "bob@d.test");
	work();
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	pass(10 * MINUTE_MS);
	turn();
	assert_false(s.run.moving);
	assert_false(s.run.given_up);
	assert_true(
	    rig_number(&q.rig, "SELECT max(accepted) FROM queue") >= was + DAY_MS - MINUTE_MS);
}

/* A slice that finds no room is written when there is some, and those before it do not follow twice. */
static void follow_when_there_is_room(void **state)
{
	int64_t by[] = {-6 * DAY_MS, 6 * DAY_MS};
	int64_t began, id;

	start();
	send_more_than_a_slice();
	turn();
	pass(MINUTE_MS);
	began = q.rig.now;
	for (size_t i = 0; i < 2; i++) {
		q.rig.now += by[i];
		queue_run_turn(&s.run);
		carry_out();
		end_write(LANE_FULL);
		turn();
		assert_int_equal(s.failed, i + 1); /* it waits */
		assert_true(s.run.moving);
		pass(MINUTE_MS);
		turn();
		assert_false(s.run.moving);
	}
	assert_int_equal(rig_number(&q.rig, "SELECT min(accepted) FROM queue"), began);
	assert_int_equal(rig_number(&q.rig, "SELECT max(accepted) FROM queue"), began + MINUTE_MS);
	q.rig.now -= 6 * DAY_MS;
	queue_run_turn(&s.run);
	q.world = unknown;
	for (int i = 0; i < 60; i++) {
		assert_true(s.run.moving);
		assert_int_equal(s.nwrites, 1);
		end_write(LANE_FAILED);
		pass(MINUTE_MS);
		queue_run_turn(&s.run);
	}
	end_write(LANE_FAILED);
	id = qrig_send_one(&q, "ann@a.test", "bob@c.test");
	pass(MINUTE_MS);
	work();
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED); /* reports do not wait for ever */
	assert_true(s.run.moving);
	pass(10 * MINUTE_MS);
	turn();
	assert_false(s.run.moving); /* nor is it forgotten */
	assert_true(rig_number(&q.rig, "SELECT max(accepted) FROM queue") <= q.rig.now);
	began = q.rig.now;
	q.rig.now -= 6 * DAY_MS;
	queue_run_turn(&s.run);
	end_write(LANE_FAILED);
	pass(2 * HOUR_MS);
	queue_run_turn(&s.run);
	end_write(LANE_FAILED);
	q.rig.now += 6 * DAY_MS;
	pass(MINUTE_MS);
	turn(); /* what was given up does not hold up what came behind it */
	assert_false(s.run.moving);
	assert_true(rig_number(&q.rig, "SELECT min(accepted) FROM queue") >= began - DAY_MS);
	expect_reports_go_on();
	q.rig.now -= 6 * DAY_MS;
	queue_run_turn(&s.run);
	end_write(LANE_FULL);
	queue_run_fini(&s.run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(ahead_by_six_days),
	    T(ahead_and_not_ready),
	    T(ahead_and_nothing_is_tried),
	    T(ahead_in_an_attempt),
	    T(ahead_in_his_attempt),
	    T(set_back_and_corrected),
	    T(corrected_in_two_steps),
	    T(set_back_by_hours_and_corrected),
	    T(set_back_twice),
	    T(came_between),
	    T(set_back_often),
	    T(set_back_by_more_and_by_little),
	    T(an_old_step_and_more),
	    T(slept_and_set_back),
	    T(set_back_and_left),
	    T(stood_still),
	    T(ahead_and_corrected),
	    T(began_in_the_past),
	    T(many_follow),
	    T(follow_when_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
