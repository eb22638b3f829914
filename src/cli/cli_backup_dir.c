/*
 * The directory of a backup: what may be in it, and what is to go. Only what bears our names and no manifest
 * needs is ever removed. It may be another user's: below it no link is followed.
 */
#include "cli/cli_backup_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli_write.h"
#include "proc/admin_call.h"
#include "store/datadir.h"

#define BEGUN "begun"

static const char *reason(int code)
{
	if (code == EMLINK || code == ENXIO)
		return "what stands there is no file, or has another name too, and is not written to";
	return code == ELOOP || code == ENOTDIR
		   ? "a link stands there, or a file, and links are not followed"
		   : err_reason(code);
}

int cli_backup_fail(struct backup *b, const char *what, struct str name)
{
	int code = errno;

	b->failed = true;
	return err_set(
	    &b->e, "cannot %s %.*s in %s: %s", what, STR_FMT(name), b->path, reason(code));
}

/* ---- files of the backup ---- */

/* The directory that has the last part of a path below the backup; *last gets that part. -1: errno. */
static int open_above(const struct backup *b, struct str path, struct buf *last)
{
	int fd = openat(b->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), next;

	buf_str(last, str_split(path, '/', &path));
	while (fd >= 0 && path.n > 0) {
		next = openat(fd, buf_cstr(last), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(fd);
		fd = next;
		buf_clear(last);
		buf_str(last, str_split(path, '/', &path));
	}
	return fd;
}

/* Of the backup alone: who may write there may have given somebody else's file a name in it. -1: errno. */
static int only_of_backup(int fd)
{
	struct stat st;
	int result = fd < 0 ? -1 : fstat(fd, &st);

	if (result < 0 || (S_ISREG(st.st_mode) && st.st_nlink <= 1))
		return result < 0 ? -1 : fd;
	close(fd);
	errno = EMLINK;
	return -1;
}

int cli_backup_file(struct backup *b, struct str dir, const char *name, bool append)
{
	int flags = O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_WRONLY |
		    (append ? 0 : O_EXCL);
	struct buf path, last;
	int above, fd;

	buf_init(&path, 4096);
	buf_init(&last, 4096);
	buf_str(&path, dir);
	buf_byte(&path, '/');
	buf_c(&path, name);
	above = open_above(b, buf_view(&path), &last);
	fd = above < 0 ? -1 : only_of_backup(openat(above, buf_cstr(&last), flags, 0600));
	if (fd < 0)
		cli_backup_fail(b, "make", buf_view(&path));
	if (above >= 0)
		close(above);
	buf_fini(&path);
	buf_fini(&last);
	return fd;
}

int cli_backup_write(struct backup *b, struct str s)
{
	while (s.n > 0) {
		ssize_t n = pwrite(b->fd, s.p, s.n, b->at);

		if (n < 0 && errno != EINTR)
			return cli_backup_fail(b, "write", STR("a file"));
		if (n <= 0)
			continue;
		XXH3_64bits_update(b->hash, s.p, (size_t)n);
		b->at += n;
		b->copied += n;
		s = str_from(s, (size_t)n);
	}
	return 0;
}

int cli_backup_make_dir(struct backup *b, struct str name)
{
	struct buf last;
	int above, result = 0;

	buf_init(&last, 4096);
	above = open_above(b, name, &last);
	if (above < 0 || (mkdirat(above, buf_cstr(&last), 0700) < 0 && errno != EEXIST))
		result = cli_backup_fail(b, "make", name);
	if (above >= 0)
		close(above);
	buf_fini(&last);
	return result;
}

/* ---- the directory ---- */

static bool belongs(const struct cli_manifest *m, struct str name)
{
	return str_eq(name, m->packs) || str_eq(name, m->files);
}

static void remove_below(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	while (dir && (d = readdir(dir)) != NULL) {
		struct str s = str_of_c(d->d_name);

		if (str_eq(s, STR(".")) || str_eq(s, STR("..")))
			continue;
		if (unlinkat(fd, d->d_name, 0) < 0)
			remove_below(fd, d->d_name);
	}
	if (dir)
		closedir(dir);
	(void)unlinkat(dirfd, name, AT_REMOVEDIR);
}

/* "packs-" or "files-" and a moment. */
static bool is_ours(struct str name)
{
	uint64_t n;

	return (str_has_prefix(name, STR("packs-")) || str_has_prefix(name, STR("files-"))) &&
	       str_to_u64(str_from(name, 6), INT64_MAX, &n);
}

/* Directories of ours that the manifest does not name: of backups before, or broken off. */
void cli_backup_clean(struct backup *b, const struct cli_manifest *m)
{
	DIR *dir = fdopendir(openat(b->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *d;

	while (dir && (d = readdir(dir)) != NULL) {
		if (is_ours(str_of_c(d->d_name)) && !belongs(m, str_of_c(d->d_name)))
			remove_below(b->dirfd, d->d_name);
	}
	if (dir)
		closedir(dir);
}

/* ---- a first backup under way: BEGUN has the moment that its directories bear in their names ---- */

static void remove_of(const struct backup *b, int64_t moment)
{
	static const char *const what[] = {"packs", "files"};
	struct buf name;

	buf_init(&name, 64);
	for (size_t i = 0; i < sizeof what / sizeof *what; i++) {
		buf_clear(&name);
		buf_printf(&name, "%s-%lld", what[i], (long long)moment);
		remove_below(b->dirfd, buf_cstr(&name));
	}
	buf_fini(&name);
}

/* The moment; 0: none is under way. */
static int64_t moment_begun(const struct backup *b)
{
	int fd = openat(b->dirfd, BEGUN, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	uint8_t text[24];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
	uint64_t moment = 0;

	if (fd >= 0)
		close(fd);
	if (n <= 0 || !str_to_u64(str_of(text, (size_t)n), INT64_MAX, &moment))
		return 0;
	return (int64_t)moment;
}

void cli_backup_drop_begun(struct backup *b)
{
	int64_t moment = moment_begun(b);

	if (!b->has_old && moment > 0)
		remove_of(b, moment);
	(void)unlinkat(b->dirfd, BEGUN, 0);
}

int cli_backup_begin(struct backup *b)
{
	int fd = openat(b->dirfd, BEGUN, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct buf text;
	int result = 0;

	buf_init(&text, 24);
	buf_i64(&text, b->new.created);
	if (fd < 0 || cli_write_all(fd, buf_view(&text)) < 0 || fsync(fd) < 0 ||
	    fsync(b->dirfd) < 0)
		result = cli_backup_fail(b, "make", STR(BEGUN));
	if (fd >= 0)
		close(fd);
	buf_fini(&text);
	return result;
}

void cli_backup_end(struct backup *b)
{
	if (unlinkat(b->dirfd, BEGUN, 0) == 0)
		(void)fsync(b->dirfd);
}

void cli_backup_drop(struct backup *b)
{
	struct stat st;

	if (fstatat(b->dirfd, CLI_MANIFEST_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
		return;
	remove_of(b, b->new.created);
	(void)unlinkat(b->dirfd, BEGUN, 0);
	if (b->made_lock)
		(void)unlinkat(b->dirfd, CLI_BACKUP_LOCK, 0); /* held: see is_linked() */
	if (b->made)
		(void)rmdir(b->path); /* unless somebody has put something there */
}

/* ---- files of packs that nothing names ---- */

static int by_pack(const void *key, const void *part)
{
	const int64_t *pack = key;
	const struct cli_manifest_part *p = part;

	return (*pack > p->pack) - (*pack < p->pack);
}

static bool names_pack(const struct cli_manifest *m, int64_t pack)
{
	return m->nparts && bsearch(&pack, m->part, m->nparts, sizeof *m->part, by_pack);
}

/* The pack that a file of the backup is of, by its name; 0: none. */
static int64_t pack_of(const char *name)
{
	struct str s = str_of_c(name);
	struct buf its_own;
	uint64_t n = 0;

	if (!str_to_u64(str_sub(s, 0, str_find(s, '.')), INT64_MAX, &n))
		return 0;
	buf_init(&its_own, 64);
	cli_backup_pack_name(&its_own, STR(""), (int64_t)n);
	if (!str_eq(str_from(buf_view(&its_own), 1), s))
		n = 0;
	buf_fini(&its_own);
	return (int64_t)n;
}

/*
 * Of the directory, not of the manifest before: a backup that was broken off may have begun packs that
 * the store has dropped since, which no manifest ever named.
 */
void cli_backup_clean_packs(struct backup *b)
{
	struct buf name;
	int fd;
	DIR *dir;
	struct dirent *d;

	buf_init(&name, 4096);
	buf_str(&name, b->new.packs);
	fd = openat(b->dirfd, buf_cstr(&name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (d = readdir(dir)) != NULL) {
		int64_t pack = pack_of(d->d_name);

		if (pack > 0 && !names_pack(&b->new, pack))
			(void)unlinkat(fd, d->d_name, 0);
	}
	if (dir)
		closedir(dir);
	buf_fini(&name);
}

/* It is empty, or a backup; lost+found: the file system's. */
static bool may_hold(struct backup *b)
{
	DIR *dir = fdopendir(openat(b->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *d;
	bool good = true;

	while (dir && (d = readdir(dir)) != NULL) {
		struct str s = str_of_c(d->d_name);

		good = good && (s.p[0] == '.' || is_ours(s) || str_eq(s, STR(CLI_MANIFEST_NAME)) ||
				   str_eq(s, STR("manifest.new")) || str_eq(s, STR(BEGUN)) ||
				   str_eq(s, STR(CLI_BACKUP_LOCK)) || str_eq(s, STR("lost+found")));
	}
	if (dir)
		closedir(dir);
	return good;
}

bool cli_backup_is_inside(int dirfd, const char *path)
{
	struct stat top = {0}, at, above;
	int fd = dup(dirfd);
	bool inside = false, more = fd >= 0 && stat(path, &top) == 0 && fstat(fd, &at) == 0;

	while (more && !inside) {
		int up = openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		inside = at.st_dev == top.st_dev && at.st_ino == top.st_ino;
		close(fd);
		fd = up;
		more = fd >= 0 && fstat(fd, &above) == 0 &&
		       (above.st_dev != at.st_dev || above.st_ino != at.st_ino);
		at = above;
	}
	if (fd >= 0)
		close(fd);
	return inside;
}

/* Makes it, unless it is there. */
static int open_directory(struct backup *b)
{
	b->made = mkdir(b->path, 0700) == 0;
	if (!b->made && errno != EEXIST)
		return cli_fail(
		    EX_CANTCREAT, "cannot make the directory %s: %s", b->path, err_reason(errno));
	b->dirfd = open(b->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->dirfd < 0)
		return cli_fail(
		    EX_CANTCREAT, "cannot open the directory %s: %s", b->path, err_reason(errno));
	if (cli_backup_is_inside(b->dirfd, b->data)) {
		if (b->made)
			rmdir(b->path);
		return cli_fail(EX_CANTCREAT,
		    "%s lies in the data directory and would be lost with it; name a directory "
		    "elsewhere, best on another disk",
		    b->path);
	}
	if (!may_hold(b))
		return cli_fail(EX_CANTCREAT,
		    "%s holds other files: name a directory that is empty or holds a backup",
		    b->path);
	return EX_OK;
}

/* A restore from a copy without a lock holds the directory itself, where directories can be locked. */
static bool lock_directory(const struct backup *b)
{
	return flock(b->dirfd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

/* A backup that failed has removed the lock it made, while it held it: one that was opened before is nobody's. */
static bool is_linked(int lock)
{
	struct stat st;

	if (fstat(lock, &st) == 0 && st.st_nlink > 0)
		return true;
	errno = EWOULDBLOCK;
	return false;
}

/* Held until the process ends. */
static int take_lock(struct backup *b)
{
	bool there = faccessat(b->dirfd, CLI_BACKUP_LOCK, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	int lock = openat(
	    b->dirfd, CLI_BACKUP_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	b->made_lock = lock >= 0 && !there;
	if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0 && is_linked(lock) &&
	    lock_directory(b))
		return EX_OK;
	if (lock >= 0 && errno == EWOULDBLOCK)
		return cli_fail(EX_TEMPFAIL,
		    "another backup into %s is under way, or a restore from it", b->path);
	return cli_fail(EX_CANTCREAT, "cannot %s %s/" CLI_BACKUP_LOCK ": %s",
	    lock < 0 ? "open" : "lock", b->path, reason(errno));
}

/* Under the lock: nobody else may put another one in its place from here on. */
static int read_manifest(struct backup *b)
{
	struct err e = {""};
	enum cli_manifest_code code = cli_manifest_read(&b->old, b->dirfd, b->path, &e);

	if (code == CLI_MANIFEST_BAD)
		return cli_fail(EX_DATAERR, "%s: name another directory", e.text);
	b->has_old = code == CLI_MANIFEST_OK;
	return EX_OK;
}

int cli_backup_open(struct backup *b)
{
	struct err e = {""};
	int code = admin_find_directory(b->data, &e);

	if (code != EX_OK)
		return cli_fail(code, "%s", e.text);
	if (datadir_lacks_lock(b->data, &e))
		return cli_fail(EX_DATAERR, "%s", e.text);
	code = open_directory(b);
	if (code == EX_OK)
		code = take_lock(b);
	return code == EX_OK ? read_manifest(b) : code;
}

/* ---- what is there of packs ---- */

int64_t cli_backup_has(struct backup *b, int64_t pack, int64_t end)
{
	struct buf name;
	struct stat st;
	int64_t size;

	buf_init(&name, 4096);
	cli_backup_pack_name(&name, b->old.packs, pack);
	size = fstatat(b->dirfd, buf_cstr(&name), &st, 0) == 0 ? st.st_size : 0;
	buf_fini(&name);
	if (size < end)
		(void)cli_fail(EX_DATAERR,
		    "pack %lld of the backup is missing or cut short there; it is copied again",
		    (long long)pack);
	return size;
}
