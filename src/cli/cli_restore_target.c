/*
 * The target of a restore. One restore at a time holds the mark; with a lock it is a data directory, and no
 * target. It may be an ordinary user's while root restores: files are made, never opened, below directories
 * that are no links, so that he leads nothing elsewhere. Only what the mark names, and what every restore makes, is removed.
 */
#include "cli/cli_restore_target.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/cli_restore_mark.h"
#include "cli/cli_text.h"
#include "store/datadir.h"
#include "store/restore.h"

static bool is_one_of(const char *name, const char *const *names)
{
	while (*names && !str_eq(str_of_c(name), str_of_c(*names)))
		names++;
	return *names;
}

/* dir: which of the target's directories dirfd is, NULL: the target itself. */
typedef int entry_fn(struct cli_restore_target *t, int dirfd, const char *dir, const char *name);

/* Calls fn for each entry until it ends with another code than EX_OK, which is given back. */
static int each(struct cli_restore_target *t, int dirfd, const char *dir_name, entry_fn *fn)
{
	DIR *dir = fdopendir(openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	struct dirent *d;
	int code = EX_OK;

	if (!dir)
		return cli_fail(
		    EX_CANTCREAT, "cannot read what is in %s: %s", t->path, err_reason(errno));
	while (code == EX_OK && (d = readdir(dir)) != NULL)
		if (!is_one_of(d->d_name, (const char *const[]){".", "..", NULL}))
			code = fn(t, dirfd, dir_name, d->d_name);
	closedir(dir);
	return code;
}

/* ---- may it be one ---- */

static bool is_there(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, 0) == 0;
}

static int refuse(const struct cli_restore_target *t)
{
	return cli_fail(EX_CANTCREAT,
	    "%s is not empty: name with --data a directory that is empty or not there; for one "
	    "account into this one: --account ADDRESS",
	    t->path);
}

/* The file system's own, as one that was just made has it. */
#define LOST "lost+found"

static int refuse_entry(struct cli_restore_target *t, int dirfd, const char *dir, const char *name)
{
	return is_one_of(name, (const char *const[]){LOST, NULL}) ? EX_OK : refuse(t);
}

/* Empty but for what a restore that was broken off left. With a lock it is a data directory, whatever else it has. */
static int may_hold(struct cli_restore_target *t)
{
	if (is_there(t->dirfd, DATADIR_LOCK))
		return refuse(t);
	return is_there(t->dirfd, RESTORE_MARK) ? EX_OK : each(t, t->dirfd, NULL, refuse_entry);
}

/* ---- one restore at a time ---- */

static int cannot_make(const struct cli_restore_target *t, const char *name)
{
	return cli_fail(EX_CANTCREAT, "cannot make %s/%s: %s", t->path, name, err_reason(errno));
}

