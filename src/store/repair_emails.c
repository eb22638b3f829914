/*
 * Rows of emails that are not what was written. One bit that flipped is found by its seal, and put back; of
 * what differs by more the row goes where a mailbox or the ledger tells that the account has it, for then it
 * is made anew from the content (adopt.c); else it stays, sealed as it is.
 */
#include "store/repair_work.h"

#include "base/arena.h"
#include "base/mem.h"
#include "store/email_seal.h"

#define ROWS_A_STEP INT64_C(256)

struct torn {
	int64_t account, id; /* the row's key as it is now */
	struct email_row row;
};

struct slice {
	struct arena *arena;
	struct torn v[ROWS_A_STEP];
	size_t n;
	int64_t account, email; /* read up to here */
	bool last;
};

static enum db_code find_torn(struct db *db, struct slice *s)
{
	struct db_query *q = db_begin_query(db, SQL_VERIFY_SEALS,
	    DB_ARGS(db_int(s->account), db_int(s->email), db_int(ROWS_A_STEP)));
	int64_t rows = 0;

	for (; db_step(q) == DB_ROW; rows++) {
		struct email_row row = email_row_of(q, 0);

		s->account = row.account;
		s->email = row.id;
		if (email_seal_fits(&row))
			continue;
		row.prefix = arena_str(s->arena, row.prefix);
		row.keywords = arena_str(s->arena, row.keywords);
		row.summary = arena_str(s->arena, row.summary);
		s->v[s->n++] = (struct torn){row.account, row.id, row};
	}
	s->last = rows < ROWS_A_STEP;
	return db_end(q);
}

static enum db_code put(struct db *db, const struct torn *t, int64_t *changes_r)
{
	const struct email_row *r = &t->row;

	return db_exec(db, SQL_REPAIR_EMAIL_MEND,
	    DB_ARGS(db_int(t->account), db_int(t->id), db_int(r->account), db_int(r->id),
		db_int(r->blob), db_int(r->thread), db_int(r->received), db_bytes(r->prefix),
		db_text(r->keywords), db_bytes(r->summary), db_int(r->seal)),
	    changes_r);
}

/* Whether a mailbox or the ledger tells that the account has the row's email. */
static enum db_code is_known(struct db *db, const struct torn *t, bool *known_r)
{
	int64_t n = 0;
	enum db_code code = db_get_int(
	    db, SQL_REPAIR_EMAIL_KNOWN, DB_ARGS(db_int(t->account), db_int(t->id)), &n);

	*known_r = n > 0;
	if (code == DB_ROW)
		return DB_OK;
	return code == DB_OK ? DB_ERROR : code;
}

static enum db_code give_up_row(struct db *db, struct torn *t)
{
	int64_t changes;
	bool known;
	enum db_code code = is_known(db, t, &known);

	if (code != DB_OK)
		return code;
	if (known)
		return db_exec(
		    db, SQL_REPAIR_EMAIL_DELETE, DB_ARGS(db_int(t->account), db_int(t->id)), NULL);
	t->row.account = t->account;
	t->row.id = t->row.blob = t->id;
	t->row.seal = email_seal(&t->row);
	return put(db, t, &changes);
}

/* Of version 1: no seal tells whether the id is wrong or the blob. */
static enum db_code mend_unsealed(struct db *db, struct torn *t, int64_t *changes_r)
{
	bool known;
	enum db_code code = is_known(db, t, &known);

	if (known)
		t->row.blob = t->row.id;
	else
		t->row.id = t->row.blob;
	return code == DB_OK ? put(db, t, changes_r) : code;
}

static enum db_code mend(struct repair_work *w, struct db *db, struct slice *s, struct torn *t)
{
	int64_t changes = 0;
	enum db_code code = DB_OK;

	if (t->row.seal == 0)
		code = mend_unsealed(db, t, &changes);
	else if (email_row_mend(s->arena, &t->row))
		code = put(db, t, &changes);
	w->r->mended += changes;
	return code == DB_OK && changes == 0 ? give_up_row(db, t) : code;
}

/* It may be done a second time (docs/invariants/lane.md 4): what is kept is put back. */
static enum db_code run(struct repair_work *w, struct db *db, int64_t now)
{
	struct slice *s = mem_new(struct slice);
	enum db_code code = DB_OK;

	w->r->mended = 0;
	s->account = s->email = INT64_MIN;
	s->arena = arena_new();
	while (code == DB_OK && !s->last) {
		arena_reset(s->arena, false);
		s->n = 0;
		code = find_torn(db, s);
		for (size_t i = 0; i < s->n && code == DB_OK; i++)
			code = mend(w, db, s, &s->v[i]);
	}
	arena_free(&s->arena);
	mem_free(s);
	return code;
}

bool repair_emails(struct repair_work *w)
{
	return repair_change(w, run);
}
