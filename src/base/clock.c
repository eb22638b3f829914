#include "base/clock.h"

/* Days since 1970-01-01 of a civil date; years counted from March, eras of 400 years. */
static int64_t days_of(int64_t y, int m, int d)
{
	int64_t era, yoe, doy;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = y - era * 400;
	doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

struct civil clock_civil(int64_t ms)
{
	int64_t secs = floor_div(ms, SECOND_MS);
	int64_t days = floor_div(secs, 86400);
	int64_t rest = secs - days * 86400;
	int64_t z = days + 719468;
	int64_t era = floor_div(z, 146097);
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	struct civil c;

	c.day = (int)(doy - (153 * mp + 2) / 5 + 1);
	c.month = (int)(mp < 10 ? mp + 3 : mp - 9);
	c.year = (int)(yoe + era * 400 + (c.month <= 2));
	c.hour = (int)(rest / 3600);
	c.minute = (int)(rest / 60 % 60);
	c.second = (int)(rest % 60);
	c.weekday = (int)(((days + 4) % 7 + 7) % 7);
	return c;
}

int64_t clock_from_civil(const struct civil *c)
{
	int64_t days = days_of(c->year, c->month, c->day);

	return ((days * 24 + c->hour) * 60 + c->minute) * MINUTE_MS + c->second * SECOND_MS;
}

static void put_iso(struct buf *b, int64_t ms, bool with_ms)
{
	struct civil c = clock_civil(ms);

	buf_u64_pad(b, (uint64_t)c.year, 4);
	buf_byte(b, '-');
	buf_u64_pad(b, (uint64_t)c.month, 2);
	buf_byte(b, '-');
	buf_u64_pad(b, (uint64_t)c.day, 2);
	buf_byte(b, 'T');
	buf_u64_pad(b, (uint64_t)c.hour, 2);
	buf_byte(b, ':');
	buf_u64_pad(b, (uint64_t)c.minute, 2);
	buf_byte(b, ':');
	buf_u64_pad(b, (uint64_t)c.second, 2);
	if (with_ms) {
		buf_byte(b, '.');
		buf_u64_pad(b, (uint64_t)(ms - floor_div(ms, SECOND_MS) * SECOND_MS), 3);
	}
	buf_byte(b, 'Z');
}

void clock_put_iso(struct buf *b, int64_t ms)
{
	put_iso(b, ms, false);
}

void clock_put_iso_ms(struct buf *b, int64_t ms)
{
	put_iso(b, ms, true);
}
