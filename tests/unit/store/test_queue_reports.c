/* Reports: to whom, of what, in which language, and what is returned with them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_test.h"

#include "store/queue_change.h"

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

/* There is no account at all, so nobody stands in for the postmaster: it waits, and that is the end. */
static void report_without_a_postmaster(void **state)
{
	q.world = unknown;
	rig_sql(&q.rig, "UPDATE account SET state = 2");
	qrig_send_one(&q, "Xavier@else.test", "nobody@b.test");
	qrig_work(&q);
	qrig_work(&q);
	assert_int_equal(qrig_count(&q, "queue"), 1); /* there may be one soon */
	q.rig.now += 60 * DAY_MS;
	qrig_work(&q);
	assert_int_equal(qrig_count(&q, "queue"), 0);
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
	fill_anns_mailbox();
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
	assert_true(
	    has(qrig_mail(&q, arena), "Subject: A message could not be delivered, and its sender"));
	assert_true(has(qrig_mail(&q, arena), "A message of nobody@a.test, taken "));
	assert_true(has(qrig_mail(&q, arena), "Final-Recipient: rfc822; bob@b.test"));
	assert_false(
	    has(qrig_mail(&q, arena), "Content-Type: message/rfc822")); /* the header alone */
	assert_int_equal(
	    qrig_count(&q, "message WHERE reverse_path = '' AND protocol = 'postmaster'"), 1);
	assert_int_equal(qrig_count(&q, "trace WHERE text LIKE 'nobody is told%'"), 0);
	rig_quota(&q.rig, "ann@a.test", 0, 1);
	full = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_live(&q, q.rig.now + 8 * DAY_MS);
	assert_int_equal(qrig_state(&q, full, 0), LEDGER_BOUNCED);
}

/* No report goes to what is no address: the postmaster has it. */
static void report_to_no_address(void **state)
{
	int64_t id;

	q.world = unknown;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	rig_sql(
	    &q.rig, "UPDATE message SET reverse_path = 'ann' WHERE reverse_path = 'ann@a.test'");
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_int_equal(qrig_count(&q, "message WHERE protocol = 'postmaster'"), 1);
	assert_true(has(qrig_mail(&q, arena), "A message of ann, taken "));
	assert_true(has(qrig_mail(&q, arena), "Final-Recipient: rfc822; bob@b.test"));
}

