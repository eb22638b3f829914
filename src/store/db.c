/*
 * SQLite behind the narrow interface. Statements are prepared at first use and kept; arguments
 * are bound by the name $k, because SQLite numbers parameters by first appearance.
 *
 * Invariants: a query is busy from db_begin_query to db_end; no query is busy when a transaction
 * or savepoint ends; one that goes on from a key gives no row that is not behind it
 * (store/sql_order.h); db->err describes the last failure.
 */
#include "store/db.h"

#include "base/mem.h"
#include "store/db_internal.h"
#include "store/db_vfs.h"

/* The bytes of text live until db_end. */
static void note_after(struct db_query *q, const struct db_value *args)
{
	const struct sql_order *o = sql_order(q->id);

	for (size_t i = 0; i < o->n; i++)
		q->after[i] = args[o->key[i].param - 1];
}

struct db_query *db_begin_query(
    struct db *db, enum sql_id id, const struct db_value *args, size_t n)
{
	struct db_query *q = &db->queries[id];

	BUG_ON((size_t)id >= SQL_COUNT || q->busy);
	db_vfs_forget();
	q->busy = true;
	q->finished = false;
	q->failed = DB_OK;
	db->active++;
	if (!q->stmt)
		q->failed = db_prepare(db, id);
	if (q->failed == DB_OK)
		db_bind(q, args, n);
	if (q->failed == DB_OK)
		note_after(q, args);
	return q;
}

void db_bind(struct db_query *q, const struct db_value *args, size_t n)
{
	BUG_ON(n != q->nparams);
	for (size_t i = 0; i < n; i++) {
		const struct db_value *v = &args[i];
		/* A NULL pointer would bind NULL; empty text is not NULL. */
		const char *p = v->s.n ? (const char *)v->s.p : "";
		int rc = SQLITE_OK;

		switch (v->type) {
		case DB_NULL:
			rc = sqlite3_bind_null(q->stmt, q->at[i]);
			break;
		case DB_INT:
			rc = sqlite3_bind_int64(q->stmt, q->at[i], v->i);
			break;
		case DB_TEXT:
			rc = sqlite3_bind_text64(
			    q->stmt, q->at[i], p, v->s.n, SQLITE_STATIC, SQLITE_UTF8);
			break;
		case DB_BYTES:
			rc = sqlite3_bind_blob64(q->stmt, q->at[i], p, v->s.n, SQLITE_STATIC);
			break;
		}
		if (rc != SQLITE_OK) {
			q->failed = db_fail(q->db, rc, sql_statement(q->id)->name);
			return;
		}
	}
}

/* Before anything else runs on the connection. */
static void note_rows(struct db_query *q)
{
	enum rows_table table;
	int effect = rows_effect(q->id, &table);

	if (effect == 0)
		return;
	BUG_ON(!db_in_transaction(q->db)); /* it would never be put into meta */
	q->db->rows[table] += effect * sqlite3_changes64(q->db->sqlite);
}

/* As the schema orders text: by octets. */
static int compare_text(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int side = n ? memcmp(a.p, b.p, n) : 0;

	return side ? side : (a.n > b.n) - (a.n < b.n);
}

static int compare(struct db_query *q, int col, const struct db_value *v)
{
	int64_t n;

	if (v->type != DB_INT)
		return compare_text(db_col_str(q, col), v->s);
	n = db_col_int(q, col);
	return (n > v->i) - (n < v->i);
}

/* The row lies where a statement that goes on from a key can give it. */
static bool is_in_order(struct db_query *q)
{
	const struct sql_order *o = sql_order(q->id);
	int side = 0;

	for (size_t i = 0; i < o->n && side == 0; i++)
		side = compare(q, o->key[i].col, &q->after[i]);
	switch ((enum sql_order_kind)o->kind) {
	case SQL_ORDER_NONE:
		return true;
	case SQL_ORDER_BEHIND:
		return side > 0;
	case SQL_ORDER_FROM:
		return side >= 0;
	case SQL_ORDER_BEFORE:
		return side < 0;
	}
	return true;
}

static enum db_code out_of_order(struct db_query *q)
{
	char what[80];

	snprintf(what, sizeof what, "%s: rows lie out of order", sql_statement(q->id)->name);
	q->finished = true;
	return q->failed = db_damaged(q->db, what);
}

enum db_code db_step(struct db_query *q)
{
	int rc;

	BUG_ON(!q->busy);
	if (q->failed != DB_OK || q->finished)
		return q->failed;
	rc = sqlite3_step(q->stmt);
	if (rc == SQLITE_ROW)
		return is_in_order(q) ? DB_ROW : out_of_order(q);
	q->finished = true; /* a further sqlite3_step would begin anew */
	if (rc != SQLITE_DONE)
		q->failed = db_fail(q->db, rc, sql_statement(q->id)->name);
	else
		note_rows(q);
	return q->failed;
}

int64_t db_col_int(struct db_query *q, int col)
{
	BUG_ON(!q->busy || col >= sqlite3_data_count(q->stmt));
	return sqlite3_column_int64(q->stmt, col);
}

