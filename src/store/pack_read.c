/*
 * Reading blobs, in any thread. A reader pins its pack and reads forward; what it has read goes
 * through the checksum, and the last piece is handed out only when the sum is right. Header and
 * first bytes come with one read.
 */
#include "store/pack_internal.h"

#include "base/mem.h"

#include <errno.h>

#define READER_MAGIC 0x70726472u
#define READ_AHEAD   ((size_t)16 * 1024) /* header and the content read with it */

struct blob_reader {
	uint32_t magic;
	struct packs *packs;
	struct pack_file *file;
	struct blob_pos pos;
	struct pack_record record;
	int64_t at;   /* content offset of the next byte */
	bool hashing; /* everything before at went through hash */
	bool whole;   /* the checksum was compared and is right */
	XXH3_state_t *hash;
	size_t n; /* bytes in head */
	uint8_t head[READ_AHEAD];
};

static enum blob_code damaged(struct packs *p, struct blob_pos pos, struct err *e, const char *why)
{
	pthread_mutex_lock(&p->lock);
	p->counts.damaged++;
	pthread_mutex_unlock(&p->lock);
	err_set(e, "packs: the record at %lld in pack %lld is damaged: %s", (long long)pos.offset,
	    (long long)pos.pack, why);
	return BLOB_DAMAGED;
}

/* Of all that a read may fail with, only EIO speaks of the octets themselves. */
static enum blob_code unread(struct err *e, int code, int64_t pack)
{
	enum blob_code class = pack_fail(e, code, "read", pack);

	return code == -EIO ? BLOB_UNREADABLE : class;
}

/* No content is longer; a row that says so is damaged. */
#define LENGTH_MAX ((int64_t)LIMIT_MESSAGE_SIZE + (int64_t)MIB)

static bool is_record_meant(const struct pack_record *r, int64_t id, struct blob_pos pos)
{
	return r->pack == pos.pack && r->offset == pos.offset && r->length == pos.length &&
	       r->id == id;
}

/* Reads the record's beginning and compares its header with what the caller knows. */
static enum blob_code read_head(struct blob_reader *r, int64_t id, struct err *e)
{
	struct packs *p = r->packs;
	int64_t size;
	int code;

	if (r->pos.length < 0 || r->pos.length > LENGTH_MAX)
		return damaged(p, r->pos, e, "nothing is as long as its row says");
	size = (int64_t)PACK_RECORD + r->pos.length;
	r->n = size < (int64_t)READ_AHEAD ? (size_t)size : READ_AHEAD;
	code = fsio_read_all(p->fs, r->file->fd, r->head, r->n, r->pos.offset);
	if (code == -EIO) { /* perhaps only of what is read ahead: that is told when it is wanted */
		r->n = PACK_RECORD;
		code = fsio_read_all(p->fs, r->file->fd, r->head, r->n, r->pos.offset);
	}
	if (code == -ENODATA)
		return damaged(p, r->pos, e, "the file ends before it");
	if (code < 0)
		return unread(e, code, r->pos.pack);
	if (!pack_record_get(r->head, &r->record))
		return damaged(p, r->pos, e, "no valid header");
	if (!is_record_meant(&r->record, id, r->pos))
		return damaged(p, r->pos, e, "the header belongs to something else");
	return BLOB_OK;
}

static void begin(struct blob_reader *r)
{
	r->at = 0;
	r->hashing = true;
	XXH3_64bits_reset(r->hash);
}

static void count_pin(struct packs *p, int64_t n)
{
	pthread_mutex_lock(&p->lock);
	p->counts.pinned += n;
	pthread_mutex_unlock(&p->lock);
}

enum blob_code pack_blob_open(
    struct blob_store *b, int64_t id, struct blob_pos pos, struct blob_reader **r_r, struct err *e)
{
	struct packs *p = packs_of(b);
	enum blob_code code = BLOB_OK;
	struct pack_file *f;
	struct blob_reader *r;

