/* Who goes first, and how much of all attempts may go to those that do not answer. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_test.h"

#include "base/mem.h"

#define OWNER 7
#define SHARE 200 /* of QUEUE_JOBS_MAX, for those that were never tried, and for those that fail */

static struct qrig_answer silent(const struct queue_job *job, const struct queue_row *row)
{
	return qrig_problem(QUEUE_PROBLEM_TIMEOUT);
}

static int setup(void **state)
{
	queue_test_setup(state);
	q.audits = false; /* of thousands of messages, after each step */
	q.world = all_well;
	return 0;
}

/* A message to each of n destinations. The last one. */
static int64_t send_to(const char *name, int n)
{
	char address[64];
	int64_t id = 0;

	for (int i = 0; i < n; i++) {
		snprintf(address, sizeof address, "x@%s%d.test", name, i);
		id = qrig_send_one(&q, "ann@a.test", address);
	}
	return id;
}

static void is_told(int64_t id, const char *why)
{
	assert_true(has(explained(id), why));
	assert_true(
	    has(explained(id), "It goes as soon as this server may open another connection."));
}

/* All that may go now goes. */
static void deliver_all(void)
{
	while (qrig_lease(&q, OWNER, QRIG_JOBS) > 0)
		for (size_t i = 0; i < q.lease.n; i++)
			assert_true(qrig_settle(&q, OWNER, &q.lease.jobs[i]));
}

static void leased(size_t n, const char *first)
{
	assert_int_equal(qrig_lease(&q, OWNER, QRIG_JOBS), n);
	if (n)
		assert_memory_equal(q.lease.jobs[0].destination.p, first, strlen(first));
}

static void the_untried_leave_room(void **state)
{
	int64_t when, last;

	send_to("good", 1);
	deliver_all();
	last = send_to("new", 300);
	q.rig.now += MINUTE_MS;
	is_told(last, " has its turn before it");
	leased(SHARE, "new0.test");
	for (size_t i = 0; i < SHARE;
	     i++) /* who is silent is not waited for when half of them are out */
		assert_int_equal(q.lease.jobs[i].brief, i >= SHARE / 2);
	leased(0, "");
	is_told(last, " to servers that it never reached before ");
	assert_int_equal(queue_attempt_wake(q.rig.db, &when), DB_OK);
	assert_true(when == QUEUE_NEVER); /* so that nobody asks in vain again and again */
	send_to("good", 1);
	assert_int_equal(queue_attempt_wake(q.rig.db, &when), DB_OK);
	assert_true(when <= q.rig.now);
	leased(1, "good0.test");
	qrig_release(&q, NULL, 0);
	deliver_all();
	assert_int_equal(qrig_count(&q, "queue"), 0);
}

static void the_failing_leave_room(void **state)
{
	q.world = silent;
	send_to("dead", 300);
	deliver_all();
	assert_int_equal(qrig_count(&q, "destination WHERE standing = 2"), 300);
	q.rig.now += HOUR_MS;
	leased(SHARE, "dead");
	for (size_t i = 0; i < SHARE / 2; i++)
		assert_false(q.lease.jobs[i].brief);
	leased(0, "");
	send_to("new", 3); /* a share of their own */
	leased(3, "new0.test");
	assert_int_equal(qrig_count(&q, "lease WHERE standing = 2"), SHARE);
	qrig_release(&q, NULL, 0);
	q.world = all_well;
	deliver_all();
	assert_int_equal(qrig_count(&q, "queue"), 0);
	assert_int_equal(qrig_count(&q, "destination WHERE standing = 0"), 303);
}

/* Where many wait every second probe of each is brief, half of them in each round. */
static void who_may_only_be_slow_is_waited_for(void **state)
{
	q.world = silent;
	send_to("dead", SHARE);
	deliver_all();
	for (int round = 0; round < 4; round++) {
		size_t brief = 0;

		assert_int_equal(qrig_count(&q, "destination WHERE failures > 0"), SHARE);
		q.rig.now += HOUR_MS;
		leased(SHARE, "dead");
		for (size_t i = 0; i < SHARE; i++) {
			assert_true(i >= SHARE / 2 || !q.lease.jobs[i].brief);
			brief += q.lease.jobs[i].brief;
		}
		assert_in_range(brief, SHARE / 8, 3 * SHARE / 8);
		for (size_t i = 0; i < q.lease.n; i++)
			assert_true(qrig_settle(&q, OWNER, &q.lease.jobs[i]));
	}
}