/* Not the mark of a restore that was completed meanwhile. */
static bool is_in_place(const struct cli_restore_target *t)
{
	struct stat held, there;

	return fstat(t->mark, &held) == 0 &&
	       fstatat(t->dirfd, RESTORE_MARK, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	       held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

/* Nothing of the directory changes before it is known to be ours. */
static int take_mark(struct cli_restore_target *t)
{
	bool held;

	t->mark = openat(t->dirfd, RESTORE_MARK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (t->mark < 0)
		return cannot_make(t, RESTORE_MARK);
	held = flock(t->mark, LOCK_EX | LOCK_NB) == 0;
	if (!held && errno != EWOULDBLOCK)
		return cli_fail(EX_CANTCREAT, "cannot lock %s/" RESTORE_MARK ": %s", t->path,
		    err_reason(errno));
	if (!held || !is_in_place(t))
		return cli_fail(EX_TEMPFAIL,
		    "another restore into %s is under way; run this again if that does not "
		    "complete it",
		    t->path);
	return is_there(t->dirfd, DATADIR_LOCK) ? refuse(t) : EX_OK;
}

/* ---- what a restore that was broken off has left ---- */

static int refuse_left(const struct cli_restore_target *t, const char *dir, const char *name)
{
	struct buf text;
	int code;

	buf_init(&text, 2 * KIB);
	if (dir)
		buf_printf(&text, "%s/", dir);
	cli_text_put(&text, str_of_c(name));
	code = cli_fail(EX_CANTCREAT,
	    "%s holds %s, which is of no restore that was broken off: take it away, or name with "
	    "--data a directory that is empty or not there",
	    t->path, buf_cstr(&text));
	buf_fini(&text);
	return code;
}

/* The names in it count for what is there now. */
static int read_mark(struct cli_restore_target *t)
{
	switch (cli_restore_mark_read(t->mark, &t->names)) {
	case CLI_RESTORE_MARK_NAMES:
		t->has_names = true;
		return EX_OK;
	case CLI_RESTORE_MARK_BEGUN:
		return EX_OK;
	case CLI_RESTORE_MARK_FOREIGN:
		return refuse_left(t, NULL, RESTORE_MARK);
	default:
		return cli_fail(EX_CANTCREAT, "cannot read %s/" RESTORE_MARK ": %s", t->path,
		    err_reason(errno));
	}
}

/* "0000000007.pack" */
static bool is_pack(struct str name)
{
	struct str end, number = str_split(name, '.', &end);
	uint64_t n;

	return number.n >= 10 && str_to_u64(number, INT64_MAX, &n) && str_eq(end, STR("pack"));
}

/* The database, and what SQLite makes beside it. */
static bool is_database(const char *name)
{
	return is_one_of(name, (const char *const[]){DATADIR_DB, DATADIR_DB "-journal",
				   DATADIR_DB "-wal", DATADIR_DB "-shm", NULL});
}

static bool is_listed(const struct cli_restore_target *t, const char *dir, const char *name)
{
	struct buf path;
	bool listed;

	buf_init(&path, 2 * KIB);
	buf_printf(&path, "%s%s%s", dir ? dir : "", dir ? "/" : "", name);
	listed = cli_restore_mark_has(&t->names, buf_view(&path));
	buf_fini(&path);
	return listed;
}

static bool is_below(const char *name)
{
	return is_one_of(name, (const char *const[]){DATADIR_PACKS, DATADIR_RUN, "tls", NULL});
}

/* Can a restore have made it? Of its directories the owner may have made links. */
static bool is_left(
    const struct cli_restore_target *t, int dirfd, const char *dir, const char *name)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (!dir && str_eq(str_of_c(name), STR(CLI_RESTORE_MARK_NEW)))
		return S_ISREG(st.st_mode);
	if (!t->has_names)
		return false;
	if (!dir && is_below(name))
		return S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode);
	if (S_ISDIR(st.st_mode))
		return false;
	if (dir && str_eq(str_of_c(dir), STR(DATADIR_PACKS)))
		return is_pack(str_of_c(name));
	return (!dir && is_database(name)) || is_listed(t, dir, name);
}

static int open_below(int dirfd, const char *name)
{
	return openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int cannot_remove(const struct cli_restore_target *t, const char *name)
{
	return cli_fail(EX_CANTCREAT,
	    "cannot remove %s in %s, which a restore that was broken off is to have left there: %s",
	    name, t->path, err_reason(errno));
}

/* A file, a link, or a directory with nothing in it. */
static int remove_entry(struct cli_restore_target *t, int dirfd, const char *name)
{
	if (unlinkat(dirfd, name, 0) == 0 ||
	    (errno == EISDIR && unlinkat(dirfd, name, AT_REMOVEDIR) == 0))
		return EX_OK;
	return cannot_remove(t, name);
}

static int look_at_left(struct cli_restore_target *t, int dirfd, const char *dir, const char *name);

static int look_below(struct cli_restore_target *t, const char *name)
{
	int fd = open_below(t->dirfd, name), code;

	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP)) /* a link */
		return EX_OK;
	if (fd < 0)
		return cli_fail(EX_CANTCREAT, "cannot read what is in %s/%s: %s", t->path, name,
		    err_reason(errno));
	code = each(t, fd, name, look_at_left);
	close(fd);
	return code;
}

/* Refuses what is somebody else's; removes, when that is asked for, what is not, a directory behind what lies in it. */
static int look_at_left(struct cli_restore_target *t, int dirfd, const char *dir, const char *name)
{
	int code = EX_OK;

	if (!dir && is_one_of(name, (const char *const[]){RESTORE_MARK, LOST, NULL}))
		return EX_OK;
	if (!is_left(t, dirfd, dir, name))
		return refuse_left(t, dir, name);
	if (!dir && is_below(name))
		code = look_below(t, name);
	return code == EX_OK && t->removing ? remove_entry(t, dirfd, name) : code;
}

