/*
 * In this order, so that nothing that can be saved is given up: the packs are read; blobs that lost their
 * row get it back; what is damaged or lost is given up; rows are put right; sound messages leave the packs
 * that are damaged. docs/invariants/pack.md.
 */
#include "store/repair.h"

#include <errno.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "store/change.h"
#include "store/compact.h"
#include "store/copy.h"
#include "store/pack_walk.h"

struct list_of {
	int64_t *v;
	size_t n, cap;
};

struct place {
	int64_t id;
	struct blob_pos pos;
};

struct work {
	struct repair *r;
	struct store *s;
	struct list_of bad;   /* blobs */
	struct list_of packs; /* that are damaged */
	struct place *found;  /* records without a row */
	size_t nfound, found_cap;
	struct lane_op op;
	enum db_code (*run)(struct work *w, struct db *db, int64_t now);
	int64_t blob; /* being given up */
};

static void add(struct list_of *l, int64_t n)
{
	if (l->n && l->v[l->n - 1] == n)
		return;
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->v = mem_resize(l->v, l->cap * sizeof *l->v);
	}
	l->v[l->n++] = n;
}

/* ---- changes ---- */

static enum lane_exec work_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct work *w = LIST_ENTRY(op, struct work, op);

	return w->run(w, db, now) == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

static void nothing(struct lane_op *op)
{
}

static bool change(struct work *w, enum db_code (*run)(struct work *, struct db *, int64_t))
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

static bool db_good(struct work *w, enum db_code code)
{
	if (code == DB_OK)
		return true;
	err_set(&w->r->err, "%s", db_error(w->s->db));
	return false;
}

/* ---- reading the packs ---- */

static void on_record(void *ctx, const struct pack_record *r, bool good)
{
	struct work *w = ctx;
	struct db_query *q = db_begin_query(w->s->db, SQL_BLOB_GET, DB_ARGS(db_int(r->id)));
	bool known = db_step(q) == DB_ROW;
	bool here = known && db_col_int(q, 0) == r->pack && db_col_int(q, 1) == r->offset;

	(void)db_end(q);
	if (!good) {
		add(&w->packs, r->pack);
		if (here)
			add(&w->bad, r->id);
	} else if (!known) {
		if (w->nfound == w->found_cap) {
			w->found_cap = w->found_cap ? w->found_cap * 2 : 64;
			w->found = mem_resize(w->found, w->found_cap * sizeof *w->found);
		}
		w->found[w->nfound++] = (struct place){r->id, {r->pack, r->offset, r->length}};
	}
}

static void on_damage(void *ctx, int64_t pack, int64_t from, int64_t to, const char *why)
{
	struct work *w = ctx;

	add(&w->packs, pack);
}

/* Rows that lie where no sound header is. */
static bool check_rows(struct work *w, int64_t pack)
{
	struct db_query *q = db_begin_query(
	    w->s->db, SQL_VERIFY_PACK_BLOBS, DB_ARGS(db_int(pack), db_int(0), db_int(INT64_MAX)));

	while (db_step(q) == DB_ROW) {
		struct blob_pos pos = {pack, db_col_int(q, 1), db_col_int(q, 2)};
		struct blob_reader *r = NULL;

		if (blob_open(w->s->blobs, db_col_int(q, 0), pos, &r, NULL) != BLOB_OK)
			add(&w->bad, db_col_int(q, 0));
		blob_close(w->s->blobs, &r);
	}
	return db_good(w, db_end(q));
}

static bool read_pack(struct work *w, int64_t pack, int64_t end)
{
	struct pack_walk walk = {
	    .on_record = on_record, .on_damage = on_damage, .ctx = w, .blobs = w->s->blobs};
	enum blob_code code = BLOB_OK;
	bool done = false;

	pack_walk_begin(&walk, pack, end);
	while (code == BLOB_OK && !done)
		code = pack_walk_step(&walk, (int64_t)MIB, &done, &w->r->err);
	pack_walk_fini(&walk);
	if (code == BLOB_IO)
		return false; /* a disk that fails now may give it later */
	if (code != BLOB_OK)
		add(&w->packs, pack);
	return check_rows(w, pack);
}

static bool read_packs(struct work *w)
{
	int64_t pack = 0, end = 0;
	bool more = true;

	while (more) {
		struct db_query *q = db_begin_query(
		    w->s->db, SQL_VERIFY_PACK_NEXT, DB_ARGS(db_int(pack)));

		more = db_step(q) == DB_ROW;
		if (more) {
			pack = db_col_int(q, 0);
			end = db_col_int(q, 1);
		}
		if (!db_good(w, db_end(q)) || (more && !read_pack(w, pack, end)))
			return false;
	}
	return true;
}

/* ---- the index ---- */

static const struct place *find(const struct work *w, int64_t id)
{
	for (size_t i = w->nfound; i > 0; i--) /* the youngest: it was moved there */
		if (w->found[i - 1].id == id)
			return &w->found[i - 1];
	return NULL;
}

