/* Hosts that serve many domains: one probe for all of them, and no more connections than for one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "hosts_rig.h"

#include "store/maintain.h"
#include "store/queue_change.h"

static void one_probe_for_all_domains(void **state)
{
	int64_t begun = q.rig.now, up;

	hosts.down[0] = true;
	hosts_send("a", 50);
	hosts_live(begun + DAY_MS);
	assert_in_range(hosts.tries[0], 40, 56);
	assert_int_equal(qrig_count(&q, "host WHERE failures > 0"), 1);
	hosts_send("a", 60); /* known to be down, and ten new ones with it */
	hosts_live(q.rig.now + HOUR_MS);
	assert_in_range(hosts.tries[0], 41, 59);
	hosts.down[0] = false;
	up = q.rig.now;
	hosts_live(up + DAY_MS);
	assert_int_equal(hosts.delivered, 110);
	assert_true(hosts.last < up + 33 * MINUTE_MS);
	assert_in_range(hosts.most[0], 2, QUEUE_SESSIONS_MAX);
	assert_int_equal(qrig_count(&q, "host_wait"), 0);
	assert_int_equal(qrig_count(&q, "queue"), 0);
}

/* Of a domain: also while its host is down, beside others that it serves. */
static void a_schedule_of_its_own(void **state)
{
	static const int64_t wanted[] = {10 * MINUTE_MS, 2 * HOUR_MS};
	struct queue_special special = {.domain = STR("a0.test"), .sessions = QUEUE_SESSIONS_MAX};

	for (size_t i = 0; i < 2; i++) {
		int64_t begun = q.rig.now, steps = DAY_MS / wanted[i];

		special.policy = q.cfg.policy;
		special.policy.retry[0] = wanted[i];
		special.policy.n_retry = 1;
		q.cfg.routing.specials = &special;
		q.cfg.routing.n_specials = 1;
		hosts.down[0] = true;
		hosts.tries[0] = 0;
		hosts_send("a", 1);
		hosts_live(begun + DAY_MS);
		assert_in_range(hosts.tries[0], steps * 8 / 10, steps * 12 / 10 + 1);
		hosts.down[0] = false;
		hosts_live(q.rig.now + 3 * HOUR_MS);
		assert_int_equal(hosts.delivered, i + 1);
	}
	q.cfg.routing.n_specials = 0;
}

static void never_more_connections_than_to_one(void **state)
{
	hosts_send("a", 300);
	hosts_begin(QRIG_JOBS);
	assert_int_equal(hosts.nattempts, QUEUE_SESSIONS_START);
	while (hosts.nattempts > 0) {
		hosts_go_on();
		hosts_begin(QRIG_JOBS);
	}
	assert_int_equal(hosts.delivered, 300); /* at once, one after the other */
	assert_int_equal(hosts.most[0], QUEUE_SESSIONS_MAX);
}

/* The next of a line goes as soon as there is room, with few rows in each commit. */
static void a_long_line_costs_little(void **state)
{
	int64_t changed, most = 0;

	hosts.down[0] = true;
	hosts_send("a", 400);
	hosts_work();
	assert_int_equal(qrig_count(&q, "host_wait"), 400);
	hosts.down[0] = false;
	q.rig.now += 6 * MINUTE_MS;
	hosts_begin(1);
	while (hosts.nattempts > 0) {
		changed = rig_number(&q.rig, "SELECT total_changes()");
		hosts_go_on();
		changed = rig_number(&q.rig, "SELECT total_changes()") - changed;
		most = changed > most ? changed : most;
		hosts_begin(QRIG_JOBS);
	}
	assert_int_equal(hosts.delivered, 400);
	assert_in_range(most, 5, 100);
}

