/* Deliveries. */
#include "work.h"

#include <sqlite3.h>

#include "base/mem.h"
#include "store/db_internal.h"
#include "store_text.h"

#define LARGE 24000 /* a pack of its own; the run does not care for more octets */
#define BATCH 4
#define PAGES 16

/* The answer: what is promised is promised here. */
static void answered(struct lane_op *op)
{
	struct deliver *d = LIST_ENTRY(op, struct deliver, op);

	if (op->result == LANE_DONE)
		work_say("ok send %lld %d\n", (long long)d->message_id, d->accepted);
	else if (op->result != LANE_CLOSED) /* nothing of it remains */
		work_say("ok send %lld 0\n", (long long)d->message_id);
}

/* A message to the people whose bits are set and `relayed` elsewhere. */
static struct deliver *message(unsigned who, size_t relayed, size_t size)
{
	struct deliver *d = rig_message(&work.rig, chance_pick(4) ? work_people[0] : "", "");
	char *text = arena_alloc(d->arena, size), to[64];

	store_text(d->message_id, text, size);
	d->data = str_of(text, size);
	d->may_relay = true;
	d->op.done = answered;
	for (size_t i = 0; i < WORK_PEOPLE; i++) {
		if (who >> i & 1)
			rig_to(d, work_people[i]);
	}
	for (size_t i = 0; i < relayed; i++) {
		snprintf(to, sizeof to, "r%zu@d%d.test", i, (int)chance_pick(3));
		rig_to(d, to)->action = PLAN_RELAY;
	}
	work_say("ask send %lld %zu %u\n", (long long)d->message_id, size, who);
	return d;
}

static void send(struct deliver *d)
{
	MUST(deliver_prepare(d));
	lane_run_one(work.rig.lane, &d->op, work.rig.now);
	work_reopen();
}

static void send_and_free(struct deliver *d)
{
	send(d);
	deliver_free(&d);
}

void work_send_one(void)
{
	send_and_free(message(1, 0, STORE_TEXT_MIN + 200));
}

/* Later, before others, or in time, as its sender wishes; also to one of ours. */
void work_send_wish(void)
{
	struct deliver *d = message((unsigned)chance_pick(2), 1 + chance_pick(3), STORE_TEXT_MIN);

	d->wish.hold_for = (int64_t)chance_pick(3) * HOUR_MS;
	d->wish.priority = (int8_t)chance_pick(5);
	d->wish.by = chance_pick(2) ? QUEUE_BY_RETURN : QUEUE_BY_NONE;
	d->wish.by_time = d->wish.by ? 5 * HOUR_MS : 0;
	if (d->wish.hold_for)
		work_say("later %lld\n", (long long)d->message_id);
	send_and_free(d);
}

/* One that is sent later, away. */
void work_send_later(void)
{
	struct deliver *d = message(0, 1, STORE_TEXT_MIN);

	d->wish.hold_for = HOUR_MS;
	send_and_free(d);
}

/* To an alias that leads away, so that it goes with another reverse path. */
void work_send_on(void)
{
	struct deliver *d = message(0, 0, STORE_TEXT_MIN);

	rig_to(d, WORK_ALIAS);
	send_and_free(d);
}

/* To the one who has a quota, and two others. */
void work_send_two(void)
{
	send_and_free(message(7, 0, STORE_TEXT_MIN + 1000));
	send_and_free(message(7, 0, STORE_TEXT_MIN + 1000));
}

static void send_all(struct deliver **d, size_t n)
{
	struct list batch;

	list_init(&batch);
	for (size_t i = 0; i < n; i++) {
		MUST(deliver_prepare(d[i]));
		list_push(&batch, &d[i]->op.link);
	}
	lane_run(work.rig.lane, &batch, work.rig.now);
	lane_answer(&batch);
	for (size_t i = 0; i < n; i++)
		deliver_free(&d[i]);
}

/* Several messages under one commit. */
void work_send_batch(void)
{
	struct deliver *d[BATCH];
	size_t n = 1 + chance_pick(BATCH);

	for (size_t i = 0; i < n; i++)
		d[i] = message(1 + (unsigned)chance_pick(7), 0, STORE_TEXT_MIN + chance_pick(900));
	send_all(d, n);
	work_reopen();
}

void work_send_many(void)
{
	send_and_free(message(
	    (unsigned)chance_pick(8), 1 + chance_pick(12), STORE_TEXT_MIN + chance_pick(300)));
}

/* The database has more pages then. */
void work_send_pages(void)
{
	for (int i = 0; i < PAGES; i++)
		send_and_free(message(7, 0, STORE_TEXT_MIN));
}

void work_send_away(void)
{
	send_and_free(message(0, 1, STORE_TEXT_MIN));
}

/* Enough at once to fill packs. */
void work_send_fill(void)
{
	send_and_free(message(1, 0, 12000 + chance_pick(12000)));
}

/* With keywords from the plan. */
void work_send_marked(void)
{
	struct deliver *d = message(1, 0, STORE_TEXT_MIN + chance_pick(100));

	d->plan.items[0].u.mailbox.flags = PLAN_FLAG_SEEN | PLAN_FLAG_FLAGGED;
	send(d);
	if (d->op.result == LANE_DONE && d->accepted)
		work_say("words 1 %lld $flagged $seen\n", (long long)d->message_id);
	deliver_free(&d);
}

void work_send_large(void)
{
	size_t size = LARGE + chance_pick(1000);
	struct deliver *d = message(1 + (unsigned)chance_pick(7), chance_pick(2), size);
	struct blob_store *blobs = work.rig.blobs;
	struct blob_upload *u = NULL;
	struct err e;

	MUST(blob_upload_begin(blobs, d->message_id, BLOB_PLAIN, &u, &e) == BLOB_OK);
	MUST(blob_upload_write(blobs, u, str_sub(d->data, 0, 9000), &e) == BLOB_OK);
	MUST(blob_upload_write(blobs, u, str_from(d->data, 9000), &e) == BLOB_OK);
	MUST(blob_upload_finish(blobs, u, &d->upload_pos, &e) == BLOB_OK);
	d->upload = u;
	d->data = STR("");
	MUST(deliver_prepare(d));
	lane_run_one(work.rig.lane, &d->op, work.rig.now);
	blob_upload_free(blobs, &u);
	work_reopen();
	deliver_free(&d);
}

/* ---- a full disk ---- */

static int64_t writes_left;

/* From the n-th write of the log on there is no room, for three of them. */
static int no_room(void *ctx, const struct db_io *io)
{
	if (io->kind != DB_IO_WRITE)
		return SQLITE_OK;
	writes_left--;
	return writes_left < 0 && writes_left >= -3 ? SQLITE_FULL : SQLITE_OK;
}

/*
 * A batch that changes more pages than SQLite may keep, so that it writes them within the savepoints of
 * the requests, and is told there that the disk is full.
 */
void work_full(void)
{
	struct deliver *d[BATCH];

	rig_sql(&work.rig, "PRAGMA cache_size = 4; PRAGMA cache_spill = 4");
	for (size_t i = 0; i < BATCH; i++)
		d[i] = message(7, chance_pick(30), STORE_TEXT_MIN + chance_pick(200));
	writes_left = (int64_t)chance_pick(60);
	db_vfs_hook(no_room, NULL);
	send_all(d, BATCH);
	db_vfs_hook(NULL, NULL);
	work_reopen();
	rig_sql(&work.rig, "PRAGMA cache_size = 1000");
}
