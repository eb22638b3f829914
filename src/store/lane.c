/*
 * The writer lane: append all blobs, sync them while the requests run, commit once. The rules are
 * numbered in docs/invariants/lane.md; in short: no answer before the commit, nothing half done,
 * and after a failed sync or a commit of unknown outcome nothing more is written.
 */
#include "store/lane.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/recover.h"

#define LANE_MAGIC     0x6c616e65u
#define THROTTLE_MS    10 /* doubled with every quarter of the limit that the log is above it */
#define THROTTLE_STEPS 7  /* ... so often at most: more than a second for a batch */

/* How one attempt at a batch ended. */
enum outcome {
	COMMITTED,
	TAKEN_BACK, /* nothing of it remains; lane->code and lane->err say why */
	UNKNOWN,    /* the lane is closed */
};

struct lane {
	uint32_t magic;
	struct lane_config config;
	struct lane_stats stats;
	int64_t log_mark; /* size of the log at the last checkpoint */
	struct blob_in **inputs;
	size_t inputs_cap;
	enum lane_result why; /* of the attempt at hand, when it was taken back */
	struct err err;
};

struct lane *lane_new(const struct lane_config *config)
{
	struct lane *lane = mem_new(struct lane);

	lane->magic = LANE_MAGIC;
	lane->config = *config;
	if (lane->config.checkpoint_at == 0)
		lane->config.checkpoint_at = (int64_t)LIMIT_WAL_CHECKPOINT;
	if (lane->config.throttle_at == 0)
		lane->config.throttle_at = (int64_t)LIMIT_WAL_THROTTLE;
	lane->stats.sequence = config->sequence;
	return lane;
}

void lane_free(struct lane **lane)
{
	struct lane *l = *lane;

	*lane = NULL;
	if (!l)
		return;
	BUG_ON(l->magic != LANE_MAGIC);
	l->magic = 0;
	mem_free(l->inputs);
	mem_free(l);
}

static struct lane_op *op_of(struct list *link)
{
	return LIST_ENTRY(link, struct lane_op, link);
}

/* ---- what nobody wants any more ---- */

void lane_op_withdraw(struct lane_op *op)
{
	op->withdrawn = true;
}

static const char given_up[] = "who asked for it has given up";

/* Nothing is done of it. */
static void leave_out(struct lane_op *op)
{
	op->result = LANE_WITHDRAWN;
	op->spare_upload = true;
	err_set(&op->err, "%s", given_up);
}

/* The work of one that was withdrawn meanwhile is in the transaction. */
static bool holds_withdrawn(struct list *batch)
{
	LIST_FOREACH(batch, it)
	if (op_of(it)->withdrawn && op_of(it)->result == LANE_DONE)
		return true;
	return false;
}

/* ---- failures ---- */

static enum lane_result result_of_db(const struct db *db)
{
	return db_error_code(db) == DB_FULL ? LANE_FULL : LANE_FAILED;
}

/* Remembers why the attempt at hand will be taken back. */
static void note_db(struct lane *l)
{
	l->why = result_of_db(l->config.db);
	err_set(&l->err, "%s%s", db_error(l->config.db), db_cure(l->config.db));
}

/* Nothing more is written until a restart has looked at what is really there. */
static enum outcome close_lane(struct lane *l, const char *what)
{
	struct err why = l->err;

	l->stats.closed = true;
	err_set(&l->stats.reason, "%s: %s", what, why.text);
	db_distrust(l->config.db);
	blob_distrust(l->config.blobs);
	(void)db_rollback(l->config.db);
	blob_rewind(l->config.blobs);
	return UNKNOWN;
}

static enum outcome take_back(struct lane *l)
{
	if (db_rollback(l->config.db) != DB_OK) {
		note_db(l);
		return close_lane(l, "cannot roll back");
	}
	blob_rewind(l->config.blobs);
	return TAKEN_BACK;
}

/* An upload met a failure of the disk, in another thread: that closes the lane too. */
static bool has_closed(struct lane *l)
{
	if (!l->stats.closed && blob_has_failed(l->config.blobs, &l->err))
		(void)close_lane(l, "writing a large message failed");
	return l->stats.closed;
}

/* ---- blobs ---- */

static void add_inputs(struct lane *l, struct lane_op *op, size_t *n)
{
	if (*n + op->nblobs > l->inputs_cap) {
		l->inputs_cap = (*n + op->nblobs) * 2;
		l->inputs = mem_resize(l->inputs, l->inputs_cap * sizeof *l->inputs);
	}
	for (size_t i = 0; i < op->nblobs; i++)
		l->inputs[(*n)++] = &op->blobs[i];
}

static enum blob_code append_all(struct lane *l, struct list *batch)
{
	enum blob_code code = BLOB_OK;
	size_t n = 0;

	LIST_FOREACH(batch, it)
	add_inputs(l, op_of(it), &n);
	if (n)
		code = blob_append(l->config.blobs, l->inputs, n, &l->err);
	LIST_FOREACH(batch, it)
	if (code == BLOB_OK && op_of(it)->upload)
		code = blob_attach(l->config.blobs, op_of(it)->upload, &l->err);
	return code;
}

