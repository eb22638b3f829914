/*
 * The file operations of the store, as a table: the real ones here; tests put one that fails at the
 * n-th call, or that records every call, in its place. All names are relative to the data
 * directory. Results are >= 0, or a negative errno value; nothing sets errno. Any thread.
 */
#ifndef STORE_FSIO_H
#define STORE_FSIO_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/str.h"

struct fsio;

/* Called once for each entry of a directory; "." and ".." are left out. */
typedef void fsio_entry_fn(void *ctx, const char *name);

struct fsio_ops {
	/* A descriptor (close-on-exec). flags as for open(2). */
	int (*open)(struct fsio *fs, const char *name, int flags, mode_t mode);
	/* A file without a name in the directory dir, for writing and reading. */
	int (*open_unnamed)(struct fsio *fs, const char *dir, mode_t mode);
	/* Gives such a file a name; -EEXIST when it is taken. Durable after sync_dir. */
	int (*link)(struct fsio *fs, int fd, const char *name);
	int (*close)(struct fsio *fs, int fd);
	/* May transfer less than asked, like the system calls. */
	ssize_t (*read)(struct fsio *fs, int fd, void *p, size_t n, int64_t off);
	ssize_t (*write)(struct fsio *fs, int fd, const struct iovec *iov, int niov, int64_t off);
	/* The bytes of the file, and what is needed to find them, are on stable storage. */
	int (*sync)(struct fsio *fs, int fd);
	/*
	 * The names in a directory are on stable storage. -EMFILE, -ENFILE and, for want of memory, -ENOBUFS:
	 * the directory could not be opened, no sync was tried, and it may be asked for again.
	 */
	int (*sync_dir)(struct fsio *fs, const char *dir);
	/* Starts writing these bytes back; promises nothing. */
	int (*flush)(struct fsio *fs, int fd, int64_t off, int64_t n);
	/* Reserves space and extends the file to hold it. -EOPNOTSUPP where there is no such call. */
	int (*allocate)(struct fsio *fs, int fd, int64_t off, int64_t n);
	int (*truncate)(struct fsio *fs, int fd, int64_t size);
	int64_t (*size)(struct fsio *fs, int fd);
	int (*unlink)(struct fsio *fs, const char *name);
	int (*rename)(struct fsio *fs, const char *from, const char *to);
	int (*make_dir)(struct fsio *fs, const char *name, mode_t mode);
	int (*each)(struct fsio *fs, const char *dir, fsio_entry_fn *fn, void *ctx);
	/* Bytes that an ordinary user may still write. */
	int64_t (*free_bytes)(struct fsio *fs);
};

/* Embedded at the head of each implementation. */
struct fsio {
	const struct fsio_ops *ops;
	int dirfd; /* the data directory; borrowed */
};

/* The real file system below dirfd, which must stay open as long as fs is used. */
void fsio_init(struct fsio *fs, int dirfd);

/* The table of the real one, for implementations that wrap it. */
extern const struct fsio_ops fsio_real;

/*
 * Writes all bytes, however often it takes; 0 or a negative errno (-ENOSPC for a write that makes
 * no progress). How much was written before a failure is unknown. iov is used up.
 */
int fsio_write_all(struct fsio *fs, int fd, struct iovec *iov, size_t niov, int64_t off);

/* Reads exactly n bytes: 0, a negative errno, or -ENODATA when the file ends before. */
int fsio_read_all(struct fsio *fs, int fd, void *p, size_t n, int64_t off);

#endif
