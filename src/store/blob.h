/*
 * Content of messages: written once, read many times, never changed. The interface; store/pack.h is
 * the implementation in files, an object store may be another.
 *
 * Writing is the lane's: append a batch, sync it (while SQL runs), read the commit points and store
 * them in the transaction, commit, then blob_committed. Bytes behind a committed point do not exist:
 * they are overwritten. Reading is any thread's.
 */
#ifndef STORE_BLOB_H
#define STORE_BLOB_H

#include <sys/uio.h>

#include "base/err.h"
#include "base/str.h"

/* Where a blob lies; stored in the database with it. */
struct blob_pos {
	int64_t pack;
	int64_t offset; /* of its record in the pack */
	int64_t length; /* of its content in bytes */
};

enum blob_codec {
	BLOB_PLAIN, /* the bytes as given */
	BLOB_ZSTD,  /* compressed by the caller; stored and read as given */
	BLOB_CODECS
};

/* One blob to append: the content in pieces, and where it went. */
struct blob_in {
	int64_t id; /* the owner's name for it, kept in the record: the index can be rebuilt */
	enum blob_codec codec;
	const struct iovec *iov; /* borrowed until the append returned */
	size_t niov;
	struct blob_pos pos; /* filled by blob_append */
};

/* How far a pack is written: becomes a row of the table pack in the same commit as its blobs. */
struct blob_point {
	int64_t pack;
	int64_t generation;
	bool single; /* a pack of its own for one large blob */
	int64_t end;
};

enum blob_code {
	BLOB_OK,
	BLOB_FULL,    /* no space on the disk, or no file to be had */
	BLOB_IO,      /* reading or writing failed */
	BLOB_DAMAGED, /* the record is not what was written: reported, never handed on as whole */
	BLOB_GONE,    /* there is no such pack */
	BLOB_UNREADABLE, /* the disk does not give these octets (EIO); it may give others */
};

const char *blob_code_name(enum blob_code code);

#define BLOB_IOV_MAX 64 /* pieces of one blob */

typedef void blob_point_fn(void *ctx, const struct blob_point *point);

struct blob_store;
struct blob_upload;
struct blob_reader;

struct blob_counts {
	int64_t packs;    /* files */
	int64_t bytes;    /* committed, over all packs */
	int64_t appended; /* blobs written since the start */
	int64_t syncs;    /* times content was forced to the disk */
	int64_t damaged;  /* records found damaged since the start */
	int64_t missing;  /* committed packs whose file was missing or too short at the start */
	int64_t pinned;   /* readers open now */
};

struct blob_ops {
	enum blob_code (*append)(
	    struct blob_store *, struct blob_in *const *in, size_t n, struct err *);
	enum blob_code (*attach)(struct blob_store *, struct blob_upload *, struct err *);
	void (*detach)(struct blob_store *, struct blob_upload *);
	bool (*is_dirty)(const struct blob_store *);
	enum blob_code (*sync)(struct blob_store *, struct err *);
	void (*points)(const struct blob_store *, blob_point_fn *, void *ctx);
	void (*committed)(struct blob_store *);
	void (*rewind)(struct blob_store *);
	void (*distrust)(struct blob_store *);
	bool (*has_failed)(struct blob_store *, struct err *);

	enum blob_code (*upload_begin)(
	    struct blob_store *, int64_t id, enum blob_codec, struct blob_upload **, struct err *);
	enum blob_code (*upload_write)(struct blob_upload *, struct str, struct err *);
	enum blob_code (*upload_finish)(struct blob_upload *, struct blob_pos *, struct err *);
	void (*upload_free)(struct blob_upload *);

	enum blob_code (*open)(
	    struct blob_store *, int64_t id, struct blob_pos, struct blob_reader **, struct err *);
	enum blob_code (*read)(struct blob_reader *, void *, size_t, size_t *got_r);
	enum blob_code (*seek)(struct blob_reader *, int64_t off);
	enum blob_codec (*codec)(const struct blob_reader *);
	void (*close)(struct blob_reader *);

