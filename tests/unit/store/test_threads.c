/* The lane's thread and the readers: everything submitted is answered once, by the owner's thread. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fault.h"
#include "scratch.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/lane_thread.h"
#include "store/reader.h"
#include "store/recover.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define SENDERS     4
#define EACH        500
#define PATIENCE_MS 20000 /* only a hang takes so long */

static struct fault fault;
static struct db *db;
static struct blob_store *blobs;
static struct lane_thread *lane;
static struct reader_pool *readers;
static struct err err;
static int wake_fd;
static pthread_t owner;

static void wake(void *ctx)
{
	MUST(eventfd_write(*(int *)ctx, 1) == 0);
}

static int64_t throttle_at; /* of the next lane */

static void start_lane(void)
{
	struct pack_config packs = {&fault.fs, "packs", 16 * 1024};
	struct lane_thread_config config = {.wake = wake, .wake_ctx = &wake_fd};

	db = scratch_db();
	assert_int_equal(recover_packs(db, &packs, &blobs, &config.lane.sequence, &err), DB_OK);
	config.lane.db = db;
	config.lane.blobs = blobs;
	config.lane.throttle_at = throttle_at;
	lane = lane_thread_new(&config, &err);
	assert_non_null(lane);
}

static int setup(void **state)
{
	struct reader_pool_config config = {
	    .db_name = "store.db", .threads = 3, .wake = wake, .wake_ctx = &wake_fd};

	scratch_enter();
	mkdir("packs", 0700);
	fault_init(&fault);
	owner = pthread_self();
	wake_fd = eventfd(0, EFD_CLOEXEC);
	start_lane();
	readers = reader_pool_new(&config, &err);
	assert_non_null(readers);
	return 0;
}

static int teardown(void **state)
{
	reader_pool_stop(&readers);
	lane_thread_stop(&lane);
	blob_store_free(&blobs);
	db_close(&db);
	close(wake_fd);
	fault_fini(&fault);
	scratch_leave();
	return 0;
}

/* The owner's loop: sleeps until woken, takes what is finished, until the count is reached. */
static void loop_until(const int *count, int want)
{
	while (*count < want) {
		struct pollfd p = {.fd = wake_fd, .events = POLLIN};
		eventfd_t n;

		if (poll(&p, 1, PATIENCE_MS) != 1)
			fail_msg("nobody wakes the owner: %d of %d are finished", *count, want);
		assert_int_equal(eventfd_read(wake_fd, &n), 0);
		lane_thread_reap(lane);
		reader_pool_reap(readers);
	}
}

/* ---- writing ---- */

struct write_op {
	struct lane_op op;
	int64_t id;
	struct blob_in in;
	struct iovec iov;
	int dones;
};

static int written;
static struct write_op writes[SENDERS][EACH];

static enum lane_exec exec(struct lane_op *op, struct db *d, int64_t now)
{
	struct write_op *w = (struct write_op *)(void *)op;

	if (now <= 0)
		return LANE_BROKEN;
	return db_exec(d, SQL_BLOB_ADD,
		   DB_ARGS(db_int(w->id), db_int(w->in.pos.pack), db_int(w->in.pos.offset),
		       db_int(w->in.pos.length), db_int(1)),
		   NULL) == DB_OK
		   ? LANE_KEEP
		   : LANE_BROKEN;
}

static void write_done(struct lane_op *op)
{
	struct write_op *w = (struct write_op *)(void *)op;

	assert_true(pthread_equal(pthread_self(), owner));
	w->dones++;
	written++;
}

static void *send_writes(void *arg)
{
	struct write_op *v = arg;

	for (int i = 0; i < EACH; i++)
		lane_thread_submit(lane, &v[i].op);
	return NULL;
}

static void prepare_writes(void)
{
	memset(writes, 0, sizeof writes);
	written = 0;
	for (int s = 0; s < SENDERS; s++) {
		for (int i = 0; i < EACH; i++) {
			struct write_op *w = &writes[s][i];

			w->id = s * EACH + i;
			w->iov = (struct iovec){&w->id, sizeof w->id};
			w->in = (struct blob_in){.id = w->id, .iov = &w->iov, .niov = 1};
			w->op = (struct lane_op){
			    .exec = exec, .done = write_done, .blobs = &w->in, .nblobs = 1};
		}
	}
}

static void check_writes(void)
{
	for (int s = 0; s < SENDERS; s++) {
		for (int i = 0; i < EACH; i++) {
			struct write_op *w = &writes[s][i];
			int64_t got = -1;

			assert_int_equal(w->dones, 1);
			assert_int_equal(w->op.result, LANE_DONE);
			assert_int_equal(
			    blob_get(blobs, w->id, w->in.pos, &got, sizeof got, &err), BLOB_OK);
			assert_int_equal(got, w->id);
		}
	}
}

