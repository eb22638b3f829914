/*
 * Opening what is to be imported. The tree may be that of a user who puts links and FIFOs into it while root imports
 * it: each part of a path is opened in the directory before it, and is no link.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "cli/cli_import.h"

static int open_part(int at, struct str name)
{
	struct buf b;
	int fd;

	buf_init(&b, 16 * KIB);
	buf_str(&b, name);
	fd = openat(at, buf_cstr(&b), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	buf_fini(&b);
	return fd;
}

int cli_import_open(int at, const char *below)
{
	struct str rest = str_of_c(below);
	int fd = -1, in = at;

	do {
		fd = open_part(in, str_split(rest, '/', &rest));
		if (in != at)
			close(in);
		in = fd;
	} while (fd >= 0 && rest.n > 0);
	return fd;
}

static int if_file(int fd)
{
	struct stat st;

	if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
		return fd;
	close(fd);
	errno = ENOTSUP;
	return -1;
}

int cli_import_open_file(int at, const char *below)
{
	return if_file(cli_import_open(at, below));
}

int cli_import_open_source(
    const struct cli_import_sources *s, const struct cli_import_source *source)
{
	const char *below = source->below;
	bool mbox = source->kind == CLI_IMPORT_MBOX;

	while (*below == '/')
		below++;
	if (!*below)
		return fcntl(s->top, F_DUPFD_CLOEXEC, 0);
	return mbox ? cli_import_open_file(s->top, below) : cli_import_open(s->top, below);
}

const char *cli_import_why(int code)
{
	return code == ELOOP     ? "it is a link, and links are not followed"
	       : code == ENOTSUP ? "it is no file"
				 : err_reason(code);
}
