/* The two halves of a run on the real store: what is done, and what must be so after a crash. */
#ifndef CRASH_STORE_RUN_H
#define CRASH_STORE_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_PACK ((int64_t)64 * 1024) /* size of a pack of the runs */

/*
 * Works in the current directory, on a new store or on what is there, for `steps` requests drawn by the
 * seed, and tells its standard output what it asks for and what was answered. generation: how often the
 * machine died before; the clock goes on by a day each time.
 */
void store_work(uint64_t seed, int steps, int generation);

/* What a small run is about. */
enum store_subject {
	STORE_REQUESTS, /* requests to one store, in the working directory */
	STORE_MIGRATES, /* a data directory of version 1 there, which is brought up to date */
	/* data/ below the working directory, and commands that take it as a whole */
	STORE_BACKUP,
	STORE_BACKUP_AGAIN, /* the same, and the next one is looked at */
	STORE_CLOSED,       /* from here on nothing has it open when the run begins */
	STORE_RESTORE = STORE_CLOSED,
	STORE_REPAIR,
	STORE_SALVAGE,
	STORE_SUBJECTS
};

enum store_subject store_small_subject(const char *name);

/* A small run of this name; before: what comes before it. */
void store_small(const char *name, bool before);

/*
 * Starts the store in the working directory after a crash, `said` being all that was said before it, and
 * looks for each invariant that README.md lists; then takes a message more, and starts once more. Ends the
 * process with a text when something is wrong. The number of the logical content right after the start;
 * whole: false when only that is wanted.
 */
uint64_t store_check(const char *said, size_t n, bool whole);

/* Before that, of a run that migrates, the database has one version or the other. */
void store_check_old(void);

#endif
