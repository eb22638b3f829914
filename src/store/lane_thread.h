/*
 * The thread around the lane, and the one that syncs blobs for it. Any thread submits; finished ops
 * wait until the owner's loop takes them. Owns neither the database nor the blobs.
 */
#ifndef STORE_LANE_THREAD_H
#define STORE_LANE_THREAD_H

#include "store/lane.h"

struct lane_thread;

struct lane_thread_config {
	struct lane_config lane;      /* its syncer is set by lane_thread_new */
	void (*wake)(void *wake_ctx); /* any thread: ops are finished, call lane_thread_reap soon */
	void *wake_ctx;
};

/* Starts both threads (all signals blocked in them). NULL with e set when the system has none. */
struct lane_thread *lane_thread_new(const struct lane_thread_config *config, struct err *e);

/* Hands an op over; it belongs to the lane until its done is called. Aborts after stop. */
void lane_thread_submit(struct lane_thread *t, struct lane_op *op);

/* Calls done for every finished op, in the order of submission. The owner's thread. */
void lane_thread_reap(struct lane_thread *t);

/* The counters as of the last batch. */
void lane_thread_stats(struct lane_thread *t, struct lane_stats *s_r);

/* Runs what was submitted, ends the threads, reaps. Takes NULL, sets NULL. The owner's thread. */
void lane_thread_stop(struct lane_thread **t);

#endif
