/*
 * Appending to packs. One thread writes (the lane's); a batch is gathered into few large writes,
 * synced once, and counts only when the database has committed its points.
 *
 * Invariants: active->end >= active->committed; every pack with end != committed is in written and
 * pinned; a pack that is left for a new one is synced at once.
 */
#include "store/pack_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>

static const uint8_t padding[PACK_ALIGN];

/* ---- space ---- */

/* A failure to reserve for want of the call is none. */
static int reserve(struct packs *p, int fd, int64_t from, int64_t to, int64_t *allocated_r)
{
	int code = p->fs->ops->allocate(p->fs, fd, from, to - from);

	if (code == -EOPNOTSUPP) {
		*allocated_r = INT64_MAX;
		return 0;
	}
	if (code == 0)
		*allocated_r = to;
	return code;
}

/* Space for the bytes up to end: a large step ahead, or just enough when the disk is nearly full. */
static enum blob_code make_space(struct packs *p, struct pack_file *f, int64_t end, struct err *e)
{
	int64_t ahead = f->allocated + PACK_ALLOCATE;
	int code = 0;

	if (end <= f->allocated)
		return BLOB_OK;
	if (ahead > p->pack_size)
		ahead = p->pack_size;
	if (ahead < end)
		ahead = end;
	code = reserve(p, f->fd, f->allocated, ahead, &f->allocated);
	if (code == -ENOSPC && ahead > end)
		code = reserve(p, f->fd, f->allocated, end, &f->allocated);
	return code < 0 ? pack_fail(e, code, "enlarge", f->id) : BLOB_OK;
}

/* ---- appending ---- */

static enum blob_code write_gathered(struct packs *p, struct err *e)
{
	struct pack_file *f = p->active;
	int code = 0;

	if (p->niov)
		code = fsio_write_all(p->fs, f->fd, p->iov, p->niov, p->iov_at);
	p->niov = p->nheaders = 0;
	p->iov_at = f->end;
	return code < 0 ? pack_fail(e, code, "write to", f->id) : BLOB_OK;
}

static enum blob_code sync_file(struct packs *p, struct pack_file *f, struct err *e)
{
	int code = f->unsynced ? p->fs->ops->sync(p->fs, f->fd) : 0;

	if (code < 0) {
		pack_fail(e, code, "sync", f->id);
		return BLOB_IO; /* of a sync nothing is a harmless failure, not even a full disk */
	}
	if (f->unsynced) {
		pthread_mutex_lock(&p->lock);
		p->counts.syncs++;
		pthread_mutex_unlock(&p->lock);
	}
	f->unsynced = false;
	return BLOB_OK;
}

/* A full pack gives back what was reserved for more; failing costs only space. */
static void give_back(struct packs *p, struct pack_file *f)
{
	(void)p->fs->ops->truncate(p->fs, f->fd, f->end);
}

static enum blob_code roll_over(struct packs *p, struct err *e)
{
	struct pack_file *next, *old = p->active;
	enum blob_code code = write_gathered(p, e);

	if (code == BLOB_OK)
		code = sync_file(p, old, e);
	if (code == BLOB_OK)
		code = pack_create(p, &next, e);
	if (code != BLOB_OK)
		return code;
	pthread_mutex_lock(&p->lock);
	p->active = next;
	pthread_mutex_unlock(&p->lock);
	p->iov_at = next->end;
	/* With nothing uncommitted in it no commit will come by to give back its spare space. */
	if (list_is_empty(&old->written))
		give_back(p, old);
	pack_unpin(p, old);
	return BLOB_OK;
}

static void mark_written(struct packs *p, struct pack_file *f)
{
	f->unsynced = true;
	if (!list_is_empty(&f->written))
		return;
	list_push(&p->written, &f->written);
	pthread_mutex_lock(&p->lock);
	f->pins++;
	pthread_mutex_unlock(&p->lock);
}

static int64_t length_of(const struct blob_in *in)
{
	int64_t n = 0;

	for (size_t i = 0; i < in->niov; i++)
		n += (int64_t)in->iov[i].iov_len;
	return n;
}

static void gather_bytes(struct packs *p, const void *bytes, size_t n)
{
	if (n)
		p->iov[p->niov++] = (struct iovec){(void *)(uintptr_t)bytes, n};
}

/* Adds the record to the gathered ones; there is room for it. */
static void gather(struct packs *p, struct blob_in *in)
{
	uint8_t *header = p->headers[p->nheaders++];
	struct pack_file *f = p->active;
	struct pack_record record = {.pack = f->id,
	    .generation = p->generation,
	    .offset = f->end,
	    .id = in->id,
	    .length = in->pos.length,
	    .codec = in->codec};

	pack_record_put(header, &record);
	gather_bytes(p, header, PACK_RECORD);
	XXH3_64bits_reset(p->hash);
	for (size_t i = 0; i < in->niov; i++) {
		XXH3_64bits_update(p->hash, in->iov[i].iov_base, in->iov[i].iov_len);
		gather_bytes(p, in->iov[i].iov_base, in->iov[i].iov_len);
	}
	XXH3_64bits_update(p->hash, header, PACK_RECORD_HASHED);
	pack_record_seal(header, XXH3_64bits_digest(p->hash));
	gather_bytes(p, padding, (size_t)(-in->pos.length & 7));
	in->pos.pack = f->id;
	in->pos.offset = f->end;
	f->end += pack_record_size(in->pos.length);
}

