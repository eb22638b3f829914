/*
 * Opening the packs: what the database has committed is the truth. Files it does not know are
 * removed, or, with what may have been accepted, set aside; bytes behind a committed end are overwritten later, and
 * records written from now on bear a generation that none before had. A row that a bit flipped in may tell an
 * end before committed records: the pack is appended to only if the row fits what the index and the file say.
 */
#include "store/pack_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define GENERATION_STEP 65536           /* room for one rise at each rewind between two starts */
#define GENERATION_MAX  (INT64_MAX / 2) /* none is as high, but in a damaged row */

struct numbers {
	int64_t *v;
	size_t n;
};

struct opening {
	struct packs *p;
	const struct blob_point *rows;
	size_t n;
	bool *present; /* for each row */
	int64_t max_pack;
	int64_t foreign; /* files with content of packs that are not in the rows */
	bool look_only;
	const struct pack_config *config;
	int64_t unlisted;                 /* that only blobs name */
	struct numbers unknown;           /* to be set aside */
	int64_t orphans, orphan_bytes;    /* that lie there, set aside at whatever start */
	int64_t aside;                    /* of them, now */
	const struct blob_point *doubted; /* the row of the pack to append to, which is damaged */
};

static bool is_dropped(const struct opening *o, int64_t pack)
{
	for (size_t i = 0; i < o->config->ndropped; i++)
		if (o->config->dropped[i] == pack)
			return true;
	return false;
}

static int by_pack(const void *key, const void *row)
{
	const int64_t *pack = key;
	const struct blob_point *r = row;

	return (*pack > r->pack) - (*pack < r->pack);
}

/* Index of the row of a pack, n when there is none; rows are sorted. */
static size_t row_of(const struct opening *o, int64_t pack)
{
	const struct blob_point *row = o->n
					   ? bsearch(&pack, o->rows, o->n, sizeof *o->rows, by_pack)
					   : NULL;

	return row ? (size_t)(row - o->rows) : o->n;
}

enum content {
	CONTENT_NONE,
	CONTENT_SOME,   /* a first record */
	CONTENT_UNKNOWN /* it cannot be read: it may be anything */
};

/* What is in the file? */
static enum content look_into(struct fsio *fs, const char *name)
{
	uint8_t bytes[PACK_HEAD + PACK_RECORD];
	struct pack_head head;
	struct pack_record record;
	int fd = fs->ops->open(fs, name, O_RDONLY, 0), code;

	if (fd < 0)
		return CONTENT_UNKNOWN;
	code = fsio_read_all(fs, fd, bytes, sizeof bytes, 0);
	fs->ops->close(fs, fd);
	if (code < 0)
		return code == -ENODATA ? CONTENT_NONE : CONTENT_UNKNOWN;
	if (!pack_head_get(bytes, &head))
		return CONTENT_NONE;
	return pack_record_get(bytes + PACK_HEAD, &record) ? CONTENT_SOME : CONTENT_NONE;
}

static void add(struct numbers *l, int64_t pack)
{
	l->v = mem_resize(l->v, (l->n + 1) * sizeof *l->v);
	l->v[l->n++] = pack;
}

/*
 * A file the database does not know: left by a batch that was never committed, of a pack that was
 * dropped before its file could go, or accepted after this database was copied. Only the second is
 * certain, so what has content and was not dropped stays, wherever its number lies: a batch may commit
 * after another whose numbers are higher.
 */
static void clean_up(struct opening *o, int64_t pack)
{
	char name[PACK_NAME_MAX];
	enum content content;
	bool kept;

	pack_name_put(name, o->p->dir, pack);
	content = look_into(o->p->fs, name);
	if (o->config->is_named && o->config->is_named(o->config->ctx, pack)) {
		o->unlisted += !o->look_only;
		return;
	}
	kept = !is_dropped(o, pack) && content != CONTENT_NONE;
	o->foreign += kept;
	if (o->look_only || (kept && content == CONTENT_UNKNOWN))
		return;
	if (kept)
		add(&o->unknown, pack);
	else
		(void)o->p->fs->ops->unlink(o->p->fs, name);
}

