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

enum db_code admin_log_list(
    struct db *db, int64_t before, size_t max, size_t *n_r, admin_log_fn *fn, void *ctx)
{
	struct db_query *q = db_begin_query(
	    db, SQL_ADMIN_LOG_LIST, DB_ARGS(db_int(before), db_int((int64_t)max)));
	size_t n = 0;
	enum db_code code;

	for (; db_step(q) == DB_ROW; n++)
		fn(ctx, db_col_int(q, 0), db_col_int(q, 1), db_col_str(q, 2), db_col_str(q, 3));
	code = db_end(q);
	if (code == DB_OK)
		*n_r = n;
	return code;
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
