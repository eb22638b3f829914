/*
 * The queue's scheduler, without loop, clock or log: whoever owns it says what time it is, carries its
 * requests, and calls it again when something has changed or at the moment it asks for. So the same
 * code runs in the store process and in simulated time.
 */
#ifndef STORE_QUEUE_RUN_H
#define STORE_QUEUE_RUN_H

#include "base/id.h"
#include "store/queue_clock.h"
#include "store/queue_due.h"
#include "store/queue_lease.h"
#include "store/queue_report.h"
#include "store/queue_tiers.h"

#define QUEUE_RUN_REPORTS 8 /* under way at once */
#define QUEUE_RUN_BACKS   4 /* steps back of the clock that are told apart */

/* By the wall, which jumps, and for durations, which does not, and goes on in a sleep of the machine. Milliseconds. */
struct queue_time {
	int64_t wall, mono;
};

/* What it asks of its owner. A request's done is called later, or before the call returns. */
struct queue_run_world {
	struct queue_time (*time)(void *ctx);
	void (*write)(void *ctx, struct lane_op *op);
	void (*read)(void *ctx, struct reader_op *op);

	/* The settings as they are now, copied into the arena. */
	struct queue_config (*config)(void *ctx, struct arena *a);

	/* May reports be begun? Not while the disk is full. */
	bool (*is_accepting)(void *ctx);

	/* The end has come: what is under way ends, nothing goes on. */
	bool (*is_ending)(void *ctx);

	/* The owners of leases that are here, at most QUEUE_OWNERS_MAX. False: one has not said who it is. */
	bool (*owners)(void *ctx, int64_t *owners_r, size_t *n_r);

	/* Whether a relay waits for jobs; and gives them to one that does, by a request of its own. */
	bool (*somebody_waits)(void *ctx);
	void (*give)(void *ctx);

	/* queue_run_turn() is to be called again soon, not from here. */
	void (*again)(void *ctx);

	/* For the log. why: of what failed. */
	void (*failed)(void *ctx, const char *what, const char *why);
	void (*reported)(void *ctx, const struct queue_report *r);
	void (*released)(void *ctx, int64_t count);
	void (*clock_set_back)(
	    void *ctx, int64_t by); /* 0: while nobody ran, by how much is unknown */
};

/* The clock was set back, and as far as this is not put right. */
struct queue_run_back {
	int64_t by;
	int64_t from; /* wall: to this time */
	int64_t at;   /* mono: then */
};

struct queue_run {
	const struct queue_run_world *world;
	void *ctx;
	struct db *db; /* to look into, in the owner's thread; borrowed */
	struct blob_store *blobs;
	struct id_maker *ids; /* of reports */
	size_t busy;          /* requests that are out */
	int64_t paused;       /* mono: nothing is begun before, something failed */

	struct queue_due_list due; /* messages whose turn comes, from due_at on */
	size_t due_at;
	size_t reports;           /* under way */
	int64_t postmaster_since; /* mono: since then, for a day, ... */
	int postmaster_told;      /* ... he has had so many of mail without a sender */
	int postmaster_asked;     /* reports under way that may be such ones */
	int64_t times_at;         /* mono: until then nothing is due by its age ... */
	int64_t times_wake;       /* wall: ... unless it is this late */

	struct queue_release release;
	bool releasing;
	bool unshortened; /* the clock was set back: leases may live for too long */
	int64_t lease_at; /* wall: no lease expires before, unless the clock is set; 0: unknown */
	int64_t void_at;  /* mono: leases of owners that are not here by then are void; 0: done */
	int64_t
	    spared; /* mono: until then no lease expires, for its owner must first hear of the clock */
	int64_t given;                /* the last lease that was given out before the start */
	int64_t kept[QUEUE_JOBS_MAX]; /* of those, the ones that their owners have extended since */
	size_t nkept;

	/*
	 * When the clock is set, what is dated by it follows, so that nobody is older or younger for it. On the 9th
	 * it is set back to the 2nd: what is dated later moves to the 2nd (set_back); back says 7 days, from the 2nd.
	 * When it is put right, what is dated from the 2nd on, and came meanwhile, moves on by 7 days (late). Of several
	 * steps back the last one is put right first, for what came between them follows those before only. What goes
	 * ahead and is set back within a day was no set-back (ahead).
	 */
	struct queue_clock clock;
	bool moving;           /* rows follow */
	bool unmoved;          /* ... but a slice of them failed, and is to be written again ... */
	int64_t unmoved_until; /* mono: ... not before this */
	int64_t
	    unmoved_since; /* mono: it fails since then, and not for want of room; 0: it does not */
	bool given_up; /* it did so for long: until all have followed, reports do not wait for it */
	bool set_back; /* they are to follow it back */
	struct queue_clock_late late[QUEUE_CLOCK_LATES]; /* they are to follow it ahead */
	size_t nlate;
	struct queue_run_back back[QUEUE_RUN_BACKS];
	size_t nback;
	int64_t ahead;    /* it went ahead by so much in all, and was not set back */
	int64_t ahead_at; /* mono: when that began */
	int64_t since;    /* wall: see queue_run_since() */
	struct queue_time last;

	int64_t
	    wake; /* wall: but attempts, nothing is due before unless something changes; 0: unknown */
	int64_t attempt; /* wall: nor is an attempt before this */
	int64_t looked;  /* mono: then it was */

	struct queue_tiers tiers;
	bool sorting;  /* rows are brought into their tiers */
	bool unsorted; /* the settings have changed since that began */
};

/* world, ctx, db, blobs, ids are set; the rest is zero. Then turns may begin. */
void queue_run_init(struct queue_run *r);

/* Not while requests are out. */
void queue_run_fini(struct queue_run *r);

/* Something may have changed: begins what is due. Milliseconds until the next tick, above 0. */
int64_t queue_run_turn(struct queue_run *r);

/*
 * These have passed, or somebody waits for jobs: the same, but nothing is looked up before the moment at
 * which something is due.
 */
int64_t queue_run_tick(struct queue_run *r);

/*
 * Since when all that is due can have been done, by the wall clock, for queue_schedule_of(): since the start,
 * or since the clock went ahead of the steady one, or since the machine slept or this process stood still. It is the same for all who ask, from the moment of the jump on.
 */
int64_t queue_run_since(struct queue_run *r);

/* The settings have changed. A turn is to follow. */
void queue_run_reconfigured(struct queue_run *r);

/* An owner of leases has gone: those of all who are not here are void. A turn is to follow. */
void queue_run_gone(struct queue_run *r);

/*
 * An owner is here: leases of those that are not will be void soon, and those of his from before the
 * start that he does not extend by then. A turn is to follow.
 */
void queue_run_greeted(struct queue_run *r);

/* The owner of a lease extends it: before that is written. One from before the start is not void then. */
void queue_run_kept(struct queue_run *r, int64_t token);

/* A request failed, the owner's or its own: nothing is begun for a while. op NULL: the database. */
void queue_run_failed(struct queue_run *r, const char *what, const struct lane_op *op);

#endif