static enum blob_code append_one(struct packs *p, struct blob_in *in, struct err *e)
{
	int64_t size;
	enum blob_code code = BLOB_OK;

	BUG_ON(in->niov > BLOB_IOV_MAX);
	in->pos.length = length_of(in);
	size = pack_record_size(in->pos.length);
	if (p->active->end > (int64_t)PACK_HEAD && p->active->end + size > p->pack_size)
		code = roll_over(p, e);
	else if (p->nheaders == PACK_HEADERS || p->niov + in->niov + 2 > PACK_IOV)
		code = write_gathered(p, e);
	if (code == BLOB_OK)
		code = make_space(p, p->active, p->active->end + size, e);
	if (code != BLOB_OK)
		return code;
	mark_written(p, p->active);
	gather(p, in);
	return BLOB_OK;
}

static enum blob_code append(
    struct blob_store *b, struct blob_in *const *in, size_t n, struct err *e)
{
	struct packs *p = packs_of(b);
	enum blob_code code = BLOB_OK;

	p->niov = p->nheaders = 0;
	p->iov_at = p->active->end;
	for (size_t i = 0; i < n && code == BLOB_OK; i++)
		code = append_one(p, in[i], e);
	if (code == BLOB_OK)
		code = write_gathered(p, e);
	if (code != BLOB_OK)
		return code;
	pthread_mutex_lock(&p->lock);
	p->counts.appended += (int64_t)n;
	pthread_mutex_unlock(&p->lock);
	return BLOB_OK;
}

/* ---- the end of a batch ---- */

static bool is_dirty(const struct blob_store *b)
{
	const struct packs *p = packs_of(b);

	return !list_is_empty(&p->written) || !list_is_empty(&p->attached);
}

static enum blob_code sync_all(struct blob_store *b, struct err *e)
{
	struct packs *p = packs_of(b);
	enum blob_code code = BLOB_OK;

	LIST_FOREACH(&p->written, it)
	if (sync_file(p, LIST_ENTRY(it, struct pack_file, written), e) != BLOB_OK)
		return BLOB_IO;
	if (p->dir_unsynced)
		code = pack_sync_dir(p, e);
	if (code == BLOB_OK)
		p->dir_unsynced = false;
	return code;
}

static void points(const struct blob_store *b, blob_point_fn *fn, void *ctx)
{
	struct packs *p = packs_of(b);

	LIST_FOREACH(&p->written, it)
	{
		struct pack_file *f = LIST_ENTRY(it, struct pack_file, written);

		fn(ctx, &(struct blob_point){f->id, p->generation, false, f->end});
	}
	LIST_FOREACH(&p->attached, it)
	{
		struct blob_upload *u = LIST_ENTRY(it, struct blob_upload, link);
		int64_t end = (int64_t)PACK_HEAD + pack_record_size(u->length);

		fn(ctx, &(struct blob_point){u->pack, PACK_SINGLE_GENERATION, true, end});
	}
}

/* Takes a pack off the list of written ones; its end is settled. */
static void settle(struct packs *p, struct pack_file *f)
{
	list_remove(&f->written);
	pack_unpin(p, f);
}

static void committed(struct blob_store *b)
{
	struct packs *p = packs_of(b);

	LIST_FOREACH(&p->written, it)
	{
		struct pack_file *f = LIST_ENTRY(it, struct pack_file, written);

		pack_count(p, 0, f->end - f->committed);
		f->committed = f->end;
		if (f != p->active)
			give_back(p, f);
		settle(p, f);
	}
	LIST_FOREACH(&p->attached, it)
	{
		struct blob_upload *u = LIST_ENTRY(it, struct blob_upload, link);

		pack_count(p, 1, pack_record_size(u->length));
		u->committed = true;
		list_remove(&u->link);
	}
}

static void rewind_all(struct blob_store *b)
{
	struct packs *p = packs_of(b);

	LIST_FOREACH(&p->written, it)
	{
		struct pack_file *f = LIST_ENTRY(it, struct pack_file, written);

		f->end = f->committed;
		f->unsynced = false;
		settle(p, f);
	}
	LIST_FOREACH(&p->attached, it)
	list_remove(it);
	p->generation++; /* what is overwritten now differs from what overwrites it */
}

static void distrust(struct blob_store *b)
{
	struct packs *p = packs_of(b);

	pthread_mutex_lock(&p->lock);
	p->distrusted = true;
	pthread_mutex_unlock(&p->lock);
}

static bool has_failed(struct blob_store *b, struct err *e)
{
	struct packs *p = packs_of(b);
	bool failed;

	pthread_mutex_lock(&p->lock);
	failed = p->failed;
	if (failed)
		*e = p->failure;
	pthread_mutex_unlock(&p->lock);
	return failed;
}