	enum blob_code (*seal)(struct blob_store *, struct err *);
	int64_t (*active)(struct blob_store *);
	enum blob_code (*drop_pack)(struct blob_store *, int64_t pack, struct err *);
	size_t (*gone)(struct blob_store *, int64_t *packs, size_t n);
	enum blob_code (*raw)(
	    struct blob_store *, int64_t pack, int64_t off, void *, size_t n, struct err *);
	void (*hold)(struct blob_store *);
	void (*release)(struct blob_store *);
	void (*counts)(struct blob_store *, struct blob_counts *);
	void (*free)(struct blob_store *);
};

/* Embedded at the head of each implementation. */
struct blob_store {
	const struct blob_ops *ops;
};

/* ---- writing: one thread at a time, the lane's ---- */

/*
 * Appends the batch and fills in each position. All or nothing: after a failure the caller must
 * blob_rewind. Nothing is durable before blob_sync.
 */
static inline enum blob_code blob_append(
    struct blob_store *b, struct blob_in *const *in, size_t n, struct err *e)
{
	return b->ops->append(b, in, n, e);
}

/* Takes a finished upload into the batch. Doing it again after a rewind is right. */
static inline enum blob_code blob_attach(struct blob_store *b, struct blob_upload *u, struct err *e)
{
	return b->ops->attach(b, u, e);
}

/* Takes it out of the batch again, after the sync: what it was for did not happen. */
static inline void blob_detach(struct blob_store *b, struct blob_upload *u)
{
	b->ops->detach(b, u);
}

/* Something was appended or attached and needs blob_sync before the commit. */
static inline bool blob_is_dirty(const struct blob_store *b)
{
	return b->ops->is_dirty(b);
}

/*
 * Everything appended and attached so far is on stable storage when it returns BLOB_OK. May run in
 * another thread while nobody appends. After a failure nothing written since the last commit may be
 * trusted, and syncing again proves nothing: stop writing. But BLOB_FULL: what was appended is to be taken back
 * (blob_rewind), for a sync was not tried, and another time it may go well.
 */
static inline enum blob_code blob_sync(struct blob_store *b, struct err *e)
{
	return b->ops->sync(b, e);
}

/* Calls fn for each point that must be committed with the batch; none when nothing was written. */
static inline void blob_points(const struct blob_store *b, blob_point_fn *fn, void *ctx)
{
	b->ops->points(b, fn, ctx);
}

/* The commit that held the points returned. */
static inline void blob_committed(struct blob_store *b)
{
	b->ops->committed(b);
}

/* Forgets everything since the last commit; its bytes will be overwritten. */
static inline void blob_rewind(struct blob_store *b)
{
	b->ops->rewind(b);
}

/*
 * After a commit or sync of unknown outcome: from now on no file is removed, because a commit that
 * seemed to fail may turn out to have happened. The next start cleans up.
 */
static inline void blob_distrust(struct blob_store *b)
{
	b->ops->distrust(b);
}

/*
 * Writing or syncing an upload met a failure of the disk: nothing that is synced from here on is believed,
 * so stop writing. False, and e as it was, when none did. Any thread.
 */
static inline bool blob_has_failed(struct blob_store *b, struct err *e)
{
	return b->ops->has_failed(b, e);
}

/* ---- large blobs: any thread, one at a time for each upload ---- */

/* Begins a blob of its own file, that nobody sees before it is attached and committed. */
static inline enum blob_code blob_upload_begin(struct blob_store *b, int64_t id,
    enum blob_codec codec, struct blob_upload **u_r, struct err *e)
{
	return b->ops->upload_begin(b, id, codec, u_r, e);
}

/* Appends content. After a failure only blob_upload_free is left; of BLOB_IO blob_has_failed() tells. */
static inline enum blob_code blob_upload_write(
    struct blob_store *b, struct blob_upload *u, struct str s, struct err *e)
{
	return b->ops->upload_write(u, s, e);
}

/*
 * Completes the record and syncs it: blocks for the disk, so call it in a reader's thread. Once. After a
 * failure as after one of blob_upload_write.
 */
static inline enum blob_code blob_upload_finish(
    struct blob_store *b, struct blob_upload *u, struct blob_pos *pos_r, struct err *e)
{
	return b->ops->upload_finish(u, pos_r, e);
}

