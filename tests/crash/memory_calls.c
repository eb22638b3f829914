/*
 * The system calls of the program under test on memory.c: the linker puts these in the place of the C
 * library's (meson.build: --wrap), so whatever the store and its commands do to files, they do to those in
 * memory, once memory_take_sqlite() was called. What is named absolutely, and descriptors that were opened
 * so, are the real ones. Syncs have nothing to do: what happens after a state is not explored.
 */
#include "memory_calls.h"

#include "memory_internal.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS     64
#define FD_BASE 100000 /* no real descriptor */
#define DIRS    8

struct opened {
	struct memory_file *f;
	char path[MEMORY_PATH]; /* of a directory */
	int64_t at;
};

/* A directory that is read: its entries as they were when it was opened. */
struct listing {
	int fd;
	char **names;
	size_t n, at;
	struct dirent64 entry;
};

static struct {
	bool on;
	struct opened fds[FDS];
	struct listing *dirs[DIRS];
	char here[MEMORY_PATH]; /* the working directory */
} calls;

/* ---- descriptors and paths ---- */

static bool is_memory(int fd)
{
	return fd >= FD_BASE && fd < FD_BASE + FDS;
}

static struct opened *of(int fd)
{
	struct opened *o = &calls.fds[fd - FD_BASE];

	MUST(o->f);
	return o;
}

/* One component more, or one less. */
static void step(char *path, const char *part, size_t n)
{
	size_t at = strlen(path);
	char *slash = strrchr(path, '/');

	if (n == 0 || (n == 1 && part[0] == '.'))
		return;
	if (n == 2 && memcmp(part, "..", 2) == 0) {
		*(slash ? slash : path) = '\0';
		return;
	}
	MUST(at + n + 2 < MEMORY_PATH);
	snprintf(path + at, MEMORY_PATH - at, "%s%.*s", at ? "/" : "", (int)n, part);
}

static void resolve(const char *base, const char *name, char *out)
{
	size_t n;

	snprintf(out, MEMORY_PATH, "%s", base);
	for (; *name; name += n + (name[n] == '/')) {
		n = strcspn(name, "/");
		step(out, name, n);
	}
}

void memory_resolve(const char *name, char out[MEMORY_PATH])
{
	resolve(calls.here, name, out);
}

/* Is it about a file in memory? Then out is its path. */
static bool find(int dirfd, const char *name, char *out)
{
	if (!calls.on || name[0] == '/' || !(is_memory(dirfd) || dirfd == AT_FDCWD))
		return false;
	resolve(is_memory(dirfd) ? of(dirfd)->path : calls.here, name, out);
	return true;
}

static int fail(int code)
{
	errno = code;
	return -1;
}

static int new_fd(struct memory_file *f, const char *path)
{
	int i = 0;

	while (calls.fds[i].f)
		MUST(++i < FDS);
	calls.fds[i] = (struct opened){.f = f};
	snprintf(calls.fds[i].path, MEMORY_PATH, "%s", path);
	memory_open(f);
	return FD_BASE + i;
}

static bool has_parent(const char *path)
{
	char above[MEMORY_PATH];

	resolve(path, "..", above);
	return memory_find(above);
}

/* ---- opening ---- */

static int open_memory(const char *path, int flags)
{
	bool anew = (flags & (O_CREAT | O_TRUNC | O_EXCL)) == (O_CREAT | O_TRUNC);
	struct memory_file *f = anew && has_parent(path) ? memory_replace(path) : memory_find(path);

	if ((flags & O_TMPFILE) == O_TMPFILE)
		return f ? new_fd(memory_make(), "") : fail(ENOENT);
	if (!f && (!(flags & O_CREAT) || !has_parent(path)))
		return fail(ENOENT);
	if (f && (flags & O_CREAT) && (flags & O_EXCL))
		return fail(EEXIST);
	if (f && (flags & O_DIRECTORY) && !f->is_dir)
		return fail(ENOTDIR);
	if (!f) {
		f = memory_make();
		memory_name(path, f);
	}
	if ((flags & O_TRUNC) && !anew)
		memory_resize(f, 0);
	return new_fd(f, path);
}

