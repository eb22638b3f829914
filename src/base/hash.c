#include "base/hash.h"

#include "base/mem.h"

static uint64_t rotl(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] = rotl(v[0], 32);
	v[2] += v[1];
	v[0] += v[3];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] = rotl(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t m)
{
	v[3] ^= m;
	sip_round(v);
	sip_round(v);
	v[0] ^= m;
}

/* Up to 8 bytes, least significant first. */
static uint64_t load_le(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

uint64_t hash_bytes(const struct hash_key *key, struct str s)
{
	uint64_t v[4] = {0x736f6d6570736575 ^ key->k0, 0x646f72616e646f6d ^ key->k1,
	    0x6c7967656e657261 ^ key->k0, 0x7465646279746573 ^ key->k1};
	size_t whole = s.n & ~(size_t)7;

	for (size_t i = 0; i < whole; i += 8)
		sip_word(v, load_le(s.p + i, 8));
	sip_word(v, (s.n > whole ? load_le(s.p + whole, s.n - whole) : 0) | (uint64_t)s.n << 56);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void hash_init(struct hash_table *t)
{
	*t = (struct hash_table){0};
}

void hash_fini(struct hash_table *t)
{
	mem_free(t->buckets);
	hash_init(t);
}

struct hash_node *hash_first(const struct hash_table *t, uint64_t hash)
{
	struct hash_node *n = t->size ? t->buckets[hash & (t->size - 1)] : NULL;

	while (n && n->hash != hash)
		n = n->next;
	return n;
}

struct hash_node *hash_next(const struct hash_node *node)
{
	struct hash_node *n = node->next;

	while (n && n->hash != node->hash)
		n = n->next;
	return n;
}

static void hash_grow(struct hash_table *t)
{
	size_t size = t->size ? t->size * 2 : 16;
	struct hash_node **buckets = mem_array(size, sizeof *buckets);

	for (size_t i = 0; i < t->size; i++) {
		for (struct hash_node *n = t->buckets[i], *next; n; n = next) {
			next = n->next;
			n->next = buckets[n->hash & (size - 1)];
			buckets[n->hash & (size - 1)] = n;
		}
	}
	mem_free(t->buckets);
	t->buckets = buckets;
	t->size = size;
}

void hash_insert(struct hash_table *t, struct hash_node *node, uint64_t hash)
{
	if (t->count >= t->size)
		hash_grow(t);
	node->hash = hash;
	node->next = t->buckets[hash & (t->size - 1)];
	t->buckets[hash & (t->size - 1)] = node;
	t->count++;
}

void hash_remove(struct hash_table *t, struct hash_node *node)
{
	struct hash_node **at = &t->buckets[node->hash & (t->size - 1)];

	while (*at && *at != node)
		at = &(*at)->next;
	MUST(*at);
	*at = node->next;
	node->next = NULL;
	t->count--;
}

void hash_each(struct hash_table *t, void (*fn)(struct hash_node *node, void *ctx), void *ctx)
{
	for (size_t i = 0; i < t->size; i++) {
		for (struct hash_node *n = t->buckets[i], *next; n; n = next) {
			next = n->next;
			fn(n, ctx);
		}
	}
}
