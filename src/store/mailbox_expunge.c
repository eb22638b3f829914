/*
 * Taking messages out of a mailbox: one modseq for a slice of the request, its rows marked, the counters
 * of mailbox and account, the change feed and the trace in the same commit. A row that is marked already stays as
 * it is, so that doing it again changes nothing. Where the slice begins moves on only after its commit.
 *
 * Long intervals are taken out by statements over the interval, short ones row by row: SQLite sets a
 * savepoint for each statement that writes many rows, and letting go of it costs time in proportion
 * to all that the transaction wrote before.
 */
#include "store/mailbox.h"

#include "base/buf.h"
#include "store/change.h"
#include "store/trace.h"

#define SHORT 32 /* uids of a short interval, at most */

struct sums {
	int64_t messages, octets;
};

static enum db_code sum_range(
    struct db *db, const struct mailbox_expunge *x, struct range r, int64_t modseq, struct sums *s)
{
	struct db_query *q = db_begin_query(db, SQL_EXPUNGE_SUM,
	    DB_ARGS(db_int(x->account), db_int(x->mailbox), db_int(r.first), db_int(r.last),
		db_int(modseq)));

	if (db_step(q) == DB_ROW) {
		s->messages += db_col_int(q, 0);
		s->octets += db_col_int(q, 1);
	}
	return db_end(q);
}

void mailbox_name(struct mailbox_named *named, int64_t email)
{
	if (named->n < MAILBOX_NAMED)
		named->ids[named->n++] = email;
}

enum db_code mailbox_name_owner(struct db *db, int64_t account, struct mailbox_named *named)
{
	struct db_query *q = db_begin_query(db, SQL_ACCOUNT_ADDRESS, DB_ARGS(db_int(account)));

	named->address_len = 0;
	if (db_step(q) == DB_ROW) {
		struct str address = str_sub(db_col_str(q, 0), 0, sizeof named->address);

		named->address_len = address.n;
		memcpy(named->address, address.p, address.n);
	}
	return db_end(q);
}

static enum db_code name_range(
    struct db *db, struct mailbox_expunge *x, struct range r, int64_t modseq)
{
	struct db_query *q = db_begin_query(db, SQL_EXPUNGE_NAMES,
	    DB_ARGS(db_int(x->account), db_int(x->mailbox), db_int(r.first), db_int(r.last),
		db_int(modseq), db_int((int64_t)(MAILBOX_NAMED - x->named.n))));

	while (db_step(q) == DB_ROW)
		mailbox_name(&x->named, db_col_int(q, 0));
	return db_end(q);
}

/* "deleted by bob@x.test, by POP3" */
static struct str put_text(struct buf *text, const struct mailbox_expunge *x)
{
	buf_lit(text, "deleted by ");
	buf_str(text, mailbox_named_address(&x->named));
	buf_lit(text, ", by ");
	buf_c(text, x->protocol);
	return buf_view(text);
}

static enum db_code tell_one(
    struct db *db, const struct mailbox_expunge *x, int64_t email, int64_t now)
{
	struct trace_event event = {
	    .message = email, .time = now, .kind = TRACE_NOTICE, .recipient = -1};
	struct buf text;
	enum db_code code;

	buf_init(&text, LIMIT_TRACE_TEXT);
	event.text = put_text(&text, x);
	code = trace_append(db, &event);
	buf_fini(&text);
	return code;
}

static enum db_code tell_range(
    struct db *db, const struct mailbox_expunge *x, struct range r, int64_t modseq, int64_t now)
{
	struct buf text;
	enum db_code code;

	buf_init(&text, LIMIT_TRACE_TEXT);
	code = db_exec(db, SQL_EXPUNGE_TELL,
	    DB_ARGS(db_int(x->account), db_int(x->mailbox), db_int(r.first), db_int(r.last),
		db_int(modseq), db_int(now), db_int(TRACE_NOTICE), db_text(put_text(&text, x))),
	    NULL);
	buf_fini(&text);
	return code;
}

static enum db_code expunge_long(struct db *db, struct mailbox_expunge *x, struct range r,
    int64_t modseq, int64_t now, struct sums *s)
{
	int64_t changes = 0;
	enum db_code code = db_exec(db, SQL_EXPUNGE_RANGE,
	    DB_ARGS(db_int(x->account), db_int(x->mailbox), db_int(r.first), db_int(r.last),
		db_int(modseq), db_int(now)),
	    &changes);

	if (code != DB_OK || changes == 0)
		return code;
	code = sum_range(db, x, r, modseq, s);
	if (code == DB_OK)
		code = name_range(db, x, r, modseq);
	if (code == DB_OK)
		code = tell_range(db, x, r, modseq, now);
	if (code != DB_OK)
		return code;
	return db_exec(db, SQL_EXPUNGE_CHANGES,
	    DB_ARGS(db_int(x->account), db_int(x->mailbox), db_int(r.first), db_int(r.last),
		db_int(modseq), db_int(CHANGE_EMAIL), db_int(CHANGE_DESTROYED)),
	    NULL);
}

struct row {
	int64_t uid, email, size;
	bool has_history;
};

