/*
 * Simulated time: one clock, one heap of events, one source of chance. Nothing else makes anything
 * happen, so a seed replays exactly. An event belongs to a process; when that is killed its events are
 * no more.
 */
#ifndef SIM_LOOP_H
#define SIM_LOOP_H

#include "base/buf.h"
#include "base/clock.h"

/* One life of a process of ours, or of what is outside: which is always alive. */
struct sim_process {
	const char *name;
	bool alive;
};

struct sim_timer {
	int64_t at;
	uint64_t order; /* of events at the same time: as they were set */
	size_t place;   /* in the heap, from 1; 0: it is not set */
	struct sim_process *process;
	void (*fn)(struct sim_timer *t);
	void *ctx;
};

extern struct sim_process sim_outside;

/* Whose event is being carried out: what is set meanwhile is his. */
extern struct sim_process *sim_self;

/* The time is that of clock_mono(); the wall's is ahead of it by an offset that may jump. */
void sim_loop_init(uint64_t seed);
void sim_jump(int64_t by);
int64_t sim_jumped(void);    /* the sum of all jumps */
int64_t sim_jumped_at(void); /* the last one, mono; 0: there was none */

/* fn is called after `delay` milliseconds; set again, it moves. A timer is zeroed before its first use. */
void sim_set(struct sim_timer *t, int64_t delay, void (*fn)(struct sim_timer *t), void *ctx);
void sim_stop(struct sim_timer *t);

/* The same, once, with memory of its own. */
void sim_post(int64_t delay, void (*fn)(void *ctx), void *ctx);
void sim_post_to(struct sim_process *process, int64_t delay, void (*fn)(void *ctx), void *ctx);

/* Carries out what is due, until that time of clock_mono(); `after` is called behind each event. */
void sim_run(int64_t until, void (*after)(void));
uint64_t sim_events(void);
uint64_t sim_seed(void);

/* 0 to n - 1; n above 0. */
uint64_t sim_random(uint64_t n);
int64_t sim_between(int64_t min, int64_t max);
bool sim_chance(unsigned percent);

/* The same from a chance of one's own, which leaves that of the seed as it is. */
uint64_t sim_draw(uint64_t *chance, uint64_t n);
int64_t sim_draw_between(uint64_t *chance, int64_t min, int64_t max);

/* ---- what is said ---- */

extern bool sim_verbose;

/* With -v: a line with the time. */
void sim_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The seed has failed: says so and ends the process. */
_Noreturn void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define SIM_MUST(cond, ...)                                                                        \
	do {                                                                                       \
		if (!(cond))                                                                       \
			sim_fail(__VA_ARGS__);                                                     \
	} while (0)

#endif
