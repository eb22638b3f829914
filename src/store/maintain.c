/*
 * Housekeeping, a slice a commit. A slice does one task as far as LIMIT_SLICE_ROWS allow; the next
 * slice looks at the next task.
 *
 * 1. A blob's row goes with its last reference, in the same commit; what the queue lets go is left with
 *    none, for a slice to take.
 * 2. The file of a single pack is removed only after the commit that deleted its row: the next slice
 *    does so, when it finds the row gone. A crash in between leaves a file that recovery removes.
 */
#include "store/maintain.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/email_seal.h"
#include "store/given.h"
#include "store/needed.h"
#include "store/queue.h"
#include "store/trace.h"

#define ROWS_PER_COPY 7 /* membership, email, ledger, blob, pack, index entries */
#define COPIES        (LIMIT_SLICE_ROWS / ROWS_PER_COPY)
#define BLOBS         (LIMIT_SLICE_ROWS / 2)
#define DROPPED       ((size_t)200) /* packs looked at */
#define SEALED        ((size_t)200) /* rows of emails, each of some KB */
#define HEADS         8             /* of single packs, each somewhere else on the disk */
#define PART          50            /* recipients or events of a message */
#define FOLDED        STR("folded") /* in meta: all recipients in ledger_day */
#define ROWS_A_PART   (PART * 4 + 8) /* an event, its dialogue twice, a pack; and the message's own */

struct slice {
	struct maintain *m;
	struct db *db;
	int64_t now;
	int heads; /* of single packs that were read */
	int64_t
	    purged; /* when the copy that was purged last was expunged; 0: none was, or it was not */
	enum db_code code;
};

static bool failed(struct slice *s, enum db_code code)
{
	if (code != DB_OK && code != DB_ROW && s->code == DB_OK)
		s->code = code;
	return s->code != DB_OK;
}

static void exec(struct slice *s, enum sql_id id, const struct db_value *args, size_t n)
{
	int64_t changes = 0;

	if (s->code == DB_OK && !failed(s, db_exec(s->db, id, args, n, &changes)))
		s->m->rows += changes;
}

/* The integer of the row that was changed or read; false when there was none. */
static bool get(
    struct slice *s, enum sql_id id, const struct db_value *args, size_t n, int64_t *value_r)
{
	enum db_code code;

	if (s->code != DB_OK)
		return false;
	code = db_get_int(s->db, id, args, n, value_r);
	failed(s, code);
	return code == DB_ROW;
}

/* Others wait for the commit meanwhile. */
static bool has_enough(const struct slice *s)
{
	return s->code != DB_OK || s->heads >= HEADS;
}

/* ---- blobs ---- */

/* As its file says: a row that a bit flipped in may say so of another pack, or of content that somebody has. */
static bool holds_nothing_else(struct slice *s, int64_t pack)
{
	uint8_t bytes[PACK_HEAD + PACK_RECORD];
	struct blob_store *blobs = s->m->cfg.blobs;
	struct pack_head head;
	struct pack_record record;
	enum needed needed = NEEDED_UNKNOWN;
	enum blob_code code = blob_raw(blobs, pack, 0, bytes, sizeof bytes, NULL);

	s->heads++;
	if (code == BLOB_GONE)
		return true;
	if (code != BLOB_OK || !pack_head_get(bytes, &head) || !head.single || head.pack != pack ||
	    !pack_record_get(bytes + PACK_HEAD, &record))
		return false;
	failed(s, needed_record(s->db, blobs, &record, &needed));
	return needed == NEEDED_NOT;
}

static void drop_single(struct slice *s, int64_t pack)
{
	int64_t single, other;

	/* as its row says; one that holds another has a damaged row */
	if (!get(s, SQL_PACK_SINGLE, DB_ARGS(db_int(pack)), &single) ||
	    get(s, SQL_BLOB_OF_PACK, DB_ARGS(db_int(pack)), &other) || s->code != DB_OK)
		return;
	if (!holds_nothing_else(s, pack)) { /* compaction reads it whole before it goes */
		exec(s, SQL_PACK_SHARED, DB_ARGS(db_int(pack)));
		return;
	}
	MUST(s->m->ndropped < LIMIT_SLICE_ROWS);
	s->m->dropped[s->m->ndropped++] = pack;
	exec(s, SQL_PACK_DELETE, DB_ARGS(db_int(pack)));
	/* else a start that finds the file sets it aside */
	exec(s, SQL_DROPPED_ADD, DB_ARGS(db_int(pack)));
}

