/* The database's log at a start: what is believed of it is written again and synced, and not one octet changes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/limits.h"
#include "base/mem.h"
#include "fault.h"
#include "scratch.h"
#include "store/log_rewrite.h"

#define NAME "store.db-wal"
#define MAX  (400 * KIB)
#define PAGE 4096
#define STEP (24 + PAGE) /* of a frame */

static struct fault fault;
static struct fsio_ops recording;
static uint8_t was[MAX];
static bool written[MAX];
static size_t size, live; /* live: up to there it is believed */

static ssize_t record_write(struct fsio *fs, int fd, const struct iovec *iov, int niov, int64_t off)
{
	ssize_t n = fsio_real.write(&fault.real, fd, iov, 1, off);

	for (ssize_t i = 0; i < n; i++)
		written[off + i] = true;
	return n;
}

static size_t read_log(const char *name, uint8_t *to)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, to, MAX);

	MUST(fd >= 0 && n >= 0);
	close(fd);
	return (size_t)n;
}

static void write_log(void)
{
	int fd = open(NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	MUST(fd >= 0 && write(fd, was, size) == (ssize_t)size);
	close(fd);
}

/* As SQLite writes it: with frames of the log before it behind those that count, and an end that is no whole frame. */
static void make_log(void)
{
	static const char script[] =
	    "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;"
	    "CREATE TABLE t (x); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
	    " WHERE i < 60) INSERT INTO t SELECT randomblob(4000) FROM n;"
	    "PRAGMA wal_checkpoint(RESTART); UPDATE t SET x = randomblob(4000) WHERE rowid < 40";
	sqlite3 *db;

	MUST(sqlite3_open("made.db", &db) == SQLITE_OK);
	MUST(sqlite3_exec(db, script, NULL, NULL, NULL) == SQLITE_OK);
	size = read_log("made.db-wal", was);
	MUST(sqlite3_close(db) == SQLITE_OK);
	for (live = 32; memcmp(was + live + 8, was + 16, 8) == 0; live += STEP)
		;
	MUST(live >= 32 + 39 * STEP && live + STEP < size && size + 17 < MAX);
	size += 17;
}

static int setup(void **state)
{
	scratch_enter();
	fault_init(&fault);
	make_log();
	write_log();
	memset(written, 0, sizeof written);
	recording = *fault.fs.ops;
	recording.write = record_write;
	return 0;
}

static int teardown(void **state)
{
	fault_fini(&fault);
	scratch_leave();
	return 0;
}

static void must_be_as_before(void)
{
	static uint8_t is[MAX];

	assert_int_equal(read_log(NAME, is), size);
	assert_memory_equal(is, was, size);
}

/* Up to there, and nothing behind it. */
static void must_be_written(size_t end)
{
	struct err e;

	fault.fs.ops = &recording;
	memset(written, 0, sizeof written);
	assert_int_equal(log_rewrite(&fault.fs, NAME, &e), 0);
	for (size_t i = 0; i < MAX; i++)
		assert_int_equal(written[i], i < end);
	must_be_as_before();
}

static void test_what_counts_is_written(void **state)
{
	must_be_written(live);
}

/* Of a frame, or of the header, one bit: nothing from there on counts, and what counts before it is written. */
static void test_a_bit_is_another(void **state)
{
	static const size_t bits[] = {
	    32 + 3 * STEP + 3, 32 + 3 * STEP + 9, 32 + 3 * STEP + 17, 32 + 3 * STEP + 24 + 4000};

	for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
		was[bits[i]] ^= 4;
		write_log();
		must_be_written(32 + 3 * STEP);
		was[bits[i]] ^= 4;
	}
	for (size_t i = 0; i < 32; i++) {
		was[i] ^= 4;
		write_log();
		must_be_written(0);
		was[i] ^= 4;
	}
}

static void test_order(void **state)
{
	struct err e;

	fault_set(&fault, FAULT_FS_SHORT, 2, false, false);
	assert_int_equal(log_rewrite(&fault.fs, NAME, &e), 0);
	assert_int_equal(fault.fired, 1);
	assert_string_equal(fault.order, "owsd"); /* opened, written, synced, its name synced */
	must_be_as_before();
}

static void test_failures(void **state)
{
	static const struct {
		enum fault_kind kind;
		int64_t n;
		int error;
		const char *want;
	} cases[] = {
	    {FAULT_FS_OPEN, 1, EROFS, "to the disk once more"},
	    {FAULT_FS_READ, 3, EIO, "cannot read the database's log " NAME},
	    {FAULT_FS_WRITE, 1, EIO, "cannot write the database's log " NAME},
	    {FAULT_FS_WRITE, 5, ENOSPC, "to the disk once more"},
	    {FAULT_FS_SYNC, 1, EIO, "to the disk once more"},
	    {FAULT_FS_SYNC_DIR, 1, EIO, "to the disk once more"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct err e = {""};

		fault_set(&fault, cases[i].kind, cases[i].n, false, false);
		fault.error = cases[i].error;
		assert_int_equal(log_rewrite(&fault.fs, NAME, &e), -cases[i].error);
		assert_int_equal(fault.fired, 1);
		assert_non_null(strstr(e.text, cases[i].want));
		assert_non_null(strstr(e.text, "mend the cause and start again"));
		assert_non_null(strstr(e.text, err_reason(cases[i].error)));
		must_be_as_before();
		assert_int_equal(log_rewrite(&fault.fs, NAME, &e), 0);
	}
}

static void test_nothing_to_do(void **state)
{
	struct err e;

	assert_int_equal(truncate(NAME, 0), 0);
	assert_int_equal(log_rewrite(&fault.fs, NAME, &e), 0);
	assert_int_equal(unlink(NAME), 0);
	assert_int_equal(log_rewrite(&fault.fs, NAME, &e), 0);
	assert_string_equal(fault.order, "o");
	assert_int_equal(access(NAME, F_OK), -1);
}

static void test_a_link_is_not_followed(void **state)
{
	struct err e;

	assert_int_equal(rename(NAME, "kept"), 0);
	assert_int_equal(symlink("kept", NAME), 0);
	assert_int_equal(log_rewrite(&fault.fs, NAME, &e), -ELOOP);
	assert_string_equal(fault.order, "o");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_what_counts_is_written),
	    T(test_a_bit_is_another),
	    T(test_order),
	    T(test_failures),
	    T(test_nothing_to_do),
	    T(test_a_link_is_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
