/*
 * How many rows some tables have, kept in meta: rows that nothing else would miss are missed when somebody
 * removes them by hand. The connection counts what its statements insert and delete, and puts the sums into
 * meta with the commit (store/db.c): a statement for each table whose number changed, for all requests of a
 * batch together.
 */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include "store/db.h"

enum rows_table {
	ROWS_ADMIN_LOG,
	ROWS_ALIAS,
	ROWS_CHANGE,
	ROWS_DOMAIN,
	ROWS_MAILBOX,
	ROWS_MESSAGE,
	ROWS_TRACE,
	ROWS_TRACE_INDEX,
	ROWS_TABLES
};

/* 1: the statement inserts rows of *table_r, -1: it deletes them, 0: it does neither. */
int rows_effect(enum sql_id id, enum rows_table *table_r);

/* The counter in meta: "rows_alias". */
struct str rows_name(enum rows_table table);

/* That the numbers differ, in a sentence. */
const char *rows_text(enum rows_table table);

/* What is there, and how many there should be: in one read. Alike also when there is no counter. */
enum db_code rows_count(struct db *db, enum rows_table table, int64_t *there_r, int64_t *should_r);

#endif
