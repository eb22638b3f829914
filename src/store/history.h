/*
 * What a backup is of: the store's identity, and the marks of backups: which of them it has behind it. A store
 * that was put back to an earlier state has its identity still, and may have grown since; the marks of what
 * came after that state it has not.
 * docs/invariants/backup.md.
 */
#ifndef STORE_HISTORY_H
#define STORE_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "store/db_copy.h"

#define HISTORY_MARKS 4096 /* that are kept: of as many backups */

/* Makes the number that stands for the store, above 0, if it has none. In a transaction of the writer. */
enum db_code history_identify(struct db *db);

/*
 * In a transaction of the caller's: a new mark, above 0, whose commit must come after the moment that it stands for, and
 * takes the place of the oldest one. *mark_r stays as it was unless DB_OK. libsodium is initialised.
 */
enum db_code history_put(struct db *db, int64_t *mark_r);

/*
 * Gives a complete copy of the database the mark of the moment that it is of, so that a store that is put back to it has that.
 * DB_OK, or the failure, in e: nothing is to be made of the copy then.
 */
enum db_code history_put_in_copy(struct db_copy *c, int64_t mark, struct err *e);

/* Is the moment that a mark stands for one of this store's? DB_OK with *has_r set, or a failure. */
enum db_code history_has(struct db *db, int64_t mark, bool *has_r);

#endif