CALL(int, openat64, (int dirfd, const char *name, int flags, ...))
{
	char path[MEMORY_PATH];
	va_list args;
	mode_t mode;

	if (find(dirfd, name, path))
		return open_memory(path, flags);
	va_start(args, flags);
	mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
	va_end(args);
	return REAL(openat64)(dirfd, name, flags, mode);
}

CALL(int, open64, (const char *name, int flags, ...))
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
	va_end(args);
	return WRAP(openat64)(AT_FDCWD, name, flags, mode);
}

/* What open() becomes in an optimised build where its flags are no constant. */
CALL(int, __open64_2, (const char *name, int flags))
{
	return WRAP(openat64)(AT_FDCWD, name, flags);
}

CALL(int, __openat64_2, (int dirfd, const char *name, int flags))
{
	return WRAP(openat64)(dirfd, name, flags);
}

CALL(int, close, (int fd))
{
	if (!is_memory(fd))
		return REAL(close)(fd);
	memory_close(of(fd)->f);
	calls.fds[fd - FD_BASE].f = NULL;
	return 0;
}

/* ---- octets ---- */

CALL(ssize_t, pread64, (int fd, void *p, size_t n, off_t off))
{
	return is_memory(fd) ? (ssize_t)memory_read(of(fd)->f, p, n, (size_t)off)
			     : REAL(pread64)(fd, p, n, off);
}

CALL(ssize_t, read, (int fd, void *p, size_t n))
{
	ssize_t got;

	if (!is_memory(fd))
		return REAL(read)(fd, p, n);
	got = (ssize_t)memory_read(of(fd)->f, p, n, (size_t)of(fd)->at);
	of(fd)->at += got;
	return got;
}

CALL(ssize_t, pwrite64, (int fd, const void *p, size_t n, off_t off))
{
	if (!is_memory(fd))
		return REAL(pwrite64)(fd, p, n, off);
	memory_write(of(fd)->f, p, n, (size_t)off);
	return (ssize_t)n;
}

CALL(ssize_t, write, (int fd, const void *p, size_t n))
{
	if (!is_memory(fd))
		return REAL(write)(fd, p, n);
	memory_write(of(fd)->f, p, n, (size_t)of(fd)->at);
	of(fd)->at += (int64_t)n;
	return (ssize_t)n;
}

CALL(ssize_t, pwritev64, (int fd, const struct iovec *iov, int niov, off_t off))
{
	off_t at = off;

	if (!is_memory(fd))
		return REAL(pwritev64)(fd, iov, niov, off);
	for (int i = 0; i < niov; at += (off_t)iov[i++].iov_len)
		memory_write(of(fd)->f, iov[i].iov_base, iov[i].iov_len, (size_t)at);
	return at - off;
}

CALL(int, ftruncate64, (int fd, off_t n))
{
	if (!is_memory(fd))
		return REAL(ftruncate64)(fd, n);
	memory_resize(of(fd)->f, (size_t)n);
	return 0;
}

CALL(int, fallocate64, (int fd, int mode, off_t off, off_t n))
{
	if (!is_memory(fd))
		return REAL(fallocate64)(fd, mode, off, n);
	if (memory_size(of(fd)->f) < (size_t)(off + n))
		memory_resize(of(fd)->f, (size_t)(off + n));
	return 0;
}

/* ---- what has nothing to do ---- */

#define NOTHING(name, arguments, given)                                                            \
	CALL(int, name, arguments)                                                                 \
	{                                                                                          \
		return is_memory(fd) ? 0 : REAL(name) given;                                       \
	}

