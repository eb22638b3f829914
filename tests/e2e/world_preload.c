/*
 * Loaded with LD_PRELOAD into a server: a disk that fails and a clock that jumps, when a test says so through a
 * page of memory that it shares with all processes (world.py has the same layout). The disk's calls fail in
 * the store process alone; a call may also kill the process, before it is made or after.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind {
	OPEN, /* for writing */
	WRITE,
	SYNC,
	SIZE, /* truncate, allocate */
	NAME, /* link, unlink, rename, mkdir */
	KINDS
};

enum file {
	ANY,
	LOG,
	DATABASE,
	PACK,
	HEAD, /* of the log */
};

enum {
	KILL_BEFORE = -1,
	KILL_AFTER = -2,
	HANG = -3 /* until it is healed; then the call is made */
};                /* in the place of an errno */

struct fault {
	_Atomic int64_t error; /* 0: none */
	_Atomic int64_t file;
	_Atomic int64_t after; /* calls that still go well */
	_Atomic int64_t count; /* calls that fail then */
	_Atomic int64_t fired;
};

static struct world {
	_Atomic int64_t clock_ns;  /* added to the wall clock */
	_Atomic int64_t steady_ns; /* added to the clock that never goes back */
	_Atomic int64_t boot_ns;   /* ... and goes on in a sleep */
	struct fault faults[KINDS];
} * world;

static bool is_store;
static _Atomic uint8_t files[1 << 16]; /* enum file of each descriptor */
#define LOG_HEAD 32
static _Atomic bool only_head; /* is what was written to the log since its last sync */

/* The C library's function of the same name. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static __attribute__((constructor)) void begin(void)
{
	static const char words[] = "godwit\0process\0store";
	const char *path = getenv("GODWIT_TEST_WORLD");
	char line[sizeof words] = {0};
	int fd = path ? REAL(open)(path, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd >= 0 ? mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
			  : MAP_FAILED;

	if (fd >= 0)
		close(fd);
	if (p == MAP_FAILED)
		return;
	world = p;
	fd = REAL(open)("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	is_store = read(fd, line, sizeof line) >= (ssize_t)sizeof words &&
		   memcmp(line, words, sizeof words) == 0;
	close(fd);
}

/* ---- the disk ---- */

static bool is_meant(const struct fault *f, int file)
{
	return is_store && world && f->error && (f->file == ANY || f->file == file);
}

/* The errno of this call, or 0. */
static int strikes(enum kind kind, int file)
{
	struct fault *f = world ? &world->faults[kind] : NULL;

	if (!f || !is_meant(f, file) || atomic_fetch_sub(&f->after, 1) > 0)
		return 0;
	if (atomic_fetch_sub(&f->count, 1) <= 0)
		return 0;
	f->fired++;
	if (f->error == KILL_BEFORE)
		kill(getpid(), SIGKILL);
	while (f->error == HANG)
		poll(NULL, 0, 1);
	return (int)f->error;
}

/* Makes the call or lets it fail; the value is its result. */
#define ACT(kind, file, call)                                                                      \
	({                                                                                         \
		int error_ = strikes((kind), (file));                                              \
		__typeof__(call) result_ = -1;                                                     \
                                                                                                   \
		if (error_ > 0)                                                                    \
			errno = error_;                                                            \
		else                                                                               \
			result_ = (call);                                                          \
		if (error_ == KILL_AFTER)                                                          \
			kill(getpid(), SIGKILL);                                                   \
		result_;                                                                           \
	})

