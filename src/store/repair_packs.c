/* The packs of a store that is repaired, and the index of what is in them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/aside.h"
#include "store/pack_format.h"
#include "store/pack_survey.h"
#include "store/pack_walk.h"
#include "store/recover.h"
#include "store/repair_work.h"

/* ---- reading the packs ---- */

static void add_place(struct repair_work *w, const struct pack_record *r)
{
	w->found = mem_grow(w->found, w->nfound, &w->found_cap, sizeof *w->found);
	w->found[w->nfound] = (struct repair_place){
	    r->id, {r->pack, r->offset, r->length}, w->nfound};
	w->nfound++;
}

static void on_record(void *ctx, const struct pack_record *r, bool good)
{
	struct repair_work *w = ctx;
	struct db_query *q = db_begin_query(w->s->db, SQL_BLOB_GET, DB_ARGS(db_int(r->id)));
	bool here = db_step(q) == DB_ROW && db_col_int(q, 0) == r->pack &&
		    db_col_int(q, 1) == r->offset && db_col_int(q, 2) == r->length;

	if (!repair_db_good(w, db_end(q))) {
		w->failed = true;
		return;
	}
	if (!good)
		repair_add(&w->packs, r->pack);
	if (!good && here)
		repair_add(&w->bad, r->id);
	else if (good && !here)
		add_place(w, r);
}

static void on_damage(void *ctx, int64_t pack, int64_t from, int64_t to, const char *why)
{
	struct repair_work *w = ctx;

	repair_add(&w->packs, pack);
}

/* Its octets are others, or nowhere. */
static bool is_damage(enum blob_code code)
{
	return code == BLOB_DAMAGED || code == BLOB_GONE || code == BLOB_UNREADABLE;
}

/* Rows that lie where no sound header is. A failure that is not of the octets ends it. */
static bool check_rows(struct repair_work *w, int64_t pack)
{
	struct db_query *q = db_begin_query(w->s->db, SQL_VERIFY_PACK_BLOBS,
	    DB_ARGS(db_int(pack), db_int(INT64_MIN), db_int(INT64_MAX)));
	enum blob_code code = BLOB_OK;

	while ((code == BLOB_OK || is_damage(code)) && db_step(q) == DB_ROW) {
		struct blob_pos pos = {pack, db_col_int(q, 1), db_col_int(q, 2)};
		struct blob_reader *r = NULL;

		code = blob_open(w->s->blobs, db_col_int(q, 0), pos, &r, &w->r->err);
		if (is_damage(code))
			repair_add(&w->bad, db_col_int(q, 0));
		blob_close(w->s->blobs, &r);
	}
	return repair_db_good(w, db_end(q)) && (code == BLOB_OK || is_damage(code));
}

static bool read_pack(struct repair_work *w, int64_t pack, int64_t end)
{
	struct pack_walk walk = {
	    .on_record = on_record, .on_damage = on_damage, .ctx = w, .blobs = w->s->blobs};
	enum blob_code code = BLOB_OK;
	bool done = false;

	pack_walk_begin(&walk, pack, end);
	while (code == BLOB_OK && !done)
		code = pack_walk_step(&walk, (int64_t)MIB, &done, &w->r->err);
	pack_walk_fini(&walk);
	if (w->failed || code == BLOB_IO || code == BLOB_FULL)
		return false; /* not of its octets: whoever removes the cause finds them whole */
	if (code != BLOB_OK)
		repair_add(&w->packs, pack);
	return check_rows(w, pack);
}

/* Of one id the youngest last: it was moved there. */
static int by_id(const void *a, const void *b)
{
	const struct repair_place *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->number < y->number ? -1 : 1;
}

bool repair_read_packs(struct repair_work *w)
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
		if (!repair_db_good(w, db_end(q)) || (more && !read_pack(w, pack, end)))
			return false;
	}
	if (w->nfound)
		qsort(w->found, w->nfound, sizeof *w->found, by_id);
	return true;
}

/* ---- rows of packs ---- */

static enum db_code put_pack(struct repair_work *w, struct db *db, int64_t now)
{
	return recover_put_point(db, &w->point, 0);
}

/* Or there is no such file. One that is there and cannot be opened may be sound: nothing is given up for it. */
static bool may_be_opened(struct repair_work *w, int64_t pack)
{
	struct fsio *fs = &w->s->dir.fs;
	char name[PACK_NAME_MAX];
	int fd;

	pack_name_put(name, DATADIR_PACKS, pack);
	fd = fs->ops->open(fs, name, O_RDONLY, 0);
	if (fd >= 0)
		fs->ops->close(fs, fd);
	if (fd < 0 && fd != -ENOENT)
		err_sys(&w->r->err, -fd, "cannot open %s", name);
	return fd >= 0 || fd == -ENOENT;
}

