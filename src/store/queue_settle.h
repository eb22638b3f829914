/* The result of a job: what became of each recipient, what the destination learns, the trace of it. */
#ifndef STORE_QUEUE_SETTLE_H
#define STORE_QUEUE_SETTLE_H

#include "store/dialogue.h"
#include "store/lane.h"
#include "store/queue.h"

#define QUEUE_VERDICT_OF_ALL (-1)

struct queue_verdict {
	int64_t recipient; /* or QUEUE_VERDICT_OF_ALL */
	struct queue_attempt attempt;
	struct str text; /* of the reply, or more about the problem; may hold anything */
};

/*
 * A request to the writer lane. A result counts only under the lease it was made under; given again,
 * or after the lease was taken back, it changes nothing. Recipients it leaves out are free again.
 */
struct queue_settle {
	struct lane_op op;
	struct arena *arena; /* for the inputs; goes with queue_settle_free() */
	void *user;          /* the owner's */
	/* inputs */
	struct queue_config cfg;
	int64_t owner, message, token;
	struct str remote;    /* name of the server that was spoken to last; empty: none */
	struct str remote_ip; /* as text; empty: none */
	struct str tls;       /* "TLSv1.3 ...", empty: none */
	bool dsn;             /* the server reports for itself */
	bool by;              /* it knows by when it is to deliver: DELIVERBY */
	const struct queue_verdict *outcomes;
	size_t n;
	struct str dialogue; /* empty: none */
	int64_t dialogue_id; /* of its blob: an id of our own that is not in use */
	/* the answer */
	bool stale;
	int64_t counts[QUEUE_OUTCOMES]; /* recipients */
	bool woken;                     /* the destination was failing and is up again */
	/* queue_settle.c's own */
	struct buf packed;
	struct blob_in blob;
	struct iovec iov;
	struct arena *scratch;
};

struct queue_settle *queue_settle_new(void);

/* Makes ready to submit; op.done is the caller's. The packer is used before it returns. */
void queue_settle_prepare(struct queue_settle *s, struct dialogue_packer *packer);

/* Takes NULL, sets NULL. Not while the lane has it. */
void queue_settle_free(struct queue_settle **s);

#endif
