#include "cli/cli_below.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"

#define NAME_MAX_ 4096

/* Right in it. */
static int open_part(int dirfd, struct str name, int flags)
{
	struct buf b;
	int fd = -1;

	buf_init(&b, NAME_MAX_);
	buf_str(&b, name);
	if (b.overflow || str_eq(name, STR("..")) || str_find(name, '/') < name.n)
		errno = ENOENT;
	else
		fd = openat(dirfd, buf_cstr(&b), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | flags);
	buf_fini(&b);
	return fd;
}

static void close_keeping_errno(int fd)
{
	int code = errno;

	if (fd >= 0)
		close(fd);
	errno = code;
}

int cli_below_directory(int dirfd, struct str path)
{
	int fd = open_part(dirfd, STR("."), O_DIRECTORY), next;

	while (fd >= 0 && path.n > 0) {
		next = open_part(fd, str_split(path, '/', &path), O_DIRECTORY);
		close_keeping_errno(fd);
		fd = next;
	}
	return fd;
}

/* The same descriptor, or -1 in its place. */
static int only_regular(int fd)
{
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	if (fd >= 0) {
		close(fd);
		errno = ELOOP;
	}
	return -1;
}

int cli_below_file(int dirfd, struct str path)
{
	size_t slash = str_rfind(path, '/');
	struct str above = slash < path.n ? str_sub(path, 0, slash) : STR("");
	int in = cli_below_directory(dirfd, above), fd = -1;

	if (in >= 0)
		fd = open_part(in, str_from(path, above.n ? slash + 1 : 0), O_NONBLOCK | O_NOCTTY);
	fd = only_regular(fd);
	close_keeping_errno(in);
	return fd;
}

const char *cli_below_reason(int code)
{
	return code == ELOOP || code == ENOTDIR || code == ENXIO
		   ? "a link stands there, or what is no file: links are not followed"
		   : err_reason(code);
}
