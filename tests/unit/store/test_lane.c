/* The lane: one sync of blobs and one of the log for a batch, requests that do not hurt each other. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "lane_rig.h"

#include <sys/stat.h>

static void test_one_sync_each_for_a_batch(void **state)
{
	struct list batch;

	lane_rig_run_one(PLAIN);
	fault_clear(&rig.fault);
	list_init(&batch);
	for (int i = 0; i < 100; i++)
		lane_rig_add(&batch, PLAIN, 300);
	lane_rig_run(&batch);
	assert_int_equal(rig.fault.calls[FAULT_FS_SYNC], 1);
	assert_int_equal(rig.fault.calls[FAULT_DB_SYNC], 1);
	assert_int_equal(rig.fault.calls[FAULT_FS_WRITE], 1);
	assert_int_equal(lane_rig_stats().commits, 2);
	assert_int_equal(lane_rig_stats().ops, 101);
	assert_int_equal(lane_rig_stats().batch_max, 100);
	assert_int_equal(lane_rig_stats().sequence, 2);
	lane_rig_verify();
	assert_int_equal(lane_rig_stats().sequence, 2);
}

static void test_without_blobs_nothing_of_them_is_synced(void **state)
{
	struct list batch;
	struct test_op *t;

	lane_rig_run_one(PLAIN);
	fault_clear(&rig.fault);
	list_init(&batch);
	t = lane_rig_add(&batch, UNDOING, 0);
	t->op.nblobs = 0;
	lane_rig_run(&batch);
	assert_int_equal(t->op.result, LANE_DONE);
	assert_int_equal(rig.fault.calls[FAULT_FS_SYNC], 0);
	assert_int_equal(lane_rig_stats().sequence, 1);
}

static void test_verdicts_in_one_batch(void **state)
{
	static const struct {
		enum behaviour behaviour;
		enum lane_result want;
	} cases[] = {
	    {PLAIN, LANE_DONE},
	    {UNDOING, LANE_DONE},
	    {BREAKING, LANE_FAILED},
	    {PLAIN, LANE_DONE},
	    {BREAKING, LANE_FAILED},
	};
	struct test_op *t[5];
	struct list batch;

	list_init(&batch);
	for (size_t i = 0; i < 5; i++)
		t[i] = lane_rig_add(&batch, cases[i].behaviour, 50);
	lane_rig_run(&batch);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(t[i]->op.result, cases[i].want);
		assert_int_equal(t[i]->execs, 1);
	}
	assert_non_null(strstr(t[2]->op.err.text, "BLOB_ADD"));
	assert_int_equal(lane_rig_stats().reruns, 0);
	assert_int_equal(lane_rig_stats().failed, 2);
	lane_rig_verify();
}

/* Before it is begun, and in the middle: nothing of it remains, and the others know nothing of it. */
static void test_withdrawn(void **state)
{
	struct test_op *t[4];
	struct list batch;

	list_init(&batch);
	for (int i = 0; i < 4; i++)
		t[i] = lane_rig_add(&batch, i == 2 ? REGRETTED : PLAIN, 100);
	lane_op_withdraw(&t[1]->op);
	lane_rig_run(&batch);
	for (int i = 0; i < 4; i++)
		assert_int_equal(t[i]->op.result, i == 1 || i == 2 ? LANE_WITHDRAWN : LANE_DONE);
	assert_int_equal(t[1]->execs, 0);
	assert_int_equal(t[2]->execs, 1);
	assert_int_equal(t[3]->execs, 2); /* the first attempt was taken back */
	assert_int_equal(lane_rig_run_one(REGRETTED)->op.result, LANE_WITHDRAWN);
	assert_false(lane_rig_stats().closed);
	lane_rig_verify();
}