static void test_many_senders(void **state)
{
	pthread_t threads[SENDERS];
	struct lane_stats stats;

	prepare_writes();
	for (int s = 0; s < SENDERS; s++)
		assert_int_equal(pthread_create(&threads[s], NULL, send_writes, writes[s]), 0);
	loop_until(&written, SENDERS * EACH);
	for (int s = 0; s < SENDERS; s++)
		pthread_join(threads[s], NULL);
	check_writes();
	lane_thread_stats(lane, &stats);
	assert_int_equal(stats.ops, SENDERS * EACH);
	assert_int_equal(stats.failed, 0);
	assert_true(stats.batch_max <= LIMIT_LANE_BATCH);
	assert_int_equal(stats.commits, stats.blob_syncs);
}

static void test_stop_finishes_what_was_submitted(void **state)
{
	prepare_writes();
	for (int s = 0; s < SENDERS; s++)
		send_writes(writes[s]);
	lane_thread_stop(&lane);
	assert_null(lane);
	assert_int_equal(written, SENDERS * EACH);
	check_writes();
	assert_int_equal(db_wal_bytes(db), 0); /* and leaves a clean log */
}

/* Large messages share a commit too, but not so many that the others wait long. */
static void test_batches_are_bounded_in_bytes(void **state)
{
	static uint8_t content[MIB];
	struct lane_stats stats;

	prepare_writes();
	for (int i = 0; i < 60; i++) {
		writes[0][i].iov = (struct iovec){content, sizeof content};
		lane_thread_submit(lane, &writes[0][i].op);
	}
	loop_until(&written, 60);
	lane_thread_stats(lane, &stats);
	assert_true(stats.batch_max <= (int64_t)(LIMIT_LANE_BYTES / sizeof content));
}

/* Over its limit each batch waits, also when the next is there at once; twice the limit: 160 ms or more. */
static void test_a_large_log_throttles(void **state)
{
	struct db *reader = NULL;
	struct lane_stats stats = {0};
	int64_t value, begun;
	int n = 0;

	lane_thread_stop(&lane);
	blob_store_free(&blobs);
	db_close(&db);
	throttle_at = 64 * 1024;
	start_lane();
	assert_int_equal(db_open("store.db", DB_READER, &reader, &err), DB_OK);
	assert_int_equal(db_begin(reader), DB_OK);
	assert_int_equal(db_get_int(reader, SQL_PACK_LIST, DB_NO_ARGS, &value), DB_ROW);
	prepare_writes();
	while (stats.wal_bytes < 2 * throttle_at) {
		lane_thread_submit(lane, &writes[0][n++].op);
		loop_until(&written, n);
		lane_thread_stats(lane, &stats);
	}
	begun = clock_mono();
	lane_thread_submit(lane, &writes[0][n++].op);
	loop_until(&written, n);
	assert_true(clock_mono() - begun >= 150);
	throttle_at = 0;
	db_rollback(reader);
	db_close(&reader);
}

static void test_failed_sync_in_the_thread(void **state)
{
	struct lane_stats stats;

	prepare_writes();
	fault_set(&fault, FAULT_FS_SYNC, 1, false, false);
	lane_thread_submit(lane, &writes[0][0].op);
	loop_until(&written, 1);
	assert_int_equal(writes[0][0].op.result, LANE_CLOSED);
	assert_non_null(strstr(writes[0][0].op.err.text, "sync"));
	lane_thread_submit(lane, &writes[0][1].op);
	loop_until(&written, 2);
	assert_int_equal(writes[0][1].op.result, LANE_CLOSED);
	lane_thread_stats(lane, &stats);
	assert_true(stats.closed);
}

/* ---- reading ---- */

struct read_op {
	struct reader_op op;
	enum db_code say;
	int64_t value;
	enum db_code found;
	int dones;
};

static int reads;

static enum db_code run_read(struct reader_op *op, struct db *d)
{
	struct read_op *r = (struct read_op *)(void *)op;

	MUST(db_in_transaction(d)); /* cmocka's own assertions are for the main thread */
	r->found = db_get_int(d, SQL_PACK_LIST, DB_NO_ARGS, &r->value);
	if (r->say == DB_CONSTRAINT) /* provoke a real failure */
		return db_exec(d, SQL_PACK_DELETE, DB_ARGS(db_int(1)), NULL);
	if (r->say == DB_ERROR)
		err_set(&op->err, "my own story");
	return r->say;
}

