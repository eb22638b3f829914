/* Whole lives of messages in the queue, the books balanced after each step. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_rig.h"

#include "store/queue_change.h"

#include "base/mem.h"

static struct qrig q;
static struct arena *arena;
static int64_t times[1000]; /* of attempts */
static size_t ntimes;

static int setup(void **state)
{
	qrig_open(&q);
	arena = arena_new();
	ntimes = 0;
	return 0;
}

static int teardown(void **state)
{
	rig_must_balance(&q.rig);
	arena_free(&arena);
	qrig_close(&q);
	return 0;
}

static void keep_time(const struct queue_job *job)
{
	MUST(ntimes < sizeof times / sizeof times[0]);
	times[ntimes++] = q.rig.now;
}

static bool has(struct str text, const char *part)
{
	return str_find_str(text, str_of_c(part)) < text.n;
}

/* ---- worlds ---- */

static struct qrig_answer all_well(const struct queue_job *job, const struct queue_row *row)
{
	return qrig_ok();
}

static struct qrig_answer refused(const struct queue_job *job, const struct queue_row *row)
{
	return qrig_problem(QUEUE_PROBLEM_REFUSED);
}

static struct qrig_answer greylisted(const struct queue_job *job, const struct queue_row *row)
{
	return qrig_reply(QUEUE_STAGE_RCPT, 450, "4.2.0 greylisted");
}

static struct qrig_answer unknown(const struct queue_job *job, const struct queue_row *row)
{
	struct qrig_answer a = qrig_reply(QUEUE_STAGE_RCPT, 550, "no such user");

	a.attempt.status = (struct queue_status){5, 1, 1};
	return a;
}

/* A sender is told in the language that his message shows, else in that of the server. */
static void told_in_his_language(void **state)
{
	q.world = unknown;
	q.content = "Subject: =?GBK?B?xOO6ww==?=\r\n\r\nx\r\n";
	qrig_send_one(&q, "ann@a.test", "nobody@b.test");
	qrig_work(&q);
	assert_true(has(qrig_mail(&q, arena), "=?UTF-8?B?5oKo55qE6YKu5Lu25peg5rOV5oqV6YCS?="));
	q.content = "Accept-Language: en\r\n\r\nx\r\n";
	q.cfg.lang = QUEUE_LANG_ZH_HANT;
	qrig_send_one(&q, "ann@a.test", "nobody@b.test");
	qrig_work(&q);
	assert_true(has(qrig_mail(&q, arena), "Subject: Your message could not be delivered"));
	q.content = NULL;
	qrig_send_one(&q, "ann@a.test", "nobody@b.test");
	qrig_work(&q);
	assert_true(has(qrig_mail(&q, arena), "=?UTF-8?B?5oKo55qE6YO15Lu254Sh5rOV5oqV6YGe?="));
}

/* bob is known, others are not; carl not yet. */
static struct qrig_answer some(const struct queue_job *job, const struct queue_row *row)
{
	if (has(row->address, "bob"))
		return qrig_ok();
	return has(row->address, "carl") ? greylisted(job, row) : unknown(job, row);
}

/* ---- lives ---- */

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

static void unknown_recipient_bounces_at_once(void **state)
{
	struct str mail;
	int64_t id;

	q.world = unknown;
	id = qrig_send_one(&q, "ann@a.test", "nobody@b.test");
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_int_equal(qrig_mails(&q), 1);
	mail = qrig_mail(&q, arena);
	assert_true(str_has_prefix(mail, STR("Return-Path: <>\r\nDelivered-To: ann@a.test\r\n")));
	assert_true(has(mail, "\r\nLast-Attempt-Date: "));
	assert_true(has(mail, "Final-Recipient: rfc822; nobody@b.test"));
	assert_true(has(mail, "Status: 5.1.1"));
	assert_true(has(mail, "Remote-MTA: dns; mx.else.test"));
	assert_true(has(mail, "> 550 5.1.1 no such user"));
	assert_true(has(mail, "Subject: hello"));
	assert_true(has(mail, "the words of ann"));
}

