/* Who did what, when: rows of admin_log. */
#include "store/admin_log.h"

enum db_code admin_log_add(struct db *db, int64_t now, struct str who, struct str what)
{
	int64_t id;
	enum db_code code = db_get_int(db, SQL_META_NEXT, DB_ARGS(db_text(STR("admin"))), &id);

	if (code != DB_ROW)
		return code == DB_OK ? DB_ERROR : code;
	return db_exec(db, SQL_ADMIN_LOG_ADD,
	    DB_ARGS(db_int(id), db_int(now), db_text(who), db_text(what)), NULL);
}

static enum lane_exec log_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct admin_log *l = LIST_ENTRY(op, struct admin_log, op);

	return admin_log_add(db, now, l->who, l->what) == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

void admin_log_init(struct admin_log *l, struct str who, struct str what)
{
	*l = (struct admin_log){.who = who, .what = what};
	list_init(&l->op.link);
	l->op.exec = log_exec;
}
