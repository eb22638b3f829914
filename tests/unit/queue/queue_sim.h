/*
 * One recipient, one destination and a clock, run through the real schedule: for the tests of
 * src/queue.
 */
#ifndef TESTS_QUEUE_SIM_H
#define TESTS_QUEUE_SIM_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "queue/queue_schedule.h"

#define SIM_EVENTS 20000
#define SIM_START  INT64_C(1795464000000) /* Monday 23 November 2026, 20:00 UTC */

struct sim {
	struct queue_policy policy;
	struct queue_entry entry;
	struct queue_destination destination;
	int64_t started;
	int64_t time;   /* true time; the clock shows time + offset */
	int64_t offset; /* changed by on_step */

	struct queue_attempt (*answer)(const struct sim *s); /* what an attempt meets */
	void (*on_step)(struct sim *s);                      /* before each event, or NULL */
	void *ctx;

	int64_t attempts[SIM_EVENTS]; /* true times */
	size_t n_attempts;
	int64_t warnings[SIM_EVENTS];
	size_t n_warnings;
	int64_t returned, delivered; /* true times, 0: not */
};

/* Accepted at SIM_START with the default policy, everything else empty. */
struct sim *sim_new(uint64_t seed);
void sim_free(struct sim **s);

/* What the clock shows. */
static inline int64_t sim_now(const struct sim *s)
{
	return s->time + s->offset;
}

/* Runs until the recipient is settled, or the true time would pass until. */
void sim_run(struct sim *s, int64_t until);

/* Answers: connection refused; 450 to RCPT; taken. */
struct queue_attempt sim_refused(const struct sim *s);
struct queue_attempt sim_greylisted(const struct sim *s);
struct queue_attempt sim_taken(const struct sim *s);

#endif
