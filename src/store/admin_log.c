/* Who did what, when: rows of admin_log. */
#include "store/admin_log.h"

#include "base/buf.h"
#include "base/limits.h"

static enum db_code add(struct db *db, int64_t now, struct str who, struct str what, int64_t *id_r)
{
	enum db_code code = db_get_int(db, SQL_META_NEXT, DB_ARGS(db_text(STR("admin"))), id_r);

	if (code != DB_ROW)
		return code == DB_OK ? DB_ERROR : code;
	return db_exec(db, SQL_ADMIN_LOG_ADD,
	    DB_ARGS(db_int(*id_r), db_int(now), db_text(who), db_text(what)), NULL);
}

enum db_code admin_log_add(struct db *db, int64_t now, struct str who, struct str what)
{
	int64_t id;

	return add(db, now, who, what, &id);
}

enum db_code admin_log_put(
    struct db *db, int64_t now, struct str who, struct str what, int64_t replaces, int64_t *id_r)
{
	int64_t changes = 0;
	enum db_code code = replaces ? db_exec(db, SQL_ADMIN_LOG_PUT,
					   DB_ARGS(db_int(replaces), db_text(what)), &changes)
				     : DB_OK;

	*id_r = replaces;
	return code == DB_OK && changes == 0 ? add(db, now, who, what, id_r) : code;
}

enum db_code admin_log_renumber(struct db *db)
{
	enum db_code code = db_exec(db, SQL_REPAIR_META_ADMIN, DB_NO_ARGS, NULL);

	return code == DB_OK ? db_exec(db, SQL_REPAIR_META_ADMIN_LOW, DB_NO_ARGS, NULL) : code;
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

	return admin_log_put(db, now, l->who, l->what, l->replaces, &l->id) == DB_OK ? LANE_KEEP
										     : LANE_BROKEN;
}

void admin_log_init(struct admin_log *l, struct str who, struct str what)
{
	*l = (struct admin_log){.who = who, .what = what};
	list_init(&l->op.link);
	l->op.exec = log_exec;
}

enum db_code admin_tally_put(struct db *db, int64_t now, struct admin_tally *t, int64_t done)
{
	struct buf b;
	enum db_code code;

	t->next_id = t->id;
	t->next_count = t->count + done;
	if (done == 0)
		return DB_OK;
	buf_init(&b, KIB + t->head.n + t->noun.n + t->whose.n + t->tail.n);
	buf_printf(&b, "%.*s%s%lld %.*s%s of %.*s %.*s", STR_FMT(t->head), t->head.n ? " " : "",
	    (long long)t->next_count, STR_FMT(t->noun), t->next_count == 1 ? "" : "s",
	    STR_FMT(t->whose), STR_FMT(t->tail));
	code = admin_log_put(db, now, t->who, buf_view(&b), t->id, &t->next_id);
	buf_fini(&b);
	return code;
}

void admin_tally_go_on(struct admin_tally *t)
{
	t->id = t->next_id;
	t->count = t->next_count;
}
