/* The database's own check of its pages, and of what its schema says, a table with its indexes at a time. */
#ifndef STORE_DB_CHECK_H
#define STORE_DB_CHECK_H

#include "store/db.h"

enum db_bad {
	DB_BAD_PAGES, /* pages, the list of unused ones, values or the schema: only a new database helps */
	DB_BAD_INDEX, /* an index that is not what its table says, or rows that lie in another order */
};

/* Of one thing found, mostly in SQLite's words. */
typedef void db_bad_fn(void *ctx, enum db_bad kind, const char *text);

/*
 * Checks part number i: first the schema with the list of unused pages, then each table; *more_r: there are further
 * ones. on_bad is called for each thing found. DB_OK also when something was found.
 */
enum db_code db_check_part(struct db *db, size_t i, db_bad_fn *on_bad, void *ctx, bool *more_r);

/*
 * What is sorted goes to files below TMPDIR, or stays in memory, as it does without this. Outside of a
 * transaction; for what may be larger than the memory.
 */
enum db_code db_sort_on_disk(struct db *db, bool on_disk);

/* In a transaction: makes the indexes of part number i anew, and puts its rows in order. */
enum db_code db_check_mend(struct db *db, size_t i);

#endif