/* A hundred servers that are well and slow, with as many attempts each as they may have. */
static void the_last_are_for_who_has_none(void **state)
{
	const size_t kept = 100, all = 500;
	int64_t last = 0;

	send_to("slow", 110);
	send_to("good", 1);
	deliver_all();
	for (int i = 0; i < 6; i++)
		last = send_to("slow", 110);
	q.rig.now += MINUTE_MS;
	for (size_t n = all - kept; n > 0; n -= q.lease.n)
		assert_true(qrig_lease(&q, OWNER, QRIG_JOBS) > 0);
	leased(0, "");
	send_to("good", 2);
	leased(2, "good");
	q.rig.now += MINUTE_MS; /* they are looked at again */
	leased(0, "");
	assert_int_equal(qrig_count(&q, "lease"), all - kept + 2);
	is_told(last, " may still open are kept for mail to others");
	send_to("new", 120);
	leased(kept - 2, "new0.test");
	is_told(send_to("late", 1), " as many connections to others open ");
	assert_true(
	    qrig_settle(&q, OWNER, &q.lease.jobs[0])); /* so many are not released at once */
	qrig_release(&q, NULL, 0);
	deliver_all();
	assert_int_equal(qrig_count(&q, "queue"), 0);
}

/* What has just come does not wait for a round of all that have a backlog. */
static void the_young_go_first(void **state)
{
	for (int i = 0; i < 3; i++)
		send_to("old", 50);
	q.rig.now += MINUTE_MS;
	assert_int_equal(qrig_lease(&q, OWNER, 60), 60); /* their turns are known */
	q.rig.now += SECOND_MS;
	send_to("young", 1);
	send_to("young", 1);
	assert_int_equal(qrig_lease(&q, OWNER, 3), 3);
	assert_memory_equal(q.lease.jobs[0].destination.p, "young0.test", 11);
	assert_memory_equal(q.lease.jobs[1].destination.p, "young0.test", 11);
	assert_memory_equal(q.lease.jobs[2].destination.p, "old", 3);
	/* what waits for long is no longer young, and the old are not put off for ever */
	send_to("late", 1);
	q.rig.now += 2 * QUEUE_FRESH_MS;
	send_to("young", 1);
	assert_int_equal(qrig_lease(&q, OWNER, 1), 1);
	assert_memory_equal(q.lease.jobs[0].destination.p, "late", 4);
	qrig_release(&q, NULL, 0);
	deliver_all();
	assert_int_equal(qrig_count(&q, "queue"), 0);
}

/* However many recipients a message has and whatever stands before it, a job has them all. */
static void jobs_are_whole(void **state)
{
	const char *to[QUEUE_JOB_RECIPIENTS / 2 + 1];
	char text[QUEUE_JOB_RECIPIENTS / 2][32];
	size_t n = QUEUE_JOB_RECIPIENTS / 2;

	for (size_t i = 0; i < n; i++) {
		snprintf(text[i], sizeof text[i], "x%zu@b.test", i);
		to[i] = text[i];
	}
	for (size_t many = 1; many <= n; many++) {
		to[many] = NULL;
		qrig_send(&q, "ann@a.test", 0, to);
		to[many] = many < n ? text[many] : NULL;
		assert_int_equal(qrig_lease(&q, OWNER, QRIG_JOBS), 1);
		assert_int_equal(q.lease.jobs[0].rows.n, many);
		assert_true(qrig_settle(&q, OWNER, &q.lease.jobs[0]));
	}
	assert_int_equal(qrig_count(&q, "queue"), 0);
}

#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, setup, queue_test_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(the_untried_leave_room),
	    T(the_failing_leave_room),
	    T(who_may_only_be_slow_is_waited_for),
	    T(the_last_are_for_who_has_none),
	    T(the_young_go_first),
	    T(jobs_are_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
