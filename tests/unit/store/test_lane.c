/*
 * The lane: what is answered as done is there after a restart, what is answered as failed is not,
 * however the calls below it fail; one sync of blobs and one of the log for a batch.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fault.h"
#include "scratch.h"
#include "base/mem.h"
#include "store/lane.h"
#include "store/recover.h"

#include <sqlite3.h>
#include <sys/stat.h>

#define OPS_MAX 4096

enum behaviour {
	PLAIN,    /* adds its row */
	UNDOING,  /* adds its row and takes it back */
	BREAKING, /* adds its row twice */
	BLIND,    /* adds its row and says "keep" whatever happened */
	BULKY,    /* adds a row of 400 KB besides */
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

static struct fault fault;
static struct db *db;
static struct blob_store *blobs;
static struct lane *lane;
static struct err err;
static bool room_to_make;
static int64_t next_id;
static struct test_op ops[OPS_MAX];

/* ---- the lane under test ---- */

static bool make_room(void *ctx)
{
	bool had = room_to_make;

	room_to_make = false;
	if (had)
		assert_int_equal(db_script(db, "PRAGMA max_page_count = 1000000"), DB_OK);
	return had;
}

/* False when the faults did not let it start. */
static bool try_start(void)
{
	struct pack_config packs = {&fault.fs, "packs", 64 * 1024};
	struct lane_config config = {.make_room = make_room};

	mkdir("packs", 0700);
	db = scratch_db();
	if (!recover_packs(db, &packs, &blobs, &config.sequence, &err)) {
		db_close(&db);
		return false;
	}
	config.db = db;
	config.blobs = blobs;
	lane = lane_new(&config);
	return true;
}

static void start(void)
{
	if (!try_start())
		fail_msg("%s", err.text);
}

static void stop(void)
{
	lane_free(&lane);
	blob_store_free(&blobs);
	if (db)
		db_distrust(db); /* as after a kill: the log stays for the next start */
	db_close(&db);
}

static void restart(void)
{
	fault_set(&fault, FAULT_NONE, 0, false, false);
	stop();
	start();
}

static int setup(void **state)
{
	scratch_enter();
	fault_init(&fault);
	next_id = 0;
	room_to_make = false;
	start();
	return 0;
}

static int teardown(void **state)
{
	stop();
	fault_fini(&fault);
	scratch_leave();
	return 0;
}

/* ---- requests ---- */

static enum db_code add_row(struct db *d, const struct test_op *t)
{
	const struct blob_pos *pos = &t->in.pos;

	return db_exec(d, SQL_BLOB_ADD,
	    DB_ARGS(db_int(t->id), db_int(pos->pack), db_int(pos->offset), db_int(pos->length),
		db_int(1)),
	    NULL);
}

static enum db_code add_bulk(struct db *d, int64_t id)
{
	static uint8_t name[400000];

	memset(name, 'x', sizeof name);
	snprintf((char *)name, 32, "%lld-", (long long)id);
	return db_exec(
	    d, SQL_DOMAIN_ADD, DB_ARGS(db_text(str_of(name, sizeof name)), db_int(id)), NULL);
}

static enum lane_exec exec(struct lane_op *op, struct db *d, int64_t now)
{
	struct test_op *t = (struct test_op *)(void *)op;
	enum db_code code = add_row(d, t);

	t->execs++;
	if (code == DB_OK && t->behaviour == BREAKING)
		code = add_row(d, t);
	if (t->behaviour == BULKY || t->behaviour == BLIND)
		code = add_bulk(d, t->id);
	if (t->behaviour == BLIND)
		return LANE_KEEP;
	if (code != DB_OK)
		return LANE_BROKEN;
	return t->behaviour == UNDOING ? LANE_UNDO : LANE_KEEP;
}

static void done(struct lane_op *op)
{
	((struct test_op *)(void *)op)->dones++;
}

static struct test_op *add_op(struct list *batch, enum behaviour behaviour, size_t size)
{
	struct test_op *t = &ops[next_id];