/* ---- what is made ---- */

static int make_below(struct cli_restore_target *t, const char *name, mode_t mode, int *fd_r)
{
	if (mkdirat(t->dirfd, name, mode) < 0)
		return cannot_make(t, name);
	*fd_r = open_below(t->dirfd, name);
	return *fd_r < 0 ? cannot_make(t, name) : EX_OK;
}

static int cannot_begin(const struct cli_restore_target *t)
{
	return cli_fail(EX_CANTCREAT, "cannot write into %s: %s", t->path, err_reason(errno));
}

/*
 * Of a restore that was broken off, and may have been of another backup, nothing stays: a database would be read with
 * the journal or the log of another one. Nothing goes before it is known that all may.
 */
static int clear(struct cli_restore_target *t)
{
	int code = each(t, t->dirfd, NULL, look_at_left);

	/* the mark is on the disk before anything that it is about */
	if (code == EX_OK && (fchmod(t->dirfd, 0700) < 0 || fsync(t->dirfd) < 0))
		return cannot_begin(t);
	t->removing = true;
	return code == EX_OK ? each(t, t->dirfd, NULL, look_at_left) : code;
}

/* What the names of before were about is gone from the disk before they are. */
static int furnish(struct cli_restore_target *t, const struct cli_manifest *m)
{
	int code, mark = fsync(t->dirfd) < 0 ? -1 : cli_restore_mark_write(t->dirfd, m);

	if (mark < 0)
		return cannot_begin(t);
	close(t->mark);
	t->mark = mark;
	code = make_below(t, DATADIR_PACKS, 0700, &t->packs);
	if (code == EX_OK)
		code = make_below(t, "tls", DATADIR_MODE, &t->tls);
	return code;
}

/* ---- all of it ---- */

void cli_restore_target_init(struct cli_restore_target *t, const char *path)
{
	*t = (struct cli_restore_target){
	    .path = path, .dirfd = -1, .packs = -1, .tls = -1, .mark = -1};
	buf_init(&t->names, CLI_RESTORE_MARK_MAX);
}

int cli_restore_target_open(struct cli_restore_target *t, const struct cli_manifest *m)
{
	int code;

	umask(022); /* modes are as they stand here */
	if (mkdir(t->path, 0700) < 0 && errno != EEXIST)
		return cli_fail(
		    EX_CANTCREAT, "cannot make the directory %s: %s", t->path, err_reason(errno));
	t->dirfd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (t->dirfd < 0)
		return cli_fail(
		    EX_CANTCREAT, "cannot open the directory %s: %s", t->path, err_reason(errno));
	code = may_hold(t);
	if (code == EX_OK)
		code = take_mark(t);
	if (code == EX_OK)
		code = read_mark(t);
	if (code == EX_OK)
		code = clear(t);
	return code == EX_OK ? furnish(t, m) : code;
}

/* The directory a file is made in; *name becomes its name there. */
static int place_of(const struct cli_restore_target *t, const char **name)
{
	const struct {
		struct str head;
		int fd;
	} below[] = {{STR(DATADIR_PACKS "/"), t->packs}, {STR("tls/"), t->tls}};

	for (size_t i = 0; i < sizeof below / sizeof *below; i++)
		if (str_has_prefix(str_of_c(*name), below[i].head)) {
			*name += below[i].head.n;
			return below[i].fd;
		}
	return t->dirfd;
}

void cli_restore_target_remove(const struct cli_restore_target *t, const char *name)
{
	int dirfd = place_of(t, &name);

	(void)unlinkat(dirfd, name, 0);
}

int cli_restore_target_file(const struct cli_restore_target *t, const char *name)
{
	int dirfd = place_of(t, &name);

	(void)unlinkat(dirfd, name, 0);
	return openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

void cli_restore_target_close(struct cli_restore_target *t)
{
	int *fds[] = {&t->packs, &t->tls, &t->dirfd, &t->mark};

	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	buf_fini(&t->names);
}
