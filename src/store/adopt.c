/*
 * Each message becomes an import of content that is there already, a batch of them a commit. An account
 * that takes no mail (disabled, send-only) leaves its own to the one that is named; quota does not count.
 */
#include "store/adopt.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/mem.h"
#include "mime/mime_scan.h"
#include "mime/mime_summary.h"
#include "mime/mime_trace.h"
#include "store/change.h"
#include "store/copy.h"
#include "store/import.h"
#include "store/mailbox_path.h"
#include "store/summary.h"

#define BATCH 64
#define PIECE (64 * KIB)

/* An account's mailbox for it. */
struct home {
	struct hash_node node;
	int64_t account, mailbox;
};

struct owner {
	int64_t account;
	struct str address; /* in the arena */
};

struct work {
	struct adopt *a;
	struct store *s;
	struct hash_table homes;
	struct arena *arena; /* of the message at hand */
	struct list batch;   /* of imports */
	size_t n;
	uint8_t *piece;
	/* the message at hand */
	int64_t id;
	struct blob_pos pos;
	struct str summary, path; /* for whom it was taken; empty: not known */
	struct owner *owners;
	size_t nowners;
	int64_t received;
	struct str reverse_path;
	bool has_row; /* reverse_path is known */
};

static bool db_good(struct work *w, enum db_code code)
{
	if (code == DB_OK)
		return true;
	err_set(&w->a->err, "%s", db_error(w->s->db));
	return false;
}

static void nothing(struct lane_op *op)
{
}

/* ---- where it goes ---- */

static struct home *home_of(struct work *w, int64_t account)
{
	struct hash_node *n = hash_first(&w->homes, (uint64_t)account);

	while (n && HASH_ENTRY(n, struct home, node)->account != account)
		n = hash_next(n);
	return n ? HASH_ENTRY(n, struct home, node) : NULL;
}

static void free_home(struct hash_node *node, void *ctx)
{
	mem_free(HASH_ENTRY(node, struct home, node));
}

/* Its mailbox, made when it is not there. */
static bool find_home(struct work *w, int64_t account, int64_t *mailbox_r)
{
	struct mailbox_make make;
	struct home *h = home_of(w, account);

	if (h) {
		*mailbox_r = h->mailbox;
		return true;
	}
	mailbox_make_init(&make, account, STR(ADOPT_MAILBOX));
	make.op.done = nothing;
	store_write(w->s, &make.op);
	if (make.op.result != LANE_DONE || make.missing) {
		err_set(&w->a->err, "the mailbox " ADOPT_MAILBOX " cannot be made: %s",
		    make.missing ? "the account is gone" : make.op.err.text);
		return false;
	}
	h = mem_new(struct home);
	h->account = account;
	*mailbox_r = h->mailbox = make.mailbox;
	hash_insert(&w->homes, &h->node, (uint64_t)account);
	return true;
}

/* ---- whose it is ---- */

static void add_owner(struct work *w, int64_t account, struct str local, struct str domain)
{
	w->owners = mem_resize(w->owners, (w->nowners + 1) * sizeof *w->owners);
	w->owners[w->nowners++] = (struct owner){account, directory_text(w->arena, local, domain)};
}

static bool ask_directory(struct work *w)
{
	struct directory_config cfg = w->s->cfg.directory;
	struct directory_answer answer = {0};
	struct str local, domain;
	struct err e = {""};

	if (w->path.n == 0 || !directory_address(w->arena, w->path, false, &local, &domain, &e))
		return true;
	cfg.no_quota = true;
	if (!db_good(w, directory_resolve(
			    w->s->db, &cfg, w->arena, local, domain, 0, clock_now(), &answer)))
		return false;
	for (size_t i = 0; i < answer.count; i++)
		if (answer.class == ACCEPT_LOCAL && answer.targets[i].account)
			add_owner(w, answer.targets[i].account, answer.targets[i].local,
			    answer.targets[i].domain);
	return true;
}

