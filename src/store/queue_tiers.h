/*
 * When the settings of destinations have changed: rows of which another schedule is true than when they
 * were written are brought into the tier they belong to (queue/queue_routing.h), slice by slice.
 */
#ifndef STORE_QUEUE_TIERS_H
#define STORE_QUEUE_TIERS_H

#include "store/lane.h"
#include "store/queue.h"

/* A request to the writer lane, a slice at a time: submitted again while more. Zero it, set routing. */
struct queue_tiers {
	struct lane_op op;
	struct arena *arena; /* the owner's, of routing */
	struct queue_routing routing;
	/* the answer */
	bool more;
	int64_t moved; /* rows, in this slice */
};

void queue_tiers_init(struct queue_tiers *t);

#endif
