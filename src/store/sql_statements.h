/*
 * Every SQL statement of the store: SQL(ID, text) where one text serves SQLite 3.40 and PostgreSQL
 * 15, SQL_PG(ID, sqlite, postgres) where that cannot be (say why above it). Parameters are $1, $2,
 * ... and each is used; types bigint, bytea, text; keys start with the account or the queue shard.
 * Included several times, by store/sql.h and sql.c, with its own meaning of SQL and SQL_PG.
 */

/* ---- packs: how far each is committed (store/pack.c, store/lane.c) ---- */

SQL(PACK_LIST, "SELECT pack, generation, single, end_offset, sequence FROM pack ORDER BY pack")

SQL(PACK_PUT, "INSERT INTO pack (pack, generation, single, end_offset, sequence)"
	      " VALUES ($1, $2, $3, $4, $5)"
	      " ON CONFLICT (pack) DO UPDATE SET generation = excluded.generation,"
	      " end_offset = excluded.end_offset, sequence = excluded.sequence")

SQL(PACK_DELETE, "DELETE FROM pack WHERE pack = $1")