	if (pos.offset < (int64_t)PACK_HEAD || pos.length < 0)
		return damaged(p, pos, e, "no such position");
	f = pack_pin(p, pos.pack, &code, e);
	if (!f)
		return code;
	r = mem_new(struct blob_reader);
	r->magic = READER_MAGIC;
	r->packs = p;
	r->file = f;
	r->pos = pos;
	r->hash = XXH3_createState();
	MUST(r->hash);
	begin(r);
	count_pin(p, 1);
	code = read_head(r, id, e);
	if (code == BLOB_OK)
		*r_r = r;
	else
		pack_blob_close(r);
	return code;
}

/* Copies from what came with the header, or reads. */
static enum blob_code fetch(struct blob_reader *r, void *p, size_t n)
{
	size_t from = PACK_RECORD + (size_t)r->at, have = from < r->n ? r->n - from : 0;
	uint8_t *to = p;
	int code;

	if (have > n)
		have = n;
	memcpy(to, r->head + (have ? from : 0), have);
	if (have == n)
		return BLOB_OK;
	code = fsio_read_all(
	    r->packs->fs, r->file->fd, to + have, n - have, r->pos.offset + (int64_t)(from + have));
	if (code == -ENODATA)
		return damaged(r->packs, r->pos, NULL, "the file ends in it");
	return code < 0 ? unread(NULL, code, r->pos.pack) : BLOB_OK;
}

/* At the end of an unbroken reading: is it what was written? */
static enum blob_code compare(struct blob_reader *r)
{
	if (!r->hashing || r->at < r->pos.length || r->whole)
		return BLOB_OK;
	XXH3_64bits_update(r->hash, r->head, PACK_RECORD_HASHED);
	if (XXH3_64bits_digest(r->hash) != r->record.checksum)
		return damaged(r->packs, r->pos, NULL, "the checksum differs");
	r->whole = true;
	return BLOB_OK;
}

enum blob_code pack_blob_read(struct blob_reader *r, void *p, size_t n, size_t *got_r)
{
	int64_t left = r->pos.length - r->at;
	enum blob_code code;

	BUG_ON(r->magic != READER_MAGIC);
	*got_r = 0;
	if ((int64_t)n > left)
		n = (size_t)left;
	code = n ? fetch(r, p, n) : BLOB_OK;
	if (code != BLOB_OK)
		return code;
	if (r->hashing && !r->whole)
		XXH3_64bits_update(r->hash, p, n);
	r->at += (int64_t)n;
	code = compare(r);
	if (code == BLOB_OK)
		*got_r = n;
	return code;
}

enum blob_code pack_blob_seek(struct blob_reader *r, int64_t off)
{
	BUG_ON(r->magic != READER_MAGIC || off < 0 || off > r->pos.length);
	if (off == r->at)
		return BLOB_OK;
	if (off == 0) {
		begin(r);
		return BLOB_OK;
	}
	r->hashing = false;
	r->at = off;
	return BLOB_OK;
}

enum blob_codec pack_blob_codec(const struct blob_reader *r)
{
	BUG_ON(r->magic != READER_MAGIC);
	return r->record.codec;
}

void pack_blob_close(struct blob_reader *r)
{
	BUG_ON(r->magic != READER_MAGIC);
	count_pin(r->packs, -1);
	pack_unpin(r->packs, r->file);
	XXH3_freeState(r->hash);
	r->magic = 0;
	mem_free(r);
}

enum blob_code pack_raw(
    struct blob_store *b, int64_t pack, int64_t off, void *to, size_t n, struct err *e)
{
	struct packs *p = packs_of(b);
	enum blob_code code = BLOB_OK;
	struct pack_file *f = pack_pin(p, pack, &code, e);
	int result;

	if (!f)
		return code;
	result = fsio_read_all(p->fs, f->fd, to, n, off);
	if (result == -ENODATA) {
		err_set(e, "packs: the file of pack %lld is cut short", (long long)pack);
		code = BLOB_DAMAGED;
	} else if (result < 0) {
		code = unread(e, result, pack);
	}
	pack_unpin(p, f);
	return code;
}