/* Whole up to a size, unless the sender wants the header alone. */
static void what_is_returned(void **state)
{
	static const char words[] = "the words of ann";

	q.world = unknown;
	qrig_send_one(&q, "ann@a.test", "nobody@b.test");
	q.cfg.return_size = rig_number(&q.rig, "SELECT size FROM message");
	rig_sql(&q.rig, "UPDATE message SET ret = 1"); /* FULL */
	qrig_work(&q);
	assert_true(has(qrig_mail(&q, arena), words));
	q.cfg.return_size--;
	qrig_send_one(&q, "ann@a.test", "nobody@b.test");
	rig_sql(&q.rig, "UPDATE message SET ret = 1");
	qrig_work(&q);
	assert_false(has(qrig_mail(&q, arena), words));
	assert_true(has(qrig_mail(&q, arena), "Subject: hello"));
	q.cfg.return_size++;
	qrig_send_one(&q, "ann@a.test", "nobody@b.test");
	rig_sql(&q.rig, "UPDATE message SET ret = 2"); /* HDRS */
	qrig_work(&q);
	assert_false(has(qrig_mail(&q, arena), words));
	assert_int_equal(qrig_mails(&q), 3);
}

/* An account's own language goes before that of its message. */
static void language_of_the_account(void **state)
{
	q.world = unknown;
	rig_sql(&q.rig, "UPDATE account SET language = 'zh-hant'");
	qrig_send_one(&q, "ann@a.test", "nobody@b.test");
	qrig_work(&q);
	assert_true(has(qrig_mail(&q, arena), "Status: 5.1.1"));
	assert_false(has(qrig_mail(&q, arena), "Subject: Your message could not be delivered"));
	rig_sql(&q.rig, "UPDATE account SET language = ''");
	qrig_send_one(&q, "ann@a.test", "nobody@b.test");
	qrig_work(&q);
	assert_true(has(qrig_mail(&q, arena), "Subject: Your message could not be delivered"));
	rig_sql(&q.rig, "UPDATE account SET language = 'zh-hans'"); /* as it is found by an alias */
	rig_alias(&q.rig, "anna@a.test", "ann@a.test");
	qrig_send_one(&q, "Anna@a.test", "nobody@b.test");
	qrig_work(&q);
	assert_false(has(qrig_mail(&q, arena), "Subject: Your message could not be delivered"));
}

static void each_recipient_for_himself(void **state)
{
	static const char *const to[] = {
	    "bob@b.test", "carl@b.test", "dan@b.test", "bob@c.test", NULL};
	int64_t id;

	q.world = some;
	id = qrig_send(&q, "ann@a.test", 0, to);
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_RELAYED);
	assert_int_equal(qrig_state(&q, id, 1), LEDGER_QUEUED);
	assert_int_equal(qrig_state(&q, id, 2), LEDGER_BOUNCED);
	assert_int_equal(qrig_state(&q, id, 3), LEDGER_RELAYED);
	assert_int_equal(q.jobs, 2);
	assert_int_equal(q.reports, 1);
	q.world = all_well;
	qrig_live(&q, q.rig.now + HOUR_MS);
	assert_int_equal(qrig_state(&q, id, 1), LEDGER_RELAYED);
	assert_int_equal(q.reports, 1);
}

static void one_report_for_many(void **state)
{
	static const char *const to[] = {"x@b.test", "y@b.test", "z@c.test", NULL};

	q.world = unknown;
	qrig_send(&q, "ann@a.test", 0, to);
	qrig_work(&q);
	assert_int_equal(qrig_mails(&q), 1);
	assert_true(has(qrig_mail(&q, arena), "z@c.test"));
	assert_int_equal(qrig_count(&q, "ledger WHERE state = 2"), 3);
}

/* ---- reports: to whom, and to whom not ---- */