NOTHING(fsync, (int fd), (fd))
NOTHING(fdatasync, (int fd), (fd))
NOTHING(syncfs, (int fd), (fd))
NOTHING(sync_file_range, (int fd, off_t off, off_t n, unsigned flags), (fd, off, n, flags))
NOTHING(fchmod, (int fd, mode_t mode), (fd, mode))
NOTHING(fchown, (int fd, uid_t user, gid_t group), (fd, user, group))
NOTHING(flock, (int fd, int what), (fd, what))

/* ---- looking ---- */

static int look(struct memory_file *f, struct stat *st)
{
	if (!f)
		return fail(ENOENT);
	*st = (struct stat){.st_mode = f->is_dir ? S_IFDIR | 0700 : S_IFREG | 0600,
	    .st_nlink = f->is_dir ? 2 : f->links,
	    .st_size = f->is_dir ? 0 : (off_t)memory_size(f),
	    .st_ino = f->number + 1,
	    .st_uid = geteuid()};
	return 0;
}

CALL(int, fstat64, (int fd, struct stat *st))
{
	return is_memory(fd) ? look(of(fd)->f, st) : REAL(fstat64)(fd, st);
}

CALL(int, fstatat64, (int dirfd, const char *name, struct stat *st, int flags))
{
	char path[MEMORY_PATH];

	return find(dirfd, name, path) ? look(memory_find(path), st)
				       : REAL(fstatat64)(dirfd, name, st, flags);
}

CALL(int, stat64, (const char *name, struct stat *st))
{
	return WRAP(fstatat64)(AT_FDCWD, name, st, 0);
}

CALL(int, faccessat, (int dirfd, const char *name, int mode, int flags))
{
	char path[MEMORY_PATH];

	if (!find(dirfd, name, path))
		return REAL(faccessat)(dirfd, name, mode, flags);
	return memory_find(path) ? 0 : fail(ENOENT);
}

CALL(int, access, (const char *name, int mode))
{
	return WRAP(faccessat)(AT_FDCWD, name, mode, 0);
}

CALL(int, fstatvfs64, (int fd, struct statvfs *v))
{
	if (!is_memory(fd))
		return REAL(fstatvfs64)(fd, v);
	*v = (struct statvfs){.f_frsize = 4096, .f_bavail = 1 << 28};
	return 0;
}

/* ---- names ---- */

CALL(int, unlinkat, (int dirfd, const char *name, int flags))
{
	char path[MEMORY_PATH];

	if (!find(dirfd, name, path))
		return REAL(unlinkat)(dirfd, name, flags);
	if (!memory_find(path))
		return fail(ENOENT);
	if (memory_find(path)->is_dir && !(flags & AT_REMOVEDIR))
		return fail(EISDIR);
	return memory_unname(path) ? 0 : fail(ENOENT);
}

CALL(int, unlink, (const char *name))
{
	return WRAP(unlinkat)(AT_FDCWD, name, 0);
}

CALL(int, rmdir, (const char *name))
{
	return WRAP(unlinkat)(AT_FDCWD, name, AT_REMOVEDIR);
}

CALL(int, renameat, (int fromfd, const char *from, int tofd, const char *to))
{
	char old[MEMORY_PATH], new[MEMORY_PATH];

	if (!find(fromfd, from, old))
		return REAL(renameat)(fromfd, from, tofd, to);
	MUST(find(tofd, to, new));
	if (!memory_find(old) || !has_parent(new))
		return fail(ENOENT);
	memory_name(new, memory_find(old));
	(void)memory_unname(old);
	return 0;
}

/* Of a file without a name, by /proc. */
CALL(int, linkat, (int fromfd, const char *from, int tofd, const char *to, int flags))
{
	char path[MEMORY_PATH];
	int fd = -1;

	if (!find(tofd, to, path))
		return REAL(linkat)(fromfd, from, tofd, to, flags);
	MUST(sscanf(from, "/proc/self/fd/%d", &fd) == 1 && is_memory(fd));
	if (memory_find(path))
		return fail(EEXIST);
	if (!has_parent(path))
		return fail(ENOENT);
	memory_name(path, of(fd)->f);
	return 0;
}

