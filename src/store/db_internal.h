/* What db.c (queries) and db_open.c (connections) share; nobody else includes it. */
#ifndef STORE_DB_INTERNAL_H
#define STORE_DB_INTERNAL_H

#include <sqlite3.h>

#include "store/db_check.h"
#include "store/rows.h"
#include "store/sql_order.h"

#define DB_PARAMS_MAX 40
#define DB_PAGE       4096
#define DB_HINTS      ((size_t)65536) /* memory is taken as they are used */

struct db_query {
	struct db *db;
	sqlite3_stmt *stmt; /* NULL until first used */
	enum sql_id id;
	enum db_code failed;
	bool busy, finished;
	uint8_t nparams;
	uint8_t at[DB_PARAMS_MAX];             /* SQLite's number of $1, $2, ... */
	struct db_value after[SQL_ORDER_KEYS]; /* where it goes on from (store/sql_order.h) */
};

/* Statements that are SQLite's own business and not in the list. */
enum db_control {
	DB_DO_BEGIN_WRITE,
	DB_DO_BEGIN_READ,
	DB_DO_COMMIT,
	DB_DO_ROLLBACK,
	DB_DO_SAVEPOINT,
	DB_DO_RELEASE,
	DB_DO_ROLLBACK_TO,
	DB_CONTROLS
};

struct db {
	uint32_t magic;
	sqlite3 *sqlite;
	enum db_role role;
	unsigned active; /* busy queries */
	int64_t wal_pages;
	int64_t rows[ROWS_TABLES];        /* inserted less deleted, by this transaction */
	int64_t rows_before[ROWS_TABLES]; /* at the savepoint */
	enum db_code code;                /* of the last failure */
	struct err err;
	int64_t *hints; /* NULL until first asked for */
	sqlite3_stmt *controls[DB_CONTROLS];
	struct db_query queries[SQL_COUNT];
};

/*
 * The class of SQLite's code, and the sentence: what was done, SQLite's words, and the reason that the system gave
 * this thread since db_vfs_forget(), with the cure. Aborts when memory is out.
 */
enum db_code db_tell(struct err *e, const char *what, int rc, const char *words);

/* The same of this connection, and records it. */
enum db_code db_fail(struct db *db, int rc, const char *what);

/* Prepares the statement into its slot. */
enum db_code db_prepare(struct db *db, enum sql_id id);
void db_bind(struct db_query *q, const struct db_value *args, size_t n);

enum db_code db_control(struct db *db, enum db_control what);

/*
 * db_check_part() on any connection, without comparing rows with their entries in the indexes: as fast as
 * the pages are read. SQLITE_OK also when something was found.
 */
int db_check_pages(sqlite3 *sqlite, size_t i, db_bad_fn *on_bad, void *ctx, bool *more_r);

#endif
