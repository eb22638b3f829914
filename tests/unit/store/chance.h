/* Steps drawn by a seed: the same one, the same steps. */
#ifndef TESTS_CHANCE_H
#define TESTS_CHANCE_H

#include <stddef.h>
#include <stdint.h>

/* What is drawn from here on; seed: not 0. */
void chance_begin(uint64_t seed);

/* 0 to below - 1. */
uint64_t chance_pick(uint64_t below);

struct chance_step {
	unsigned weight; /* all of a table make 100 */
	void (*run)(void);
};

/* Runs one of them. */
void chance_run(const struct chance_step *steps, size_t n);

#endif
