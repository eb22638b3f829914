/* What is missed are ids, sorted: read once, before the packs. */
#include "store/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/datadir.h"

struct numbers {
	int64_t *v;
	size_t n, cap;
};

static void add(struct numbers *l, int64_t number)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->v = mem_resize(l->v, l->cap * sizeof *l->v);
	}
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

static int read_header(struct fsio *fs, int fd, int64_t at, struct pack_record *r_r)
{
	uint8_t bytes[PACK_RECORD];
	int code = fsio_read_all(fs, fd, bytes, sizeof bytes, at);

	if (code == 0)
		return pack_record_get(bytes, r_r) && r_r->offset == at;
	return code == -ENODATA ? 0 : code;
}

static void take_record(
    struct aside_pack *p, const struct pack_record *r, const struct numbers *missed)
{
	p->first = p->records++ ? p->first : r->id;
	p->last = r->id;
	p->missed += has(missed, r->id);
}

static int read_records(struct fsio *fs, int fd, struct aside_pack *p, const struct numbers *missed)
{
	struct pack_record r = {0};
	int64_t at = (int64_t)PACK_HEAD, generation = 0;
	int found = read_header(fs, fd, at, &r);

	while (found > 0 && r.pack == p->pack && r.generation >= generation &&
	       at + (int64_t)PACK_RECORD + r.length <= p->size) {
		take_record(p, &r, missed);
		generation = r.generation;
		at += pack_record_size(r.length);
		found = read_header(fs, fd, at, &r);
	}
	return found < 0 ? found : 0;
}

static void look_into(struct fsio *fs, struct aside_pack *p, const struct numbers *missed)
{
	char name[PACK_NAME_MAX];
	int fd, code;

	pack_orphan_put(name, DATADIR_PACKS, p->pack);
	fd = fs->ops->open(fs, name, O_RDONLY, 0);
	code = fd;
	if (fd >= 0) {
		p->size = fs->ops->size(fs, fd);
		code = p->size < 0 ? (int)p->size : read_records(fs, fd, p, missed);
		fs->ops->close(fs, fd);
	}
	if (code < 0)
		err_sys(&p->unread, -code, "%s cannot be read", name);
}

/* ---- all ---- */

static void on_entry(void *ctx, const char *name)
{
	int64_t pack = pack_orphan_get(name);

	if (pack)
		add(ctx, pack);
}

enum db_code aside_each(struct fsio *fs, struct db *db,
    void (*on_pack)(void *ctx, const struct aside_pack *p), void *ctx, struct err *e)
{
	struct numbers packs = {0}, missed = {0};
	int read = fs->ops->each(fs, DATADIR_PACKS, on_entry, &packs);
	enum db_code code = read < 0 ? DB_IO : DB_OK;

	if (read < 0)
		err_sys(e, -read, "cannot read " DATADIR_PACKS "/");
	if (code == DB_OK && packs.n)
		code = list_missed(db, &missed);
	if (code != DB_OK && read >= 0)
		err_set(e, "%s", db_error(db));
	sort(&packs);
	for (size_t i = 0; i < packs.n && code == DB_OK; i++) {
		struct aside_pack p = {.pack = packs.v[i]};

		look_into(fs, &p, &missed);
		on_pack(ctx, &p);
	}
	mem_free(packs.v);
	mem_free(missed.v);
	return code;
}

/* A name that is taken is never replaced: the file is linked to it. */
int aside_return(struct fsio *fs, int64_t pack)
{
	char from[PACK_NAME_MAX], to[PACK_NAME_MAX];
	int fd, code;

	pack_orphan_put(from, DATADIR_PACKS, pack);
	pack_name_put(to, DATADIR_PACKS, pack);
	fd = fs->ops->open(fs, from, O_RDONLY, 0);
	if (fd < 0)
		return fd;
	code = fs->ops->link(fs, fd, to);
	fs->ops->close(fs, fd);
	if (code >= 0)
		code = fs->ops->unlink(fs, from);
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