/* A full database takes back the whole transaction: only the guilty one fails. */
static void test_full_inside_a_savepoint(void **state)
{
	struct test_op *t[9];
	struct list batch;

	lane_rig_limit_pages();
	list_init(&batch);
	for (int i = 0; i < 9; i++)
		t[i] = lane_rig_add(&batch, i == 4 ? BULKY : PLAIN, 500);
	lane_rig_run(&batch);
	for (int i = 0; i < 9; i++)
		assert_int_equal(t[i]->op.result, i == 4 ? LANE_FULL : LANE_DONE);
	assert_int_equal(lane_rig_stats().reruns, 1);
	assert_int_equal(t[0]->execs, 2);
	assert_int_equal(t[8]->execs, 1); /* the first attempt never came so far */
	lane_rig_verify();
}

/* One that does not notice that its transaction is gone must not be believed. */
static void test_lost_transaction_unnoticed(void **state)
{
	struct test_op *t[3];
	struct list batch;

	lane_rig_limit_pages();
	list_init(&batch);
	t[0] = lane_rig_add(&batch, PLAIN, 10);
	t[1] = lane_rig_add(&batch, BLIND, 10);
	t[2] = lane_rig_add(&batch, PLAIN, 10);
	lane_rig_run(&batch);
	assert_int_equal(t[0]->op.result, LANE_DONE);
	assert_int_equal(t[1]->op.result, LANE_FULL);
	assert_int_equal(t[2]->op.result, LANE_DONE);
	lane_rig_verify();
}

static void test_room_is_made_for_what_frees(void **state)
{
	struct test_op *t[3];
	struct list batch;

	for (int frees = 0; frees < 2; frees++) {
		lane_rig_limit_pages();
		rig.room_to_make = true;
		list_init(&batch);
		t[0] = lane_rig_add(&batch, PLAIN, 10);
		t[1] = lane_rig_add(&batch, BULKY, 10);
		t[2] = lane_rig_add(&batch, PLAIN, 10);
		t[1]->op.frees = frees;
		lane_rig_run(&batch);
		assert_int_equal(t[0]->op.result, LANE_DONE);
		assert_int_equal(t[1]->op.result, frees ? LANE_DONE : LANE_FULL);
		assert_int_equal(t[2]->op.result, LANE_DONE);
		assert_int_equal(rig.room_to_make, !frees);
	}
	lane_rig_verify();
}

static struct blob_upload *new_upload(int64_t id, struct blob_pos *pos_r)
{
	struct blob_upload *u = NULL;

	assert_int_equal(blob_upload_begin(rig.blobs, id, BLOB_PLAIN, &u, &rig.err), BLOB_OK);
	assert_int_equal(
	    blob_upload_write(rig.blobs, u, str_of(rig.ops[id].content, 100), &rig.err), BLOB_OK);
	assert_int_equal(blob_upload_finish(rig.blobs, u, pos_r, &rig.err), BLOB_OK);
	return u;
}

static void test_uploads(void **state)
{
	struct list batch;
	struct test_op *t[4];

	lane_rig_limit_pages();
	list_init(&batch);
	for (int i = 0; i < 4; i++) {
		t[i] = lane_rig_add(&batch, i == 3 ? BULKY : PLAIN, 100);
		t[i]->op.nblobs = 0;
		t[i]->op.upload = new_upload(t[i]->id, &t[i]->in.pos);
	}
	lane_rig_run(&batch);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(t[i]->op.result, i == 3 ? LANE_FULL : LANE_DONE);
		blob_upload_free(rig.blobs, &t[i]->op.upload);
	}
	lane_rig_verify();
}

/* A large one leaves no file behind, whenever it was withdrawn. */
static void test_withdrawn_uploads_go(void **state)
{
	struct test_op *t[3];
	struct blob_counts counts;
	struct list batch;

	list_init(&batch);
	for (int i = 0; i < 3; i++) {
		t[i] = lane_rig_add(&batch, i == 2 ? REGRETTED : PLAIN, 100);
		t[i]->op.nblobs = 0;
		t[i]->op.upload = new_upload(t[i]->id, &t[i]->in.pos);
	}
	lane_op_withdraw(&t[0]->op);
	lane_rig_run(&batch);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(t[i]->op.result, i == 1 ? LANE_DONE : LANE_WITHDRAWN);
		blob_upload_free(rig.blobs, &t[i]->op.upload);
	}
	lane_rig_verify();
	blob_counts(rig.blobs, &counts);
	assert_int_equal(counts.packs, 2); /* the active one and one of its own */
	assert_int_equal(counts.missing, 0);
}

