/* Reads the log piece by piece and writes the same octets back, so that the kernel has to write them. */
#include "store/log_rewrite.h"

#include "base/limits.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>

#define PIECE (64 * KIB)

static int fail_read(struct err *e, const char *name, int code)
{
	err_sys(e, -code,
	    "cannot read the database's log %s; mend the cause and start again, or stop everything that uses"
	    " the database and run `godwit store salvage ADDRESS`",
	    name);
	return code;
}

static int fail_write(struct err *e, const char *name, int code)
{
	err_sys(e, -code,
	    "cannot write the database's log %s to the disk once more, as each start does; mend the cause"
	    " and start again",
	    name);
	return code;
}

static int rewrite_piece(
    struct fsio *fs, int fd, const char *name, struct iovec piece, int64_t at, struct err *e)
{
	int code = fsio_read_all(fs, fd, piece.iov_base, piece.iov_len, at);

	if (code < 0)
		return fail_read(e, name, code);
	code = fsio_write_all(fs, fd, &piece, 1, at);
	return code < 0 ? fail_write(e, name, code) : 0;
}

static int rewrite_all(struct fsio *fs, int fd, const char *name, int64_t size, struct err *e)
{
	uint8_t *octets = mem_alloc(PIECE);
	int code = 0;

	for (int64_t at = 0; at < size && code == 0; at += (int64_t)PIECE) {
		int64_t left = size - at;
		size_t n = left < (int64_t)PIECE ? (size_t)left : PIECE;

		code = rewrite_piece(fs, fd, name, (struct iovec){octets, n}, at, e);
	}
	mem_free(octets);
	if (code < 0)
		return code;
	code = fs->ops->sync(fs, fd);
	if (code == 0)
		code = fs->ops->sync_dir(fs, ".");
	return code < 0 ? fail_write(e, name, code) : 0;
}

int log_rewrite(struct fsio *fs, const char *name, struct err *e)
{
	int fd = fs->ops->open(fs, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	int64_t size;
	int code = 0;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fail_write(e, name, fd);
	size = fs->ops->size(fs, fd);
	if (size < 0)
		code = fail_read(e, name, (int)size);
	else if (size > 0)
		code = rewrite_all(fs, fd, name, size, e);
	fs->ops->close(fs, fd);
	return code;
}
