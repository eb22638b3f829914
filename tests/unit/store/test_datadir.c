/* The data directory: who gets in, one at a time, and whether there is room. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "scratch.h"
#include "base/mem.h"
#include "store/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char home[300]; /* absolute path of the data directory under test */
static struct err err;

static int setup(void **state)
{
	snprintf(home, sizeof home, "%s/data", scratch_enter());
	return 0;
}

static int teardown(void **state)
{
	scratch_leave();
	return 0;
}

static unsigned mode_of(const char *name)
{
	struct stat st;

	return stat(name, &st) < 0 ? 0 : st.st_mode & 07777u;
}

static void test_create(void **state)
{
	char name[400];

	for (int again = 0; again < 2; again++) {
		assert_int_equal(datadir_create(home, &err), DATADIR_OK);
		assert_int_equal(mode_of(home), 0711);
		snprintf(name, sizeof name, "%s/run", home);
		assert_int_equal(mode_of(name), 0755);
		snprintf(name, sizeof name, "%s/lock", home);
		assert_int_equal(mode_of(name), 0600);
	}
	/* whatever the umask */
	snprintf(name, sizeof name, "%s/run", home);
	assert_int_equal(rmdir(name), 0);
	umask(077);
	assert_int_equal(datadir_create(home, &err), DATADIR_OK);
	assert_int_equal(umask(022), 077);
	assert_int_equal(mode_of(name), 0755);
	/* an empty one that somebody made */
	snprintf(name, sizeof name, "%s-2", home);
	mkdir(name, 0755);
	assert_int_equal(datadir_create(name, &err), DATADIR_OK);
	assert_int_equal(mode_of(name), 0711);
}

static void test_create_refuses(void **state)
{
	char name[400];

	mkdir(home, 0700);
	snprintf(name, sizeof name, "%s/letter.txt", home);
	close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(datadir_create(home, &err), DATADIR_FOREIGN);
	assert_non_null(strstr(err.text, "no data directory"));
	assert_int_equal(datadir_create(name, &err), DATADIR_MISSING); /* a file */
	snprintf(name, sizeof name, "%s/no/such", home);
	assert_int_equal(datadir_create(name, &err), DATADIR_FAILED);
	/* others have files of that name too */
	snprintf(name, sizeof name, "%s/" DATADIR_LOCK, home);
	close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(datadir_create(home, &err), DATADIR_FOREIGN);
	assert_int_equal(mode_of(home), 0700);
}

/* A file system of its own, and what an interruption leaves. */
static void test_create_beside(void **state)
{
	static const char *const names[] = {"lost+found", "tls", "godwit.conf.abcdef"};
	char name[400];

	mkdir(home, 0700);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(name, sizeof name, "%s/%s", home, names[i]);
		assert_int_equal(mkdir(name, 0700), 0);
		assert_int_equal(datadir_create(home, &err), DATADIR_OK);
	}
}

static void test_open_refuses(void **state)
{
	struct datadir d = {.dirfd = -7};
	char name[400];

	snprintf(name, sizeof name, "%s/" DATADIR_LOCK, home);
	assert_int_equal(datadir_open(home, home, getpid(), &d, &err), DATADIR_MISSING);
	mkdir(home, 0700);
	assert_int_equal(datadir_open(home, home, getpid(), &d, &err), DATADIR_FOREIGN);
	assert_non_null(strstr(err.text, "godwit init"));
	assert_int_equal(
	    symlink(DATADIR_LOCK, name), 0); /* leads in a circle: no matter of names or rights */
	assert_int_equal(datadir_open(home, home, getpid(), &d, &err), DATADIR_FAILED);
	assert_non_null(strstr(err.text, strerror(ELOOP)));
	assert_int_equal(d.dirfd, -7);
}

/* What a second process gets, as its exit status. */
static int open_elsewhere(void)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		struct datadir d;
		char self[32];

		snprintf(self, sizeof self, "process %d", (int)getppid());
		if (datadir_open(home, home, getpid(), &d, &err) == DATADIR_OK)
			_exit(0);
		_exit(strstr(err.text, self) ? 1 : 2);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_one_at_a_time(void **state)
{
	struct datadir d;
	char where[300];

	assert_int_equal(datadir_create(home, &err), DATADIR_OK);
	assert_int_equal(datadir_open(home, home, getpid(), &d, &err), DATADIR_OK);
	assert_string_equal(getcwd(where, sizeof where), home);
	assert_int_equal(open_elsewhere(), 1);
	datadir_close(&d);
	assert_int_equal(open_elsewhere(), 0);
	/* the process that is named need not be the one that has the lock */
	assert_int_equal(datadir_open(home, home, 1, &d, &err), DATADIR_OK);
	assert_int_equal(open_elsewhere(), 2);
	datadir_close(&d);
	/* the lock goes with the process, however it ends */
	assert_int_equal(datadir_open(home, home, getpid(), &d, &err), DATADIR_OK);
	datadir_close(&d);
}