	assert_true(next_id < OPS_MAX && size <= sizeof t->content);
	*t = (struct test_op){.id = next_id++, .behaviour = behaviour};
	memset(t->content, (int)(t->id * 7 + 1), size);
	t->iov = (struct iovec){t->content, size};
	t->in = (struct blob_in){.id = t->id, .iov = &t->iov, .niov = 1};
	t->op = (struct lane_op){.exec = exec, .done = done, .blobs = &t->in, .nblobs = 1};
	list_push(batch, &t->op.link);
	return t;
}

static void run(struct list *batch)
{
	lane_run(lane, batch, 1234);
	lane_answer(batch);
	assert_true(list_is_empty(batch));
}

static struct test_op *run_one(enum behaviour behaviour)
{
	struct list batch;
	struct test_op *t;

	list_init(&batch);
	t = add_op(&batch, behaviour, 100);
	run(&batch);
	assert_int_equal(t->dones, 1);
	return t;
}

/* ---- what is really there ---- */

/* Is the row there, with its content whole? Asked of SQLite and the packs directly. */
static bool is_stored(sqlite3_stmt *query, const struct test_op *t)
{
	uint8_t got[sizeof t->content];
	struct blob_pos pos;
	bool found;

	sqlite3_reset(query);
	sqlite3_bind_int64(query, 1, t->id);
	found = sqlite3_step(query) == SQLITE_ROW;
	if (!found)
		return false;
	pos = (struct blob_pos){sqlite3_column_int64(query, 0), sqlite3_column_int64(query, 1),
	    sqlite3_column_int64(query, 2)};
	if (blob_get(blobs, t->id, pos, got, sizeof got, &err) != BLOB_OK)
		fail_msg("%s", err.text);
	assert_int_equal(pos.length, t->iov.iov_len);
	assert_memory_equal(got, t->content, (size_t)pos.length);
	return true;
}

