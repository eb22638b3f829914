/* All statements of the store, by name. Their texts stand in store/sql_statements.h, nowhere else. */
#ifndef STORE_SQL_H
#define STORE_SQL_H

#include "base/buf.h"

enum sql_id {
#define SQL(id, text)              SQL_##id,
#define SQL_PG(id, text, postgres) SQL_##id,
#include "store/sql_statements.h"
#undef SQL
#undef SQL_PG
	SQL_COUNT
};

struct sql_statement {
	const char *name;
	const char *sqlite;
	const char *postgres; /* the same text unless overridden */
};

/* Never NULL; aborts for an id that is none. */
const struct sql_statement *sql_statement(enum sql_id id);

/* One CREATE TABLE or CREATE INDEX, without its ";". The text is PostgreSQL's. */
struct sql_object {
	const char *text;
	bool keyed; /* SQLite: rows lie in the order of the primary key (WITHOUT ROWID) */
};

struct sql_schema {
	const struct sql_object *objects;
	size_t n;
	int version;
};

/* The schema of a fresh database (store/sql_schema.c). */
const struct sql_schema *sql_schema(void);

/*
 * The script that makes the schema on SQLite: bigint and bytea become integer and blob, tables
 * become STRICT. Appended to out.
 */
void sql_schema_sqlite(struct buf *out, const struct sql_schema *schema);

#endif
