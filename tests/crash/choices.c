#include "choices.h"

#include <stdio.h>

#include "base/mem.h"

void choices_begin(struct choices *c)
{
	c->at = 0;
}

unsigned choices_take(struct choices *c, uint32_t what, unsigned of)
{
	MUST(of > 0 && of <= UINT16_MAX && c->at < CHOICES_MAX);
	if (c->at == c->n) {
		c->n++;
		c->v[c->at].taken = 0;
		c->v[c->at].of = 0;
	}
	if (c->v[c->at].of == 0) { /* new, or given by name */
		c->v[c->at].what = what;
		c->v[c->at].of = (uint16_t)of;
	}
	/* else the work is not the same each time, and nothing is proven */
	MUST(c->v[c->at].what == what && c->v[c->at].of == of && c->v[c->at].taken < of);
	return c->v[c->at++].taken;
}

bool choices_next(struct choices *c)
{
	MUST(c->at == c->n); /* what was asked for before is asked for again */
	while (c->n > 0 && c->v[c->n - 1].taken + 1 == c->v[c->n - 1].of)
		c->n--;
	if (c->n == 0)
		return false;
	c->v[c->n - 1].taken++;
	return true;
}

void choices_put(const struct choices *c, char *out, size_t max)
{
	size_t n = c->at, at = 0;

	while (n > 0 && c->v[n - 1].taken == 0)
		n--;
	out[0] = '\0';
	for (size_t i = 0; i < n && at + 8 < max; i++)
		at += (size_t)snprintf(out + at, max - at, i ? ",%d" : "%d", c->v[i].taken);
}

bool choices_get(struct choices *c, const char *text)
{
	c->n = c->at = 0;
	while (*text) {
		unsigned taken = 0;
		int used = 0;

		if (sscanf(text, "%u%n", &taken, &used) != 1 || taken > UINT16_MAX ||
		    c->n == CHOICES_MAX)
			return false;
		c->v[c->n].taken = (uint16_t)taken;
		c->v[c->n++].of = 0;
		text += used;
		if (*text == ',')
			text++;
		else if (*text)
			return false;
	}
	return true;
}
