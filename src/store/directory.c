/*
 * Where mail for an address goes.
 *
 * Resolving is a walk over addresses, breadth first: `met` holds every address once, in the order it
 * was met, and is the queue of the walk too. An address met a second time stands for its account
 * alone, so a circle of aliases ends, and an alias may keep a copy for the account of its own name.
 */
#include "store/directory_walk.h"

#include "base/buf.h"
#include "base/limits.h"
#include "mime/mime_address.h"
#include "mime/mime_local.h"
#include "store/forward.h"

/* ---- the walk ---- */

static struct directory_address address_of(
    struct directory_walk *w, struct str spelt, struct str domain, unsigned depth)
{
	return (struct directory_address){mime_local_key(w->arena, spelt), domain, depth, spelt};
}

/* What is one name here may be two elsewhere, if not by the case of ASCII letters alone. */
static bool are_one(
    struct directory_walk *w, const struct directory_address *a, const struct directory_address *b)
{
	if (!str_eq(a->local, b->local) || !str_eq(a->domain, b->domain))
		return false;
	return str_eq_i(a->spelt, b->spelt) ||
	       (directory_walk_is_ours(w, a->domain) && w->kind == DIRECTORY_LOCAL);
}

static bool was_met(struct directory_walk *w, const struct directory_address *a)
{
	for (size_t i = 0; i < w->nmet; i++) {
		if (are_one(w, &w->met[i], a))
			return true;
	}
	return false;
}

static void meet(struct directory_walk *w, struct directory_address a)
{
	if (w->nmet >= LIMIT_ALIAS_TARGETS || a.depth > LIMIT_ALIAS_DEPTH) {
		w->trouble = true;
		return;
	}
	w->met = arena_grow(w->arena, w->met, w->nmet, &w->capacity, sizeof *w->met);
	w->met[w->nmet++] = a;
}

/* A target met a second time: its account, or nothing but the circle. */
static void meet_again(struct directory_walk *w, const struct directory_address *a)
{
	struct directory_found row;

	if (directory_walk_find(w, a->local, a->domain, &row))
		directory_walk_add_account(w, &row, STR(""));
	else if (w->failure == ACCEPT_CLASSES)
		w->failure = ACCEPT_TROUBLE;
}

/* Follows the alias name@domain on the way of `from`; false when there is no such alias. */
static bool follow_alias(
    struct directory_walk *w, const struct directory_address *from, struct str name)
{
	struct directory_address *to = NULL;
	size_t n = 0, capacity = 0;
	struct db_query *q = db_begin_query(
	    w->db, SQL_ALIAS_TARGETS, DB_ARGS(db_text(from->domain), db_text(name)));

	while (db_step(q) == DB_ROW && n < LIMIT_ALIAS_TARGETS) {
		struct str local = db_col_str(q, 0);

		to = arena_grow(w->arena, to, n, &capacity, sizeof *to);
		to[n++] = address_of(w, local.n ? arena_str(w->arena, local) : from->spelt,
		    arena_str(w->arena, db_col_str(q, 1)), from->depth + 1);
	}
	if (directory_walk_failed(w, db_end(q)))
		return true;
	for (size_t i = 0; i < n; i++) {
		if (was_met(w, &to[i]))
			meet_again(w, &to[i]);
		else
			meet(w, to[i]);
	}
	return n > 0;
}

/* The alias, or else the account, of that name. */
static bool follow_name(struct directory_walk *w, const struct directory_address *from,
    struct str name, struct str detail)
{
	struct directory_found row;

	if (follow_alias(w, from, name))
		return true;
	if (!directory_walk_find(w, name, from->domain, &row))
		return w->code != DB_OK;
	if (!directory_postmaster_is(w, from) || directory_walk_takes_this(w, &row))
		directory_walk_add_account(w, &row, detail);
	else if (directory_walk_takes_mail(&row))
		directory_postmaster_add(w, &row); /* full: it is his all the same */
	else
		return false; /* he is stood in for [RFC 5321 4.5.1] */
	return true;
}

/*
 * The way back to whoever sent what was sent on. A bad address of that form may be one that another server
 * makes for the domain, if this one makes none.
 */
static bool follow_return(struct directory_walk *w, const struct directory_address *from)
{
	struct queue_srs_origin origin;
	enum queue_srs_status status = QUEUE_SRS_NONE;

	if (from->depth > 0 || directory_walk_failed(w, forward_origin(w->db, w->arena, w->asked,
							    w->now, &status, &origin)))
		return w->code != DB_OK;
	if (status == QUEUE_SRS_NONE || (status == QUEUE_SRS_BAD && !w->cfg->srs))
		return false;
	if (status != QUEUE_SRS_ADDRESS) {
		directory_walk_leave_out(
		    w, status == QUEUE_SRS_EXPIRED ? ACCEPT_EXPIRED : ACCEPT_FORGED);
		return true;
	}
	w->is_return = true;
	meet(w, address_of(w, origin.local, origin.domain, 1));
	return true;
}

/* bob+x as bob; only the first separator counts. */
static bool follow_base(struct directory_walk *w, const struct directory_address *from)
{
	size_t at = w->cfg->separator ? str_find(from->local, (uint8_t)w->cfg->separator) : 0;

	if (at == 0 || at >= from->local.n)
		return false;
	return follow_name(w, from, str_sub(from->local, 0, at), str_from(from->local, at + 1));
}