static void start_sync(struct lane *l)
{
	if (l->config.syncer)
		l->config.syncer->start(l->config.syncer, l->config.blobs);
}

static enum blob_code finish_sync(struct lane *l)
{
	l->stats.blob_syncs++;
	if (l->config.syncer)
		return l->config.syncer->finish(l->config.syncer, &l->err);
	return blob_sync(l->config.blobs, &l->err);
}

/* ---- requests ---- */

/*
 * The op's work is taken back and it fails alone; false when the transaction is lost with it. A
 * full disk always counts as that: whether SQLite took all back then is its secret.
 */
static bool fail_op(struct lane *l, struct lane_op *op)
{
	op->result = result_of_db(l->config.db);
	err_set(&op->err, "%s%s", db_error(l->config.db), db_cure(l->config.db));
	note_db(l);
	return op->result != LANE_FULL && db_in_transaction(l->config.db) &&
	       db_rollback_to(l->config.db) == DB_OK;
}

/* One request in its savepoint; false when the transaction is lost or cannot go on. */
static bool exec_op(struct lane *l, struct lane_op *op, int64_t now)
{
	struct db *db = l->config.db;
	enum lane_exec verdict;

	if (op->withdrawn) {
		leave_out(op);
		return true;
	}
	if (db_savepoint(db) != DB_OK) {
		note_db(l);
		return false;
	}
	op->result = LANE_DONE;
	op->spare_upload = false;
	verdict = op->exec(op, db, now);
	if (verdict != LANE_KEEP)
		op->spare_upload = true;
	if (verdict == LANE_BROKEN || !db_in_transaction(db))
		return fail_op(l, op);
	if ((verdict == LANE_KEEP ? db_release(db) : db_rollback_to(db)) == DB_OK)
		return true;
	note_db(l);
	return false;
}

static bool exec_all(struct lane *l, struct list *batch, int64_t now)
{
	if (db_begin(l->config.db) != DB_OK) {
		note_db(l);
		return false;
	}
	LIST_FOREACH(batch, it)
	if (!exec_op(l, op_of(it), now))
		return false;
	return true;
}

/* ---- the commit ---- */

struct put {
	struct lane *lane;
	enum db_code code;
};

static void put_point(void *ctx, const struct blob_point *point)
{
	struct put *put = ctx;

	if (put->code == DB_OK)
		put->code = recover_put_point(
		    put->lane->config.db, point, put->lane->stats.sequence + 1);
}

/* Files of their own that nothing refers to must not be committed: nobody would ever remove them. */
static void detach_spare(struct lane *l, struct list *batch)
{
	LIST_FOREACH(batch, it)
	if (op_of(it)->upload && op_of(it)->spare_upload)
		blob_detach(l->config.blobs, op_of(it)->upload);
}

static enum outcome commit(struct lane *l, struct list *batch)
{
	struct put put = {l, DB_OK};
	bool dirty;

	if (holds_withdrawn(batch)) {
		l->why = LANE_WITHDRAWN;
		err_set(&l->err, "%s", given_up);
		return take_back(l);
	}
	detach_spare(l, batch);
	dirty = blob_is_dirty(l->config.blobs);
	blob_points(l->config.blobs, put_point, &put);
	if (put.code != DB_OK) {
		note_db(l);
		return take_back(l);
	}
	put.code = db_commit(l->config.db);
	if (put.code == DB_OK) {
		blob_committed(l->config.blobs);
		l->stats.sequence += dirty;
		l->stats.commits++;
		return COMMITTED;
	}
	note_db(l);
	/* No space, or a lock: nothing was synced, the next transaction overwrites it. */
	if (put.code == DB_FULL || put.code == DB_BUSY)
		return take_back(l);
	return close_lane(l, "the commit failed");
}

/* The whole batch in one transaction, or nothing of it. */
static enum outcome attempt(struct lane *l, struct list *batch, int64_t now)
{
	enum blob_code code = append_all(l, batch), synced = BLOB_OK;
	bool dirty, good;

	if (code == BLOB_FULL) {
		l->why = LANE_FULL;
		return take_back(l);
	}
	if (code != BLOB_OK)
		return close_lane(l, "writing messages failed");
	dirty = blob_is_dirty(l->config.blobs);
	if (dirty)
		start_sync(l);
	good = exec_all(l, batch, now);
	if (dirty)
		synced = finish_sync(l);
	if (synced != BLOB_OK && synced != BLOB_FULL)
		return close_lane(l, "the sync failed");
	if (has_closed(l))
		return UNKNOWN;
	if (synced == BLOB_FULL) { /* none was tried */
		l->why = LANE_FULL;
		return take_back(l);
	}
	return good ? commit(l, batch) : take_back(l);
}

/* ---- batches ---- */

static void set_results(struct list *batch, enum lane_result result, const struct err *err)
{
	LIST_FOREACH(batch, it)
	{
		op_of(it)->result = result;
		op_of(it)->err = *err;
	}
}

static bool make_room(struct lane *l)
{
	return l->config.make_room && l->config.make_room(l->config.ctx);
}

