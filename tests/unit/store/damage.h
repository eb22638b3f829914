/* Damage done to a rig's store: what is found of it, and what the repair makes of it. */
#ifndef TESTS_DAMAGE_H
#define TESTS_DAMAGE_H

#include "flip.h"
#include "store/repair.h"
#include "store/verify.h"

/* The rig's store, as a command has it that nobody else disturbs. */
struct store damage_store(struct rig *r);

/*
 * Everything is looked at, so many octets of a pack in a step: the number of findings. *left_r (may be NULL): octets
 * of packs that were not read. `on` may be NULL.
 */
int64_t damage_find(struct rig *r, int64_t octets,
    void (*on)(void *ctx, const struct verify_finding *f), void *ctx, int64_t *left_r);

/* The same in large steps. */
int64_t damage_count(struct rig *r);

/* Nothing is found, and the books balance. */
void damage_must_be_none(struct rig *r);

/* A repair that must come to its end; what it did. */
struct repair damage_repair(struct rig *r);

/*
 * Some bits of each column flip (more in the long form), one at a time, in rows that flip_keep() has kept: each must be found, unless the
 * column says why not. `then` (may be NULL) is called while it is flipped.
 */
void damage_each_column(
    struct rig *r, const struct flip_column *columns, size_t n, void (*then)(void));

#endif
