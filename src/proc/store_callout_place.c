/* Domains that questions are about, and those whose servers are left alone. */
#include "base/clock.h"
#include "base/mem.h"
#include "proc/store_callout_priv.h"

static uint64_t place_hash(struct str name)
{
	static const struct hash_key key = {0x63616c6c6f7574, 0x706c616365};

	return hash_bytes(&key, name);
}

struct store_callout_place *store_callout_place(struct store_callouts *c, struct str name)
{
	struct hash_node *n = hash_first(&c->places, place_hash(name));

	while (n && !str_eq(HASH_ENTRY(n, struct store_callout_place, node)->name, name))
		n = hash_next(n);
	return n ? HASH_ENTRY(n, struct store_callout_place, node) : NULL;
}

struct store_callout_place *store_callout_place_make(struct store_callouts *c, struct str name)
{
	struct store_callout_place *p = store_callout_place(c, name);

	if (p)
		return p;
	p = mem_new(struct store_callout_place);
	p->arena = arena_new();
	p->name = arena_str(p->arena, name);
	p->paced = clock_mono() - STORE_CALLOUT_BURST_MS;
	hash_insert(&c->places, &p->node, place_hash(p->name));
	return p;
}

bool store_callout_place_is_down(const struct store_callout_place *p)
{
	return p && clock_mono() < p->down_until;
}

/* It is remembered for nothing any more. */
void store_callout_place_sweep(struct hash_node *node, void *ctx)
{
	struct store_callouts *c = ctx;
	struct store_callout_place *p = HASH_ENTRY(node, struct store_callout_place, node);

	if (!c->draining && (p->questions || store_callout_place_is_down(p) ||
				p->paced > clock_mono() - STORE_CALLOUT_BURST_MS))
		return;
	hash_remove(&c->places, node);
	arena_free(&p->arena);
	mem_free(p);
}