static void delete_blob(struct slice *s, int64_t blob)
{
	int64_t pack;

	if (!get(s, SQL_BLOB_DELETE, DB_ARGS(db_int(blob)), &pack))
		return;
	s->m->rows++;
	drop_single(s, pack);
}

static void unref_blob(struct slice *s, int64_t blob)
{
	int64_t refs;

	if (!get(s, SQL_BLOB_UNREF, DB_ARGS(db_int(blob)), &refs))
		return;
	s->m->rows++;
	if (refs <= 0)
		delete_blob(s, blob);
}

/* Invariant 2. A pack whose row came back, its commit having failed, stays. */
static void remove_dropped_files(struct slice *s)
{
	struct maintain *m = s->m;
	int64_t known;

	for (size_t i = 0; i < m->ndropped; i++) {
		if (!get(s, SQL_PACK_KNOWN, DB_ARGS(db_int(m->dropped[i])), &known) &&
		    s->code == DB_OK)
			blob_drop_pack(m->cfg.blobs, m->dropped[i], NULL);
	}
	m->ndropped = 0;
}

/* Those without references. A single pack costs a row more each. */
static void purge_blobs(struct slice *s)
{
	int64_t blobs[BLOBS];
	struct db_query *q = db_begin_query(s->db, SQL_BLOB_UNUSED, DB_ARGS(db_int(BLOBS)));
	size_t n = 0, done = 0;

	while (n < BLOBS && db_step(q) == DB_ROW)
		blobs[n++] = db_col_int(q, 0);
	failed(s, db_end(q));
	while (done < n && !has_enough(s))
		delete_blob(s, blobs[done++]);
	s->m->more = n == BLOBS || done < n;
}

/* ---- copies ---- */

struct copy {
	int64_t account, mailbox, uid, email, expunged;
};

static void purge_copy(struct slice *s, const struct copy *c)
{
	int64_t links, blob;

	exec(s, SQL_MEMBERSHIP_DELETE,
	    DB_ARGS(db_int(c->account), db_int(c->mailbox), db_int(c->uid)));
	if (!get(s, SQL_EMAIL_UNLINK, DB_ARGS(db_int(c->account), db_int(c->email)), &links))
		return;
	s->m->rows++;
	if (links > 0 ||
	    !get(s, SQL_EMAIL_DELETE, DB_ARGS(db_int(c->account), db_int(c->email)), &blob))
		return;
	exec(s, SQL_LEDGER_PURGED, DB_ARGS(db_int(c->email), db_int(c->account), db_int(s->now)));
	unref_blob(s, blob);
}

/* The copies that a query names, at most COPIES; true: there may be others. */
static bool purge_copies(struct slice *s, enum sql_id id, int64_t arg)
{
	struct copy copies[COPIES];
	struct db_query *q = db_begin_query(s->db, id, DB_ARGS(db_int(arg), db_int(COPIES)));
	size_t n = 0, done = 0;

	for (; n < COPIES && db_step(q) == DB_ROW; n++)
		copies[n] = (struct copy){db_col_int(q, 0), db_col_int(q, 1), db_col_int(q, 2),
		    db_col_int(q, 3), db_col_int(q, 4)};
	failed(s, db_end(q));
	while (done < n && !has_enough(s))
		purge_copy(s, &copies[done++]);
	if (done > 0)
		s->purged = copies[done - 1].expunged;
	return n == COPIES || done < n;
}

static enum db_code put_purged(struct db *db, int64_t until)
{
	return db_exec(db, SQL_META_PUT, DB_ARGS(db_text(MAINTAIN_PURGED), db_int(until)), NULL);
}

enum db_code maintain_begin(struct db *db, int64_t undelete_ms, int64_t now)
{
	int64_t value = 0, messages = 0, folded = 0;
	enum db_code code = db_get_int(db, SQL_META_GET, DB_ARGS(db_text(MAINTAIN_PURGED)), &value);