static int file_of(int fd)
{
	return fd >= 0 && (size_t)fd < sizeof files ? files[fd] : ANY;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

static int file_named(const char *name, int flags)
{
	if ((flags & O_TMPFILE) == O_TMPFILE || ends_with(name, ".pack"))
		return PACK;
	return ends_with(name, "-wal") ? LOG : ends_with(name, ".db") ? DATABASE : ANY;
}

static int note_fd(int fd, int file)
{
	if (fd >= 0 && (size_t)fd < sizeof files)
		files[fd] = (uint8_t)file;
	return fd;
}

static bool is_writing(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || flags & O_CREAT;
}

#define OPENING(name, flags, call)                                                                 \
	note_fd(is_writing(flags) ? ACT(OPEN, file_named((name), (flags)), (call)) : (call),       \
	    file_named((name), (flags)))

static mode_t mode_of(int flags, va_list ap)
{
	return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(ap, unsigned) : 0;
}

#define DEFINE_OPEN(function)                                                                      \
	int function(const char *name, int flags, ...)                                             \
	{                                                                                          \
		va_list ap;                                                                        \
		mode_t mode;                                                                       \
                                                                                                   \
		va_start(ap, flags);                                                               \
		mode = mode_of(flags, ap);                                                         \
		va_end(ap);                                                                        \
		return OPENING(name, flags, REAL(function)(name, flags, mode));                    \
	}

#define DEFINE_OPENAT(function)                                                                    \
	int function(int dirfd, const char *name, int flags, ...)                                  \
	{                                                                                          \
		va_list ap;                                                                        \
		mode_t mode;                                                                       \
                                                                                                   \
		va_start(ap, flags);                                                               \
		mode = mode_of(flags, ap);                                                         \
		va_end(ap);                                                                        \
		return OPENING(name, flags, REAL(function)(dirfd, name, flags, mode));             \
	}

DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

/* A log that begins anew has its head synced before it is written to: no commit ends there. */
static int note_write(int file, size_t n)
{
	if (file == LOG)
		only_head = n == LOG_HEAD;
	return file;
}

static int synced(int file)
{
	return file == LOG && only_head ? HEAD : file;
}

#define DEFINE_WRITE(function, off)                                                                \
	ssize_t function(int fd, const void *p, size_t n, off at)                                  \
	{                                                                                          \
		return ACT(WRITE, note_write(file_of(fd), n), REAL(function)(fd, p, n, at));       \
	}

DEFINE_WRITE(pwrite, off_t)
DEFINE_WRITE(pwrite64, off64_t)

#define DEFINE_WRITEV(function, off)                                                               \
	ssize_t function(int fd, const struct iovec *iov, int n, off at)                           \
	{                                                                                          \
		return ACT(WRITE, file_of(fd), REAL(function)(fd, iov, n, at));                    \
	}

DEFINE_WRITEV(pwritev, off_t)
DEFINE_WRITEV(pwritev64, off64_t)

int fsync(int fd)
{
	return ACT(SYNC, synced(file_of(fd)), REAL(fsync)(fd));
}

int fdatasync(int fd)
{
	return ACT(SYNC, synced(file_of(fd)), REAL(fdatasync)(fd));
}

int ftruncate(int fd, off_t size)
{
	return ACT(SIZE, file_of(fd), REAL(ftruncate)(fd, size));
}

int ftruncate64(int fd, off64_t size)
{
	return ACT(SIZE, file_of(fd), REAL(ftruncate64)(fd, size));
}

int fallocate(int fd, int mode, off_t at, off_t n)
{
	return ACT(SIZE, file_of(fd), REAL(fallocate)(fd, mode, at, n));
}

int fallocate64(int fd, int mode, off64_t at, off64_t n)
{
	return ACT(SIZE, file_of(fd), REAL(fallocate64)(fd, mode, at, n));
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	return ACT(NAME, file_named(to, 0), REAL(linkat)(from_fd, from, to_fd, to, flags));
}

int unlinkat(int dirfd, const char *name, int flags)
{
	return ACT(NAME, file_named(name, 0), REAL(unlinkat)(dirfd, name, flags));
}

int unlink(const char *name)
{
	return ACT(NAME, file_named(name, 0), REAL(unlink)(name));
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	return ACT(NAME, file_named(to, 0), REAL(renameat)(from_fd, from, to_fd, to));
}

int mkdirat(int dirfd, const char *name, mode_t mode)
{
	return ACT(NAME, ANY, REAL(mkdirat)(dirfd, name, mode));
}

/* ---- the clock ---- */

int clock_gettime(clockid_t id, struct timespec *t)
{
	int result = REAL(clock_gettime)(id, t);
	int64_t ns = 0;

	if (world && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ns = world->clock_ns;
	else if (world && (id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE))
		ns = world->steady_ns;
	else if (world && id == CLOCK_BOOTTIME)
		ns = world->boot_ns;
	if (ns == 0)
		return result;
	ns += t->tv_sec * INT64_C(1000000000) + t->tv_nsec;
	*t = (struct timespec){ns / 1000000000, ns % 1000000000};
	return result;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	*tv = (struct timeval){t.tv_sec, t.tv_nsec / 1000};
	return 0;
}

time_t time(time_t *t_r)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME_COARSE, &t);
	if (t_r)
		*t_r = t.tv_sec;
	return t.tv_sec;
}