/* One that lies aside. Nothing tells what a crash left from accepted mail: it stays until somebody decides. */
static void count_orphan(struct opening *o, int64_t pack)
{
	char name[PACK_NAME_MAX];
	struct fsio *fs = o->p->fs;
	int64_t size = 0;
	int fd;

	pack_orphan_put(name, o->p->dir, pack);
	fd = fs->ops->open(fs, name, O_RDONLY, 0);
	if (fd >= 0) {
		size = fs->ops->size(fs, fd);
		fs->ops->close(fs, fd);
	}
	o->orphans++;
	o->orphan_bytes += size > 0 ? size : 0;
}

static void on_entry(void *ctx, const char *name)
{
	struct opening *o = ctx;
	int64_t pack = pack_name_get(name), aside = pack_orphan_get(name);
	size_t row;

	/* nor is the number of one that was set aside given again: it may come back */
	if (pack > o->max_pack || aside > o->max_pack)
		o->max_pack = pack > aside ? pack : aside;
	if (aside && !o->look_only)
		count_orphan(o, aside);
	if (pack == 0)
		return;
	row = row_of(o, pack);
	if (row < o->n)
		o->present[row] = true;
	else
		clean_up(o, pack);
}

struct content_search {
	struct fsio *fs;
	const char *dir;
	bool found;
};

static void look_for_content(void *ctx, const char *entry)
{
	struct content_search *c = ctx;
	int64_t pack = pack_name_get(entry);
	char name[PACK_NAME_MAX];

	if (pack == 0 || c->found)
		return;
	pack_name_put(name, c->dir, pack);
	c->found = look_into(c->fs, name) != CONTENT_NONE;
}

bool pack_is_content_in(struct fsio *fs, const char *dir)
{
	struct content_search c = {fs, dir, false};
	int code = fs->ops->each(fs, dir, look_for_content, &c);

	return c.found || (code < 0 && code != -ENOENT);
}

/* Renaming one of two names of a file to the other changes nothing: then the first one goes. */
static int move_aside(struct fsio *fs, const char *name, const char *aside)
{
	int code = fs->ops->rename(fs, name, aside);
	int gone = code < 0 ? code : fs->ops->unlink(fs, name);

	return gone == -ENOENT ? 0 : gone;
}

static void set_aside(struct opening *o)
{
	char name[PACK_NAME_MAX], aside[PACK_NAME_MAX];
	const struct numbers *l = &o->unknown;

	for (size_t i = 0; i < l->n; i++) {
		pack_name_put(name, o->p->dir, l->v[i]);
		pack_orphan_put(aside, o->p->dir, l->v[i]);
		if (move_aside(o->p->fs, name, aside) < 0)
			continue;
		o->aside++;
		count_orphan(o, l->v[i]);
	}
}

static enum blob_code scan(struct opening *o, struct err *e)
{
	struct packs *p = o->p;
	int code;

	o->look_only = o->n == 0;
	code = p->fs->ops->each(p->fs, p->dir, on_entry, o);
	if (code == 0 && o->look_only && o->foreign == 0) {
		o->look_only = false;
		code = p->fs->ops->each(p->fs, p->dir, on_entry, o);
	}
	if (code < 0) {
		err_sys(e, -code, "packs: cannot read the directory %s", p->dir);
		return BLOB_IO;
	}
	if (o->n == 0 && o->foreign) {
		err_set(e,
		    "packs: %s holds %lld pack%s with messages of which the database knows nothing:"
		    " put back the database that belongs to them, have them taken in by"
		    " `godwit store salvage ADDRESS`, or move them away",
		    p->dir, (long long)o->foreign, o->foreign == 1 ? "" : "s");
		return BLOB_DAMAGED;
	}
	set_aside(o);
	return BLOB_OK;
}

/* ---- the pack to append to ---- */

enum fit {
	FIT_APPEND, /* it is open, and the active one */
	FIT_SINGLE, /* its head says that it is of one large blob: another is the last shared one */
	FIT_NOT,    /* a new one is begun */
};

