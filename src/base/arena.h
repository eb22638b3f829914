/*
 * Memory by lifetime: what is allocated in an arena goes with it, all at once. One for a
 * connection, one for a command or transaction; command code never calls free.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

struct arena;

/* An arena; blocks are taken as needed. */
struct arena *arena_new(void);

/* Frees it with all it holds. Takes NULL, sets NULL. */
void arena_free(struct arena **a);

/* Forgets all, keeps one block for reuse. Memory is wiped when wipe is true. */
void arena_reset(struct arena *a, bool wipe);

/* n zeroed bytes, aligned for any type. Aborts when memory is out: bound n by a limit first. */
void *arena_alloc(struct arena *a, size_t n);

/* count zeroed elements; aborts on overflow. */
void *arena_array(struct arena *a, size_t count, size_t size);

/* As mem_grow(), in the arena; what is new is zeroed. */
void *arena_grow(struct arena *a, void *v, size_t n, size_t *capacity, size_t size);

#define arena_obj(a, type) ((type *)arena_alloc((a), sizeof(type)))

/* A copy of the bytes; of the bytes with a NUL behind them. */
struct str arena_str(struct arena *a, struct str s);
const char *arena_cstr(struct arena *a, struct str s);

/* A copy in lower case (ASCII). */
struct str arena_lower(struct arena *a, struct str s);

/* Bytes handed out since the last reset: for limits on what a peer makes grow. */
size_t arena_used(const struct arena *a);

#endif
