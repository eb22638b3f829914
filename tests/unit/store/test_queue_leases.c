/* Leases: whose result counts, and what becomes of jobs whose relay or store has gone. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_test.h"

static void a_stale_result_changes_nothing(void **state)
{
	struct queue_job job;

	q.world = all_well;
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	assert_int_equal(qrig_lease(&q, 5, 10), 1);
	job = q.lease.jobs[0];
	q.leased = false; /* its memory stays */
	struct queue_lease kept = q.lease;

	assert_int_equal(qrig_lease(&q, 6, 10), 0); /* one lease at a time */
	assert_false(qrig_settle(&q, 6, &job));     /* not his */
	assert_int_equal(qrig_release(&q, (int64_t[]){6}, 1), 1);
	assert_false(qrig_settle(&q, 5, &job));
	assert_int_equal(qrig_count(&q, "queue WHERE token = 0"), 1);
	assert_int_equal(qrig_lease(&q, 6, 10), 1);
	assert_true(q.lease.jobs[0].token > job.token);
	assert_true(qrig_settle(&q, 6, &q.lease.jobs[0]));
	assert_false(qrig_settle(&q, 6, &q.lease.jobs[0])); /* once */
	assert_int_equal(qrig_count(&q, "trace WHERE kind = 6"), 1);
	queue_lease_fini(&kept);
}

static void leases_outlive_a_crash_of_the_store(void **state)
{
	q.world = all_well;
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	assert_int_equal(qrig_lease(&q, 5, 10), 1);
	qrig_restart(&q);
	assert_int_equal(qrig_release(&q, (int64_t[]){5}, 1), 0); /* he greets again */
	assert_true(qrig_settle(&q, 5, &q.lease.jobs[0]));
	assert_int_equal(qrig_count(&q, "queue"), 0);
}

/* The store died before it could say what it gave out: he who greets again keeps what he knows of. */
static void leases_that_never_arrived_are_given_out_again(void **state)
{
	int64_t kept;

	q.world = all_well;
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_send_one(&q, "ann@a.test", "eve@c.test");
	assert_int_equal(qrig_lease(&q, 5, 10), 2);
	kept = q.lease.jobs[0].token;
	q.rig.now += 1000;
	qrig_restart(&q);
	assert_int_equal(qrig_release_old(&q, 5, q.lease.jobs[1].token, kept), 1);
	assert_true(qrig_settle(&q, 5, &q.lease.jobs[0]));
	assert_false(qrig_settle(&q, 5, &q.lease.jobs[1]));
	qrig_work(&q);
	assert_int_equal(qrig_count(&q, "queue"), 0);
}

static void leases_expire(void **state)
{
	struct queue_extend x = {.owner = 5};

	q.world = all_well;
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	assert_int_equal(qrig_lease(&q, 5, 10), 1);
	x.message = q.lease.jobs[0].message.id;
	x.token = q.lease.jobs[0].token;
	q.rig.now += QUEUE_LEASE_MS - 1;
	assert_int_equal(qrig_release(&q, (int64_t[]){5}, 1), 0);
	queue_extend_init(&x);
	qrig_run(&q, &x.op);
	q.rig.now += QUEUE_LEASE_MS - 1;
	assert_int_equal(qrig_release(&q, (int64_t[]){5}, 1), 0);
	q.rig.now += 1;
	assert_int_equal(qrig_release(&q, (int64_t[]){5}, 1), 1);
	qrig_work(&q);
	assert_int_equal(qrig_count(&q, "queue"), 0);
}

/* Who has a result for some only leaves the others as they were. */
static void left_out_recipients_are_free(void **state)
{
	static const char *const to[] = {"bob@b.test", "carl@b.test", NULL};
	struct queue_job job;

	q.world = all_well;
	qrig_send(&q, "ann@a.test", 0, to);
	assert_int_equal(qrig_lease(&q, 5, 10), 1);
	job = q.lease.jobs[0];
	assert_int_equal(job.rows.n, 2);
	job.rows.n = 1;
	assert_true(qrig_settle(&q, 5, &job));
	assert_int_equal(qrig_count(&q, "queue WHERE token = 0 AND attempts = 0"), 1);
	qrig_work(&q);
	assert_int_equal(qrig_count(&q, "queue"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_stale_result_changes_nothing),
	    T(leases_outlive_a_crash_of_the_store),
	    T(leases_that_never_arrived_are_given_out_again),
	    T(leases_expire),
	    T(left_out_recipients_are_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
