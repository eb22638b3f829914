/*
 * Leaps of the clock, by days: a machine slept, or its clock was wrong and was set right. What may come of them
 * for who waits, and nothing else.
 */
#ifndef SIM_LEAP_H
#define SIM_LEAP_H

#include "world.h"

/* Some weeks have such; with a chance of their own, so that all else in them is as without. */
void sim_leap_plan(uint64_t seed);

/* How many there were; and those of r's time, by now or until he ended. */
size_t sim_leaps(void);
size_t sim_leaps_of(const struct sim_rcpt *r);

/* By how much in all it was set back. */
int64_t sim_leapt_back(void);

/* His sender was warned, or he was returned because his time is over: it is, and he was tried first. */
void sim_leap_warned(const struct sim_rcpt *r);
void sim_leap_returned(struct sim_rcpt *r);

/* How often it leapt back between these times of the steady clock. */
int64_t sim_leaps_back(int64_t from, int64_t until);

/* His life was to begin at a time of the wall's, and the clock leapt before, or back to before. */
bool sim_leap_held(const struct sim_rcpt *r);

/* At the end: he waits, for the clock was set back. */
bool sim_leap_may_wait(const struct sim_rcpt *r);

#endif
