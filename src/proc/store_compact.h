/* The space of deleted messages is given back in the background, at the pace of compact_rate. */
#ifndef PROC_STORE_COMPACT_H
#define PROC_STORE_COMPACT_H

#include "proc/store.h"

struct store_compact;

struct store_compact *store_compact_new(struct store_process *sp);

/* Mail has been purged: there may be something to do soon. */
void store_compact_kick(struct store_compact *c);

/*
 * Octets in packs that nothing refers to, as of the last look at all of them, every ten minutes. -1 before
 * the first one.
 */
int64_t store_compact_dead(const struct store_compact *c);

/* Begins nothing more. */
void store_compact_stop(struct store_compact *c);

/* A request of it is on its way: the store must not be closed. */
bool store_compact_busy(const struct store_compact *c);

/* Not while busy. Takes NULL, sets NULL. The store is still open, the loop no longer runs. */
void store_compact_free(struct store_compact **c);

#endif
