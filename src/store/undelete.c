/*
 * A slice of undeleting. An expunged row that was brought back stays for the snapshots that know it;
 * the new row names it as its origin, so that it counts as brought back from then on.
 */
#include "store/undelete.h"

#include "base/buf.h"
#include "store/copy.h"
#include "store/summary.h"
#include "store/trace.h"

struct row {
	struct undelete_at at;
	int64_t email, size;
	bool has_history;
};

static enum db_code read_rows(
    struct db *db, const struct undelete *u, struct row rows[UNDELETE_SLICE], size_t *n_r)
{
	struct db_query *q = db_begin_query(db, SQL_UNDELETE_LIST,
	    DB_ARGS(db_int(u->account), db_int(u->after.mailbox), db_int(u->after.uid),
		db_int(u->since), db_int(u->email), db_int(UNDELETE_SLICE)));
	size_t n = 0;

	for (; n < UNDELETE_SLICE && db_step(q) == DB_ROW; n++)
		rows[n] = (struct row){{db_col_int(q, 0), db_col_int(q, 1)}, db_col_int(q, 2),
		    db_col_int(q, 3), db_col_int(q, 4) != 0};
	*n_r = n;
	return db_end(q);
}

static enum db_code tell(struct db *db, const struct undelete *u, int64_t email, int64_t now)
{
	struct trace_event event = {
	    .message = email, .time = now, .kind = TRACE_NOTICE, .recipient = -1};
	struct buf text;
	struct db_query *q = db_begin_query(db, SQL_ACCOUNT_ADDRESS, DB_ARGS(db_int(u->account)));
	enum db_code code;

	buf_init(&text, LIMIT_TRACE_TEXT);
	buf_lit(&text, "brought back into the mailbox of ");
	if (db_step(q) == DB_ROW)
		buf_str(&text, db_col_str(q, 0));
	code = db_end(q);
	event.text = buf_view(&text);
	if (code == DB_OK)
		code = trace_append(db, &event);
	buf_fini(&text);
	return code;
}

/* DB_OK, also when the account does not take it: one that is smaller may still fit. */
static enum db_code bring_back(struct db *db, struct undelete *u, const struct row *r, int64_t now)
{
	struct copy_place place = {.account = u->account,
	    .mailbox = r->at.mailbox,
	    .email = r->email,
	    .size = r->size,
	    .origin = r->at.uid,
	    .now = now};
	enum db_code code = copy_link(db, &place);

	if (code == DB_OK)
		u->left++;
	if (code != DB_ROW)
		return code;
	u->restored++;
	return r->has_history ? tell(db, u, r->email, now) : DB_OK;
}

/* Of the Message-ID that is meant, if one is. */
static enum db_code is_wanted(
    struct db *db, const struct undelete *u, const struct row *r, bool *wanted_r)
{
	struct arena *a;
	enum db_code code;

	*wanted_r = true;
	if (u->header_id.n == 0)
		return DB_OK;
	a = arena_new();
	code = summary_email_is_of(db, a, u->account, r->email, u->header_id, wanted_r);
	arena_free(&a);
	return code;
}

static enum db_code bring_back_all(
    struct db *db, struct undelete *u, const struct row *rows, size_t n, int64_t now)
{
	enum db_code code = DB_OK;
	bool wanted;

	for (size_t i = 0; i < n && code == DB_OK; i++) {
		code = is_wanted(db, u, &rows[i], &wanted);
		if (code == DB_OK && wanted)
			code = bring_back(db, u, &rows[i], now);
	}
	return code;
}

static enum lane_exec undelete_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct undelete *u = LIST_ENTRY(op, struct undelete, op);
	struct row rows[UNDELETE_SLICE];
	size_t n = 0;
	enum db_code code = read_rows(db, u, rows, &n);

	u->restored = u->left = 0;
	u->next = n ? rows[n - 1].at : u->after;
	if (code == DB_OK)
		code = bring_back_all(db, u, rows, n, now);
	if (code == DB_OK && u->tally)
		code = admin_tally_put(db, now, u->tally, u->restored);
	u->more = n == UNDELETE_SLICE;
	if (code != DB_OK)
		return LANE_BROKEN;
	return u->restored ? LANE_KEEP : LANE_UNDO;
}

void undelete_init(struct undelete *u)
{
	list_init(&u->op.link);
	u->op.exec = undelete_exec;
}
