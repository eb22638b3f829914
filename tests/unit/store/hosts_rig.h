/*
 * Hosts that serve many domains, and a relay whose attempts are gone on with one at a time: "a3.test" goes by
 * mx.a, "ab3.test" by mx.a and then mx.b, and so on. On the queue of queue_test.h.
 */
#ifndef TESTS_HOSTS_RIG_H
#define TESTS_HOSTS_RIG_H

#include "queue_test.h"
#include "store/queue_way.h"

#define HOSTS_OWNER 7
#define HOSTS_MAX   2

/* An attempt that has begun: what a relay keeps of a job. */
struct hosts_attempt {
	struct queue_job job;
	struct queue_row row;
	struct queue_way_host hosts[HOSTS_MAX];
	size_t n, at;
	bool going; /* to hosts[at] */
	struct arena *arena;
};

extern struct hosts {
	/* settings */
	const char *names[HOSTS_MAX]; /* mx.a, mx.b */
	bool down[HOSTS_MAX];
	bool away[HOSTS_MAX];                         /* 421 in place of a greeting */
	const struct qrig_answer *refuses[HOSTS_MAX]; /* NULL: it does not */
	struct qrig_answer answer;                    /* to what is settled, or told of a host */

	/* what was seen */
	int64_t tries[HOSTS_MAX];
	int64_t open[HOSTS_MAX], most[HOSTS_MAX];
	int64_t delivered;
	int64_t last; /* when */

	struct hosts_attempt attempts[QRIG_JOBS];
	size_t nattempts;
} hosts;

int hosts_setup(void **state);

/* A test of this kind, for a table of them. */
#define HOSTS_CASE(f) cmocka_unit_test_setup_teardown(f, hosts_setup, queue_test_teardown)

/* One message each to x@LETTERS0.test, x@LETTERS1.test, ... */
void hosts_send(const char *letters, int n);

/* Begins jobs that are due; those that may go somewhere stay. How many were given out. */
size_t hosts_begin(size_t room);

struct hosts_attempt *hosts_keep(const struct queue_job *job);
void hosts_drop(struct hosts_attempt *t);

/* Asks to which of its hosts, from that one on, it may go. told: the one that it was at has failed. */
enum queue_way_answer hosts_ask(struct hosts_attempt *t, size_t from, bool told);

void hosts_settle(struct hosts_attempt *t);

/* The first attempt goes on: to its end, or to the next host. */
void hosts_go_on(void);

/* All that is due now, to its end; all that is due until then. */
void hosts_work(void);
void hosts_live(int64_t until);

/* An administrator has what waits for a domain tried. */
void hosts_retry(const char *domain);

#endif
