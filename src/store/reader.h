/*
 * A small pool of threads with read-only connections. One request is one read transaction: it reads
 * a bounded piece (a page of rows, a chunk of a message) and ends within LIMIT_READER_MS. Also the place
 * for work that blocks on the disk without the database, like finishing an upload.
 */
#ifndef STORE_READER_H
#define STORE_READER_H

#include "base/list.h"
#include "store/db.h"

struct reader_op {
	struct list link; /* the pool's while submitted */

	/* The work, in a read transaction of db, in any thread. Its code becomes result. */
	enum db_code (*run)(struct reader_op *op, struct db *db);

	/* The end, in the owner's thread. May free the op. */
	void (*done)(struct reader_op *op);

	enum db_code result; /* DB_OK, or what failed */
	struct err err;      /* set unless DB_OK */
};

struct reader_pool;

struct reader_pool_config {
	const char *db_name;          /* relative to the working directory; borrowed */
	unsigned threads;             /* 1 to LIMIT_READER_THREADS */
	void (*wake)(void *wake_ctx); /* any thread: ops are finished, call reader_pool_reap soon */
	void *wake_ctx;
};

struct reader_stats {
	int64_t ops;
	int64_t failed;
	int64_t slow;    /* took longer than LIMIT_READER_MS */
	int64_t max_ms;  /* the longest */
	int64_t waiting; /* now in the queue */
};

/* Opens the connections and starts the threads; NULL with e set on failure. */
struct reader_pool *reader_pool_new(const struct reader_pool_config *config, struct err *e);

/* Hands an op over; it belongs to the pool until its done is called. Aborts after stop. */
void reader_pool_submit(struct reader_pool *p, struct reader_op *op);

/* Calls done for every finished op. The owner's thread. */
void reader_pool_reap(struct reader_pool *p);

void reader_pool_stats(struct reader_pool *p, struct reader_stats *s_r);

/* Runs what was submitted, ends the threads, reaps, closes the connections. Takes NULL, sets NULL. */
void reader_pool_stop(struct reader_pool **p);

/* Runs an op at once on db, in a read transaction unless one is open; sets its result; no done. */
void reader_run(struct reader_op *op, struct db *db);

#endif
