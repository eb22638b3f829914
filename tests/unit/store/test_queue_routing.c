/* Destinations with schedules of their own, senders with ways of their own. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_test.h"

#include "store/queue_tiers.h"

static struct queue_special specials[2];

static int setup(void **state)
{
	queue_test_setup(state);
	for (size_t i = 0; i < 2; i++) {
		specials[i].sessions = QUEUE_SESSIONS_MAX;
		queue_policy_init(&specials[i].policy);
	}
	specials[0].domain = STR("short.test");
	specials[0].policy.lifetime = 6 * HOUR_MS;
	specials[0].policy.warn[0] = HOUR_MS;
	specials[1].domain = STR("long.test");
	specials[1].policy.lifetime = 10 * DAY_MS;
	specials[1].policy.n_warn = 0;
	return 0;
}

static void configure(size_t n)
{
	q.cfg.routing = (struct queue_routing){.specials = specials, .n_specials = n};
}

/* What the scheduler does when the settings have changed; the number of rows that were moved. */
static int64_t sort(void)
{
	struct queue_tiers t = {.routing = q.cfg.routing};
	int64_t moved = 0;

	do {
		queue_tiers_init(&t);
		qrig_run(&q, &t.op);
		moved += t.moved;
	} while (t.more);
	return moved;
}

static void each_has_its_lifetime(void **state)
{
	int64_t start = q.rig.now, s, l, o;

	configure(2);
	q.world = refused;
	s = qrig_send_one(&q, "ann@a.test", "x@short.test");
	l = qrig_send_one(&q, "ann@a.test", "x@long.test");
	o = qrig_send_one(&q, "ann@a.test", "x@other.test");
	assert_int_equal(qrig_count(&q, "queue WHERE tier > 0"), 2);
	qrig_live(&q, start + HOUR_MS);
	assert_int_equal(q.warnings, 1); /* short's */
	qrig_live(&q, start + 6 * HOUR_MS - 1);
	assert_int_equal(q.warnings, 2); /* other's, after 4 hours */
	assert_int_equal(qrig_state(&q, s, 0), LEDGER_QUEUED);
	qrig_live(&q, start + 7 * HOUR_MS);
	assert_int_equal(qrig_state(&q, s, 0), LEDGER_BOUNCED);
	assert_int_equal(qrig_state(&q, o, 0), LEDGER_QUEUED);
	qrig_live(&q, start + 6 * DAY_MS);
	assert_int_equal(qrig_state(&q, o, 0), LEDGER_BOUNCED);
	assert_int_equal(qrig_state(&q, l, 0), LEDGER_QUEUED);
	qrig_live(&q, start + 10 * DAY_MS - 1);
	assert_int_equal(qrig_state(&q, l, 0), LEDGER_QUEUED);
	qrig_live(&q, start + 11 * DAY_MS);
	assert_int_equal(qrig_state(&q, l, 0), LEDGER_BOUNCED);
	assert_int_equal(q.warnings, 2);
}

/* Settings that come later count for what waits already, and no more when they are gone. */
static void settings_change(void **state)
{
	int64_t start = q.rig.now, s;

	q.world = greylisted;
	s = qrig_send_one(&q, "ann@a.test", "x@short.test");
	qrig_send_one(&q, "ann@a.test", "x@shorter.test");
	assert_int_equal(sort(), 0);
	configure(1);
	assert_int_equal(sort(), 1);
	assert_int_equal(sort(), 0);
	assert_int_equal(qrig_count(&q, "queue WHERE tier > 0 AND destination = 'short.test'"), 1);
	configure(0);
	assert_int_equal(sort(), 1);
	assert_int_equal(qrig_count(&q, "queue WHERE tier > 0"), 0);
	configure(1);
	sort();
	qrig_live(&q, start + 7 * HOUR_MS);
	assert_int_equal(qrig_state(&q, s, 0), LEDGER_BOUNCED);
	assert_int_equal(qrig_count(&q, "queue"), 1);
}

