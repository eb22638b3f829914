/*
 * A mailbox at a moment: the rows that were put in by then and not yet expunged.
 *
 * 1. Rows are taken in the order in which they lie, whatever their uids say: one whose uid flipped leads nowhere.
 *    A scan goes on behind the uid of the last row only if that leads to the row that was seen to follow it;
 *    else it counts rows from the last uid that did. Behind a uid that is lower than those before it nothing is
 *    read unless that row was seen: it would lead round for ever.
 * 2. Where a page cannot be read, or rows end while the mailbox counts more, or a uid led back, it goes on at the
 *    first uid behind at which a row is found.
 * 3. What the mailbox counts and no row gave is told: never is less given in silence.
 */
#include "store/mailbox_at.h"

#include "base/buf.h"
#include "store/email_seal.h"

#define PAGE  ((int64_t)MAILBOX_AT_PAGE)
#define PAUSE 20   /* pages without a message of the moment */
#define STEPS 1000 /* places of a mailbox that are stepped over */

void mailbox_at_begin(struct mailbox_at *w, int64_t account, int64_t mailbox, int64_t moment)
{
	*w = (struct mailbox_at){.account = account,
	    .mailbox = mailbox,
	    .moment = moment,
	    .full = true,
	    .last.uid = INT64_MIN,
	    .stepped = true};
}

void mailbox_at_turn(struct mailbox_at *w)
{
	w->full = w->full || w->at < w->n || !w->at_end;
	if (w->at < w->n) {
		w->expects = true;
		w->expected = w->rows[w->at];
	}
	w->at = w->n = 0;
}

/* Of its pages, or of the disk: what is read elsewhere may be sound. */
static bool is_damage(enum db_code code)
{
	return code == DB_CORRUPT || code == DB_IO;
}

/* ---- rows ---- */

/* The rows of a query; as many as there are before a failure. */
static enum db_code take_in(struct mailbox_at *w, struct db_query *q)
{
	w->at = w->n = 0;
	while (w->n < sizeof w->rows / sizeof *w->rows && db_step(q) == DB_ROW)
		w->rows[w->n++] = (struct mailbox_at_member){db_col_int(q, 0), db_col_int(q, 1),
		    db_col_int(q, 2), db_col_int(q, 3), db_col_int(q, 4), db_col_int(q, 5),
		    db_col_int(q, 6)};
	return db_end(q);
}

/* From number `from` (from 0) on of those behind a uid. */
static enum db_code read_rows(
    struct db *db, struct mailbox_at *w, int64_t base, int64_t from, int64_t max)
{
	return take_in(w, db_begin_query(db, SQL_MAILBOX_AT_ROWS,
			      DB_ARGS(db_int(w->account), db_int(w->mailbox), db_int(base),
				  db_int(max), db_int(from))));
}

static bool is_same(const struct mailbox_at_member *a, const struct mailbox_at_member *b)
{
	return a->uid == b->uid && a->email == b->email;
}

/* The rows behind the last one, by its place: it must still be there. */
static bool read_by_place(struct db *db, struct mailbox_at *w, enum db_code *code)
{
	if (w->place == 0)
		return false;
	*code = read_rows(db, w, w->base, w->place - 1, PAGE + 2);
	w->at = 1;
	return w->n > 1 && is_same(&w->rows[0], &w->last);
}

/* Whether what lies behind its uid is what was taken already. */
static bool leads_back(const struct mailbox_at *w)
{
	return !w->expects && !w->stepped && w->last.uid < w->reach;
}

/* The rows behind the last one: by its uid, or by its place; of one that leads back none. */
static enum db_code read_behind(struct db *db, struct mailbox_at *w)
{
	enum db_code code;

	if (leads_back(w)) {
		w->astray = true;
		w->at = w->n = 0;
		return DB_OK;
	}
	code = read_rows(db, w, w->last.uid, 0, PAGE + 1);
	if (w->expects && (w->n == 0 || !is_same(&w->rows[0], &w->expected))) {
		if (read_by_place(db, w, &code))
			return code;
		code = read_rows(db, w, w->last.uid, 0, PAGE + 1); /* what followed is gone */
	}
	w->base = w->last.uid;
	w->place = 0;
	return code;
}

