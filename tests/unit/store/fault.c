#include "fault.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* any thread may come by */

static const char letters[FAULT_KINDS] = {
    [FAULT_FS_OPEN] = 'o',
    [FAULT_FS_WRITE] = 'w',
    [FAULT_FS_SYNC] = 's',
    [FAULT_FS_SYNC_DIR] = 'd',
    [FAULT_FS_LINK] = 'l',
    [FAULT_DB_WRITE] = 'W',
    [FAULT_DB_SYNC] = 'S',
};

int64_t fault_step(int64_t step)
{
	return getenv("EVERY_FAULT") ? 1 : step;
}

static void note(struct fault *f, enum fault_kind kind)
{
	size_t n = strlen(f->order);
	char letter = letters[kind];

	if (letter && n + 1 < sizeof f->order && (n == 0 || f->order[n - 1] != letter))
		f->order[n] = letter; /* the rest of the array is zero */
}

/* Reads and short writes are not among "any". */
static bool count_call(struct fault *f, enum fault_kind kind)
{
	bool meant = f->kind == kind || (f->kind == FAULT_ANY && kind != FAULT_FS_READ &&
					    kind != FAULT_DB_READ && kind != FAULT_FS_SHORT);

	f->calls[kind]++;
	note(f, kind);
	if (!meant)
		return false;
	f->seen++;
	if (f->seen != f->at && !(f->lasting && f->seen > f->at))
		return false;
	f->fired++;
	return true;
}

/* Does this call fail? */
static bool strikes(struct fault *f, enum fault_kind kind)
{
	bool result;

	pthread_mutex_lock(&lock);
	result = count_call(f, kind);
	pthread_mutex_unlock(&lock);
	return result;
}

static int error_of(const struct fault *f)
{
	if (f->error)
		return -f->error;
	return f->full ? -ENOSPC : -EIO;
}

static struct fault *fault_of(struct fsio *fs)
{
	return (struct fault *)(void *)fs;
}

#define STRIKE(fs, kind)                                                                           \
	do {                                                                                       \
		if (strikes(fault_of(fs), (kind)))                                                 \
			return error_of(fault_of(fs));                                             \
	} while (0)

static int fault_open(struct fsio *fs, const char *name, int flags, mode_t mode)
{
	STRIKE(fs, FAULT_FS_OPEN);
	return fsio_real.open(&fault_of(fs)->real, name, flags, mode);
}

static int fault_open_unnamed(struct fsio *fs, const char *dir, mode_t mode)
{
	STRIKE(fs, FAULT_FS_OPEN);
	return fsio_real.open_unnamed(&fault_of(fs)->real, dir, mode);
}

static int fault_link(struct fsio *fs, int fd, const char *name)
{
	STRIKE(fs, FAULT_FS_LINK);
	return fsio_real.link(&fault_of(fs)->real, fd, name);
}

static bool is_bad(const struct fault *f, int fd, size_t n, int64_t off)
{
	struct stat st;

	return f->bad_file && off < f->bad_to && off + (int64_t)n > f->bad_from &&
	       fstat(fd, &st) == 0 && (uint64_t)st.st_ino == f->bad_file;
}

static ssize_t fault_read(struct fsio *fs, int fd, void *p, size_t n, int64_t off)
{
	struct fault *f = fault_of(fs);

	STRIKE(fs, FAULT_FS_READ);
	if (is_bad(f, fd, n, off))
		return f->bad_error;
	return fsio_real.read(&fault_of(fs)->real, fd, p, n, off);
}

/* A failing write leaves half of its first piece behind, as a torn one does. */
static ssize_t fault_write(struct fsio *fs, int fd, const struct iovec *iov, int niov, int64_t off)
{
	struct fault *f = fault_of(fs);
	struct iovec half = {iov[0].iov_base, (iov[0].iov_len + 1) / 2};

	if (strikes(f, FAULT_FS_SHORT))
		return fsio_real.write(&f->real, fd, &half, 1, off);
	if (!strikes(f, FAULT_FS_WRITE))
		return fsio_real.write(&f->real, fd, iov, niov, off);
	(void)fsio_real.write(&f->real, fd, &half, 1, off);
	return error_of(f);
}

