/*
 * When the clock was set back: whatever lies in what is now the future is moved, so that of each wait
 * is left what was left of it. What is read from rows reads so anyway (store/queue.h); this makes it so
 * in the rows, whose indexes say what is due.
 */
#ifndef STORE_QUEUE_CLOCK_H
#define STORE_QUEUE_CLOCK_H

#include "store/lane.h"
#include "store/queue.h"

/* *ahead_r: an attempt was made later than now. */
enum db_code queue_clock_is_ahead(struct db *db, int64_t now, bool *ahead_r);

/* A request to the writer lane, a slice at a time. Zero it, then queue_clock_init(). */
struct queue_clock {
	struct lane_op op;
	/* inputs: where the slice before ended */
	int64_t message, recipient;
	/* the answer */
	bool more;
	int64_t next_message, next_recipient;
};

void queue_clock_init(struct queue_clock *c);

/* Makes ready for the next slice. */
void queue_clock_go_on(struct queue_clock *c);

#endif
