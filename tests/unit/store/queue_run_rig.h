/* The scheduler (store/queue_run.h) over a queue rig: its clocks are the test's, its requests are carried out in turns. */
#ifndef TESTS_QUEUE_RUN_RIG_H
#define TESTS_QUEUE_RUN_RIG_H

#include "queue_test.h"
#include "store/queue_run.h"

#define OWNER   7
#define PENDING 8

extern struct queue_run_rig {
	struct queue_run run;
	int64_t mono;
	struct lane_op *writes[PENDING];
	struct reader_op *reads[PENDING];
	size_t nwrites, nreads;
	int set_back; /* times it was told of */
	int failed;   /* requests that the disk was too full for */
	bool full;
	bool is_here; /* the owner of leases */
} s;

/* A new scheduler over what is in the queue, as behind a restart; also the first. */
void start(void);

/* Both clocks go on, and nobody looks. */
void pass(int64_t ms);

/* By the steady clock. The scheduler looks at least once a minute; attempts are made once an hour. */
void live(int64_t ms);

/* What is due, but attempts. */
void turn(void);

/* And the attempts, which the world answers. */
void work(void);

/* One request, the last of those to read, else the first of those to write: done, or a write that fails so. */
void carry_out(void);
void end_write(enum lane_result result);

/* A message of more recipients than a slice of rows holds. */
void send_more_than_a_slice(void);

#endif