/* After a restart: done means there, failed means gone; closed leaves both open. */
static void verify(void)
{
	sqlite3 *raw;
	sqlite3_stmt *query;

	restart();
	assert_int_equal(sqlite3_open("store.db", &raw), SQLITE_OK);
	sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	assert_int_equal(sqlite3_prepare_v2(raw, "SELECT pack, pos, length FROM blob WHERE id = ?1",
			     -1, &query, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_exec(raw, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
	for (int64_t i = 0; i < next_id; i++) {
		const struct test_op *t = &ops[i];
		bool stored = is_stored(query, t);

		assert_int_equal(t->dones, 1);
		if (t->op.result == LANE_DONE)
			assert_int_equal(stored, t->behaviour != UNDOING);
		if (t->op.result == LANE_FAILED || t->op.result == LANE_FULL)
			assert_false(stored);
	}
	sqlite3_finalize(query);
	sqlite3_close(raw);
}

static struct lane_stats stats(void)
{
	struct lane_stats s;

	lane_stats(lane, &s);
	return s;
}

/* ---- tests ---- */

static void test_one_sync_each_for_a_batch(void **state)
{
	struct list batch;

	run_one(PLAIN);
	fault_clear(&fault);
	list_init(&batch);
	for (int i = 0; i < 100; i++)
		add_op(&batch, PLAIN, 300);
	run(&batch);
	assert_int_equal(fault.calls[FAULT_FS_SYNC], 1);
	assert_int_equal(fault.calls[FAULT_DB_SYNC], 1);
	assert_int_equal(fault.calls[FAULT_FS_WRITE], 1);
	assert_int_equal(stats().commits, 2);
	assert_int_equal(stats().ops, 101);
	assert_int_equal(stats().batch_max, 100);
	assert_int_equal(stats().sequence, 2);
	verify();
	assert_int_equal(stats().sequence, 2);
}

static void test_without_blobs_nothing_of_them_is_synced(void **state)
{
	struct list batch;
	struct test_op *t;

	run_one(PLAIN);
	fault_clear(&fault);
	list_init(&batch);
	t = add_op(&batch, UNDOING, 0);
	t->op.nblobs = 0;
	run(&batch);
	assert_int_equal(t->op.result, LANE_DONE);
	assert_int_equal(fault.calls[FAULT_FS_SYNC], 0);
	assert_int_equal(stats().sequence, 1);
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
		t[i] = add_op(&batch, cases[i].behaviour, 50);
	run(&batch);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(t[i]->op.result, cases[i].want);
		assert_int_equal(t[i]->execs, 1);
	}
	assert_non_null(strstr(t[2]->op.err.text, "BLOB_ADD"));
	assert_int_equal(stats().reruns, 0);
	assert_int_equal(stats().failed, 2);
	verify();
}

static void limit_pages(void)
{
	assert_int_equal(db_script(db, "PRAGMA max_page_count = 60"), DB_OK);
}

/* A full database takes back the whole transaction: only the guilty one fails. */
static void test_full_inside_a_savepoint(void **state)
{
	struct test_op *t[9];
	struct list batch;

	limit_pages();
	list_init(&batch);
	for (int i = 0; i < 9; i++)
		t[i] = add_op(&batch, i == 4 ? BULKY : PLAIN, 500);
	run(&batch);
	for (int i = 0; i < 9; i++)
		assert_int_equal(t[i]->op.result, i == 4 ? LANE_FULL : LANE_DONE);
	assert_int_equal(stats().reruns, 1);
	assert_int_equal(t[0]->execs, 2);
	assert_int_equal(t[8]->execs, 1); /* the first attempt never came so far */
	verify();
}

/* One that does not notice that its transaction is gone must not be believed. */
static void test_lost_transaction_unnoticed(void **state)
{
	struct test_op *t[3];
	struct list batch;

	limit_pages();
	list_init(&batch);
	t[0] = add_op(&batch, PLAIN, 10);
	t[1] = add_op(&batch, BLIND, 10);
	t[2] = add_op(&batch, PLAIN, 10);
	run(&batch);
	assert_int_equal(t[0]->op.result, LANE_DONE);
	assert_int_equal(t[1]->op.result, LANE_FULL);
	assert_int_equal(t[2]->op.result, LANE_DONE);
	verify();
}

static void test_room_is_made_for_what_frees(void **state)
{
	struct test_op *t[3];
	struct list batch;

	for (int frees = 0; frees < 2; frees++) {
		limit_pages();
		room_to_make = true;
		list_init(&batch);
		t[0] = add_op(&batch, PLAIN, 10);
		t[1] = add_op(&batch, BULKY, 10);
		t[2] = add_op(&batch, PLAIN, 10);
		t[1]->op.frees = frees;
		run(&batch);
		assert_int_equal(t[0]->op.result, LANE_DONE);
		assert_int_equal(t[1]->op.result, frees ? LANE_DONE : LANE_FULL);
		assert_int_equal(t[2]->op.result, LANE_DONE);
		assert_int_equal(room_to_make, !frees);
	}
	verify();
}

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

		assert_int_equal(run_one(PLAIN)->op.result, LANE_DONE);
		fault_set(&fault, cases[i].kind, 1, false, cases[i].full);
		t = run_one(PLAIN);
		assert_int_equal(fault.fired, 1);
		fault_set(&fault, FAULT_NONE, 0, false, false);
		assert_int_equal(t->op.result, cases[i].want);
		assert_true(t->op.err.text[0] != '\0');
		assert_int_equal(stats().closed, cases[i].closed);
		/* closed is closed, even though nothing fails any more */
		t = run_one(PLAIN);
		assert_int_equal(t->op.result, cases[i].closed ? LANE_CLOSED : LANE_DONE);
		assert_int_equal(t->execs, cases[i].closed ? 0 : 1);
		assert_int_equal(lane_tend(lane, true), 0);
		verify();
		assert_int_equal(run_one(PLAIN)->op.result, LANE_DONE);
	}
}