static void another_host_does_not_wait(void **state)
{
	hosts.down[0] = true;
	hosts_send("a", 3);
	hosts_send("ab", 20);
	hosts_work();
	hosts_live(q.rig.now + 2 * MINUTE_MS);
	assert_int_equal(hosts.delivered, 20);
	assert_in_range(hosts.tries[0], 1, QUEUE_SESSIONS_START);
	hosts_send("ab", 20); /* it is known to be down: nobody asks it */
	hosts_work();
	assert_int_equal(hosts.delivered, 40);
	assert_in_range(hosts.tries[0], 1, QUEUE_SESSIONS_START);
	assert_int_equal(qrig_count(&q, "destination WHERE failures > 0 AND name LIKE 'ab%'"), 0);
	hosts.down[1] = true;
	hosts_send("ab", 20);
	hosts_work();
	assert_int_equal(hosts.delivered, 40);
	hosts.down[1] = false; /* one of the two is enough */
	hosts_live(q.rig.now + 33 * MINUTE_MS);
	assert_int_equal(hosts.delivered, 60);
	assert_int_equal(qrig_count(&q, "queue"), 3);
}

static void a_recipient_says_nothing_about_the_host(void **state)
{
	hosts_send("a", 2);
	assert_int_equal(hosts_begin(1), 1);
	hosts.answer = qrig_reply(QUEUE_STAGE_RCPT, 450, "4.2.1 not now");
	hosts_settle(&hosts.attempts[0]);
	hosts.answer = qrig_ok();
	assert_int_equal(qrig_count(&q, "host WHERE failures > 0"), 0);
	hosts.open[0] = 0;
	hosts_work();
	assert_int_equal(hosts.delivered, 1);
}

/* One that was silent for the short time of a first attempt may be well; one that was down has been probed. */
static void haste_takes_no_host_for_down(void **state)
{
	hosts_send("a", 1);
	assert_int_equal(hosts_begin(1), 1);
	hosts.answer = qrig_problem(QUEUE_PROBLEM_BRIEF);
	hosts_settle(&hosts.attempts[0]);
	assert_int_equal(qrig_count(&q, "destination WHERE failures = 1"), 1);
	assert_int_equal(qrig_count(&q, "host WHERE failures > 0"), 0);
	for (int failures = 1; failures <= 2; failures++) {
		q.rig.now += DAY_MS;
		assert_int_equal(hosts_begin(1), 1);
		hosts.answer = qrig_problem(
		    failures == 1 ? QUEUE_PROBLEM_TIMEOUT : QUEUE_PROBLEM_BRIEF);
		if (failures == 1)
			assert_int_equal(hosts_ask(&hosts.attempts[0], hosts.attempts[0].n, true),
			    QUEUE_WAY_NONE);
		hosts_settle(&hosts.attempts[0]);
		assert_int_equal(rig_number(&q.rig, "SELECT failures FROM host"), failures);
		assert_true(rig_number(&q.rig, "SELECT next_probe FROM host") > q.rig.now);
	}
	hosts.answer = qrig_ok();
}

/* No relay of ours does so; but it counts there all the same. */
static void a_host_that_failed_is_named_again(void **state)
{
	hosts_send("a", 1);
	assert_int_equal(hosts_begin(1), 1);
	hosts.answer = qrig_reply(QUEUE_STAGE_RCPT, 450, "4.2.1 not now");
	assert_int_equal(hosts_ask(&hosts.attempts[0], 0, true), QUEUE_WAY_GO);
	hosts.answer = qrig_ok();
	assert_int_equal(qrig_count(&q, "lease WHERE host <> ''"), 1);
	hosts_work();
	assert_int_equal(hosts.delivered, 1);
}

static void who_is_turned_away_waits_for_a_connection(void **state)
{
	hosts_send("a", 4);
	hosts_begin(QRIG_JOBS);
	assert_int_equal(hosts.nattempts, 4);
	hosts.away[0] = true;
	hosts_go_on(); /* there are three others: it takes no more than these */
	assert_int_equal(qrig_count(&q, "host WHERE failures = 0 AND sessions < 4"), 1);
	assert_int_equal(qrig_count(&q, "destination WHERE failures > 0"), 0);
	assert_int_equal(qrig_count(&q, "host_wait"), 1);
	assert_int_equal(hosts_begin(QRIG_JOBS), 0);
	hosts.away[0] = false;
	hosts_work();
	assert_int_equal(hosts.delivered, 4);
}

