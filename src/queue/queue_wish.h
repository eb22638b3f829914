/*
 * What a sender asks for beside DSN: that his message is sent later, before others, or in time.
 * [RFC 4865, 6710, 2852]
 */
#ifndef QUEUE_WISH_H
#define QUEUE_WISH_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/cur.h"

#define QUEUE_HOLD_MAX      (60 * DAY_MS)
#define QUEUE_PRIORITY_LAST (-9)
#define QUEUE_PRIORITY_MOST 9
#define QUEUE_BY_MAX        999999999 /* seconds */

/* What becomes of a message that is not delivered in time. Stored. */
enum queue_by {
	QUEUE_BY_NONE,   /* there is no such time */
	QUEUE_BY_RETURN, /* it goes back */
	QUEUE_BY_NOTIFY, /* its sender is told once, and it is tried on */
	QUEUE_BY_TOLD,   /* the same, and he was told, or does not want to be */
	QUEUE_BY_KINDS
};

struct queue_wish {
	int64_t hold_for;   /* from acceptance, milliseconds; 0: not given */
	int64_t hold_until; /* likewise; a time */
	int8_t priority;    /* QUEUE_PRIORITY_LAST to _MOST, 0: as all */
	bool has_priority;  /* it was said, by the sender or in the message, be it 0 */
	enum queue_by by;
	int64_t
	    by_time;   /* from acceptance, milliseconds; negative: it has passed on the way here */
	bool by_trace; /* each server that passes it on reports */
};

/* When it is released, QUEUE_HOLD_MAX from its acceptance at the latest; 0: at once. */
int64_t queue_wish_release(const struct queue_wish *w, int64_t accepted);

/* Is each value in its range? */
bool queue_wish_is_valid(const struct queue_wish *w);

/* As in frames between processes; a malformed one fails the cursor. */
void queue_wish_put(struct buf *b, const struct queue_wish *w);
struct queue_wish queue_wish_get(struct cur *c);

#endif
