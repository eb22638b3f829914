/*
 * The database behind a narrow interface: prepared statements of the one list (store/sql.h), typed
 * values, transactions, classes of failure. Today SQLite in WAL mode; nothing here names it.
 *
 * A connection is used by one thread at a time. The names are relative to the working directory,
 * which is the data directory: the process need not be able to walk its absolute path.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "base/err.h"
#include "base/str.h"
#include "store/sql.h"

struct db;
struct db_query;

enum db_role {
	DB_WRITER, /* the one connection in the world that writes and checkpoints */
	DB_READER, /* read-only */
};

enum db_code {
	DB_OK,
	DB_ROW,        /* db_step: a row is there. Never from anything else */
	DB_BUSY,       /* somebody else holds a lock */
	DB_FULL,       /* no space on the disk, or the database may not grow further */
	DB_IO,         /* reading, writing or syncing failed: after a write, trust nothing */
	DB_CORRUPT,    /* damaged, or no database of ours */
	DB_CONSTRAINT, /* a unique key, NOT NULL or CHECK of the schema */
	DB_ERROR,      /* anything else: a wrong statement, a type that does not fit */
};

/* The name of a code, for messages and tests: "DB_FULL". */
const char *db_code_name(enum db_code code);

#define DB_APPLICATION_ID 0x47574954 /* "GWIT" */

/*
 * Opens a connection; the writer creates the file if there is none. Failure leaves *db_r as it was
 * and puts the story into e: DB_CORRUPT for a file that is not ours, or that a newer version wrote. Such a
 * file, and what lies beside it, the writer leaves as it is, to the last octet.
 */
enum db_code db_open(const char *name, enum db_role role, struct db **db_r, struct err *e);

/* Is it a file that db_open() leaves as it is for being none of ours? e is then its sentence. Changes nothing. */
bool db_is_foreign(const char *name, struct err *e);

/*
 * Is there a database of that name? One of no octets is none. True also when that cannot be found out, and for a
 * link, which db_open() refuses.
 */
bool db_is_there(const char *name);

/* Is the database or its log a link? Links are not followed: e is then the sentence with the cure, else as it was. */
bool db_has_link(const char *name, struct err *e);

/*
 * Closes it; the last writer of a clean shutdown checkpoints. Readers first, then the writer. Takes
 * NULL, sets NULL. Aborts when a query is still in use.
 */
void db_close(struct db **db);

/* After a failed sync: never checkpoints again, not even at the end. */
void db_distrust(struct db *db);

/* The version stored in the database, 0 in a fresh one; written by db_set_version in a transaction. */
enum db_code db_version(struct db *db, int64_t *version_r);
enum db_code db_set_version(struct db *db, int64_t version);

/* Whether anything has been created in the database yet. */
enum db_code db_has_tables(struct db *db, bool *has_r);

/* Prepares every statement now, so that a wrong one is found at the start. */
enum db_code db_prepare_all(struct db *db);

/* Runs statements without parameters separated by ";", results ignored: for the schema. */
enum db_code db_script(struct db *db, const char *sql);

/*
 * What was read cannot be: notes it as the last failure, in a few words. Always DB_CORRUPT. For who finds out
 * what SQLite does not.
 */
enum db_code db_damaged(struct db *db, const char *what);

/* What helps when rows or pages of the database are damaged. Short, for values of the log are cut. */
#define DB_CURE                                                                                    \
	"stop the server and run `godwit store repair`, or, if that cannot, `godwit store salvage" \
	" ADDRESS`"

/*
 * What failed last on this connection, and its class. Valid until the next failure. With a reason of the system
 * it names what helps against that, as err_sys() does.
 */
const char *db_error(const struct db *db);

/* What helps against damage, to be put behind it: empty for other failures, or begun with "; ". */
const char *db_cure(const struct db *db);
enum db_code db_error_code(const struct db *db);

/* ---- values ---- */

enum db_type {
	DB_NULL,
	DB_INT,
	DB_TEXT,
	DB_BYTES
};

struct db_value {
	enum db_type type;
	int64_t i;
	struct str s;
};

