#include "base/id.h"

#include "base/ascii.h"
#include "base/mem.h"

#define ID_EPOCH     INT64_C(1704067200000) /* 2024-01-01 00:00:00 UTC */
#define ID_SEQ_BITS  12
#define ID_NODE_BITS 10

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

void id_maker_init(struct id_maker *m, uint16_t node, int64_t floor)
{
	MUST(node < ID_NODES);
	m->node = node;
	m->last = 0;
	id_maker_raise(m, floor);
}

/* The node stands above the sequence: only a later millisecond is above all nodes of this one. */
void id_maker_raise(struct id_maker *m, int64_t floor)
{
	uint64_t ms = (uint64_t)floor >> (ID_NODE_BITS + ID_SEQ_BITS);
	uint64_t last = floor ? ms << ID_SEQ_BITS | ((1u << ID_SEQ_BITS) - 1) : 0;

	MUST(floor >= 0);
	if (last > m->last)
		m->last = last;
}

int64_t id_make(struct id_maker *m, int64_t now)
{
	uint64_t ms = now > ID_EPOCH ? (uint64_t)(now - ID_EPOCH) : 1;
	uint64_t next = ms << ID_SEQ_BITS;

	if (next <= m->last)
		next = m->last + 1; /* same millisecond, or the clock went back */
	m->last = next;
	return (int64_t)((next >> ID_SEQ_BITS) << (ID_NODE_BITS + ID_SEQ_BITS) |
			 (uint64_t)m->node << ID_SEQ_BITS | (next & ((1u << ID_SEQ_BITS) - 1)));
}

int64_t id_time(int64_t id)
{
	return (id >> (ID_NODE_BITS + ID_SEQ_BITS)) + ID_EPOCH;
}

int64_t id_first(int64_t time)
{
	return time > ID_EPOCH ? (time - ID_EPOCH) << (ID_NODE_BITS + ID_SEQ_BITS) : 0;
}

uint16_t id_node(int64_t id)
{
	return (uint16_t)((uint64_t)id >> ID_SEQ_BITS & (ID_NODES - 1));
}

void id_put(struct buf *b, int64_t id)
{
	for (int shift = 60; shift >= 0; shift -= 5)
		buf_byte(b, (uint8_t)alphabet[(uint64_t)id >> shift & 31]);
}

bool id_parse(struct str s, int64_t *id_r)
{
	uint64_t v = 0;

	if (s.n != ID_TEXT_LEN)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		const char *at = memchr(alphabet, ascii_lower(s.p[i]), 32);

		if (!at || (i == 0 && at - alphabet > 7))
			return false;
		v = v << 5 | (uint64_t)(at - alphabet);
	}
	if (v == 0)
		return false;
	*id_r = (int64_t)v;
	return true;
}
