/*
 * Which of its hosts a job or a callout may go to. A relay looks up the hosts of a destination and asks before it
 * goes to one: only here is known whether that is down, whichever domain found out, and how many
 * sessions it has, for whichever domain.
 */
#ifndef STORE_QUEUE_WAY_H
#define STORE_QUEUE_WAY_H

#include "store/lane.h"
#include "store/queue.h"

struct queue_way_host {
	struct str name; /* with ":port" behind it where that is not the usual one */
	uint8_t level;   /* as far as it is no better than those before: of the same preference */
};

enum queue_way_answer {
	QUEUE_WAY_GO, /* to the chosen one; the lease counts there */
	QUEUE_WAY_WAIT, /* to none now: the lease has ended, and the destination waits for its hosts */
	QUEUE_WAY_NONE, /* to none of those that are left, after one failed: its result is to be told */
	QUEUE_WAY_STALE, /* the lease is not the asker's (any more): nothing was changed */
	QUEUE_WAY_SOON,  /* of a callout, which waits for its turn: it is to ask again soon */
};

/*
 * A request to the writer lane. A host that is down is passed over; of one that has as many sessions as
 * it may only those of the same level are tried instead. A host that answered with a failure is told
 * here, so that others learn of it at once.
 *
 * A callout (message 0) goes to none that is down while mail waits for it, and teaches nothing of any.
 */
struct queue_way {
	struct lane_op op;
	struct arena *arena; /* for the inputs; goes with queue_way_free() */
	void *user;          /* the owner's */
	/* inputs */
	struct queue_config cfg;
	int64_t owner, message, token;
	struct str failed;            /* the host that it went to before; empty: it went to none */
	struct queue_attempt attempt; /* how */
	struct str text;
	const struct queue_way_host *hosts; /* those that are left, in their order */
	size_t n;                           /* at most LIMIT_QUEUE_HOSTS */
	/* the answer */
	bool
	    frees; /* whatever it is, there is room, or something due, that was not: a turn is to follow */
	enum queue_way_answer answer;
	size_t chosen;
	bool
	    passes; /* GO, NONE: a host was passed over: which, and how it failed last, or that it is full */
	size_t passed;
	struct queue_attempt passed_attempt;
	struct str passed_text; /* until queue_way_free() */
	/* queue_way.c's own */
	struct arena *scratch;
};

struct queue_way *queue_way_new(void);

/* op.done is the caller's. */
void queue_way_prepare(struct queue_way *w);

/* Takes NULL, sets NULL. Not while the lane has it. */
void queue_way_free(struct queue_way **w);

/*
 * Until when a destination waits for a host at the latest, should nothing wake it: its names are looked up
 * anew then. A little later for each than the host's own next probe, which is another's.
 */
int64_t queue_way_until(const struct queue_destination *host, const struct queue_policy *policy,
    uint64_t seed, int64_t now);

#endif