/* A failed sync answers the whole batch alike, and is not tried again. */
static void test_failed_sync_of_a_batch(void **state)
{
	struct list batch;
	struct test_op *t[5];

	list_init(&batch);
	for (int i = 0; i < 5; i++)
		t[i] = add_op(&batch, i == 2 ? BREAKING : PLAIN, 100);
	fault_clear(&fault);
	fault_set(&fault, FAULT_FS_SYNC, 1, false, false);
	run(&batch);
	for (int i = 0; i < 5; i++)
		assert_int_equal(t[i]->op.result, LANE_CLOSED);
	assert_int_equal(fault.calls[FAULT_FS_SYNC], 1);
	assert_non_null(strstr(stats().reason.text, "the sync failed"));
	verify();
}

/* When the disk is full only those fail for which there is no space. */
static void test_full_disk_while_appending(void **state)
{
	struct list batch;
	struct test_op *t[4];

	list_init(&batch);
	for (int i = 0; i < 4; i++)
		t[i] = add_op(&batch, PLAIN, 100);
	t[2]->op.nblobs = 0; /* needs no space in the packs */
	t[2]->behaviour = UNDOING;
	fault_set(&fault, FAULT_FS_WRITE, 1, true, true);
	run(&batch);
	for (int i = 0; i < 4; i++)
		assert_int_equal(t[i]->op.result, i == 2 ? LANE_DONE : LANE_FULL);
	verify();
}

static struct blob_upload *new_upload(int64_t id, struct blob_pos *pos_r)
{
	struct blob_upload *u = NULL;

	assert_int_equal(blob_upload_begin(blobs, id, BLOB_PLAIN, &u, &err), BLOB_OK);
	assert_int_equal(blob_upload_write(blobs, u, str_of(ops[id].content, 100), &err), BLOB_OK);
	assert_int_equal(blob_upload_finish(blobs, u, pos_r, &err), BLOB_OK);
	return u;
}

static void test_uploads(void **state)
{
	struct list batch;
	struct test_op *t[4];

	limit_pages();
	list_init(&batch);
	for (int i = 0; i < 4; i++) {
		t[i] = add_op(&batch, i == 3 ? BULKY : PLAIN, 100);
		t[i]->op.nblobs = 0;
		t[i]->op.upload = new_upload(t[i]->id, &t[i]->in.pos);
	}
	run(&batch);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(t[i]->op.result, i == 3 ? LANE_FULL : LANE_DONE);
		blob_upload_free(blobs, &t[i]->op.upload);
	}
	verify();
}

/* Each thing is on the disk before what points to it is written. */
static void test_order_of_syncs(void **state)
{
	struct list batch;
	struct test_op *t;

	run_one(PLAIN);
	fault_clear(&fault);
	run_one(PLAIN);
	assert_string_equal(fault.order, "wsWS");

	/* over the end of a pack: the old one, the new one's head and name, the rest, the log */
	list_init(&batch);
	for (int i = 0; i < 30; i++)
		add_op(&batch, PLAIN, 3000);
	fault_clear(&fault);
	run(&batch);
	assert_string_equal(fault.order, "wsowsdwsWS");

	/* a file of its own: content, name, log */
	t = add_op(&batch, PLAIN, 100);
	t->op.nblobs = 0;
	fault_clear(&fault);
	t->op.upload = new_upload(t->id, &t->in.pos);
	run(&batch);
	blob_upload_free(blobs, &t->op.upload);
	assert_string_equal(fault.order, "owsldWS");
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
		t[i] = add_op(&batch, behaviours[i], 100);
		t[i]->op.nblobs = 0;
		t[i]->op.upload = new_upload(t[i]->id, &t[i]->in.pos);
	}
	run(&batch);
	for (int i = 0; i < 4; i++)
		blob_upload_free(blobs, &t[i]->op.upload);
	verify();
	blob_counts(blobs, &counts);
	assert_int_equal(counts.packs, 3); /* the active one and two of their own */
	assert_int_equal(counts.missing, 0);
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
	t = add_op(&batch, PLAIN, 100);
	t->op.nblobs = 0;
	t->op.upload = new_upload(t->id, &t->in.pos);
	fault_set(&fault, FAULT_DB_SYNC, 1, false, false);
	run(&batch);
	assert_int_equal(t->op.result, LANE_CLOSED);
	blob_upload_free(blobs, &t->op.upload);
	snprintf(name, sizeof name, "packs/%010lld.pack", (long long)t->in.pos.pack);
	assert_int_equal(stat(name, &st), 0);
	verify(); /* the row, if it is there, has its content */
	blob_counts(blobs, &counts);
	assert_int_equal(counts.missing, 0);
}