/* Blobs lie in it, and its row is lost or ends before them. */
static bool name_pack(struct repair_work *w, int64_t pack)
{
	struct pack_survey survey = {.on_record = NULL};
	struct blob_store *blobs = w->s->blobs;

	if (!may_be_opened(w, pack))
		return false;
	if (pack_survey(&survey, &w->s->dir.fs, DATADIR_PACKS, blobs, pack, NULL) == BLOB_IO)
		return check_rows(w, pack); /* there is no such file, or the disk cannot read it */
	w->point = (struct blob_point){.pack = pack,
	    .generation = survey.generation,
	    .single = survey.single,
	    .end = survey.end};
	return repair_change(w, put_pack);
}

struct aside_packs {
	struct repair_list missed;
	struct err
	    err; /* of one that may hold what is missed and cannot be read, for no fault of its octets */
};

static void on_aside(void *ctx, const struct aside_pack *p)
{
	struct aside_packs *x = ctx;

	if (p->missed)
		repair_add(&x->missed, p->pack);
	if (p->doubtful && p->error && p->error != -EIO && x->err.text[0] == '\0')
		x->err = p->unread;
}

/* One whose number another pack has stays aside. */
static bool return_pack(struct repair_work *w, int64_t pack)
{
	int code = aside_return(&w->s->dir.fs, pack);

	if (code == -EEXIST)
		return true;
	if (code < 0) {
		err_sys(&w->r->err, -code, "pack %lld, which was set aside, cannot be used again",
		    (long long)pack);
		return false;
	}
	w->r->returned++;
	return name_pack(w, pack);
}

bool repair_return_packs(struct repair_work *w)
{
	struct aside_packs packs = {.err = {""}};
	bool good = aside_each(&w->s->dir.fs, w->s->db, on_aside, &packs, &w->r->err) == DB_OK;

	if (packs.err.text[0]) {
		w->r->err = packs.err;
		good = false;
	}
	for (size_t i = 0; i < packs.missed.n && good; i++)
		good = return_pack(w, packs.missed.v[i]);
	mem_free(packs.missed.v);
	return good;
}

bool repair_name_packs(struct repair_work *w)
{
	struct db_query *q = db_begin_query(w->s->db, SQL_REPAIR_PACKS, DB_NO_ARGS);
	struct repair_list packs = {0};
	bool good;

	while (db_step(q) == DB_ROW)
		repair_add(&packs, db_col_int(q, 0));
	good = repair_db_good(w, db_end(q));
	for (size_t i = 0; i < packs.n && good; i++)
		good = name_pack(w, packs.v[i]);
	mem_free(packs.v);
	return good;
}

/* ---- the index ---- */

static const struct repair_place *find(const struct repair_work *w, int64_t id)
{
	size_t lo = 0, hi = w->nfound;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (w->found[mid].id <= id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo > 0 && w->found[lo - 1].id == id ? &w->found[lo - 1] : NULL;
}

/* Rows whose place is wrong, and that have another; what has none is lost. */
static enum db_code index_moved(struct repair_work *w, struct db *db)
{
	enum db_code code = DB_OK;

	for (size_t i = 0; i < w->bad.n && code == DB_OK; i++) {
		const struct repair_place *p = find(w, w->bad.v[i]);

		if (!p) {
			repair_add(&w->lost, w->bad.v[i]);
			continue;
		}
		w->r->indexed++;
		code = db_exec(db, SQL_REPAIR_PLACE,
		    DB_ARGS(db_int(p->id), db_int(p->pos.pack), db_int(p->pos.offset),
			db_int(p->pos.length)),
		    NULL);
	}
	return code;
}

static enum db_code list_ids(struct db *db, enum sql_id query, struct repair_list *l)
{
	struct db_query *q = db_begin_query(db, query, DB_NO_ARGS);

	l->n = 0;
	while (db_step(q) == DB_ROW)
		repair_add(l, db_col_int(q, 0));
	return db_end(q);
}

/* Rows for what was found; left (may be NULL) gets what was not. */
static enum db_code index_lost(
    struct repair_work *w, struct db *db, const struct repair_list *lost, struct repair_list *left)
{
	enum db_code code = DB_OK;

	for (size_t i = 0; i < lost->n && code == DB_OK; i++) {
		const struct repair_place *p = find(w, lost->v[i]);

		if (!p && left)
			repair_add(left, lost->v[i]);
		if (!p)
			continue;
		w->r->indexed++;
		code = db_exec(db, SQL_BLOB_ADD,
		    DB_ARGS(db_int(p->id), db_int(p->pos.pack), db_int(p->pos.offset),
			db_int(p->pos.length), db_int(1)),
		    NULL);
	}
	return code;
}

enum db_code repair_index(struct repair_work *w, struct db *db, int64_t now)
{
	struct repair_list lost = {0};
	enum db_code code;

	w->r->indexed = 0; /* it may be done a second time (docs/invariants/lane.md 4) */
	w->lost.n = 0;
	code = list_ids(db, SQL_REPAIR_LOST, &lost);
	if (code == DB_OK)
		code = index_moved(w, db);
	if (code == DB_OK)
		code = index_lost(w, db, &lost, &w->lost);
	if (code == DB_OK)
		code = list_ids(db, SQL_REPAIR_LOST_COPIES, &lost);
	if (code == DB_OK)
		code = index_lost(w, db, &lost, NULL);
	mem_free(lost.v);
	return code;
}