static void report_to_the_outside(void **state)
{
	int64_t id;

	q.world = unknown;
	id = qrig_send_one(&q, "Xavier@else.test", "nobody@b.test");
	qrig_lease(&q, 5, 10);
	assert_true(qrig_settle(&q, 5, &q.lease.jobs[0]));
	qrig_tend(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_int_equal(qrig_count(&q, "queue WHERE bounce = 1 AND destination = 'else.test'"
					" AND address = 'Xavier@else.test'"),
	    1);
	assert_int_equal(
	    qrig_count(&q, "message WHERE reverse_path = '' AND protocol = 'report'"), 1);
	qrig_work(&q); /* the report is refused too: the postmaster has it */
	assert_int_equal(qrig_count(&q, "queue"), 0);
	assert_int_equal(qrig_count(&q, "ledger WHERE state = 2"), 2);
	assert_int_equal(q.reports, 2);
	assert_int_equal(
	    qrig_count(&q, "message WHERE reverse_path = '' AND protocol = 'postmaster'"), 1);
	assert_true(has(qrig_mail(&q, arena), "Subject: A report could not be delivered"));
	assert_true(has(qrig_mail(&q, arena), "Final-Recipient: rfc822; Xavier@else.test"));
	assert_true(has(qrig_mail(&q, arena), "Final-Recipient: rfc822; nobody@b.test"));
}

/* Nobody is the postmaster: that is the end. */
static void report_without_a_postmaster(void **state)
{
	q.world = unknown;
	rig_sql(&q.rig, "UPDATE account SET state = 1");
	qrig_send_one(&q, "Xavier@else.test", "nobody@b.test");
	qrig_work(&q);
	qrig_work(&q);
	assert_int_equal(qrig_count(&q, "queue"), 0);
	assert_int_equal(q.reports, 1);
	assert_int_equal(qrig_count(&q, "trace WHERE text LIKE 'nobody is told: the report to the"
					" postmaster was refused: %'"),
	    1);
}

/* In the mailbox, or expanded: those who want to hear of it are told, once, with the header alone. */
static void success_here_is_reported(void **state)
{
	static const char *const bob[] = {"bob@a.test", NULL};
	static const char *const both[] = {"both@a.test", NULL};
	static const char *const one[] = {"one@a.test", NULL};

	rig_account(&q.rig, "bob@a.test");
	rig_alias(&q.rig, "both@a.test", "bob@a.test");
	rig_alias(&q.rig, "both@a.test", "carl@b.test");
	rig_alias(&q.rig, "one@a.test", "bob@a.test");
	q.world = all_well;
	qrig_send(&q, "ann@a.test", 0, bob);
	qrig_send(&q, "ann@a.test", QUEUE_NOTIFY_FAILURE | QUEUE_NOTIFY_DELAY, bob);
	qrig_send(&q, "", QUEUE_NOTIFY_SUCCESS, bob);
	qrig_work(&q);
	assert_int_equal(q.reports, 0);
	qrig_send(&q, "ann@a.test", QUEUE_NOTIFY_SUCCESS | QUEUE_NOTIFY_FAILURE, bob);
	assert_int_equal(qrig_count(&q, "queue WHERE destination = '' AND report = 6"), 1);
	rig_must_balance(&q.rig);
	qrig_work(&q);
	assert_int_equal(q.reports, 1);
	assert_true(has(qrig_mail(&q, arena), "Action: delivered\r\nStatus: 2.0.0\r\n"));
	assert_true(has(qrig_mail(&q, arena), "Content-Type: text/rfc822-headers"));
	qrig_send(&q, "ann@a.test", QUEUE_NOTIFY_SUCCESS, one);
	qrig_work(&q);
	assert_int_equal(q.reports, 2);
	assert_true(has(qrig_mail(&q, arena), "Final-Recipient: rfc822; one@a.test"));
	qrig_send(&q, "ann@a.test", QUEUE_NOTIFY_SUCCESS, both);
	assert_int_equal(qrig_count(&q, "queue WHERE report = 7"), 1);
	assert_int_equal(qrig_count(&q, "queue WHERE destination = 'b.test' AND notify = 1"), 1);
	rig_must_balance(&q.rig);
	qrig_work(&q);
	assert_int_equal(q.reports, 3);
	assert_true(has(qrig_mail(&q, arena), "Action: expanded\r\nStatus: 2.0.0\r\n"));
	assert_int_equal(qrig_count(&q, "queue"), 0);
	rig_must_balance(&q.rig);
}

static void bounces_live_two_days(void **state)
{
	int64_t start = q.rig.now, id;

	q.world = greylisted;
	id = qrig_send_one(&q, "", "bob@b.test");
	qrig_live(&q, start + 2 * DAY_MS - 1);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	qrig_live(&q, start + 2 * DAY_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_int_equal(q.warnings, 0);
	assert_int_equal(q.reports, 0);
}

static void notify_is_kept(void **state)
{
	static const char *const to[] = {"bob@b.test", NULL};
	int64_t never, failure, delay;

	q.world = unknown;
	never = qrig_send(&q, "ann@a.test", QUEUE_NOTIFY_NEVER, to);
	delay = qrig_send(&q, "ann@a.test", QUEUE_NOTIFY_DELAY, to);
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, never, 0), LEDGER_BOUNCED);
	assert_int_equal(qrig_state(&q, delay, 0), LEDGER_BOUNCED);
	assert_int_equal(q.reports, 0);
	failure = qrig_send(&q, "ann@a.test", QUEUE_NOTIFY_FAILURE, to);
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, failure, 0), LEDGER_BOUNCED);
	assert_int_equal(q.reports, 1);
	q.world = greylisted;
	qrig_send(&q, "ann@a.test", QUEUE_NOTIFY_FAILURE, to);
	qrig_live(&q, q.rig.now + DAY_MS);
	assert_int_equal(q.warnings, 0);
	qrig_send(&q, "ann@a.test", QUEUE_NOTIFY_DELAY, to);
	qrig_live(&q, q.rig.now + DAY_MS);
	assert_int_equal(q.warnings, 1);
}