/* How many live messages the mailbox counts, and the uid that comes next; as they were when it has no row. */
static enum db_code read_mailbox(
    struct db *db, const struct mailbox_at *w, int64_t *messages_r, int64_t *uidnext_r)
{
	struct db_query *q = db_begin_query(
	    db, SQL_MAILBOX_AT_COUNTS, DB_ARGS(db_int(w->account), db_int(w->mailbox)));
	enum db_code code;

	if (db_step(q) == DB_ROW) {
		*messages_r = db_col_int(q, 0);
		*uidnext_r = db_col_int(q, 1);
	}
	code = db_end(q);
	return is_damage(code) ? DB_OK : code;
}

/* A page; of one that is full the last row is only looked at, for it must follow. */
static enum db_code read_page(struct db *db, struct mailbox_at *w)
{
	int64_t messages = 0, uidnext = INT64_MAX;
	enum db_code code = w->limit ? DB_OK : read_mailbox(db, w, &messages, &uidnext);

	if (code != DB_OK)
		return code;
	w->limit = w->limit ? w->limit : uidnext;
	code = read_behind(db, w);
	w->expects = false;
	w->stepped = w->stepped && w->n == 0;
	w->full = (int64_t)(w->n - w->at) > PAGE || (is_damage(code) && w->n > w->at);
	w->torn = w->torn || is_damage(code);
	if (code == DB_OK && w->full) {
		w->expects = true;
		w->expected = w->rows[--w->n];
	}
	return is_damage(code) ? DB_OK : code;
}

/* ---- behind damage ---- */

/* DB_ROW: there is a row with this uid or a higher one, *uid_r; DB_OK: none is found. */
static enum db_code probe(struct db *db, struct mailbox_at *w, uint64_t uid, int64_t *uid_r)
{
	enum db_code code = read_rows(db, w, (int64_t)uid - 1, 0, 1);
	bool found = code == DB_OK && w->n && w->rows[0].uid >= (int64_t)uid;

	if (found)
		*uid_r = w->rows[0].uid;
	w->n = 0;
	if (found)
		return DB_ROW;
	return is_damage(code) ? DB_OK : code;
}

/* The lowest uid behind `from` at which a row is found: DB_ROW, *at_r, and *uid_r that of the row. */
static enum db_code find_behind(
    struct db *db, struct mailbox_at *w, uint64_t from, uint64_t *at_r, int64_t *uid_r)
{
	uint64_t miss = 0, hit = 0;
	enum db_code code = DB_OK;

	for (uint64_t step = 1; code == DB_OK && from + step < INT64_MAX; step *= 2) {
		code = probe(db, w, from + step, uid_r);
		miss = hit;
		hit = step;
	}
	while (code == DB_ROW && hit - miss > 1) {
		uint64_t middle = miss + (hit - miss) / 2;
		enum db_code found = probe(db, w, from + middle, uid_r);

		if (found == DB_ROW)
			hit = middle;
		else
			miss = middle;
		if (found != DB_ROW && found != DB_OK)
			code = found;
	}
	*at_r = from + hit;
	return code;
}

/* The one that lies between what could not be read and the uid. */
static enum db_code read_before(struct db *db, struct mailbox_at *w, uint64_t uid)
{
	enum db_code code = take_in(w, db_begin_query(db, SQL_MAILBOX_AT_BEFORE,
					   DB_ARGS(db_int(w->account), db_int(w->mailbox),
					       db_int(w->reach), db_int((int64_t)uid))));

	return is_damage(code) ? DB_OK : code;
}

/* Goes on at the first row behind those taken that is found. DB_ROW; DB_OK: there is none. */
static enum db_code step_over(struct db *db, struct mailbox_at *w)
{
	uint64_t at = 0;
	int64_t uid = 0;
	enum db_code code = DB_OK;

	if (w->steps++ < STEPS)
		code = find_behind(db, w, (uint64_t)w->reach, &at, &uid);
	if (code != DB_ROW)
		return code;
	code = read_before(db, w, at);
	if (code != DB_OK)
		return code;
	w->at_end = uid >= w->limit; /* one that is none: behind it all was looked at */
	w->expects = false;
	w->stepped = true;
	w->last = (struct mailbox_at_member){.uid = (int64_t)at - 1};
	w->reach = (int64_t)at;
	w->full = true;
	return DB_ROW;
}

/* ---- the end ---- */

static struct str missing_text(struct arena *a, int64_t missing)
{
	struct buf b;
	struct str text;