static void read_done(struct reader_op *op)
{
	assert_true(pthread_equal(pthread_self(), owner));
	((struct read_op *)(void *)op)->dones++;
	reads++;
}

static void test_readers(void **state)
{
	enum {
		N = 1000
	};
	static struct read_op ops[N];
	struct reader_stats stats;

	memset(ops, 0, sizeof ops);
	reads = 0;
	for (int i = 0; i < N; i++) {
		ops[i].op.run = run_read;
		ops[i].op.done = read_done;
		reader_pool_submit(readers, &ops[i].op);
	}
	loop_until(&reads, N);
	for (int i = 0; i < N; i++) {
		assert_int_equal(ops[i].dones, 1);
		assert_int_equal(ops[i].op.result, DB_OK);
		assert_int_equal(ops[i].found, DB_ROW);
		assert_int_equal(ops[i].value, 1);
	}
	reader_pool_stats(readers, &stats);
	assert_int_equal(stats.ops, N);
	assert_int_equal(stats.waiting, 0);
}

struct blob_op {
	struct reader_op op;
	const struct write_op *what;
};

static enum db_code run_blob(struct reader_op *op, struct db *d)
{
	const struct write_op *w = ((struct blob_op *)(void *)op)->what;
	int64_t got = -1;

	if (blob_get(blobs, w->id, w->in.pos, &got, sizeof got, &op->err) != BLOB_OK)
		return DB_CORRUPT;
	return got == w->id ? DB_OK : DB_CORRUPT;
}

static void blob_done(struct reader_op *op)
{
	reads++;
}

/* Blobs are read while others are appended and packs are begun. */
static void test_reading_while_writing(void **state)
{
	static struct blob_op ops[EACH];
	struct blob_counts counts;

	prepare_writes();
	reads = 0;
	send_writes(writes[0]);
	loop_until(&written, EACH);
	for (int i = 0; i < EACH; i++) {
		ops[i] = (struct blob_op){
		    .op = {.run = run_blob, .done = blob_done}, .what = &writes[0][i]};
		reader_pool_submit(readers, &ops[i].op);
		lane_thread_submit(lane, &writes[1][i].op);
		lane_thread_submit(lane, &writes[2][i].op);
	}
	loop_until(&reads, EACH);
	loop_until(&written, 3 * EACH);
	for (int i = 0; i < EACH; i++)
		assert_int_equal(ops[i].op.result, DB_OK);
	blob_counts(blobs, &counts);
	assert_int_equal(counts.pinned, 0);
	assert_int_equal(counts.damaged, 0);
	assert_true(counts.packs > 1);
}

static void test_reader_failures(void **state)
{
	struct read_op own = {.op = {.run = run_read, .done = read_done}, .say = DB_ERROR};
	struct read_op real = {.op = {.run = run_read, .done = read_done}, .say = DB_CONSTRAINT};

	reads = 0;
	reader_pool_submit(readers, &own.op);
	reader_pool_submit(readers, &real.op);
	loop_until(&reads, 2);
	assert_int_equal(own.op.result, DB_ERROR);
	assert_string_equal(own.op.err.text, "my own story");
	assert_int_equal(real.op.result, DB_IO); /* readers are read-only */
	assert_non_null(strstr(real.op.err.text, "PACK_DELETE"));
}

static void test_reader_stop_finishes_what_was_submitted(void **state)
{
	static struct read_op ops[200];

	memset(ops, 0, sizeof ops);
	reads = 0;
	for (int i = 0; i < 200; i++) {
		ops[i].op.run = run_read;
		ops[i].op.done = read_done;
		reader_pool_submit(readers, &ops[i].op);
	}
	reader_pool_stop(&readers);
	assert_null(readers);
	assert_int_equal(reads, 200);
}

static void test_pool_without_database(void **state)
{
	struct reader_pool_config config = {
	    .db_name = "none.db", .threads = 2, .wake = wake, .wake_ctx = &wake_fd};

	assert_null(reader_pool_new(&config, &err));
	assert_non_null(strstr(err.text, "none.db"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_many_senders),
	    T(test_stop_finishes_what_was_submitted),
	    T(test_batches_are_bounded_in_bytes),
	    T(test_a_large_log_throttles),
	    T(test_failed_sync_in_the_thread),
	    T(test_readers),
	    T(test_reading_while_writing),
	    T(test_reader_failures),
	    T(test_reader_stop_finishes_what_was_submitted),
	    T(test_pool_without_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