static void success_is_reported_when_nobody_else_does(void **state)
{
	static const char *const to[] = {"bob@b.test", NULL};
	int64_t id;

	q.world = all_well;
	q.dsn = true;
	qrig_send(&q, "ann@a.test", QUEUE_NOTIFY_SUCCESS, to);
	qrig_work(&q);
	assert_int_equal(q.reports, 0);
	q.dsn = false;
	id = qrig_send(&q, "ann@a.test", QUEUE_NOTIFY_SUCCESS, to);
	qrig_work(&q);
	assert_int_equal(q.reports, 1);
	assert_true(has(qrig_mail(&q, arena), "Action: relayed"));
	assert_true(has(qrig_mail(&q, arena), "\r\nLast-Attempt-Date: "));
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_RELAYED);
}

/* A mailbox that is full has the report later; one that is gone, never. */
static void report_that_is_refused(void **state)
{
	int64_t full, gone;

	q.world = unknown;
	qrig_send_one(&q, "carl@b.test", "ann@a.test"); /* one that fills it */
	rig_quota(&q.rig, "ann@a.test", 0, 1);
	full = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, full, 0), LEDGER_QUEUED);
	assert_int_equal(qrig_count(&q, "queue WHERE destination = '' AND report = 1"), 1);
	rig_quota(&q.rig, "ann@a.test", 0, 0);
	qrig_live(&q, q.rig.now + HOUR_MS);
	assert_int_equal(qrig_state(&q, full, 0), LEDGER_BOUNCED);
	assert_int_equal(qrig_mails(&q), 2);
	gone = qrig_send_one(&q, "nobody@a.test", "bob@b.test");
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, gone, 0), LEDGER_BOUNCED);
	assert_int_equal(qrig_count(&q, "trace WHERE text LIKE 'nobody is told: the report%'"), 1);
	rig_quota(&q.rig, "ann@a.test", 0, 1);
	full = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_live(&q, q.rig.now + 8 * DAY_MS);
	assert_int_equal(qrig_state(&q, full, 0), LEDGER_BOUNCED);
}