/* ---- housekeeping ---- */

/* While files are held it is only noted. */
static bool note_held(struct packs *p, int64_t pack)
{
	bool held;

	pthread_mutex_lock(&p->lock);
	held = p->holds > 0;
	if (held) {
		p->held = mem_resize(p->held, (p->nheld + 1) * sizeof *p->held);
		p->held[p->nheld++] = pack;
	}
	pthread_mutex_unlock(&p->lock);
	return held;
}

static enum blob_code seal(struct blob_store *b, struct err *e)
{
	struct packs *p = packs_of(b);

	BUG_ON(is_dirty(b));
	p->niov = p->nheaders = 0;
	return roll_over(p, e);
}

static int64_t active(struct blob_store *b)
{
	struct packs *p = packs_of(b);
	int64_t pack;

	pthread_mutex_lock(&p->lock);
	pack = p->active ? p->active->id : 0;
	pthread_mutex_unlock(&p->lock);
	return pack;
}

static enum blob_code drop_pack(struct blob_store *b, int64_t pack, struct err *e)
{
	struct packs *p = packs_of(b);
	enum blob_code code = BLOB_OK;
	struct pack_file *f;
	int64_t size;

	if (note_held(p, pack))
		return BLOB_OK;
	f = pack_pin(p, pack, &code, e);
	if (!f)
		return code;
	pthread_mutex_lock(&p->lock);
	f->dropped = !p->distrusted && f != p->active;
	pthread_mutex_unlock(&p->lock);
	if (!f->dropped) {
		err_set(e, "packs: %s, pack %lld stays",
		    p->distrusted ? "writing has stopped" : "it is being written to",
		    (long long)pack);
		code = BLOB_IO;
	}
	size = p->fs->ops->size(p->fs, f->fd);
	if (code == BLOB_OK && size >= (int64_t)PACK_HEAD)
		pack_count(p, -1, (int64_t)PACK_HEAD - size);
	pack_unpin(p, f);
	return code;
}

static size_t gone(struct blob_store *b, int64_t *packs, size_t n)
{
	struct packs *p = packs_of(b);
	size_t left = 0;

	for (size_t i = 0; i < n; i++) {
		char name[PACK_NAME_MAX];
		int fd;

		pack_name_put(name, p->dir, packs[i]);
		fd = p->fs->ops->open(p->fs, name, O_RDONLY, 0);
		if (fd >= 0)
			p->fs->ops->close(p->fs, fd);
		else if (fd == -ENOENT)
			packs[left++] = packs[i];
	}
	return left == 0 || p->fs->ops->sync_dir(p->fs, p->dir) < 0 ? 0 : left;
}

static void hold(struct blob_store *b)
{
	struct packs *p = packs_of(b);

	pthread_mutex_lock(&p->lock);
	p->holds++;
	pthread_mutex_unlock(&p->lock);
}

static void release(struct blob_store *b)
{
	struct packs *p = packs_of(b);
	int64_t *held = NULL;
	size_t n = 0;

	pthread_mutex_lock(&p->lock);
	BUG_ON(p->holds == 0);
	if (--p->holds == 0) {
		held = p->held;
		n = p->nheld;
		p->held = NULL;
		p->nheld = 0;
	}
	pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < n; i++)
		(void)drop_pack(b, held[i], NULL); /* else the next start does */
	mem_free(held);
}

static void counts(struct blob_store *b, struct blob_counts *c)
{
	struct packs *p = packs_of(b);

	pthread_mutex_lock(&p->lock);
	*c = p->counts;
	pthread_mutex_unlock(&p->lock);
}

static void free_store(struct blob_store *b)
{
	struct packs *p = packs_of(b);

	rewind_all(b);
	if (p->active)
		pack_unpin(p, p->active);
	BUG_ON(p->live.count);
	hash_fini(&p->live);
	pthread_mutex_destroy(&p->lock);
	mem_free(p->held);
	XXH3_freeState(p->hash);
	mem_free(p->headers);
	mem_free(p->iov);
	mem_free(p);
}

const struct blob_ops pack_ops = {
    .append = append,
    .attach = pack_attach,
    .detach = pack_detach,
    .is_dirty = is_dirty,
    .sync = sync_all,
    .points = points,
    .committed = committed,
    .rewind = rewind_all,
    .distrust = distrust,
    .has_failed = has_failed,
    .upload_begin = pack_upload_begin,
    .upload_write = pack_upload_write,
    .upload_finish = pack_upload_finish,
    .upload_free = pack_upload_free,
    .open = pack_blob_open,
    .read = pack_blob_read,
    .seek = pack_blob_seek,
    .codec = pack_blob_codec,
    .close = pack_blob_close,
    .seal = seal,
    .active = active,
    .drop_pack = drop_pack,
    .gone = gone,
    .raw = pack_raw,
    .hold = hold,
    .release = release,
    .counts = counts,
    .free = free_store,
};