static enum db_code index_lost(struct work *w, struct db *db, int64_t now)
{
	struct db_query *q = db_begin_query(db, SQL_REPAIR_LOST, DB_NO_ARGS);
	struct list_of lost = {0};
	enum db_code code;

	w->r->indexed = 0;
	while (db_step(q) == DB_ROW)
		add(&lost, db_col_int(q, 0));
	code = db_end(q);
	for (size_t i = 0; i < lost.n && code == DB_OK; i++) {
		const struct place *p = find(w, lost.v[i]);

		if (!p) {
			add(&w->bad, lost.v[i]);
			continue;
		}
		w->r->indexed++;
		code = db_exec(db, SQL_BLOB_ADD,
		    DB_ARGS(db_int(p->id), db_int(p->pos.pack), db_int(p->pos.offset),
			db_int(p->pos.length), db_int(1)),
		    NULL);
	}
	mem_free(lost.v);
	return code;
}

/* ---- giving up ---- */

/* Everything that can still be read of a record, as it lies there. */
static int copy_rest(struct work *w, struct fsio *fs, int fd, int64_t off)
{
	struct blob_pos pos = {0};
	uint8_t bytes[8 * KIB];
	struct db_query *q = db_begin_query(w->s->db, SQL_BLOB_GET, DB_ARGS(db_int(w->blob)));
	int code = 0;

	if (db_step(q) == DB_ROW)
		pos = (struct blob_pos){db_col_int(q, 0), db_col_int(q, 1), db_col_int(q, 2)};
	(void)db_end(q);
	for (int64_t at = 0, n; code == 0 && at < pos.length; at += n) {
		struct iovec iov;

		n = pos.length - at < (int64_t)sizeof bytes ? pos.length - at
							    : (int64_t)sizeof bytes;
		if (blob_raw(w->s->blobs, pos.pack, pos.offset + (int64_t)PACK_RECORD + at, bytes,
			(size_t)n, NULL) != BLOB_OK)
			break;
		iov = (struct iovec){bytes, (size_t)n};
		code = fsio_write_all(fs, fd, &iov, 1, off + at);
	}
	return code;
}

static bool write_rest(struct work *w, const char *name, struct str prefix)
{
	struct fsio *fs = &w->s->dir.fs;
	struct iovec iov = {(void *)(uintptr_t)prefix.p, prefix.n};
	int fd = fs->ops->open(fs, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	int code = fd < 0 ? fd : fsio_write_all(fs, fd, &iov, 1, 0);

	if (code == 0)
		code = copy_rest(w, fs, fd, (int64_t)prefix.n);
	if (code == 0)
		code = fs->ops->sync(fs, fd);
	if (fd >= 0)
		fs->ops->close(fs, fd);
	if (code == 0)
		code = fs->ops->sync_dir(fs, REPAIR_QUARANTINE);
	if (code < 0)
		err_sys(&w->r->err, -code, "cannot write %s", name);
	return code >= 0;
}

static void file_name(char *out, size_t size, int64_t message, int64_t account)
{
	uint8_t text[ID_TEXT_LEN + 1];
	struct buf b = {.p = text, .cap = sizeof text, .max = ID_TEXT_LEN};

	id_put(&b, message);
	snprintf(out, size, REPAIR_QUARANTINE "/%.*s-%lld.eml", STR_FMT(buf_view(&b)),
	    (long long)account);
}

/* A file for each copy, before anything is changed. */
static bool write_rests(struct work *w)
{
	struct db_query *q = db_begin_query(w->s->db, SQL_REPAIR_EMAILS, DB_ARGS(db_int(w->blob)));
	char name[80];
	bool good = true;
	int64_t copies = 0;

	for (; good && db_step(q) == DB_ROW; copies++) {
		file_name(name, sizeof name, w->blob, db_col_int(q, 0));
		good = write_rest(w, name, db_col_str(q, 2));
		if (good && w->r->on_message)
			w->r->on_message(w->r->ctx, w->blob, db_col_int(q, 0), name);
	}
	good = db_good(w, db_end(q)) && good;
	if (good && copies == 0) { /* it waits to be sent, or is a dialogue */
		file_name(name, sizeof name, w->blob, 0);
		good = write_rest(w, name, STR(""));
		if (good && w->r->on_message)
			w->r->on_message(w->r->ctx, w->blob, 0, name);
	}
	return good;
}

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

static enum db_code give_up_copies(struct work *w, struct db *db, int64_t now)
{
	struct list_of accounts = {0};
	struct db_query *q = db_begin_query(db, SQL_REPAIR_EMAILS, DB_ARGS(db_int(w->blob)));
	enum db_code code;

	while (db_step(q) == DB_ROW)
		add(&accounts, db_col_int(q, 0));
	code = db_end(q);
	for (size_t i = 0; i < accounts.n && code == DB_OK; i++)
		code = give_up_copy(db, accounts.v[i], w->blob, now);
	mem_free(accounts.v);
	return code;
}

static enum db_code give_up(struct work *w, struct db *db, int64_t now)
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

static bool give_up_all(struct work *w)
{
	struct fsio *fs = &w->s->dir.fs;
	int code = w->bad.n || w->packs.n ? fs->ops->make_dir(fs, REPAIR_QUARANTINE, 0700) : 0;

	if (code < 0 && code != -EEXIST) {
		err_sys(&w->r->err, -code, "cannot make the directory " REPAIR_QUARANTINE);
		return false;
	}
	for (size_t i = 0; i < w->bad.n; i++) {
		w->blob = w->bad.v[i];
		if (!write_rests(w) || !change(w, give_up))
			return false;
		w->r->damaged++;
	}
	return true;
}

/* ---- rows ---- */

static const enum sql_id first_fixes[] = {SQL_REPAIR_META, SQL_REPAIR_META_QUOTA,
    SQL_REPAIR_META_ADMIN, SQL_REPAIR_META_INDEX, SQL_REPAIR_META_ACCOUNT, SQL_REPAIR_ADMIN_LOG,
    SQL_REPAIR_DOMAIN};

static const enum sql_id fixes[] = {SQL_REPAIR_MEMBER_CHANGE, SQL_REPAIR_MEMBER,
    SQL_REPAIR_LEDGER_COPY, SQL_REPAIR_LEDGER_QUEUE, SQL_REPAIR_QUEUE_FINAL,
    SQL_REPAIR_QUEUE_LEDGER, SQL_REPAIR_COPY_LEDGER, SQL_REPAIR_MESSAGE, SQL_REPAIR_RECIPIENTS,
    SQL_REPAIR_TOKEN, SQL_REPAIR_DESTINATION, SQL_REPAIR_EMAIL_SIZE, SQL_REPAIR_MEMBER_SIZE,
    SQL_REPAIR_LINKS, SQL_REPAIR_CHANGE_IN, SQL_REPAIR_CHANGE_OUT, SQL_REPAIR_MODSEQ,
    SQL_REPAIR_UIDNEXT, SQL_REPAIR_MAILBOX_COUNTS, SQL_REPAIR_ACCOUNT_COUNTS,
    SQL_REPAIR_DOMAIN_COUNTS, SQL_REPAIR_REFS_NONE, SQL_REPAIR_REFS};

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
	int64_t modseq;
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
		code = copy_put_in(db, &v[i], &modseq);
		code = code == DB_ROW ? DB_OK : code;
	}
	mem_free(v);
	return code;
}

