/* Two rows of bits, which only rise; a repair takes `lost` away. */
#include "store/given.h"

#define NOTED STR("given")
#define LOST  STR("lost")

static enum db_code add(struct db *db, struct str name, int64_t before, enum given what)
{
	if (before & (int64_t)what)
		return DB_OK;
	return db_exec(
	    db, SQL_META_PUT, DB_ARGS(db_text(name), db_int(before | (int64_t)what)), NULL);
}

static enum db_code get(struct db *db, struct str name, int64_t *bits_r)
{
	enum db_code code = db_get_int(db, SQL_META_GET, DB_ARGS(db_text(name)), bits_r);

	return code == DB_ROW ? DB_OK : code;
}

enum db_code given_note(struct db *db, enum given what, bool there)
{
	int64_t given = 0, lost = 0;
	enum db_code code = get(db, NOTED, &given);

	if (code == DB_OK && !there && (given & (int64_t)what)) {
		code = get(db, LOST, &lost);
		if (code == DB_OK)
			code = add(db, LOST, lost, what);
	}
	return code == DB_OK ? add(db, NOTED, given, what) : code;
}