static bool ask_message(struct work *w)
{
	struct db_query *q = db_begin_query(w->s->db, SQL_ADOPT_MESSAGE, DB_ARGS(db_int(w->id)));

	w->has_row = db_step(q) == DB_ROW;
	w->received = w->has_row ? db_col_int(q, 0) : id_time(w->id);
	if (w->has_row)
		w->reverse_path = arena_str(w->arena, db_col_str(q, 1));
	return db_good(w, db_end(q));
}

/* ---- its content ---- */

static void summarize(struct work *w, struct mime_scan *scan)
{
	struct buf b;

	buf_init(&b, LIMIT_SUMMARY);
	mime_summary_put(&b, mime_scan_finish(scan), LIMIT_SUMMARY);
	w->summary = arena_str(w->arena, buf_view(&b));
	buf_fini(&b);
}

static void take_head(struct work *w, struct str head)
{
	struct buf id;

	buf_init(&id, ID_TEXT_LEN);
	id_put(&id, w->id);
	w->path = arena_str(
	    w->arena, mime_trace_for(str_sub(head, 0, LIMIT_RECEIVED), buf_view(&id)));
	buf_fini(&id);
}

/* False: it cannot be read, or is none. */
static bool read_message(struct work *w)
{
	struct blob_store *blobs = w->s->blobs;
	struct blob_reader *r = NULL;
	struct mime_scan *scan;
	enum blob_code code = blob_open(blobs, w->id, w->pos, &r, NULL);
	size_t got = 1;

	if (code != BLOB_OK)
		return false;
	if (blob_codec_of(blobs, r) != BLOB_PLAIN || w->pos.length == 0) {
		blob_close(blobs, &r); /* a dialogue */
		return false;
	}
	scan = mime_scan_new();
	for (bool first = true; code == BLOB_OK && got > 0; first = false) {
		code = blob_read(blobs, r, w->piece, PIECE, &got);
		if (first && code == BLOB_OK)
			take_head(w, str_of(w->piece, got));
		if (code == BLOB_OK)
			mime_scan_feed(scan, str_of(w->piece, got));
	}
	if (code == BLOB_OK)
		summarize(w, scan);
	mime_scan_free(&scan);
	blob_close(blobs, &r);
	return code == BLOB_OK;
}

/* ---- taking it in ---- */

static bool add_import(struct work *w, const struct owner *o)
{
	struct import *im = import_new();
	struct buf prefix;

	im->account = o->account;
	im->id = w->id;
	im->old = im->stored = im->no_quota = true;
	im->upload_pos = w->pos;
	im->address = arena_str(im->arena, o->address);
	im->name = STR(ADOPT_MAILBOX);
	im->protocol = STR(ADOPT_MAILBOX);
	im->received = w->received;
	im->keywords = STR("");
	im->summary = arena_str(im->arena, w->summary);
	buf_init(&prefix, LIMIT_PREFIX);
	if (w->has_row)
		mime_trace_prefix(&prefix, w->reverse_path, o->address);
	im->prefix = arena_str(im->arena, buf_view(&prefix));
	buf_fini(&prefix);
	im->op.done = nothing;
	list_push(&w->batch, &im->op.link);
	w->n++;
	if (!find_home(w, o->account, &im->mailbox))
		return false;
	import_prepare(im);
	return true;
}

/* An account that does not take it leaves it to the one that is named. */
static bool take_answer(struct work *w, struct import *im, struct list *again)
{
	bool own = im->account != w->a->account;

	if (im->op.result != LANE_DONE) {
		w->a->err = im->op.err;
		return false;
	}
	w->a->taken += im->result == IMPORT_TAKEN;
	w->a->owned += im->result == IMPORT_TAKEN && own;
	if (im->result == IMPORT_TAKEN || im->result == IMPORT_THERE)
		return true;
	if (!own) {
		err_set(&w->a->err,
		    "%.*s does not take mail, so that not all could be recovered: enable it, or name "
		    "another account",
		    STR_FMT(w->a->address));
		return false;
	}
	list_push(again, &im->op.link);
	return true;
}