static int64_t pretended; /* free bytes */

static int64_t pretend_free(struct fsio *fs)
{
	return pretended;
}

static void test_room(void **state)
{
	const int64_t min = 10 * (int64_t)MIB, reserve = (int64_t)LIMIT_RESERVE;
	struct fsio_ops ops = fsio_real;
	struct datadir d;

	assert_int_equal(datadir_create(home, &err), DATADIR_OK);
	assert_int_equal(datadir_open(home, home, getpid(), &d, &err), DATADIR_OK);
	assert_int_equal(d.reserve, RESERVE_HELD);
	assert_true(datadir_free_bytes(&d) > 0);
	ops.free_bytes = pretend_free;
	d.fs.ops = &ops;
	pretended = min;
	assert_int_equal(datadir_room(&d, min), DATADIR_ACCEPTING);
	pretended = min - 1;
	assert_int_equal(datadir_room(&d, min), DATADIR_FULL);
	assert_true(datadir_release_reserve(&d));
	assert_int_equal(access("reserve", F_OK), -1);
	assert_false(datadir_release_reserve(&d));
	/* what the reserve left free is not for new mail */
	pretended = min + reserve - 1;
	assert_int_equal(datadir_room(&d, min), DATADIR_FULL);
	pretended = min + 2 * reserve;
	assert_int_equal(datadir_room(&d, min), DATADIR_ACCEPTING);
	assert_int_equal(d.reserve, RESERVE_HELD);
	assert_int_equal(access("reserve", F_OK), 0);
	pretended = -EIO;
	assert_int_equal(datadir_free_bytes(&d), -1);
	assert_int_equal(datadir_room(&d, min), DATADIR_FULL);
	datadir_close(&d);
}

static void test_small_disk_goes_without_reserve(void **state)
{
	struct fsio_ops ops = fsio_real;
	struct datadir d;

	assert_int_equal(datadir_create(home, &err), DATADIR_OK);
	assert_int_equal(datadir_open(home, home, getpid(), &d, &err), DATADIR_OK);
	unlink("reserve");
	d.reserve = RESERVE_NONE;
	ops.free_bytes = pretend_free;
	d.fs.ops = &ops;
	pretended = (int64_t)LIMIT_RESERVE + (int64_t)LIMIT_RESERVE / 2;
	assert_int_equal(datadir_room(&d, 1000), DATADIR_ACCEPTING);
	assert_int_equal(d.reserve, RESERVE_NONE);
	assert_false(datadir_release_reserve(&d));
	datadir_close(&d);
}

static void count_entry(void *ctx, const char *name)
{
	++*(int *)ctx;
}

static void test_file_operations(void **state)
{
	int dirfd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd, n = 0;
	struct iovec iov[3] = {{(char[]){"ab"}, 2}, {NULL, 0}, {(char[]){"cde"}, 3}};
	char got[8] = "";
	struct fsio fs;

	fsio_init(&fs, dirfd);
	assert_int_equal(fs.ops->open(&fs, "none", O_RDONLY, 0), -ENOENT);
	fd = fs.ops->open_unnamed(&fs, ".", 0600);
	assert_true(fd >= 0);
	assert_int_equal(fsio_write_all(&fs, fd, iov, 3, 10), 0);
	assert_int_equal(fs.ops->size(&fs, fd), 15);
	assert_int_equal(fs.ops->link(&fs, fd, "named"), 0);
	assert_int_equal(fs.ops->link(&fs, fd, "named"), -EEXIST);
	assert_int_equal(fsio_read_all(&fs, fd, got, 5, 10), 0);
	assert_string_equal(got, "abcde");
	assert_int_equal(fsio_read_all(&fs, fd, got, 6, 10), -ENODATA);
	assert_int_equal(fs.ops->sync(&fs, fd), 0);
	assert_int_equal(fs.ops->sync_dir(&fs, "."), 0);
	assert_int_equal(fs.ops->allocate(&fs, fd, 0, 100), 0);
	assert_int_equal(fs.ops->size(&fs, fd), 100);
	assert_int_equal(fs.ops->truncate(&fs, fd, 5), 0);
	assert_int_equal(fs.ops->rename(&fs, "named", "other"), 0);
	assert_int_equal(fs.ops->each(&fs, ".", count_entry, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(fs.ops->each(&fs, "none", count_entry, &n), -ENOENT);
	assert_int_equal(fs.ops->unlink(&fs, "other"), 0);
	assert_int_equal(fs.ops->close(&fs, fd), 0);
	close(dirfd);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_file_operations),
	    T(test_create),
	    T(test_create_refuses),
	    T(test_create_beside),
	    T(test_open_refuses),
	    T(test_one_at_a_time),
	    T(test_room),
	    T(test_small_disk_goes_without_reserve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
