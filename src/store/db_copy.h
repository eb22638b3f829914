/*
 * A copy of the database as of one moment, made while the writer goes on: SQLite's online backup out of a
 * read transaction, a bounded number of pages at a time. The copy is a database in one file.
 */
#ifndef STORE_DB_COPY_H
#define STORE_DB_COPY_H

#include "store/db.h"

struct db_copy;

/*
 * Begins to copy what `from` (a reader in a transaction, which must stay open) sees into a new file of that
 * name, which is borrowed; one that is there is replaced. NULL with e set on failure.
 */
struct db_copy *db_copy_begin(struct db *from, const char *name, struct err *e);

/* The next pages at most. DB_ROW: more to do; DB_OK: complete; else the failure, in e. */
enum db_code db_copy_step(struct db_copy *c, int pages, struct err *e);

/*
 * Looks through the pages of a complete copy, of one table with its indexes at a time: damage is copied like
 * anything else. DB_ROW: more to look at; DB_OK: all of it is sound; DB_CORRUPT: it is damaged, and e says
 * how, in SQLite's words; else the failure, in e.
 */
enum db_code db_copy_check(struct db_copy *c, struct err *e);

/* Octets in all, and those that are still to copy. After the first step. */
int64_t db_copy_size(const struct db_copy *c);
int64_t db_copy_left(const struct db_copy *c);

/*
 * Sets a row of `meta` in a complete copy, as if the database had had it at that moment. DB_OK, or the failure, in e:
 * nothing is to be made of the copy then.
 */
enum db_code db_copy_put(struct db_copy *c, struct str name, int64_t value, struct err *e);

/* Closes the copy; an incomplete one stays as it is. Takes NULL, sets NULL. */
void db_copy_end(struct db_copy **c);

/* Octets of the database as a reader sees it. */
enum db_code db_size(struct db *db, int64_t *size_r);

#endif
