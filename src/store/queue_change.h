/* What an administrator sees of the queue and does to it. */
#ifndef STORE_QUEUE_CHANGE_H
#define STORE_QUEUE_CHANGE_H

#include "store/lane.h"
#include "store/queue.h"

/*
 * Which recipients: all that fit whatever is given. Texts are lower case, an address or a domain in
 * A-label form; empty: any.
 */
struct queue_filter {
	int64_t message;      /* 0: of any */
	struct str text;      /* of the recipient or of the sender */
	struct str recipient; /* his own, or of the alias that leads to him */
	struct str sender;    /* "<>": the null one */
	int64_t before;       /* waits since then or longer; 0: however long */
	struct str age;       /* how long that is, as "4d": for the record */
};

/* sender: of the row's message. */
bool queue_filter_fits(
    const struct queue_filter *f, const struct queue_row *row, struct str sender);

/* A place in the queue: rows go by message, then recipient. */
struct queue_at {
	int64_t message, recipient;
};

/* Before the first row that a filter may fit. */
struct queue_at queue_filter_start(const struct queue_filter *f);

typedef void queue_row_fn(
    void *ctx, const struct queue_row *row, const struct queue_message *message);

/*
 * Looks at up to `max` rows behind *at and calls fn for those that fit; *at moves on. *more_r: there may
 * be others. What fn is given is valid in the call. All of it, and what fn reads, is of one moment.
 */
enum db_code queue_list(struct db *db, const struct queue_filter *f, int64_t now, size_t max,
    struct queue_at *at, bool *more_r, queue_row_fn *fn, void *ctx);

enum queue_change_verb {
	QUEUE_CHANGE_RETRY,   /* may go now, whatever was to be waited for; his destination too */
	QUEUE_CHANGE_HOLD,    /* is neither tried nor returned until he is released */
	QUEUE_CHANGE_RELEASE, /* no longer held: may go now; the time he was held does not count. Who
			       * waits for the time that his sender set may go now, before it, if
			       * he is chosen by his message */
	QUEUE_CHANGE_REMOVE,  /* is discarded, nobody is told */
	QUEUE_CHANGE_CANCEL,  /* the same of those only who wait for such a time */
	QUEUE_CHANGE_BOUNCE,  /* is returned to the sender now */
	QUEUE_CHANGE_VERBS
};

/* A recipient that was changed. */
struct queue_changed {
	int64_t message;
	struct str address;
};

/*
 * A slice of a change as a request to the writer lane. Zero it, set the inputs, then
 * queue_change_init(); while more, set at = next and submit it again. The first `room` that a slice changes are
 * put into list, their addresses into arena; both are the lane's until op.done.
 */
struct queue_change {
	struct lane_op op;
	enum queue_change_verb verb;
	struct queue_filter filter;
	struct str who; /* the administrator */
	struct queue_at at;
	struct queue_changed *list;
	size_t room; /* 0: they are only counted */
	struct arena *arena;
	/* the answer */
	bool more;
	struct queue_at next;
	int64_t changed;
	size_t listed; /* of these */
	int64_t busy;  /* fitted, but an attempt is under way: left as they are */
	int64_t kept;  /* fitted, but it has nothing to change in them: those held, or not held */
};

void queue_change_init(struct queue_change *c);

#endif