/* More rows than one slice holds, those of a sender's way among them. */
static void slices(void **state)
{
	enum {
		MANY = LIMIT_SLICE_ROWS + 20
	};
	static const struct queue_via via = {
	    STR_INIT("short.test"), STR_INIT("a.test"), STR_INIT("smart.test")};

	q.audits = false;
	for (size_t i = 0; i < MANY; i++) {
		q.cfg.routing = (struct queue_routing){.vias = &via, .n_vias = i % 2};
		qrig_send_one(&q, "ann@a.test", "x@short.test");
	}
	assert_int_equal(
	    qrig_count(&q, "queue WHERE destination = 'short.test via smart.test'"), MANY / 2);
	configure(1);
	assert_int_equal(sort(), MANY);
	configure(0);
	assert_int_equal(sort(), MANY);
}

/* As many jobs as it may have, whatever the server would bear. */
static void few_connections(void **state)
{
	specials[0].sessions = 2;
	configure(1);
	for (size_t i = 0; i < 10; i++)
		qrig_send_one(&q, "ann@a.test", "x@short.test");
	assert_int_equal(qrig_lease(&q, 1, 10), 2);
	assert_int_equal(qrig_lease(&q, 1, 10), 0);
	assert_int_equal(qrig_wake(&q) > q.rig.now, true);
}

/* Mail of one sender by another way is another destination: what it meets concerns no other. */
static struct qrig_answer smart_is_down(const struct queue_job *job, const struct queue_row *row)
{
	return str_eq(job->destination, STR("b.test via smart.test")) ? refused(job, row)
								      : qrig_ok();
}

static void ways_of_senders(void **state)
{
	static const struct queue_via vias[] = {
	    {STR_INIT("*"), STR_INIT("a.test"), STR_INIT("wrong.test")},
	    {STR_INIT("b.test"), STR_INIT("ann@a.test"), STR_INIT("smart.test")},
	};
	int64_t ann, bob;

	q.cfg.routing = (struct queue_routing){.vias = vias, .n_vias = 2};
	q.world = smart_is_down;
	ann = qrig_send_one(&q, "Ann@a.test", "x@b.test");
	qrig_work(&q);
	bob = qrig_send_one(&q, "bob@c.test", "x@b.test");
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, ann, 0), LEDGER_QUEUED);
	assert_int_equal(qrig_state(&q, bob, 0), LEDGER_RELAYED);
	assert_int_equal(qrig_count(&q, "destination WHERE failures > 0"), 1);
}

static struct qrig_answer no_such_domain(const struct queue_job *job, const struct queue_row *row)
{
	return qrig_problem(QUEUE_PROBLEM_NXDOMAIN);
}

/* What the host of a route does is no fault of the recipient's domain. */
static void route_is_what_is_blamed(void **state)
{
	static const struct queue_via vias[] = {
	    {STR_INIT("*"), STR_INIT(""), STR_INIT("mx.else.test")},
	    {STR_INIT("*"), STR_INIT("bob@a.test"), STR_INIT("new.test")},
	};

	q.cfg.routing = (struct queue_routing){.vias = vias, .n_vias = 1};
	q.world = refused;
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_live(&q, q.rig.now + 5 * HOUR_MS);
	assert_int_equal(q.warnings, 1);
	assert_true(
	    has(qrig_mail(&q, arena), "The server mx.else.test through which mail for b.test is"));
	assert_false(has(qrig_mail(&q, arena), "mail server of b.test"));
	qrig_live(&q, q.rig.now + 6 * DAY_MS);
	assert_true(has(qrig_mail(&q, arena), "Action: failed"));
	assert_true(
	    has(qrig_mail(&q, arena), "The server mx.else.test through which mail for b.test is"));
	q.world = unknown;
	qrig_send_one(&q, "ann@a.test", "bob@c.test");
	qrig_work(&q);
	assert_true(
	    has(qrig_mail(&q, arena), "According to the server mx.else.test through which mail"));
	q.cfg.routing.vias = vias + 1; /* the words are those of the server that was asked */
	qrig_send_one(&q, "ann@a.test", "bob@d.test");
	qrig_work(&q);
	assert_true(has(qrig_mail(&q, arena), "According to the mail server of d.test"));
	q.cfg.routing.vias = vias;
	q.world = no_such_domain;
	qrig_send_one(&q, "ann@a.test", "bob@e.test");
	qrig_live(&q, q.rig.now + 6 * DAY_MS);
	assert_false(has(qrig_mail(&q, arena), "does not exist"));
}

#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, setup, queue_test_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(each_has_its_lifetime),
	    T(settings_change),
	    T(slices),
	    T(few_connections),
	    T(ways_of_senders),
	    T(route_is_what_is_blamed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