static void drop_batch(struct list *batch)
{
	while (!list_is_empty(batch)) {
		struct list *link = list_pop(batch);
		struct import *im = LIST_ENTRY(link, struct import, op.link);

		import_free(&im);
	}
}

static bool run_batch(struct work *w)
{
	struct list batch, again;
	bool good = true;

	list_init(&batch);
	list_init(&again);
	list_append(&batch, &w->batch);
	w->n = 0;
	lane_run(w->s->lane, &batch, clock_now());
	while (good && !list_is_empty(&batch)) {
		struct list *link = list_pop(&batch);
		struct import *im = LIST_ENTRY(link, struct import, op.link);

		list_init(link);
		good = take_answer(w, im, &again);
		if (list_is_empty(link))
			import_free(&im);
	}
	while (good && !list_is_empty(&again)) {
		struct list *link = list_pop(&again);
		struct import *im = LIST_ENTRY(link, struct import, op.link);

		im->account = w->a->account;
		im->address = arena_str(im->arena, w->a->address);
		list_push(&w->batch, link);
		w->n++;
		good = find_home(w, im->account, &im->mailbox);
	}
	drop_batch(&batch);
	drop_batch(&again);
	return good;
}

static void begin_message(struct work *w)
{
	arena_reset(w->arena, false);
	w->nowners = 0;
	w->path = w->reverse_path = w->summary = STR("");
}

static bool adopt_one(struct work *w)
{
	struct owner fallback = {w->a->account, w->a->address};
	bool good;

	begin_message(w);
	if (!read_message(w))
		return true; /* what is damaged the repair has written off */
	good = ask_directory(w) && ask_message(w);
	for (size_t i = 0; i < w->nowners && good; i++)
		good = add_import(w, &w->owners[i]);
	return good && (w->nowners > 0 || add_import(w, &fallback));
}

/* ---- rows that are lost ---- */

struct lost {
	int64_t account, id;
	struct blob_pos pos;
};

/* An email's row made anew. Links, references and what is in mailboxes the repair puts right afterwards. */
struct remake {
	struct lane_op op;
	struct work *w;
	int64_t account;
	struct str prefix;
};

static enum lane_exec remake_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct remake *r = LIST_ENTRY(op, struct remake, op);
	struct work *w = r->w;
	struct str summary = w->summary;
	struct summary_facts facts;
	struct copy_place place = {
	    .account = r->account, .email = w->id, .size = w->pos.length + (int64_t)r->prefix.n};
	struct copy_email email;
	int64_t modseq = 0;
	enum db_code code = db_get_int(
	    db, SQL_ACCOUNT_NEXT_MODSEQ, DB_ARGS(db_int(r->account)), &modseq);

	summary_facts(w->arena, &summary, w->id, &facts);
	email = (struct copy_email){.prefix = r->prefix,
	    .thread = facts.thread,
	    .received = w->received,
	    .keywords = STR(""),
	    .summary = summary};
	if (code == DB_ROW)
		code = db_exec(db, SQL_CHANGE_ADD,
		    DB_ARGS(db_int(r->account), db_int(modseq), db_int(CHANGE_EMAIL), db_int(w->id),
			db_int(CHANGE_UPDATED)),
		    NULL);
	if (code == DB_OK && modseq)
		code = copy_add_email(db, &place, &email, modseq);
	return code == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

