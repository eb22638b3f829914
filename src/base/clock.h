/* Times are int64_t milliseconds since 1970-01-01 UTC. Pure conversions; only clock_now() reads a clock. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/buf.h"

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

struct civil {
	int year, month, day; /* month 1-12, day 1-31 */
	int hour, minute, second;
	int weekday; /* 0 = Sunday */
};

/* Proleptic Gregorian calendar, UTC. Fractions of a second are cut towards the past. */
struct civil clock_civil(int64_t ms);

/* The inverse; fields are not checked (month must be 1-12). weekday is ignored. */
int64_t clock_from_civil(const struct civil *c);

/* "2026-11-23T19:54:33Z"; _ms adds ".123" before the Z. [RFC 3339] */
void clock_put_iso(struct buf *b, int64_t ms);
void clock_put_iso_ms(struct buf *b, int64_t ms);

/* Reads the system's clocks. Not for engines: they are given now. */
int64_t clock_now(void);  /* wall clock */
int64_t clock_mono(void); /* milliseconds that never go back, for durations */
int64_t clock_boot(void); /* the same, and it goes on while the machine sleeps */

#endif