	if (code == DB_ROW)
		return given_note(db, GIVEN_PURGED, true);
	if (code == DB_OK)
		code = given_note(db, GIVEN_PURGED, false);
	if (code == DB_OK)
		code = db_get_int(
		    db, SQL_META_GET, DB_ARGS(db_text(STR("rows_message"))), &messages);
	if (code == DB_OK || code == DB_ROW)
		code = db_get_int(db, SQL_META_GET, DB_ARGS(db_text(STR("folded"))), &folded);
	if (code != DB_OK && code != DB_ROW)
		return code;
	return put_purged(db, messages || folded ? now - undelete_ms : 0);
}

static void purge_expunged(struct slice *s)
{
	int64_t until = 0;

	s->m->more = purge_copies(s, SQL_PURGE_EXPUNGED, s->now - s->m->cfg.undelete_ms);
	if (!s->purged ||
	    (get(s, SQL_META_GET, DB_ARGS(db_text(MAINTAIN_PURGED)), &until) && until >= s->purged))
		return;
	if (s->code == DB_OK)
		failed(s, put_purged(s->db, s->purged));
}

/* ---- removed accounts ---- */

/* Some of the change feed; true while there is any. */
static bool purge_changes(struct slice *s, int64_t account)
{
	int64_t first;

	if (!get(s, SQL_CHANGE_FIRST, DB_ARGS(db_int(account)), &first))
		return false;
	exec(s, SQL_CHANGE_DELETE, DB_ARGS(db_int(account), db_int(first + LIMIT_SLICE_ROWS)));
	return true;
}

static void purge_accounts(struct slice *s)
{
	int64_t account;

	if (!get(s, SQL_ACCOUNT_REMOVED, DB_NO_ARGS, &account))
		return;
	s->m->more = true;
	if (purge_copies(s, SQL_PURGE_ACCOUNT, account) || purge_changes(s, account))
		return;
	exec(s, SQL_MAILBOX_DELETE_ALL, DB_ARGS(db_int(account)));
	exec(s, SQL_ACCOUNT_DELETE, DB_ARGS(db_int(account)));
}

/* ---- history ---- */

/* Some of a message's events, with their dialogues and what they are found by; true: there are others. */
static bool forget_events(struct slice *s, int64_t message)
{
	int64_t dialogues[PART], last = 0, before;
	struct db_query *q = db_begin_query(
	    s->db, SQL_TRACE_FIRST, DB_ARGS(db_int(message), db_int(PART)));
	size_t n = 0;

	for (; n < PART && db_step(q) == DB_ROW; n++) {
		last = db_col_int(q, 0);
		dialogues[n] = db_col_int(q, 1);
		if (s->code == DB_OK && db_col_int(q, 2) == TRACE_SENT_ON)
			failed(
			    s, trace_index_forget(s->db, message, db_col_str(q, 3), &s->m->rows));
	}
	failed(s, db_end(q));
	for (size_t i = 0; i < n && s->code == DB_OK; i++)
		if (dialogues[i])
			unref_blob(s, dialogues[i]);
	before = s->m->rows;
	if (n)
		exec(s, SQL_TRACE_DELETE, DB_ARGS(db_int(message), db_int(last)));
	if (n && s->m->rows == before) /* they would be found again, for ever */
		failed(s, db_damaged(s->db, "events of the trace are not where they should be"));
	return n == PART;
}

/* Some of its many recipients, the last ones: the others keep numbers without a gap. */
static void fold_recipients(struct slice *s, int64_t message)
{
	struct db_query *q = db_begin_query(
	    s->db, SQL_LEDGER_LAST, DB_ARGS(db_int(message), db_int(PART)));
	int64_t first = 0, n = 0, day = id_time(message) / DAY_MS;

	for (; s->code == DB_OK && db_step(q) == DB_ROW; n++) {
		first = db_col_int(q, 0);
		failed(s, trace_index_forget(s->db, message, db_col_str(q, 1), &s->m->rows));
	}
	failed(s, db_end(q));
	exec(s, SQL_META_ADD, DB_ARGS(db_text(FOLDED), db_int(n)));
	exec(s, SQL_FOLD_RECIPIENTS, DB_ARGS(db_int(day), db_int(message), db_int(first)));
	exec(s, SQL_LEDGER_DELETE, DB_ARGS(db_int(message), db_int(first)));
	exec(s, SQL_MESSAGE_FEWER, DB_ARGS(db_int(message), db_int(n)));
}