static int fault_sync(struct fsio *fs, int fd)
{
	STRIKE(fs, FAULT_FS_SYNC);
	return 0; /* the tests crash no machine: saves their time */
}

static int fault_sync_dir(struct fsio *fs, const char *dir)
{
	STRIKE(fs, FAULT_FS_SYNC_DIR);
	return 0;
}

static int fault_allocate(struct fsio *fs, int fd, int64_t off, int64_t n)
{
	STRIKE(fs, FAULT_FS_ALLOCATE);
	return fsio_real.allocate(&fault_of(fs)->real, fd, off, n);
}

static int fault_truncate(struct fsio *fs, int fd, int64_t size)
{
	STRIKE(fs, FAULT_FS_TRUNCATE);
	return fsio_real.truncate(&fault_of(fs)->real, fd, size);
}

static int fault_unlink(struct fsio *fs, const char *name)
{
	STRIKE(fs, FAULT_FS_UNLINK);
	return fsio_real.unlink(&fault_of(fs)->real, name);
}

static int hook(void *ctx, const struct db_io *io)
{
	static const enum fault_kind kinds[DB_IO_KINDS] = {
	    [DB_IO_OPEN] = FAULT_DB_OPEN,
	    [DB_IO_READ] = FAULT_DB_READ,
	    [DB_IO_TRUNCATE] = FAULT_DB_TRUNCATE,
	    [DB_IO_WRITE] = FAULT_DB_WRITE,
	    [DB_IO_SYNC] = FAULT_DB_SYNC,
	    [DB_IO_SHM] = FAULT_DB_SHM,
	};
	static const int errors[DB_IO_KINDS] = {
	    [DB_IO_OPEN] = SQLITE_CANTOPEN,
	    [DB_IO_READ] = SQLITE_IOERR_READ,
	    [DB_IO_TRUNCATE] = SQLITE_IOERR_TRUNCATE,
	    [DB_IO_WRITE] = SQLITE_IOERR_WRITE,
	    [DB_IO_SYNC] = SQLITE_IOERR_FSYNC,
	    [DB_IO_SHM] = SQLITE_IOERR_SHMSIZE,
	};
	struct fault *f = ctx;

	if (kinds[io->kind] == FAULT_NONE || !strikes(f, kinds[io->kind]))
		return SQLITE_OK;
	errno = -error_of(f);
	return f->full && io->kind == DB_IO_WRITE ? SQLITE_FULL : errors[io->kind];
}

void fault_init(struct fault *f)
{
	static struct fsio_ops ops;
	int dirfd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	MUST(dirfd >= 0);
	ops = fsio_real;
	ops.open = fault_open;
	ops.open_unnamed = fault_open_unnamed;
	ops.link = fault_link;
	ops.read = fault_read;
	ops.write = fault_write;
	ops.sync = fault_sync;
	ops.sync_dir = fault_sync_dir;
	ops.allocate = fault_allocate;
	ops.truncate = fault_truncate;
	ops.unlink = fault_unlink;
	*f = (struct fault){.fs = {&ops, dirfd}};
	fsio_init(&f->real, dirfd);
	db_vfs_hook(hook, f);
}

void fault_set(struct fault *f, enum fault_kind kind, int64_t n, bool lasting, bool full)
{
	f->kind = kind;
	f->at = n;
	f->lasting = lasting;
	f->full = full;
	f->error = 0;
	f->seen = f->fired = 0;
}

void fault_clear(struct fault *f)
{
	memset(f->calls, 0, sizeof f->calls);
	memset(f->order, 0, sizeof f->order);
}

void fault_block(struct fault *f, const char *name, int64_t octet, int error)
{
	struct stat st;

	MUST(stat(name, &st) == 0);
	f->bad_file = (uint64_t)st.st_ino;
	f->bad_from = octet - octet % 4096;
	f->bad_to = f->bad_from + 4096;
	f->bad_error = error;
}

void fault_fini(struct fault *f)
{
	db_vfs_hook(NULL, NULL);
	close(f->fs.dirfd);
}