/* A list of one. */
static void run_single(struct lane *l, struct list *one, int64_t now)
{
	struct lane_op *op = op_of(one->next);
	enum outcome outcome = UNKNOWN;

	if (op->withdrawn) {
		leave_out(op);
		return;
	}
	if (!has_closed(l))
		outcome = attempt(l, one, now);
	if (outcome == TAKEN_BACK && l->why == LANE_FULL && op->frees && make_room(l))
		outcome = attempt(l, one, now);
	if (outcome == TAKEN_BACK)
		set_results(one, l->why, &l->err);
	if (outcome == UNKNOWN)
		set_results(one, LANE_CLOSED, &l->stats.reason);
}

static void run_singly(struct lane *l, struct list *batch, int64_t now)
{
	struct list one, finished;
	struct list *link;

	l->stats.reruns++;
	list_init(&one);
	list_init(&finished);
	while ((link = list_pop(batch))) {
		list_push(&one, link);
		run_single(l, &one, now);
		list_append(&finished, &one);
	}
	list_append(batch, &finished);
}

static void run_batch(struct lane *l, struct list *batch, int64_t now)
{
	enum outcome outcome = has_closed(l) ? UNKNOWN : attempt(l, batch, now);

	if (outcome == TAKEN_BACK)
		run_singly(l, batch, now);
	if (outcome == UNKNOWN)
		set_results(batch, LANE_CLOSED, &l->stats.reason);
}

static void count(struct lane *l, struct list *batch)
{
	int64_t n = 0;

	LIST_FOREACH(batch, it)
	{
		n++;
		l->stats.failed += op_of(it)->result != LANE_DONE;
	}
	l->stats.ops += n;
	if (n > l->stats.batch_max)
		l->stats.batch_max = n;
	l->stats.wal_bytes = db_wal_bytes(l->config.db);
	if (l->stats.wal_bytes < l->log_mark)
		l->log_mark = 0; /* it has started anew since the checkpoint */
	if (l->stats.wal_bytes > l->stats.wal_max)
		l->stats.wal_max = l->stats.wal_bytes;
}

void lane_run(struct lane *lane, struct list *batch, int64_t now)
{
	BUG_ON(lane->magic != LANE_MAGIC);
	if (list_is_empty(batch))
		return;
	if (batch->next->next == batch)
		run_single(lane, batch, now);
	else
		run_batch(lane, batch, now);
	count(lane, batch);
}

void lane_answer(struct list *batch)
{
	struct list *link;

	while ((link = list_pop(batch)))
		op_of(link)->done(op_of(link));
}

void lane_run_one(struct lane *lane, struct lane_op *op, int64_t now)
{
	struct list batch;

	list_init(&batch);
	list_push(&batch, &op->link);
	lane_run(lane, &batch, now);
	lane_answer(&batch);
}

/* ---- checkpoints ---- */

/* For want of space or a lock it is done some other time; after anything else trust nothing. */
static void judge_tending(struct lane *l, enum db_code code, const char *what)
{
	if (code == DB_OK || code == DB_BUSY || code == DB_FULL)
		return;
	note_db(l);
	close_lane(l, what);
}

static void checkpoint(struct lane *l)
{
	int64_t took, begin = clock_mono();
	bool all = false;
	enum db_code code = db_checkpoint(l->config.db, &all);

	took = clock_mono() - begin;
	l->stats.checkpoints++;
	if (took > l->stats.checkpoint_max_ms)
		l->stats.checkpoint_max_ms = took;
	judge_tending(l, code, "the checkpoint failed");
}

/* Writers wait, so that a log that cannot start anew grows ever more slowly. */
static int throttle(const struct lane *l, int64_t log)
{
	int64_t over = log - l->config.throttle_at;
	int64_t steps = over / (l->config.throttle_at / 4);

	if (over < 0)
		return 0;
	return THROTTLE_MS << (steps < THROTTLE_STEPS ? steps : THROTTLE_STEPS);
}

int lane_tend(struct lane *lane, bool idle)
{
	int64_t log = db_wal_bytes(lane->config.db);

	if (has_closed(lane) || log == 0)
		return 0;
	if (idle || log - lane->log_mark >= lane->config.checkpoint_at ||
	    log >= lane->config.throttle_at) {
		checkpoint(lane);
		/* all of it copied: it starts anew with the next write */
		lane->log_mark = db_wal_bytes(lane->config.db) ? log : 0;
	}
	if (idle && !lane->stats.closed)
		judge_tending(lane, db_shrink(lane->config.db), "shrinking the database failed");
	lane->stats.wal_bytes = db_wal_bytes(lane->config.db);
	/* When all is copied it suffices to let the readers of before go. */
	if (log >= lane->config.throttle_at && lane->stats.wal_bytes == 0)
		log = lane->config.throttle_at;
	return throttle(lane, log);
}

bool lane_is_clean(const struct lane *lane)
{
	return lane->stats.closed || db_wal_bytes(lane->config.db) == 0;
}

void lane_stats(const struct lane *lane, struct lane_stats *s_r)
{
	*s_r = lane->stats;
}
