/* One job at a time: start hands it over, the thread does it, finish waits for the answer. */
#include "store/lane_sync.h"

#include "base/mem.h"
#include "store/thread.h"

enum job {
	JOB_NONE,
	JOB_GIVEN,
	JOB_DONE,
	JOB_STOP
};

struct sync_thread {
	struct lane_syncer base;
	pthread_t thread;
	pthread_mutex_t lock; /* all below */
	pthread_cond_t changed;
	enum job job;
	struct blob_store *blobs;
	enum blob_code code;
	struct err err;
};

static struct sync_thread *self_of(struct lane_syncer *s)
{
	return (struct sync_thread *)(void *)s;
}

static void set_job(struct sync_thread *t, enum job job)
{
	t->job = job;
	pthread_cond_broadcast(&t->changed);
}

static void start(struct lane_syncer *s, struct blob_store *blobs)
{
	struct sync_thread *t = self_of(s);

	pthread_mutex_lock(&t->lock);
	BUG_ON(t->job != JOB_NONE);
	t->blobs = blobs;
	set_job(t, JOB_GIVEN);
	pthread_mutex_unlock(&t->lock);
}

static enum blob_code finish(struct lane_syncer *s, struct err *e)
{
	struct sync_thread *t = self_of(s);
	enum blob_code code;

	pthread_mutex_lock(&t->lock);
	BUG_ON(t->job != JOB_GIVEN && t->job != JOB_DONE);
	while (t->job != JOB_DONE)
		pthread_cond_wait(&t->changed, &t->lock);
	code = t->code;
	if (code != BLOB_OK)
		*e = t->err;
	t->job = JOB_NONE;
	pthread_mutex_unlock(&t->lock);
	return code;
}

static void *run(void *arg)
{
	struct sync_thread *t = arg;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		while (t->job != JOB_GIVEN && t->job != JOB_STOP)
			pthread_cond_wait(&t->changed, &t->lock);
		if (t->job == JOB_STOP)
			break;
		pthread_mutex_unlock(&t->lock);
		t->code = blob_sync(t->blobs, &t->err);
		pthread_mutex_lock(&t->lock);
		set_job(t, JOB_DONE);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

struct lane_syncer *lane_sync_new(struct err *e)
{
	struct sync_thread *t = mem_new(struct sync_thread);
	int code;

	t->base = (struct lane_syncer){start, finish};
	thread_lock_init(&t->lock, &t->changed);
	code = thread_start(&t->thread, run, t);
	if (code == 0)
		return &t->base;
	err_sys(e, code, "cannot start the thread that syncs messages");
	thread_lock_fini(&t->lock, &t->changed);
	mem_free(t);
	return NULL;
}

void lane_sync_free(struct lane_syncer **s)
{
	struct sync_thread *t = *s ? self_of(*s) : NULL;

	*s = NULL;
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	BUG_ON(t->job != JOB_NONE);
	set_job(t, JOB_STOP);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	thread_lock_fini(&t->lock, &t->changed);
	mem_free(t);
}
