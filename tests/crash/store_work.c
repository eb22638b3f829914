#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "store_run.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "queue_rig.h"
#include "store/db_internal.h"
#include "store_text.h"

#define NOON     INT64_C(1795435200000)
#define UNDELETE (2 * HOUR_MS)
#define OWNER    77
#define LARGE    24000 /* a pack of its own; the run does not care for more octets */

static const char *const people[] = {"ann@a.test", "bob@a.test", "cat@a.test"};
#define PEOPLE 3

static struct qrig q;
static uint64_t random_state;

static uint64_t pick(uint64_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % below;
}

void store_say(const char *format, ...)
{
	char line[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof line, format, args);
	va_end(args);
	MUST(n > 0 && (size_t)n < sizeof line);
	MUST(write(STDOUT_FILENO, line, (size_t)n) == n);
}

/* ---- messages ---- */

/* The answer: what is promised is promised here. */
static void answered(struct lane_op *op)
{
	struct deliver *d = LIST_ENTRY(op, struct deliver, op);

	if (op->result == LANE_DONE)
		store_say("ok send %lld %d\n", (long long)d->message_id, d->accepted);
}

static void ask_send(const struct deliver *d, size_t size, unsigned who)
{
	store_say("ask send %lld %zu %u\n", (long long)d->message_id, size, who);
}

/* A message to the people whose bits are set and `relayed` elsewhere. */
static struct deliver *message(unsigned who, size_t relayed, size_t size)
{
	struct deliver *d = rig_message(&q.rig, pick(4) ? "ann@a.test" : "", "");
	char *text = arena_alloc(d->arena, size), to[64];

	store_text(d->message_id, text, size);
	d->data = str_of(text, size);
	d->may_relay = true;
	d->op.done = answered;
	for (size_t i = 0; i < PEOPLE; i++) {
		if (who >> i & 1)
			rig_to(d, people[i]);
	}
	for (size_t i = 0; i < relayed; i++) {
		snprintf(to, sizeof to, "r%zu@d%d.test", i, (int)pick(3));
		rig_to(d, to)->action = PLAN_RELAY;
	}
	ask_send(d, size, who);
	return d;
}

static void run(struct deliver *d)
{
	MUST(deliver_prepare(d));
	lane_run_one(q.rig.lane, &d->op, q.rig.now);
}

/* Several messages under one commit. */
static void step_batch(void)
{
	struct deliver *d[4];
	size_t n = 1 + pick(4);
	struct list batch;

	list_init(&batch);
	for (size_t i = 0; i < n; i++) {
		d[i] = message(1 + (unsigned)pick(7), 0, STORE_TEXT_MIN + pick(900));
		MUST(deliver_prepare(d[i]));
		list_push(&batch, &d[i]->op.link);
	}
	lane_run(q.rig.lane, &batch, q.rig.now);
	lane_answer(&batch);
	for (size_t i = 0; i < n; i++)
		deliver_free(&d[i]);
}

static void step_many(void)
{
	struct deliver *d = message((unsigned)pick(8), 1 + pick(12), STORE_TEXT_MIN + pick(300));

	run(d);
	deliver_free(&d);
}

/* Enough at once to fill a pack of the rig. */
static void step_fill(void)
{
	struct deliver *d = message(1, 0, 200000 + pick(200000));

	run(d);
	deliver_free(&d);
}

static void step_large(void)
{
	size_t size = LARGE + pick(1000);
	struct deliver *d = message(1 + (unsigned)pick(7), pick(2), size);
	struct blob_upload *u = NULL;
	struct err e;

	MUST(blob_upload_begin(q.rig.blobs, d->message_id, BLOB_PLAIN, &u, &e) == BLOB_OK);
	MUST(blob_upload_write(q.rig.blobs, u, str_sub(d->data, 0, 9000), &e) == BLOB_OK);
	MUST(blob_upload_write(q.rig.blobs, u, str_from(d->data, 9000), &e) == BLOB_OK);
	MUST(blob_upload_finish(q.rig.blobs, u, &d->upload_pos, &e) == BLOB_OK);
	d->upload = u;
	d->data = STR("");
	run(d);
	blob_upload_free(q.rig.blobs, &u);
	deliver_free(&d);
}

/* ---- mailboxes ---- */

/* What a client has seen of a mailbox it may keep by its uid for ever. */
static void tell_uids(const struct mailbox_snapshot *s)
{
	struct mailbox_entry v[8];
	size_t got, at = 0;

	do {
		MUST(mailbox_entries(q.rig.db, s, (int64_t)at + 1, v, 8, &got) == DB_OK);
		for (size_t i = 0; i < got; i++)
			store_say("saw %lld %lld %lld\n", (long long)s->account,
			    (long long)v[i].uid, (long long)v[i].email);
		at += got;
	} while (got > 0);
}

static void expunge(struct mailbox_snapshot *s, int64_t first, int64_t last)
{
	struct mailbox_entry v[8];
	size_t n;

	MUST(mailbox_entries(q.rig.db, s, first, v, (size_t)(last - first + 1), &n) == DB_OK);
	for (size_t i = 0; i < n; i++)
		store_say("ask expunge %lld %lld\n", (long long)s->account, (long long)v[i].email);
	rig_expunge(&q.rig, s, first, last);
	for (size_t i = 0; i < n; i++)
		store_say("ok expunge %lld %lld\n", (long long)s->account, (long long)v[i].email);
}

