/*
 * A mark is a first line, a line for each name, and a last one. It is written beside the one of before, and put in its
 * place when it is on the disk: whatever a crash leaves of one that is being written, the mark is whole.
 */
#include "cli/cli_restore_mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "cli/cli_write.h"
#include "store/restore.h"

#define FIRST STR("godwit-restore 1\n")
#define LAST  STR("end\n")

static int read_all(int fd, struct buf *b)
{
	ssize_t n = 1;

	while (n > 0) {
		uint8_t *p = buf_reserve(b, 64 * KIB);

		if (!p) {
			errno = EFBIG;
			return -1;
		}
		n = pread(fd, p, 64 * KIB, (off_t)b->n);
		if (n > 0)
			buf_advance(b, (size_t)n);
	}
	return (int)n;
}

/* Between the first and the last line, *s_r; false: it is not whole. */
static bool take_names(struct str s, struct str *s_r)
{
	struct str names, rest;

	if (s.n < FIRST.n + LAST.n || !str_has_prefix(s, FIRST) ||
	    !str_eq(str_from(s, s.n - LAST.n), LAST))
		return false;
	names = rest = str_sub(s, FIRST.n, s.n - FIRST.n - LAST.n);
	while (rest.n > 0)
		if (!cli_manifest_is_name(str_split(rest, '\n', &rest)))
			return false;
	*s_r = names;
	return true;
}

enum cli_restore_mark_code cli_restore_mark_read(int fd, struct buf *names)
{
	enum cli_restore_mark_code code = CLI_RESTORE_MARK_UNREAD;
	struct str found;
	struct buf b;

	buf_init(&b, CLI_RESTORE_MARK_MAX);
	if (read_all(fd, &b) == 0)
		code = b.n == 0 ? CLI_RESTORE_MARK_BEGUN : CLI_RESTORE_MARK_FOREIGN;
	if (code == CLI_RESTORE_MARK_FOREIGN && take_names(buf_view(&b), &found)) {
		code = CLI_RESTORE_MARK_NAMES;
		buf_str(names, found);
	}
	buf_fini(&b);
	return code;
}

bool cli_restore_mark_has(const struct buf *names, struct str name)
{
	struct str rest = buf_view(names);

	while (rest.n > 0)
		if (str_eq(str_split(rest, '\n', &rest), name))
			return true;
	return false;
}

static void put_text(struct buf *b, const struct cli_manifest *m)
{
	buf_str(b, FIRST);
	for (size_t i = 0; i < m->nfiles; i++) {
		buf_str(b, m->file[i].name);
		buf_byte(b, '\n');
	}
	buf_str(b, LAST);
}

/* Locked before it has the name by which others look for it. */
static int put_in_place(int dirfd, int fd, struct str text)
{
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || cli_write_all(fd, text) < 0 || fsync(fd) < 0 ||
	    renameat(dirfd, CLI_RESTORE_MARK_NEW, dirfd, RESTORE_MARK) < 0)
		return -1;
	return fsync(dirfd);
}

int cli_restore_mark_write(int dirfd, const struct cli_manifest *m)
{
	struct buf b;
	int fd = -1;

	buf_init(&b, CLI_RESTORE_MARK_MAX);
	put_text(&b, m);
	errno = EFBIG;
	if (!b.overflow)
		fd = openat(
		    dirfd, CLI_RESTORE_MARK_NEW, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0 && put_in_place(dirfd, fd, buf_view(&b)) < 0) {
		int code = errno;

		close(fd);
		errno = code;
		fd = -1;
	}
	buf_fini(&b);
	return fd;
}
