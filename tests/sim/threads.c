/*
 * The store's threads (store/lane_thread.h, store/reader.h) on simulated time: what is submitted within a
 * moment becomes a batch, its commit is one event and its answers are another, so that a store can die
 * between any two of these. Linked in their place.
 */
#include "base/mem.h"
#include "check.h"
#include "loop.h"
#include "store.h"
#include "store/lane_thread.h"
#include "store/reader.h"

struct lane_thread {
	struct lane *lane;
	struct list queued, finished;
	struct sim_timer run, reap;
};

static struct lane_thread *the_lane;

struct lane_thread *lane_thread_new(const struct lane_thread_config *config, struct err *e)
{
	struct lane_thread *t = mem_new(struct lane_thread);

	t->lane = lane_new(&config->lane);
	list_init(&t->queued);
	list_init(&t->finished);
	the_lane = t;
	return t;
}

static void reap(struct sim_timer *timer)
{
	struct lane_thread *t = timer->ctx;
	struct list finished;

	list_init(&finished);
	list_append(&finished, &t->finished);
	lane_answer(&finished);
}

static void run(struct sim_timer *timer)
{
	struct lane_thread *t = timer->ctx;
	struct list batch;
	struct list *link;

	list_init(&batch);
	for (size_t n = 0; n < LIMIT_LANE_BATCH && (link = list_pop(&t->queued)); n++)
		list_push(&batch, link);
	lane_run(t->lane, &batch, clock_now());
	LIST_FOREACH(&batch, it)
	{
		const struct lane_op *op = LIST_ENTRY(it, struct lane_op, link);

		SIM_MUST(op->result == LANE_DONE, "the lane failed: %s", op->err.text);
	}
	(void)lane_tend(t->lane, false);
	list_append(&t->finished, &batch);
	sim_set(&t->reap, (int64_t)sim_random(3), reap, t);
	if (!list_is_empty(&t->queued))
		sim_set(&t->run, 1, run, t);
	sim_committed();
}

void lane_thread_submit(struct lane_thread *t, struct lane_op *op)
{
	list_push(&t->queued, &op->link);
	if (t->run.place == 0)
		sim_set(&t->run, (int64_t)sim_random(4), run, t);
}

void lane_thread_reap(struct lane_thread *t)
{
}

void lane_thread_stats(struct lane_thread *t, struct lane_stats *s_r)
{
	lane_stats(t->lane, s_r);
}

void lane_thread_stop(struct lane_thread **tp)
{
	struct lane_thread *t = *tp;

	*tp = NULL;
	if (!t)
		return;
	sim_stop(&t->run);
	sim_stop(&t->reap);
	lane_free(&t->lane);
	the_lane = NULL; /* the rest has died with its process */
}

/* ---- readers ---- */

struct reader_pool {
	struct db *db;
};

struct reader_pool *reader_pool_new(const struct reader_pool_config *config, struct err *e)
{
	struct reader_pool *p = mem_new(struct reader_pool);

	p->db = sim_reader_take(e);
	if (p->db)
		return p;
	mem_free(p);
	return NULL;
}

static void read_answer(void *ctx)
{
	struct reader_op *op = ctx;

	op->done(op);
}

struct reading {
	struct reader_pool *pool;
	struct reader_op *op;
};

static void read_now(void *ctx)
{
	struct reading *r = ctx;

	reader_run(r->op, r->pool->db);
	sim_post((int64_t)sim_random(3), read_answer, r->op);
	mem_free(r);
}

void reader_pool_submit(struct reader_pool *p, struct reader_op *op)
{
	struct reading *r = mem_new(struct reading);

	r->pool = p;
	r->op = op;
	sim_post((int64_t)sim_random(3), read_now, r);
}

void reader_pool_reap(struct reader_pool *p)
{
}

void reader_pool_stats(struct reader_pool *p, struct reader_stats *s_r)
{
	*s_r = (struct reader_stats){0};
}

void reader_pool_stop(struct reader_pool **pp)
{
	struct reader_pool *p = *pp;

	*pp = NULL;
	if (!p)
		return;
	sim_reader_give(&p->db);
	mem_free(p);
}
