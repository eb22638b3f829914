/*
 * Tables are those of the schema this program knows, so that a damaged schema cannot hide one; what the database
 * says of each is compared with what a fresh one says. SQLite looks at the list of unused pages when it is asked for
 * the table of the schema alone.
 */
#include "store/db_check.h"

#include "base/limits.h"
#include "store/db_internal.h"

#define TABLE "CREATE TABLE "

/* What is NULL in a damaged one is as good as empty. */
#define OBJECTS                                                                                    \
	"SELECT coalesce(type, ''), coalesce(name, ''), coalesce(tbl_name, ''),"                   \
	" coalesce(sql, '') FROM main.sqlite_schema"

/* What changes what statements do. */
#define ACTING " WHERE type = 'trigger' OR (type = 'index' AND sql LIKE 'CREATE UNIQUE %')"

struct checking {
	sqlite3 *sqlite;
	db_bad_fn *on_bad;
	void *ctx;
};

/* Name of part number i; empty when there are no more. */
static struct str part_name(size_t i)
{
	const struct sql_schema *schema = sql_schema();

	if (i-- == 0)
		return STR("sqlite_schema");
	for (size_t n = 0; n < schema->n; n++) {
		struct str text = str_of_c(schema->objects[n].text);
		struct str rest;

		if (!str_has_prefix(text, STR(TABLE)) || i-- > 0)
			continue;
		return str_split(str_from(text, sizeof TABLE - 1), ' ', &rest);
	}
	return STR("");
}

/* ---- pages ---- */

static enum db_bad kind_of(struct str text)
{
	static const struct str of_index[] = {STR_INIT(" missing from index "),
	    STR_INIT("wrong # of entries in index "), STR_INIT("non-unique entry in index "),
	    STR_INIT("row not in PRIMARY KEY order for ")};

	for (size_t i = 0; i < sizeof of_index / sizeof *of_index; i++)
		if (memmem(text.p, text.n, of_index[i].p, of_index[i].n))
			return DB_BAD_INDEX;
	return DB_BAD_PAGES;
}

static void on_line(const struct checking *c, const char *line)
{
	if (line && !str_eq(str_of_c(line), STR("ok")))
		c->on_bad(c->ctx, kind_of(str_of_c(line)), line);
}

/* The check of that name, of a table. SQLITE_OK also when something was found. */
static int check(const struct checking *c, const char *which, struct str name)
{
	sqlite3_stmt *stmt = NULL;
	char sql[128];
	int rc;

	snprintf(sql, sizeof sql, "PRAGMA %s('%.*s')", which, STR_FMT(name));
	rc = sqlite3_prepare_v2(c->sqlite, sql, -1, &stmt, NULL);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(stmt);
		if (rc == SQLITE_ROW)
			on_line(c, (const char *)sqlite3_column_text(stmt, 0));
	}
	sqlite3_finalize(stmt);
	if ((rc & 0xff) == SQLITE_CORRUPT)
		c->on_bad(c->ctx, DB_BAD_PAGES, sqlite3_errmsg(c->sqlite));
	return rc == SQLITE_DONE || (rc & 0xff) == SQLITE_CORRUPT ? SQLITE_OK : rc;
}

/* ---- the schema ---- */

/* A database in memory with the schema as it should be. */
static int open_fresh(sqlite3 **fresh)
{
	struct buf script;
	int rc = sqlite3_open_v2(":memory:", fresh,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);

	buf_init(&script, MIB);
	sql_schema_sqlite(&script, sql_schema());
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(*fresh, buf_cstr(&script), NULL, NULL, NULL);
	buf_fini(&script);
	return rc;
}

/* Whether the other schema has the object of the row at hand. */
static int look_up(sqlite3_stmt *find, sqlite3_stmt *row, bool *found_r)
{
	int rc = SQLITE_OK;

	for (int i = 0; i < 4 && rc == SQLITE_OK; i++)
		rc = sqlite3_bind_value(find, i + 1, sqlite3_column_value(row, i));
	if (rc == SQLITE_OK)
		rc = sqlite3_step(find);
	*found_r = rc == SQLITE_ROW;
	(void)sqlite3_reset(find);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void tell(const struct checking *c, sqlite3_stmt *row, const char *what)
{
	char text[256];

	snprintf(text, sizeof text, "the schema %s %s %s", what,
	    (const char *)sqlite3_column_text(row, 0), (const char *)sqlite3_column_text(row, 1));
	c->on_bad(c->ctx, DB_BAD_PAGES, text);
}

/* Objects of one schema that the other has not, or has otherwise. */
static int compare(
    const struct checking *c, sqlite3 *one, const char *which, sqlite3 *other, const char *what)
{
	sqlite3_stmt *rows = NULL, *find = NULL;
	int rc = sqlite3_prepare_v2(one, which, -1, &rows, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(other,
		    OBJECTS " WHERE type = ?1 AND name = ?2 AND tbl_name = ?3"
			    " AND coalesce(sql, '') = ?4",
		    -1, &find, NULL);
	while (rc == SQLITE_OK && (rc = sqlite3_step(rows)) == SQLITE_ROW) {
		bool found = false;

		rc = look_up(find, rows, &found);
		if (rc == SQLITE_OK && !found)
			tell(c, rows, what);
	}
	sqlite3_finalize(rows);
	sqlite3_finalize(find);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/*
 * Tables that somebody made beside ours do no harm, nor do indexes that only find rows; what works on ours does:
 * triggers, and indexes that refuse a row. Of a database of another version nothing is said.
 */
static int check_schema(const struct checking *c)
{
	sqlite3 *fresh = NULL;
	int rc = open_fresh(&fresh);

	if (rc == SQLITE_OK)
		rc = compare(c, fresh, OBJECTS, c->sqlite, "has not, or has changed, the");
	if (rc == SQLITE_OK)
		rc = compare(
		    c, c->sqlite, OBJECTS ACTING, fresh, "has, beside what it should have, the");
	(void)sqlite3_close(fresh);
	return (rc & 0xff) == SQLITE_CORRUPT ? SQLITE_OK : rc; /* the check of its pages has told */
}

/* ---- parts ---- */

enum db_code db_check_part(struct db *db, size_t i, db_bad_fn *on_bad, void *ctx, bool *more_r)
{
	struct checking c = {db->sqlite, on_bad, ctx};
	int rc = check(&c, "integrity_check", part_name(i));
	int64_t version = 0;
	enum db_code code = rc == SQLITE_OK ? db_version(db, &version)
					    : db_fail(db, rc, "integrity_check");

	*more_r = part_name(i + 1).n > 0;
	if (code != DB_OK || i > 0 || version != sql_schema()->version)
		return code;
	rc = check_schema(&c);
	return rc == SQLITE_OK ? DB_OK : db_fail(db, rc, "the schema compared");
}

int db_check_pages(sqlite3 *sqlite, size_t i, db_bad_fn *on_bad, void *ctx, bool *more_r)
{
	struct checking c = {sqlite, on_bad, ctx};

	*more_r = part_name(i + 1).n > 0;
	return check(&c, "quick_check", part_name(i));
}

enum db_code db_check_mend(struct db *db, size_t i)
{
	char sql[128];

	snprintf(sql, sizeof sql, "REINDEX main.%.*s", STR_FMT(part_name(i)));
	return db_script(db, sql);
}

enum db_code db_sort_on_disk(struct db *db, bool on_disk)
{
	return db_script(db, on_disk ? "PRAGMA temp_store = FILE" : "PRAGMA temp_store = MEMORY");
}