/* Frees the handle; without a commit in between the file goes too. Takes NULL, sets NULL. */
static inline void blob_upload_free(struct blob_store *b, struct blob_upload **u)
{
	if (*u)
		b->ops->upload_free(*u);
	*u = NULL;
}

/* ---- reading: any thread ---- */

/*
 * Opens a blob at its first byte and pins its pack until blob_close. BLOB_DAMAGED when the record's
 * header does not say what id and pos say, BLOB_UNREADABLE when the disk does not give that header.
 */
static inline enum blob_code blob_open(
    struct blob_store *b, int64_t id, struct blob_pos pos, struct blob_reader **r_r, struct err *e)
{
	return b->ops->open(b, id, pos, r_r, e);
}

/*
 * The next at most n bytes; *got_r = 0 at the end. The checksum is compared when the last byte is
 * read: BLOB_DAMAGED then, *got_r = 0, and the bytes given before must not be taken as whole.
 */
static inline enum blob_code blob_read(
    struct blob_store *b, struct blob_reader *r, void *p, size_t n, size_t *got_r)
{
	return b->ops->read(r, p, n, got_r);
}

/*
 * Goes on at content offset off (0 to length). Moving anywhere but to where it is gives up the
 * comparison of the checksum, except to 0, which begins it anew.
 */
static inline enum blob_code blob_seek(struct blob_store *b, struct blob_reader *r, int64_t off)
{
	return b->ops->seek(r, off);
}

/* As it was written with. */
static inline enum blob_codec blob_codec_of(const struct blob_store *b, const struct blob_reader *r)
{
	return b->ops->codec(r);
}

/* Takes NULL, sets NULL. */
static inline void blob_close(struct blob_store *b, struct blob_reader **r)
{
	if (*r)
		b->ops->close(*r);
	*r = NULL;
}

/* Reads a whole blob into p, checksum compared. BLOB_DAMAGED when pos.length is above max. */
enum blob_code blob_get(
    struct blob_store *b, int64_t id, struct blob_pos pos, void *p, size_t max, struct err *e);

/* ---- housekeeping ---- */

/*
 * Removes a pack that no committed row refers to any more: unlinked as soon as the last reader has
 * gone. Any thread. BLOB_GONE when there is none; BLOB_IO for the one being appended to, which stays: only a
 * damaged row can have asked for that.
 */
static inline enum blob_code blob_drop_pack(struct blob_store *b, int64_t pack, struct err *e)
{
	return b->ops->drop_pack(b, pack, e);
}

/*
 * Of n numbers of dropped packs leaves those whose file is gone, also after a power cut, in front, and returns how
 * many. Syncs the directory when there are any; 0 when that fails. Any thread.
 */
static inline size_t blob_gone(struct blob_store *b, int64_t *packs, size_t n)
{
	return b->ops->gone(b, packs, n);
}

/* The pack that is appended to, whatever rows say; 0: of a reader. None becomes it again. Any thread. */
static inline int64_t blob_active(struct blob_store *b)
{
	return b->ops->active(b);
}

/* What is appended from here on goes to a new pack. Between batches, in the lane's place. */
static inline enum blob_code blob_seal(struct blob_store *b, struct err *e)
{
	return b->ops->seal(b, e);
}

/*
 * Exactly n octets of a pack as they lie in it, from off on: for copying what is committed. Any thread.
 * BLOB_DAMAGED when the pack ends before, BLOB_UNREADABLE when the disk does not give some of them.
 */
static inline enum blob_code blob_raw(
    struct blob_store *b, int64_t pack, int64_t off, void *p, size_t n, struct err *e)
{
	return b->ops->raw(b, pack, off, p, n, e);
}

/* From here to the release no pack's file goes: dropped ones go then. May be nested; any thread. */
static inline void blob_hold(struct blob_store *b)
{
	b->ops->hold(b);
}

static inline void blob_release(struct blob_store *b)
{
	b->ops->release(b);
}

static inline void blob_counts(struct blob_store *b, struct blob_counts *c)
{
	b->ops->counts(b, c);
}

/* All readers closed, all uploads freed before. Takes NULL, sets NULL. */
static inline void blob_store_free(struct blob_store **b)
{
	if (*b)
		(*b)->ops->free(*b);
	*b = NULL;
}

#endif
