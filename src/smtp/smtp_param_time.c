/* A date-time of RFC 3339, as HOLDUNTIL has it. */
#include "base/ascii.h"
#include "base/clock.h"
#include "smtp/smtp_param.h"

/* Exactly `digits` of them, from lo to hi. */
static int number(struct cur *c, size_t digits, int lo, int hi)
{
	int n = 0;

	for (size_t i = 0; i < digits; i++) {
		uint8_t digit = cur_u8(c);

		if (!ascii_is_digit(digit))
			cur_fail(c);
		n = n * 10 + (digit - '0');
	}
	if (n < lo || n > hi)
		cur_fail(c);
	return c->bad ? lo : n;
}

static int days_of(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static void expect(struct cur *c, uint8_t byte)
{
	if (ascii_lower(cur_u8(c)) != byte)
		cur_fail(c);
}

/* "." 1*DIGIT: less than is kept. */
static void skip_fraction(struct cur *c)
{
	if (!cur_try(c, '.'))
		return;
	number(c, 1, 0, 9);
	cur_while(c, ascii_is_digit);
}

/* "Z" / ("+" / "-") hour ":" minute, in minutes east of UTC */
static int zone(struct cur *c)
{
	uint8_t sign = cur_u8(c);
	int minutes;

	if (ascii_lower(sign) == 'z')
		return 0;
	if (sign != '+' && sign != '-')
		cur_fail(c);
	minutes = 60 * number(c, 2, 0, 23);
	expect(c, ':');
	minutes += number(c, 2, 0, 59);
	return sign == '-' ? -minutes : minutes;
}

bool smtp_param_time(struct str s, int64_t *ms_r)
{
	struct cur c = cur_of(s);
	struct civil t = {0};
	int64_t ms;

	t.year = number(&c, 4, 1970, 9999);
	expect(&c, '-');
	t.month = number(&c, 2, 1, 12);
	expect(&c, '-');
	t.day = number(&c, 2, 1, days_of(t.year, t.month));
	expect(&c, 't');
	t.hour = number(&c, 2, 0, 23);
	expect(&c, ':');
	t.minute = number(&c, 2, 0, 59);
	expect(&c, ':');
	t.second = number(&c, 2, 0, 60); /* a leap second is the next one */
	skip_fraction(&c);
	ms = -zone(&c) * MINUTE_MS;
	if (c.bad || cur_left(&c))
		return false;
	ms += clock_from_civil(&t);
	if (ms <= 0)
		return false;
	*ms_r = ms;
	return true;
}
