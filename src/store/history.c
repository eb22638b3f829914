/*
 * Marks lie in meta, each in one of a fixed number of places, which are used in turn: the low bits of a mark
 * say which, all else of it is random. `backups` counts them.
 */
#include "store/history.h"

#include <sodium.h>

#include "base/buf.h"
#include "store/given.h"

#define COUNT STR("backups")

static void put_name(struct buf *b, int64_t mark)
{
	buf_init(b, 32);
	buf_lit(b, "backup_");
	buf_i64(b, mark & (HISTORY_MARKS - 1));
}

static enum db_code put(struct db *db, struct str name, int64_t value)
{
	return db_exec(db, SQL_META_PUT, DB_ARGS(db_text(name), db_int(value)), NULL);
}

enum db_code history_identify(struct db *db)
{
	int64_t id;
	enum db_code code = db_get_int(db, SQL_META_GET, DB_ARGS(db_text(STR("store"))), &id);

	if (code == DB_ROW)
		return given_note(db, GIVEN_STORE, true);
	if (code == DB_OK)
		code = given_note(db, GIVEN_STORE, false);
	if (code != DB_OK)
		return code;
	randombytes_buf(&id, sizeof id);
	return put(db, STR("store"), (id & INT64_MAX) | 1);
}

enum db_code history_put(struct db *db, int64_t *mark_r)
{
	int64_t count = 0, mark;
	enum db_code code = db_get_int(db, SQL_META_GET, DB_ARGS(db_text(COUNT)), &count);
	struct buf name;

	if (code == DB_ROW || code == DB_OK)
		code = given_note(db, GIVEN_BACKUPS, code == DB_ROW);
	if (code != DB_OK)
		return code;
	count = (count + 1) & (HISTORY_MARKS - 1);
	do {
		randombytes_buf(&mark, sizeof mark);
		mark = (mark & INT64_MAX & ~(int64_t)(HISTORY_MARKS - 1)) | count;
	} while (mark == 0);
	put_name(&name, mark);
	code = put(db, COUNT, count);
	if (code == DB_OK)
		code = put(db, buf_view(&name), mark);
	buf_fini(&name);
	if (code == DB_OK)
		*mark_r = mark;
	return code;
}

/* The places in use come along: else the next mark would take this one's. */
enum db_code history_put_in_copy(struct db_copy *c, int64_t mark, struct err *e)
{
	struct buf name;
	enum db_code code = db_copy_put(c, COUNT, mark & (HISTORY_MARKS - 1), e);

	put_name(&name, mark);
	if (code == DB_OK)
		code = db_copy_put(c, buf_view(&name), mark, e);
	buf_fini(&name);
	return code;
}

enum db_code history_has(struct db *db, int64_t mark, bool *has_r)
{
	int64_t there = 0;
	struct buf name;
	enum db_code code;

	put_name(&name, mark);
	code = db_get_int(db, SQL_META_GET, DB_ARGS(db_text(buf_view(&name))), &there);
	buf_fini(&name);
	if (code != DB_ROW && code != DB_OK)
		return code;
	*has_r = code == DB_ROW && there == mark;
	return DB_OK;
}
