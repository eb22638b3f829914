/*
 * The schema, in PostgreSQL's words (bigint, bytea, text only); sql_schema_sqlite() turns it into
 * SQLite's. Keys start with the account or the queue shard; no AUTOINCREMENT, no foreign keys.
 */
#include "store/sql.h"

#define SCHEMA_VERSION 0 /* 0 while the format may still change without a migration */

static const struct sql_object objects[] = {
    /* How far each pack is committed; sequence: of the commit that last changed the row. */
    {"CREATE TABLE pack ("
     " pack bigint NOT NULL PRIMARY KEY,"
     " generation bigint NOT NULL,"
     " single bigint NOT NULL,"
     " end_offset bigint NOT NULL,"
     " sequence bigint NOT NULL)",
	false},
};

const struct sql_schema *sql_schema(void)
{
	static const struct sql_schema schema = {
	    objects, sizeof objects / sizeof objects[0], SCHEMA_VERSION};

	return &schema;
}
