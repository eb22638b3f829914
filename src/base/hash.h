/*
 * A seeded hash of bytes (SipHash-2-4, so that peers cannot provoke collisions) and an intrusive
 * hash table: the node stands in the element, the table owns only its buckets.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/str.h"

struct hash_key {
	uint64_t k0, k1;
};

/* 64 bits of hash. [Aumasson, Bernstein: SipHash, 2012] */
uint64_t hash_bytes(const struct hash_key *key, struct str s);

struct hash_node {
	struct hash_node *next;
	uint64_t hash;
};

struct hash_table {
	struct hash_node **buckets;
	size_t size; /* a power of two, or 0 before the first insertion */
	size_t count;
};

#define HASH_ENTRY(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

void hash_init(struct hash_table *t);

/* Frees the buckets; the elements are the caller's. */
void hash_fini(struct hash_table *t);

/* First node with this hash, then the next one; compare the real key yourself. NULL at the end. */
struct hash_node *hash_first(const struct hash_table *t, uint64_t hash);
struct hash_node *hash_next(const struct hash_node *node);

/* Adds a node (duplicates allowed); grows when needed. */
void hash_insert(struct hash_table *t, struct hash_node *node, uint64_t hash);

/* Removes a node that is in the table. */
void hash_remove(struct hash_table *t, struct hash_node *node);

/* Calls fn for each node; fn may remove and free the node it is given, and no other. */
void hash_each(struct hash_table *t, void (*fn)(struct hash_node *node, void *ctx), void *ctx);

#endif