/* A message's rows become part of its day's sums, a part at a time; true: it is gone. */
static bool fold_message(struct slice *s, int64_t message, int64_t recipients)
{
	if (forget_events(s, message))
		return false;
	if (recipients > PART) {
		fold_recipients(s, message);
		return false;
	}
	exec(s, SQL_META_ADD, DB_ARGS(db_text(FOLDED), db_int(recipients)));
	exec(s, SQL_FOLD_DAY, DB_ARGS(db_int(id_time(message) / DAY_MS), db_int(message)));
	if (s->code == DB_OK)
		failed(s, trace_index_drop(s->db, message, &s->m->rows));
	exec(s, SQL_LEDGER_DELETE, DB_ARGS(db_int(message), db_int(0)));
	exec(s, SQL_MESSAGE_DELETE, DB_ARGS(db_int(message)));
	return true;
}

/*
 * The first message behind that one whose history is over. *recipients_r; 0: there is none. It does not look
 * farther than that: a long queue is all messages that have something queued.
 */
static int64_t next_over(struct slice *s, int64_t after, int64_t *recipients_r)
{
	int64_t before = id_first(s->now - s->m->cfg.history_ms);
	struct db_query *q = db_begin_query(
	    s->db, SQL_FOLD_NEXT, DB_ARGS(db_int(after), db_int(before)));
	int64_t message = 0;

	if (db_step(q) == DB_ROW) {
		message = db_col_int(q, 0);
		*recipients_r = db_col_int(q, 1);
	}
	failed(s, db_end(q));
	return message;
}

static void fold_history(struct slice *s)
{
	int64_t recipients = 0, message = next_over(s, 0, &recipients);

	while (s->code == DB_OK && message) {
		if (s->m->rows + ROWS_A_PART > LIMIT_SLICE_ROWS) {
			s->m->more = true;
			return;
		}
		message = next_over(
		    s, fold_message(s, message, recipients) ? message : message - 1, &recipients);
	}
}

/* Once an hour: destinations that nothing waits for, and hosts, are as many as there ever were. */
static void forget_destinations(struct slice *s)
{
	int64_t before = s->m->rows, ago = s->now - s->m->forgot;

	if (ago >= 0 && ago < HOUR_MS)
		return;
	exec(s, SQL_DESTINATION_FORGET,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(s->now - s->m->cfg.history_ms),
		db_int(LIMIT_SLICE_ROWS)));
	exec(s, SQL_HOST_WAIT_FORGET, DB_ARGS(db_int(QUEUE_SHARD), db_int(LIMIT_SLICE_ROWS)));
	exec(s, SQL_HOST_FORGET,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(s->now - s->m->cfg.history_ms),
		db_int(LIMIT_SLICE_ROWS)));
	if (s->m->rows == before)
		s->m->forgot = s->now;
}

/* As old as what it tells of. */
static void forget_admin_log(struct slice *s)
{
	exec(s, SQL_ADMIN_LOG_FORGET,
	    DB_ARGS(db_int(s->now - s->m->cfg.history_ms), db_int(LIMIT_SLICE_ROWS)));
}

/* Those whose time is over; once an hour also those of domains that are not verified any more. */
static void forget_callouts(struct slice *s)
{
	int64_t before = s->m->rows, ago = s->now - s->m->forgot_callouts;

	exec(s, SQL_CALLOUT_FORGET, DB_ARGS(db_int(s->now), db_int(LIMIT_SLICE_ROWS)));
	if (s->m->rows > before || (ago >= 0 && ago < HOUR_MS))
		return;
	exec(s, SQL_CALLOUT_FORGET_OTHERS, DB_ARGS(db_int(LIMIT_SLICE_ROWS)));
	if (s->m->rows == before)
		s->m->forgot_callouts = s->now;
}

