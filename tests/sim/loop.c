/* The heap is ordered by time, then by the order in which events were set. */
#include "loop.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

#define BEGIN_WALL INT64_C(1795435200000) /* 2026-11-23 12:00:00 UTC */
#define BEGIN_MONO INT64_C(86400000)

struct entry {
	int64_t at;
	uint64_t order;
	struct sim_timer *timer;
};

static struct {
	uint64_t seed, chance;
	int64_t now, offset, jumped, jumped_at;
	uint64_t orders, events;
	struct entry *heap; /* from 1 on */
	size_t n, room;
} loop;

struct sim_process sim_outside = {"outside", true};
struct sim_process *sim_self = &sim_outside;
bool sim_verbose;

/* ---- chance: SplitMix64 ---- */

uint64_t sim_draw(uint64_t *chance, uint64_t n)
{
	uint64_t z = *chance += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % n;
}

int64_t sim_draw_between(uint64_t *chance, int64_t min, int64_t max)
{
	return min + (int64_t)sim_draw(chance, (uint64_t)(max - min) + 1);
}

uint64_t sim_random(uint64_t n)
{
	return sim_draw(&loop.chance, n);
}

int64_t sim_between(int64_t min, int64_t max)
{
	return min + (int64_t)sim_random((uint64_t)(max - min) + 1);
}

bool sim_chance(unsigned percent)
{
	return sim_random(100) < percent;
}

/* ---- the heap ---- */

static bool is_before(const struct entry *a, const struct entry *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void put(size_t place, struct entry e)
{
	loop.heap[place] = e;
	e.timer->place = place;
}

static void rise(size_t place, struct entry e)
{
	while (place > 1 && is_before(&e, &loop.heap[place / 2])) {
		put(place, loop.heap[place / 2]);
		place /= 2;
	}
	put(place, e);
}

static void sink(size_t place, struct entry e)
{
	for (;;) {
		size_t child = 2 * place;

		if (child < loop.n && is_before(&loop.heap[child + 1], &loop.heap[child]))
			child++;
		if (child > loop.n || !is_before(&loop.heap[child], &e))
			break;
		put(place, loop.heap[child]);
		place = child;
	}
	put(place, e);
}

void sim_stop(struct sim_timer *t)
{
	size_t place = t->place;
	struct entry last;

	if (place == 0)
		return;
	t->place = 0;
	last = loop.heap[loop.n--];
	if (last.timer == t)
		return;
	if (place > 1 && is_before(&last, &loop.heap[place / 2]))
		rise(place, last);
	else
		sink(place, last);
}

void sim_set(struct sim_timer *t, int64_t delay, void (*fn)(struct sim_timer *t), void *ctx)
{
	sim_stop(t);
	t->fn = fn;
	t->ctx = ctx;
	t->process = sim_self;
	t->at = loop.now + (delay > 0 ? delay : 0);
	t->order = ++loop.orders;
	if (loop.n + 2 > loop.room) {
		loop.room = loop.room ? 2 * loop.room : 256;
		loop.heap = mem_resize(loop.heap, loop.room * sizeof *loop.heap);
	}
	rise(++loop.n, (struct entry){t->at, t->order, t});
}

/* ---- once ---- */

struct post {
	struct sim_timer timer;
	void (*fn)(void *ctx);
	void *ctx;
};

static void on_post(struct sim_timer *t)
{
	struct post *p = t->ctx;
	struct post copy = *p;

	mem_free(p);
	copy.fn(copy.ctx);
}

void sim_post_to(struct sim_process *process, int64_t delay, void (*fn)(void *ctx), void *ctx)
{
	struct post *p = mem_new(struct post);
	struct sim_process *self = sim_self;

	p->fn = fn;
	p->ctx = ctx;
	sim_self = process;
	sim_set(&p->timer, delay, on_post, p);
	sim_self = self;
}

void sim_post(int64_t delay, void (*fn)(void *ctx), void *ctx)
{
	sim_post_to(sim_self, delay, fn, ctx);
}

/* ---- running ---- */

void sim_run(int64_t until, void (*after)(void))
{
	while (loop.n > 0 && loop.heap[1].at <= until) {
		struct sim_timer *t = loop.heap[1].timer;

		loop.now = t->at;
		sim_stop(t);
		if (!t->process->alive)
			continue;
		loop.events++;
		sim_self = t->process;
		t->fn(t);
		sim_self = &sim_outside;
		if (after)
			after();
	}
	loop.now = until;
}

uint64_t sim_events(void)
{
	return loop.events;
}

uint64_t sim_seed(void)
{
	return loop.seed;
}

/* ---- the clocks that the program under test reads ---- */

void sim_loop_init(uint64_t seed)
{
	loop.seed = loop.chance = seed;
	loop.now = BEGIN_MONO;
	loop.offset = BEGIN_WALL - BEGIN_MONO;
}

void sim_jump(int64_t by)
{
	loop.offset += by;
	loop.jumped += by;
	loop.jumped_at = loop.now;
}

int64_t sim_jumped_at(void)
{
	return loop.jumped_at;
}

int64_t sim_jumped(void)
{
	return loop.jumped;
}

int64_t clock_now(void)
{
	return loop.now + loop.offset;
}

int64_t clock_mono(void)
{
	return loop.now;
}

int64_t clock_boot(void)
{
	return loop.now;
}

/* ---- what is said ---- */

static __attribute__((format(printf, 2, 0))) void put_line(
    FILE *to, const char *format, va_list args)
{
	struct buf b;

	buf_init(&b, 64);
	clock_put_iso_ms(&b, clock_now());
	fprintf(to, "%.*s ", (int)b.n, (const char *)b.p);
	buf_fini(&b);
	vfprintf(to, format, args);
	fputc('\n', to);
}

void sim_say(const char *format, ...)
{
	va_list args;

	if (!sim_verbose)
		return;
	va_start(args, format);
	put_line(stdout, format, args);
	va_end(args);
}

void sim_fail(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "seed %llu: ", (unsigned long long)loop.seed);
	va_start(args, format);
	put_line(stderr, format, args);
	va_end(args);
	fflush(stderr);
	_exit(1);
}
