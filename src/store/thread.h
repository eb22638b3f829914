/* What the store's threads have in common. */
#ifndef STORE_THREAD_H
#define STORE_THREAD_H

#include <pthread.h>
#include <stdint.h>

/* A thread in which all signals are blocked: they are for the main loop. 0 or an errno value. */
int thread_start(pthread_t *t, void *(*run)(void *), void *arg);

/* A lock and the condition that goes with it; waits with a limit use the monotonic clock. */
void thread_lock_init(pthread_mutex_t *lock, pthread_cond_t *changed);
void thread_lock_fini(pthread_mutex_t *lock, pthread_cond_t *changed);

/* Waits for the condition, at most ms milliseconds. */
void thread_wait(pthread_cond_t *changed, pthread_mutex_t *lock, int64_t ms);

#endif