/* Each thing is on the disk before what points to it is written. */
static void test_order_of_syncs(void **state)
{
	struct list batch;
	struct test_op *t;

	lane_rig_run_one(PLAIN);
	fault_clear(&rig.fault);
	lane_rig_run_one(PLAIN);
	assert_string_equal(rig.fault.order, "wsWS");

	/* over the end of a pack: the old one, the new one's head and name, the rest, the log */
	list_init(&batch);
	for (int i = 0; i < 30; i++)
		lane_rig_add(&batch, PLAIN, 3000);
	fault_clear(&rig.fault);
	lane_rig_run(&batch);
	assert_string_equal(rig.fault.order, "wsowsdwsWS");

	/* a file of its own: content, name, log */
	t = lane_rig_add(&batch, PLAIN, 100);
	t->op.nblobs = 0;
	fault_clear(&rig.fault);
	t->op.upload = new_upload(t->id, &t->in.pos);
	lane_rig_run(&batch);
	blob_upload_free(rig.blobs, &t->op.upload);
	assert_string_equal(rig.fault.order, "owsldWS");
}

/* A large message that nobody takes leaves no file behind. */
static void test_spare_uploads_go(void **state)
{
	static const enum behaviour behaviours[] = {PLAIN, UNDOING, BREAKING, PLAIN};
	struct test_op *t[4];
	struct blob_counts counts;
	struct list batch;

	list_init(&batch);
	for (int i = 0; i < 4; i++) {
		t[i] = lane_rig_add(&batch, behaviours[i], 100);
		t[i]->op.nblobs = 0;
		t[i]->op.upload = new_upload(t[i]->id, &t[i]->in.pos);
	}
	lane_rig_run(&batch);
	for (int i = 0; i < 4; i++)
		blob_upload_free(rig.blobs, &t[i]->op.upload);
	lane_rig_verify();
	blob_counts(rig.blobs, &counts);
	assert_int_equal(counts.packs, 3); /* the active one and two of their own */
	assert_int_equal(counts.missing, 0);
}

/* A large one cannot be written or synced: what it says of it is in rig.err. */
static void fail_upload(enum fault_kind kind, bool full)
{
	struct blob_upload *u = NULL;
	struct blob_pos pos;
	enum blob_code code;

	fault_set(&rig.fault, kind, 1, false, full);
	assert_int_equal(blob_upload_begin(rig.blobs, 1, BLOB_PLAIN, &u, &rig.err), BLOB_OK);
	code = blob_upload_write(rig.blobs, u, STR("content"), &rig.err);
	if (code == BLOB_OK)
		code = blob_upload_finish(rig.blobs, u, &pos, &rig.err);
	assert_int_equal(code, full && kind == FAULT_FS_WRITE ? BLOB_FULL : BLOB_IO);
	blob_upload_free(rig.blobs, &u);
	assert_int_equal(rig.fault.fired, 1);
	fault_set(&rig.fault, FAULT_NONE, 0, false, false);
}

