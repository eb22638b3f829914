/*
 * Loaded with LD_PRELOAD: passes each call that changes files on to the C library and, when the file
 * lies below the directory of the environment, appends it to the recording. It keeps no table of
 * descriptors but asks the kernel each time, so dup, fork and exec are no matter. What it cannot see:
 * writes through mmap. For stdio there is record_stdio.c.
 *
 * One lock makes the order of the recording that of the calls within a process; between processes it is
 * the order in which the calls returned.
 */
#include "record.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int record_fd = -2; /* -2: not asked for yet, -1: nothing is recorded */
static char below[PATH_MAX];
static size_t below_n;

/* The C library's function of the same name. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static bool recording(void)
{
	const char *file = getenv(RECORD_FILE), *dir = getenv(RECORD_BELOW);

	if (record_fd != -2)
		return record_fd >= 0;
	record_fd = -1;
	if (!file || !dir || strlen(dir) >= sizeof below)
		return false;
	below_n = strlen(dir);
	memcpy(below, dir, below_n + 1);
	record_fd = REAL(open)(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	return record_fd >= 0;
}

/* A recording with a hole proves nothing. */
static void stop(const char *why)
{
	struct iovec iov[] = {{(char *)(uintptr_t) "the recorder: ", 14},
	    {(char *)(uintptr_t)why, strlen(why)}, {(char *)(uintptr_t) "\n", 1}};

	(void)!REAL(writev)(STDERR_FILENO, iov, 3);
	abort();
}

static void put(const struct iovec *iov, int n, size_t all)
{
	if (REAL(writev)(record_fd, iov, n) != (ssize_t)all)
		stop("the recording cannot be written");
}

static void note(struct record_head head, const char *name, size_t name_n, const void *data)
{
	struct iovec iov[] = {{&head, sizeof head}, {(char *)(uintptr_t)name, name_n},
	    {(void *)(uintptr_t)data, data ? (size_t)head.n : 0}};

	head.name_n = (uint32_t)name_n;
	put(iov, 3, sizeof head + name_n + iov[2].iov_len);
}

/* ---- paths ---- */

/* What of an absolute path is below the directory; NULL: it is not. */
static const char *inside(const char *path)
{
	if (strncmp(path, below, below_n) != 0 || (path[below_n] && path[below_n] != '/'))
		return NULL;
	return path[below_n] ? path + below_n + 1 : path + below_n;
}

static const char *path_of_fd(int fd, char *out)
{
	char self[64];
	ssize_t n;

	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	n = readlink(self, out, PATH_MAX - 1);
	if (n < 0)
		return NULL;
	out[n] = '\0';
	return inside(out);
}

/* The directory resolved, the last component as it is: out of PATH_MAX octets. */
static const char *path_of(int dirfd, const char *name, char *out)
{
	char full[PATH_MAX], base[PATH_MAX];
	char *slash;
	size_t room;
	int n;

	if (name[0] == '/')
		n = snprintf(full, sizeof full, "%s", name);
	else if (dirfd == AT_FDCWD)
		n = snprintf(full, sizeof full, "./%s", name);
	else
		n = snprintf(full, sizeof full, "/proc/self/fd/%d/%s", dirfd, name);
	slash = n > 0 && (size_t)n < sizeof full ? strrchr(full, '/') : NULL;
	if (!slash)
		return NULL;
	snprintf(base, sizeof base, "%s", slash + 1);
	slash[slash == full] = '\0';
	if (!realpath(full, out))
		return NULL;
	room = PATH_MAX - strlen(out);
	n = snprintf(out + strlen(out), room, "/%s", base);
	return (size_t)n < room ? inside(out) : NULL;
}

/* Of a regular file below the directory; false: none of ours. */
static bool is_ours(int fd, struct stat *st)
{
	char path[PATH_MAX];

	return recording() && fstat(fd, st) == 0 && S_ISREG(st->st_mode) && path_of_fd(fd, path);
}

/* ---- what happened to a file ---- */

static void note_sync(int fd)
{
	char path[PATH_MAX];
	struct stat st;
	const char *name = recording() && fstat(fd, &st) == 0 ? path_of_fd(fd, path) : NULL;

	if (!name)
		return;
	if (S_ISDIR(st.st_mode))
		note((struct record_head){.kind = RECORD_SYNC_DIR}, name, strlen(name), NULL);
	else
		note((struct record_head){.kind = RECORD_SYNC, .ino = st.st_ino}, "", 0, NULL);
}

