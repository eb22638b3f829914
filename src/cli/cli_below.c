#include "cli/cli_below.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"

#define PART_MAX 4096

/* Right in it. */
static int open_part(int dirfd, struct str name)
{
	struct buf b;
	int fd = -1;

	buf_init(&b, PART_MAX);
	buf_str(&b, name);
	if (b.overflow || str_eq(name, STR("..")))
		errno = ENOENT;
	else
		fd = openat(
		    dirfd, buf_cstr(&b), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	buf_fini(&b);
	return fd;
}

static void close_keeping_errno(int fd)
{
	int code = errno;

	close(fd);
	errno = code;
}

int cli_below_open(int dirfd, struct str path)
{
	int in = dirfd, fd;

	do {
		fd = open_part(in, path.n ? str_split(path, '/', &path) : STR("."));
		if (in != dirfd)
			close_keeping_errno(in);
		in = fd;
	} while (fd >= 0 && path.n > 0);
	return fd;
}

/* The same descriptor, or -1 with this errno in its place. */
static int only(int fd, mode_t kind, int code)
{
	struct stat st;

	if (fd < 0 || (fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == kind))
		return fd;
	close(fd);
	errno = code;
	return -1;
}

int cli_below_directory(int dirfd, struct str path)
{
	return only(cli_below_open(dirfd, path), S_IFDIR, ENOTDIR);
}

int cli_below_file(int dirfd, struct str path)
{
	return only(cli_below_open(dirfd, path), S_IFREG, ENOTSUP);
}

const char *cli_below_reason(int code)
{
	switch (code) {
	case ELOOP:
		return "it is a link, and links are not followed";
	case ENOTSUP:
	case ENXIO:
		return "it is no file";
	default:
		return err_reason(code);
	}
}
