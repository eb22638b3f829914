/* What the parts of proc/store_callout share. Times are monotonic, in milliseconds. */
#ifndef PROC_STORE_CALLOUT_PRIV_H
#define PROC_STORE_CALLOUT_PRIV_H

#include "proc/store_callout.h"
#include "proc/store_relay_priv.h"
#include "store/callout.h"

#define STORE_CALLOUT_SPACING_MS 100 /* questions of one domain, after a burst */
#define STORE_CALLOUT_BURST_MS   (50 * STORE_CALLOUT_SPACING_MS)

/* The domain of some questions, or one whose server is left alone. */
struct store_callout_place {
	struct hash_node node;
	struct arena *arena; /* of its name */
	struct str name;
	size_t questions, out;
	int64_t
	    paced; /* when the next question may go, but for the burst; monotonic, as all here */
	int64_t down_until; /* it could not be asked */
	bool unrouted;      /* because there is no server */
};

struct store_callout_question {
	struct list link; /* in the order in which they came */
	struct store_callout_place *place;
	struct store_callouts *callouts;
	struct arena *arena; /* of all text */
	struct str local, address;
	struct callout known; /* from before */
	struct ip network;    /* that it was asked for first */
	int64_t number;       /* the token of its lease, once it is out; else 0 */
	int64_t asked;
	struct store_relay *relay;         /* where it is out */
	struct store_callout_begin *begin; /* its lease is not there yet */
	unsigned tries;
	struct list waiters;
	bool decided;
	struct callout_lesson lesson;
	struct str reply;
	struct callout_settle settle;
};

struct store_callouts {
	struct store_process *sp;
	struct list questions;
	size_t question_count, waiter_count;
	size_t settling; /* requests that the lane has */
	struct hash_table places;
	uv_timer_t timer;
	bool ticking;
	bool draining;
};

/* ---- store_callout.c ---- */

/* It has its lease, or there was no room for one (number 0); good: the lane was well. */
void store_callout_begun(struct store_callout_question *q, bool good);

/* ---- store_callout_lease.c ---- */

/* For its relay; store_callout_begun() follows, unless it ends before. */
void store_callout_lease_begin(struct store_callout_question *q);

/* It is not out any more. */
void store_callout_lease_end(struct store_callout_question *q);

/* ---- store_callout_place.c ---- */

/* NULL: nothing is known of that domain. */
struct store_callout_place *store_callout_place(struct store_callouts *c, struct str name);

/* The same, made where there is none. */
struct store_callout_place *store_callout_place_make(struct store_callouts *c, struct str name);

/* Its server is left alone. Takes NULL. */
bool store_callout_place_is_down(const struct store_callout_place *p);

/* For hash_each() over places, with the callouts: frees one that is remembered for nothing any more. */
void store_callout_place_sweep(struct hash_node *node, void *ctx);

/* ---- store_callout_wait.c ---- */

/* Nothing was said; what is known from before still holds where it was for good. */
void store_callout_reply_unsure(struct store_callouts *c, struct ipc_request *r,
    const struct callout *known, bool may_be_taken);

void store_callout_reply_known(
    struct store_callouts *c, struct ipc_request *r, const struct callout *known);

void store_callout_reply_decided(struct ipc_request *r, const struct store_callout_question *q);

/* The request waits for the answer to the question, for callout.wait at most. */
void store_callout_wait(
    struct store_callout_question *q, struct store_front *f, struct ipc_request *r);

/* Answers all that wait for a question that is decided. */
void store_callout_answer(struct store_callout_question *q);

/* Those who have waited for long enough. all: whoever waits. */
void store_callout_answer_late(struct store_callout_question *q, bool all);

#endif
