/* Moments: a date with or without time, or so long ago or from now. */
#include "cli/cli_time.h"

#include <time.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/cur.h"

/* "90m"; false when it is no such thing. */
static bool read_span(struct str text, int64_t *ms_r)
{
	static const struct {
		uint8_t letter;
		int64_t ms;
	} units[] = {{'s', SECOND_MS}, {'m', MINUTE_MS}, {'h', HOUR_MS}, {'d', DAY_MS}};
	uint64_t n;

	if (text.n < 2 || !str_to_u64(str_sub(text, 0, text.n - 1), 36500, &n))
		return false;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (text.p[text.n - 1] != units[i].letter)
			continue;
		*ms_r = (int64_t)n * units[i].ms;
		return true;
	}
	return false;
}

static int two_digits(struct cur *c, int min, int max)
{
	struct str s = cur_take(c, 2);
	uint64_t n = 0;

	if (!str_to_u64(s, (uint64_t)max, &n) || (int)n < min)
		cur_fail(c);
	return (int)n;
}

static bool read_date(struct cur *c, struct tm *tm)
{
	struct str year = cur_take(c, 4);
	uint64_t n = 0;

	if (!str_to_u64(year, 9999, &n) || n < 1970)
		return cur_fail(c);
	tm->tm_year = (int)n - 1900;
	cur_byte(c, '-');
	tm->tm_mon = two_digits(c, 1, 12) - 1;
	cur_byte(c, '-');
	tm->tm_mday = two_digits(c, 1, 31);
	if (c->bad || (!cur_try(c, ' ') && !cur_try(c, 'T')))
		return !c->bad;
	tm->tm_hour = two_digits(c, 0, 23);
	cur_byte(c, ':');
	tm->tm_min = two_digits(c, 0, 59);
	if (cur_try(c, ':'))
		tm->tm_sec = two_digits(c, 0, 60);
	return !c->bad;
}

int cli_time_parse(
    struct str text, int64_t now, enum cli_time_way way, int64_t *ms_r, struct err *e)
{
	struct cur c = cur_of(text);
	struct tm tm = {.tm_isdst = -1};
	bool utc;
	int64_t span;
	time_t t = -1;
	int day;

	if (read_span(text, &span)) {
		*ms_r = way == CLI_TIME_AGO ? now - span : now + span;
		return 0;
	}
	if (read_date(&c, &tm)) {
		utc = cur_try(&c, 'Z');
		day = tm.tm_mday;
		if (cur_end(&c))
			t = utc ? timegm(&tm) : mktime(&tm);
		if (tm.tm_mday != day) /* 30 February */
			t = -1;
	}
	if (t < 0)
		return err_set(e,
		    "\"%.*s\" is no moment; write it like 2026-11-23, \"2026-11-23 19:54\", or 12h or 3d "
		    "for so long %s",
		    STR_FMT(str_sub(text, 0, 64)), way == CLI_TIME_AGO ? "ago" : "from now");
	*ms_r = (int64_t)t * SECOND_MS;
	return 0;
}