static void refused_when_it_was_taken(void **state)
{
	struct deliver *d = rig_message(&q.rig, "ann@a.test", "Subject: x\r\n\r\nx\r\n");
	struct plan_item *item;

	d->may_relay = true;
	rig_to(d, "ann@a.test");
	item = rig_to(d, "bob@b.test");
	item->action = PLAN_REJECT;
	item->u.reject = (struct plan_reject){554, 5, 4, 6, STR("a loop")};
	assert_true(rig_run(&q.rig, d));
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, d->message_id, 1), LEDGER_BOUNCED);
	assert_true(has(qrig_mail(&q, arena), "Status: 5.4.6"));
	assert_int_equal(q.jobs, 0);
	deliver_free(&d);
}

/* ---- leases ---- */

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
	struct queue_extend x = {.owner = 5};
	int64_t since;

	q.world = all_well;
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_send_one(&q, "ann@a.test", "eve@c.test");
	assert_int_equal(qrig_lease(&q, 5, 10), 2);
	x.message = q.lease.jobs[0].message.id;
	x.token = q.lease.jobs[0].token;
	q.rig.now += 1000;
	qrig_restart(&q);
	since = q.rig.now + QUEUE_LEASE_MS;
	queue_extend_init(&x);
	qrig_run(&q, &x.op);
	assert_int_equal(qrig_release_since(&q, (int64_t[]){5}, 1, since), 1);
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

/* ---- an administrator ---- */

static int64_t change(enum queue_change_verb verb, const char *to, const char *from, int64_t before)
{
	struct queue_change c = {.verb = verb,
	    .filter = {.recipient = str_of_c(to), .sender = str_of_c(from), .before = before},
	    .who = STR("root")};

	queue_change_init(&c);
	qrig_run(&q, &c.op);
	assert_false(c.more);
	return c.changed;
}

