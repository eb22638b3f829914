/*
 * Sentences for people in their language. Templates hold %1 to %9 for what is put in, so that each
 * language has its own order of words. Times are spoken in the zone that is given.
 */
#ifndef QUEUE_PHRASE_H
#define QUEUE_PHRASE_H

#include "base/buf.h"
#include "queue/queue_phrases.h"

enum queue_lang {
	QUEUE_LANG_EN,
	QUEUE_LANG_ZH_HANS, /* simplified */
	QUEUE_LANG_ZH_HANT, /* traditional */
	QUEUE_LANGS
};

struct queue_zone {
	int16_t minutes; /* east of UTC */
	struct str name; /* behind each time of day; empty: none */
};

/*
 * Appends the phrase with %n replaced by args[n - 1], which are put in as they are; %% is a percent
 * sign. Aborts when the template asks for more than n args.
 */
void queue_phrase_put(struct buf *b, enum queue_lang lang, enum queue_phrase phrase,
    const struct str *args, size_t n);
#define QUEUE_ARGS(...)                                                                            \
	(const struct str[]){__VA_ARGS__},                                                         \
	    sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str)

/* Appends what stands between two sentences: a blank, or nothing in Chinese. */
void queue_phrase_join(struct buf *b, enum queue_lang lang);

/* A phrase as it stands. Static. */
struct str queue_phrase_text(enum queue_lang lang, enum queue_phrase phrase);

/*
 * "at 14:05" on the day of now, else "on Saturday 28 November at 12:00", with the year when it is
 * another one; with seconds when the time is less than two minutes away. now 0: always in full.
 */
void queue_phrase_put_time(
    struct buf *b, enum queue_lang lang, int64_t ms, int64_t now, const struct queue_zone *zone);

/*
 * "1 attempt", "5 attempts": one is the phrase of the singular, behind which the plural's stands.
 */
void queue_phrase_put_count(struct buf *b, enum queue_lang lang, enum queue_phrase one, int64_t n);

/* "5 days", "4 hours and 30 minutes": the two largest units, rounded down; at least "1 second". */
void queue_phrase_put_span(struct buf *b, enum queue_lang lang, int64_t ms);

#endif