static void step_expunge(void)
{
	struct mailbox_snapshot s = rig_snapshot(&q.rig, 1 + (int64_t)pick(PEOPLE), MAILBOX_INBOX);
	int64_t n = mailbox_snapshot_count(&s), first, last;

	tell_uids(&s);
	if (n > 0) {
		first = 1 + (int64_t)pick((uint64_t)n);
		last = first + (int64_t)pick(4);
		expunge(&s, first, last > n ? n : last);
	}
	mailbox_snapshot_fini(&s);
}

/* ---- queue ---- */

static struct qrig_answer world(const struct queue_job *job, const struct queue_row *row)
{
	switch (pick(4)) {
	case 0:
		return qrig_reply(QUEUE_STAGE_BODY, 450, "4.2.0 later");
	case 1:
		return qrig_reply(QUEUE_STAGE_RCPT, 550, "5.1.1 nobody");
	default:
		return qrig_ok();
	}
}

static void step_lease(void)
{
	store_say("ask lease\n");
	qrig_lease(&q, OWNER, 1 + pick(3));
	store_say("ok lease\n");
}

static int state_of(int64_t message, int64_t recipient)
{
	sqlite3_stmt *stmt = NULL;
	int state;

	MUST(sqlite3_prepare_v2(q.rig.db->sqlite,
		 "SELECT state FROM ledger WHERE message = ? AND recipient = ?", -1, &stmt,
		 NULL) == SQLITE_OK);
	sqlite3_bind_int64(stmt, 1, message);
	sqlite3_bind_int64(stmt, 2, recipient);
	MUST(sqlite3_step(stmt) == SQLITE_ROW);
	state = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return state;
}

/* What was answered for each recipient: a result that was told stays. */
static void settle(const struct queue_job *job)
{
	store_say("ask settle\n");
	if (!qrig_settle(&q, OWNER, job))
		return;
	store_say("ok settle\n");
	for (size_t i = 0; i < job->rows.n; i++)
		store_say("state %lld %lld %d\n", (long long)job->message.id,
		    (long long)job->rows.v[i].recipient,
		    state_of(job->message.id, job->rows.v[i].recipient));
}

static void step_settle(void)
{
	if (!q.leased)
		step_lease();
	for (size_t i = 0; i < q.lease.n; i++)
		settle(&q.lease.jobs[i]);
}

static void step_reports(void)
{
	store_say("ask reports\n");
	qrig_tend(&q);
	store_say("ok reports\n");
}

static void step_release(void)
{
	store_say("ask release\n");
	qrig_release(&q, NULL, 0);
	store_say("ok release\n");
}

/* ---- the store's own ---- */

static void step_time(void)
{
	q.rig.now += (int64_t)pick(4 * HOUR_MS);
	store_say("ask maintain\n");
	rig_maintain(&q.rig, UNDELETE, 30 * DAY_MS);
	store_say("ok maintain\n");
}

static void step_checkpoint(void)
{
	store_say("ask checkpoint\n");
	lane_tend(q.rig.lane, true);
	store_say("ok checkpoint\n");
}

static void step_restart(void)
{
	store_say("ask restart\n");
	qrig_restart(&q);
	store_say("ok restart\n");
}

static const struct {
	unsigned weight;
	void (*step)(void);
} steps[] = {
    {26, step_batch},
    {10, step_many},
    {8, step_large},
    {4, step_fill},
    {14, step_expunge},
    {6, step_lease},
    {8, step_settle},
    {4, step_reports},
    {2, step_release},
    {7, step_time},
    {7, step_checkpoint},
    {4, step_restart},
};

static void one_step(void)
{
	uint64_t at = pick(100);

	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		if (at < steps[i].weight) {
			steps[i].step();
			return;
		}
		at -= steps[i].weight;
	}
}

/* What is there already is refused, which is as good. */
static void add_people(void)
{
	store_say("ask people\n");
	rig_change(&q.rig, DIRECTORY_DOMAIN_ADD, "a.test", NULL);
	for (size_t i = 0; i < PEOPLE; i++)
		rig_change(&q.rig, DIRECTORY_ACCOUNT_ADD, people[i], NULL);
	store_say("ok people\n");
}

void store_work(uint64_t seed, int n, int generation)
{
	struct rig *r = &q.rig;

	random_state = seed * 0x9e3779b97f4a7c15 + (uint64_t)generation + 1;
	q.world = world;
	q.rig.directory.separator = '+';
	r->now = NOON + generation * DAY_MS;
	id_maker_init(&r->ids, 1, 0);
	fsio_init(&r->fs, open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	(void)r->fs.ops->make_dir(&r->fs, "packs", 0700);
	rig_restart(r);
	queue_policy_init(&q.cfg.policy);
	q.cfg.started = r->now;
	q.cfg.hostname = STR("mx.a.test");
	q.cfg.zone.name = STR("UTC");
	q.cfg.directory = &r->directory;
	add_people();
	for (int i = 0; i < n; i++)
		one_step();
	store_say("end\n");
	_exit(0); /* as a machine ends: nothing is closed */
}
