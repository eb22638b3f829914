/*
 * A damaged page ends a scan: what is before it came with the scan upwards, what is behind it with the
 * one downwards. Between several damaged pages lie rows that neither has reached: there a key in the
 * middle is looked up, and scans go both ways from it, the widest gaps first, until PROBES were made.
 */
#include "store/salvage_rows.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/db_internal.h"
#include "store/db_look.h"

#define PROBES        4096 /* of one table */
#define ROWS_A_COMMIT 20000

struct table {
	struct str name;
	struct str columns; /* "a, b, c" */
	struct str marks;   /* "?, ?, ?" */
	struct str key;     /* by whose order the rows lie: "rowid", or "account, mailbox, uid" */
	struct str down;    /* the same backwards */
	struct str first;   /* the first column of it */
	bool by_number;     /* that is a number */
};

struct range {
	int64_t from, to;
};

struct copying {
	struct salvage_rows *r;
	struct db *to;
	struct arena *arena; /* of the tables */
	struct table t;
	sqlite3_stmt *put;
	struct range ranges[2 * PROBES + 1]; /* that no scan has reached */
	size_t at, n;
	int64_t got, last; /* rows of the scan, the first key column of the last one */
	int64_t uncommitted;
	enum db_code code; /* of the new database */
};

/* ---- the old database ---- */

