/*
 * In this order, so that nothing that can be saved is given up: indexes become what their tables say; rows
 * of emails become what was written; packs get their rows back and are read; blobs that lost their row or
 * place get it back; what is damaged or lost is given up; rows are put right; sound messages leave the
 * packs that are damaged. docs/invariants/pack.md.
 */
#include "store/repair_work.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/admin_log.h"
#include "store/adopt.h"
#include "store/change.h"
#include "store/compact.h"
#include "store/copy.h"
#include "store/ledger.h"
#include "store/quarantine.h"

/* ---- changes ---- */

void repair_add(struct repair_list *l, int64_t n)
{
	if (l->n && l->v[l->n - 1] == n)
		return;
	l->v = mem_grow(l->v, l->n, &l->cap, sizeof *l->v);
	l->v[l->n++] = n;
}

static enum lane_exec work_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct repair_work *w = LIST_ENTRY(op, struct repair_work, op);

	return w->run(w, db, now) == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

static void nothing(struct lane_op *op)
{
}

bool repair_change(
    struct repair_work *w, enum db_code (*run)(struct repair_work *, struct db *, int64_t))
{
	w->op = (struct lane_op){.exec = work_exec, .done = nothing, .frees = true};
	list_init(&w->op.link);
	w->run = run;
	store_write(w->s, &w->op);
	if (w->op.result == LANE_DONE)
		return true;
	w->r->err = w->op.err;
	return false;
}

bool repair_db_good(struct repair_work *w, enum db_code code)
{
	if (code == DB_OK)
		return true;
	err_set(&w->r->err, "%s", db_error(w->s->db));
	return false;
}

/* ---- giving up ---- */

static enum db_code give_up_copy(struct db *db, int64_t account, int64_t email, int64_t now)
{
	int64_t modseq = 0;
	enum db_code code = db_get_int(
	    db, SQL_ACCOUNT_NEXT_MODSEQ, DB_ARGS(db_int(account)), &modseq);

	if (code == DB_ROW)
		code = db_exec(db, SQL_CHANGE_ADD,
		    DB_ARGS(db_int(account), db_int(modseq), db_int(CHANGE_EMAIL), db_int(email),
			db_int(CHANGE_DESTROYED)),
		    NULL);
	if (code == DB_OK)
		code = db_exec(
		    db, SQL_REPAIR_MEMBERS_DELETE, DB_ARGS(db_int(account), db_int(email)), NULL);
	if (code == DB_OK)
		code = db_exec(
		    db, SQL_REPAIR_EMAIL_DELETE, DB_ARGS(db_int(account), db_int(email)), NULL);
	if (code == DB_OK)
		code = db_exec(db, SQL_REPAIR_DISCARD_COPY,
		    DB_ARGS(db_int(email), db_int(account), db_int(now)), NULL);
	return code;
}

static enum db_code give_up_copies(struct repair_work *w, struct db *db, int64_t now)
{
	struct repair_list accounts = {0};
	struct db_query *q = db_begin_query(db, SQL_REPAIR_EMAILS, DB_ARGS(db_int(w->blob)));
	enum db_code code;

	while (db_step(q) == DB_ROW)
		repair_add(&accounts, db_col_int(q, 0));
	code = db_end(q);
	for (size_t i = 0; i < accounts.n && code == DB_OK; i++)
		code = give_up_copy(db, accounts.v[i], w->blob, now);
	mem_free(accounts.v);
	return code;
}

static enum db_code give_up(struct repair_work *w, struct db *db, int64_t now)
{
	enum db_code code = give_up_copies(w, db, now);
	int64_t pack = 0;

	if (code == DB_OK)
		code = db_exec(
		    db, SQL_REPAIR_DISCARD_QUEUED, DB_ARGS(db_int(w->blob), db_int(now)), NULL);
	if (code == DB_OK)
		code = db_exec(db, SQL_REPAIR_QUEUE_DELETE, DB_ARGS(db_int(w->blob)), NULL);
	if (code == DB_OK)
		code = db_exec(db, SQL_REPAIR_TRACE_CUT, DB_ARGS(db_int(w->blob)), NULL);
	if (code == DB_OK)
		code = db_get_int(db, SQL_BLOB_DELETE, DB_ARGS(db_int(w->blob)), &pack);
	return code == DB_ROW ? DB_OK : code;
}

static bool give_up_all(struct repair_work *w)
{
	if ((w->lost.n || w->packs.n) && !quarantine_make(w->s, &w->r->err))
		return false;
	for (size_t i = 0; i < w->lost.n; i++) {
		w->blob = w->lost.v[i];
		if (!quarantine_write(w->s, w->blob, w->r->on_message, w->r->ctx, &w->r->err) ||
		    !repair_change(w, give_up))
			return false;
		w->r->damaged++;
	}
	return true;
}

