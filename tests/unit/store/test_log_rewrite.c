/* The database's log at a start: all of it is written again and synced, and not one octet changes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "fault.h"
#include "scratch.h"
#include "store/log_rewrite.h"

#define NAME "store.db-wal"
#define SIZE (300 * KIB + 17)

static struct fault fault;
static struct fsio_ops recording;
static uint8_t was[SIZE];
static bool written[SIZE];

static ssize_t record_write(struct fsio *fs, int fd, const struct iovec *iov, int niov, int64_t off)
{
	ssize_t n = fsio_real.write(&fault.real, fd, iov, 1, off);

	for (ssize_t i = 0; i < n; i++)
		written[off + i] = true;
	return n;
}

static int setup(void **state)
{
	int fd;

	scratch_enter();
	fault_init(&fault);
	for (size_t i = 0; i < SIZE; i++)
		was[i] = (uint8_t)(i * 7 + i / 251);
	fd = open(NAME, O_WRONLY | O_CREAT | O_EXCL, 0600);
	MUST(fd >= 0 && write(fd, was, SIZE) == (ssize_t)SIZE);
	close(fd);
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
	static uint8_t is[SIZE + 1];
	int fd = open(NAME, O_RDONLY);

	assert_int_equal(read(fd, is, sizeof is), SIZE);
	close(fd);
	assert_memory_equal(is, was, SIZE);
}

static void test_every_octet_is_written(void **state)
{
	struct err e;

	recording = *fault.fs.ops;
	recording.write = record_write;
	fault.fs.ops = &recording;
	assert_int_equal(log_rewrite(&fault.fs, NAME, &e), 0);
	for (size_t i = 0; i < SIZE; i++)
		assert_true(written[i]);
	must_be_as_before();
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
	    T(test_every_octet_is_written),
	    T(test_order),
	    T(test_failures),
	    T(test_nothing_to_do),
	    T(test_a_link_is_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
