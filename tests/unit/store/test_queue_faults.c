/*
 * A life in the queue with the n-th call that changes something failing, for some n, and every one in the long
 * form: what was answered holds after a restart, what was not can be said
 * again, and in the end each recipient has come to what the other server said, once. Then each request with each of
 * its tables missing.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_rig.h"

#include "base/mem.h"
#include "store/queue_change.h"

#define MAILS 3 /* delivered, refused for good, refused for now */

static struct qrig q;
static struct fault fault;
static int64_t ids[MAILS];
static bool taken[MAILS];

static void nothing(struct lane_op *op)
{
}

static struct qrig_answer by_name(const struct queue_job *job, const struct queue_row *row)
{
	if (str_has_prefix(row->address, STR("good")))
		return qrig_ok();
	if (str_has_prefix(row->address, STR("bad")))
		return qrig_reply(QUEUE_STAGE_RCPT, 550, "no");
	return qrig_reply(QUEUE_STAGE_RCPT, 450, "later");
}

static bool run(struct lane_op *op)
{
	op->done = nothing;
	lane_run_one(q.rig.lane, op, q.rig.now);
	return op->result == LANE_DONE;
}

static void send_mail(int i)
{
	static const char *const to[MAILS] = {"good@b.test", "bad@b.test", "later@b.test"};
	struct deliver *d = rig_message(&q.rig, "ann@a.test", "Subject: x\r\n\r\nwords\r\n");

	d->may_relay = true;
	rig_to(d, to[i])->action = PLAN_RELAY;
	ids[i] = d->message_id;
	assert_true(deliver_prepare(d));
	taken[i] = run(&d->op) && d->accepted;
	deliver_free(&d);
}

static bool lease(void)
{
	if (q.leased)
		queue_lease_fini(&q.lease);
	q.lease = (struct queue_lease){.cfg = q.cfg, .owner = 5, .room = 10, .bytes = 100000};
	queue_lease_init(&q.lease);
	q.leased = true;
	return run(&q.lease.op);
}

/* True: it was answered, whether it counted or not. */
static bool settle(const struct queue_job *job)
{
	struct queue_settle *s = queue_settle_new();
	struct qrig_answer a = by_name(job, &job->rows.v[0]);
	struct queue_verdict v = {job->rows.v[0].recipient, a.attempt, str_of_c(a.text)};
	bool done;

	s->cfg = q.cfg;
	s->owner = 5;
	s->message = job->message.id;
	s->token = job->token;
	s->remote = STR("mx.b.test");
	s->outcomes = &v;
	s->n = 1;
	s->dialogue = STR("S: 220 hello\r\n");
	s->dialogue_id = id_make(&q.rig.ids, q.rig.now);
	queue_settle_prepare(s, q.packer);
	done = run(&s->op);
	queue_settle_free(&s);
	return done;
}

static bool report(int64_t message)
{
	struct queue_report *r = queue_report_new();
	bool done;

	r->cfg = q.cfg;
	r->blobs = q.rig.blobs;
	r->message = message;
	r->report_id = id_make(&q.rig.ids, q.rig.now);
	r->now = q.rig.now;
	queue_report_prepare(r);
	reader_run(&r->read, q.rig.db);
	done = r->read.result == DB_OK && (r->nothing || run(&r->op));
	queue_report_free(&r);
	return done;
}

static void live(void)
{
	for (int i = 0; i < MAILS; i++)
		send_mail(i);
	if (lease()) {
		for (size_t i = 0; i < q.lease.n; i++)
			settle(&q.lease.jobs[i]);
	}
	report(ids[1]);
}

/* Says again what was not answered, and goes on until each has what he shall have. */
static void go_on(void)
{
	if (q.lease.op.result == LANE_DONE || q.lease.op.result == LANE_CLOSED) {
		for (size_t i = 0; i < q.lease.n; i++)
			assert_true(settle(&q.lease.jobs[i]));
	}
	qrig_release(&q, NULL, 0);
	q.world = by_name;
	qrig_work(&q);
}

static void check(void)
{
	static const enum ledger_state want[MAILS] = {
	    LEDGER_RELAYED, LEDGER_BOUNCED, LEDGER_QUEUED};

	for (int i = 0; i < MAILS; i++) {
		if (taken[i])
			assert_int_equal(qrig_state(&q, ids[i], 0), want[i]);
	}
	if (taken[1]) /* the sender is told, once */
		assert_int_equal(qrig_mails(&q), 1);
	rig_must_balance(&q.rig);
	assert_int_equal(qrig_count(&q, "lease"), 0);
	assert_int_equal(
	    qrig_count(&q,
		"blob b WHERE refs <> (SELECT count(*) FROM email WHERE blob = b.id)"
		" + (SELECT count(*) FROM queue r JOIN message m ON m.id = r.message"
		" WHERE m.blob = b.id) + (SELECT count(*) FROM trace WHERE dialogue = b.id)"),
	    0);
}

