/* Who is told of what failed, and what the trace says of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_test.h"

#include "base/limits.h"
#include "store/trace.h"

static void take_story(void *ctx, const struct trace_event *e)
{
	if (e->kind == TRACE_BOUNCED || e->kind == TRACE_NOTICE)
		buf_printf(ctx, "%lld %.*s\n", (long long)e->recipient, STR_FMT(e->text));
}

static void expect_story(int64_t message, const char *want)
{
	struct buf b;

	buf_init(&b, 16 * KIB);
	assert_int_equal(trace_message(q.rig.db, message, take_story, &b), DB_ROW);
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
}

/* The trace says of each who was told of him, and never that it went back where it did not. */
static void trace_says_who_is_told(void **state)
{
	static const char *const two[] = {"x@b.test", "y@b.test", NULL};
	int64_t id;

	q.world = unknown;
	id = qrig_send(&q, "ann@a.test", QUEUE_NOTIFY_NEVER, two);
	qrig_work(&q);
	expect_story(id, "0 could not be delivered: 550 5.1.1 no such user\n"
			 "1 could not be delivered: 550 5.1.1 no such user\n"
			 "0 nobody is told: its sender asked for no report\n"
			 "1 nobody is told: its sender asked for no report\n");
	id = qrig_send_one(&q, "", "x@b.test");
	qrig_work(&q);
	expect_story(id, "0 could not be delivered: 550 5.1.1 no such user\n"
			 "0 nobody is told: it has no sender\n");
	id = qrig_send(&q, "ann@a.test", 0, two);
	rig_sql(&q.rig, "UPDATE queue SET notify = 1 WHERE recipient = 1");
	qrig_work(&q);
	assert_int_equal(qrig_count(&q, "trace WHERE recipient = -1 AND text LIKE 'the sender is"
					" told by message %'"),
	    1);
	assert_int_equal(
	    qrig_count(&q, "trace WHERE recipient = 0 AND text LIKE 'nobody is told%'"), 2);
	assert_int_equal(
	    qrig_count(&q, "trace WHERE recipient = 1 AND text LIKE 'nobody is told%'"), 2);
}

/* When an attempt ended is its time; when it began is said. */
static void trace_says_how_long_it_took(void **state)
{
	int64_t id = qrig_send_one(&q, "ann@a.test", "bob@b.test");

	q.world = greylisted;
	assert_int_equal(qrig_lease(&q, 5, 1), 1);
	q.rig.now += 31204;
	assert_true(qrig_settle(&q, 5, &q.lease.jobs[0]));
	assert_int_equal(qrig_count(&q, "trace WHERE text LIKE 'refused for now by mx.else.test"
					" [192.0.2.7], after 31.204 s: 450 %'"),
	    1);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
}

/* From a stranger, to an alias that leads out. */
static int64_t comes_to(const char *alias, const char *from)
{
	struct deliver *d = rig_message(&q.rig, from, "Subject: hello\r\n\r\nwords\r\n");
	int64_t id = d->message_id;

	rig_to(d, alias);
	assert_true(rig_run(&q.rig, d));
	deliver_free(&d);
	return id;
}

/* It has no sender who would ever hear that the alias leads nowhere: the postmaster does. */
static void behind_an_alias(void **state)
{
	int64_t id;

	rig_alias(&q.rig, "info@a.test", "out@else.test");
	q.world = unknown;
	id = comes_to("info@a.test", "");
	assert_true(
	    has(explained(id), "and the postmaster is told of it, unless he was told of too many"));
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_int_equal(q.reports, 1);
	assert_true(
	    has(qrig_mail(&q, arena), "Subject: A message without a sender could not be sent on"));
	assert_true(has(qrig_mail(&q, arena), "The message was written to info@a.test, which"));
	assert_true(has(qrig_mail(&q, arena), "Final-Recipient: rfc822; out@else.test"));
	assert_true(has(qrig_mail(&q, arena), "The header of the message is attached"));
	assert_false(has(qrig_mail(&q, arena), "Content-Type: message/rfc822"));
	assert_int_equal(qrig_count(&q, "trace WHERE text LIKE 'it has no sender; the postmaster is"
					" told by message %'"),
	    1);
	id = qrig_send_one(&q, "", "x@b.test"); /* no alias: as ever */
	assert_true(has(explained(id), "it has no sender who could be told"));
	qrig_work(&q);
	assert_int_equal(q.reports, 1);
}