/* ---- rows ---- */

static const enum sql_id first_fixes[] = {SQL_REPAIR_META, SQL_REPAIR_META_QUOTA,
    SQL_REPAIR_META_LOST, SQL_REPAIR_META_BACKUPS, SQL_REPAIR_META_INDEX, SQL_REPAIR_DAY,
    SQL_REPAIR_META_FOLDED, SQL_REPAIR_META_ACCOUNT, SQL_REPAIR_ADMIN_LOG, SQL_REPAIR_DOMAIN,
    SQL_REPAIR_PACK_SINGLE, SQL_REPAIR_MESSAGE_BLOB, SQL_REPAIR_LEDGER_STATE,
    SQL_REPAIR_ACCOUNT_WORDS, SQL_REPAIR_DOMAIN_WORDS, SQL_REPAIR_MAILBOX_ID, SQL_REPAIR_INBOX_ID,
    SQL_REPAIR_MAILBOX_INBOX, SQL_REPAIR_MAILBOX_ROLE, SQL_REPAIR_MAILBOX_PARENT,
    SQL_REPAIR_VALIDITY_BIRTH, SQL_REPAIR_CREATED_BIRTH, SQL_REPAIR_UID, SQL_REPAIR_UID_MAILBOX,
    SQL_REPAIR_UID_NONE, SQL_REPAIR_NOT_EXPUNGED, SQL_REPAIR_ORIGIN};

static const enum sql_id fixes[] = {SQL_REPAIR_MEMBER_CHANGE, SQL_REPAIR_MEMBER,
    SQL_REPAIR_LEDGER_COPY, SQL_REPAIR_LEDGER_QUEUE, SQL_REPAIR_QUEUE_FINAL,
    SQL_REPAIR_QUEUE_LEDGER, SQL_REPAIR_COPY_LEDGER, SQL_REPAIR_MESSAGE, SQL_REPAIR_RECIPIENTS,
    SQL_REPAIR_TOKEN, SQL_REPAIR_DESTINATION, SQL_REPAIR_EMAIL_SIZE, SQL_REPAIR_MEMBER_SIZE,
    SQL_REPAIR_LINKS, SQL_REPAIR_CHANGE_IN, SQL_REPAIR_CHANGE_OUT, SQL_REPAIR_CHANGE_LAST,
    SQL_REPAIR_MODSEQ, SQL_REPAIR_MAILBOX_MODSEQ, SQL_REPAIR_UIDNEXT, SQL_REPAIR_MAILBOX_COUNTS,
    SQL_REPAIR_ACCOUNT_COUNTS, SQL_REPAIR_DOMAIN_COUNTS, SQL_REPAIR_REFS_NONE, SQL_REPAIR_REFS,
    SQL_REPAIR_TRACE_INDEX, SQL_REPAIR_TRACE_MARK};

static enum db_code run_fixes(struct db *db, const enum sql_id *ids, size_t n)
{
	enum db_code code = DB_OK;

	for (size_t i = 0; i < n && code == DB_OK; i++)
		code = db_exec(db, ids[i], DB_NO_ARGS, NULL);
	return code;
}

/* Emails that are in no mailbox go to the INBOX. */
static enum db_code house(struct db *db, int64_t now)
{
	struct db_query *q = db_begin_query(db, SQL_REPAIR_HOMELESS, DB_NO_ARGS);
	struct copy_place *v = NULL;
	size_t n = 0;
	enum db_code code;

	for (; db_step(q) == DB_ROW; n++) {
		v = mem_resize(v, (n + 1) * sizeof *v);
		v[n] = (struct copy_place){.account = db_col_int(q, 0),
		    .mailbox = MAILBOX_INBOX,
		    .email = db_col_int(q, 1),
		    .size = db_col_int(q, 2),
		    .now = now,
		    .no_quota = true};
	}
	code = db_end(q);
	for (size_t i = 0; i < n && code == DB_OK; i++) {
		code = copy_link(db, &v[i]);
		code = code == DB_ROW ? DB_OK : code;
	}
	mem_free(v);
	return code;
}

/* So that what nothing holds is known. */
static enum db_code count_refs(struct repair_work *w, struct db *db, int64_t now)
{
	static const enum sql_id refs[] = {SQL_REPAIR_REFS_NONE, SQL_REPAIR_REFS};

	return run_fixes(db, refs, sizeof refs / sizeof *refs);
}

/* Before any row changes: whoever ends the command leaves this. */
static enum db_code begin_record(struct repair_work *w, struct db *db, int64_t now)
{
	struct repair *r = w->r;
	enum db_code code = admin_log_renumber(db);

