/* What the two layers of memory.c share. */
#ifndef CRASH_MEMORY_INTERNAL_H
#define CRASH_MEMORY_INTERNAL_H

#include "disk_internal.h"
#include "memory.h"

#define MEMORY_PAGE ((size_t)4096)

struct page {
	struct page *next_free;
	size_t unknown; /* octets of it that are not decided yet */
	bool is_unknown[MEMORY_PAGE];
	uint8_t data[MEMORY_PAGE];
};

/* Shared memory and locks of a database; memory_vfs.c's. */
struct memory_lock;

struct memory_file {
	const struct bytes *base;  /* what was synced, or the image; NULL: nothing */
	const struct steps *since; /* to be decided upon; NULL: nothing is */
	int32_t *taken;            /* for each of those, -1: not yet */
	uint32_t number;           /* for choices */
	bool settled;              /* its size is decided */
	bool tears;
	size_t sized;     /* steps whose sizes count */
	size_t hole_from; /* from here on nothing was written by what is synced */
	int hole;         /* what is there instead; -1: not decided */
	size_t size;
	struct page **pages; /* NULL: as in the base, zeros behind its end */
	size_t npages;
	unsigned links, opened;
	bool is_dir;
	struct memory_lock *lock;
};

/* By name; NULL: there is none. */
struct memory_file *memory_find(const char *name);

/* A new file, without a name. */
struct memory_file *memory_make(void);
void memory_name(const char *name, struct memory_file *f);

/* False: there is no such name. */
bool memory_unname(const char *name);

/* struct fsio_ops. */
int memory_each(struct fsio *fs, const char *dir, fsio_entry_fn *fn, void *ctx);

size_t memory_size(struct memory_file *f);

/* Octets read. */
size_t memory_read(struct memory_file *f, void *p, size_t n, size_t off);
void memory_write(struct memory_file *f, const void *p, size_t n, size_t off);
void memory_resize(struct memory_file *f, size_t n);

/* An open file outlives its name. */
void memory_open(struct memory_file *f);
void memory_close(struct memory_file *f);

/* Frees it; memory_vfs.c's. */
void memory_lock_free(struct memory_lock **lock);

#endif
