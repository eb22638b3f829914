/* Samples in one growing array; sorted when somebody asks. */
#include "bench/samples.h"

#include "base/mem.h"

void samples_init(struct samples *s)
{
	*s = (struct samples){0};
}

void samples_fini(struct samples *s)
{
	mem_free(s->us);
	samples_init(s);
}

void samples_add(struct samples *s, int64_t us)
{
	if (s->n == SAMPLES_MAX)
		return;
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 4096;
		s->us = mem_resize(s->us, s->cap * sizeof *s->us);
	}
	s->us[s->n++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

void samples_add_all(struct samples *s, const struct samples *other)
{
	for (size_t i = 0; i < other->n; i++)
		samples_add(s, other->us[i]);
}

static int compare(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

uint32_t samples_percentile(struct samples *s, double share)
{
	size_t rank;

	if (s->n == 0)
		return 0;
	qsort(s->us, s->n, sizeof *s->us, compare);
	rank = (size_t)(share * (double)s->n);
	return s->us[rank < s->n ? rank : s->n - 1];
}