	return code == DB_OK ? admin_log_put(db, now, r->who, r->what, r->record, &r->record)
			     : code;
}

/* What everything else hangs on. */
static enum db_code fix_first(struct repair_work *w, struct db *db, int64_t now)
{
	enum db_code code = repair_accounts(w, db, now);
	int64_t validity = now / SECOND_MS;

	if (code == DB_OK)
		code = run_fixes(db, first_fixes, sizeof first_fixes / sizeof *first_fixes);
	if (code == DB_OK)
		code = db_exec(db, SQL_REPAIR_INBOX, DB_ARGS(db_int(validity)), NULL);
	if (code == DB_OK)
		code = db_exec(db, SQL_REPAIR_MAILBOX, DB_ARGS(db_int(validity)), NULL);
	if (code == DB_OK)
		code = db_exec(db, SQL_REPAIR_VALIDITY, DB_ARGS(db_int(validity)), NULL);
	if (code == DB_OK)
		code = db_exec(db, SQL_REPAIR_EXPUNGED_AT, DB_ARGS(db_int(now)), NULL);
	return code;
}

static enum db_code fix_rows(struct repair_work *w, struct db *db, int64_t now)
{
	enum db_code code = house(db, now);
	int64_t first = 0;

	if (code == DB_OK)
		code = ledger_unfolded(db, &first);
	if (code == DB_OK)
		code = db_exec(db, SQL_REPAIR_HISTORY, DB_ARGS(db_int(first)), NULL);
	return code == DB_OK ? run_fixes(db, fixes, sizeof fixes / sizeof *fixes) : code;
}

/* In a commit of its own, for what a commit changed is added to the counters with it. */
static enum db_code count_rows(struct repair_work *w, struct db *db, int64_t now)
{
	return db_exec(db, SQL_REPAIR_ROWS, DB_NO_ARGS, NULL);
}

/* ---- damaged packs ---- */

static bool move_slice(struct repair_work *w, struct compact *c)
{
	reader_run(&c->read, w->s->db);
	if (c->read.result != DB_OK) {
		w->r->err = c->read.err;
		return false;
	}
	if (!c->has_work)
		return true;
	store_write(w->s, &c->write);
	if (c->write.result != LANE_DONE) {
		w->r->err = c->write.err;
		return false;
	}
	compact_written(c, 0);
	return true;
}

/*
 * The commit that ends it lets the next start remove its file, so that the file has its other name in
 * quarantine/ before.
 */
static bool empty_pack(struct repair_work *w, int64_t pack)
{
	struct compact *c = mem_new(struct compact);
	char kept[PACK_NAME_MAX];
	bool good = quarantine_pack(w->s, pack, kept, &w->r->err);

	compact_init(c, w->s->blobs);
	c->write.done = nothing;
	compact_choose(c, pack);
	while (good && c->pack)
		good = move_slice(w, c);
	if (good && c->removed) {
		quarantine_pack_ended(w->s, pack);
		w->r->moved++;
	} else if (good) {
		quarantine_pack_kept(w->s, kept);
	}
	compact_fini(c);
	mem_free(c);
	return good;
}

static bool empty_packs(struct repair_work *w)
{
	if (w->packs.n == 0)
		return true;
	if (blob_seal(w->s->blobs, &w->r->err) != BLOB_OK)
		return false;
	for (size_t i = 0; i < w->packs.n; i++)
		if (!empty_pack(w, w->packs.v[i]))
			return false;
	return true;
}

/* Rows of messages that somebody has, by a mailbox or the ledger; and what they hold. */
static bool remake(struct repair_work *w)
{
	struct adopt a = {.account = 0};

	if (!adopt_rows(&a, w->s)) {
		w->r->err = a.err;
		return false;
	}
	w->r->remade = a.remade;
	return repair_change(w, count_refs);
}

bool repair_run(struct repair *r, struct store *s)
{
	struct repair_work *w = mem_new(struct repair_work);
	bool good;

	w->r = r;
	w->s = s;
	good = repair_database(w) && repair_change(w, begin_record) && repair_emails(w) &&
	       repair_return_packs(w) && repair_name_packs(w) && repair_read_packs(w) &&
	       repair_change(w, repair_index) && give_up_all(w) && repair_change(w, fix_first) &&
	       remake(w) && (!r->recover || r->recover(r->ctx)) && repair_change(w, fix_rows) &&
	       repair_change(w, count_rows) && empty_packs(w);
	mem_free(w->bad.v);
	mem_free(w->lost.v);
	mem_free(w->packs.v);
	mem_free(w->found);
	mem_free(w);
	return good;
}
