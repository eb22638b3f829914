/* What memory.c and the layers on it share. */
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

/* A new file, without a name; and one of the disk. */
struct memory_file *memory_make(void);
struct memory_file *memory_number(size_t number);

/* What nobody can reach any more takes no room. */
void memory_drop(struct memory_file *f);

/* An unsynced step of names is to be decided upon: is it kept? */
bool memory_keeps_name(size_t step);

/* ---- memory_names.c: by path; NULL, false: there is none ---- */

struct memory_file *memory_find(const char *path);
void memory_name(const char *path, struct memory_file *f);
bool memory_unname(const char *path);

/* A new and empty file in the place of one that may be there or not. */
struct memory_file *memory_replace(const char *path);

/* Each name in a directory; fn changes none. */
void memory_each(const char *dir, void (*fn)(void *ctx, const char *name), void *ctx);

/* Those of the disk's image; open: what is unsynced is decided when it is looked at. */
void memory_names_load(struct disk *d, bool open);
void memory_names_clear(void);

/* ---- memory.c: octets ---- */

size_t memory_size(struct memory_file *f);

/* Octets read. */
size_t memory_read(struct memory_file *f, void *p, size_t n, size_t off);
void memory_write(struct memory_file *f, const void *p, size_t n, size_t off);
void memory_resize(struct memory_file *f, size_t n);

/* An open file outlives its name. */
void memory_open(struct memory_file *f);
void memory_close(struct memory_file *f);

#define MEMORY_PATH 128

/* The path of a file that is named from the working directory. memory_calls.c's. */
void memory_resolve(const char *name, char out[MEMORY_PATH]);

/* From here on calls go to memory; nothing is open, and the working directory is the topmost. memory_calls.c's. */
void memory_calls_begin(void);

/* Frees it; memory_vfs.c's. */
void memory_lock_free(struct memory_lock **lock);

#endif
