/*
 * When the clock was set back: whatever lies in what is now the future is moved, and a wait that is under way begins
 * anew. What is read from rows reads so anyway (store/queue.h); this makes it so
 * in the rows, whose indexes say what is due. When it goes ahead again what was moved is as old as it was
 * before, and so is what came in between.
 */
#ifndef STORE_QUEUE_CLOCK_H
#define STORE_QUEUE_CLOCK_H

#include "store/lane.h"
#include "store/queue.h"

/* *ahead_r: something was tried later than now, or came then: whatever it is, the clock was set back. */
enum db_code queue_clock_is_ahead(struct db *db, int64_t now, bool *ahead_r);

/* In this order. */
enum queue_clock_part {
	QUEUE_CLOCK_ROWS,
	QUEUE_CLOCK_HOSTS,
	QUEUE_CLOCK_PLACES, /* those whose last attempt was not later than now, what is due there may be */
	QUEUE_CLOCK_PLACES_AHEAD,
	QUEUE_CLOCK_PARTS
};

struct queue_clock_at {
	enum queue_clock_part part;
	int64_t message, recipient; /* of rows */
	struct str name;            /* of the others */
	int64_t since;              /* the clock, as the first slice saw it */
};

/* The clock was behind by so much: rows accepted at these times and between them move on. */
struct queue_clock_late {
	int64_t by, from, until;
};

#define QUEUE_CLOCK_LATES 8

/*
 * A request to the writer lane, a slice of at most LIMIT_SLICE_ROWS rows at a time: submitted again, after
 * queue_clock_go_on(), while more.
 */
struct queue_clock {
	struct lane_op op;
	/* input */
	struct queue_clock_late
	    late[QUEUE_CLOCK_LATES]; /* each of a row that those before have moved */
	size_t nlate;                /* 0: it was set back */
	struct queue_clock_at at;    /* where the slice before ended */
	/* the answer */
	bool more;
	size_t moved; /* rows, in this slice */
	/* queue_clock.c's own */
	struct queue_clock_at next;
	struct arena *arena; /* of names */
};

/* op.done is the caller's, to be set after, and late. */
void queue_clock_init(struct queue_clock *c);

/* Makes ready for the next slice. */
void queue_clock_go_on(struct queue_clock *c);

/* Not while the lane has it. */
void queue_clock_fini(struct queue_clock *c);

#endif