int64_t db_word(int64_t value, int64_t count, int64_t other)
{
	return value >= 0 && value < count ? value : other;
}

int64_t db_col_word(struct db_query *q, int col, int64_t count, int64_t other)
{
	return db_word(db_col_int(q, col), count, other);
}

struct str db_col_str(struct db_query *q, int col)
{
	const void *p;

	BUG_ON(!q->busy || col >= sqlite3_data_count(q->stmt));
	p = sqlite3_column_blob(q->stmt, col);
	return (struct str){p, p ? (size_t)sqlite3_column_bytes(q->stmt, col) : 0};
}

bool db_col_is_null(struct db_query *q, int col)
{
	BUG_ON(!q->busy || col >= sqlite3_data_count(q->stmt));
	return sqlite3_column_type(q->stmt, col) == SQLITE_NULL;
}

enum db_code db_end(struct db_query *q)
{
	BUG_ON(!q->busy);
	if (q->stmt)
		(void)sqlite3_reset(q->stmt); /* repeats the error of the step, which is known */
	q->busy = false;
	q->db->active--;
	return q->failed;
}

enum db_code db_exec(
    struct db *db, enum sql_id id, const struct db_value *args, size_t n, int64_t *changes_r)
{
	struct db_query *q = db_begin_query(db, id, args, n);

	while (db_step(q) == DB_ROW)
		;
	if (q->failed == DB_OK && changes_r)
		*changes_r = sqlite3_changes64(db->sqlite);
	return db_end(q);
}

enum db_code db_get_int(
    struct db *db, enum sql_id id, const struct db_value *args, size_t n, int64_t *value_r)
{
	struct db_query *q = db_begin_query(db, id, args, n);
	bool found = db_step(q) == DB_ROW;
	int64_t value = found ? db_col_int(q, 0) : 0;

	while (!q->finished && q->failed == DB_OK)
		(void)db_step(q);
	if (q->failed != DB_OK || !found)
		return db_end(q);
	(void)db_end(q);
	*value_r = value;
	return DB_ROW;
}

int64_t *db_hint(struct db *db, uint64_t hash)
{
	if (!db->hints)
		db->hints = mem_array(DB_HINTS, sizeof *db->hints);
	return &db->hints[hash % DB_HINTS];
}

enum db_code db_script(struct db *db, const char *sql)
{
	int rc;

	db_vfs_forget();
	rc = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? DB_OK : db_fail(db, rc, "script");
}

/* ---- transactions ---- */

enum db_code db_begin(struct db *db)
{
	memset(db->rows, 0, sizeof db->rows);
	return db_control(db, db->role == DB_WRITER ? DB_DO_BEGIN_WRITE : DB_DO_BEGIN_READ);
}

/* What is not counted, by a schema of before, has no row there. */
static enum db_code put_rows(struct db *db)
{
	enum db_code code = DB_OK;

	for (enum rows_table t = 0; t < ROWS_TABLES && code == DB_OK; t++) {
		if (db->rows[t])
			code = db_exec(db, SQL_META_ADD,
			    DB_ARGS(db_text(rows_name(t)), db_int(db->rows[t])), NULL);
		if (code == DB_OK)
			db->rows[t] = 0;
	}
	return code;
}

enum db_code db_commit(struct db *db)
{
	enum db_code code = put_rows(db);

	BUG_ON(db->active);
	return code == DB_OK ? db_control(db, DB_DO_COMMIT) : code;
}

enum db_code db_rollback(struct db *db)
{
	BUG_ON(db->active);
	return db_in_transaction(db) ? db_control(db, DB_DO_ROLLBACK) : DB_OK;
}

enum db_code db_savepoint(struct db *db)
{
	memcpy(db->rows_before, db->rows, sizeof db->rows);
	return db_control(db, DB_DO_SAVEPOINT);
}

enum db_code db_release(struct db *db)
{
	BUG_ON(db->active);
	return db_control(db, DB_DO_RELEASE);
}

enum db_code db_rollback_to(struct db *db)
{
	enum db_code code;

	BUG_ON(db->active);
	code = db_control(db, DB_DO_ROLLBACK_TO);
	memcpy(db->rows, db->rows_before, sizeof db->rows);
	return code == DB_OK ? db_control(db, DB_DO_RELEASE) : code;
}

bool db_in_transaction(const struct db *db)
{
	return !sqlite3_get_autocommit(db->sqlite);
}

/* ---- write-ahead log ---- */

int64_t db_wal_bytes(const struct db *db)
{
	return db->wal_pages * DB_PAGE;
}

enum db_code db_checkpoint(struct db *db, bool *all_r)
{
	int in_log = 0, copied = 0, rc;

	BUG_ON(db->role != DB_WRITER || db_in_transaction(db));
	db_vfs_forget();
	rc = sqlite3_wal_checkpoint_v2(
	    db->sqlite, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied);
	if (rc != SQLITE_OK)
		return db_fail(db, rc, "checkpoint");
	*all_r = copied == in_log;
	db->wal_pages = *all_r ? 0 : in_log;
	return DB_OK;
}