/* Held for ten days it is neither tried nor returned; these days do not count. */
static void held_and_released(void **state)
{
	int64_t id, start = q.rig.now;

	q.world = greylisted;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_live(&q, start + HOUR_MS);
	assert_int_equal(change(QUEUE_CHANGE_RELEASE, "", "", 0), 0);
	assert_int_equal(change(QUEUE_CHANGE_HOLD, "bob@b.test", "", 0), 1);
	assert_int_equal(change(QUEUE_CHANGE_HOLD, "bob@b.test", "", 0), 0);
	assert_int_equal(change(QUEUE_CHANGE_RETRY, "", "", 0), 0);
	assert_int_equal(qrig_wake(&q), QUEUE_NEVER);
	qrig_restart(&q);
	qrig_live(&q, start + 10 * DAY_MS);
	assert_int_equal(qrig_mails(&q), 0);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	assert_int_equal(change(QUEUE_CHANGE_RELEASE, "", "", 0), 1);
	qrig_live(&q, start + 10 * DAY_MS + 3 * HOUR_MS - 1);
	assert_int_equal(q.warnings, 0);
	qrig_live(&q, start + 10 * DAY_MS + 3 * HOUR_MS);
	assert_int_equal(q.warnings, 1);
	qrig_live(&q, start + 15 * DAY_MS - HOUR_MS - 1);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	qrig_live(&q, start + 15 * DAY_MS - HOUR_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
}

static void returned_by_hand(void **state)
{
	int64_t id, held;

	q.world = greylisted;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	held = qrig_send_one(&q, "ann@a.test", "carl@b.test");
	qrig_work(&q);
	change(QUEUE_CHANGE_HOLD, "carl@b.test", "", 0);
	assert_int_equal(change(QUEUE_CHANGE_BOUNCE, "b.test", "", 0), 2);
	assert_int_equal(change(QUEUE_CHANGE_BOUNCE, "b.test", "", 0), 0);
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_int_equal(qrig_state(&q, held, 0), LEDGER_BOUNCED);
	assert_int_equal(qrig_mails(&q), 2);
	assert_true(has(qrig_mail(&q, arena), "An administrator of this mail server has ended"));
	assert_true(has(qrig_mail(&q, arena), "Status: 5.0.0"));
}

static void chosen_by_filters(void **state)
{
	int64_t start = q.rig.now;

	q.world = greylisted;
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_send_one(&q, "", "bob@c.test");
	qrig_live(&q, start + 5 * HOUR_MS);
	qrig_send_one(&q, "Ann@A.test", "carl@b.test");
	assert_int_equal(change(QUEUE_CHANGE_RETRY, "b.test", "", 0), 2);
	assert_int_equal(change(QUEUE_CHANGE_RETRY, "", "a.test", 0), 2);
	assert_int_equal(change(QUEUE_CHANGE_RETRY, "", "ann@a.test", start + HOUR_MS), 1);
	assert_int_equal(change(QUEUE_CHANGE_RETRY, "bob@b.test", "a.test", 0), 1);
	assert_int_equal(change(QUEUE_CHANGE_RETRY, "", "<>", 0), 1);
	assert_int_equal(change(QUEUE_CHANGE_RETRY, "", "", start - 1), 0);
	assert_int_equal(change(QUEUE_CHANGE_RETRY, "nobody@b.test", "", 0), 0);
}

/* What is listed goes while it is being listed, with all that was kept for it. */
static void take_away(void *ctx, const struct queue_row *row, const struct queue_message *m)
{
	int *listed = ctx;

	change(QUEUE_CHANGE_REMOVE, "b.test", "", 0);
	rig_maintain(&q.rig, 0, DAY_MS);
	++*listed;
}

static void listed_as_of_one_moment(void **state)
{
	struct queue_filter all = {0};
	struct queue_at at = queue_filter_start(&all);
	struct err e = {""};
	struct db *db = NULL;
	bool more;
	int listed = 0;

	q.world = greylisted;
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_send_one(&q, "ann@a.test", "carl@b.test");
	assert_int_equal(db_open("store.db", DB_READER, &db, &e), DB_OK);
	assert_int_equal(
	    queue_list(db, &all, q.rig.now, 10, &at, &more, take_away, &listed), DB_OK);
	assert_int_equal(listed, 2);
	assert_int_equal(qrig_count(&q, "queue"), 0);
	assert_int_equal(qrig_count(&q, "blob"), 0);
	db_close(&db);
}

/* ---- fairness and sessions ---- */

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

/* ---- the clock, the time nobody ran ---- */

static void clock_back_a_day(void **state)
{
	struct queue_clock c = {0};
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
	qrig_work(&q); /* still not: it is returned now */
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

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(goes_at_once),
	    T(told_in_his_language),
	    T(held_and_released),
	    T(returned_by_hand),
	    T(chosen_by_filters),
	    T(listed_as_of_one_moment),
	    T(greylisted_for_ever),
	    T(host_down),
	    T(host_down_for_ever),
	    T(a_success_wakes_all),
	    T(unknown_recipient_bounces_at_once),
	    T(each_recipient_for_himself),
	    T(one_report_for_many),
	    T(what_is_returned),
	    T(language_of_the_account),
	    T(report_to_the_outside),
	    T(report_without_a_postmaster),
	    T(success_here_is_reported),
	    T(bounces_live_two_days),
	    T(notify_is_kept),
	    T(success_is_reported_when_nobody_else_does),
	    T(report_that_is_refused),
	    T(refused_when_it_was_taken),
	    T(a_stale_result_changes_nothing),
	    T(leases_outlive_a_crash_of_the_store),
	    T(leases_that_never_arrived_are_given_out_again),
	    T(leases_expire),
	    T(left_out_recipients_are_free),
	    T(destinations_take_turns),
	    T(a_busy_destination_does_not_hold_up_another),
	    T(many_recipients_make_several_jobs),
	    T(clock_back_a_day),
	    T(off_for_a_week),
	    T(a_shorter_lifetime_holds_at_once),
	    T(destinations_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