	buf_init(&b, KIB);
	if (missing)
		buf_printf(&b, "%lld messages that the mailbox counts are left out: their",
		    (long long)missing);
	else
		buf_lit(&b, "messages may be left out:");
	buf_lit(&b, " rows in the database cannot be read or found");
	text = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return text;
}

/* Behind the last page. DB_ROW: *row_r tells what is missing, or there is more to read; DB_OK: that was all. */
static enum db_code end(
    struct db *db, struct arena *a, struct mailbox_at *w, struct mailbox_at_row *row_r)
{
	int64_t messages = 0, uidnext = 0, missing;
	enum db_code code = read_mailbox(db, w, &messages, &uidnext);

	missing = messages > w->live ? messages - w->live : 0;
	if (code == DB_OK && !w->at_end && (missing || w->torn || w->astray))
		code = step_over(db, w);
	if (code != DB_OK)
		return code;
	w->at_end = true;
	if (w->told || (missing == 0 && !w->torn))
		return DB_OK;
	w->told = true;
	row_r->kind = MAILBOX_AT_DAMAGE;
	row_r->missing = missing;
	row_r->why = missing_text(a, missing);
	return DB_ROW;
}

/* ---- messages ---- */

static struct mailbox_at_row message_of(struct db_query *q, struct arena *a)
{
	struct email_row email = email_row_of(q, 1);
	bool here = !db_col_is_null(q, 10);

	return (struct mailbox_at_row){.received = email.received,
	    .keywords = arena_str(a, email.keywords),
	    .summary = arena_str(a, email.summary),
	    .why = here ? STR("") : STR("its content is lost"),
	    .message = {.prefix = arena_str(a, email.prefix),
		.blob = email.blob,
		.pos = {db_col_int(q, 10), db_col_int(q, 11), db_col_int(q, 12)},
		.changed = db_col_int(q, 0) == 0 || !email_seal_fits(&email)}};
}

/* The message of a row; pages of it that cannot be read are its own damage. */
static enum db_code read_message(struct db *db, struct arena *a, const struct mailbox_at *w,
    const struct mailbox_at_member *m, struct mailbox_at_row *row_r)
{
	struct db_query *q = db_begin_query(db, SQL_MAILBOX_AT_EMAIL,
	    DB_ARGS(db_int(w->account), db_int(m->email), db_int(m->size), db_int(m->modseq)));
	struct mailbox_at_row row = {.why = STR("its row is lost")};
	enum db_code code;

	if (db_step(q) == DB_ROW)
		row = message_of(q, a);
	code = db_end(q);
	if (is_damage(code))
		row = (struct mailbox_at_row){
		    .why = STR("its rows in the database cannot be read")};
	else if (code != DB_OK)
		return code;
	row.received = row.why.n ? m->created : row.received;
	row.message.email = m->email;
	row.message.size = m->size;
	*row_r = row;
	return DB_ROW;
}

static bool was_there(const struct mailbox_at *w, const struct mailbox_at_member *m)
{
	return m->created <= w->moment && (m->expunged_modseq == 0 || m->expunged_at > w->moment);
}

/* Takes rows up to the next one of the moment. False: there is none on this page. */
static bool take_row(struct mailbox_at *w)
{
	while (w->at < w->n) {
		w->last = w->rows[w->at++];
		w->place++;
		w->live += w->last.expunged_modseq == 0;
		if (w->last.uid > w->reach &&
		    (w->last.uid - 1 == w->reach || w->last.uid < w->limit))
			w->reach = w->last.uid;
		if (was_there(w, &w->last))
			return true;
	}
	return false;
}

enum db_code mailbox_at_next(
    struct db *db, struct arena *a, struct mailbox_at *w, struct mailbox_at_row *row_r)
{
	enum db_code code;

	for (int pages = 0; pages < PAUSE; pages++) {
		struct mailbox_at_row row = {.kind = MAILBOX_AT_PAUSE};

		if (take_row(w))
			return read_message(db, a, w, &w->last, row_r);
		code = w->full ? DB_ROW : end(db, a, w, &row);
		if (row.kind == MAILBOX_AT_DAMAGE)
			*row_r = row;
		if (code != DB_ROW || row.kind == MAILBOX_AT_DAMAGE)
			return code;
		if (w->at == w->n)
			code = read_page(db, w);
		else
			code = DB_OK; /* the one that step_over() has found */
		if (code != DB_OK)
			return code;
	}
	*row_r = (struct mailbox_at_row){.kind = MAILBOX_AT_PAUSE};
	return DB_ROW;
}
