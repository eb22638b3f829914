#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_rig.h"

#include "base/mem.h"

#define OWNER 77
#define BODY                                                                                       \
	"From: ann@a.test\r\nMessage-ID: <1@a.test>\r\nSubject: hello\r\n\r\nthe words of ann\r\n"

static void nothing(struct lane_op *op)
{
}

static void check(struct qrig *q)
{
	if (q->audits)
		rig_must_balance(&q->rig);
}

/* ---- life ---- */

void qrig_configure(struct qrig *q)
{
	queue_policy_init(&q->cfg.policy);
	q->cfg.started = q->rig.now;
	q->cfg.hostname = STR("mx.a.test");
	q->cfg.return_size = 50 * KIB;
	q->cfg.zone.name = STR("UTC");
	q->cfg.directory = &q->rig.directory;
	if (!q->packer)
		q->packer = dialogue_packer_new();
}

void qrig_open(struct qrig *q)
{
	*q = (struct qrig){.audits = true};
	rig_open(&q->rig);
	rig_domain(&q->rig, "a.test");
	rig_account(&q->rig, "ann@a.test");
	qrig_configure(q);
}

static void forget_lease(struct qrig *q)
{
	if (q->leased)
		queue_lease_fini(&q->lease);
	q->leased = false;
}

void qrig_close(struct qrig *q)
{
	forget_lease(q);
	dialogue_packer_free(&q->packer);
	rig_close(&q->rig);
}

void qrig_restart(struct qrig *q)
{
	rig_restart(&q->rig);
	q->cfg.started = q->rig.now;
}

/* ---- requests ---- */

void qrig_run(struct qrig *q, struct lane_op *op)
{
	op->done = nothing;
	lane_run_one(q->rig.lane, op, q->rig.now);
	if (op->result != LANE_DONE)
		fail_msg("%s", op->err.text);
	check(q);
}

int64_t qrig_send(struct qrig *q, const char *from, unsigned notify, const char *const *to)
{
	struct deliver *d = rig_message(&q->rig, from, q->content ? q->content : BODY);
	int64_t id = d->message_id;

	d->may_relay = true;
	d->wish = q->wish;
	d->routing = &q->cfg.routing;
	d->envid = STR("E1");
	for (size_t i = 0; to[i]; i++) {
		rig_to(d, to[i])->action = PLAN_RELAY;
		d->recipients[i].notify = (uint8_t)notify;
	}
	assert_true(rig_run(&q->rig, d));
	deliver_free(&d);
	check(q);
	return id;
}

int64_t qrig_send_one(struct qrig *q, const char *from, const char *to)
{
	return qrig_send(q, from, 0, (const char *const[]){to, NULL});
}

size_t qrig_lease(struct qrig *q, int64_t owner, size_t room)
{
	forget_lease(q);
	q->lease = (struct queue_lease){
	    .cfg = q->cfg, .owner = owner, .room = room, .bytes = 1000000};
	queue_lease_init(&q->lease);
	q->leased = true;
	qrig_run(q, &q->lease.op);
	return q->lease.n;
}

bool qrig_settle(struct qrig *q, int64_t owner, const struct queue_job *job)
{
	struct queue_settle *s = queue_settle_new();
	struct queue_verdict *v = arena_array(s->arena, job->rows.n, sizeof *v);
	bool stale;

	for (size_t i = 0; i < job->rows.n; i++) {
		struct qrig_answer a = q->world(job, &job->rows.v[i]);

		v[i] = (struct queue_verdict){
		    job->rows.v[i].recipient, a.attempt, str_of_c(a.text)};
	}
	s->cfg = q->cfg;
	s->owner = owner;
	s->message = job->message.id;
	s->token = job->token;
	s->remote = STR("mx.else.test");
	s->remote_ip = STR("192.0.2.7");
	s->dsn = q->dsn;
	s->by = q->by;
	s->outcomes = v;
	s->n = job->rows.n;
	s->dialogue = STR("S: 220 hello\r\nC: EHLO mx.a.test\r\n");
	s->dialogue_id = id_make(&q->rig.ids, q->rig.now);
	queue_settle_prepare(s, q->packer);
	qrig_run(q, &s->op);
	stale = s->stale;
	queue_settle_free(&s);
	return !stale;
}

int64_t qrig_release_old(struct qrig *q, int64_t owner, int64_t old, int64_t kept)
{
	struct queue_release r = {
	    .others = true, .owners = {owner}, .nowners = 1, .old = old, .kept = &kept, .nkept = 1};

	queue_release_init(&r);
	qrig_run(q, &r.op);
	return r.released;
}

int64_t qrig_release(struct qrig *q, const int64_t *owners, size_t n)
{
	struct queue_release r = {.others = true, .nowners = n};

	for (size_t i = 0; i < n; i++)
		r.owners[i] = owners[i];
	queue_release_init(&r);
	qrig_run(q, &r.op);
	assert_false(r.more);
	return r.released;
}

