/* What a walk over addresses reads and finds. */
#include "store/directory_walk.h"

#include "base/hash.h"

/* ---- what the walk found ---- */

void directory_walk_add(struct directory_walk *w, struct directory_target target)
{
	w->targets = arena_grow(
	    w->arena, w->targets, w->ntargets, &w->target_capacity, sizeof *w->targets);
	w->targets[w->ntargets++] = target;
}

void directory_walk_leave_out(struct directory_walk *w, enum accept_class class)
{
	w->left_out++;
	if (w->failure == ACCEPT_CLASSES)
		w->failure = class;
}

/* A message of unknown size is taken for one octet: nothing fits into a full mailbox. */
static bool has_room(const struct directory_usage *u, int64_t size)
{
	return u->bytes + (size ? size : 1) <= u->max_bytes && u->messages < u->max_messages;
}

/* By another of his addresses: he gets no second copy. */
static bool has_it(struct directory_walk *w, const struct directory_found *row)
{
	int64_t modseq;
	enum db_code code;

	if (!w->cfg->message)
		return false;
	code = db_get_int(
	    w->db, SQL_EMAIL_MODSEQ, DB_ARGS(db_int(row->id), db_int(w->cfg->message)), &modseq);
	if (code != DB_ROW)
		directory_walk_failed(w, code);
	return code == DB_ROW;
}

static bool is_full(struct directory_walk *w, const struct directory_found *row)
{
	return !w->cfg->no_quota &&
	       (!has_room(&row->own, w->size) || !has_room(&row->domains, w->size)) &&
	       !has_it(w, row);
}

static void note_full(struct directory_walk *w, const struct directory_found *row)
{
	w->over_quota = true;
	if (w->size > row->own.max_bytes || w->size > row->domains.max_bytes)
		w->too_large = true;
}

bool directory_walk_takes_mail(const struct directory_found *row)
{
	return row->state == DIRECTORY_ACTIVE && !row->send_only;
}

bool directory_walk_takes_this(struct directory_walk *w, const struct directory_found *row)
{
	return directory_walk_takes_mail(row) && !is_full(w, row);
}

struct directory_target directory_walk_target(
    const struct directory_walk *w, const struct directory_found *row, struct str detail)
{
	return (struct directory_target){.account = row->id,
	    .local = row->local,
	    .domain = row->domain,
	    .detail = detail,
	    .postmaster = w->postmaster};
}

void directory_walk_add_account(
    struct directory_walk *w, const struct directory_found *row, struct str detail)
{
	for (size_t i = 0; i < w->ntargets; i++) {
		if (w->targets[i].account == row->id)
			return;
	}
	if (row->state != DIRECTORY_ACTIVE)
		directory_walk_leave_out(w, ACCEPT_DISABLED);
	else if (row->send_only)
		directory_walk_leave_out(w, ACCEPT_SEND_ONLY);
	else if (is_full(w, row))
		note_full(w, row);
	else
		directory_walk_add(w, directory_walk_target(w, row, detail));
}

/* ---- one look at the database each ---- */

bool directory_walk_failed(struct directory_walk *w, enum db_code code)
{
	if (code != DB_OK && w->code == DB_OK)
		w->code = code;
	return w->code != DB_OK;
}

bool directory_walk_step(struct directory_walk *w, struct db_query *q, struct directory_found *r)
{
	if (db_step(q) != DB_ROW)
		return false;
	r->id = db_col_int(q, 0);
	r->state = (enum directory_state)db_col_word(
	    q, 1, DIRECTORY_STATES, DIRECTORY_STATE_DISABLED);
	r->send_only = db_col_int(q, 2) != 0;
	r->own = (struct directory_usage){
	    db_col_int(q, 3), db_col_int(q, 4), db_col_int(q, 9), db_col_int(q, 10)};
	r->domains = (struct directory_usage){
	    db_col_int(q, 11), db_col_int(q, 12), db_col_int(q, 13), db_col_int(q, 14)};
	r->local = arena_str(w->arena, db_col_str(q, 7));
	r->domain = arena_str(w->arena, db_col_str(q, 8));
	return true;
}

bool directory_walk_read(struct directory_walk *w, enum sql_id id, const struct db_value *args,
    size_t n, struct directory_found *r)
{
	struct db_query *q = db_begin_query(w->db, id, args, n);
	bool found = directory_walk_step(w, q, r);

	return !directory_walk_failed(w, db_end(q)) && found;
}

static uint64_t hash_of(struct str local, struct str domain)
{
	struct hash_key key = {0x6469726563746f72, 0};

	key.k1 = hash_bytes(&key, domain);
	return hash_bytes(&key, local);
}

/*
 * By the number it had last time, if it still has that name: rows lie in the order of their numbers, those that
 * get mail on few pages, while in the index of names each has a page of its own. After each commit a reader reads
 * its pages anew.
 */
bool directory_walk_find(
    struct directory_walk *w, struct str local, struct str domain, struct directory_found *r)
{
	int64_t *hint = db_hint(w->db, hash_of(local, domain));

	if (*hint && directory_walk_read(w, SQL_ACCOUNT_KNOWN,
			 DB_ARGS(db_int(*hint), db_text(domain), db_text(local)), r))
		return true;
	if (w->code != DB_OK || !directory_walk_read(w, SQL_ACCOUNT_BY_ADDRESS,
				    DB_ARGS(db_text(domain), db_text(local)), r))
		return false;
	*hint = r->id;
	return true;
}

bool directory_walk_is_ours(struct directory_walk *w, struct str domain)
{
	int64_t kind = DIRECTORY_LOCAL;
	enum db_code code = db_get_int(w->db, SQL_DOMAIN_KIND, DB_ARGS(db_text(domain)), &kind);

	if (code == DB_ROW)
		w->kind = (enum directory_kind)db_word(kind, DIRECTORY_KINDS, DIRECTORY_LOCAL);
	else
		directory_walk_failed(w, code);
	return code == DB_ROW;
}
