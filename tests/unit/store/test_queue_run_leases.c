/* The scheduler: leases it takes back, and those it leaves, across its starts and steps of the clock. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_run_rig.h"

/* A lease of one message, given to the owner. */
static void give_one(void)
{
	q.world = all_well;
	start();
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	assert_int_equal(qrig_lease(&q, OWNER, QRIG_JOBS), 1);
}

/* As the scheduler looks for those to be taken back. */
static void greet(void)
{
	s.is_here = true;
	queue_run_greeted(&s.run);
}

static void expect_kept(void)
{
	pass(2 * SECOND_MS);
	turn();
	assert_int_equal(qrig_count(&q, "lease"), 1);
	assert_true(qrig_settle(&q, OWNER, &q.lease.jobs[0]));
}

/*
 * Two leases were given out while the clock was ahead, of which one never arrived; it is set back while the store is
 * off. What the owner extends stays his, the other is free as soon as he has greeted.
 */
static void leases_of_the_future(void **state)
{
	q.world = all_well;
	start();
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_send_one(&q, "ann@a.test", "eve@c.test");
	assert_int_equal(qrig_lease(&q, OWNER, QRIG_JOBS), 2);
	q.rig.now -= DAY_MS;
	start();
	greet();
	queue_run_kept(&s.run, q.lease.jobs[0].token);
	expect_kept();
	assert_int_equal(qrig_lease(&q, OWNER, QRIG_JOBS), 1);
	assert_true(qrig_settle(&q, OWNER, &q.lease.jobs[0]));
	assert_int_equal(qrig_count(&q, "queue"), 0);
}

/* What is given out since the start arrives: nobody has to extend it at once. */
static void leases_given_since_the_start(void **state)
{
	give_one();
	greet();
	expect_kept();
}

/* Before it and behind it, they end with their half hour, though nobody asks for them to be taken back. */
static void leases_behind_a_step_back(void **state)
{
	give_one();
	pass(MINUTE_MS);
	turn();
	q.rig.now -= 7 * DAY_MS;
	turn();
	qrig_send_one(&q, "ann@a.test", "eve@c.test");
	assert_int_equal(qrig_lease(&q, OWNER, QRIG_JOBS), 1);
	for (int minute = 1; minute <= 31; minute++) {
		assert_true(minute >= 30 || qrig_count(&q, "lease") == 2);
		pass(MINUTE_MS);
		turn();
	}
	assert_int_equal(qrig_count(&q, "lease"), 0);
}

/* Whoever says that he holds all there can be keeps what is there: it expires in its time. */
static void more_than_there_can_be(void **state)
{
	give_one();
	start();
	greet();
	for (int64_t i = 0; i <= (int64_t)QUEUE_JOBS_MAX; i++)
		queue_run_kept(&s.run, -i);
	expect_kept();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(leases_of_the_future),
	    T(leases_given_since_the_start),
	    T(leases_behind_a_step_back),
	    T(more_than_there_can_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
