/* What a route or a domain demands of a host: a login, TLS. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "hosts_rig.h"

/* What a domain requires, and the host does not give, is nothing to the others that it serves. */
static void what_one_requires_is_not_about_the_host(void **state)
{
	hosts_send("a", 2);
	assert_int_equal(hosts_begin(1), 1);
	hosts.answer = qrig_problem(QUEUE_PROBLEM_TLS);
	assert_int_equal(hosts_ask(&hosts.attempts[0], hosts.attempts[0].n, true), QUEUE_WAY_NONE);
	hosts_settle(&hosts.attempts[0]);
	hosts.answer = qrig_ok();
	assert_int_equal(qrig_count(&q, "host WHERE failures > 0"), 0);
	assert_int_equal(qrig_count(&q, "destination WHERE failures > 0"), 1);
	hosts_work();
	assert_int_equal(hosts.delivered, 1);
}

/*
 * Where all mail of a host is by a route that asks for a login or for TLS: one attempt at each step, not one for
 * each domain; mail that goes there without is not held up.
 */
static void what_a_route_requires_is_probed_once(void **state)
{
	const struct qrig_answer kinds[] = {
	    qrig_reply(QUEUE_STAGE_AUTH, 535, "5.7.8 who?"),
	    qrig_reply(QUEUE_STAGE_AUTH, 454, "4.7.0 not now"),
	    qrig_problem(QUEUE_PROBLEM_NO_AUTH),
	    qrig_problem(QUEUE_PROBLEM_TLS),
	};

	hosts.names[0] = "mx.a as us";
	hosts.names[1] = "mx.a";
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		int64_t before = hosts.delivered, tried = hosts.tries[0], begun = q.rig.now;

		hosts.refuses[0] = &kinds[i];
		hosts_send("a", 20);
		hosts_send("b", 20);
		hosts_work();
		assert_in_range(hosts.tries[0] - tried, 1, QUEUE_SESSIONS_MAX);
		assert_int_equal(hosts.delivered - before, 20);
		hosts_live(begun + 12 * HOUR_MS);
		assert_in_range(hosts.tries[0] - tried, 20, 25 + QUEUE_SESSIONS_MAX);
		assert_int_equal(qrig_count(&q, "host WHERE failures > 0"), 1);
		hosts.refuses[0] = NULL;
		hosts_live(q.rig.now + 33 * MINUTE_MS);
		assert_int_equal(hosts.delivered - before, 40);
	}
}

/* What has the right password now is tried at once for one domain, and then goes for all. */
static void a_login_that_is_right_again(void **state)
{
	const struct qrig_answer refused = qrig_reply(QUEUE_STAGE_AUTH, 535, "5.7.8 who?");

	hosts.names[0] = "mx.a as us";
	hosts.refuses[0] = &refused;
	hosts_send("a", 20);
	hosts_live(q.rig.now + 3 * HOUR_MS);
	assert_int_equal(hosts.delivered, 0);
	hosts.refuses[0] = NULL;
	hosts_retry("a7.test");
	hosts_work();
	assert_int_equal(hosts.delivered, 20);
}

/* Whoever it was for, a probe of the login that ends for haste was the probe. */
static void haste_in_a_login(void **state)
{
	const struct qrig_answer refused = qrig_reply(QUEUE_STAGE_AUTH, 535, "5.7.8 who?");

	hosts.names[0] = "mx.a as us";
	hosts.refuses[0] = &refused;
	hosts_send("a", 1);
	hosts_work();
	q.rig.now += DAY_MS;
	assert_int_equal(hosts_begin(1), 1);
	hosts.answer = qrig_problem(QUEUE_PROBLEM_BRIEF);
	hosts.answer.attempt.stage = QUEUE_STAGE_AUTH;
	hosts_settle(&hosts.attempts[0]);
	hosts.answer = qrig_ok();
	assert_int_equal(rig_number(&q.rig, "SELECT failures FROM host"), 2);
	assert_true(rig_number(&q.rig, "SELECT next_probe FROM host") > q.rig.now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    HOSTS_CASE(what_one_requires_is_not_about_the_host),
	    HOSTS_CASE(what_a_route_requires_is_probed_once),
	    HOSTS_CASE(a_login_that_is_right_again),
	    HOSTS_CASE(haste_in_a_login),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
