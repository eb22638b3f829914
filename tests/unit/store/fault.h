/*
 * Failures on demand: a file layer and a hook under the database that count their calls together
 * and make the n-th of a kind fail, once or from then on.
 */
#ifndef TESTS_FAULT_H
#define TESTS_FAULT_H

#include "store/db_vfs.h"
#include "store/fsio.h"

enum fault_kind {
	FAULT_NONE,
	FAULT_ANY, /* any call that changes something */
	FAULT_FS_OPEN,
	FAULT_FS_WRITE,
	FAULT_FS_SHORT, /* a write that takes only half of the bytes; no failure */
	FAULT_FS_READ,
	FAULT_FS_SYNC,
	FAULT_FS_SYNC_DIR,
	FAULT_FS_ALLOCATE,
	FAULT_FS_LINK,
	FAULT_FS_TRUNCATE,
	FAULT_FS_UNLINK,
	FAULT_DB_OPEN,
	FAULT_DB_READ,
	FAULT_DB_TRUNCATE,
	FAULT_DB_WRITE,
	FAULT_DB_SYNC,
	FAULT_DB_SHM,
	FAULT_KINDS
};

struct fault {
	struct fsio fs; /* give this to the code under test */
	struct fsio real;
	enum fault_kind kind;
	int64_t at;               /* the call that fails, from 1 */
	bool lasting;             /* every later one too */
	bool full;                /* as a full disk, else as an I/O error */
	int error;                /* of the files, in the place of these; fault_set() clears it */
	uint64_t bad_file;        /* its inode; 0: none */
	int64_t bad_from, bad_to; /* reads of it that touch these octets fail with bad_error */
	int bad_error;            /* negative errno */
	int64_t fired;            /* how many failed */
	int64_t seen;             /* calls of kind so far */
	int64_t calls[FAULT_KINDS];
	char order
	    [256]; /* calls that change something, a letter each (fault.c), repeated ones once */
};

/* Of what can fail, each `step`th is tried; every one in the long form of the tests, which sets EVERY_FAULT. */
int64_t fault_step(int64_t step);

/* Over the current directory, nothing failing; hooks the database. One at a time. */
void fault_init(struct fault *f);

/* Lets the n-th call of kind fail from here on. */
void fault_set(struct fault *f, enum fault_kind kind, int64_t n, bool lasting, bool full);

/* Forgets the calls counted and their order. */
void fault_clear(struct fault *f);

/* The block of 4096 octets that holds this one of a file cannot be read from here on. */
void fault_block(struct fault *f, const char *name, int64_t octet, int error);

/* Unhooks; closes what it opened. */
void fault_fini(struct fault *f);

#endif
