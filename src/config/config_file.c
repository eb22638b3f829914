#include "config/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- reading ---- */
static int check_mode(
    const char *path, const struct stat *st, enum config_file_kind kind, struct err *e)
{
	unsigned mode = st->st_mode & 07777;

	if (!S_ISREG(st->st_mode))
		return err_set(e, "%s is no regular file", path);
	if (kind >= CONFIG_FILE_SECRET && (mode & 0007))
		return err_set(e, "%s can be read by everybody (mode %04o): run chmod 600 %s", path,
		    mode, path);
	if (mode & 0022)
		return err_set(e,
		    "%s can be changed by others than its owner (mode %04o): run chmod "
		    "go-w %s",
		    path, mode, path);
	if (st->st_uid != 0 && st->st_uid != geteuid() &&
	    (geteuid() != 0 || kind >= CONFIG_FILE_OPTIONS))
		return err_set(e, "%s belongs to another user (uid %u): run chown %u %s", path,
		    (unsigned)st->st_uid, (unsigned)geteuid(), path);
	return 0;
}

static int read_all(const char *path, int fd, struct buf *out, struct err *e)
{
	for (;;) {
		size_t room = buf_room(out) < 64 * KIB ? buf_room(out) : 64 * KIB;
		uint8_t probe;
		ssize_t n;

		n = room ? read(fd, buf_reserve(out, room), room) : read(fd, &probe, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "cannot read %s", path);
		if (n == 0)
			return 0;
		if (!room)
			return err_set(e, "%s is too long: at most %zu octets", path, out->max);
		buf_advance(out, (size_t)n);
	}
}

static int explain_open(const char *path, enum config_file_kind kind, int code, struct err *e)
{
	if (code == ENOENT && kind == CONFIG_FILE_CERTIFICATE)
		return err_set(e,
		    "%s does not exist; put the certificate there, or name its file with tls_certificate in "
		    "godwit.conf",
		    path);
	if (code == ENOENT && kind == CONFIG_FILE_SECRET)
		return err_set(e,
		    "%s does not exist; put the certificate's key there, or name its file with tls_key in "
		    "godwit.conf",
		    path);
	if (code == ENOENT && kind == CONFIG_FILE_PASSWORD)
		return err_set(e,
		    "%s does not exist; put the password into that file and let only the user of the store "
		    "read it",
		    path);
	if (code == ENOENT)
		return err_set(e,
		    "%s does not exist; \"godwit init\" makes a data directory with all it needs",
		    path);
	if (code == EACCES)
		return err_set(e,
		    "%s may not be read by this user (uid %u); run this as root or as its owner",
		    path, (unsigned)geteuid());
	return err_sys(e, code, "cannot open %s", path);
}

#define READING (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* fd: what opening it gave. */
static int read_opened(
    int fd, const char *path, enum config_file_kind kind, struct buf *out, struct err *e)
{
	size_t before = out->n;
	struct stat st;
	int rc;

	if (fd < 0)
		return explain_open(path, kind, errno, e);
	if (fstat(fd, &st) < 0)
		rc = err_sys(e, errno, "cannot look at %s", path);
	else
		rc = check_mode(path, &st, kind, e);
	if (rc == 0)
		rc = read_all(path, fd, out, e);
	close(fd);
	if (rc < 0)
		out->n = before;
	return rc;
}

int config_file_read(const char *path, enum config_file_kind kind, struct buf *out, struct err *e)
{
	return read_opened(open(path, READING), path, kind, out, e);
}

int config_file_read_at(int dirfd, const char *name, const char *path, enum config_file_kind kind,
    struct buf *out, struct err *e)
{
	return read_opened(openat(dirfd, name, READING | O_NOFOLLOW), path, kind, out, e);
}

/* ---- writing ---- */
static int write_all(int fd, struct str s)
{
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		s = str_from(s, (size_t)n);
	}
	return fsync(fd);
}

/* The directory entry must last too. */
static int sync_parent(const char *path)
{
	struct buf dir;
	const char *slash = strrchr(path, '/');
	int fd, rc;

	buf_init(&dir, LIMIT_CONFIG_STRING);
	buf_add(&dir, path, slash ? (size_t)(slash - path) : 0);
	if (dir.n == 0)
		buf_c(&dir, slash ? "/" : ".");
	fd = open(buf_cstr(&dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	buf_fini(&dir);
	if (fd < 0)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

/* Never over another file. A file system without hard links is asked whether there is one. */
static int put_in_place(const char *from, const char *to)
{
	if (link(from, to) == 0)
		return unlink(from);
	if (errno != EPERM && errno != EOPNOTSUPP)
		return -1;
	if (access(to, F_OK) < 0)
		return rename(from, to);
	errno = EEXIST;
	return -1;
}

static int fill(
    const char *path, const char *written, int fd, unsigned mode, struct str content, struct err *e)
{
	if (write_all(fd, content) < 0 || fchmod(fd, mode) < 0)
		return err_sys(e, errno, "cannot write %s", path);
	if (put_in_place(written, path) == 0)
		return 0;
	if (errno == EEXIST)
		return err_set(e, "%s is there already; it is left as it is", path);
	return err_sys(e, errno, "cannot create %s", path);
}

/* Under another name until it is whole. */
int config_file_create(const char *path, unsigned mode, struct str content, struct err *e)
{
	struct buf written;
	int fd, rc;

	buf_init(&written, LIMIT_CONFIG_STRING);
	buf_printf(&written, "%s.XXXXXX", path);
	buf_byte(&written, 0);
	fd = mkostemp((char *)written.p, O_CLOEXEC);
	if (fd < 0) {
		rc = err_sys(e, errno, "cannot create %s", path);
	} else {
		rc = fill(path, (const char *)written.p, fd, mode, content, e);
		if (rc < 0)
			unlink((const char *)written.p);
		close(fd);
	}
	if (rc == 0 && sync_parent(path) < 0)
		rc = err_sys(e, errno, "cannot sync the directory of %s", path);
	buf_fini(&written);
	return rc;
}