static int64_t ask(sqlite3 *sqlite, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	int64_t n = -1;

	if (sqlite3_prepare_v2(sqlite, sql, -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

bool salvage_rows_open(struct salvage_rows *r, const char *name)
{
	bool opened = db_look_open(name, &r->old) == SQLITE_OK;
	int64_t there = opened ? db_look_version(r->old) : 0;

	/* One object of the schema that cannot be read would hide all the others. */
	opened = opened &&
		 sqlite3_exec(r->old, "PRAGMA writable_schema = 1", NULL, NULL, NULL) == SQLITE_OK;
	/* what the tables say counts: a number may have flipped */
	r->version = there ? there : opened ? ask(r->old, "PRAGMA user_version") : -1;
	if (r->version < 1 || ask(r->old, "SELECT count(*) FROM sqlite_schema") <= 0) {
		salvage_rows_close(r);
		return true;
	}
	if (r->version > sql_schema()->version) {
		err_set(&r->err,
		    "the database was written by a newer version of this program: use that version");
		salvage_rows_close(r);
		return false;
	}
	return true;
}

void salvage_rows_close(struct salvage_rows *r)
{
	(void)sqlite3_close(r->old);
	r->old = NULL;
}

void salvage_rows_schema(struct salvage_rows *r, struct buf *script, int64_t *version_r)
{
	sqlite3_stmt *stmt = NULL;

	*version_r = sql_schema()->version;
	if (!r->old || r->version == *version_r) {
		sql_schema_sqlite(script, sql_schema());
		return;
	}
	*version_r = r->version;
	(void)sqlite3_prepare_v2(r->old,
	    "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type = 'index'", -1,
	    &stmt, NULL);
	while (stmt && sqlite3_step(stmt) == SQLITE_ROW)
		buf_printf(script, "%s;\n", (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
}

void salvage_rows_pack(
    struct salvage_rows *r, int64_t pack, int64_t *end_r, int64_t *generation_r, bool *single_r)
{
	sqlite3_stmt *stmt = NULL;

	*end_r = *generation_r = 0;
	*single_r = false;
	if (!r->old)
		return;
	if (sqlite3_prepare_v2(r->old,
		"SELECT end_offset, generation, single FROM pack WHERE pack = ?", -1, &stmt,
		NULL) == SQLITE_OK &&
	    sqlite3_bind_int64(stmt, 1, pack) == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
		*end_r = sqlite3_column_int64(stmt, 0);
		*generation_r = sqlite3_column_int64(stmt, 1);
		*single_r = sqlite3_column_int64(stmt, 2) != 0;
	}
	sqlite3_finalize(stmt);
}

/* ---- rows ---- */

static enum db_code commit_some(struct copying *c, int64_t rows)
{
	bool all;
	enum db_code code;

	c->uncommitted += rows;
	if (c->uncommitted < ROWS_A_COMMIT)
		return DB_OK;
	c->uncommitted = 0;
	code = db_commit(c->to);
	if (code == DB_OK)
		code = db_checkpoint(c->to, &all);
	return code == DB_OK ? db_begin(c->to) : code;
}

/* A row that does not fit the schema is damaged: it is left out. */
static void put_row(struct copying *c, sqlite3_stmt *row)
{
	int columns = sqlite3_column_count(row) - 1, rc = SQLITE_OK;
	int64_t rows;

	for (int i = 0; i < columns && rc == SQLITE_OK; i++)
		rc = sqlite3_bind_value(c->put, i + 1, sqlite3_column_value(row, i));
	if (rc == SQLITE_OK)
		rc = sqlite3_step(c->put);
	(void)sqlite3_reset(c->put);
	if (rc == SQLITE_DONE) {
		rows = sqlite3_changes64(c->to->sqlite); /* 0: it is there already */
		c->r->rows += rows;
		c->code = commit_some(c, rows);
	} else if ((rc & 0xff) != SQLITE_CONSTRAINT && (rc & 0xff) != SQLITE_MISMATCH) {
		c->code = db_fail(c->to, rc, "a row taken over");
	}
}

/* Reads the range in one direction; true: to its end. */
static bool scan(struct copying *c, struct range within, bool down)
{
	const struct table *t = &c->t;
	sqlite3_stmt *row = NULL;
	struct buf sql;
	int rc;

	c->got = 0;
	buf_init(&sql, 8 * KIB);
	buf_printf(&sql, "SELECT %.*s, %.*s FROM %.*s NOT INDEXED", STR_FMT(t->columns),
	    STR_FMT(t->first), STR_FMT(t->name));
	if (t->by_number)
		buf_printf(&sql, " WHERE %.*s BETWEEN %lld AND %lld", STR_FMT(t->first),
		    (long long)within.from, (long long)within.to);
	buf_printf(&sql, " ORDER BY %.*s", STR_FMT(down ? t->down : t->key));
	rc = sqlite3_prepare_v2(c->r->old, buf_cstr(&sql), -1, &row, NULL);
	buf_fini(&sql);
	while (rc == SQLITE_OK && c->code == DB_OK && (rc = sqlite3_step(row)) == SQLITE_ROW) {
		c->last = sqlite3_column_int64(row, sqlite3_column_count(row) - 1);
		c->got++;
		put_row(c, row);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(row);
	return rc == SQLITE_DONE;
}

/* ---- gaps ---- */

static void add_range(struct copying *c, int64_t from, int64_t to)
{
	if (from <= to && c->n < sizeof c->ranges / sizeof *c->ranges)
		c->ranges[c->n++] = (struct range){from, to};
}

/* Looks in the middle of a gap, and reads on from there in both directions. */
static void probe(struct copying *c, struct range gap)
{
	int64_t middle = gap.from + (int64_t)(((uint64_t)gap.to - (uint64_t)gap.from) / 2);

	if (!scan(c, (struct range){middle, gap.to}, false))
		add_range(c, (c->got ? c->last : middle) + 1, gap.to);
	if (middle > gap.from && !scan(c, (struct range){gap.from, middle - 1}, true))
		add_range(c, gap.from, (c->got ? c->last : middle) - 1);
}

static void copy_table(struct copying *c)
{
	struct range all = {INT64_MIN, INT64_MAX};

	c->at = c->n = 0;
	if (scan(c, all, false) || c->code != DB_OK)
		return;
	c->r->tables++;
	if (str_eq(c->t.name, STR("blob")))
		c->r->has_index = false;
	if (c->got)
		all.from = c->last == INT64_MAX ? c->last : c->last + 1;
	if (!scan(c, (struct range){INT64_MIN, INT64_MAX}, true) && c->got)
		all.to = c->last == INT64_MIN ? c->last : c->last - 1;
	if (!c->t.by_number)
		return;
	add_range(c, all.from, all.to);
	for (int i = 0; i < PROBES && c->at < c->n && c->code == DB_OK; i++)
		probe(c, c->ranges[c->at++]);
}

/* ---- tables ---- */

static struct str text_of(struct copying *c, sqlite3_stmt *stmt, int column)
{
	return arena_str(c->arena, str_of_c((const char *)sqlite3_column_text(stmt, column)));
}

static bool prepare_put(struct copying *c)
{
	const struct table *t = &c->t;
	bool has_defaults = str_eq(t->name, STR("meta")); /* of the fresh schema */
	struct buf sql;
	int rc;

	buf_init(&sql, 8 * KIB);
	buf_printf(&sql, "INSERT OR %s INTO %.*s (%.*s) VALUES (%.*s)",
	    has_defaults ? "REPLACE" : "IGNORE", STR_FMT(t->name), STR_FMT(t->columns),
	    STR_FMT(t->marks));
	rc = sqlite3_prepare_v2(c->to->sqlite, buf_cstr(&sql), -1, &c->put, NULL);
	buf_fini(&sql);
	if (rc != SQLITE_OK)
		c->code = db_fail(c->to, rc, "a table taken over");
	return rc == SQLITE_OK;
}

/*
 * All tables of the new database but that of the packs. Rows lie in the order of the primary key
 * where there is no rowid.
 */
static const char tables[] =
    "SELECT l.name, (SELECT group_concat(name, ', ') FROM pragma_table_info(l.name)),"
    " (SELECT group_concat('?', ', ') FROM pragma_table_info(l.name)),"
    " CASE WHEN l.wr THEN (SELECT group_concat(name, ', ') FROM (SELECT name FROM"
    " pragma_table_info(l.name) WHERE pk > 0 ORDER BY pk)) ELSE 'rowid' END,"
    " CASE WHEN l.wr THEN (SELECT group_concat(name || ' DESC', ', ') FROM (SELECT name FROM"
    " pragma_table_info(l.name) WHERE pk > 0 ORDER BY pk)) ELSE 'rowid DESC' END,"
    " CASE WHEN l.wr THEN (SELECT name FROM pragma_table_info(l.name) WHERE pk = 1) ELSE 'rowid' END,"
    " NOT l.wr OR (SELECT lower(type) = 'integer' FROM pragma_table_info(l.name) WHERE pk = 1)"
    " FROM pragma_table_list l WHERE l.schema = 'main' AND l.type = 'table'"
    " AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND l.name <> 'pack'";

/* All of them, before rows are copied: a statement that is under way keeps a checkpoint from its work. */
static struct table *list_tables(struct copying *c, size_t *n_r)
{
	struct table *v = NULL;
	sqlite3_stmt *list = NULL;
	size_t n = 0;
	int rc = sqlite3_prepare_v2(c->to->sqlite, tables, -1, &list, NULL);

	while (rc == SQLITE_OK && (rc = sqlite3_step(list)) == SQLITE_ROW) {
		v = mem_resize(v, (n + 1) * sizeof *v);
		v[n++] = (struct table){text_of(c, list, 0), text_of(c, list, 1),
		    text_of(c, list, 2), text_of(c, list, 3), text_of(c, list, 4),
		    text_of(c, list, 5), sqlite3_column_int64(list, 6) != 0};
		rc = SQLITE_OK;
	}
	sqlite3_finalize(list);
	if (rc != SQLITE_DONE)
		c->code = db_fail(c->to, rc, "the list of tables");
	*n_r = n;
	return v;
}

static void copy_tables(struct copying *c)
{
	size_t n;
	struct table *v = list_tables(c, &n);

	if (c->code == DB_OK)
		c->code = db_begin(c->to);
	for (size_t i = 0; i < n && c->code == DB_OK; i++) {
		c->t = v[i];
		if (prepare_put(c))
			copy_table(c);
		sqlite3_finalize(c->put);
		c->put = NULL;
	}
	mem_free(v);
	if (c->code == DB_OK)
		c->code = db_commit(c->to);
}

enum db_code salvage_rows_copy(struct salvage_rows *r, struct db *to)
{
	struct copying *c = mem_new(struct copying);
	enum db_code code;

	c->r = r;
	c->to = to;
	r->has_index = r->old != NULL;
	c->arena = arena_new();
	c->code = DB_OK;
	if (r->old)
		copy_tables(c);
	code = c->code;
	if (code != DB_OK)
		err_set(&r->err, "%s", db_error(to));
	(void)db_rollback(to);
	arena_free(&c->arena);
	mem_free(c);
	return code;
}
