/*
 * The real file operations. Each one is the system call with its error as a negative number; calls
 * that a signal interrupted are made again.
 */
#include "store/fsio.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define RETRY(result, call)                                                                        \
	do {                                                                                       \
		(result) = (call);                                                                 \
	} while ((result) < 0 && errno == EINTR)

static int checked(int result)
{
	return result < 0 ? -errno : result;
}

static int real_open(struct fsio *fs, const char *name, int flags, mode_t mode)
{
	int fd;

	RETRY(fd, openat(fs->dirfd, name, flags | O_CLOEXEC, mode));
	return checked(fd);
}

static int real_open_unnamed(struct fsio *fs, const char *dir, mode_t mode)
{
	return real_open(fs, dir, O_TMPFILE | O_RDWR, mode);
}

/* By way of /proc; where that is not mounted, newer kernels take the descriptor itself. */
static int real_link(struct fsio *fs, int fd, const char *name)
{
	char self[sizeof "/proc/self/fd/" + 3 * sizeof fd];

	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, self, fs->dirfd, name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (errno != ENOENT)
		return -errno;
	return checked(linkat(fd, "", fs->dirfd, name, AT_EMPTY_PATH));
}

static int real_close(struct fsio *fs, int fd)
{
	/* Linux frees the descriptor even when close fails with EINTR. */
	return checked(close(fd));
}

static ssize_t real_read(struct fsio *fs, int fd, void *p, size_t n, int64_t off)
{
	ssize_t got;

	RETRY(got, pread(fd, p, n, off));
	return got < 0 ? -errno : got;
}

static ssize_t real_write(struct fsio *fs, int fd, const struct iovec *iov, int niov, int64_t off)
{
	ssize_t put;

	RETRY(put, pwritev(fd, iov, niov, off));
	return put < 0 ? -errno : put;
}

static int real_sync(struct fsio *fs, int fd)
{
	int result;

	RETRY(result, fdatasync(fd));
	return checked(result);
}

static int real_sync_dir(struct fsio *fs, const char *dir)
{
	int result, fd = real_open(fs, dir, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return fd == -ENOMEM ? -ENOBUFS : fd; /* which fsync never gives */
	RETRY(result, fsync(fd));
	result = checked(result);
	close(fd);
	return result;
}

static int real_flush(struct fsio *fs, int fd, int64_t off, int64_t n)
{
	return checked(sync_file_range(fd, off, n, SYNC_FILE_RANGE_WRITE));
}

static int real_allocate(struct fsio *fs, int fd, int64_t off, int64_t n)
{
	int result;

	RETRY(result, fallocate(fd, 0, off, n));
	return checked(result);
}

static int real_truncate(struct fsio *fs, int fd, int64_t size)
{
	int result;

	RETRY(result, ftruncate(fd, size));
	return checked(result);
}

static int64_t real_size(struct fsio *fs, int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -errno : st.st_size;
}

static int real_unlink(struct fsio *fs, const char *name)
{
	return checked(unlinkat(fs->dirfd, name, 0));
}

static int real_rename(struct fsio *fs, const char *from, const char *to)
{
	return checked(renameat(fs->dirfd, from, fs->dirfd, to));
}

static int real_make_dir(struct fsio *fs, const char *name, mode_t mode)
{
	return checked(mkdirat(fs->dirfd, name, mode));
}

static int real_each(struct fsio *fs, const char *dir, fsio_entry_fn *fn, void *ctx)
{
	int result, fd = real_open(fs, dir, O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (fd < 0)
		return fd;
	if (!d) {
		result = -errno;
		close(fd);
		return result;
	}
	errno = 0; /* only so does readdir tell an error from the end */
	for (struct dirent *entry = readdir(d); entry; errno = 0, entry = readdir(d))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			fn(ctx, entry->d_name);
	result = -errno;
	closedir(d);
	return result;
}

static int64_t real_free_bytes(struct fsio *fs)
{
	struct statvfs v;

	if (fstatvfs(fs->dirfd, &v) < 0)
		return -errno;
	return (int64_t)(v.f_bavail * v.f_frsize);
}

const struct fsio_ops fsio_real = {
    .open = real_open,
    .open_unnamed = real_open_unnamed,
    .link = real_link,
    .close = real_close,
    .read = real_read,
    .write = real_write,
    .sync = real_sync,
    .sync_dir = real_sync_dir,
    .flush = real_flush,
    .allocate = real_allocate,
    .truncate = real_truncate,
    .size = real_size,
    .unlink = real_unlink,
    .rename = real_rename,
    .make_dir = real_make_dir,
    .each = real_each,
    .free_bytes = real_free_bytes,
};

void fsio_init(struct fsio *fs, int dirfd)
{
	*fs = (struct fsio){&fsio_real, dirfd};
}

/* Takes n bytes off the front of the vector. */
static void consume(struct iovec **iov, size_t *niov, size_t n)
{
	while (*niov && n >= (*iov)->iov_len) {
		n -= (*iov)->iov_len;
		++*iov;
		--*niov;
	}
	if (n == 0)
		return;
	BUG_ON(*niov == 0);
	(*iov)->iov_base = (char *)(*iov)->iov_base + n;
	(*iov)->iov_len -= n;
}

int fsio_write_all(struct fsio *fs, int fd, struct iovec *iov, size_t niov, int64_t off)
{
	consume(&iov, &niov, 0);
	while (niov) {
		int count = (int)(niov < IOV_MAX ? niov : IOV_MAX);
		ssize_t put = fs->ops->write(fs, fd, iov, count, off);

		if (put <= 0)
			return put < 0 ? (int)put : -ENOSPC;
		off += put;
		consume(&iov, &niov, (size_t)put);
	}
	return 0;
}

int fsio_read_all(struct fsio *fs, int fd, void *p, size_t n, int64_t off)
{
	uint8_t *to = p;

	while (n) {
		ssize_t got = fs->ops->read(fs, fd, to, n, off);

		if (got <= 0)
			return got < 0 ? (int)got : -ENODATA;
		to += got;
		off += got;
		n -= (size_t)got;
	}
	return 0;
}
