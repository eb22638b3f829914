/*
 * Does a process still answer? Pure: time comes in. A process that is asked and stays silent for its
 * patience is hung. Only time that passed in ticks that came in time counts, so that a machine that
 * was suspended or had no time for us blames nobody; each process that is ended doubles its own
 * patience, so that one that is merely slow is not ended again and again. Where most are slow at once
 * the machine may have no time for them: they are given more, but once, for they may hang all the same.
 */
#ifndef PROC_WATCHDOG_H
#define PROC_WATCHDOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct watchdog {
	int64_t ticked; /* the last tick; 0: none */
};

/* What is known of one process. */
struct watch {
	bool asked;       /* and it has not answered yet */
	bool excused;     /* by the machine, until it answers: it has three times its patience */
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

/* It has used up its patience; after watchdog_judge(): it is to be ended. */
bool watch_is_hung(const struct watch *w, int64_t patience);

/* It has used up half of what it has without an excuse: not all are asked at the same time. */
bool watch_is_slow(const struct watch *w, int64_t patience);

/* It is ended for that. */
void watch_ended(struct watch *w);

/* It has answered. False: nobody asked. */
bool watch_answered(struct watch *w);

/*
 * Judges all that are watched, after watch_pass(). When one is hung and most are slow, those that are slow are
 * excused. Who is hung afterwards is to be ended. True: one is excused that was not before.
 */
bool watchdog_judge(struct watch *const *w, size_t count, int64_t patience);

#endif