static void the_dead_leave_their_place(void **state)
{
	hosts_send("a", 40);
	hosts_begin(QRIG_JOBS);
	assert_int_equal(qrig_release(&q, NULL, 0), QUEUE_SESSIONS_START);
	while (hosts.nattempts)
		hosts_drop(&hosts.attempts[0]);
	hosts.open[0] = 0;
	hosts_work();
	assert_int_equal(hosts.delivered, 40);
}

static void who_has_nothing_to_send_holds_up_nobody(void **state)
{
	struct queue_change c = {.verb = QUEUE_CHANGE_HOLD, .who = STR("root")};

	hosts.down[0] = true;
	hosts_send("a", 30);
	hosts_work();
	c.filter.recipient = STR("a1.test");
	for (char name[16], i = 1; i < 30; i++) {
		snprintf(name, sizeof name, "a%d.test", i);
		c.filter.recipient = str_of_c(name);
		queue_change_init(&c);
		if (i % 2)
			qrig_run(&q, &c.op);
	}
	hosts.down[0] = false;
	hosts_live(q.rig.now + 6 * MINUTE_MS);
	assert_int_equal(hosts.delivered, 15);
}

static void an_administrator_has_it_tried(void **state)
{
	hosts.down[0] = true;
	hosts_send("a", 3);
	hosts_live(q.rig.now + 3 * HOUR_MS);
	hosts.down[0] = false;
	hosts_retry("a2.test");
	hosts_work();
	assert_int_equal(hosts.delivered, 3);
}

/* Also where several attempts had begun before the first of them failed. */
static void who_fails_at_once_waits_in_line(void **state)
{
	hosts.down[0] = true;
	for (int i = 0; i < QUEUE_SESSIONS_START; i++)
		hosts_send("a", 1);
	assert_int_equal(hosts_begin(QRIG_JOBS), QUEUE_SESSIONS_START);
	hosts.answer = qrig_problem(QUEUE_PROBLEM_REFUSED);
	for (size_t i = 0; i < hosts.nattempts; i++)
		assert_int_equal(
		    hosts_ask(&hosts.attempts[i], hosts.attempts[i].n, true), QUEUE_WAY_NONE);
	while (hosts.nattempts > 0)
		hosts_settle(&hosts.attempts[0]);
	hosts.answer = qrig_ok();
	assert_int_equal(qrig_count(&q, "host_wait"), 1);
	assert_int_equal(
	    qrig_count(&q, "destination d JOIN host h ON h.next_probe = d.next_probe"), 1);
	hosts.down[0] = false;
	q.rig.now += SECOND_MS;
	hosts_retry("a0.test");
	hosts_work();
	assert_int_equal(hosts.delivered, QUEUE_SESSIONS_START);
	assert_int_equal(qrig_count(&q, "host_wait"), 0);
}

/* What one domain wants is not held against the others that a host serves. */
static void hosts_have_the_common_schedule(void **state)
{
	struct queue_special special = {.domain = STR("a0.test"), .sessions = QUEUE_SESSIONS_MAX};

	queue_policy_init(&special.policy);
	for (size_t i = 0; i < special.policy.n_retry; i++)
		special.policy.retry[i] = 12 * HOUR_MS;
	q.cfg.routing = (struct queue_routing){.specials = &special, .n_specials = 1};
	hosts.down[0] = true;
	hosts_send("a", 1);
	hosts_work();
	assert_in_range(
	    rig_number(&q.rig, "SELECT next_probe FROM host"), q.rig.now + 1, q.rig.now + HOUR_MS);
	q.cfg.routing = (struct queue_routing){0};
}

/* Whoever has waited out his time at a host that is full asks anew: he may have other hosts by now. */
static void a_place_in_line_has_its_time(void **state)
{
	hosts_send("a", QUEUE_SESSIONS_START + 1);
	assert_int_equal(hosts_begin(QRIG_JOBS), QUEUE_SESSIONS_START + 1);
	assert_int_equal(hosts.nattempts, QUEUE_SESSIONS_START);
	assert_int_equal(hosts_begin(QRIG_JOBS), 0);
	q.rig.now += 3 * MINUTE_MS;
	assert_int_equal(hosts_begin(QRIG_JOBS), 1);
	assert_int_equal(hosts.nattempts, QUEUE_SESSIONS_START); /* it has none */
	while (hosts.nattempts > 0) {
		hosts_go_on();
		hosts_begin(QRIG_JOBS);
	}
	assert_int_equal(hosts.delivered, QUEUE_SESSIONS_START + 1);
}

