/* Tables are those of the schema this program knows, so that a damaged schema cannot hide one. */
#include "store/db_check.h"

#include "store/db_internal.h"

#define TABLE "CREATE TABLE "

/* Name of table number i; empty when there are no more. */
static struct str table_name(size_t i)
{
	const struct sql_schema *schema = sql_schema();

	for (size_t n = 0; n < schema->n; n++) {
		struct str text = str_of_c(schema->objects[n].text);
		struct str rest;

		if (!str_has_prefix(text, STR(TABLE)) || i-- > 0)
			continue;
		return str_split(str_from(text, sizeof TABLE - 1), ' ', &rest);
	}
	return STR("");
}

/* The check of that name, on table number i. SQLITE_OK also when something was found. */
static int check(sqlite3 *sqlite, const char *which, size_t i, db_bad_fn *on_bad, void *ctx)
{
	struct str name = table_name(i);
	sqlite3_stmt *stmt = NULL;
	char sql[128];
	int rc;

	snprintf(sql, sizeof sql, "PRAGMA %s('%.*s')", which, STR_FMT(name));
	rc = sqlite3_prepare_v2(sqlite, sql, -1, &stmt, NULL);
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(stmt);
		if (rc == SQLITE_ROW &&
		    !str_eq(str_of_c((const char *)sqlite3_column_text(stmt, 0)), STR("ok")))
			on_bad(ctx, (const char *)sqlite3_column_text(stmt, 0));
	}
	sqlite3_finalize(stmt);
	if ((rc & 0xff) == SQLITE_CORRUPT)
		on_bad(ctx, sqlite3_errmsg(sqlite));
	return rc == SQLITE_DONE || (rc & 0xff) == SQLITE_CORRUPT ? SQLITE_OK : rc;
}

enum db_code db_check_table(struct db *db, size_t i, db_bad_fn *on_bad, void *ctx, bool *more_r)
{
	int rc = check(db->sqlite, "integrity_check", i, on_bad, ctx);

	*more_r = table_name(i + 1).n > 0;
	return rc == SQLITE_OK ? DB_OK : db_fail(db, rc, "integrity_check");
}

int db_check_pages(sqlite3 *sqlite, size_t i, db_bad_fn *on_bad, void *ctx, bool *more_r)
{
	*more_r = table_name(i + 1).n > 0;
	return check(sqlite, "quick_check", i, on_bad, ctx);
}