static bool is_generation(int64_t generation)
{
	return generation >= 0 && generation < GENERATION_MAX;
}

static bool is_end(int64_t end)
{
	return end >= (int64_t)PACK_HEAD && end % (int64_t)PACK_ALIGN == 0;
}

/* The record there ends at the end or before. */
static bool is_before(const struct blob_pos *pos, int64_t end)
{
	return pos->offset >= (int64_t)PACK_HEAD && pos->offset <= end && pos->length >= 0 &&
	       pos->length <= end - pos->offset &&
	       pack_record_size(pos->length) <= end - pos->offset;
}

/* Of the record there; 0 where none can be read. */
static int64_t generation_at(struct packs *p, int fd, const struct blob_pos *pos)
{
	uint8_t bytes[PACK_RECORD];
	struct pack_record r;

	if (fsio_read_all(p->fs, fd, bytes, sizeof bytes, pos->offset) < 0 ||
	    !pack_record_get(bytes, &r) || r.pack != pos->pack || r.offset != pos->offset ||
	    !is_generation(r.generation))
		return 0;
	return r.generation;
}

/*
 * Does the row tell what lies in the file? It may be cut short, which is another matter, unless nothing is missing.
 * Records that were appended with a lower generation than those before them would be lost to whoever reads the file
 * alone, so the one of the last blob counts too.
 */
static bool fits(struct opening *o, int fd, int64_t size, const struct blob_point *row)
{
	const struct pack_config *config = o->config;
	struct blob_pos last;
	bool known = config->last_in,
	     some = known && config->last_in(config->ctx, row->pack, &last);
	int64_t generation = 0;

	if (some && !is_before(&last, row->end))
		return false;
	if (known && size < row->end && (!some || is_before(&last, size)))
		return false;
	if (some)
		generation = generation_at(o->p, fd, &last);
	if (generation > o->p->generation)
		o->p->generation = generation;
	return is_end(row->end) && (generation || is_generation(row->generation));
}

static enum fit doubt(struct opening *o, const struct blob_point *row)
{
	o->doubted = row;
	return FIT_NOT;
}

/* One that is there as far as it is committed, and whose row is sound. */
static enum fit look_at(struct opening *o, const struct blob_point *row, int fd)
{
	uint8_t bytes[PACK_HEAD];
	struct pack_head head;
	struct packs *p = o->p;
	int64_t size = p->fs->ops->size(p->fs, fd);

	if (fsio_read_all(p->fs, fd, bytes, sizeof bytes, 0) < 0 || !pack_head_get(bytes, &head) ||
	    head.pack != row->pack) {
		p->counts.missing++;
		return FIT_NOT;
	}
	if (head.single)
		return FIT_SINGLE;
	if (!fits(o, fd, size, row))
		return doubt(o, row);
	if (size < row->end) {
		p->counts.missing++;
		return FIT_NOT;
	}
	p->active = pack_adopt(p, row->pack, fd, row->end);
	p->active->allocated = size;
	return FIT_APPEND;
}

static enum fit reopen(struct opening *o, const struct blob_point *row)
{
	char name[PACK_NAME_MAX];
	struct packs *p = o->p;
	enum fit fit;
	int fd;

	pack_name_put(name, p->dir, row->pack);
	fd = p->fs->ops->open(p->fs, name, O_RDWR, 0);
	if (fd < 0) {
		p->counts.missing += o->present[row - o->rows];
		return FIT_NOT;
	}
	fit = look_at(o, row, fd);
	if (fit != FIT_APPEND)
		p->fs->ops->close(p->fs, fd);
	return fit;
}

static void survey(struct opening *o)
{
	struct packs *p = o->p;

	for (size_t i = 0; i < o->n; i++) {
		const struct blob_point *row = &o->rows[i];

		if (row->generation > p->generation && is_generation(row->generation))
			p->generation = row->generation;
		if (row->pack > o->max_pack)
			o->max_pack = row->pack;
		p->counts.packs += o->present[i];
		p->counts.missing += !o->present[i];
		if (o->present[i] && is_end(row->end))
			p->counts.bytes += row->end - (int64_t)PACK_HEAD;
	}
	p->next_pack = o->max_pack + 1;
}

