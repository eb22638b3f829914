/* The layer below packs (struct fsio) on memory.c. */
#include "memory_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>

#define FDS     64
#define FD_BASE 1000 /* no real descriptor */

static struct memory_file *fds[FDS];

static struct memory_file *file_of(int fd)
{
	MUST(fd >= FD_BASE && fd < FD_BASE + FDS && fds[fd - FD_BASE]);
	return fds[fd - FD_BASE];
}

static int open_file(struct memory_file *f)
{
	int i = 0;

	while (i < FDS && fds[i])
		i++;
	MUST(i < FDS);
	fds[i] = f;
	memory_open(f);
	return FD_BASE + i;
}

static int fs_open(struct fsio *fs, const char *name, int flags, mode_t mode)
{
	struct memory_file *f = memory_find(name);

	if (!f && !(flags & O_CREAT))
		return -ENOENT;
	if (f && (flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if (!f) {
		f = memory_make();
		memory_name(name, f);
	}
	if (flags & O_TRUNC)
		memory_resize(f, 0);
	return open_file(f);
}

static int fs_open_unnamed(struct fsio *fs, const char *dir, mode_t mode)
{
	return memory_find(dir) ? open_file(memory_make()) : -ENOENT;
}

static int fs_link(struct fsio *fs, int fd, const char *name)
{
	if (memory_find(name))
		return -EEXIST;
	memory_name(name, file_of(fd));
	return 0;
}

static int fs_close(struct fsio *fs, int fd)
{
	memory_close(file_of(fd));
	fds[fd - FD_BASE] = NULL;
	return 0;
}

static ssize_t fs_read(struct fsio *fs, int fd, void *p, size_t n, int64_t off)
{
	return (ssize_t)memory_read(file_of(fd), p, n, (size_t)off);
}

static ssize_t fs_write(struct fsio *fs, int fd, const struct iovec *iov, int niov, int64_t off)
{
	size_t at = (size_t)off;

	for (int i = 0; i < niov; i++) {
		memory_write(file_of(fd), iov[i].iov_base, iov[i].iov_len, at);
		at += iov[i].iov_len;
	}
	return (ssize_t)(at - (size_t)off);
}

static int fs_sync(struct fsio *fs, int fd)
{
	return file_of(fd) ? 0 : -EBADF;
}

static int fs_sync_dir(struct fsio *fs, const char *dir)
{
	return memory_find(dir) || strcmp(dir, ".") == 0 ? 0 : -ENOENT;
}

static int fs_flush(struct fsio *fs, int fd, int64_t off, int64_t n)
{
	return 0;
}

static int fs_allocate(struct fsio *fs, int fd, int64_t off, int64_t n)
{
	if (memory_size(file_of(fd)) < (size_t)(off + n))
		memory_resize(file_of(fd), (size_t)(off + n));
	return 0;
}

static int fs_truncate(struct fsio *fs, int fd, int64_t size)
{
	memory_resize(file_of(fd), (size_t)size);
	return 0;
}

static int64_t fs_size(struct fsio *fs, int fd)
{
	return (int64_t)memory_size(file_of(fd));
}

static int fs_unlink(struct fsio *fs, const char *name)
{
	return memory_unname(name) ? 0 : -ENOENT;
}

static int fs_rename(struct fsio *fs, const char *from, const char *to)
{
	struct memory_file *f = memory_find(from);

	if (!f)
		return -ENOENT;
	memory_name(to, f);
	(void)memory_unname(from);
	return 0;
}

static int fs_make_dir(struct fsio *fs, const char *name, mode_t mode)
{
	struct memory_file *f;

	if (memory_find(name))
		return -EEXIST;
	f = memory_make();
	f->is_dir = true;
	memory_name(name, f);
	return 0;
}

static int64_t fs_free_bytes(struct fsio *fs)
{
	return INT64_C(1) << 40;
}

struct fsio memory_fsio(void)
{
	static const struct fsio_ops ops = {
	    .open = fs_open,
	    .open_unnamed = fs_open_unnamed,
	    .link = fs_link,
	    .close = fs_close,
	    .read = fs_read,
	    .write = fs_write,
	    .sync = fs_sync,
	    .sync_dir = fs_sync_dir,
	    .flush = fs_flush,
	    .allocate = fs_allocate,
	    .truncate = fs_truncate,
	    .size = fs_size,
	    .unlink = fs_unlink,
	    .rename = fs_rename,
	    .make_dir = fs_make_dir,
	    .each = memory_each,
	    .free_bytes = fs_free_bytes,
	};

	return (struct fsio){&ops, -1};
}