/*
 * Once an hour: a dropped pack whose file is gone needs its row no more. Those above all rows keep it, so that
 * their number is not given again.
 */
static void forget_dropped(struct slice *s)
{
	int64_t packs[DROPPED], ago = s->now - s->m->forgot_dropped;
	struct db_query *q;
	size_t n = 0, looked;

	if (ago >= 0 && ago < HOUR_MS)
		return;
	q = db_begin_query(s->db, SQL_DROPPED_OLD, DB_ARGS(db_int(DROPPED)));
	while (n < DROPPED && db_step(q) == DB_ROW)
		packs[n++] = db_col_int(q, 0);
	if (failed(s, db_end(q)))
		return;
	looked = n;
	n = blob_gone(s->m->cfg.blobs, packs, n);
	for (size_t i = 0; i < n; i++)
		exec(s, SQL_DROPPED_FORGET, DB_ARGS(db_int(packs[i])));
	if (n == 0 || looked < DROPPED)
		s->m->forgot_dropped = s->now;
}

static void index_trace(struct slice *s)
{
	failed(s, trace_index_slice(s->db, &s->m->rows, &s->m->more));
}

/* Rows from version 1, as they are: what flipped in one before is not told by it. */
static void seal_emails(struct slice *s)
{
	struct {
		int64_t account, id, seal;
	} v[SEALED];
	struct db_query *q = db_begin_query(s->db, SQL_EMAIL_UNSEALED, DB_ARGS(db_int(SEALED)));
	size_t n = 0;

	for (; n < SEALED && db_step(q) == DB_ROW; n++) {
		struct email_row row = email_row_of(q, 0);

		v[n].account = row.account;
		v[n].id = row.id;
		v[n].seal = email_seal(&row);
	}
	failed(s, db_end(q));
	for (size_t i = 0; i < n; i++)
		exec(s, SQL_EMAIL_SEAL,
		    DB_ARGS(db_int(v[i].account), db_int(v[i].id), db_int(v[i].seal)));
	s->m->more = n == SEALED;
}

/* ---- the slice ---- */

static const struct {
	void (*run)(struct slice *s);
	bool frees;  /* less is stored afterwards: done on a full disk too */
	bool by_age; /* what goes, goes because of the clock, and is missed */
} tasks[MAINTAIN_TASKS] = {
    {purge_expunged, true, .by_age = true},
    {purge_blobs, true},
    {purge_accounts, true},
    {fold_history, true, .by_age = true},
    {forget_destinations, true},
    {forget_admin_log, true, .by_age = true},
    {forget_callouts, true},
    {forget_dropped, true},
    {index_trace, false},
    {seal_emails, false},
};

static enum lane_exec maintain_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct maintain *m = LIST_ENTRY(op, struct maintain, op);
	struct slice s = {.m = m, .db = db, .now = now};
	/* the clock may have gone ahead on the way here */
	bool spares = m->spares || (m->asked && now > m->asked + MAINTAIN_LEAP_MS);

	m->rows = 0;
	m->more = false;
	remove_dropped_files(&s);
	/* the first task, from where the last slice ended, that finds something to do */
	for (unsigned i = 0; i < MAINTAIN_TASKS && s.code == DB_OK && m->rows == 0; i++) {
		unsigned task = m->task++ % MAINTAIN_TASKS;

		m->more = false;
		if ((m->full && !tasks[task].frees) || (tasks[task].by_age && spares))
			continue;
		m->op.frees = tasks[task].frees; /* else the reserve is not for it */
		tasks[task].run(&s);
	}
	if (m->rows > 0)
		m->more = true; /* the other tasks were not looked at */
	if (s.code != DB_OK)
		return LANE_BROKEN;
	return m->rows > 0 ? LANE_KEEP : LANE_UNDO;
}

void maintain_init(struct maintain *m, const struct maintain_config *cfg)
{
	memset(m, 0, sizeof *m);
	m->cfg = *cfg;
	list_init(&m->op.link);
	m->op.exec = maintain_exec;
	m->op.frees = true;
}
