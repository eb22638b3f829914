/* The pool of readers: one queue, a few threads, a connection each. */
#include "store/reader.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/thread.h"

struct reader_pool;

struct worker {
	struct reader_pool *pool;
	pthread_t thread;
	struct db *db; /* the thread's while it runs */
};

struct reader_pool {
	struct reader_pool_config config;
	struct worker workers[LIMIT_READER_THREADS];
	unsigned running;     /* threads started */
	pthread_mutex_t lock; /* all below */
	pthread_cond_t changed;
	struct list queued;
	struct list finished;
	struct reader_stats stats;
	bool stop;
};

static struct reader_op *op_of(struct list *link)
{
	return LIST_ENTRY(link, struct reader_op, link);
}

/* The next op, or NULL to end; the lock is held. */
static struct reader_op *await(struct reader_pool *p)
{
	struct list *link;

	while (list_is_empty(&p->queued) && !p->stop)
		pthread_cond_wait(&p->changed, &p->lock);
	link = list_pop(&p->queued);
	p->stats.waiting -= link != NULL;
	return link ? op_of(link) : NULL;
}

static void count(struct reader_stats *s, const struct reader_op *op, int64_t took)
{
	s->ops++;
	s->failed += op->result != DB_OK;
	s->slow += took > LIMIT_READER_MS;
	if (took > s->max_ms)
		s->max_ms = took;
}

static void *run(void *arg)
{
	struct worker *w = arg;
	struct reader_pool *p = w->pool;
	struct reader_op *op;

	pthread_mutex_lock(&p->lock);
	while ((op = await(p))) {
		int64_t begin;
		bool wake;

		pthread_mutex_unlock(&p->lock);
		begin = clock_mono();
		reader_run(op, w->db);
		pthread_mutex_lock(&p->lock);
		count(&p->stats, op, clock_mono() - begin);
		wake = list_is_empty(&p->finished);
		list_push(&p->finished, &op->link);
		if (!wake)
			continue;
		pthread_mutex_unlock(&p->lock);
		p->config.wake(p->config.wake_ctx);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int start_worker(struct reader_pool *p, struct err *e)
{
	struct worker *w = &p->workers[p->running];
	int code;

	w->pool = p;
	if (db_open(p->config.db_name, DB_READER, &w->db, e) != DB_OK)
		return -1;
	code = thread_start(&w->thread, run, w);
	if (code == 0) {
		p->running++;
		return 0;
	}
	db_close(&w->db);
	return err_sys(e, code, "cannot start a thread that reads from the store");
}

struct reader_pool *reader_pool_new(const struct reader_pool_config *config, struct err *e)
{
	struct reader_pool *p = mem_new(struct reader_pool);

	BUG_ON(config->threads == 0 || config->threads > LIMIT_READER_THREADS);
	p->config = *config;
	list_init(&p->queued);
	list_init(&p->finished);
	thread_lock_init(&p->lock, &p->changed);
	for (unsigned i = 0; i < config->threads; i++)
		if (start_worker(p, e) < 0) {
			reader_pool_stop(&p);
			return NULL;
		}
	return p;
}

void reader_pool_submit(struct reader_pool *p, struct reader_op *op)
{
	pthread_mutex_lock(&p->lock);
	BUG_ON(p->stop);
	list_push(&p->queued, &op->link);
	p->stats.waiting++;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

void reader_pool_reap(struct reader_pool *p)
{
	struct list finished;
	struct list *link;

	list_init(&finished);
	pthread_mutex_lock(&p->lock);
	list_append(&finished, &p->finished);
	pthread_mutex_unlock(&p->lock);
	while ((link = list_pop(&finished)))
		op_of(link)->done(op_of(link));
}

void reader_pool_stats(struct reader_pool *p, struct reader_stats *s_r)
{
	pthread_mutex_lock(&p->lock);
	*s_r = p->stats;
	pthread_mutex_unlock(&p->lock);
}

void reader_pool_stop(struct reader_pool **pool)
{
	struct reader_pool *p = *pool;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->running; i++) {
		pthread_join(p->workers[i].thread, NULL);
		db_close(&p->workers[i].db);
	}
	reader_pool_reap(p);
	*pool = NULL;
	thread_lock_fini(&p->lock, &p->changed);
	mem_free(p);
}
