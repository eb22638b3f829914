/*
 * All ways through a piece of work that asks for choices: it is run again and again, each time with the
 * choices of the time before but for the last one that had something left, until none has. Work that asks
 * the same when it was answered the same has then been run in every way there is, each way once.
 */
#ifndef CRASH_CHOICES_H
#define CRASH_CHOICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHOICES_MAX 4000

struct choices {
	size_t n;  /* that are known */
	size_t at; /* asked for so far in this run */
	struct {
		uint32_t what; /* it is about */
		uint16_t taken, of;
	} v[CHOICES_MAX];
};

/* Before each run. */
void choices_begin(struct choices *c);

/* One of 0 to of - 1 (of at least 1, at most 65535). what: must be the same again. */
unsigned choices_take(struct choices *c, uint32_t what, unsigned of);

/* After a run: false when every way has been gone. */
bool choices_next(struct choices *c);

/* As text, "3,0,1", and back; false: it is none. The next run takes them, and 0 behind them. */
void choices_put(const struct choices *c, char *out, size_t max);
bool choices_get(struct choices *c, const char *text);

#endif
