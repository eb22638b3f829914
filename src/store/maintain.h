/*
 * Housekeeping in slices of at most LIMIT_SLICE_ROWS rows a commit: what was expunged before the undelete
 * window goes, then its blobs; blobs that the queue has done with; removed accounts; destinations long
 * unused; history older than its time becomes daily sums; the search index of the trace follows the
 * messages; rows of version 1 are sealed. What went cannot be had back: a caller whose clock may be wrong
 * has what goes for its age alone spared.
 */
#ifndef STORE_MAINTAIN_H
#define STORE_MAINTAIN_H

#include "store/lane.h"

struct maintain_config {
	int64_t undelete_ms;      /* how long expunged mail is kept */
	int64_t history_ms;       /* how long ledger and trace rows are kept; then sums */
	struct blob_store *blobs; /* borrowed: packs without blobs are removed there */
};

#define MAINTAIN_TASKS 10

#define MAINTAIN_LEAP_MS (5 * MINUTE_MS) /* a clock that goes ahead by more is not trusted */

/* In meta: the latest moment at which something was expunged that is gone. A mailbox as of before is not to be had. */
#define MAINTAIN_PURGED STR("purged")

/* Where that is not known yet: whatever the window may have let go by now. In a transaction of the writer. */
enum db_code maintain_begin(struct db *db, int64_t undelete_ms, int64_t now);

/* A request to the writer lane that does one slice; submit it again when idle, at once while more. */
struct maintain {
	struct lane_op op;
	struct maintain_config cfg;
	bool full;     /* the caller's: the disk is, so only what frees something is done */
	bool spares;   /* likewise: the clock went ahead, so expunged mail and history stay */
	int64_t asked; /* likewise: by the clock then; 0: not told */
	/* the answer */
	int64_t rows; /* handled by this slice */
	bool more;    /* there was more to do than fits */
	/* maintain.c's own */
	unsigned task;                     /* the next one to look at */
	int64_t forgot;                    /* when destinations were last looked at */
	int64_t forgot_callouts;           /* likewise */
	int64_t forgot_dropped;            /* likewise packs whose rows are gone */
	int64_t dropped[LIMIT_SLICE_ROWS]; /* packs whose rows the last slice deleted */
	size_t ndropped;
};

/* Sets op.exec; op.done is the caller's. cfg is copied. */
void maintain_init(struct maintain *m, const struct maintain_config *cfg);

#endif