/* untold: its sender could not be told; the postmaster is. */
static void report(struct qrig *q, int64_t message, bool untold)
{
	struct queue_report *r = queue_report_new();
	bool again;

	r->cfg = q->cfg;
	r->blobs = q->rig.blobs;
	r->message = message;
	r->report_id = id_make(&q->rig.ids, q->rig.now);
	r->now = q->rig.now;
	r->untold = untold;
	r->enough = q->enough;
	queue_report_prepare(r);
	reader_run(&r->read, q->rig.db);
	assert_int_equal(r->read.result, DB_OK);
	assert_false(r->nothing); /* queue_due_find() said so */
	qrig_run(q, &r->op);
	assert_false(r->stale);
	q->reports += r->told;
	q->warnings += r->warned;
	again = r->refused;
	queue_report_free(&r);
	assert_false(again && untold);
	if (again)
		report(q, message, true);
}

int64_t qrig_tend(struct qrig *q)
{
	struct queue_due_list due;
	int64_t n = 0;

	do {
		assert_int_equal(
		    queue_due_find(q->rig.db, &q->cfg, q->rig.now, false, &due), DB_OK);
		for (size_t i = 0; i < due.n; i++, n++)
			report(q, due.messages[i], false);
	} while (due.n > 0);
	return n;
}

/* ---- time ---- */

static void try_job(struct qrig *q, const struct queue_job *job)
{
	if (q->on_job)
		q->on_job(job);
	q->jobs++;
	q->attempts += (int64_t)job->rows.n;
	q->last_attempt = q->rig.now;
	assert_true(qrig_settle(q, OWNER, job));
}

void qrig_work(struct qrig *q)
{
	do {
		qrig_tend(q);
		qrig_lease(q, OWNER, QRIG_JOBS);
		for (size_t i = 0; i < q->lease.n; i++)
			try_job(q, &q->lease.jobs[i]);
	} while (q->lease.n > 0);
	qrig_tend(q);
}

static int64_t min_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t qrig_wake(struct qrig *q)
{
	struct queue_due_list due;
	int64_t attempt, lease;

	assert_int_equal(queue_due_find(q->rig.db, &q->cfg, q->rig.now, false, &due), DB_OK);
	assert_int_equal(queue_attempt_wake(q->rig.db, &attempt), DB_OK);
	assert_int_equal(queue_lease_wake(q->rig.db, &lease), DB_OK);
	return due.n ? q->rig.now : min_of(due.wake, min_of(attempt, lease));
}

void qrig_live(struct qrig *q, int64_t until)
{
	qrig_work(q);
	for (;;) {
		int64_t wake = qrig_wake(q);

		if (wake > until)
			break;
		assert_true(wake > q->rig.now); /* what is due was done */
		q->rig.now = wake;
		qrig_work(q);
	}
	q->rig.now = until;
}

/* ---- the world ---- */

struct qrig_answer qrig_ok(void)
{
	return qrig_reply(QUEUE_STAGE_BODY, 250, "2.0.0 ok");
}

struct qrig_answer qrig_reply(enum queue_stage stage, unsigned code, const char *text)
{
	return (struct qrig_answer){{.stage = stage, .code = (uint16_t)code}, text};
}

struct qrig_answer qrig_problem(enum queue_problem problem)
{
	enum queue_stage stage = problem >= QUEUE_PROBLEM_DNS && problem <= QUEUE_PROBLEM_NULL_MX
				     ? QUEUE_STAGE_LOOKUP
				     : QUEUE_STAGE_CONNECT;

	return (struct qrig_answer){{.stage = stage, .problem = problem}, ""};
}

/* ---- looking ---- */

int64_t qrig_count(struct qrig *q, const char *what)
{
	char select[900];

	snprintf(select, sizeof select, "SELECT count(*) FROM %s", what);
	return rig_number(&q->rig, select);
}

enum ledger_state qrig_state(struct qrig *q, int64_t message, int64_t recipient)
{
	char select[256];

	snprintf(select, sizeof select,
	    "SELECT state FROM ledger WHERE message = %lld AND recipient = %lld",
	    (long long)message, (long long)recipient);
	return (enum ledger_state)rig_number(&q->rig, select);
}

int64_t qrig_mails(struct qrig *q)
{
	struct mailbox_snapshot s = rig_snapshot(&q->rig, 1, MAILBOX_INBOX);
	int64_t n = mailbox_snapshot_count(&s);

	mailbox_snapshot_fini(&s);
	return n;
}

struct str qrig_mail(struct qrig *q, struct arena *a)
{
	struct mailbox_snapshot s = rig_snapshot(&q->rig, 1, MAILBOX_INBOX);
	int64_t n = mailbox_snapshot_count(&s);
	struct str text = n ? rig_read(&q->rig, a, &s, n) : STR("");

	mailbox_snapshot_fini(&s);
	return text;
}