/* Of mail that was held back it is put off as long as of other mail. */
static void report_of_what_was_scheduled(void **state)
{
	int64_t release = q.rig.now + 10 * DAY_MS, id;

	q.world = unknown;
	q.wish.hold_for = 10 * DAY_MS;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	q.wish.hold_for = 0;
	fill_anns_mailbox();
	qrig_live(&q, release + DAY_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	assert_int_equal(qrig_count(&q, "message WHERE protocol = 'postmaster'"), 0);
	rig_quota(&q.rig, "ann@a.test", 0, 0);
	qrig_live(&q, q.rig.now + HOUR_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_true(has(qrig_mail(&q, arena), "Final-Recipient: rfc822; bob@b.test"));
}

/* Given up before its time: what is left is its report, which can be neither released nor cancelled. */
static void report_of_what_was_given_up(void **state)
{
	struct queue_change c = {.verb = QUEUE_CHANGE_BOUNCE, .who = STR("root")};
	int64_t id;

	q.wish.hold_for = 10 * DAY_MS;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	q.wish.hold_for = 0;
	fill_anns_mailbox();
	c.filter.message = id;
	queue_change_init(&c);
	qrig_run(&q, &c.op);
	assert_int_equal(c.changed, 1);
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	for (int i = 0; i < 2; i++) {
		c = (struct queue_change){
		    .verb = i ? QUEUE_CHANGE_RELEASE : QUEUE_CHANGE_CANCEL, .who = STR("root")};
		c.filter.message = id;
		queue_change_init(&c);
		qrig_run(&q, &c.op);
		assert_int_equal(c.changed, 0);
	}
	rig_quota(&q.rig, "ann@a.test", 0, 0);
	qrig_live(&q, q.rig.now + HOUR_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_true(has(qrig_mail(&q, arena), "Final-Recipient: rfc822; bob@b.test"));
}

/* Of what has arrived only the report can be taken out. */
static void report_that_is_taken_out(void **state)
{
	struct queue_change c = {.verb = QUEUE_CHANGE_REMOVE, .who = STR("root")};
	int64_t id;

	q.world = all_well;
	fill_anns_mailbox();
	id = qrig_send(
	    &q, "ann@a.test", QUEUE_NOTIFY_SUCCESS, (const char *const[]){"bob@b.test", NULL});
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	c.filter.message = id;
	queue_change_init(&c);
	qrig_run(&q, &c.op);
	assert_int_equal(c.changed, 1);
	assert_int_equal(qrig_count(&q, "queue"), 0);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_RELAYED);
}

/* A date that is none, as a disk that lies gives it, is left out. */
static void report_with_a_damaged_date(void **state)
{
	int64_t id;

	q.world = unknown;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	rig_sql(&q.rig, "UPDATE message SET accepted = accepted - 9223372036854775807");
	rig_sql(&q.rig, "UPDATE queue SET by_kind = 77");
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_true(has(qrig_mail(&q, arena), "Action: failed"));
	assert_false(has(qrig_mail(&q, arena), "Arrival-Date"));
}

static struct qrig_answer locked(const struct queue_job *job, const struct queue_row *row)
{
	return qrig_reply(QUEUE_STAGE_RCPT, 450, "carl is locked");
}

static struct qrig_answer taken(const struct queue_job *job, const struct queue_row *row)
{
	return qrig_reply(QUEUE_STAGE_BODY, 250, "taken for carl");
}

static void must_be_untried(const char *status)
{
	static const char *const others[] = {"carl", "450", "250", "Remote-MTA", "Diagnostic-Code",
	    "Last-Attempt-Date", "refused", "did not accept"};
	struct str mail = qrig_mail(&q, arena);

	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		assert_false(has(mail, others[i]));
	assert_true(has(mail, "has not had its turn yet with the mail server of b.test"));
	assert_true(has(mail, status));
}

/* What his destination said last it said about somebody else: it is up, and he was never tried. */
static void words_to_others_are_not_told(void **state)
{
	static qrig_world *const worlds[] = {locked, taken};

	for (size_t i = 0; i < sizeof worlds / sizeof worlds[0]; i++) {
		q.world = worlds[i];
		qrig_send_one(&q, "", "carl@b.test");
		qrig_lease(&q, 5, 1);
		assert_true(qrig_settle(&q, 5, &q.lease.jobs[0]));
		assert_int_equal(qrig_count(&q, "destination WHERE last_reply LIKE '%carl%'"), 1);
		qrig_send_one(&q, "ann@a.test", "bob@b.test");
		q.rig.now += 4 * HOUR_MS;
		qrig_tend(&q);
		must_be_untried("Action: delayed\r\nStatus: 4.0.0\r\n");
		q.rig.now += 5 * DAY_MS;
		q.cfg.started = 0;
		qrig_tend(&q);
		must_be_untried("Action: failed\r\nStatus: 4.4.7\r\n");
		q.cfg.started = q.rig.now;
	}
	assert_int_equal(q.reports, 4);
	assert_int_equal(
	    qrig_count(&q, "ledger WHERE detail = 'its time in the queue is over'"), 2);
}

/* He was tried when his destination was down; it is up, and he waits for his turn. */
static void tried_before_it_was_up(void **state)
{
	q.world = refused;
	qrig_send_one(&q, "", "carl@b.test");
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	assert_int_equal(qrig_lease(&q, 5, 2), 2);
	for (size_t i = 0; i < 2; i++)
		assert_true(qrig_settle(&q, 5, &q.lease.jobs[i]));
	q.world = taken;
	q.rig.now += 20 * MINUTE_MS;
	assert_int_equal(qrig_lease(&q, 5, 1), 1);
	assert_true(qrig_settle(&q, 5, &q.lease.jobs[0]));
	assert_int_equal(qrig_count(&q, "destination WHERE failures > 0"), 0);
	q.rig.now += 4 * HOUR_MS;
	qrig_tend(&q);
	assert_int_equal(q.reports, 1);
	assert_true(has(qrig_mail(&q, arena), "could not be reached"));
	assert_false(has(qrig_mail(&q, arena), "had its turn"));
}

/* An attempt that does not end keeps no sender from hearing of it; what comes of it comes all the same. */
static void warned_of_while_it_is_tried(void **state)
{
	int64_t id = qrig_send_one(&q, "ann@a.test", "bob@b.test");

	q.world = taken;
	qrig_lease(&q, 5, 1);
	assert_int_equal(q.lease.n, 1);
	q.rig.now += 4 * HOUR_MS;
	assert_int_equal(qrig_tend(&q), 0);
	q.rig.now += 15 * MINUTE_MS - 1;
	assert_int_equal(qrig_tend(&q), 0);
	q.rig.now++;
	assert_int_equal(qrig_tend(&q), 1);
	assert_true(has(qrig_mail(&q, arena), "Action: delayed"));
	assert_true(has(
	    qrig_mail(&q, arena), "The message is being sent to the mail server of b.test, and"));
	assert_false(has(qrig_mail(&q, arena), "had its turn"));
	q.rig.now += 6 * DAY_MS; /* its end is told when that of the attempt is known */
	assert_int_equal(qrig_tend(&q), 0);
	assert_true(qrig_settle(&q, 5, &q.lease.jobs[0]));
	assert_int_equal(qrig_tend(&q), 0);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_RELAYED);
	assert_int_equal(q.reports, 1);
}

/* Refused after it: the mark of the warning stays, and there is no other. */
static void warned_of_once(void **state)
{
	q.world = locked;
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_lease(&q, 5, 1);
	q.rig.now += 5 * HOUR_MS;
	assert_int_equal(qrig_tend(&q), 1);
	assert_true(qrig_settle(&q, 5, &q.lease.jobs[0]));
	assert_int_equal(qrig_tend(&q), 0);
	q.rig.now += HOUR_MS;
	qrig_work(&q);
	assert_int_equal(q.reports, 1);
	assert_int_equal(q.warnings, 1);
	assert_int_equal(qrig_count(&q, "queue WHERE warned = 1 AND attempts = 2"), 1);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(told_in_his_language),
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
	    T(report_with_a_damaged_date),
	    T(report_to_no_address),
	    T(report_of_what_was_scheduled),
	    T(report_of_what_was_given_up),
	    T(report_that_is_taken_out),
	    T(words_to_others_are_not_told),
	    T(warned_of_while_it_is_tried),
	    T(warned_of_once),
	    T(tried_before_it_was_up),
	    T(refused_when_it_was_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