static void set_back(void)
{
	struct queue_clock clock;

	queue_clock_init(&clock);
	qrig_run(&q, &clock.op);
	queue_clock_fini(&clock);
}

/* It had its turn while the clock was ahead, and none of its hosts could be tried: it was not tried itself. */
static void found_out_ahead(void **state)
{
	hosts.down[0] = true;
	hosts_send("a", 1);
	hosts_work();
	rig_sql(&q.rig, "UPDATE destination SET next_probe = next_probe + 345600000,"
			" due = due + 345600000");
	set_back();
	hosts.down[0] = false;
	hosts_live(q.rig.now + 34 * MINUTE_MS);
	assert_int_equal(hosts.delivered, 1);
}

static void a_clock_that_is_set_back(void **state)
{
	hosts.down[0] = true;
	hosts_send("a", 10);
	hosts_live(q.rig.now + 6 * HOUR_MS);
	hosts.down[0] = false;
	q.rig.now -= 5 * HOUR_MS;
	set_back();
	hosts_live(q.rig.now + 34 * MINUTE_MS);
	assert_int_equal(hosts.delivered, 10);
}

static void a_stale_question_changes_nothing(void **state)
{
	struct hosts_attempt *t;

	hosts_send("a", 1);
	assert_int_equal(qrig_lease(&q, HOSTS_OWNER, 1), 1);
	t = hosts_keep(&q.lease.jobs[0]);
	t->job.token++;
	assert_int_equal(hosts_ask(t, 0, false), QUEUE_WAY_STALE);
	t->job.token--;
	assert_int_equal(hosts_ask(t, 0, false), QUEUE_WAY_GO);
	hosts_go_on();
	assert_int_equal(hosts.delivered, 1);
}

/* Hosts that nobody waits for are forgotten, and lines of who is. */
static void hosts_are_forgotten(void **state)
{
	struct maintain_config cfg = {
	    .undelete_ms = DAY_MS, .history_ms = DAY_MS, .blobs = q.rig.blobs};
	struct maintain m;

	hosts_send("a", 1);
	hosts_work();
	assert_int_equal(qrig_count(&q, "host"), 1);
	rig_sql(&q.rig, "INSERT INTO host_wait VALUES (0, 'mx.a', 1, 'nobody.test')");
	for (int i = 0; i < 3; i++) {
		q.rig.now += 2 * DAY_MS;
		maintain_init(&m, &cfg);
		do
			qrig_run(&q, &m.op);
		while (m.rows > 0 || m.more);
	}
	assert_int_equal(qrig_count(&q, "host_wait"), 0);
	assert_int_equal(qrig_count(&q, "host"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    HOSTS_CASE(one_probe_for_all_domains),
	    HOSTS_CASE(a_schedule_of_its_own),
	    HOSTS_CASE(never_more_connections_than_to_one),
	    HOSTS_CASE(a_long_line_costs_little),
	    HOSTS_CASE(another_host_does_not_wait),
	    HOSTS_CASE(a_recipient_says_nothing_about_the_host),
	    HOSTS_CASE(haste_takes_no_host_for_down),
	    HOSTS_CASE(a_host_that_failed_is_named_again),
	    HOSTS_CASE(who_is_turned_away_waits_for_a_connection),
	    HOSTS_CASE(the_dead_leave_their_place),
	    HOSTS_CASE(who_has_nothing_to_send_holds_up_nobody),
	    HOSTS_CASE(an_administrator_has_it_tried),
	    HOSTS_CASE(who_fails_at_once_waits_in_line),
	    HOSTS_CASE(hosts_have_the_common_schedule),
	    HOSTS_CASE(a_place_in_line_has_its_time),
	    HOSTS_CASE(a_clock_that_is_set_back),
	    HOSTS_CASE(found_out_ahead),
	    HOSTS_CASE(a_stale_question_changes_nothing),
	    HOSTS_CASE(hosts_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
