/* Hosts that serve many domains: what is told of those that wait for them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "hosts_rig.h"

#include "base/mem.h"
#include "store/queue_tell.h"

/* The wait is over, and it has not gone anywhere yet: the host that it waited for is what held it up. */
static void told_of_the_host_that_it_waited_for(void **state)
{
	struct arena *a = arena_new();
	struct str mail;

	hosts.down[0] = true;
	qrig_send_one(&q, "", "x@a0.test");
	hosts_work();
	qrig_send_one(&q, "ann@a.test", "x@a1.test");
	hosts_work();
	assert_int_equal(qrig_count(&q, "destination WHERE name = 'a1.test' AND waits > 0"), 1);
	q.rig.now += 4 * HOUR_MS;
	qrig_tend(&q);
	assert_int_equal(q.reports, 1);
	mail = qrig_mail(&q, a);
	assert_true(str_find_str(mail, STR("Action: delayed")) < mail.n);
	assert_true(str_find_str(mail, STR("could not be reached")) < mail.n);
	assert_int_equal(str_find_str(mail, STR("had its turn")), mail.n);
	arena_free(&a);
}

static void expect(const char *name, const char *want)
{
	struct arena *a = arena_new();
	struct queue_rows rows = {NULL, 0};
	struct queue_message m;
	struct buf text;
	bool found = false;

	buf_init(&text, 16 * KIB);
	assert_int_equal(
	    queue_rows_get(q.rig.db, a, q.rig.now, SQL_QUEUE_ALL,
		DB_ARGS(db_int(QUEUE_SHARD), db_int(0), db_int(0), db_int(1000)), &rows),
	    DB_OK);
	for (size_t i = 0; i < rows.n && !found; i++) {
		if (!str_eq(rows.v[i].destination, str_of_c(name)) || rows.v[i].token)
			continue;
		assert_int_equal(queue_message_get(q.rig.db, a, rows.v[i].message, &m), DB_ROW);
		queue_tell(&text, q.rig.db, &q.cfg, &rows.v[i], &m, q.rig.now);
		found = true;
	}
	assert_true(found);
	if (str_find_str(buf_view(&text), str_of_c(want)) == text.n)
		fail_msg("%s\nis not in\n%s", want, buf_cstr(&text));
	buf_fini(&text);
	arena_free(&a);
}

static void it_is_told_who_holds_up_whom(void **state)
{
	hosts_send("a", 6);
	hosts_begin(QRIG_JOBS);
	expect("a5.test",
	    "x@a5.test waits because its mail server mx.a, which also serves a0.test, has as "
	    "many connections as it may have at present (5 connections). It goes as soon "
	    "as one of them is free. If none succeeds, it will be returned to ann@a.test");
	while (hosts.nattempts)
		hosts_go_on();
	hosts_work();
	hosts.down[0] = true;
	hosts_send("a", 1);
	hosts_work();
	hosts_send("a", 2); /* a1 has its turn while it is known */
	hosts_work();
	expect("a1.test",
	    "x@a1.test waits because its mail server mx.a, which also serves a0.test, could not "
	    "be reached (no answer in time, 1 attempt, last ");
	expect("a1.test", ", or as soon as that server answers for another domain.");
	expect("a0.test",
	    "x@a0.test waits because a0.test could not be reached (no answer in time, 1 "
	    "attempt, last ");
	expect("a0.test", ", or as soon as one of its mail servers answers for another domain.");
}

/* The host was tried for another domain since: when it has its turn itself that is not tried. */
static void a_turn_is_no_attempt(void **state)
{
	int64_t tries;

	hosts.down[0] = true;
	hosts_send("a", 1);
	hosts_work();
	hosts_send("a", 2);
	hosts_work();
	expect("a0.test", "The next attempt to reach a0.test is ");
	expect("a0.test", " An attempt for another domain that fails before puts it off.");
	q.rig.now += 3 * MINUTE_MS;
	hosts_retry("a1.test");
	hosts_work();
	tries = hosts.tries[0];
	expect("a0.test", "Its turn comes ");
	hosts_live(q.rig.now + 15 * MINUTE_MS);
	assert_int_equal(hosts.tries[0], tries); /* it has had it */
	expect("a0.test", "The next attempt to reach a0.test is ");
	hosts_live(q.rig.now + 20 * MINUTE_MS);
	assert_int_equal(hosts.tries[0], tries + 1);
}

/* One that wants to be tried seldom goes as soon as its host answers another. */
static void who_fails_goes_when_it_is_told(void **state)
{
	struct queue_special special = {.domain = STR("a0.test"), .sessions = QUEUE_SESSIONS_MAX};
	int64_t begun = q.rig.now;

	special.policy = q.cfg.policy;
	special.policy.retry[0] = 8 * HOUR_MS;
	special.policy.n_retry = 1;
	q.cfg.routing.specials = &special;
	q.cfg.routing.n_specials = 1;
	hosts.down[0] = true;
	hosts_send("a", 2);
	hosts_live(begun + HOUR_MS);
	expect("a0.test", "The next attempt to reach a0.test is ");
	expect("a0.test", ", or as soon as one of its mail servers answers for another domain.");
	hosts.down[0] = false;
	hosts_live(begun + 2 * HOUR_MS);
	assert_int_equal(hosts.delivered, 2);
	q.cfg.routing.n_specials = 0;
}

/* The newest mail that ann has, and what must be in it and what not. */
static void must_tell(const char *part, const char *status, const char * not )
{
	struct arena *a = arena_new();
	struct str mail = qrig_mail(&q, a);

	assert_true(str_find_str(mail, str_of_c(part)) < mail.n);
	assert_true(str_find_str(mail, str_of_c(status)) < mail.n);
	assert_true(str_find_str(mail, str_of_c(not )) == mail.n);
	arena_free(&a);
}

/* Why a domain waits for its host, though it has answered it before; it never answered the other. */
static void reports_tell_of_the_host(void **state)
{
	hosts.answer = qrig_reply(QUEUE_STAGE_BODY, 250, "taken for carl");
	qrig_send_one(&q, "", "carl@a1.test");
	hosts_work();
	hosts.away[0] = true;
	qrig_send_one(&q, "", "x@a0.test");
	hosts_work();
	assert_int_equal(hosts.tries[0], 2);
	for (int i = 1; i <= 2; i++) {
		qrig_send_one(&q, "ann@a.test", i == 1 ? "bob@a1.test" : "bob@a2.test");
		hosts_work();
		q.rig.now += 4 * HOUR_MS;
		rig_sql(&q.rig, "UPDATE host SET next_probe = next_probe + 18000000");
		rig_sql(&q.rig, "UPDATE destination SET waits = waits + 18000000 WHERE waits > 0");
		qrig_tend(&q);
		assert_int_equal(q.warnings, i);
		must_tell("> 421 4.3.2 no",
		    "Action: delayed\r\nStatus: 4.3.2\r\nRemote-MTA: dns; mx.a\r\n", "carl");
	}
	assert_int_equal(hosts.tries[0], 2); /* nothing of their own */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    HOSTS_CASE(told_of_the_host_that_it_waited_for),
	    HOSTS_CASE(it_is_told_who_holds_up_whom),
	    HOSTS_CASE(a_turn_is_no_attempt),
	    HOSTS_CASE(who_fails_goes_when_it_is_told),
	    HOSTS_CASE(reports_tell_of_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
