/* The record of what administrators did. */
#ifndef STORE_ADMIN_LOG_H
#define STORE_ADMIN_LOG_H

#include "store/lane.h"

/* A row; only in the writer lane. */
enum db_code admin_log_add(struct db *db, int64_t now, struct str who, struct str what);

/* The same in the place of the row with the id `replaces`, if that is there; 0: a row more. *id_r: its id. */
enum db_code admin_log_put(
    struct db *db, int64_t now, struct str who, struct str what, int64_t replaces, int64_t *id_r);

/* Puts right the number that the next row gets, where it is lost, or that of a row that is there. */
enum db_code admin_log_renumber(struct db *db);

/* The newest rows before the id (INT64_MAX: of all), at most max. *n_r: rows given. */
typedef void admin_log_fn(void *ctx, int64_t id, int64_t time, struct str who, struct str what);
enum db_code admin_log_list(
    struct db *db, int64_t before, size_t max, size_t *n_r, admin_log_fn *fn, void *ctx);

/* A row of its own, as a request to the writer lane; op.done is the caller's. */
struct admin_log {
	struct lane_op op;
	struct str who, what; /* borrowed until done */
	int64_t replaces;     /* the id of a row that it takes the place of; 0: none */
	int64_t id;           /* the answer */
};

/* Sets op.exec. */
void admin_log_init(struct admin_log *l, struct str who, struct str what);

/*
 * The row of a change that takes many commits: each of them puts it anew, with how much was done by then. So it
 * tells of all that is committed, whatever ends the command. Zero it and set the strings, which are borrowed: "HEAD 2
 * NOUNs of WHOSE TAIL", without blanks at their ends.
 */
struct admin_tally {
	struct str who;
	struct str head, noun, whose, tail; /* head may be empty */
	int64_t id, count;                  /* as of the last commit; id 0: there is no row yet */
	int64_t next_id, next_count;        /* as of the commit under way */
};

/* In the exec of a slice that did so much; nothing is written for 0. After its commit: admin_tally_go_on(). */
enum db_code admin_tally_put(struct db *db, int64_t now, struct admin_tally *t, int64_t done);
void admin_tally_go_on(struct admin_tally *t);

#endif
