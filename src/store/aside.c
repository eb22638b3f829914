/*
 * What is missed are ids, sorted: read once, before the packs. Of a pack the headers are read; behind one that is
 * not sound the next is searched for, so that what lies there is not taken for nothing.
 */
#include "store/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "store/datadir.h"

struct numbers {
	int64_t *v;
	size_t n, cap;
};

static void add(struct numbers *l, int64_t number)
{
	l->v = mem_grow(l->v, l->n, &l->cap, sizeof *l->v);
	l->v[l->n++] = number;
}

static int by_number(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void sort(struct numbers *l)
{
	if (l->n)
		qsort(l->v, l->n, sizeof *l->v, by_number);
}

static bool has(const struct numbers *l, int64_t number)
{
	return l->n && bsearch(&number, l->v, l->n, sizeof *l->v, by_number);
}

/* ---- what is missed ---- */

static enum db_code add_ids(struct db *db, enum sql_id query, struct numbers *l)
{
	struct db_query *q = db_begin_query(db, query, DB_NO_ARGS);

	while (db_step(q) == DB_ROW)
		add(l, db_col_int(q, 0));
	return db_end(q);
}

static enum db_code list_missed(struct db *db, struct numbers *l)
{
	static const enum sql_id queries[] = {
	    SQL_REPAIR_LOST, SQL_REPAIR_LOST_COPIES, SQL_ASIDE_NOWHERE};
	enum db_code code = DB_OK;

	for (size_t i = 0; i < sizeof queries / sizeof *queries && code == DB_OK; i++)
		code = add_ids(db, queries[i], l);
	sort(l);
	return code;
}

/* ---- one pack ---- */

#define BLOCK ((size_t)4096) /* what a disk that fails is asked for at a time */
#define READS 64             /* of a step, each of a header or of a piece */

/* The file that is read, from one piece to the next. */
struct looking {
	struct fsio *fs;
	struct aside_pack *p;
	const struct numbers *missed;
	char name[PACK_NAME_MAX];
	int fd; /* -1: none is open */
	size_t piece;
	int64_t at, generation;
	int64_t
	    strange; /* where octets that are neither a record nor empty space began; 0: nowhere */
	bool ended;  /* what follows was written before */
	uint8_t bytes[64 * KIB];
};

static void not_read(struct looking *x, int code)
{
	if (x->p->unread.text[0] == '\0' || code != -EIO)
		err_sys(&x->p->unread, -code, "%s cannot be read", x->name);
	x->p->error = code;
}

static bool is_record(const struct looking *x, const uint8_t *bytes, struct pack_record *r_r)
{
	return pack_record_get(bytes, r_r) && r_r->pack == x->p->pack && r_r->offset == x->at &&
	       r_r->length >= 0 && pack_record_size(r_r->length) <= x->p->size - x->at;
}

/* Where something is missed, it may have been there. */
static void note_strange(struct looking *x)
{
	if (x->strange && x->missed->n && x->p->unread.text[0] == '\0')
		err_set(&x->p->unread, "%s: the octets at %lld are no record", x->name,
		    (long long)x->strange);
	x->strange = 0;
}

static void take_record(struct looking *x, const struct pack_record *r)
{
	struct aside_pack *p = x->p;

	x->ended = r->generation < x->generation;
	if (x->ended)
		return;
	note_strange(x);
	p->first = p->records++ ? p->first : r->id;
	p->last = r->id;
	p->missed += has(x->missed, r->id);
	x->generation = r->generation;
	x->at += pack_record_size(r->length);
}

/* Each multiple of 8 until one is a record, as store/pack_walk.c finds it. */
static void take_piece(struct looking *x, size_t n)
{
	static const uint8_t empty[PACK_ALIGN];
	struct pack_record r;

	for (size_t i = 0; i + PACK_RECORD <= n; i += PACK_ALIGN, x->at += (int64_t)PACK_ALIGN) {
		if (is_record(x, x->bytes + i, &r)) {
			take_record(x, &r);
			return;
		}
		if (!x->strange && memcmp(x->bytes + i, empty, sizeof empty) != 0)
			x->strange = x->at;
	}
}

/* What the disk does not give reads as zeros, a block at a time. */
static int read_blocks(struct looking *x, size_t n)
{
	int code = 0;

	for (size_t done = 0, part; code == 0 && done < n; done += part) {
		int64_t from = x->at + (int64_t)done;

		part = BLOCK - (size_t)from % BLOCK;
		part = part < n - done ? part : n - done;
		code = fsio_read_all(x->fs, x->fd, x->bytes + done, part, from);
		if (code == -EIO) {
			not_read(x, code);
			memset(x->bytes + done, 0, part);
			code = 0;
		}
	}
	return code;
}

/* Where a header should be only that is read; from where none was on as much as there is place for. True: all is. */
static bool read_some(struct looking *x)
{
	for (int reads = 0; !x->ended && x->p->size - x->at >= (int64_t)PACK_RECORD; reads++) {
		int64_t rest = x->p->size - x->at, records = x->p->records;
		size_t n = rest < (int64_t)x->piece ? (size_t)rest : x->piece;
		int code;

		if (reads == READS)
			return false;
		code = fsio_read_all(x->fs, x->fd, x->bytes, n, x->at);
		if (code == -EIO)
			code = read_blocks(x, n);
		if (code < 0) {
			not_read(x, code);
			return true;
		}
		take_piece(x, n);
		x->piece = x->p->records > records ? PACK_RECORD : sizeof x->bytes;
	}
	if (!x->ended)
		note_strange(x);
	return true;
}

/* ---- all ---- */

struct aside {
	struct numbers packs, missed;
	size_t at; /* the next of packs */
	struct aside_pack pack;
	struct looking look;
	void (*on_pack)(void *ctx, const struct aside_pack *p);
	void *ctx;
};

static void open_pack(struct aside *a, int64_t pack)
{
	struct looking *x = &a->look;
	struct fsio *fs = x->fs;

	a->pack = (struct aside_pack){.pack = pack};
	x->at = (int64_t)PACK_HEAD;
	x->piece = PACK_RECORD;
	x->generation = x->strange = 0;
	x->ended = false;
	pack_orphan_put(x->name, DATADIR_PACKS, pack);
	x->fd = fs->ops->open(fs, x->name, O_RDONLY, 0);
	if (x->fd < 0) {
		not_read(x, x->fd);
		return;
	}
	a->pack.size = fs->ops->size(fs, x->fd);
	if (a->pack.size < 0)
		not_read(x, (int)a->pack.size);
	a->pack.size = a->pack.size < 0 ? 0 : a->pack.size;
}

static void close_pack(struct aside *a)
{
	if (a->look.fd >= 0)
		a->look.fs->ops->close(a->look.fs, a->look.fd);
	a->look.fd = -1;
}

static void on_entry(void *ctx, const char *name)
{
	int64_t pack = pack_orphan_get(name);

	if (pack)
		add(ctx, pack);
}

static int64_t size_of(struct fsio *fs, int64_t pack)
{
	char name[PACK_NAME_MAX];
	int64_t size;
	int fd;

	pack_orphan_put(name, DATADIR_PACKS, pack);
	fd = fs->ops->open(fs, name, O_RDONLY, 0);
	if (fd < 0)
		return 0;
	size = fs->ops->size(fs, fd);
	fs->ops->close(fs, fd);
	return size > 0 ? size : 0;
}

bool aside_count(struct fsio *fs, int64_t *packs_r, int64_t *octets_r, struct err *e)
{
	struct numbers packs = {0};
	int read = fs->ops->each(fs, DATADIR_PACKS, on_entry, &packs);
	int64_t octets = 0;

	if (read < 0)
		err_sys(e, -read, "cannot read " DATADIR_PACKS "/");
	for (size_t i = 0; i < packs.n && read >= 0; i++)
		octets += size_of(fs, packs.v[i]);
	if (read >= 0) {
		*packs_r = (int64_t)packs.n;
		*octets_r = octets;
	}
	mem_free(packs.v);
	return read >= 0;
}

enum db_code aside_begin(struct fsio *fs, struct db *db,
    void (*on_pack)(void *ctx, const struct aside_pack *p), void *ctx, struct aside **a_r,
    struct err *e)
{
	struct aside *a = mem_new(struct aside);
	int read = fs->ops->each(fs, DATADIR_PACKS, on_entry, &a->packs);
	enum db_code code = read < 0 ? DB_IO : DB_OK;

	a->on_pack = on_pack;
	a->ctx = ctx;
	a->look.fs = fs;
	a->look.p = &a->pack;
	a->look.missed = &a->missed;
	a->look.fd = -1;
	if (read < 0)
		err_sys(e, -read, "cannot read " DATADIR_PACKS "/");
	if (code == DB_OK && a->packs.n)
		code = list_missed(db, &a->missed);
	if (code != DB_OK && read >= 0)
		err_set(e, "%s%s", db_error(db), db_cure(db));
	sort(&a->packs);
	if (code == DB_OK)
		*a_r = a;
	else
		aside_end(&a);
	return code;
}

bool aside_step(struct aside *a)
{
	if (a->look.fd < 0 && a->at == a->packs.n)
		return false;
	if (a->look.fd < 0)
		open_pack(a, a->packs.v[a->at++]);
	if (a->look.fd >= 0 && !read_some(&a->look))
		return true;
	close_pack(a);
	a->pack.doubtful = a->pack.unread.text[0] && a->missed.n;
	a->on_pack(a->ctx, &a->pack);
	return a->at < a->packs.n;
}

void aside_end(struct aside **a_p)
{
	struct aside *a = *a_p;

	*a_p = NULL;
	if (!a)
		return;
	close_pack(a);
	mem_free(a->packs.v);
	mem_free(a->missed.v);
	mem_free(a);
}

enum db_code aside_each(struct fsio *fs, struct db *db,
    void (*on_pack)(void *ctx, const struct aside_pack *p), void *ctx, struct err *e)
{
	struct aside *a = NULL;
	enum db_code code = aside_begin(fs, db, on_pack, ctx, &a, e);

	while (code == DB_OK && aside_step(a))
		;
	aside_end(&a);
	return code;
}

/*
 * A name that is taken is not replaced: who repairs has the directory alone, so that it stays free. One call changes
 * it: nothing is left of it half done.
 */
int aside_return(struct fsio *fs, int64_t pack)
{
	char from[PACK_NAME_MAX], to[PACK_NAME_MAX];
	int fd, code;

	pack_orphan_put(from, DATADIR_PACKS, pack);
	pack_name_put(to, DATADIR_PACKS, pack);
	fd = fs->ops->open(fs, to, O_RDONLY, 0);
	if (fd >= 0) {
		fs->ops->close(fs, fd);
		return -EEXIST;
	}
	code = fd == -ENOENT ? fs->ops->rename(fs, from, to) : fd;
	return code < 0 ? code : fs->ops->sync_dir(fs, DATADIR_PACKS);
}

bool aside_discard(struct fsio *fs, int64_t pack, struct err *e)
{
	char name[PACK_NAME_MAX];
	int code;

	pack_orphan_put(name, DATADIR_PACKS, pack);
	code = fs->ops->unlink(fs, name);
	if (code < 0)
		err_sys(e, -code, "cannot remove %s", name);
	return code >= 0;
}
