/*
 * SQLite's memory: lists of free blocks by size, cut from what is never returned. A week is one thread, in a process
 * that ends with it.
 */
#include "memory.h"

#include <string.h>

#include "base/mem.h"

#define STEP  32   /* bytes: blocks are as many, or a multiple */
#define MOST  8192 /* larger ones stand alone */
#define PIECE 65536

struct block {
	size_t n;           /* bytes behind it */
	struct block *next; /* while it is free; else what it holds begins here */
};

#define HEAD offsetof(struct block, next)

static struct block *free_of[MOST / STEP + 1];

static struct block *block_of(void *p)
{
	return (struct block *)(void *)((char *)p - HEAD);
}

static int round_up(int n)
{
	return (n + (int)HEAD + STEP - 1) / STEP * STEP - (int)HEAD;
}

/* A new piece, the rest of the last one is left. */
static struct block *cut(size_t size)
{
	static char *piece;
	static size_t left;
	char *p;

	if (left < size) {
		piece = mem_alloc(PIECE);
		left = PIECE;
	}
	p = piece;
	piece += size;
	left -= size;
	return (struct block *)(void *)p;
}

static void *get(int n)
{
	size_t size = (size_t)round_up(n) + HEAD;
	struct block *b, **list = &free_of[size <= MOST ? size / STEP : 0];

	b = *list; /* the list of those that stand alone is empty */
	if (b)
		*list = b->next;
	else
		b = size <= MOST ? cut(size) : mem_alloc(size);
	b->n = size - HEAD;
	return &b->next;
}

static void give_back(void *p)
{
	struct block *b = block_of(p);
	size_t size = b->n + HEAD;

	if (size > MOST) {
		mem_free(b);
		return;
	}
	b->next = free_of[size / STEP];
	free_of[size / STEP] = b;
}

static void *resize(void *p, int n)
{
	size_t room = block_of(p)->n;
	void *larger;

	if ((size_t)n <= room)
		return p;
	larger = get(n);
	memcpy(larger, p, room);
	give_back(p);
	return larger;
}

static int size_of(void *p)
{
	return (int)block_of(p)->n;
}

static int begin(void *ctx)
{
	return SQLITE_OK;
}

static void end(void *ctx)
{
}

const sqlite3_mem_methods *sim_memory(void)
{
	static const sqlite3_mem_methods methods = {
	    .xMalloc = get,
	    .xFree = give_back,
	    .xRealloc = resize,
	    .xSize = size_of,
	    .xRoundup = round_up,
	    .xInit = begin,
	    .xShutdown = end,
	};

	return &methods;
}
