/*
 * Puts words into templates, and speaks times. The words themselves are in queue_phrase_en.c and
 * its like.
 */
#include "queue/queue_phrase.h"

#include "base/ascii.h"
#include "base/clock.h"
#include "base/mem.h"
#include "queue/queue_phrase_table.h"

static const char *const *const tables[QUEUE_LANGS] = {
    [QUEUE_LANG_EN] = queue_phrase_en,
    [QUEUE_LANG_ZH_HANS] = queue_phrase_zh_hans,
    [QUEUE_LANG_ZH_HANT] = queue_phrase_zh_hant,
};

void queue_phrase_join(struct buf *b, enum queue_lang lang)
{
	if (lang == QUEUE_LANG_EN)
		buf_byte(b, ' ');
}

struct str queue_phrase_text(enum queue_lang lang, enum queue_phrase phrase)
{
	MUST(lang < QUEUE_LANGS && phrase < QUEUE_PHRASES);
	return str_of_c(tables[lang][phrase]);
}

static bool is_wide(struct str c)
{
	return c.n >= 3 && ((c.p[0] >= 0xe3 && c.p[0] <= 0xe9) || c.p[0] == 0xef);
}

/*
 * No blank stands between wide characters: templates have one on both sides of what is put in, which may be
 * words of their own. An address or a domain, which has no blank in it, keeps them.
 */
static bool is_joined(struct str before, struct str behind)
{
	return before.n >= 3 && is_wide(str_from(before, before.n - 3)) && is_wide(behind);
}

static bool is_words(struct str arg)
{
	return str_find(arg, ' ') < arg.n;
}

static void put_arg(struct buf *b, struct str piece, struct str arg, struct str *text)
{
	struct str bare = str_sub(piece, 0, piece.n ? piece.n - 1 : 0);

	if (is_words(arg) && piece.n && piece.p[piece.n - 1] == ' ' && is_joined(bare, arg))
		piece = bare;
	buf_str(b, piece);
	buf_str(b, arg);
	if (is_words(arg) && text->n && text->p[0] == ' ' && is_joined(arg, str_from(*text, 1)))
		*text = str_from(*text, 1);
}

void queue_phrase_put(
    struct buf *b, enum queue_lang lang, enum queue_phrase phrase, const struct str *args, size_t n)
{
	struct str text = queue_phrase_text(lang, phrase);

	while (text.n) {
		size_t at = str_find(text, '%');
		struct str piece = str_sub(text, 0, at);
		uint8_t c;

		text = str_from(text, at);
		if (text.n == 0) {
			buf_str(b, piece);
			return;
		}
		MUST(text.n >= 2);
		c = text.p[1];
		MUST(c == '%' || (c >= '1' && (size_t)(c - '0') <= n));
		text = str_from(text, 2);
		put_arg(b, piece, c == '%' ? STR("%") : args[c - '1'], &text);
	}
}

/* ---- times ---- */

#define SMALL 64 /* octets of a number, or of a time of day with its zone */

static struct str number(struct buf *b, int64_t n)
{
	buf_i64(b, n);
	return buf_view(b);
}

static enum queue_phrase plus(enum queue_phrase first, int n)
{
	return (enum queue_phrase)((int)first + n);
}

/* "12:00 UTC" */
static void put_clock(
    struct buf *b, const struct civil *c, bool seconds, const struct queue_zone *zone)
{
	buf_u64_pad(b, (uint64_t)c->hour, 2);
	buf_byte(b, ':');
	buf_u64_pad(b, (uint64_t)c->minute, 2);
	if (seconds) {
		buf_byte(b, ':');
		buf_u64_pad(b, (uint64_t)c->second, 2);
	}
	if (zone->name.n) {
		buf_byte(b, ' ');
		buf_str(b, str_sub(zone->name, 0, SMALL / 2));
	}
}

static bool is_near(int64_t a, int64_t b)
{
	return a < b + 2 * MINUTE_MS && b < a + 2 * MINUTE_MS;
}

void queue_phrase_put_time(
    struct buf *b, enum queue_lang lang, int64_t ms, int64_t now, const struct queue_zone *zone)
{
	struct civil c = clock_civil(ms + zone->minutes * MINUTE_MS);
	struct civil today = clock_civil(now + zone->minutes * MINUTE_MS);
	bool same_year = now != 0 && c.year == today.year;
	enum queue_phrase phrase = QUEUE_PHRASE_TIME_YEAR;
	struct buf time, day, year;

	buf_init(&time, SMALL);
	buf_init(&day, SMALL);
	buf_init(&year, SMALL);
	if (same_year && c.month == today.month && c.day == today.day)
		phrase = QUEUE_PHRASE_TIME_TODAY;
	else if (same_year)
		phrase = QUEUE_PHRASE_TIME_DAY;
	put_clock(&time, &c, now != 0 && is_near(ms, now), zone);
	queue_phrase_put(b, lang, phrase,
	    QUEUE_ARGS(buf_view(&time),
		queue_phrase_text(lang, plus(QUEUE_PHRASE_SUNDAY, c.weekday)), number(&day, c.day),
		queue_phrase_text(lang, plus(QUEUE_PHRASE_JANUARY, c.month - 1)),
		number(&year, c.year)));
	buf_fini(&time);
	buf_fini(&day);
	buf_fini(&year);
}

void queue_phrase_put_count(struct buf *b, enum queue_lang lang, enum queue_phrase one, int64_t n)
{
	struct buf digits;

	buf_init(&digits, SMALL);
	queue_phrase_put(b, lang, n == 1 ? one : plus(one, 1), QUEUE_ARGS(number(&digits, n)));
	buf_fini(&digits);
}

void queue_phrase_put_span(struct buf *b, enum queue_lang lang, int64_t ms)
{
	static const struct {
		int64_t ms;
		enum queue_phrase one;
	} units[] = {
	    {DAY_MS, QUEUE_PHRASE_DAY},
	    {HOUR_MS, QUEUE_PHRASE_HOUR},
	    {MINUTE_MS, QUEUE_PHRASE_MINUTE},
	    {SECOND_MS, QUEUE_PHRASE_SECOND},
	};
	size_t i = 0, last = sizeof units / sizeof units[0] - 1;
	struct buf large, small;
	int64_t rest;

	if (ms < SECOND_MS)
		ms = SECOND_MS;
	while (ms < units[i].ms)
		i++;
	rest = ms % units[i].ms;
	buf_init(&large, SMALL);
	buf_init(&small, SMALL);
	queue_phrase_put_count(&large, lang, units[i].one, ms / units[i].ms);
	if (i < last && rest >= units[i + 1].ms) {
		queue_phrase_put_count(&small, lang, units[i + 1].one, rest / units[i + 1].ms);
		queue_phrase_put(
		    b, lang, QUEUE_PHRASE_SPAN_AND, QUEUE_ARGS(buf_view(&large), buf_view(&small)));
	} else {
		buf_str(b, buf_view(&large));
	}
	buf_fini(&large);
	buf_fini(&small);
}
