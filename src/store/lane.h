/*
 * The writer lane: many requests become durable by one commit. Pure of threads: lane_run takes a
 * batch and comes back when each of its requests is either durable or has certainly no effect.
 * store/lane_thread.h is the thread around it. docs/invariants/lane.md has the rules it keeps.
 */
#ifndef STORE_LANE_H
#define STORE_LANE_H

#include "base/list.h"
#include "store/blob.h"
#include "store/db.h"

/* What a request's exec says about the work it did in its savepoint. */
enum lane_exec {
	LANE_KEEP,   /* keep it */
	LANE_UNDO,   /* take it back; the request's own answer stands ("there is no such domain") */
	LANE_BROKEN, /* a db function failed: take it back, LANE_FAILED or LANE_FULL is the result */
};

/* How it went; the request's own answer counts only after LANE_DONE. */
enum lane_result {
	LANE_DONE,   /* committed */
	LANE_FULL,   /* no space: nothing of it remains, try later */
	LANE_FAILED, /* the database refused it: nothing of it remains; op->err tells */
	LANE_CLOSED, /* the lane takes no more until a restart; whether this one remains is unknown */
	LANE_WITHDRAWN, /* lane_op_withdraw() came before the commit: nothing of it remains */
};

struct lane_op {
	struct list link; /* the lane's while submitted */

	/*
	 * The work: reads and writes of db in a savepoint, nothing else. May be called again for the
	 * same op after its first effects were taken back, so it must set its answer anew each time
	 * and touch nothing but db, op and what only op holds.
	 */
	enum lane_exec (*exec)(struct lane_op *op, struct db *db, int64_t now);

	/* The end, with result set. May free the op. Never called inside a transaction. */
	void (*done)(struct lane_op *op);

	struct blob_in *blobs; /* appended before exec, positions filled in; borrowed until done */
	size_t nblobs;
	struct blob_upload *upload; /* finished, or NULL; still the owner's to free in done */
	bool frees;                 /* makes room: may use the reserve when the disk is full */
	bool spare_upload;          /* exec may set it: the upload is not needed after all */
	_Atomic(bool) withdrawn;    /* lane_op_withdraw()'s */

	enum lane_result result;
	struct err err; /* set unless LANE_DONE */
};

/* Syncs the blobs while SQL runs. start and finish are called in turn by lane_run. */
struct lane_syncer {
	void (*start)(struct lane_syncer *s, struct blob_store *blobs);
	enum blob_code (*finish)(struct lane_syncer *s, struct err *e); /* waits for it */
};

struct lane_config {
	struct db *db;              /* the writer; borrowed */
	struct blob_store *blobs;   /* borrowed */
	int64_t sequence;           /* of the last commit: store_recover's answer */
	struct lane_syncer *syncer; /* NULL: synced in finish's place, in this thread */
	/* Gives back reserved disk space; true when there was some to give. May be NULL. */
	bool (*make_room)(void *ctx);
	void *ctx;
	int64_t checkpoint_at; /* octets of the log; 0: LIMIT_WAL_CHECKPOINT */
	int64_t throttle_at;   /* 0: LIMIT_WAL_THROTTLE */
};

struct lane_stats {
	int64_t commits;
	int64_t ops;        /* answered */
	int64_t failed;     /* of these with another result than LANE_DONE */
	int64_t batch_max;  /* ops in the largest batch */
	int64_t blob_syncs; /* batches that waited for blobs */
	int64_t reruns;     /* batches run again one by one */
	int64_t sequence;   /* of the last commit */
	int64_t wal_bytes;
	int64_t wal_max;
	int64_t checkpoints;
	int64_t checkpoint_max_ms; /* longest */
	bool closed;
	struct err reason; /* why it closed */
};

struct lane;

struct lane *lane_new(const struct lane_config *config);

/* Takes NULL, sets NULL. */
void lane_free(struct lane **lane);

/*
 * Runs a batch (links of struct lane_op, at most LIMIT_LANE_BATCH) and sets each result; done is
 * not called, the ops stay in the list. now: wall clock, given to each exec. An empty batch does
 * nothing.
 */
void lane_run(struct lane *lane, struct list *batch, int64_t now);

/*
 * Nobody wants it done any more: unless its commit has begun, nothing of it is kept. From any thread, while
 * it is submitted; its done is called all the same.
 */
void lane_op_withdraw(struct lane_op *op);

/* Empties the list, calling done for each op. */
void lane_answer(struct list *batch);

/* Runs one op and calls its done: for offline commands and tests. */
void lane_run_one(struct lane *lane, struct lane_op *op, int64_t now);

/*
 * Housekeeping between batches: checkpoints when idle is true and there is something to, or when
 * the log has grown by checkpoint_at; when idle, gives unused parts of the database back to the
 * file system. Gives milliseconds to wait before the next batch: above 0 while the log is over
 * throttle_at because a reader keeps it from starting anew, and the longer the larger it is.
 */
int lane_tend(struct lane *lane, bool idle);

/* The log holds nothing that a checkpoint could still copy. */
bool lane_is_clean(const struct lane *lane);

/* A copy of the counters. Same thread as lane_run. */
void lane_stats(const struct lane *lane, struct lane_stats *s_r);

#endif
