/*
 * A set of 64-bit numbers kept as sorted intervals: message numbers marked for deletion, UIDs of a
 * snapshot. Also the map between a number 1..n and the n-th member, for every protocol that counts.
 */
#ifndef BASE_RANGES_H
#define BASE_RANGES_H

#include "base/str.h"

struct range {
	int64_t first;
	int64_t last; /* inclusive */
};

struct ranges {
	struct range *v;
	size_t n, cap;
	int64_t count;   /* members in all */
	int64_t *before; /* sealed: members before each interval; else NULL */
};

void ranges_init(struct ranges *r);
void ranges_fini(struct ranges *r);
void ranges_clear(struct ranges *r);

/* Adds one member; adding at the end is O(1). False when it was in already. */
bool ranges_add(struct ranges *r, int64_t value);

/* Adds an interval that lies behind every member, last >= first: O(1). Aborts when it does not. */
void ranges_add_range(struct ranges *r, int64_t first, int64_t last);

/* Takes the members of `out` out of r: linear in the intervals of both. */
void ranges_subtract(struct ranges *r, const struct ranges *out);

bool ranges_has(const struct ranges *r, int64_t value);

/*
 * Until the next change the three functions below take logarithmic time in the number of intervals, not
 * linear; costs half as much memory again. For sets that are complete.
 */
void ranges_seal(struct ranges *r);

/* Where the n-th member is, 1-based: index of its interval, and the member. False: there are fewer. */
bool ranges_find(const struct ranges *r, int64_t n, size_t *at_r, int64_t *value_r);

/* The n-th member; -1 when there are fewer. The inverse; -1 when it is no member. */
int64_t ranges_nth(const struct ranges *r, int64_t n);
int64_t ranges_index(const struct ranges *r, int64_t value);

#endif
