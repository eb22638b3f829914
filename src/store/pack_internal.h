/* What the files of the pack store share: pack.c (writing), pack_open.c, pack_read.c, pack_upload.c. */
#ifndef STORE_PACK_INTERNAL_H
#define STORE_PACK_INTERNAL_H

#include <pthread.h>
#include <xxhash.h>

#include "base/hash.h"
#include "base/list.h"
#include "store/pack.h"
#include "store/pack_format.h"

#define PACK_SIZE_DEFAULT      ((int64_t)256 << 20)
#define PACK_ALLOCATE          ((int64_t)16 << 20) /* space taken at a time, ahead of the end */
#define PACK_SINGLE_GENERATION 0                   /* written once, so nothing old can lie behind */
#define PACK_FILE_MODE         0600
#define PACK_HEADERS           256 /* records gathered for one write */
#define PACK_IOV               1024

/* A pack in use: appended to, or pinned by readers. Lives while pins > 0. */
struct pack_file {
	struct hash_node node;
	struct list written; /* in packs.written while it has uncommitted records */
	int64_t id;
	int fd;
	unsigned pins;     /* under packs.lock */
	bool dropped;      /* unlink at the last unpin; under packs.lock */
	bool unsynced;     /* the writer's, as all below */
	int64_t end;       /* where the next record goes */
	int64_t committed; /* what of it is committed */
	int64_t allocated;
};

struct packs {
	struct blob_store base;
	struct fsio *fs;
	const char *dir;
	int64_t pack_size;
	int64_t generation;

	pthread_mutex_t lock; /* live, pins, counts, next_pack, distrusted, failed */
	struct hash_table live;
	struct blob_counts counts;
	int64_t next_pack;
	bool distrusted;
	bool failed; /* an upload could not be written, or synced: failure says why */
	struct err failure;
	unsigned holds; /* no file goes while > 0 */
	int64_t *held;  /* packs that were dropped meanwhile */
	size_t nheld;

	/* the writer's */
	struct pack_file *active; /* pinned */
	struct list written;      /* packs with uncommitted records, each pinned */
	struct list attached;     /* uploads of this batch */
	bool dir_unsynced;
	XXH3_state_t *hash;
	uint8_t (*headers)[PACK_RECORD];
	size_t nheaders;
	struct iovec *iov;
	size_t niov;
	int64_t iov_at; /* where in the active pack the gathered bytes go */
};

struct blob_upload {
	struct packs *packs;
	struct list link; /* in packs.attached */
	int fd;
	int64_t id, pack, length;
	enum blob_codec codec;
	int64_t flushed; /* content handed to writeback */
	XXH3_state_t *hash;
	bool broken, finished, linked, committed;
};

static inline struct packs *packs_of(const struct blob_store *b)
{
	return (struct packs *)(void *)(uintptr_t)b;
}

/* Class of a negative errno, with the story in e. */
enum blob_code pack_fail(struct err *e, int code, const char *what, int64_t pack);

/* The names of packs are on the disk. Of its failures only one to open the directory is harmless: BLOB_FULL. */
enum blob_code pack_sync_dir(struct packs *p, struct err *e);

/* Adds to the counts of files and committed bytes. */
void pack_count(struct packs *p, int64_t packs, int64_t bytes);

/* A number no pack has. */
int64_t pack_take_id(struct packs *p);

/* The pack's file, opened if need be; NULL and *code_r when it cannot be. Any thread. */
struct pack_file *pack_pin(struct packs *p, int64_t id, enum blob_code *code_r, struct err *e);
void pack_unpin(struct packs *p, struct pack_file *f);

/* Puts a file that is open already among the live ones, pinned once. */
struct pack_file *pack_adopt(struct packs *p, int64_t id, int fd, int64_t end);

/* Makes, syncs and pins an empty pack. */
enum blob_code pack_create(struct packs *p, struct pack_file **file_r, struct err *e);

/* pack_read.c */
enum blob_code pack_raw(
    struct blob_store *, int64_t pack, int64_t off, void *, size_t n, struct err *);
enum blob_code pack_blob_open(
    struct blob_store *, int64_t id, struct blob_pos, struct blob_reader **, struct err *);
enum blob_code pack_blob_read(struct blob_reader *, void *, size_t, size_t *);
enum blob_code pack_blob_seek(struct blob_reader *, int64_t off);
enum blob_codec pack_blob_codec(const struct blob_reader *);
void pack_blob_close(struct blob_reader *);

/* pack_upload.c */
enum blob_code pack_upload_begin(
    struct blob_store *, int64_t id, enum blob_codec, struct blob_upload **, struct err *);
enum blob_code pack_upload_write(struct blob_upload *, struct str, struct err *);
enum blob_code pack_upload_finish(struct blob_upload *, struct blob_pos *, struct err *);
enum blob_code pack_attach(struct blob_store *, struct blob_upload *, struct err *);
void pack_detach(struct blob_store *, struct blob_upload *);
void pack_upload_free(struct blob_upload *);

/* pack.c: the functions of the interface */
extern const struct blob_ops pack_ops;

#endif
