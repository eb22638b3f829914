/*
 * Changing keywords: the rows of a slice are read, then those that really change are written with one
 * new modseq, which their mailbox and the change feed get in the same commit.
 *
 * 1. Nothing is written, not even the account's modseq, before it is known that something changes.
 * 2. Where the slice begins moves on only after its commit.
 * 3. email.modseq is never below that of any of its rows in mailboxes, so that it alone tells whether a
 *    message has changed; the modseq of a mailbox is never below that of an email in it.
 */
#include "store/mailbox_keywords.h"

#include "base/mem.h"
#include "mime/mime_keywords.h"
#include "store/change.h"
#include "store/email_seal.h"

struct row {
	int64_t uid, email, modseq, links;
	struct str keywords;
	int64_t seal;
	bool changes;
};

/* One attempt at a slice. */
struct slice {
	struct db *db;
	struct mailbox_keywords *k;
	struct arena *arena;
	struct row *rows;
	size_t n;
	bool linked; /* one that changes is or was in other mailboxes too */
};

/* ---- which messages ---- */

static bool is_over(const struct mailbox_keywords *k)
{
	return k->next_at == k->uids.n;
}

/* The interval at hand, from where the last slice ended. */
static struct range range_at(const struct mailbox_keywords *k)
{
	struct range r = k->uids.v[k->next_at];

	if (r.first < k->next_uid)
		r.first = k->next_uid;
	return r;
}

/* Reads rows of the interval until the slice is full, and moves on behind what was read. */
static enum db_code read_range(struct slice *s, struct range r)
{
	struct mailbox_keywords *k = s->k;
	size_t room = MAILBOX_KEYWORDS_SLICE - s->n, n = 0;
	struct db_query *q = db_begin_query(s->db, SQL_KEYWORDS_LIST,
	    DB_ARGS(db_int(k->account), db_int(k->mailbox), db_int(r.first), db_int(r.last),
		db_int((int64_t)room)));

	for (; n < room && db_step(q) == DB_ROW; n++)
		s->rows[s->n++] = (struct row){db_col_int(q, 0), db_col_int(q, 1), db_col_int(q, 2),
		    db_col_int(q, 3), arena_str(s->arena, db_col_str(q, 4)), db_col_int(q, 5),
		    false};
	k->next_uid = n == room ? s->rows[s->n - 1].uid + 1 : r.last + 1;
	if (k->next_uid > r.last)
		k->next_at++;
	return db_end(q);
}

/* ---- what becomes of them ---- */

/* What the row's keywords are to be. */
static void judge(struct slice *s, struct row *r)
{
	struct mailbox_keywords *k = s->k;
	struct str old = k->replace ? STR("") : r->keywords;
	struct buf b;

	if (k->conditional && r->modseq > k->unchanged_since) {
		ranges_add(&k->modified, r->uid);
		return;
	}
	buf_init(&b, MIME_KEYWORDS_OUT);
	if (!mime_keywords_change(&b, old, k->remove, k->add)) {
		ranges_add(&k->full, r->uid);
	} else if (!str_eq(buf_view(&b), r->keywords)) {
		r->seal = email_seal_changed(r->seal, r->keywords, buf_view(&b));
		r->keywords = arena_str(s->arena, buf_view(&b));
		r->changes = true;
		s->linked = s->linked || r->links > 1;
		ranges_add(&k->changed, r->uid);
	}
	buf_fini(&b);
}

static enum db_code write_row(struct slice *s, const struct row *r)
{
	struct mailbox_keywords *k = s->k;
	int64_t changes = 0;
	enum db_code code = db_exec(s->db, SQL_KEYWORDS_PUT,
	    DB_ARGS(db_int(k->account), db_int(r->email), db_text(r->keywords), db_int(k->modseq),
		db_int(r->seal)),
	    &changes);

	if (code != DB_OK || changes == 0)
		return code;
	return db_exec(s->db, SQL_CHANGE_ADD,
	    DB_ARGS(db_int(k->account), db_int(k->modseq), db_int(CHANGE_EMAIL), db_int(r->email),
		db_int(CHANGE_UPDATED)),
	    NULL);
}

static enum db_code write_rows(struct slice *s)
{
	struct mailbox_keywords *k = s->k;
	enum db_code code = db_get_int(
	    s->db, SQL_ACCOUNT_NEXT_MODSEQ, DB_ARGS(db_int(k->account)), &k->modseq);

	if (code != DB_ROW)
		return code == DB_OK ? DB_ERROR : code;
	code = DB_OK;
	for (size_t i = 0; i < s->n && code == DB_OK; i++) {
		if (!s->rows[i].changes)
			continue;
		mailbox_name(&k->named, s->rows[i].email);
		code = write_row(s, &s->rows[i]);
	}
	if (code == DB_OK)
		code = mailbox_name_owner(s->db, k->account, &k->named);
	if (code != DB_OK)
		return code;
	return db_exec(s->db, SQL_MAILBOX_CHANGED,
	    DB_ARGS(db_int(k->account), db_int(k->mailbox), db_int(k->modseq), db_int(s->linked)),
	    NULL);
}