static enum db_code fix_rows(struct work *w, struct db *db, int64_t now)
{
	enum db_code code = run_fixes(db, first_fixes, sizeof first_fixes / sizeof *first_fixes);
	int64_t validity = now / SECOND_MS;

	if (code == DB_OK)
		code = db_exec(db, SQL_REPAIR_INBOX, DB_ARGS(db_int(validity)), NULL);
	if (code == DB_OK)
		code = db_exec(db, SQL_REPAIR_MAILBOX, DB_ARGS(db_int(validity)), NULL);
	if (code == DB_OK)
		code = house(db, now);
	return code == DB_OK ? run_fixes(db, fixes, sizeof fixes / sizeof *fixes) : code;
}

/* ---- damaged packs ---- */

static bool move_slice(struct work *w, struct compact *c)
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

/* Out of the way, whole: perhaps somebody can make more of it. */
static void set_aside(struct work *w, int64_t pack)
{
	struct fsio *fs = &w->s->dir.fs;
	char from[PACK_NAME_MAX], to[PACK_NAME_MAX];

	pack_name_put(from, DATADIR_PACKS, pack);
	pack_name_put(to, REPAIR_QUARANTINE, pack);
	(void)fs->ops->rename(fs, from, to);
	(void)fs->ops->sync_dir(fs, REPAIR_QUARANTINE);
	w->r->moved++;
}

static bool empty_pack(struct work *w, int64_t pack)
{
	struct compact *c = mem_new(struct compact);
	bool good = true;

	compact_init(c, w->s->blobs);
	c->write.done = nothing;
	compact_choose(c, pack);
	while (good && c->pack)
		good = move_slice(w, c);
	if (good && c->removed)
		set_aside(w, pack);
	compact_fini(c);
	mem_free(c);
	return good;
}

static bool empty_packs(struct work *w)
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

bool repair_run(struct repair *r, struct store *s)
{
	struct work *w = mem_new(struct work);
	bool good;

	w->r = r;
	w->s = s;
	good = read_packs(w) && change(w, index_lost) && give_up_all(w) && change(w, fix_rows) &&
	       empty_packs(w);
	mem_free(w->bad.v);
	mem_free(w->packs.v);
	mem_free(w->found);
	mem_free(w);
	return good;
}