/* Whoever's message it tells of: his account's language is not the postmaster's. */
static void postmaster_in_the_servers_language(void **state)
{
	q.world = unknown;
	rig_sql(&q.rig, "UPDATE account SET language = 'zh-hant'");
	qrig_send_one(&q, "nobody@a.test", "bob@b.test");
	rig_sql(&q.rig, "UPDATE message SET account = 1"); /* ann logged in to send it */
	qrig_work(&q);
	assert_int_equal(q.reports, 1);
	assert_true(
	    has(qrig_mail(&q, arena), "Subject: A message could not be delivered, and its sender"));
	assert_true(has(qrig_mail(&q, arena), "A message of nobody@a.test, taken "));
}

/* What would tell him is refused, and that is known before. */
static void sender_is_gone(void **state)
{
	int64_t id = qrig_send_one(&q, "ann@a.test", "bob@b.test");

	assert_true(has(explained(id), "returned to ann@a.test"));
	assert_true(has(explained(id), "ann@a.test is told of the delay"));
	rig_sql(&q.rig, "UPDATE message SET reverse_path = 'nobody@a.test'");
	assert_true(has(explained(id), "it will be given up on Saturday"));
	assert_true(has(explained(id),
	    "and the postmaster is told of it, because nobody@a.test takes no mail."));
	assert_false(has(explained(id), "is told of the delay"));
	rig_sql(&q.rig, "UPDATE queue SET notify = 2"); /* SUCCESS */
	assert_true(has(explained(id), "nobody@a.test asked not to be told"));
	rig_sql(&q.rig, "UPDATE message SET reverse_path = 'nobody@else.test'");
	assert_true(has(explained(id), "nobody@else.test asked not to be told"));
	assert_false(has(explained(id), "postmaster"));
	rig_sql(&q.rig, "UPDATE queue SET notify = 0");
	rig_sql(
	    &q.rig, "UPDATE message SET reverse_path = '\"ann\"@a.test'"); /* the same address */
	assert_true(has(explained(id), "is told of the delay"));
	rig_sql(&q.rig, "UPDATE message SET reverse_path = 'ann@'"); /* none */
	assert_true(has(explained(id), "because ann@ takes no mail"));
}

/* Reads and writes what is due of a message whose report was refused a moment ago. */
static void report_untold(int64_t message)
{
	struct queue_report *r = queue_report_new();

	r->cfg = q.cfg;
	r->blobs = q.rig.blobs;
	r->message = message;
	r->report_id = id_make(&q.rig.ids, q.rig.now);
	r->now = q.rig.now;
	r->untold = true;
	queue_report_prepare(r);
	reader_run(&r->read, q.rig.db);
	assert_int_equal(r->read.result, DB_OK);
	qrig_run(&q, &r->op);
	assert_int_equal(r->warned, 1);
	queue_report_free(&r);
}

/* What had failed was taken out in between: the delay of another recipient is for the sender all the same. */
static void delay_is_told_to_the_sender(void **state)
{
	int64_t id = qrig_send_one(&q, "ann@a.test", "bob@b.test");

	q.world = greylisted;
	qrig_work(&q);
	q.rig.now += 4 * HOUR_MS;
	report_untold(id);
	assert_true(has(qrig_mail(&q, arena), "Subject: Your message has not been delivered yet"));
	assert_int_equal(
	    qrig_count(&q, "trace WHERE text LIKE 'the sender is told of the delay by %'"), 1);
	assert_int_equal(qrig_count(&q, "message WHERE protocol = 'postmaster'"), 0);
}

/* Strangers may send any number of them. */
static void enough_behind_an_alias(void **state)
{
	int64_t id;

	rig_alias(&q.rig, "info@a.test", "out@else.test");
	q.world = unknown;
	q.enough = true;
	id = comes_to("info@a.test", "");
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_int_equal(q.reports, 0);
	assert_int_equal(
	    qrig_count(&q, "trace WHERE text LIKE 'nobody is told: it has no sender, and the"
			   " postmaster is told of 100 such %'"),
	    1);
	qrig_send_one(&q, "ann@a.test", "x@b.test"); /* a sender is told whatever strangers do */
	qrig_work(&q);
	assert_int_equal(q.reports, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(trace_says_who_is_told),
	    T(postmaster_in_the_servers_language),
	    T(sender_is_gone),
	    T(delay_is_told_to_the_sender),
	    T(trace_says_how_long_it_took),
	    T(behind_an_alias),
	    T(enough_behind_an_alias),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
