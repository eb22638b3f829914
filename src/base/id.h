/*
 * 63-bit identifiers of messages and emails: 41 bits of milliseconds since 2024-01-01 UTC, 10 bits
 * of node, 12 bits of sequence. They rise in each generator whatever the clock does. Written as 13
 * characters of Crockford's base 32 in lower case, sorted like the numbers.
 */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "base/buf.h"

#define ID_TEXT_LEN ((size_t)13)
#define ID_NODES    1024u

struct id_maker {
	uint64_t last; /* milliseconds and sequence of the last one */
	uint16_t node;
};

/* floor: no id below or equal to it is made (0 for none). node < ID_NODES. */
void id_maker_init(struct id_maker *m, uint16_t node, int64_t floor);

/* From here on no id below or equal to floor, of whatever node, is made. */
void id_maker_raise(struct id_maker *m, int64_t floor);

/* A new id, always > 0 and above the last one. now: milliseconds since 1970 UTC. */
int64_t id_make(struct id_maker *m, int64_t now);

/* The moment in an id, milliseconds since 1970 UTC. And what no id of that moment, or later, is below. */
int64_t id_time(int64_t id);
int64_t id_first(int64_t time);

/* The node in an id. */
uint16_t id_node(int64_t id);

/* 13 characters. Reading is exact: 13 characters of the alphabet, value > 0; else false. */
void id_put(struct buf *b, int64_t id);
bool id_parse(struct str s, int64_t *id_r);

#endif