static inline struct db_value db_int(int64_t i)
{
	return (struct db_value){.type = DB_INT, .i = i};
}

/* UTF-8 text. */
static inline struct db_value db_text(struct str s)
{
	return (struct db_value){.type = DB_TEXT, .s = s};
}

static inline struct db_value db_bytes(struct str s)
{
	return (struct db_value){.type = DB_BYTES, .s = s};
}

static inline struct db_value db_null(void)
{
	return (struct db_value){.type = DB_NULL};
}

/* Arguments in the order $1, $2, ...: DB_ARGS(db_int(7), db_text(name)); none: DB_NO_ARGS. */
#define DB_ARGS(...)                                                                               \
	(const struct db_value[]){__VA_ARGS__},                                                    \
	    sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value)
#define DB_NO_ARGS NULL, 0

/* ---- statements ---- */

/*
 * Begins a statement with its arguments; the bytes of text and blobs must live until db_end. The
 * same statement may not be begun again on this connection before db_end (aborts); a number of
 * arguments that differs from the statement's parameters aborts. Never NULL: failures show in
 * db_step. A statement is prepared at its first use and kept.
 */
struct db_query *db_begin_query(
    struct db *db, enum sql_id id, const struct db_value *args, size_t n);

/* DB_ROW: a row is there. DB_OK: no more. Else the failure, which every further step repeats. */
enum db_code db_step(struct db_query *q);

/* Columns of the row at hand, from 0. NULL reads as 0 or empty. Views live until the next step or end. */
int64_t db_col_int(struct db_query *q, int col);
struct str db_col_str(struct db_query *q, int col);
bool db_col_is_null(struct db_query *q, int col);

/* A number that stands for one of `count` words; what stands for none, as on a disk that lies, is `other`. */
int64_t db_col_word(struct db_query *q, int col, int64_t count, int64_t other);
int64_t db_word(int64_t value, int64_t count, int64_t other);

/* Ends the statement at any point: DB_OK, or the failure that db_step met. */
enum db_code db_end(struct db_query *q);

/* All of it at once, rows ignored; *changes_r (may be NULL): rows written. */
enum db_code db_exec(
    struct db *db, enum sql_id id, const struct db_value *args, size_t n, int64_t *changes_r);

/* The one integer of the first row: DB_ROW and *value_r; DB_OK, untouched, when there is no row. */
enum db_code db_get_int(
    struct db *db, enum sql_id id, const struct db_value *args, size_t n, int64_t *value_r);

/*
 * A place for a number that who asks has found under that hash, 0 at first; another hash may take it over. It is
 * a hint: what it leads to must be looked at. It outlives commits, of this connection and of others.
 */
int64_t *db_hint(struct db *db, uint64_t hash);

/* ---- transactions ---- */

/* The writer takes the write lock at once; a reader sees one state until db_rollback. */
enum db_code db_begin(struct db *db);

/* With the counters of tables whose rows became more or fewer (store/rows.h). */
enum db_code db_commit(struct db *db);

/* Ends the transaction without its effects; does nothing when there is none. */
enum db_code db_rollback(struct db *db);

/* One savepoint inside the transaction: set, forget (keep the work), go back to it and forget. */
enum db_code db_savepoint(struct db *db);
enum db_code db_release(struct db *db);
enum db_code db_rollback_to(struct db *db);

/* False after an error that took back the whole transaction (a full disk, some I/O errors). */
bool db_in_transaction(const struct db *db);

/* ---- write-ahead log; writer only ---- */

/* Bytes of the log that are not yet checkpointed or not yet reused, after the last commit. */
int64_t db_wal_bytes(const struct db *db);

/*
 * Copies what no reader needs from the log into the database and syncs; waits for nobody. Starts
 * the log anew at the next write when *all_r (everything was copied).
 */
enum db_code db_checkpoint(struct db *db, bool *all_r);

/*
 * When a good part of the database is unused pages, gives at most some of them back to the file
 * system, in a transaction of its own; does nothing otherwise. For idle moments.
 */
enum db_code db_shrink(struct db *db);

#endif
