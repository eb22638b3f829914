/*
 * The state of a destination, a domain or a host that mail waits for: failures belong to it, not
 * to each message. It is up, or failing: then one probe at each step of the schedule, and the
 * first answer wakes all that waits. How many sessions it may have follows what it can bear.
 *
 * Domains and the hosts that serve them have such a state each, by the same rules: a host that is down
 * is down for all domains that it serves, and its sessions are counted over all of them. A domain that
 * may go, while none of its hosts may, waits for them.
 */
#ifndef QUEUE_DESTINATION_H
#define QUEUE_DESTINATION_H

#include "queue/queue_policy.h"
#include "queue/queue_result.h"

#define QUEUE_SESSIONS_START 5
#define QUEUE_SESSIONS_MAX   20

/* As in its row. Times in milliseconds since 1970, 0: never. */
struct queue_destination {
	uint32_t failures;     /* probes in a row that failed; 0: it is up */
	int64_t failing_since; /* while failing: the first of them */
	int64_t next_probe;    /* while failing: not before */
	int64_t last_try;      /* an attempt ended */
	uint32_t limit;        /* sessions it may have, 1 to QUEUE_SESSIONS_MAX */
	struct str last_reply; /* as queue_result_put_reply() has it; borrowed */
	int64_t
	    waits; /* of a domain that is not failing: for its hosts, until then at the latest */
	uint64_t seed; /* of its jitter: a hash of its name */
};

/* One of which nothing is known: up. */
void queue_destination_init(struct queue_destination *d, uint64_t seed);

static inline bool queue_destination_is_failing(const struct queue_destination *d)
{
	return d->failures > 0;
}

/*
 * What an attempt taught. others: sessions to it that are open beside the one that tells. reply is
 * kept as last_reply, unless the event is NONE (which changes nothing). SUCCESS raises the limit
 * by one; FAILED and BUSY halve it; TURNED_AWAY while others are open lowers it to at most their
 * number and is no failure. While it fails only a probe counts: the failures of sessions that were
 * under way when it began to fail change nothing but last_reply. True: it was failing and is up
 * again, so that all that waits for it may go.
 */
bool queue_destination_apply(struct queue_destination *d, const struct queue_policy *p,
    enum queue_event event, size_t others, struct str reply, int64_t now);

/* What may be expected of it: so that those that cost time for nothing leave room for the others. Stored. */
enum queue_standing {
	QUEUE_STANDING_GOOD,    /* it answered when it was tried last */
	QUEUE_STANDING_UNKNOWN, /* never tried */
	QUEUE_STANDING_FAILING,
	QUEUE_STANDINGS
};

enum queue_standing queue_destination_standing(const struct queue_destination *d);

/* How many of `total` attempts under way may be to destinations of this standing. */
size_t queue_standing_share(enum queue_standing standing, size_t total);

/* Sessions that may be opened beside the active ones; at most one, the probe, while it fails. */
size_t queue_destination_room(const struct queue_destination *d, size_t active, int64_t now);

/* What holds a recipient back, the first that applies. */
enum queue_hold {
	QUEUE_HOLD_NONE,       /* he may go; alone, as the probe, if the destination is failing */
	QUEUE_HOLD_OWN,        /* his own not-before */
	QUEUE_HOLD_PROBE_TIME, /* the destination fails, and its next probe is later */
	QUEUE_HOLD_PROBE,      /* it fails, and a session is under way that will tell */
	QUEUE_HOLD_SESSIONS,   /* it has as many sessions as it may */
	QUEUE_HOLD_HOST,       /* it is up, and none of its hosts may be gone to */
};

/*
 * None of its hosts may be gone to now: it waits until then, or until one of them wakes it. down: all of
 * them are down, so that what is known of its own failures stays; else it is up.
 */
void queue_destination_wait(struct queue_destination *d, int64_t until, bool down);

/* One of its hosts may be gone to: all that waits for it may go. */
void queue_destination_wake(struct queue_destination *d);

/* The rule: may a recipient with this not-before go now? */
enum queue_hold queue_destination_hold(
    const struct queue_destination *d, size_t active, int64_t not_before, int64_t now);

/*
 * After the clock was set back: times in the future move so that what was left of a wait is left.
 * True: something changed and the row is to be written.
 */
bool queue_destination_settle(struct queue_destination *d, int64_t now);

#endif
