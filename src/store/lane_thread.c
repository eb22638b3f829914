/* The lane's thread: take what is there, run it, hand it back, tend the log. */
#include "store/lane_thread.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/lane_sync.h"
#include "store/thread.h"

/* Without work for so long, the log is checkpointed; housekeeping comes by each second. */
#define IDLE_MS 500

struct lane_thread {
	struct lane_thread_config config;
	struct lane *lane; /* the thread's */
	struct lane_syncer *syncer;
	pthread_t thread;
	pthread_mutex_t lock; /* all below */
	pthread_cond_t changed;
	struct list queued;
	struct list finished;
	struct lane_stats stats;
	bool stop;
};

/* Bytes that the op will have appended. */
static size_t content_of(struct list *link)
{
	const struct lane_op *op = LIST_ENTRY(link, struct lane_op, link);
	size_t n = 0;

	for (size_t i = 0; i < op->nblobs; i++)
		for (size_t k = 0; k < op->blobs[i].niov; k++)
			n += op->blobs[i].iov[k].iov_len;
	return n;
}

/* Moves at most a batch, bounded in bytes so that nobody waits long; the lock is held. */
static void take(struct lane_thread *t, struct list *batch)
{
	size_t bytes = 0;

	for (size_t n = 0; n < LIMIT_LANE_BATCH && bytes < LIMIT_LANE_BYTES; n++) {
		struct list *link = list_pop(&t->queued);

		if (!link)
			return;
		bytes += content_of(link);
		list_push(batch, link);
	}
}

/* Waits for work; the lock is held. An empty batch means that the lane is idle or must stop. */
static void await(struct lane_thread *t, struct list *batch)
{
	bool clean = lane_is_clean(t->lane);

	while (clean && list_is_empty(&t->queued) && !t->stop)
		pthread_cond_wait(&t->changed, &t->lock);
	if (list_is_empty(&t->queued) && !t->stop)
		thread_wait(&t->changed, &t->lock, IDLE_MS);
	take(t, batch);
}

static void give_back(struct lane_thread *t, struct list *batch)
{
	bool wake;

	pthread_mutex_lock(&t->lock);
	wake = !list_is_empty(batch) && list_is_empty(&t->finished);
	list_append(&t->finished, batch);
	lane_stats(t->lane, &t->stats);
	pthread_mutex_unlock(&t->lock);
	if (wake)
		t->config.wake(t->config.wake_ctx);
}

/* Housekeeping, and waiting while a reader keeps the log from starting anew. */
static void tend(struct lane_thread *t, bool idle)
{
	int ms = lane_tend(t->lane, idle);
	int64_t left, until = clock_mono() + ms;

	pthread_mutex_lock(&t->lock);
	lane_stats(t->lane, &t->stats);
	/* Whoever submits meanwhile wakes us, and waits all the same. */
	while (ms && !t->stop && (left = until - clock_mono()) > 0)
		thread_wait(&t->changed, &t->lock, left);
	pthread_mutex_unlock(&t->lock);
}

static void *run(void *arg)
{
	struct lane_thread *t = arg;
	struct list batch;
	bool idle, stop;

	list_init(&batch);
	do {
		pthread_mutex_lock(&t->lock);
		await(t, &batch);
		idle = list_is_empty(&batch);
		stop = t->stop;
		pthread_mutex_unlock(&t->lock);
		lane_run(t->lane, &batch, clock_now());
		give_back(t, &batch);
		tend(t, idle);
	} while (!idle || !stop);
	return NULL;
}

static void dispose(struct lane_thread *t)
{
	lane_free(&t->lane);
	lane_sync_free(&t->syncer);
	thread_lock_fini(&t->lock, &t->changed);
	mem_free(t);
}

struct lane_thread *lane_thread_new(const struct lane_thread_config *config, struct err *e)
{
	struct lane_thread *t = mem_new(struct lane_thread);
	int code;

	t->config = *config;
	list_init(&t->queued);
	list_init(&t->finished);
	thread_lock_init(&t->lock, &t->changed);
	t->syncer = lane_sync_new(e);
	if (!t->syncer) {
		dispose(t);
		return NULL;
	}
	t->config.lane.syncer = t->syncer;
	t->lane = lane_new(&t->config.lane);
	lane_stats(t->lane, &t->stats);
	code = thread_start(&t->thread, run, t);
	if (code == 0)
		return t;
	err_sys(e, code, "cannot start the thread that writes to the store");
	dispose(t);
	return NULL;
}

void lane_thread_submit(struct lane_thread *t, struct lane_op *op)
{
	pthread_mutex_lock(&t->lock);
	BUG_ON(t->stop);
	list_push(&t->queued, &op->link);
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

void lane_thread_reap(struct lane_thread *t)
{
	struct list finished;

	list_init(&finished);
	pthread_mutex_lock(&t->lock);
	list_append(&finished, &t->finished);
	pthread_mutex_unlock(&t->lock);
	lane_answer(&finished);
}

void lane_thread_stats(struct lane_thread *t, struct lane_stats *s_r)
{
	pthread_mutex_lock(&t->lock);
	*s_r = t->stats;
	pthread_mutex_unlock(&t->lock);
}

void lane_thread_stop(struct lane_thread **thread)
{
	struct lane_thread *t = *thread;

	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	lane_thread_reap(t);
	*thread = NULL;
	dispose(t);
}