static bool make_prefix(struct work *w, int64_t account, struct str *prefix_r)
{
	struct db_query *q = db_begin_query(
	    w->s->db, SQL_ADOPT_ADDRESS, DB_ARGS(db_int(w->id), db_int(account)));
	struct buf b;

	buf_init(&b, LIMIT_PREFIX);
	if (db_step(q) == DB_ROW && w->has_row)
		mime_trace_prefix(&b, w->reverse_path, db_col_str(q, 0));
	*prefix_r = arena_str(w->arena, buf_view(&b));
	buf_fini(&b);
	return db_good(w, db_end(q));
}

static bool remake(struct work *w, const struct lost *l)
{
	struct remake r = {.op = {.exec = remake_exec, .done = nothing, .frees = true},
	    .w = w,
	    .account = l->account};

	begin_message(w);
	w->id = l->id;
	w->pos = l->pos;
	if (!read_message(w))
		return true; /* what is damaged is given up */
	if (!ask_message(w) || !make_prefix(w, l->account, &r.prefix))
		return false;
	list_init(&r.op.link);
	store_write(w->s, &r.op);
	if (r.op.result != LANE_DONE) {
		w->a->err = r.op.err;
		return false;
	}
	w->a->remade++;
	return true;
}

static bool run_rows(struct work *w)
{
	struct db_query *q = db_begin_query(w->s->db, SQL_ADOPT_LOST, DB_NO_ARGS);
	struct lost *v = NULL;
	size_t n = 0;
	bool good;

	for (; db_step(q) == DB_ROW; n++) {
		v = mem_resize(v, (n + 1) * sizeof *v);
		v[n] = (struct lost){db_col_int(q, 0), db_col_int(q, 1),
		    {db_col_int(q, 2), db_col_int(q, 3), db_col_int(q, 4)}};
	}
	good = db_good(w, db_end(q));
	for (size_t i = 0; i < n && good; i++)
		good = remake(w, &v[i]);
	mem_free(v);
	return good;
}

/* ---- all ---- */

/* The next one that nothing holds; its id 0 when there is none. */
static bool next(struct work *w)
{
	struct db_query *q = db_begin_query(w->s->db, SQL_ADOPT_NEXT, DB_ARGS(db_int(w->id)));

	w->id = 0;
	if (db_step(q) == DB_ROW) {
		w->id = db_col_int(q, 0);
		w->pos = (struct blob_pos){db_col_int(q, 1), db_col_int(q, 2), db_col_int(q, 3)};
	}
	return db_good(w, db_end(q));
}

static bool is_over(struct work *w, bool *over_r)
{
	int64_t id;
	enum db_code code = db_get_int(w->s->db, SQL_ADOPT_IS_OVER, DB_ARGS(db_int(w->id)), &id);

	*over_r = code == DB_ROW;
	return db_good(w, code == DB_ROW ? DB_OK : code);
}

static bool run(struct work *w)
{
	bool over = false;

	while (next(w) && w->id) {
		if (!is_over(w, &over) || (!over && !adopt_one(w)))
			return false;
		if (w->n >= BATCH && !run_batch(w))
			return false;
	}
	while (!w->a->err.text[0] && w->n > 0)
		if (!run_batch(w))
			return false;
	return !w->a->err.text[0];
}

static bool run_with(struct adopt *a, struct store *s, bool (*run_it)(struct work *w))
{
	struct work *w = mem_new(struct work);
	bool good;

	MUST(s->lane); /* offline */
	w->a = a;
	w->s = s;
	w->arena = arena_new();
	w->piece = mem_alloc(PIECE);
	hash_init(&w->homes);
	list_init(&w->batch);
	good = run_it(w);
	drop_batch(&w->batch);
	hash_each(&w->homes, free_home, NULL);
	hash_fini(&w->homes);
	mem_free(w->owners);
	mem_free(w->piece);
	arena_free(&w->arena);
	mem_free(w);
	return good;
}

bool adopt_run(struct adopt *a, struct store *s)
{
	return run_with(a, s, run);
}

bool adopt_rows(struct adopt *a, struct store *s)
{
	return run_with(a, s, run_rows);
}