/* False when there is no such call. */
static bool life_with_failure(int64_t n, bool lasting, bool full)
{
	bool fired;

	qrig_open(&q);
	fault_init(&fault);
	q.rig.fault = &fault;
	rig_restart(&q.rig);
	fault_set(&fault, FAULT_ANY, n, lasting, full);
	live();
	fired = fault.fired > 0;
	fault_set(&fault, FAULT_NONE, 0, false, false);
	rig_restart(&q.rig);
	go_on();
	check();
	qrig_close(&q);
	fault_fini(&fault);
	return fired;
}

static void any_call_may_fail(void **state)
{
	for (int how = 0; how < 4; how++) {
		int64_t n = 1;

		while (life_with_failure(n, how & 1, how & 2))
			n += fault_step(how ? 19 : 5);
		print_message("about %lld calls, failing %s %s\n", (long long)n - 1,
		    how & 1 ? "for good" : "once", how & 2 ? "for want of space" : "by itself");
		assert_true(n > 20);
	}
}

/* ---- a statement that fails in the middle of a request ---- */

static int64_t fingerprint(void)
{
	return rig_number(&q.rig,
	    "SELECT (SELECT count(*) + sum(refs) FROM blob) * 1000000"
	    " + (SELECT count(*) FROM message) * 100000 + (SELECT sum(state) FROM ledger) * 10000"
	    " + (SELECT count(*) + coalesce(sum(attempts + report + (token > 0)), 0) FROM queue) * 1000"
	    " + (SELECT count(*) FROM lease) * 100 + (SELECT count(*) FROM trace) * 10"
	    " + (SELECT coalesce(sum(failures + sessions), 0) FROM destination)"
	    " + (SELECT value FROM meta WHERE name = 'lease')");
}

static bool lease_one(void)
{
	return lease();
}

static bool settle_one(void)
{
	return settle(&q.lease.jobs[0]);
}

static bool report_one(void)
{
	return report(ids[1]);
}

static bool remove_one(void)
{
	struct queue_change c = {.verb = QUEUE_CHANGE_REMOVE, .filter.message = ids[2]};

	queue_change_init(&c);
	return run(&c.op);
}

static bool release_all(void)
{
	struct queue_release r = {.others = true};

	queue_release_init(&r);
	return run(&r.op);
}

/* Runs the request without each of the tables in turn, then with all of them. */
static void run_without(bool (*request)(void), const char *const *tables)
{
	int64_t before = fingerprint();
	char sql[80];

	for (; *tables; tables++) {
		snprintf(sql, sizeof sql, "ALTER TABLE %s RENAME TO hidden", *tables);
		rig_sql(&q.rig, sql);
		if (request())
			fail_msg("no %s, and it was done", *tables);
		snprintf(sql, sizeof sql, "ALTER TABLE hidden RENAME TO %s", *tables);
		rig_sql(&q.rig, sql);
		if (fingerprint() != before)
			fail_msg("no %s, and something was done", *tables);
		rig_must_balance(&q.rig);
	}
	assert_true(request());
	assert_int_not_equal(fingerprint(), before);
	rig_must_balance(&q.rig);
}

static void a_failing_statement_leaves_nothing(void **state)
{
	static const char *const of_lease[] = {
	    "destination", "lease", "message", "meta", "queue", NULL};
	static const char *const of_release[] = {"destination", "lease", "queue", NULL};
	static const char *const of_settle[] = {
	    "blob", "destination", "ledger", "lease", "message", "queue", "trace", NULL};
	static const char *const of_report[] = {"account", "blob", "email", "ledger", "mailbox",
	    "membership", "message", "queue", "trace", NULL};
	static const char *const of_remove[] = {"blob", "destination", "ledger", "queue", NULL};

	qrig_open(&q);
	for (int i = 0; i < MAILS; i++)
		send_mail(i);
	run_without(lease_one, of_lease);
	run_without(release_all, of_release);
	assert_true(lease());
	assert_int_equal(q.lease.n, MAILS);
	run_without(settle_one, of_settle);
	for (size_t i = 1; i < q.lease.n; i++)
		assert_true(settle(&q.lease.jobs[i]));
	run_without(report_one, of_report);
	run_without(remove_one, of_remove);
	assert_int_equal(qrig_count(&q, "queue"), 0);
	qrig_close(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_call_may_fail),
	    cmocka_unit_test(a_failing_statement_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