/* As it stands in an SMTP path: quoted where it must be. */
static struct str quoted(struct directory_walk *w, const struct directory_address *from)
{
	struct mime_address address = {.local = from->spelt, .domain = STR("")};
	struct buf b;
	struct str text;

	buf_init(&b, 2 * LIMIT_SMTP_PATH);
	mime_address_put_spec(&b, &address);
	text = arena_str(w->arena, buf_view(&b));
	buf_fini(&b);
	return text;
}

static void add_elsewhere(struct directory_walk *w, const struct directory_address *a)
{
	directory_walk_add(
	    w, (struct directory_target){
		   .local = w->is_return ? a->spelt : quoted(w, a), .domain = a->domain});
}

static void visit(struct directory_walk *w, struct directory_address a)
{
	directory_postmaster_note(w, &a);
	if (!directory_walk_is_ours(w, a.domain)) {
		if (!directory_postmaster_is_of_server(w, a.domain) && w->code == DB_OK)
			add_elsewhere(w, &a);
		else if (!directory_postmaster_follow(w, &a))
			directory_walk_leave_out(w, ACCEPT_UNKNOWN);
		return;
	}
	if (w->kind != DIRECTORY_LOCAL) {
		add_elsewhere(w, &a);
		return;
	}
	if (follow_name(w, &a, a.local, STR("")) || follow_return(w, &a) || follow_base(w, &a) ||
	    follow_alias(w, &a, STR("")) || directory_postmaster_follow(w, &a))
		return;
	directory_walk_leave_out(w, ACCEPT_UNKNOWN);
}

static enum accept_class judge(const struct directory_walk *w)
{
	if (w->trouble)
		return ACCEPT_TROUBLE;
	if (w->over_quota)
		return w->too_large ? ACCEPT_TOO_LARGE : ACCEPT_OVER_QUOTA;
	if (w->ntargets == 0)
		return w->failure == ACCEPT_CLASSES ? ACCEPT_TROUBLE : w->failure;
	if (w->is_return)
		return ACCEPT_RETURN;
	for (size_t i = 0; i < w->ntargets; i++) {
		if (w->targets[i].account)
			return ACCEPT_LOCAL;
	}
	if (w->nmet > 1)
		return ACCEPT_REDIRECT;
	return w->kind == DIRECTORY_LOCAL ? ACCEPT_RELAY : ACCEPT_BACKUP;
}

static void walk_from(struct directory_walk *w, struct str local, struct str domain)
{
	meet(w, address_of(w, local, arena_lower(w->arena, domain), 0));
	for (size_t i = 0; i < w->nmet && w->code == DB_OK && !w->trouble; i++)
		visit(w, w->met[i]);
}

/* What the walk has come to; relay: of an address in a domain whose recipients its own server knows. */
static enum db_code tell(
    const struct directory_walk *w, bool relay, struct directory_answer *answer_r)
{
	if (w->code == DB_OK)
		*answer_r = (struct directory_answer){
		    judge(w), w->targets, w->ntargets, w->left_out, relay};
	return w->code;
}

enum db_code directory_resolve(struct db *db, const struct directory_config *cfg, struct arena *a,
    struct str local, struct str domain, int64_t size, int64_t now,
    struct directory_answer *answer_r)
{
	struct directory_walk w = {.db = db,
	    .cfg = cfg,
	    .arena = a,
	    .size = size,
	    .now = now,
	    .asked = local,
	    .failure = ACCEPT_CLASSES};

	walk_from(&w, local, domain);
	directory_postmaster_rescue_asked(&w);
	if (tell(&w, w.kind == DIRECTORY_RELAY, answer_r) != DB_OK)
		return w.code;
	if (accept_refusal(answer_r->class, true, true))
		answer_r->count = 0;
	return DB_OK;
}

enum db_code directory_account(struct db *db, const struct directory_config *cfg, struct arena *a,
    struct str local, struct str domain, int64_t size, struct directory_answer *answer_r)
{
	struct directory_walk w = {
	    .db = db, .cfg = cfg, .arena = a, .size = size, .failure = ACCEPT_CLASSES};
	struct directory_found row;

	if (directory_walk_find(&w, mime_local_key(a, local), arena_lower(a, domain), &row))
		directory_walk_add_account(&w, &row, STR(""));
	else
		directory_walk_leave_out(&w, ACCEPT_UNKNOWN);
	return tell(&w, false, answer_r);
}

static void drop_elsewhere(struct directory_walk *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->ntargets; i++) {
		if (w->targets[i].account)
			w->targets[n++] = w->targets[i];
	}
	w->ntargets = n;
}

enum db_code directory_postmaster(struct db *db, const struct directory_config *cfg,
    struct arena *a, struct str address, int64_t size, int64_t now,
    struct directory_answer *answer_r)
{
	struct directory_walk w = {.db = db,
	    .cfg = cfg,
	    .arena = a,
	    .size = size,
	    .now = now,
	    .asked = STR(""),
	    .failure = ACCEPT_CLASSES};
	struct str domain, local = str_split(address, '@', &domain);

	walk_from(&w, local, domain);
	drop_elsewhere(&w);
	directory_postmaster_rescue(&w);
	return tell(&w, false, answer_r);
}
