/*
 * Dates, read from tokens in the order of the grammar. Numbers are bounded by their digits before
 * they are used; the calendar itself is base/clock's.
 */
#include "mime/mime_date.h"

#include "base/ascii.h"
#include "base/clock.h"
#include "base/mem.h"
#include "mime/mime_lex.h"

static const struct str months[12] = {
    STR_INIT("Jan"),
    STR_INIT("Feb"),
    STR_INIT("Mar"),
    STR_INIT("Apr"),
    STR_INIT("May"),
    STR_INIT("Jun"),
    STR_INIT("Jul"),
    STR_INIT("Aug"),
    STR_INIT("Sep"),
    STR_INIT("Oct"),
    STR_INIT("Nov"),
    STR_INIT("Dec"),
};

static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

/* Obsolete names [RFC 5322 4.3]; single letters and others mean nothing certain. */
static const struct {
	struct str name;
	int16_t minutes;
} zones[] = {
    {STR_INIT("UT"), 0},
    {STR_INIT("GMT"), 0},
    {STR_INIT("UTC"), 0},
    {STR_INIT("EST"), -300},
    {STR_INIT("EDT"), -240},
    {STR_INIT("CST"), -360},
    {STR_INIT("CDT"), -300},
    {STR_INIT("MST"), -420},
    {STR_INIT("MDT"), -360},
    {STR_INIT("PST"), -480},
    {STR_INIT("PDT"), -420},
};

/* Tokens with one token of look-ahead; failure is sticky. */
struct reader {
	struct mime_lex lex;
	struct mime_lex_token at;
	bool bad;
};

static struct str take(struct reader *r, enum mime_lex_kind kind)
{
	struct str text = r->at.text;

	if (r->at.kind != kind)
		r->bad = true;
	else
		r->at = mime_lex_next(&r->lex);
	return text;
}

static bool take_special(struct reader *r, uint8_t c)
{
	if (!mime_lex_is(&r->at, c))
		return false;
	r->at = mime_lex_next(&r->lex);
	return true;
}

/* A word of min to max digits. */
static int take_number(struct reader *r, size_t min, size_t max)
{
	struct str s = take(r, MIME_LEX_WORD);
	uint64_t v = 0;

	if (r->bad || s.n < min || s.n > max || !str_to_u64(s, 99999, &v))
		r->bad = true;
	return (int)v;
}

static int take_month(struct reader *r)
{
	struct str s = take(r, MIME_LEX_WORD);

	for (int i = 0; i < 12 && !r->bad; i++)
		if (str_eq_i(s, months[i]))
			return i + 1;
	r->bad = true;
	return 1;
}

/* Two digits: 50 to 99 are of the last century; three: since 1900 [RFC 5322 4.3]. */
static int take_year(struct reader *r)
{
	size_t n = r->at.text.n;
	int year = take_number(r, 2, 4);

	if (n == 2)
		return year < 50 ? year + 2000 : year + 1900;
	return n == 3 ? year + 1900 : year;
}

/* hh:mm[:ss]. One digit each is tolerated, and a dot for the colon is not. */
static void take_time(struct reader *r, struct civil *c)
{
	c->hour = take_number(r, 1, 2);
	if (!take_special(r, ':'))
		r->bad = true;
	c->minute = take_number(r, 1, 2);
	c->second = take_special(r, ':') ? take_number(r, 1, 2) : 0;
}

static void zone_by_name(struct str name, struct mime_date *d)
{
	d->zone = 0;
	d->zone_unknown = true;
	for (size_t i = 0; i < sizeof zones / sizeof zones[0]; i++) {
		if (!str_eq_i(name, zones[i].name))
			continue;
		d->zone = zones[i].minutes;
		d->zone_unknown = false;
	}
}

/* "+hhmm", a name, or nothing at all, which is as much as "-0000". */
static void take_zone(struct reader *r, struct mime_date *d)
{
	bool west = mime_lex_is(&r->at, '-');
	int v;

	if (!west && !mime_lex_is(&r->at, '+')) {
		zone_by_name(r->at.kind == MIME_LEX_WORD ? r->at.text : STR(""), d);
		if (r->at.kind == MIME_LEX_WORD)
			r->at = mime_lex_next(&r->lex);
		return;
	}
	r->at = mime_lex_next(&r->lex);
	v = take_number(r, 4, 4);
	if (v / 100 > 23 || v % 100 > 59)
		r->bad = true;
	d->zone = (int16_t)(v / 100 * 60 + v % 100);
	d->zone_unknown = west && v == 0;
	if (west)
		d->zone = (int16_t)-d->zone;
}

static bool exists(const struct civil *c)
{
	struct civil first = {.year = c->year, .month = c->month, .day = 1};
	struct civil next = first;

	if (++next.month > 12) {
		next.month = 1;
		next.year++;
	}
	return c->year >= 1900 && c->year <= 9999 && c->day >= 1 &&
	       c->day <= (clock_from_civil(&next) - clock_from_civil(&first)) / DAY_MS &&
	       c->hour < 24 && c->minute < 60 && c->second <= 60;
}

enum mime_date_status mime_date_parse(struct str body, struct mime_date *date_r)
{
	struct reader r = {.bad = false};
	struct mime_date d = {.ms = 0};
	struct civil c = {.year = 0};

	mime_lex_init(&r.lex, body, MIME_LEX_DATE);
	r.at = mime_lex_next(&r.lex);
	if (r.at.kind == MIME_LEX_WORD && ascii_is_alpha(r.at.text.p[0])) {
		take(&r, MIME_LEX_WORD);
		take_special(&r, ',');
	}
	c.day = take_number(&r, 1, 2);
	c.month = take_month(&r);
	c.year = take_year(&r);
	take_time(&r, &c);
	take_zone(&r, &d);
	if (r.bad || r.at.kind != MIME_LEX_END || !exists(&c))
		return MIME_DATE_BAD;
	d.ms = clock_from_civil(&c) - d.zone * MINUTE_MS;
	if (d.ms < MIME_DATE_MIN || d.ms > MIME_DATE_MAX)
		return MIME_DATE_BAD;
	*date_r = d;
	return MIME_DATE_OK;
}

void mime_date_put(struct buf *b, int64_t ms)
{
	struct civil c = clock_civil(ms);

	MUST(c.year >= 0 && c.year <= 9999);
	buf_c(b, day_names[c.weekday]);
	buf_lit(b, ", ");
	buf_u64_pad(b, (uint64_t)c.day, 2);
	buf_byte(b, ' ');
	buf_str(b, months[c.month - 1]);
	buf_byte(b, ' ');
	buf_u64_pad(b, (uint64_t)c.year, 4);
	buf_byte(b, ' ');
	buf_u64_pad(b, (uint64_t)c.hour, 2);
	buf_byte(b, ':');
	buf_u64_pad(b, (uint64_t)c.minute, 2);
	buf_byte(b, ':');
	buf_u64_pad(b, (uint64_t)c.second, 2);
	buf_lit(b, " +0000");
}