CALL(int, mkdirat, (int dirfd, const char *name, mode_t mode))
{
	char path[MEMORY_PATH];
	struct memory_file *f;

	if (!find(dirfd, name, path))
		return REAL(mkdirat)(dirfd, name, mode);
	if (memory_find(path))
		return fail(EEXIST);
	if (!has_parent(path))
		return fail(ENOENT);
	f = memory_make();
	f->is_dir = true;
	memory_name(path, f);
	return 0;
}

CALL(int, mkdir, (const char *name, mode_t mode))
{
	return WRAP(mkdirat)(AT_FDCWD, name, mode);
}

CALL(int, chdir, (const char *name))
{
	char path[MEMORY_PATH];

	if (!find(AT_FDCWD, name, path))
		return REAL(chdir)(name);
	if (!memory_find(path) || !memory_find(path)->is_dir)
		return fail(ENOENT);
	snprintf(calls.here, sizeof calls.here, "%s", path);
	return 0;
}

CALL(int, fchdir, (int fd))
{
	if (!is_memory(fd))
		return REAL(fchdir)(fd);
	snprintf(calls.here, sizeof calls.here, "%s", of(fd)->path);
	return 0;
}

/* ---- reading directories ---- */

static struct listing **slot_of(const void *dir)
{
	for (size_t i = 0; i < DIRS; i++) {
		if (calls.dirs[i] == dir)
			return &calls.dirs[i];
	}
	return NULL;
}

static void list(void *ctx, const char *name)
{
	struct listing *l = ctx;

	l->names = mem_resize(l->names, (l->n + 1) * sizeof *l->names);
	l->names[l->n] = mem_alloc(strlen(name) + 1);
	memcpy(l->names[l->n++], name, strlen(name) + 1);
}

CALL(DIR *, fdopendir, (int fd))
{
	struct listing **slot = slot_of(NULL);

	if (!is_memory(fd))
		return REAL(fdopendir)(fd);
	MUST(slot);
	*slot = mem_new(struct listing);
	(*slot)->fd = fd;
	memory_each(of(fd)->path, list, *slot);
	return (DIR *)(void *)*slot;
}

CALL(DIR *, opendir, (const char *name))
{
	int fd = calls.on ? WRAP(openat64)(AT_FDCWD, name, O_RDONLY | O_DIRECTORY) : -1;

	if (is_memory(fd))
		return WRAP(fdopendir)(fd);
	if (fd >= 0)
		(void)REAL(close)(fd);
	return calls.on && name[0] != '/' ? NULL : REAL(opendir)(name);
}

CALL(struct dirent64 *, readdir64, (DIR * dir))
{
	struct listing **slot = slot_of(dir), *l;

	if (!slot)
		return REAL(readdir64)(dir);
	l = *slot;
	if (l->at == l->n)
		return NULL;
	snprintf(l->entry.d_name, sizeof l->entry.d_name, "%s", l->names[l->at++]);
	return &l->entry;
}

static void free_listing(struct listing **l)
{
	for (size_t i = 0; i < (*l)->n; i++)
		mem_free((*l)->names[i]);
	mem_free((*l)->names);
	mem_free(*l);
	*l = NULL;
}

CALL(int, closedir, (DIR * dir))
{
	struct listing **slot = slot_of(dir);

	if (!slot)
		return REAL(closedir)(dir);
	(void)WRAP(close)((*slot)->fd);
	free_listing(slot);
	return 0;
}

/* ---- for the explorer ---- */

void memory_calls_begin(void)
{
	for (size_t i = 0; i < DIRS; i++) {
		if (calls.dirs[i])
			free_listing(&calls.dirs[i]);
	}
	memset(calls.fds, 0, sizeof calls.fds);
	calls.here[0] = '\0';
	calls.on = true;
}