/* Whoever met the failure, nothing is committed or checkpointed behind it. */
static void test_failed_upload_closes(void **state)
{
	static const struct {
		enum fault_kind kind;
		bool full, closes;
	} failures[] = {{FAULT_FS_WRITE, true, false}, {FAULT_FS_WRITE, false, true},
	    {FAULT_FS_SYNC, false, true}, {FAULT_FS_SYNC, true, true}};

	for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
		struct test_op *t;

		lane_rig_run_one(PLAIN);
		fail_upload(failures[i].kind, failures[i].full);
		fault_clear(&rig.fault);
		if (failures[i].closes) {
			assert_int_equal(lane_tend(rig.lane, true), 0);
			assert_true(lane_rig_stats().closed);
		}
		t = lane_rig_run_one(PLAIN);
		assert_int_equal(t->op.result, failures[i].closes ? LANE_CLOSED : LANE_DONE);
		assert_int_equal(strlen(rig.fault.order) == 0, failures[i].closes);
		if (failures[i].closes)
			assert_non_null(
			    strstr(t->op.err.text, "large message failed: packs: cannot"));
		lane_rig_verify();
	}
}

static void nothing(struct lane_op *op)
{
}

static enum lane_exec meanwhile_exec(struct lane_op *op, struct db *db, int64_t now)
{
	fail_upload(FAULT_FS_SYNC, false);
	return LANE_KEEP;
}

/* In another thread, while the batch is executed. */
static void test_upload_that_fails_meanwhile(void **state)
{
	struct lane_op meanwhile = {.exec = meanwhile_exec, .done = nothing};
	struct list batch;
	struct test_op *t;

	list_init(&batch);
	t = lane_rig_add(&batch, PLAIN, 100);
	list_push(&batch, &meanwhile.link);
	lane_rig_run(&batch);
	assert_int_equal(t->op.result, LANE_CLOSED);
	assert_int_equal(meanwhile.result, LANE_CLOSED);
	assert_int_equal(lane_rig_stats().commits, 0);
	lane_rig_verify();
}

/* The commit seemed to fail but may have happened: the blob's file must outlive the answer. */
static void test_upload_of_a_failed_commit_stays(void **state)
{
	struct blob_counts counts;
	struct list batch;
	struct test_op *t;
	char name[64];
	struct stat st;

	list_init(&batch);
	t = lane_rig_add(&batch, PLAIN, 100);
	t->op.nblobs = 0;
	t->op.upload = new_upload(t->id, &t->in.pos);
	fault_set(&rig.fault, FAULT_DB_SYNC, 1, false, false);
	lane_rig_run(&batch);
	assert_int_equal(t->op.result, LANE_CLOSED);
	blob_upload_free(rig.blobs, &t->op.upload);
	snprintf(name, sizeof name, "packs/%010lld.pack", (long long)t->in.pos.pack);
	assert_int_equal(stat(name, &st), 0);
	lane_rig_verify(); /* the row, if it is there, has its content */
	blob_counts(rig.blobs, &counts);
	assert_int_equal(counts.missing, 0);
}

static void test_checkpoints(void **state)
{
	lane_rig_run_one(PLAIN);
	assert_false(lane_is_clean(rig.lane));
	assert_int_equal(lane_tend(rig.lane, false), 0); /* too little to be worth it */
	assert_int_equal(lane_rig_stats().checkpoints, 0);
	assert_int_equal(lane_tend(rig.lane, true), 0);
	assert_int_equal(lane_rig_stats().checkpoints, 1);
	assert_true(lane_is_clean(rig.lane));
	assert_int_equal(lane_rig_stats().wal_bytes, 0);
	assert_true(lane_rig_stats().wal_max > 0);
	lane_tend(rig.lane, true);
	assert_int_equal(lane_rig_stats().checkpoints, 1); /* nothing to do */

	/* a busy lane does it when the log is large */
	while (lane_rig_stats().wal_bytes < (int64_t)LIMIT_WAL_CHECKPOINT)
		assert_int_equal(lane_rig_run_one(BULKY)->op.result, LANE_DONE);
	lane_tend(rig.lane, false);
	assert_int_equal(lane_rig_stats().checkpoints, 2);
	assert_true(lane_is_clean(rig.lane));

	/* a failing sync of the database closes the lane like any other */
	lane_rig_run_one(PLAIN);
	fault_set(&rig.fault, FAULT_DB_SYNC, 1, false, false);
	lane_tend(rig.lane, true);
	assert_true(lane_rig_stats().closed);
	assert_int_equal(lane_rig_run_one(PLAIN)->op.result, LANE_CLOSED);
	lane_rig_verify();
}

