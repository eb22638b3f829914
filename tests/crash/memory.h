/*
 * Files in memory, in place of a directory: the program's own system calls and SQLite's "unix" layer on
 * what a crash left. A state may be loaded as it was drawn, or open: what is unsynced is then decided
 * when it is first read, and what nobody reads is decided never, because it makes no difference.
 *
 * One memory in a process.
 */
#ifndef CRASH_MEMORY_H
#define CRASH_MEMORY_H

#include "choices.h"
#include "disk.h"

/* The image that disk_choose() chose last. The disk is borrowed until the next load. */
void memory_load(struct disk *d);

/*
 * The disk as it may be, c saying how. Of each unsynced step of names: done or not. Of each file:
 * - its whole size, and each unsynced write kept, lost or torn at any border of a sector, its beginning or its end
 *   being left; where nothing was written zeros or the remains of others;
 * - the size after any number of the steps, and each unsynced write kept or lost.
 * tears: false: no write is torn.
 */
void memory_load_open(struct disk *d, struct choices *c, bool tears);

/* Has a write been decided upon as torn since the state was loaded? */
bool memory_is_torn(void);

/*
 * From here on SQLite's files are these (and once a state was loaded, those of system calls too), and its random
 * numbers of this seed; before SQLite is used.
 */
void memory_take_sqlite(uint32_t seed);

/* SQLite draws the random numbers of this seed in place of others: without memory, likewise. */
void memory_fix_chance(uint32_t seed);

#endif
