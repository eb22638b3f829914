/*
 * The data directory. The lock is flock(2) on a file that is never removed: removing it would let
 * two processes hold "the" lock, each on a file of its own.
 */
#include "store/datadir.h"

#include "base/buf.h"
#include "base/mem.h"
#include "store/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RESERVE_NEW "reserve.new"

static void tell_lost_lock(int dirfd, const char *path, struct err *e)
{
	struct stat st = {.st_uid = geteuid(), .st_gid = getegid()};

	(void)fstat(dirfd, &st);
	err_set(e,
	    "%s has lost the file that keeps a second server off it: stop a server that may still run on it, "
	    "then make the file with: install -m 600 -o %u -g %u /dev/null '%s/" DATADIR_LOCK "'",
	    path, (unsigned)st.st_uid, (unsigned)st.st_gid, path);
}

/*
 * Something that is one does without its lock, which is not made anew unasked: a server may hold the old one. One that
 * is not given for another reason is not missing.
 */
static bool lacks_lock(int dirfd, const char *path, struct err *e)
{
	if (faccessat(dirfd, DATADIR_LOCK, F_OK, 0) == 0 || errno != ENOENT)
		return false;
	if (faccessat(dirfd, RESTORE_MARK, F_OK, 0) == 0)
		err_set(e,
		    "%s is not restored in full: a restore into it is under way, or was broken off and is to be run "
		    "again with: godwit restore BACKUP --data %s",
		    path, path);
	else if (faccessat(dirfd, DATADIR_DB, F_OK, 0) == 0 ||
		 faccessat(dirfd, DATADIR_DB "-wal", F_OK, 0) == 0)
		tell_lost_lock(dirfd, path, e);
	else
		return false;
	return true;
}

bool datadir_lacks_lock(const char *path, struct err *e)
{
	int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool lacks = dirfd >= 0 && lacks_lock(dirfd, path, e);

	if (dirfd >= 0)
		close(dirfd);
	return lacks;
}

/* ---- creation ---- */

struct contents {
	bool any, has_lock, has_mail, has_foreign;
};

static bool is_of_mail(struct str name)
{
	return str_eq(name, STR(DATADIR_PACKS)) || str_has_prefix(name, STR(DATADIR_DB)) ||
	       str_has_prefix(name, STR(DATADIR_SALVAGED));
}

/* Of what is made before there may be mail in it. */
static bool is_of_new(struct str name)
{
	return str_eq(name, STR(DATADIR_LOCK)) || str_eq(name, STR(DATADIR_RUN)) ||
	       str_has_prefix(name, STR(DATADIR_RESERVE)) ||
	       str_has_prefix(name, STR("godwit.conf")) || str_eq(name, STR("tls"));
}

static void look_at_entry(void *ctx, const char *name)
{
	struct contents *c = ctx;
	struct str s = str_of_c(name);

	if (str_eq(s, STR("lost+found"))) /* a file system of its own has it */
		return;
	c->any = true;
	c->has_lock |= str_eq(s, STR(DATADIR_LOCK));
	c->has_mail |= is_of_mail(s);
	c->has_foreign |= !is_of_mail(s) && !is_of_new(s);
}

/* It is one, is on the way to be one, or holds nothing at all. */
static enum datadir_code check_contents(struct fsio *fs, const char *path, struct err *e)
{
	struct contents c = {0};
	int code = fs->ops->each(fs, ".", look_at_entry, &c);

	if (code < 0) {
		err_sys(e, -code, "cannot read the directory %s", path);
		return DATADIR_MISSING;
	}
	if (!c.any || (c.has_lock && (c.has_mail || !c.has_foreign)))
		return DATADIR_OK;
	if (c.has_lock || !lacks_lock(fs->dirfd, path, e))
		err_set(e,
		    "%s holds other files and is no data directory: name a directory that is empty or does"
		    " not exist",
		    path);
	return DATADIR_FOREIGN;
}

int datadir_become_owner(int dirfd, struct datadir_self *self_r, struct err *e)
{
	struct datadir_self self = {geteuid(), getegid()};
	struct stat st;

	*self_r = self;
	if (self.uid != 0)
		return 0;
	if (fstatat(dirfd, ".", &st, 0) < 0)
		return err_sys(e, errno, "cannot look at the data directory");
	if (st.st_uid == 0)
		return 0;
	if (setegid(st.st_gid) == 0 && seteuid(st.st_uid) == 0)
		return 0;
	err_sys(e, errno, "cannot become the owner of the data directory");
	datadir_become_self(&self);
	return -1;
}

void datadir_become_self(const struct datadir_self *self)
{
	MUST(seteuid(self->uid) == 0 && setegid(self->gid) == 0);
}

