/* Whole lives of messages in the queue, the books balanced after each step. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_test.h"

#include "base/mem.h"

static int64_t times[1000]; /* of attempts */
static size_t ntimes;

static void keep_time(const struct queue_job *job)
{
	MUST(ntimes < sizeof times / sizeof times[0]);
	times[ntimes++] = q.rig.now;
}

static void goes_at_once(void **state)
{
	int64_t id;

	q.world = all_well;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	assert_int_equal(qrig_count(&q, "queue"), 1);
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_RELAYED);
	assert_int_equal(qrig_count(&q, "queue"), 0);
	assert_int_equal(qrig_count(&q, "lease"), 0);
	assert_int_equal(qrig_count(&q, "blob WHERE refs = 0"), 1);
	assert_int_equal(qrig_count(&q, "trace WHERE kind = 6 AND dialogue > 0"), 1);
	rig_maintain(&q.rig, DAY_MS, DAY_MS);
	assert_int_equal(qrig_count(&q, "blob"), 1); /* the dialogue */
	assert_int_equal(qrig_mails(&q), 0);
}

/* Whatever was packed before it. */
static void each_dialogue_is_read_again(void **state)
{
	static const char next[] = "SELECT coalesce(min(dialogue), 0) FROM trace WHERE dialogue > ";
	int64_t id = 0, n = 0;
	char select[128];
	struct buf text;

	q.world = greylisted;
	(void)qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_live(&q, q.rig.now + HOUR_MS);
	buf_init(&text, DIALOGUE_MAX);
	for (;; n++) {
		snprintf(select, sizeof select, "%s%lld", next, (long long)id);
		id = rig_number(&q.rig, select);
		if (id == 0)
			break;
		buf_clear(&text);
		assert_int_equal(dialogue_read(q.rig.db, q.rig.blobs, id, &text), DIALOGUE_OK);
		assert_true(str_eq(buf_view(&text), STR("S: 220 hello\r\nC: EHLO mx.a.test\r\n")));
	}
	assert_in_range(n, 3, 5);
	buf_fini(&text);
}

