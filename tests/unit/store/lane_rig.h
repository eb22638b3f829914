/*
 * A lane over a database and packs in a scratch directory, and requests that behave in known ways.
 * Functions without a result fail the test when what they do fails.
 */
#ifndef TESTS_LANE_RIG_H
#define TESTS_LANE_RIG_H

#include "fault.h"
#include "store/lane.h"

#define LANE_RIG_OPS 4096

enum behaviour {
	PLAIN,     /* adds its row */
	UNDOING,   /* adds its row and takes it back */
	BREAKING,  /* adds its row twice */
	BLIND,     /* adds its row and says "keep" whatever happened */
	BULKY,     /* adds a row of 400 KB besides */
	REGRETTED, /* adds its row, and is withdrawn while it does so */
};

struct test_op {
	struct lane_op op;
	int64_t id;
	enum behaviour behaviour;
	struct blob_in in;
	struct iovec iov;
	uint8_t content[3000];
	int execs, dones;
};

struct lane_rig {
	struct fault fault;
	struct db *db;
	struct blob_store *blobs;
	struct lane *lane;
	struct err err;
	bool room_to_make; /* the lane may lift the limit of lane_rig_limit_pages once */
	int64_t next_id;   /* of the next request: its index in ops */
	struct test_op ops[LANE_RIG_OPS];
};

extern struct lane_rig rig;

/* For cmocka_unit_test_setup_teardown: a fresh store, the lane open. */
int lane_rig_setup(void **state);
int lane_rig_teardown(void **state);

/* Kills and restarts the store; the n-th call of its recovery fails. False when that stopped it. */
bool lane_rig_try_restart(int64_t n);

/* A new request with a blob of size bytes, at the end of the batch. */
struct test_op *lane_rig_add(struct list *batch, enum behaviour behaviour, size_t size);

/* Runs and answers the batch. */
void lane_rig_run(struct list *batch);

/* A batch of one new request. */
struct test_op *lane_rig_run_one(enum behaviour behaviour);

/* Lets the database grow no more than by a few pages. */
void lane_rig_limit_pages(void);

struct lane_stats lane_rig_stats(void);

/*
 * Kills and restarts the store, nothing failing any more, then looks at every request made: done
 * means there with its content, failed means gone; closed leaves both open.
 */
void lane_rig_verify(void);

#endif