static void test_checkpoints(void **state)
{
	run_one(PLAIN);
	assert_false(lane_is_clean(lane));
	assert_int_equal(lane_tend(lane, false), 0); /* too little to be worth it */
	assert_int_equal(stats().checkpoints, 0);
	assert_int_equal(lane_tend(lane, true), 0);
	assert_int_equal(stats().checkpoints, 1);
	assert_true(lane_is_clean(lane));
	assert_int_equal(stats().wal_bytes, 0);
	assert_true(stats().wal_max > 0);
	lane_tend(lane, true);
	assert_int_equal(stats().checkpoints, 1); /* nothing to do */

	/* a busy lane does it when the log is large */
	while (stats().wal_bytes < (int64_t)LIMIT_WAL_CHECKPOINT)
		assert_int_equal(run_one(BULKY)->op.result, LANE_DONE);
	lane_tend(lane, false);
	assert_int_equal(stats().checkpoints, 2);
	assert_true(lane_is_clean(lane));

	/* a failing sync of the database closes the lane like any other */
	run_one(PLAIN);
	fault_set(&fault, FAULT_DB_SYNC, 1, false, false);
	lane_tend(lane, true);
	assert_true(stats().closed);
	assert_int_equal(run_one(PLAIN)->op.result, LANE_CLOSED);
	verify();
}

/* Fixed work in which everything happens once; ends early when the lane closes. */
static void scenario(void)
{
	struct list batch;

	list_init(&batch);
	for (int round = 0; round < 6; round++) {
		for (int i = 0; i < 6; i++)
			add_op(&batch, i == 3 ? UNDOING : i == 4 ? BREAKING : PLAIN, 2900);
		run(&batch);
		if (round == 3)
			lane_tend(lane, true);
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
			    db_script(db, "DELETE FROM blob; DELETE FROM domain"), DB_OK);
			next_id = 0;
			fault_set(&fault, FAULT_ANY, n, manner & 1, manner & 2);
			scenario();
			fired = fault.fired > 0;
			closed += stats().closed;
			runs++;
			verify();
			assert_int_equal(run_one(PLAIN)->op.result, LANE_DONE);
			if (!fired)
				break;
		}
	}
	assert_true(runs > 100);
	assert_true(closed > 50);
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
	while (next_id < OPS_MAX - 40) {
		uint64_t r = random_next(&seed);

		for (uint64_t i = 0; i <= r % 30; i++)
			add_op(
			    &batch, behaviours[random_next(&seed) % 6], random_next(&seed) % 3000);
		if (r % 7 == 0)
			fault_set(&fault, FAULT_ANY, (int64_t)(r / 7 % 20) + 1, r % 2, r % 3);
		run(&batch);
		lane_tend(lane, r % 5 == 0);
		if (stats().closed || r % 41 == 0) {
			verify();
			restarts++;
		}
	}
	verify();
	assert_true(restarts > 10);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_one_sync_each_for_a_batch),
	    T(test_without_blobs_nothing_of_them_is_synced),
	    T(test_verdicts_in_one_batch),
	    T(test_full_inside_a_savepoint),
	    T(test_lost_transaction_unnoticed),
	    T(test_room_is_made_for_what_frees),
	    T(test_failures),
	    T(test_failed_sync_of_a_batch),
	    T(test_full_disk_while_appending),
	    T(test_uploads),
	    T(test_order_of_syncs),
	    T(test_spare_uploads_go),
	    T(test_upload_of_a_failed_commit_stays),
	    T(test_checkpoints),
	    T(test_every_call_failing),
	    T(test_random_operations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