/* 5, 15, 30 minutes, then every 30, each a tenth more or less; 5 days; one warning; a bounce. */
static void greylisted_for_ever(void **state)
{
	int64_t start = q.rig.now, step[] = {5 * MINUTE_MS, 15 * MINUTE_MS, 30 * MINUTE_MS}, id;

	q.world = greylisted;
	q.on_job = keep_time;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_live(&q, start + 4 * HOUR_MS - 1);
	assert_int_equal(q.warnings, 0);
	qrig_live(&q, start + 4 * HOUR_MS);
	assert_int_equal(q.warnings, 1);
	assert_int_equal(qrig_mails(&q), 1);
	assert_true(has(qrig_mail(&q, arena), "Action: delayed"));
	assert_true(has(qrig_mail(&q, arena), "> 450 4.2.0 greylisted"));
	qrig_live(&q, start + 5 * DAY_MS - 1);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	qrig_live(&q, start + 7 * DAY_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_int_equal(q.warnings, 1);
	assert_int_equal(qrig_mails(&q), 2);
	assert_true(has(qrig_mail(&q, arena), "Action: failed"));
	assert_true(has(qrig_mail(&q, arena), "Status: 4.4.7"));
	assert_true(has(qrig_mail(&q, arena), "Original-Envelope-Id: E1"));
	for (size_t i = 1; i < ntimes; i++) {
		int64_t want = step[i < 3 ? i - 1 : 2], wait = times[i] - times[i - 1];

		assert_in_range(wait, want - want / 10, want + want / 10);
	}
	assert_in_range(ntimes, 230, 260);
	assert_in_range(times[ntimes - 1], start + 5 * DAY_MS - 34 * MINUTE_MS, start + 5 * DAY_MS);
	assert_int_equal(qrig_count(&q, "queue"), 0);
}

static struct qrig_answer broken_off(const struct queue_job *job, const struct queue_row *row)
{
	return qrig_problem(QUEUE_PROBLEM_LOCAL);
}

/* What broke off on our side is tried soon again; what does so again keeps to the schedule. */
static void broken_off_here(void **state)
{
	int64_t start = q.rig.now, id;

	ntimes = 0;
	q.world = broken_off;
	q.on_job = keep_time;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_live(&q, start + HOUR_MS);
	assert_in_range(ntimes, 4, 6);
	assert_in_range(times[1] - times[0], MINUTE_MS, 2 * MINUTE_MS);
	assert_in_range(times[2] - times[1], 13 * MINUTE_MS, 17 * MINUTE_MS);
	assert_in_range(times[3] - times[2], 26 * MINUTE_MS, 34 * MINUTE_MS);
	q.world = all_well;
	qrig_live(&q, start + 2 * HOUR_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_RELAYED);
}

static struct qrig_answer unresolved(const struct queue_job *job, const struct queue_row *row)
{
	return qrig_problem(QUEUE_PROBLEM_NO_RESOLVER);
}

/* Without a resolver nothing was tried: it is soon again each time, and the schedule begins behind it. */
static void without_a_resolver(void **state)
{
	int64_t start = q.rig.now, id;
	size_t without;

	ntimes = 0;
	q.world = unresolved;
	q.on_job = keep_time;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_live(&q, start + 20 * MINUTE_MS);
	without = ntimes;
	assert_in_range(without, 10, 20);
	for (size_t i = 1; i < without; i++)
		assert_in_range(times[i] - times[i - 1], MINUTE_MS, 2 * MINUTE_MS);
	assert_int_equal(qrig_count(&q, "trace WHERE text LIKE '%resolver%'"), 0);
	assert_int_equal(qrig_count(&q, "queue WHERE attempts = 0"), 1);
	q.world = broken_off;
	qrig_live(&q, start + 25 * MINUTE_MS);
	assert_in_range(times[without + 1] - times[without], MINUTE_MS, 2 * MINUTE_MS);
	q.world = all_well;
	qrig_live(&q, start + 2 * HOUR_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_RELAYED);
}

/* Only one message is tried while its destination does not answer. */
static void host_down(void **state)
{
	int64_t start = q.rig.now;

	q.world = refused;
	for (int i = 0; i < 20; i++)
		qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_live(&q, start + HOUR_MS);
	/* five sessions at first, then a probe after 5, 20, 50 minutes */
	assert_in_range(q.jobs, 4, 8);
	assert_int_equal(qrig_count(&q, "queue WHERE attempts = 0"), 20);
	q.world = all_well;
	qrig_live(&q, start + 2 * HOUR_MS);
	assert_int_equal(qrig_count(&q, "queue"), 0);
	assert_int_equal(qrig_count(&q, "ledger WHERE state = 1"), 20);
}

/* Its sender's report says why, also when nobody spoke to us. */
static void host_down_for_ever(void **state)
{
	int64_t start = q.rig.now;

	q.world = refused;
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_live(&q, start + 6 * DAY_MS);
	assert_int_equal(qrig_mails(&q), 2);
	assert_true(has(qrig_mail(&q, arena), "Status: 4.4.7"));
	assert_true(
	    has(qrig_mail(&q, arena), "\r\nDiagnostic-Code: x-godwit; connection refused\r\n"));
	assert_true(has(qrig_mail(&q, arena), "\r\nLast-Attempt-Date: "));
}

static void a_success_wakes_all(void **state)
{
	int64_t start = q.rig.now;

	q.world = refused;
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_live(&q, start + 3 * HOUR_MS);
	assert_int_equal(qrig_count(&q, "destination WHERE failures > 3"), 1);
	for (int i = 0; i < 30; i++)
		qrig_send_one(&q, "ann@a.test", "bob@b.test");
	q.world = all_well;
	q.jobs = 0;
	q.rig.now = qrig_wake(&q);
	assert_true(q.rig.now > start + 3 * HOUR_MS);
	qrig_work(&q);
	assert_int_equal(q.jobs, 31);
	assert_int_equal(qrig_count(&q, "queue"), 0);
	assert_int_equal(qrig_count(&q, "destination WHERE failures = 0 AND name = 'b.test'"), 1);
}

static void destinations_take_turns(void **state)
{
	q.world = all_well;
	for (int i = 0; i < 50; i++)
		qrig_send_one(&q, "ann@a.test", "bob@big.test");
	qrig_send_one(&q, "ann@a.test", "bob@small.test");
	assert_int_equal(qrig_lease(&q, 5, 2), 2);
	assert_true(str_eq(q.lease.jobs[0].destination, STR("big.test")));
	assert_true(str_eq(q.lease.jobs[1].destination, STR("small.test")));
	qrig_settle(&q, 5, &q.lease.jobs[1]);
	assert_int_equal(qrig_lease(&q, 5, 50), QUEUE_SESSIONS_START - 1);
	assert_int_equal(qrig_release(&q, NULL, 0), QUEUE_SESSIONS_START);
	for (int i = 0; i < 3; i++) { /* one at a time: in turn, at the same moment too */
		qrig_send_one(&q, "ann@a.test", "bob@small.test");
		assert_int_equal(qrig_lease(&q, 5, 1), 1);
		struct str first = arena_str(arena, q.lease.jobs[0].destination);

		assert_int_equal(qrig_lease(&q, 5, 1), 1);
		assert_false(str_eq(first, q.lease.jobs[0].destination));
		qrig_release(&q, NULL, 0);
	}
	qrig_work(&q);
}

static void a_busy_destination_does_not_hold_up_another(void **state)
{
	q.world = all_well;
	for (int i = 0; i < 20; i++)
		qrig_send_one(&q, "ann@a.test", "bob@slow.test");
	assert_int_equal(qrig_lease(&q, 5, 100), QUEUE_SESSIONS_START);
	assert_int_equal(qrig_wake(&q), q.rig.now + QUEUE_LEASE_MS); /* nothing to look for */
	qrig_send_one(&q, "ann@a.test", "bob@fast.test");
	assert_int_equal(qrig_lease(&q, 5, 100), 1);
	assert_true(str_eq(q.lease.jobs[0].destination, STR("fast.test")));
	qrig_release(&q, NULL, 0);
	qrig_work(&q);
	assert_int_equal(qrig_count(&q, "queue"), 0);
}

static void many_recipients_make_several_jobs(void **state)
{
	struct deliver *d = rig_message(&q.rig, "ann@a.test", "x\r\n");
	char to[64];

	q.world = all_well;
	d->may_relay = true;
	for (int i = 0; i < 250; i++) {
		snprintf(to, sizeof to, "r%d@b.test", i);
		rig_to(d, to)->action = PLAN_RELAY;
	}
	assert_true(rig_run(&q.rig, d));
	deliver_free(&d);
	assert_int_equal(qrig_lease(&q, 5, 10), 3);
	assert_int_equal(q.lease.jobs[0].rows.n, 100);
	assert_int_equal(q.lease.jobs[2].rows.n, 50);
	qrig_release(&q, NULL, 0);
	qrig_work(&q);
	assert_int_equal(qrig_count(&q, "ledger WHERE state = 1"), 250);
}

static void clock_back_a_day(void **state)
{
	struct queue_clock c;
	int64_t start = q.rig.now, id, jobs;
	bool ahead = false;

	q.world = greylisted;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_live(&q, start + HOUR_MS);
	jobs = q.jobs;
	q.rig.now -= DAY_MS;
	assert_int_equal(queue_clock_is_ahead(q.rig.db, q.rig.now, &ahead), DB_OK);
	assert_true(ahead);
	queue_clock_init(&c);
	qrig_run(&q, &c.op);
	assert_false(c.more);
	queue_clock_fini(&c);
	assert_int_equal(queue_clock_is_ahead(q.rig.db, q.rig.now, &ahead), DB_OK);
	assert_false(ahead);
	assert_in_range(qrig_wake(&q), q.rig.now, q.rig.now + 33 * MINUTE_MS);
	qrig_work(&q);
	assert_int_equal(q.jobs, jobs); /* no attempt is made twice */
	qrig_live(&q, q.rig.now + HOUR_MS);
	assert_in_range(q.jobs, jobs + 1, jobs + 3);
	qrig_live(&q, q.rig.now + 5 * DAY_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
}

/* Nothing was tried yet, or waits for a mailbox here: that came in what is now the future, but for what is to. */
static void clock_back_before_attempts(void **state)
{
	bool ahead = true;

	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	assert_int_equal(queue_clock_is_ahead(q.rig.db, q.rig.now, &ahead), DB_OK);
	assert_false(ahead);
	assert_int_equal(queue_clock_is_ahead(q.rig.db, q.rig.now - DAY_MS, &ahead), DB_OK);
	assert_true(ahead);
	rig_sql(&q.rig, "UPDATE queue SET hold_until = accepted");
	assert_int_equal(queue_clock_is_ahead(q.rig.db, q.rig.now - DAY_MS, &ahead), DB_OK);
	assert_false(ahead);
	rig_sql(&q.rig, "UPDATE queue SET hold_until = 0, held = 1");
	assert_int_equal(queue_clock_is_ahead(q.rig.db, q.rig.now - DAY_MS, &ahead), DB_OK);
	assert_false(ahead);
	rig_sql(&q.rig,
	    "UPDATE queue SET held = 0, destination = '', report = 4, accepted = 1, last_attempt = accepted");
	assert_int_equal(queue_clock_is_ahead(q.rig.db, q.rig.now - DAY_MS, &ahead), DB_OK);
	assert_true(ahead);
}

#define AHEAD "9000000000000000"
#define MANY                                                                                       \
	"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)"          \
	" INSERT INTO "

/* Thousands of hosts and destinations are no reason to hold up the lane; who dies begins again. */
static void clock_back_slice_by_slice(void **state)
{
	struct queue_clock c;
	int slices = 1;
	bool ahead = false;

	rig_sql(&q.rig, MANY
	    "destination (shard, name, due, turn, sessions, failures, failing_since, next_probe,"
	    " last_try, last_problem, last_status, last_reply, last_remote, waits)"
	    " SELECT 0, i || '.test', 9223372036854775807, 0, 5, 0, 0, 0,"
	    " CASE WHEN i % 2 THEN " AHEAD " ELSE 1 END, 0, 0, '', '', " AHEAD " + 1000 FROM n");
	rig_sql(&q.rig, MANY "host (shard, name, sessions, failures, failing_since, next_probe,"
			     " last_try, last_problem, last_status, last_reply, tried_for)"
			     " SELECT 0, 'mx.' || i, 5, 0, 0, 0, " AHEAD ", 0, 0, '', '' FROM n");
	queue_clock_init(&c);
	for (qrig_run(&q, &c.op); c.more; slices++) {
		assert_in_range(c.moved, 1, LIMIT_SLICE_ROWS);
		assert_int_equal(queue_clock_is_ahead(q.rig.db, q.rig.now, &ahead), DB_OK);
		assert_true(ahead);
		queue_clock_go_on(&c);
		qrig_run(&q, &c.op);
	}
	queue_clock_fini(&c);
	assert_int_equal(slices, 2400 / LIMIT_SLICE_ROWS + 1);
	assert_int_equal(queue_clock_is_ahead(q.rig.db, q.rig.now, &ahead), DB_OK);
	assert_false(ahead);
	assert_int_equal(qrig_count(&q, "destination WHERE waits > 0 OR last_try = " AHEAD), 0);
	assert_int_equal(qrig_count(&q, "host WHERE last_try = " AHEAD), 0);
}

/* Attempts that were missed come before the return. */
static void off_for_a_week(void **state)
{
	int64_t id, other;

	q.world = greylisted;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	other = qrig_send_one(&q, "ann@a.test", "bob@c.test");
	qrig_work(&q);
	q.rig.now += 7 * DAY_MS;
	qrig_restart(&q);
	q.world = some;
	assert_int_equal(qrig_tend(&q), 0);
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_RELAYED);
	assert_int_equal(qrig_state(&q, other, 0), LEDGER_RELAYED);
	id = qrig_send_one(&q, "ann@a.test", "carl@b.test");
	qrig_work(&q);
	q.rig.now += 7 * DAY_MS;
	qrig_restart(&q);
	qrig_live(&q, q.rig.now + 48 * MINUTE_MS - 1); /* still not: it has another attempt */
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	qrig_live(&q, q.rig.now + 1);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_int_equal(q.warnings, 0);
}

static void a_shorter_lifetime_holds_at_once(void **state)
{
	int64_t id;

	q.world = greylisted;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_live(&q, q.rig.now + 3 * HOUR_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	q.cfg.policy.lifetime = 2 * HOUR_MS;
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
}

/* Rows of destinations go when nothing was heard of them for as long as history is kept. */
static void destinations_are_forgotten(void **state)
{
	q.world = all_well;
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_work(&q);
	q.world = greylisted;
	qrig_send_one(&q, "ann@a.test", "bob@c.test");
	qrig_work(&q);
	rig_maintain(&q.rig, DAY_MS, DAY_MS);
	assert_int_equal(qrig_count(&q, "destination"), 2);
	q.rig.now += 2 * DAY_MS;
	rig_maintain(&q.rig, DAY_MS, DAY_MS);
	assert_int_equal(qrig_count(&q, "destination"), 1);
	assert_int_equal(qrig_count(&q, "destination WHERE name = 'c.test'"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(goes_at_once),
	    T(each_dialogue_is_read_again),
	    T(greylisted_for_ever),
	    T(broken_off_here),
	    T(without_a_resolver),
	    T(host_down),
	    T(host_down_for_ever),
	    T(a_success_wakes_all),
	    T(destinations_take_turns),
	    T(a_busy_destination_does_not_hold_up_another),
	    T(many_recipients_make_several_jobs),
	    T(clock_back_a_day),
	    T(clock_back_before_attempts),
	    T(clock_back_slice_by_slice),
	    T(off_for_a_week),
	    T(a_shorter_lifetime_holds_at_once),
	    T(destinations_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
