/* Durations kept one by one, for exact percentiles. */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

struct samples {
	uint32_t *us;
	size_t n, cap;
};

void samples_init(struct samples *s);
void samples_fini(struct samples *s);

/* Keeps a duration in microseconds, at most 2^32 - 1. Past SAMPLES_MAX further ones are not kept. */
void samples_add(struct samples *s, int64_t us);

/* Adds all of another's, within the same maximum. */
void samples_add_all(struct samples *s, const struct samples *other);

/* The value that share (0 to 1) of the samples do not exceed, in microseconds; 0 of nothing. Sorts. */
uint32_t samples_percentile(struct samples *s, double share);

#define SAMPLES_MAX ((size_t)64 * 1024 * 1024)

#endif
