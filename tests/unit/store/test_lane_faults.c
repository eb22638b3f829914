/*
 * The lane when what is below it fails: what is answered as done is there after a restart, what is
 * answered as failed is not.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "lane_rig.h"

/* What fails, how, and what the lane makes of it. */
static void test_failures(void **state)
{
	static const struct {
		enum fault_kind kind;
		bool full;
		enum lane_result want;
		bool closed;
	} cases[] = {
	    {FAULT_FS_SYNC, false, LANE_CLOSED, true}, /* the blobs' sync */
	    {FAULT_FS_SYNC, true, LANE_CLOSED, true},
	    {FAULT_DB_SYNC, false, LANE_CLOSED, true}, /* the commit's */
	    {FAULT_DB_WRITE, false, LANE_CLOSED, true},
	    {FAULT_DB_WRITE, true, LANE_FULL, false},
	    {FAULT_FS_WRITE, false, LANE_CLOSED, true},
	    {FAULT_FS_WRITE, true, LANE_FULL, false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct test_op *t;

		assert_int_equal(lane_rig_run_one(PLAIN)->op.result, LANE_DONE);
		fault_set(&rig.fault, cases[i].kind, 1, false, cases[i].full);
		t = lane_rig_run_one(PLAIN);
		assert_int_equal(rig.fault.fired, 1);
		fault_set(&rig.fault, FAULT_NONE, 0, false, false);
		assert_int_equal(t->op.result, cases[i].want);
		assert_true(t->op.err.text[0] != '\0');
		assert_int_equal(lane_rig_stats().closed, cases[i].closed);
		/* closed is closed, even though nothing fails any more */
		t = lane_rig_run_one(PLAIN);
		assert_int_equal(t->op.result, cases[i].closed ? LANE_CLOSED : LANE_DONE);
		assert_int_equal(t->execs, cases[i].closed ? 0 : 1);
		assert_int_equal(lane_tend(rig.lane, true), 0);
		lane_rig_verify();
		assert_int_equal(lane_rig_run_one(PLAIN)->op.result, LANE_DONE);
	}
}

/* A failed sync answers the whole batch alike, and is not tried again. */
static void test_failed_sync_of_a_batch(void **state)
{
	struct list batch;
	struct test_op *t[5];

	list_init(&batch);
	for (int i = 0; i < 5; i++)
		t[i] = lane_rig_add(&batch, i == 2 ? BREAKING : PLAIN, 100);
	fault_clear(&rig.fault);
	fault_set(&rig.fault, FAULT_FS_SYNC, 1, false, false);
	lane_rig_run(&batch);
	for (int i = 0; i < 5; i++)
		assert_int_equal(t[i]->op.result, LANE_CLOSED);
	assert_int_equal(rig.fault.calls[FAULT_FS_SYNC], 1);
	assert_non_null(strstr(lane_rig_stats().reason.text, "the sync failed"));
	lane_rig_verify();
}

/* Adds a row and a large message to it. */
static struct test_op *add_upload(struct list *batch)
{
	static uint8_t large[100000];
	struct test_op *t = lane_rig_add(batch, PLAIN, 100);
	struct blob_upload *u = NULL;
	struct blob_pos pos;

	assert_int_equal(
	    blob_upload_begin(rig.blobs, 1000000 + t->id, BLOB_PLAIN, &u, &rig.err), BLOB_OK);
	assert_int_equal(
	    blob_upload_write(rig.blobs, u, str_of(large, sizeof large), &rig.err), BLOB_OK);
	assert_int_equal(blob_upload_finish(rig.blobs, u, &pos, &rig.err), BLOB_OK);
	t->op.upload = u;
	return t;
}

/* The directory of packs cannot even be opened: no sync was tried, and all goes on when it can be again. */
static void test_no_descriptor_for_a_sync(void **state)
{
	static const int errors[] = {EMFILE, ENFILE, ENOBUFS};
	struct list batch;

	list_init(&batch);
	for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
		struct test_op *t = add_upload(&batch), *other = lane_rig_add(&batch, PLAIN, 100);

		fault_set(&rig.fault, FAULT_FS_SYNC_DIR, 1, true, false);
		rig.fault.error = errors[i];
		lane_rig_run(&batch);
		assert_int_equal(t->op.result, LANE_FULL);
		assert_true(t->op.err.text[0] != '\0');
		/* the name of the large one may still be unsynced */
		assert_int_equal(other->op.result, LANE_FULL);
		blob_upload_free(rig.blobs, &t->op.upload);
		assert_false(lane_rig_stats().closed);
		fault_set(&rig.fault, FAULT_NONE, 0, false, false);
		fault_clear(&rig.fault);
		assert_int_equal(lane_rig_run_one(PLAIN)->op.result, LANE_DONE);
		assert_int_equal(rig.fault.calls[FAULT_FS_SYNC_DIR], 1);
		t = add_upload(&batch);
		lane_rig_run(&batch);
		assert_int_equal(t->op.result, LANE_DONE);
		blob_upload_free(rig.blobs, &t->op.upload);
	}
	lane_rig_verify();
}

