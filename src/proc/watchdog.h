/*
 * Does a process still answer? Pure: time comes in. A process that is asked and stays silent for its
 * patience is hung. Only time that passed in ticks that came in time counts, so that a machine that
 * was suspended or had no time for us blames nobody; each process that is ended doubles its own
 * patience, so that one that is merely slow is not ended again and again.
 */
#ifndef PROC_WATCHDOG_H
#define PROC_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

struct watchdog {
	int64_t ticked; /* the last tick; 0: none */
};

/* What is known of one process. */
struct watch {
	bool asked;       /* and it has not answered yet */
	int64_t silent;   /* milliseconds that count since it was asked */
	unsigned doubled; /* how often its patience was */
	unsigned answers; /* since then */
};

/* How often to tick for this patience, both in milliseconds. */
int64_t watchdog_step(int64_t patience);

/* A tick at `now` (monotonic): the milliseconds that count since the last, 0 when it came late. */
int64_t watchdog_tick(struct watchdog *d, int64_t now, int64_t patience);

/* The process was started (again). */
void watch_begin(struct watch *w);

/* Time has passed. True: it shall be asked now. */
bool watch_pass(struct watch *w, int64_t passed);

/* It has used up its patience. */
bool watch_is_hung(const struct watch *w, int64_t patience);

/* It has used up half of it: not all are asked at the same time. */
bool watch_is_slow(const struct watch *w, int64_t patience);

/* It is ended for that. */
void watch_ended(struct watch *w);

/* It has answered. False: nobody asked. */
bool watch_answered(struct watch *w);

/* So many at once say something about the machine, and nothing about them, the one that is hung included. */
bool watchdog_is_machine(unsigned slow, unsigned watched);

#endif
