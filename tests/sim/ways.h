/*
 * What came to the worlds later, with a chance of its own: in weeks that have none of it all is as it was without.
 */
#ifndef SIM_WAYS_H
#define SIM_WAYS_H

#include "world.h"

/* What the week of a seed has of it. */
void sim_ways_begin(uint64_t seed);

/* A crowd of slow destinations is there too, so that all connections are in use. */
bool sim_ways_crowd(void);

/* Another fault in the place of one of trouble, if there is to be one. */
void sim_ways_trouble(struct sim_fault *f);

/* Its destinations, behind all others. */
void sim_ways_make(void);

#endif
