/* The database's own check of its pages, a table with its indexes at a time. */
#ifndef STORE_DB_CHECK_H
#define STORE_DB_CHECK_H

#include "store/db.h"

/* Of one thing found, in SQLite's words. */
typedef void db_bad_fn(void *ctx, const char *text);

/*
 * Checks table number i of the schema; *more_r: there are further ones. on_bad is called for each thing
 * found, in SQLite's words. DB_OK also when something was found.
 */
enum db_code db_check_table(struct db *db, size_t i, db_bad_fn *on_bad, void *ctx, bool *more_r);

#endif