/* The same where a new pack is begun. */
static void test_no_descriptor_for_the_sync_of_a_new_pack(void **state)
{
	enum lane_result result = LANE_DONE;
	struct list batch;

	list_init(&batch);
	fault_set(&rig.fault, FAULT_FS_SYNC_DIR, 1, true, false);
	rig.fault.error = EMFILE;
	for (int i = 0; i < 40 && result == LANE_DONE; i++) {
		struct test_op *t = lane_rig_add(&batch, PLAIN, 2900);

		lane_rig_run(&batch);
		result = t->op.result;
	}
	assert_int_equal(result, LANE_FULL);
	assert_false(lane_rig_stats().closed);
	fault_set(&rig.fault, FAULT_NONE, 0, false, false);
	lane_rig_add(&batch, PLAIN, 2900);
	lane_rig_run(&batch);
	assert_int_equal(rig.ops[rig.next_id - 1].op.result, LANE_DONE);
	lane_rig_verify();
}

/* When the disk is full only those fail for which there is no space. */
static void test_full_disk_while_appending(void **state)
{
	struct list batch;
	struct test_op *t[4];

	list_init(&batch);
	for (int i = 0; i < 4; i++)
		t[i] = lane_rig_add(&batch, PLAIN, 100);
	t[2]->op.nblobs = 0; /* needs no space in the packs */
	t[2]->behaviour = UNDOING;
	fault_set(&rig.fault, FAULT_FS_WRITE, 1, true, true);
	lane_rig_run(&batch);
	for (int i = 0; i < 4; i++)
		assert_int_equal(t[i]->op.result, i == 2 ? LANE_DONE : LANE_FULL);
	lane_rig_verify();
}

/* Fixed work in which everything happens once; ends early when the lane closes. */
static void scenario(void)
{
	struct list batch;

	list_init(&batch);
	for (int round = 0; round < 6; round++) {
		for (int i = 0; i < 6; i++)
			lane_rig_add(&batch, i == 3 ? UNDOING : i == 4 ? BREAKING : PLAIN, 2900);
		lane_rig_run(&batch);
		if (round == 3)
			lane_tend(rig.lane, true);
	}
}

/* The n-th call fails, for every n at first and then ever fewer, in four manners. */
static void test_every_call_failing(void **state)
{
	int64_t closed = 0, runs = 0;

	for (int manner = 0; manner < 4; manner++) {
		for (int64_t n = 1;; n += 1 + n / 40) {
			bool fired;

			assert_int_equal(
			    db_script(rig.db, "DELETE FROM blob; DELETE FROM domain"), DB_OK);
			rig.next_id = 0;
			fault_set(&rig.fault, FAULT_ANY, n, manner & 1, manner & 2);
			scenario();
			fired = rig.fault.fired > 0;
			closed += lane_rig_stats().closed;
			runs++;
			lane_rig_verify();
			assert_int_equal(lane_rig_run_one(PLAIN)->op.result, LANE_DONE);
			if (!fired)
				break;
		}
	}
	assert_true(runs > 100);
	assert_true(closed > 50);
}

/* A start that fails loses nothing, and the next one goes well. */
static void test_failing_starts(void **state)
{
	int64_t n = 0, failed = 0;
	bool good;

	for (int i = 0; i < 5; i++)
		lane_rig_run_one(PLAIN);
	do {
		good = lane_rig_try_restart(++n);
		failed += !good;
		lane_rig_verify();
	} while (!good || n < 10);
	assert_true(failed >= 3); /* the commit of the generation writes and syncs */
	assert_int_equal(lane_rig_run_one(PLAIN)->op.result, LANE_DONE);
}

static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed >> 11;
}

/* Random batches, faults and restarts; every answer is checked after every restart. */
static void test_random_operations(void **state)
{
	static const enum behaviour behaviours[] = {PLAIN, PLAIN, PLAIN, UNDOING, BREAKING, PLAIN};
	uint64_t seed = 2463534242u;
	int restarts = 0;
	struct list batch;

	list_init(&batch);
	while (rig.next_id < LANE_RIG_OPS - 40) {
		uint64_t r = random_next(&seed);

		for (uint64_t i = 0; i <= r % 30; i++)
			lane_rig_add(
			    &batch, behaviours[random_next(&seed) % 6], random_next(&seed) % 3000);
		if (r % 7 == 0)
			fault_set(&rig.fault, FAULT_ANY, (int64_t)(r / 7 % 20) + 1, r % 2, r % 3);
		lane_rig_run(&batch);
		lane_tend(rig.lane, r % 5 == 0);
		if (lane_rig_stats().closed || r % 41 == 0) {
			lane_rig_verify();
			restarts++;
		}
	}
	lane_rig_verify();
	assert_true(restarts > 10);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, lane_rig_setup, lane_rig_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_failures),
	    T(test_failed_sync_of_a_batch),
	    T(test_no_descriptor_for_a_sync),
	    T(test_no_descriptor_for_the_sync_of_a_new_pack),
	    T(test_full_disk_while_appending),
	    T(test_every_call_failing),
	    T(test_failing_starts),
	    T(test_random_operations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