/* A reader that stays: the log cannot start anew, is looked at each time it has grown, and grows slowly. */
static void test_a_reader_that_stays(void **state)
{
	struct lane_config config = {.db = rig.db,
	    .blobs = rig.blobs,
	    .checkpoint_at = (int64_t)MIB,
	    .throttle_at = (int64_t)(4 * MIB)};
	struct lane *lane = lane_new(&config);
	struct db *reader = NULL;
	struct lane_stats stats;
	int64_t value;
	int ms, before = 0;

	lane_rig_run_one(PLAIN);
	assert_int_equal(db_open("store.db", DB_READER, &reader, &rig.err), DB_OK);
	assert_int_equal(db_begin(reader), DB_OK);
	db_get_int(reader, SQL_META_GET, DB_ARGS(db_text(STR("account"))), &value);
	for (int mib = 1; mib < 16; mib++) {
		while (db_wal_bytes(rig.db) < mib * (int64_t)MIB)
			assert_int_equal(lane_rig_run_one(BULKY)->op.result, LANE_DONE);
		ms = lane_tend(lane, false);
		assert_int_equal(ms, mib < 4 ? 0 : 10 << (mib < 11 ? mib - 4 : 7));
		lane_stats(lane, &stats);
		assert_false(lane_is_clean(lane));
		assert_true(
		    mib > 1 && mib < 4 ? stats.checkpoints <= mib : stats.checkpoints > before);
		before = (int)stats.checkpoints;
		if (mib < 4) {
			lane_tend(lane, false); /* not again for the same */
			lane_stats(lane, &stats);
			assert_int_equal(stats.checkpoints, before);
		}
	}
	assert_int_equal(db_rollback(reader), DB_OK);
	assert_int_equal(lane_tend(lane, false), 10);
	assert_true(lane_is_clean(lane));
	lane_rig_run_one(PLAIN);
	assert_true(db_wal_bytes(rig.db) < (int64_t)MIB);
	assert_int_equal(lane_tend(lane, false), 0);
	db_close(&reader);
	lane_free(&lane);
}

static int64_t database_size(void)
{
	struct stat st;

	assert_int_equal(stat("store.db", &st), 0);
	return st.st_size;
}

/* What was deleted comes back to the file system, slice by slice, when the lane is idle. */
static void test_idle_lane_shrinks_the_database(void **state)
{
	int64_t large, small;

	for (int i = 0; i < 30; i++)
		lane_rig_run_one(BULKY);
	lane_tend(rig.lane, true);
	large = database_size();
	assert_true(large > 30 * 400000);
	assert_int_equal(db_script(rig.db, "DELETE FROM domain"), DB_OK);
	lane_tend(rig.lane, false);
	assert_int_equal(database_size(), large);
	for (int i = 0; i < 20 && !lane_is_clean(rig.lane); i++)
		lane_tend(rig.lane, true);
	small = database_size();
	assert_true(small < large / 2);
	assert_true(lane_is_clean(rig.lane)); /* and comes to rest */
	lane_rig_verify();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, lane_rig_setup, lane_rig_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_one_sync_each_for_a_batch),
	    T(test_without_blobs_nothing_of_them_is_synced),
	    T(test_verdicts_in_one_batch),
	    T(test_withdrawn),
	    T(test_withdrawn_uploads_go),
	    T(test_full_inside_a_savepoint),
	    T(test_lost_transaction_unnoticed),
	    T(test_room_is_made_for_what_frees),
	    T(test_uploads),
	    T(test_order_of_syncs),
	    T(test_spare_uploads_go),
	    T(test_upload_of_a_failed_commit_stays),
	    T(test_failed_upload_closes),
	    T(test_upload_that_fails_meanwhile),
	    T(test_checkpoints),
	    T(test_a_reader_that_stays),
	    T(test_idle_lane_shrinks_the_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
