#include "store/thread.h"

#include "base/mem.h"

#include <signal.h>
#include <time.h>

int thread_start(pthread_t *t, void *(*run)(void *), void *arg)
{
	sigset_t all, before;
	int code;

	sigfillset(&all);
	MUST(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
	code = pthread_create(t, NULL, run, arg);
	MUST(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
	return code;
}

void thread_lock_init(pthread_mutex_t *lock, pthread_cond_t *changed)
{
	pthread_condattr_t attr;

	MUST(pthread_mutex_init(lock, NULL) == 0);
	MUST(pthread_condattr_init(&attr) == 0);
	MUST(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
	MUST(pthread_cond_init(changed, &attr) == 0);
	pthread_condattr_destroy(&attr);
}

void thread_lock_fini(pthread_mutex_t *lock, pthread_cond_t *changed)
{
	pthread_mutex_destroy(lock);
	pthread_cond_destroy(changed);
}

void thread_wait(pthread_cond_t *changed, pthread_mutex_t *lock, int64_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	(void)pthread_cond_timedwait(changed, lock, &until);
}
