/*
 * Leases: jobs given out, kept, taken back. A job is one message to one destination; its recipients
 * bear the lease's token until its result (store/queue_settle.h), or until it is released.
 */
#ifndef STORE_QUEUE_LEASE_H
#define STORE_QUEUE_LEASE_H

#include "base/clock.h"
#include "queue/queue_explain.h"
#include "store/lane.h"
#include "store/queue.h"

#define QUEUE_LEASE_MS       (30 * MINUTE_MS) /* a lease that is not extended ends */
#define QUEUE_JOB_RECIPIENTS 100

struct queue_job {
	int64_t token;
	struct str destination;
	struct str host; /* at which it counts; empty: none is known yet */
	struct queue_message message;
	struct str reverse_path; /* that it goes with; the message's may be another */
	struct queue_rows rows;  /* 1 to QUEUE_JOB_RECIPIENTS, with the same forwarder */
	uint32_t attempts;       /* failures of destination and recipient so far */
	bool brief;              /* others wait for it, which may be silent: it is not waited for */
};

/*
 * Gives out up to `room` jobs: destinations take turns, a job each, as far as each has room for a
 * session; the job of a failing one is its probe. Zero it, set the inputs, then queue_lease_init().
 */
struct queue_lease {
	struct lane_op op;
	/* inputs */
	struct queue_config cfg;
	int64_t owner; /* above 0 */
	size_t room;
	size_t bytes; /* octets of text after which no further job is begun */
	/* the answer; lives until queue_lease_fini() */
	struct queue_job *jobs;
	size_t n;
	/* queue_lease.c's own */
	struct arena *arena;
	size_t jobs_room, used;
};

/* op.done is the caller's. */
void queue_lease_init(struct queue_lease *l);
void queue_lease_fini(struct queue_lease *l);

#define QUEUE_OWNERS_MAX 64

/*
 * Takes back leases: those that have expired, those of owners that are gone, those named. Their
 * recipients are free at once. Zero it, set the inputs, then queue_release_init().
 */
struct queue_release {
	struct lane_op op;
	/* inputs */
	bool spare;                       /* expiry tells nothing: the clock was set ahead */
	bool others;                      /* all owners but those listed are no more */
	int64_t owners[QUEUE_OWNERS_MAX]; /* listed */
	size_t nowners;
	int64_t old; /* with others: so are leases up to this token, whoever has them; 0: none */
	const int64_t *kept; /* ... but not these; borrowed, unchanged until it is done */
	size_t nkept;
	const int64_t *tokens; /* these leases are over too; borrowed */
	size_t ntokens;
	/* the answer */
	int64_t released;
	bool more; /* there may be others: set after to next and submit it again */
	int64_t next;
	int64_t after; /* input: looks at tokens behind this one */
};

void queue_release_init(struct queue_release *r);

/* One of n tokens or owners. */
bool queue_is_among(const int64_t *v, size_t n, int64_t x);

/* Lets a lease live QUEUE_LEASE_MS from now. Nothing happens if it is not the owner's. */
struct queue_extend {
	struct lane_op op;
	int64_t owner, message, token;
};

void queue_extend_init(struct queue_extend *x);

/* When the first lease expires; QUEUE_NEVER: there is none. */
enum db_code queue_lease_wake(struct db *db, int64_t *when_r);

/* When the first attempt may be due that there is room for; QUEUE_NEVER: nothing waits that may go. */
enum db_code queue_attempt_wake(struct db *db, int64_t *when_r);

/*
 * Whether a destination with so many attempts under way may have another now, as far as all that are under way
 * allow it, and those whose turn comes first: *full_r.
 */
enum db_code queue_attempt_full(struct db *db, const struct queue_place *place, size_t active,
    int64_t now, enum queue_explain_full *full_r);

struct queue_lease_row {
	int64_t token, owner;
	int64_t message; /* 0: a callout (store/queue_callout.h) */
	struct str destination;
	int64_t begun, expiry;
	struct str reverse_path; /* in the place of the message's; empty: that one */
	struct str host;         /* at which it counts; empty: none is known yet */
};

/*
 * It was given long before all that is due could be done (queue_config.started): the connection broke while the
 * machine slept, and that nobody answered tells nothing of now. Another attempt follows.
 */
static inline bool queue_lease_is_outslept(
    const struct queue_lease_row *lease, const struct queue_config *cfg, int64_t now)
{
	return lease->begun + HOUR_MS < cfg->started && cfg->started <= now;
}

/* A lease, text in the arena. DB_ROW; DB_OK: there is none. */
enum db_code queue_lease_get(
    struct db *db, struct arena *a, int64_t token, struct queue_lease_row *row_r);

/* How many leases may be added in all. */
enum db_code queue_lease_room(struct db *db, size_t *room_r);

/* The last token that was given; 0: none was. */
enum db_code queue_lease_last(struct db *db, int64_t *token_r);

/* Only in the writer lane, what follows. */

/* A token that was never used. */
enum db_code queue_lease_token(struct db *db, int64_t *token_r);

/* Takes a lease back: its recipients are free, and whoever waits for its host may go. */
enum db_code queue_lease_end(
    struct db *db, struct arena *a, const struct queue_lease_row *lease, int64_t now);

#endif