/* 0 or an errno value. */
static int give_run_to_owner(int dirfd)
{
	int fd = openat(dirfd, DATADIR_RUN, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int code = 0;

	if (fd < 0)
		return errno;
	if (fstatat(dirfd, ".", &st, 0) < 0 || fchown(fd, st.st_uid, st.st_gid) < 0)
		code = errno;
	close(fd);
	return code;
}

/*
 * Its mode is not set later by name, which could be another file's by then: the directory may be an ordinary
 * user's.
 */
int datadir_make_run(int dirfd, struct err *e)
{
	mode_t before = umask(0);
	int code = mkdirat(dirfd, DATADIR_RUN, 0755) < 0 ? errno : 0;

	umask(before);
	if (code == EEXIST)
		return 0;
	if (code == 0 && geteuid() == 0)
		code = give_run_to_owner(dirfd);
	if (code == 0)
		return 0;
	return err_sys(e, code, "cannot make the directory %s", DATADIR_RUN);
}

/* The lock first: broken off behind it, this is known for ours and goes on. */
static int furnish(struct fsio *fs, struct err *e)
{
	int fd = fs->ops->open(fs, DATADIR_LOCK, O_RDWR | O_CREAT, 0600);

	if (fd < 0)
		return err_sys(e, -fd, "cannot make the file %s", DATADIR_LOCK);
	fs->ops->close(fs, fd);
	if (datadir_make_run(fs->dirfd, e) < 0)
		return -1;
	if (fs->ops->sync_dir(fs, ".") < 0)
		return err_set(e, "cannot sync the data directory");
	return 0;
}

static int furnish_as_owner(struct fsio *fs, struct err *e)
{
	struct datadir_self self;
	int result;

	if (datadir_become_owner(fs->dirfd, &self, e) < 0)
		return -1;
	result = furnish(fs, e);
	datadir_become_self(&self);
	return result;
}

static int open_dir(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

enum datadir_code datadir_create(const char *path, struct err *e)
{
	enum datadir_code code;
	struct fsio fs;
	int dirfd;

	if (mkdir(path, DATADIR_MODE) < 0 && errno != EEXIST) {
		if (errno == ENOENT)
			err_set(
			    e, "cannot make the directory %s: make the one above it first", path);
		else
			err_sys(e, errno, "cannot make the directory %s", path);
		return DATADIR_FAILED;
	}
	dirfd = open_dir(path);
	if (dirfd < 0) {
		err_sys(e, errno, "cannot open the directory %s", path);
		return DATADIR_MISSING;
	}
	fsio_init(&fs, dirfd);
	code = check_contents(&fs, path, e);
	if (code == DATADIR_OK && (fchmod(dirfd, DATADIR_MODE) < 0 || furnish_as_owner(&fs, e) < 0))
		code = DATADIR_FAILED;
	close(dirfd);
	return code;
}

/* ---- the lock ---- */

/* The process to be stopped, as the holder wrote it into the file; 0 when it did not. */
static uint64_t holder(int fd)
{
	uint8_t text[24];
	ssize_t n = pread(fd, text, sizeof text, 0);
	uint64_t pid = 0;

	if (n > 0)
		(void)str_to_u64(str_trim(str_of(text, (size_t)n)), INT32_MAX, &pid);
	return pid;
}

static void write_holder(int fd, pid_t whom)
{
	char text[24];
	int n = snprintf(text, sizeof text, "%d\n", (int)whom);

	/* Only for the message to whoever comes second: failing is harmless. */
	if (ftruncate(fd, 0) == 0)
		(void)!pwrite(fd, text, (size_t)n, 0);
}

static enum datadir_code take_lock(int fd, const char *path, pid_t whom, struct err *e)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		write_holder(fd, whom);
		return DATADIR_OK;
	}
	if (errno != EWOULDBLOCK) {
		err_sys(e, errno, "cannot lock %s/%s", path, DATADIR_LOCK);
		return DATADIR_FAILED;
	}
	err_set(e,
	    "%s is in use by process %llu: stop that server first, or use commands that talk to it",
	    path, (unsigned long long)holder(fd));
	return DATADIR_LOCKED;
}

/* One that cannot be had for want of rights is as one that is not there; all else is the disk's or the system's doing. */
static enum datadir_code code_of(int error)
{
	bool missing = error == ENOENT || error == ENOTDIR || error == EACCES || error == EPERM;

	return missing ? DATADIR_MISSING : DATADIR_FAILED;
}

/* A lock that root made by hand is not for the server's user. */
static enum datadir_code tell_unusable(int dirfd, const char *path, int code, struct err *e)
{
	struct stat lock, dir;

