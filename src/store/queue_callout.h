/*
 * Leases for callouts: questions to the servers of relay domains, which need a connection as a message does, and count
 * among those of their host and destination. docs/invariants/lease.md.
 *
 * Such a lease has no message. Where its host has no room it counts there all the same, as one that waits: so the next
 * connection that ends there makes room for it, though mail waits too. But never for so many that mail
 * would have none.
 */
#ifndef STORE_QUEUE_CALLOUT_H
#define STORE_QUEUE_CALLOUT_H

#include "store/queue_host.h"
#include "store/queue_lease.h"

#define QUEUE_CALLOUTS_MAX 4 /* at one host, or for one destination: under way and waiting */

/* Takes a lease, which counts nowhere yet. Zero it, set the inputs, then queue_callout_init(). */
struct queue_callout {
	struct lane_op op;
	/* inputs; borrowed until done */
	int64_t owner;
	struct str destination;
	/* the answer */
	int64_t token; /* 0: there are as many leases as there may be */
};

void queue_callout_init(struct queue_callout *c);

/* Ends one, if it is still there; whoever waits for its host may go. Likewise. */
struct queue_callout_end {
	struct lane_op op;
	int64_t token;
};

void queue_callout_end_init(struct queue_callout_end *c);

/*
 * Of leases that count for a destination, or at a host, of which so many may go: those that do, told so that as many as
 * may are as many. DB_OK and *active_r, lowered where callouts that wait are among them.
 */
enum db_code queue_callout_open_for(
    struct db *db, struct str destination, int64_t limit, int64_t *active_r);
enum db_code queue_callout_open_at(
    struct db *db, struct str host, int64_t limit, int64_t *active_r);

/* Only in the writer lane, what follows. */

/* May it go to a host? The lease itself is not counted. */
struct queue_callout_room {
	bool goes;
	bool waits; /* it does not, and may wait there, counted */
};

enum db_code queue_callout_room(struct db *db, struct arena *a, const struct queue_config *cfg,
    const struct queue_lease_row *lease, const struct queue_host *host, int64_t now,
    struct queue_callout_room *room_r);

/* Where it counts from now on (empty: nowhere), and whether it goes there or waits. */
enum db_code queue_callout_move(struct db *db, struct arena *a, const struct queue_lease_row *lease,
    struct str host, bool goes, int64_t now);

#endif
