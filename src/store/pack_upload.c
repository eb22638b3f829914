/*
 * Large blobs: a file of their own without a name, written as it comes, synced when complete,
 * named when its batch is appended, and there for good when the batch is committed.
 */
#include "store/pack_internal.h"

#include "base/mem.h"

#include <errno.h>

#define FLUSH_STEP ((int64_t)1 << 20) /* handed to writeback at a time, so that the sync is short */
#define CONTENT_AT ((int64_t)(PACK_HEAD + PACK_RECORD))

enum blob_code pack_upload_begin(struct blob_store *b, int64_t id, enum blob_codec codec,
    struct blob_upload **u_r, struct err *e)
{
	struct packs *p = packs_of(b);
	int64_t pack = pack_take_id(p);
	int fd = p->fs->ops->open_unnamed(p->fs, p->dir, PACK_FILE_MODE);
	struct blob_upload *u;

	if (fd < 0)
		return pack_fail(e, fd, "create", pack);
	u = mem_new(struct blob_upload);
	u->packs = p;
	u->fd = fd;
	u->id = id;
	u->pack = pack;
	u->codec = codec;
	list_init(&u->link);
	u->hash = XXH3_createState();
	MUST(u->hash);
	XXH3_64bits_reset(u->hash);
	*u_r = u;
	return BLOB_OK;
}

/* Of a disk that fails the lane must know (docs/invariants/lane.md 7): the first failure counts. */
static enum blob_code fail(struct blob_upload *u, int result, const char *what, struct err *e)
{
	struct packs *p = u->packs;
	struct err why;
	enum blob_code code = pack_fail(&why, result, what, u->pack);

	u->broken = true;
	if (e)
		*e = why;
	if (str_eq(str_of_c(what), STR("sync")))
		code = BLOB_IO; /* of a sync no failure is harmless, not even a full disk */
	if (code != BLOB_IO)
		return code;
	pthread_mutex_lock(&p->lock);
	if (!p->failed)
		p->failure = why;
	p->failed = true;
	pthread_mutex_unlock(&p->lock);
	return BLOB_IO;
}

static enum blob_code put(struct blob_upload *u, struct str s, int64_t at, struct err *e)
{
	struct iovec iov = {(void *)(uintptr_t)s.p, s.n};
	int code = fsio_write_all(u->packs->fs, u->fd, &iov, 1, at);

	return code < 0 ? fail(u, code, "write to", e) : BLOB_OK;
}

enum blob_code pack_upload_write(struct blob_upload *u, struct str s, struct err *e)
{
	enum blob_code code;

	BUG_ON(u->broken || u->finished);
	code = put(u, s, CONTENT_AT + u->length, e);
	if (code != BLOB_OK)
		return code;
	XXH3_64bits_update(u->hash, s.p, s.n);
	u->length += (int64_t)s.n;
	if (u->length - u->flushed >= FLUSH_STEP) {
		(void)u->packs->fs->ops->flush(
		    u->packs->fs, u->fd, CONTENT_AT + u->flushed, u->length - u->flushed);
		u->flushed = u->length;
	}
	return BLOB_OK;
}

/* Both heads and the padding at the end. */
static enum blob_code complete(struct blob_upload *u, struct err *e)
{
	static const uint8_t zeros[PACK_ALIGN];
	uint8_t heads[PACK_HEAD + PACK_RECORD];
	uint8_t *header = heads + PACK_HEAD;
	struct pack_record record = {.pack = u->pack,
	    .generation = PACK_SINGLE_GENERATION,
	    .offset = (int64_t)PACK_HEAD,
	    .id = u->id,
	    .length = u->length,
	    .codec = u->codec};
	enum blob_code code;

	pack_head_put(heads, &(struct pack_head){u->pack, true});
	pack_record_put(header, &record);
	XXH3_64bits_update(u->hash, header, PACK_RECORD_HASHED);
	pack_record_seal(header, XXH3_64bits_digest(u->hash));
	code = put(u, str_of(heads, sizeof heads), 0, e);
	if (code == BLOB_OK)
		code = put(u, str_of(zeros, (size_t)(-u->length & 7)), CONTENT_AT + u->length, e);
	return code;
}

enum blob_code pack_upload_finish(struct blob_upload *u, struct blob_pos *pos_r, struct err *e)
{
	struct packs *p = u->packs;
	enum blob_code code;
	int result;

	BUG_ON(u->broken || u->finished);
	code = complete(u, e);
	if (code != BLOB_OK)
		return code;
	result = p->fs->ops->sync(p->fs, u->fd);
	if (result < 0)
		return fail(u, result, "sync", e);
	u->finished = true;
	pthread_mutex_lock(&p->lock);
	p->counts.syncs++;
	p->counts.appended++;
	pthread_mutex_unlock(&p->lock);
	*pos_r = (struct blob_pos){u->pack, (int64_t)PACK_HEAD, u->length};
	return BLOB_OK;
}

enum blob_code pack_attach(struct blob_store *b, struct blob_upload *u, struct err *e)
{
	struct packs *p = packs_of(b);
	char name[PACK_NAME_MAX];
	int code = 0;

	BUG_ON(!u->finished || u->committed);
	pack_name_put(name, p->dir, u->pack);
	if (!u->linked)
		code = p->fs->ops->link(p->fs, u->fd, name);
	if (code < 0)
		return pack_fail(e, code, "name", u->pack);
	u->linked = true;
	p->dir_unsynced = true;
	if (list_is_empty(&u->link))
		list_push(&p->attached, &u->link);
	return BLOB_OK;
}

void pack_detach(struct blob_store *b, struct blob_upload *u)
{
	list_remove(&u->link);
}

/* The name goes unless the blob is committed, or may be. */
static void remove_name(struct blob_upload *u)
{
	struct packs *p = u->packs;
	char name[PACK_NAME_MAX];
	bool distrusted;

	pthread_mutex_lock(&p->lock);
	distrusted = p->distrusted;
	pthread_mutex_unlock(&p->lock);
	if (distrusted)
		return;
	pack_name_put(name, p->dir, u->pack);
	(void)p->fs->ops->unlink(p->fs, name); /* else the next start does */
}

void pack_upload_free(struct blob_upload *u)
{
	BUG_ON(!list_is_empty(&u->link));
	if (u->linked && !u->committed)
		remove_name(u);
	u->packs->fs->ops->close(u->packs->fs, u->fd);
	XXH3_freeState(u->hash);
	mem_free(u);
}