static enum db_code is_there(struct slice *s, bool *there_r)
{
	struct mailbox_keywords *k = s->k;
	int64_t uidnext;
	enum db_code code = db_get_int(
	    s->db, SQL_SNAPSHOT_BEGIN, DB_ARGS(db_int(k->account), db_int(k->mailbox)), &uidnext);

	*there_r = code == DB_ROW;
	return code == DB_ROW ? DB_OK : code;
}

static enum db_code run_slice(struct slice *s)
{
	struct mailbox_keywords *k = s->k;
	bool there = false;
	enum db_code code = is_there(s, &there);

	k->missing = !there;
	while (code == DB_OK && there && !is_over(k) && s->n < MAILBOX_KEYWORDS_SLICE)
		code = read_range(s, range_at(k));
	for (size_t i = 0; i < s->n && code == DB_OK; i++)
		judge(s, &s->rows[i]);
	return code == DB_OK && k->changed.n > 0 ? write_rows(s) : code;
}

/* ---- the request ---- */

static void begin_answer(struct mailbox_keywords *k)
{
	k->missing = false;
	k->modseq = 0;
	k->named.n = 0;
	k->next_at = k->at;
	k->next_uid = k->uid;
	ranges_clear(&k->changed);
	ranges_clear(&k->modified);
	ranges_clear(&k->full);
}

static enum lane_exec keywords_slice(struct mailbox_keywords *k, struct db *db, int64_t now)
{
	struct slice s = {.db = db, .k = k, .arena = arena_new()};
	enum db_code code;

	s.rows = arena_array(s.arena, MAILBOX_KEYWORDS_SLICE, sizeof *s.rows);
	code = run_slice(&s);
	if (code == DB_OK && k->tally)
		code = admin_tally_put(db, now, k->tally, k->changed.count);
	arena_free(&s.arena);
	if (code != DB_OK)
		return LANE_BROKEN;
	return k->changed.n > 0 ? LANE_KEEP : LANE_UNDO;
}

static enum lane_exec keywords_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct mailbox_keywords *k = LIST_ENTRY(op, struct mailbox_keywords, op);
	enum lane_exec deleted = LANE_UNDO, changed = LANE_UNDO;

	begin_answer(k);
	if (k->expunge) {
		deleted = k->expunge->op.exec(&k->expunge->op, db, now);
		k->missing = k->expunge->missing;
	}
	if (deleted == LANE_BROKEN || k->missing)
		return deleted;
	if (!is_over(k) && (!k->expunge || mailbox_expunge_is_last(k->expunge)))
		changed = keywords_slice(k, db, now);
	return changed == LANE_UNDO ? deleted : changed;
}

bool mailbox_keywords_go_on(struct mailbox_keywords *k)
{
	bool more = k->expunge && mailbox_expunge_go_on(k->expunge);

	k->total += k->changed.count;
	k->at = k->next_at;
	k->uid = k->next_uid;
	return !k->missing && (more || !is_over(k));
}

void mailbox_keywords_init(struct mailbox_keywords *k, int64_t account, int64_t mailbox)
{
	*k = (struct mailbox_keywords){.account = account, .mailbox = mailbox};
	list_init(&k->op.link);
	k->op.exec = keywords_exec;
	ranges_init(&k->uids);
	ranges_init(&k->changed);
	ranges_init(&k->modified);
	ranges_init(&k->full);
}

void mailbox_keywords_after(struct mailbox_keywords *k, struct mailbox_expunge *x)
{
	k->expunge = x;
	k->op.frees = x->op.frees;
}

void mailbox_keywords_fini(struct mailbox_keywords *k)
{
	ranges_fini(&k->uids);
	ranges_fini(&k->changed);
	ranges_fini(&k->modified);
	ranges_fini(&k->full);
}

/* ---- what there is ---- */

enum db_code mailbox_keywords_next(struct db *db, struct arena *a, int64_t account, int64_t mailbox,
    int64_t after, int64_t email, struct mailbox_keywords_row *row_r)
{
	struct db_query *q = db_begin_query(db, SQL_KEYWORDS_NEXT,
	    DB_ARGS(db_int(account), db_int(mailbox), db_int(after), db_int(email)));
	enum db_code found = db_step(q), code;
	struct mailbox_keywords_row row = {0};

	if (found == DB_ROW)
		row = (struct mailbox_keywords_row){db_col_int(q, 0), db_col_int(q, 1),
		    db_col_int(q, 2), db_col_int(q, 3), arena_str(a, db_col_str(q, 4))};
	code = db_end(q);
	if (code != DB_OK || found != DB_ROW)
		return code;
	*row_r = row;
	return DB_ROW;
}