/* The live rows of a short interval. */
static enum db_code read_rows(struct db *db, const struct mailbox_expunge *x, struct range r,
    struct row rows[SHORT], size_t *n_r)
{
	struct db_query *q = db_begin_query(db, SQL_EXPUNGE_LIVE,
	    DB_ARGS(db_int(x->account), db_int(x->mailbox), db_int(r.first), db_int(r.last)));
	size_t n = 0;

	for (; n < SHORT && db_step(q) == DB_ROW; n++)
		rows[n] = (struct row){
		    db_col_int(q, 0), db_col_int(q, 1), db_col_int(q, 2), db_col_int(q, 3) != 0};
	*n_r = n;
	return db_end(q);
}

static enum db_code expunge_short(struct db *db, struct mailbox_expunge *x, struct range r,
    int64_t modseq, int64_t now, struct sums *s)
{
	struct row rows[SHORT];
	size_t n = 0;
	enum db_code code = read_rows(db, x, r, rows, &n);

	for (size_t i = 0; i < n && code == DB_OK; i++) {
		code = db_exec(db, SQL_EXPUNGE_ONE,
		    DB_ARGS(db_int(x->account), db_int(x->mailbox), db_int(rows[i].uid),
			db_int(modseq), db_int(now)),
		    NULL);
		if (code == DB_OK)
			code = db_exec(db, SQL_CHANGE_ADD,
			    DB_ARGS(db_int(x->account), db_int(modseq), db_int(CHANGE_EMAIL),
				db_int(rows[i].email), db_int(CHANGE_DESTROYED)),
			    NULL);
		if (code == DB_OK && rows[i].has_history)
			code = tell_one(db, x, rows[i].email, now);
		mailbox_name(&x->named, rows[i].email);
		s->messages++;
		s->octets += rows[i].size;
	}
	return code;
}

static enum db_code count_out(
    struct db *db, const struct mailbox_expunge *x, int64_t modseq, struct sums s)
{
	enum db_code code = db_exec(db, SQL_MAILBOX_TAKE_OUT,
	    DB_ARGS(db_int(x->account), db_int(x->mailbox), db_int(modseq), db_int(s.messages),
		db_int(s.octets)),
	    NULL);

	if (code != DB_OK)
		return code;
	code = db_exec(db, SQL_DOMAIN_REFUND,
	    DB_ARGS(db_int(x->account), db_int(s.octets), db_int(s.messages)), NULL);
	if (code != DB_OK)
		return code;
	return db_exec(db, SQL_ACCOUNT_REFUND,
	    DB_ARGS(db_int(x->account), db_int(s.octets), db_int(s.messages)), NULL);
}

static bool is_short(struct range r)
{
	return r.last - r.first < SHORT;
}

bool mailbox_expunge_is_last(const struct mailbox_expunge *x)
{
	return x->next_at == x->uids.n;
}

/* The next interval, as much as there is room for. */
static struct range take_range(struct mailbox_expunge *x, int64_t *room)
{
	struct range r = x->uids.v[x->next_at];

	if (r.first < x->next_uid)
		r.first = x->next_uid;
	if (r.last - r.first >= *room)
		r.last = r.first + *room - 1;
	*room -= r.last - r.first + 1;
	x->next_uid = r.last + 1;
	if (r.last == x->uids.v[x->next_at].last)
		x->next_at++;
	return r;
}

static enum lane_exec expunge_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct mailbox_expunge *x = LIST_ENTRY(op, struct mailbox_expunge, op);
	struct sums s = {0};
	int64_t modseq = 0;
	enum db_code code = db_get_int(
	    db, SQL_ACCOUNT_NEXT_MODSEQ, DB_ARGS(db_int(x->account)), &modseq);

	x->slice = 0;
	x->named.n = 0;
	x->next_at = x->at;
	x->next_uid = x->uid;
	x->missing = code == DB_OK;
	if (x->missing)
		return LANE_UNDO;
	code = code == DB_ROW ? mailbox_name_owner(db, x->account, &x->named) : code;
	for (int64_t room = MAILBOX_EXPUNGE_SLICE;
	     room > 0 && !mailbox_expunge_is_last(x) && code == DB_OK;) {
		struct range r = take_range(x, &room);

		code = (is_short(r) ? expunge_short : expunge_long)(db, x, r, modseq, now, &s);
	}
	if (code == DB_OK && s.messages > 0)
		code = count_out(db, x, modseq, s);
	if (code != DB_OK)
		return LANE_BROKEN;
	x->slice = s.messages;
	return s.messages > 0 ? LANE_KEEP : LANE_UNDO;
}

bool mailbox_expunge_go_on(struct mailbox_expunge *x)
{
	x->expunged += x->slice;
	x->slice = 0;
	x->at = x->next_at;
	x->uid = x->next_uid;
	return !x->missing && !mailbox_expunge_is_last(x);
}

void mailbox_expunge_init(
    struct mailbox_expunge *x, int64_t account, int64_t mailbox, const char *protocol)
{
	*x = (struct mailbox_expunge){.account = account, .mailbox = mailbox, .protocol = protocol};
	list_init(&x->op.link);
	x->op.exec = expunge_exec;
	x->op.frees = true;
	ranges_init(&x->uids);
}

void mailbox_expunge_fini(struct mailbox_expunge *x)
{
	ranges_fini(&x->uids);
}
