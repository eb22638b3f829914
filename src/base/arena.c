#include "base/arena.h"

#include <stdalign.h>

#include "base/ascii.h"
#include "base/mem.h"

#define ARENA_MAGIC 0x6172656e61u
#define ARENA_BLOCK ((size_t)4096)

struct block {
	struct block *next;
	size_t size;
	size_t used;
	alignas(max_align_t) uint8_t bytes[];
};

struct arena {
	uint64_t magic;
	struct block *head; /* the newest; its list ends with the first standard block */
	size_t used;
};

static struct block *block_new(size_t size, struct block *next)
{
	struct block *b = mem_resize(NULL, sizeof *b + size); /* what is given of it is cleared */

	*b = (struct block){.next = next, .size = size};
	return b;
}

struct arena *arena_new(void)
{
	struct arena *a = mem_new(struct arena);

	a->magic = ARENA_MAGIC;
	return a;
}

void arena_free(struct arena **ap)
{
	struct arena *a = *ap;

	if (!a)
		return;
	MUST(a->magic == ARENA_MAGIC);
	while (a->head) {
		struct block *next = a->head->next;

		mem_free(a->head);
		a->head = next;
	}
	a->magic = 0;
	mem_free(a);
	*ap = NULL;
}

void arena_reset(struct arena *a, bool wipe)
{
	struct block *keep = NULL;

	MUST(a->magic == ARENA_MAGIC);
	while (a->head) {
		struct block *b = a->head;

		a->head = b->next;
		if (wipe)
			mem_wipe(b->bytes, b->used);
		if (!keep && b->size == ARENA_BLOCK)
			keep = b;
		else
			mem_free(b);
	}
	if (keep) {
		keep->used = 0;
		keep->next = NULL;
	}
	a->head = keep;
	a->used = 0;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t align = alignof(max_align_t);
	struct block *b = a->head;
	void *p;

	MUST(a->magic == ARENA_MAGIC && n <= SIZE_MAX / 2);
	n = (n + align - 1) & ~(align - 1);
	if (!b || b->size - b->used < n) {
		b = block_new(n > ARENA_BLOCK / 2 ? n : ARENA_BLOCK, b);
		a->head = b;
	}
	p = b->bytes + b->used;
	memset(p, 0, n);
	b->used += n;
	a->used += n;
	return p;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	MUST(size == 0 || count <= SIZE_MAX / 2 / size);
	return arena_alloc(a, count * size);
}

void *arena_grow(struct arena *a, void *v, size_t n, size_t *capacity, size_t size)
{
	void *wider;

	if (n < *capacity)
		return v;
	*capacity = *capacity ? *capacity * 2 : 8;
	wider = arena_array(a, *capacity, size);
	if (n)
		memcpy(wider, v, n * size);
	return wider;
}

struct str arena_str(struct arena *a, struct str s)
{
	uint8_t *p = arena_alloc(a, s.n);

	if (s.n)
		memcpy(p, s.p, s.n);
	return str_of(p, s.n);
}

struct str arena_lower(struct arena *a, struct str s)
{
	uint8_t *p = arena_alloc(a, s.n);

	for (size_t i = 0; i < s.n; i++)
		p[i] = ascii_lower(s.p[i]);
	return str_of(p, s.n);
}

const char *arena_cstr(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	return p;
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}