static void note_file(enum record_kind kind, int fd, int64_t off, int64_t n, const void *data)
{
	struct stat st;

	if (is_ours(fd, &st)) {
		note((struct record_head){kind, 0, st.st_ino, off, n}, "", 0, data);
		if (kind == RECORD_WRITE && (fcntl(fd, F_GETFL) & O_DSYNC)) /* O_SYNC has its bit */
			note_sync(fd);
	} else if (recording() && kind == RECORD_WRITE && fd == STDOUT_FILENO) {
		note((struct record_head){.kind = RECORD_SAY, .n = n}, "", 0, data);
	}
}

static void note_name(enum record_kind kind, int dirfd, const char *name)
{
	char path[PATH_MAX];
	struct stat st = {0};
	const char *in = recording() ? path_of(dirfd, name, path) : NULL;

	if (in && kind != RECORD_UNNAME)
		(void)fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW);
	if (in)
		note((struct record_head){.kind = kind, .ino = st.st_ino}, in, strlen(in), NULL);
}

/* Names are kept as paths: those below would stay behind. One that is empty has none. */
static bool is_full_directory(int dirfd, const char *name)
{
	int fd = REAL(openat)(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int n = 0;

	while (dir && n <= 2 && readdir(dir))
		n++; /* "." and ".." too */
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
	return n > 2;
}

/* A file that came from outside would be without its content. */
static void note_rename(int fromfd, const char *from, int tofd, const char *to)
{
	char a[PATH_MAX], b[PATH_MAX], both[2 * PATH_MAX];
	const char *source = recording() ? path_of(fromfd, from, a) : NULL;
	const char *target = recording() ? path_of(tofd, to, b) : NULL;
	struct record_head head = {.kind = RECORD_RENAME};

	if (!source && target)
		stop("a file is renamed into the directory from outside, which cannot be followed");
	if (!source)
		return;
	if (is_full_directory(tofd, to))
		stop("a directory with files in it is renamed, which cannot be followed");
	if (!target) {
		head.kind = RECORD_UNNAME;
		note(head, source, strlen(source), NULL);
		return;
	}
	memcpy(both, source, strlen(source) + 1);
	memcpy(both + strlen(source) + 1, target, strlen(target));
	note(head, both, strlen(source) + 1 + strlen(target), NULL);
}

/* ---- the calls ---- */

/* Runs the call under the lock; what follows sees its result r. errno stays. */
#define PASS(type, call, what)                                                                     \
	do {                                                                                       \
		type r;                                                                            \
		int code;                                                                          \
		pthread_mutex_lock(&lock);                                                         \
		r = (call);                                                                        \
		code = errno;                                                                      \
		if (r >= 0) {                                                                      \
			what;                                                                      \
		}                                                                                  \
		pthread_mutex_unlock(&lock);                                                       \
		errno = code;                                                                      \
		return r;                                                                          \
	} while (0)

static void note_open(int fd, int dirfd, const char *name, int flags, bool was_there)
{
	struct stat st;

	if (!is_ours(fd, &st))
		return;
	if ((flags & O_TMPFILE) == O_TMPFILE || ((flags & O_CREAT) && !was_there))
		note((struct record_head){.kind = RECORD_MAKE, .ino = st.st_ino}, "", 0, NULL);
	if ((flags & O_TMPFILE) != O_TMPFILE && (flags & O_CREAT) && !was_there)
		note_name(RECORD_NAME, dirfd, name);
	if (was_there && (flags & O_TRUNC))
		note_file(RECORD_SIZE, fd, 0, 0, NULL);
}

static int open_noting(int dirfd, const char *name, int flags, mode_t mode)
{
	bool there = recording() && faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;

	PASS(int, REAL(openat)(dirfd, name, flags, mode), note_open(r, dirfd, name, flags, there));
}

static mode_t mode_of(int flags, va_list args)
{
	bool given = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;

	return given ? va_arg(args, mode_t) : 0;
}

#define OPEN(function, first, dirfd)                                                               \
	int function first                                                                         \
	{                                                                                          \
		va_list args;                                                                      \
		mode_t mode;                                                                       \
		va_start(args, flags);                                                             \
		mode = mode_of(flags, args);                                                       \
		va_end(args);                                                                      \
		return open_noting(dirfd, name, flags, mode);                                      \
	}

OPEN(open, (const char *name, int flags, ...), AT_FDCWD)
OPEN(open64, (const char *name, int flags, ...), AT_FDCWD)
OPEN(openat, (int dirfd, const char *name, int flags, ...), dirfd)
OPEN(openat64, (int dirfd, const char *name, int flags, ...), dirfd)

#define TEMPORARY(function, first, call, flags)                                                    \
	int function first                                                                         \
	{                                                                                          \
		PASS(int, call, note_open(r, AT_FDCWD, name, (flags) | O_CREAT, false));           \
	}

TEMPORARY(mkstemp, (char *name), REAL(mkstemp)(name), 0)
TEMPORARY(mkstemp64, (char *name), REAL(mkstemp)(name), 0)
TEMPORARY(mkostemp, (char *name, int flags), REAL(mkostemp)(name, flags), flags)
TEMPORARY(mkostemp64, (char *name, int flags), REAL(mkostemp)(name, flags), flags)
TEMPORARY(mkstemps, (char *name, int n), REAL(mkstemps)(name, n), 0)
TEMPORARY(mkstemps64, (char *name, int n), REAL(mkstemps)(name, n), 0)
TEMPORARY(mkostemps, (char *name, int n, int flags), REAL(mkostemps)(name, n, flags), flags)
TEMPORARY(mkostemps64, (char *name, int n, int flags), REAL(mkostemps)(name, n, flags), flags)

int creat(const char *name, mode_t mode)
{
	return open_noting(AT_FDCWD, name, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

/* Where a write to the file's own position, or to its end, went. */
static int64_t went_to(int fd, ssize_t n)
{
	return lseek(fd, 0, SEEK_CUR) - n;
}

static int64_t placed_at(int fd, int64_t off, ssize_t n)
{
	struct stat st;

	if ((fcntl(fd, F_GETFL) & O_APPEND) && fstat(fd, &st) == 0)
		return st.st_size - n;
	return off;
}

ssize_t write(int fd, const void *p, size_t n)
{
	PASS(ssize_t, REAL(write)(fd, p, n), note_file(RECORD_WRITE, fd, went_to(fd, r), r, p));
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t off)
{
	PASS(ssize_t, REAL(pwrite)(fd, p, n, off),
	    note_file(RECORD_WRITE, fd, placed_at(fd, off, r), r, p));
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t off)
{
	return pwrite(fd, p, n, off);
}

/* One write of all pieces, as it was. */
static void note_vector(int fd, const struct iovec *iov, int n, int64_t off, ssize_t put_n)
{
	char *all = malloc((size_t)put_n + 1);
	size_t at = 0;

	if (!all)
		stop("there is no memory");
	for (int i = 0; i < n && at < (size_t)put_n; i++) {
		size_t left = (size_t)put_n - at;
		size_t take = iov[i].iov_len < left ? iov[i].iov_len : left;

		memcpy(all + at, iov[i].iov_base, take);
		at += take;
	}
	note_file(RECORD_WRITE, fd, off, put_n, all);
	free(all);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	PASS(ssize_t, REAL(writev)(fd, iov, n), note_vector(fd, iov, n, went_to(fd, r), r));
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t off)
{
	PASS(ssize_t, REAL(pwritev)(fd, iov, n, off),
	    note_vector(fd, iov, n, placed_at(fd, off, r), r));
}

ssize_t pwritev64(int fd, const struct iovec *iov, int n, off64_t off)
{
	return pwritev(fd, iov, n, off);
}

static int64_t placed_by(int fd, int64_t off, ssize_t n, int flags)
{
	struct stat st;

	if (off == -1)
		return went_to(fd, n);
	return (flags & RWF_APPEND) && fstat(fd, &st) == 0 ? st.st_size - n : placed_at(fd, off, n);
}

ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	PASS(ssize_t, REAL(pwritev2)(fd, iov, n, off, flags), {
		note_vector(fd, iov, n, placed_by(fd, off, r, flags), r);
		if (flags & (RWF_DSYNC | RWF_SYNC))
			note_sync(fd);
	});
}

ssize_t pwritev64v2(int fd, const struct iovec *iov, int n, off64_t off, int flags)
{
	return pwritev2(fd, iov, n, off, flags);
}

/* What the kernel took from one file and put into the other by itself, read again. */
static void note_copied(int outfd, int64_t out, int infd, int64_t in, ssize_t n)
{
	struct stat st;
	char *p;

	if (n == 0 || !(is_ours(outfd, &st) || (recording() && outfd == STDOUT_FILENO)))
		return;
	p = malloc((size_t)n);
	if (!p || pread(infd, p, (size_t)n, in) != n)
		stop("what was copied from a file cannot be read again");
	note_file(RECORD_WRITE, outfd, out, n, p);
	free(p);
}

ssize_t copy_file_range(int infd, off64_t *in, int outfd, off64_t *out, size_t n, unsigned flags)
{
	PASS(ssize_t, REAL(copy_file_range)(infd, in, outfd, out, n, flags),
	    note_copied(outfd, out ? *out - r : went_to(outfd, r), infd,
		in ? *in - r : went_to(infd, r), r));
}

ssize_t sendfile(int outfd, int infd, off_t *in, size_t n)
{
	PASS(ssize_t, REAL(sendfile)(outfd, infd, in, n),
	    note_copied(outfd, went_to(outfd, r), infd, in ? *in - r : went_to(infd, r), r));
}

ssize_t sendfile64(int outfd, int infd, off64_t *in, size_t n)
{
	return sendfile(outfd, infd, in, n);
}

static void note_truncated(const char *name, int64_t n)
{
	char path[PATH_MAX];
	struct stat st;

	if (recording() && path_of(AT_FDCWD, name, path) && stat(name, &st) == 0)
		note((struct record_head){RECORD_SIZE, 0, st.st_ino, 0, n}, "", 0, NULL);
}

int truncate(const char *name, off_t n)
{
	PASS(int, REAL(truncate)(name, n), note_truncated(name, n));
}

int truncate64(const char *name, off64_t n)
{
	return truncate(name, n);
}

int ftruncate(int fd, off_t n)
{
	PASS(int, REAL(ftruncate)(fd, n), note_file(RECORD_SIZE, fd, 0, n, NULL));
}

int ftruncate64(int fd, off64_t n)
{
	return ftruncate(fd, n);
}

int fallocate(int fd, int mode, off_t off, off_t n)
{
	PASS(int, REAL(fallocate)(fd, mode, off, n),
	    if (mode == 0) note_file(RECORD_ALLOCATE, fd, 0, off + n, NULL));
}

int fallocate64(int fd, int mode, off64_t off, off64_t n)
{
	return fallocate(fd, mode, off, n);
}

int posix_fallocate(int fd, off_t off, off_t n)
{
	int failed;

	pthread_mutex_lock(&lock);
	failed = REAL(posix_fallocate)(fd, off, n);
	if (!failed)
		note_file(RECORD_ALLOCATE, fd, 0, off + n, NULL);
	pthread_mutex_unlock(&lock);
	return failed;
}

int posix_fallocate64(int fd, off64_t off, off64_t n)
{
	return posix_fallocate(fd, off, n);
}

int fsync(int fd)
{
	PASS(int, REAL(fsync)(fd), note_sync(fd));
}

int fdatasync(int fd)
{
	PASS(int, REAL(fdatasync)(fd), note_sync(fd));
}

/* Promises nothing about sizes and caches of the disk, so it makes nothing durable here either. */
int sync_file_range(int fd, off64_t off, off64_t n, unsigned flags)
{
	return REAL(sync_file_range)(fd, off, n, flags);
}

int syncfs(int fd)
{
	PASS(int, REAL(syncfs)(fd),
	    if (recording()) note((struct record_head){.kind = RECORD_SYNC_ALL}, "", 0, NULL));
}

void sync(void)
{
	pthread_mutex_lock(&lock);
	REAL(sync)();
	if (recording())
		note((struct record_head){.kind = RECORD_SYNC_ALL}, "", 0, NULL);
	pthread_mutex_unlock(&lock);
}

int unlinkat(int dirfd, const char *name, int flags)
{
	PASS(int, REAL(unlinkat)(dirfd, name, flags), note_name(RECORD_UNNAME, dirfd, name));
}

int unlink(const char *name)
{
	return unlinkat(AT_FDCWD, name, 0);
}

int rmdir(const char *name)
{
	return unlinkat(AT_FDCWD, name, AT_REMOVEDIR);
}

int linkat(int fromfd, const char *from, int tofd, const char *to, int flags)
{
	PASS(int, REAL(linkat)(fromfd, from, tofd, to, flags), note_name(RECORD_NAME, tofd, to));
}

int link(const char *from, const char *to)
{
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int fromfd, const char *from, int tofd, const char *to)
{
	PASS(int, REAL(renameat)(fromfd, from, tofd, to), note_rename(fromfd, from, tofd, to));
}

static void note_renamed(int fromfd, const char *from, int tofd, const char *to, unsigned flags)
{
	char path[PATH_MAX];

	if (recording() && (flags & ~(unsigned)RENAME_NOREPLACE) &&
	    (path_of(fromfd, from, path) || path_of(tofd, to, path)))
		stop("renameat2() with flags other than RENAME_NOREPLACE cannot be followed");
	note_rename(fromfd, from, tofd, to);
}

int renameat2(int fromfd, const char *from, int tofd, const char *to, unsigned flags)
{
	PASS(int, REAL(renameat2)(fromfd, from, tofd, to, flags),
	    note_renamed(fromfd, from, tofd, to, flags));
}

int rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int mkdirat(int dirfd, const char *name, mode_t mode)
{
	PASS(int, REAL(mkdirat)(dirfd, name, mode), note_name(RECORD_MKDIR, dirfd, name));
}

int mkdir(const char *name, mode_t mode)
{
	return mkdirat(AT_FDCWD, name, mode);
}

char *mkdtemp(char *name)
{
	char *made;

	pthread_mutex_lock(&lock);
	made = REAL(mkdtemp)(name);
	if (made)
		note_name(RECORD_MKDIR, AT_FDCWD, made);
	pthread_mutex_unlock(&lock);
	return made;
}