/* The last shared one, or a new one. */
static enum blob_code choose_active(struct opening *o, struct err *e)
{
	enum fit fit = FIT_SINGLE;
	struct packs *p = o->p;

	survey(o);
	for (size_t i = o->n; i > 0 && fit == FIT_SINGLE; i--)
		if (!o->rows[i - 1].single)
			fit = reopen(o, &o->rows[i - 1]);
	p->generation = (p->generation / GENERATION_STEP + 1) * GENERATION_STEP;
	return fit == FIT_APPEND ? BLOB_OK : pack_create(p, &p->active, e);
}

static struct packs *packs_new(const struct pack_config *config)
{
	struct packs *p = mem_new(struct packs);

	p->base.ops = &pack_ops;
	p->fs = config->fs;
	p->dir = config->dir;
	p->pack_size = config->pack_size ? config->pack_size : PACK_SIZE_DEFAULT;
	MUST(pthread_mutex_init(&p->lock, NULL) == 0);
	hash_init(&p->live);
	list_init(&p->written);
	list_init(&p->attached);
	p->hash = XXH3_createState();
	MUST(p->hash);
	p->headers = mem_array(PACK_HEADERS, sizeof *p->headers);
	p->iov = mem_array(PACK_IOV, sizeof *p->iov);
	return p;
}

/* What the administrator must know of the packs, the worst first. */
static void tell(const struct opening *o, struct err *e)
{
	const struct packs *p = o->p;
	char also[128] = "";

	if (o->orphans)
		snprintf(also, sizeof also, "; %lld packs, %lld octets, are %.24s/*.orphan",
		    (long long)o->orphans, (long long)o->orphan_bytes, p->dir);
	if (p->counts.missing)
		err_set(e,
		    "packs: %lld packs in %s are missing or cut short: restore them from a backup%s",
		    (long long)p->counts.missing, p->dir, also);
	else if (o->doubted)
		err_set(e,
		    "packs: the row of pack %lld, with the end %lld, does not fit what lies in the pack:"
		    " nothing more is written to it; stop the server and run `godwit store repair`%s",
		    (long long)o->doubted->pack, (long long)o->doubted->end, also);
	else if (o->unlisted)
		err_set(e,
		    "packs: %lld packs in %s hold messages and have lost their row: stop the server and"
		    " run `godwit store repair`%s",
		    (long long)o->unlisted, p->dir, also);
	else if (o->orphans)
		err_set(e,
		    "packs: %lld packs, %lld octets, that the database does not know are %s/*.orphan"
		    " (%lld new): after a crash, mail of which no sender was told that it"
		    " was taken; but if an older database was put back, stop the server and run"
		    " `godwit store salvage`, which takes them in; `godwit store aside` lists them",
		    (long long)o->orphans, (long long)o->orphan_bytes, p->dir, (long long)o->aside);
	else if (e)
		e->text[0] = '\0';
}

enum blob_code pack_open(const struct pack_config *config, const struct blob_point *committed,
    size_t n, struct blob_store **store_r, struct blob_point *point_r, struct err *e)
{
	struct packs *p = packs_new(config);
	struct opening o = {.p = p, .rows = committed, .n = n, .config = config};
	enum blob_code code;

	o.present = mem_array(n + 1, sizeof *o.present);
	/* a copy of this database would remove what bears such a number */
	for (size_t i = 0; i < config->ndropped; i++)
		if (config->dropped[i] > o.max_pack)
			o.max_pack = config->dropped[i];
	code = scan(&o, e);
	if (code == BLOB_OK)
		code = choose_active(&o, e);
	mem_free(o.present);
	mem_free(o.unknown.v);
	if (code != BLOB_OK) {
		pack_ops.free(&p->base);
		return code;
	}
	tell(&o, e);
	*point_r = (struct blob_point){p->active->id, p->generation, false, p->active->end};
	*store_r = &p->base;
	return BLOB_OK;
}

struct blob_store *pack_open_reader(const struct pack_config *config)
{
	return &packs_new(config)->base;
}
