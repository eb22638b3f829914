/* The record of what administrators did. */
#ifndef STORE_ADMIN_LOG_H
#define STORE_ADMIN_LOG_H

#include "store/lane.h"

/* A row; only in the writer lane. */
enum db_code admin_log_add(struct db *db, int64_t now, struct str who, struct str what);

/* The newest rows before the id (INT64_MAX: of all), at most max. *n_r: rows given. */
typedef void admin_log_fn(void *ctx, int64_t id, int64_t time, struct str who, struct str what);
enum db_code admin_log_list(
    struct db *db, int64_t before, size_t max, size_t *n_r, admin_log_fn *fn, void *ctx);

/* A row of its own, as a request to the writer lane; op.done is the caller's. */
struct admin_log {
	struct lane_op op;
	struct str who, what; /* borrowed until done */
};

/* Sets op.exec. */
void admin_log_init(struct admin_log *l, struct str who, struct str what);

#endif
