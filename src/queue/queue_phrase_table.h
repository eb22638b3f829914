/* The tables of phrases, one for each language. For queue_phrase.c alone. */
#ifndef QUEUE_PHRASE_TABLE_H
#define QUEUE_PHRASE_TABLE_H

#include "queue/queue_phrases.h"

extern const char *const queue_phrase_en[QUEUE_PHRASES];
extern const char *const queue_phrase_zh_hans[QUEUE_PHRASES];
extern const char *const queue_phrase_zh_hant[QUEUE_PHRASES];

#endif