	if (code == EACCES && fstatat(dirfd, DATADIR_LOCK, &lock, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fstat(dirfd, &dir) == 0 && dir.st_uid == geteuid() && lock.st_uid != dir.st_uid)
		err_set(e,
		    "the file " DATADIR_LOCK
		    " is not of the owner of the data directory: run chown %u:%u " DATADIR_LOCK
		    " there",
		    (unsigned)dir.st_uid, (unsigned)dir.st_gid);
	else
		err_sys(e, code, "cannot open %s/" DATADIR_LOCK, path);
	return code_of(code);
}

static enum datadir_code open_lock(
    int dirfd, const char *path, pid_t whom, int *fd_r, struct err *e)
{
	int fd = openat(dirfd, DATADIR_LOCK, O_RDWR | O_CLOEXEC);
	enum datadir_code code;

	if (fd < 0 && errno == ENOENT) {
		if (!lacks_lock(dirfd, path, e))
			err_set(e, "%s is no data directory: make one with: godwit init --data %s",
			    path, path);
		return DATADIR_FOREIGN;
	}
	if (fd < 0 && errno == EROFS) {
		err_set(e,
		    "%s is on a file system that is read-only: look into the kernel's log for the reason, "
		    "and mount it for writing",
		    path);
		return DATADIR_FAILED;
	}
	if (fd < 0)
		return tell_unusable(dirfd, path, errno, e);
	code = take_lock(fd, path, whom, e);
	if (code == DATADIR_OK)
		*fd_r = fd;
	else
		close(fd);
	return code;
}

/* ---- the reserve ---- */

static bool has_reserve(int dirfd)
{
	return faccessat(dirfd, DATADIR_RESERVE, F_OK, 0) == 0;
}

/* Under another name until it is whole; a file system that cannot reserve goes without. */
static void make_reserve(struct datadir *d)
{
	struct fsio *fs = &d->fs;
	int code, fd;

	if (datadir_free_bytes(d) < 2 * (int64_t)LIMIT_RESERVE)
		return;
	fd = fs->ops->open(fs, RESERVE_NEW, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		return;
	code = fs->ops->allocate(fs, fd, 0, (int64_t)LIMIT_RESERVE);
	fs->ops->close(fs, fd);
	if (code == 0)
		code = fs->ops->rename(fs, RESERVE_NEW, DATADIR_RESERVE);
	if (code == 0)
		d->reserve = RESERVE_HELD;
	else
		(void)fs->ops->unlink(fs, RESERVE_NEW);
}

bool datadir_release_reserve(struct datadir *d)
{
	if (d->reserve != RESERVE_HELD || d->fs.ops->unlink(&d->fs, DATADIR_RESERVE) < 0)
		return false;
	d->reserve = RESERVE_GIVEN;
	return true;
}

int64_t datadir_free_bytes(struct datadir *d)
{
	int64_t n = d->fs.ops->free_bytes(&d->fs);

	return n < 0 ? -1 : n;
}

enum datadir_room datadir_room(struct datadir *d, int64_t min_free)
{
	int64_t n = datadir_free_bytes(d);

	/* Not before there is room for both, or it would be given back again at once. */
	if (d->reserve != RESERVE_HELD && n >= min_free + (int64_t)LIMIT_RESERVE)
		make_reserve(d);
	return d->reserve != RESERVE_GIVEN && n >= min_free ? DATADIR_ACCEPTING : DATADIR_FULL;
}

/* ---- opening ---- */

enum datadir_code datadir_open(
    const char *path, const char *name, pid_t whom, struct datadir *d_r, struct err *e)
{
	int dirfd = open_dir(path), lockfd = -1;
	enum datadir_code code;

	if (dirfd < 0) {
		code = code_of(errno);
		err_sys(e, errno, "cannot open the data directory %s", name);
		return code;
	}
	code = open_lock(dirfd, name, whom, &lockfd, e);
	if (code == DATADIR_OK && fchdir(dirfd) < 0) {
		code = code_of(errno);
		err_sys(e, errno, "cannot enter the data directory %s", name);
	}
	if (code != DATADIR_OK) {
		if (lockfd >= 0)
			close(lockfd);
		close(dirfd);
		return code;
	}
	(void)unlinkat(dirfd, RESTORE_MARK, 0); /* of a restore that ended right behind the lock */
	d_r->dirfd = dirfd;
	d_r->lockfd = lockfd;
	fsio_init(&d_r->fs, dirfd);
	d_r->reserve = has_reserve(dirfd) ? RESERVE_HELD : RESERVE_NONE;
	if (d_r->reserve == RESERVE_NONE)
		make_reserve(d_r);
	return DATADIR_OK;
}

void datadir_close(struct datadir *d)
{
	close(d->lockfd);
	close(d->dirfd);
	d->lockfd = d->dirfd = -1;
}
