/*
 * The queue's scheduler in the store process: gives jobs to relays that wait for them, has reports made,
 * takes back leases; in between it sleeps until something is due.
 */
#ifndef PROC_STORE_QUEUE_H
#define PROC_STORE_QUEUE_H

#include "base/id.h"
#include "proc/store.h"
#include "store/queue_run.h"

struct store_queue {
	struct store_process *sp;
	uv_timer_t timer;
	struct list relays;  /* of struct store_relay */
	struct id_maker ids; /* of reports and dialogues */
	struct dialogue_packer *packer;
	struct queue_run run;
	int64_t turned; /* the last turn, monotonic */
	bool kicked;    /* a turn is to come that looks */
};

/* For sp->queue. The store is open. */
struct store_queue *store_queue_new(struct store_process *sp);

/* No request is under way. Takes NULL, sets NULL. */
void store_queue_free(struct store_queue **q);

/* Something may be due: looks soon. */
void store_queue_kick(struct store_queue *q);

/* A relay waits for jobs, and nothing else has changed: it has what is due as the last look saw it. */
void store_queue_ask(struct store_queue *q);

/* Requests of the queue, or of relays, that other threads have. */
size_t store_queue_busy(const struct store_queue *q);

/* Something that concerns the queue is configured in another way. */
void store_queue_reconfigured(struct store_queue *q);

/* What is special about destinations, in the arena; texts are borrowed from the configuration. */
struct queue_routing store_queue_routing(const struct config_snapshot *c, struct arena *a);

/* The queue's settings of a configuration, from which they borrow. started: as in store/queue.h. */
struct queue_config store_queue_settings(const struct config_snapshot *c,
    const struct directory_config *directory, const struct queue_routing *routing, int64_t started);

/* The settings as they are now, copied into the arena: for other threads. */
struct queue_config store_queue_config(struct store_queue *q, struct arena *a);

/* An owner of leases has gone: those of all who are not here are void. */
void store_queue_gone(struct store_queue *q);

/* A relay has greeted, or its link came. */
void store_queue_greeted(struct store_queue *q);

/* A relay extends a lease. */
void store_queue_kept(struct store_queue *q, int64_t token);

/* A request failed: its kind is not begun again for a while. */
void store_queue_failed(struct store_queue *q, const char *what, const struct lane_op *op);

#endif
