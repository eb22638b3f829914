#include "cli/cli_owner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "store/datadir.h"

#define USER_STORE "godwit" /* the default of user_store */
#define DEPTH_MAX  16       /* of what is handed over */

/* Whose a directory is to be; of the id 0: it stays as it is. */
struct owner {
	uid_t uid;
	gid_t gid;
	bool with_admins; /* the administrator's files too */
};

/* ---- handing over ---- */

/* By descriptors: its owner, or that of the directory above, may be at work there, and put links in its place. */
struct handing {
	struct owner to;
	struct buf path; /* of what is at hand, for sentences */
	struct err *e;
};

/* The administrator's own files stay his: the configuration and the private key. */
static bool is_admins(struct str name)
{
	return str_eq(name, STR("godwit.conf")) || str_has_prefix(name, STR("godwit.conf.")) ||
	       str_eq(name, STR("tls"));
}

static bool stays(const struct handing *h, const char *name, int depth)
{
	if (str_eq(str_of_c(name), STR(".")) || str_eq(str_of_c(name), STR("..")))
		return true;
	if (depth == 1 && str_eq(str_of_c(name), STR("lost+found"))) /* the file system's */
		return true;
	return depth == 1 && !h->to.with_admins && is_admins(str_of_c(name));
}

/* From errno. */
static int cannot_give(struct handing *h)
{
	int code = errno;

	if (code == EMLINK)
		return err_set(h->e,
		    "%s has another name elsewhere, whose owner would change too: put a copy in its place, then "
		    "run this command again",
		    buf_cstr(&h->path));
	return err_sys(h->e, code, "cannot give %s to the user with the id %u", buf_cstr(&h->path),
	    (unsigned)h->to.uid);
}

/* A file that has another name elsewhere stays whose it is: EMLINK. */
static int give(struct handing *h, int fd, const struct stat *st)
{
	if (st->st_nlink > 1 && !S_ISDIR(st->st_mode) && st->st_uid != h->to.uid)
		errno = EMLINK;
	else if (fchownat(fd, "", h->to.uid, h->to.gid, AT_EMPTY_PATH) == 0)
		return 0;
	return cannot_give(h);
}

static int give_below(struct handing *h, int dirfd, int depth);

static int give_entry(struct handing *h, int dirfd, const char *name, int depth)
{
	size_t above = h->path.n;
	int fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC), result = 0;
	struct stat st;

	buf_printf(&h->path, "/%s", name);
	if (fd < 0 || fstat(fd, &st) < 0)
		result = cannot_give(h);
	else if (S_ISDIR(st.st_mode))
		result = give_below(h, fd, depth + 1);
	if (result == 0)
		result = give(h, fd, &st);
	if (fd >= 0)
		close(fd);
	h->path.n = above;
	return result;
}

static int give_below(struct handing *h, int dirfd, int depth)
{
	DIR *dir = NULL;
	struct dirent *d;
	int fd = -1, result = 0;

	if (depth > DEPTH_MAX)
		errno = ENAMETOOLONG;
	else
		fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		dir = fdopendir(fd);
	if (!dir) {
		result = cannot_give(h);
		if (fd >= 0)
			close(fd);
		return result;
	}
	while (result == 0 && (errno = 0, d = readdir(dir)) != NULL)
		if (!stays(h, d->d_name, depth))
			result = give_entry(h, dirfd, d->d_name, depth);
	if (result == 0 && errno)
		result = cannot_give(h);
	closedir(dir);
	return result;
}

/* The directory itself goes last: it tells that everything below was handed over. An exit code; told. */
static int hand_over(int dirfd, const char *dir, const struct owner *to)
{
	struct err e = {""};
	struct handing h = {.to = *to, .e = &e};
	struct stat st;
	int result;

	buf_init(&h.path, 64 * KIB);
	buf_c(&h.path, dir);
	result = fstat(dirfd, &st) < 0 ? cannot_give(&h) : give_below(&h, dirfd, 1);
	if (result == 0)
		result = give(&h, dirfd, &st);
	buf_fini(&h.path);
	return result < 0 ? cli_fail(EX_NOPERM, "%s", e.text) : EX_OK;
}

/* ---- to whom ---- */

/* The store's system user; NULL when none is named. Fails when there is no such user. */
static int find_owner(const struct config_snapshot *c, const struct passwd **pw_r)
{
	struct str user = c->user_store;

	*pw_r = NULL;
	if (user.n == 0)
		return EX_OK;
	*pw_r = getpwnam((const char *)user.p);
	if (*pw_r)
		return EX_OK;
	return cli_fail(EX_CONFIG,
	    "there is no system user %.*s; make it with: useradd --system --user-group --no-create-home "
	    "--shell /usr/sbin/nologin %.*s, then run this command again",
	    STR_FMT(user), STR_FMT(user));
}

/* Another one may have been put in its place: it is given only where there is what was made. */
static bool is_to_give(int dirfd)
{
	struct stat st;

	return fstat(dirfd, &st) == 0 && st.st_uid == 0 &&
	       faccessat(dirfd, DATADIR_DB, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int give_new(int dirfd, const char *dir, const struct config_snapshot *c)
{
	const struct passwd *pw = NULL;
	int code = EX_OK;

	if (is_to_give(dirfd))
		code = find_owner(c, &pw);
	if (code != EX_OK || !pw || pw->pw_uid == 0)
		return code;
	return hand_over(dirfd, dir, &(struct owner){pw->pw_uid, pw->pw_gid, false});
}

int cli_owner_give(const char *dir, const struct config_snapshot *c)
{
	int dirfd, code;

	if (geteuid() != 0)
		return EX_OK;
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return cli_fail(
		    EX_CANTCREAT, "cannot open the directory %s: %s", dir, err_reason(errno));
	code = give_new(dirfd, dir, c);
	close(dirfd);
	return code;
}

/* Is he the store's user, who has no use for the administrator's files? c: NULL where there is none yet. */
static bool is_store_user(const struct config_snapshot *c, uid_t uid)
{
	const char *name = c ? (const char *)c->user_store.p : USER_STORE;
	const struct passwd *pw = c && c->user_store.n == 0 ? NULL : getpwnam(name);

	return pw && pw->pw_uid == uid;
}

/* For good. */
static int become(const char *dir, const struct stat *st)
{
	if (setgroups(0, NULL) == 0 && setgid(st->st_gid) == 0 && setuid(st->st_uid) == 0)
		return EX_OK;
	return cli_fail(EX_NOPERM, "cannot become the owner of %s, user %u: %s", dir,
	    (unsigned)st->st_uid, err_reason(errno));
}

int cli_owner_become_user(const char *dir)
{
	struct config_snapshot *c = NULL;
	const struct passwd *pw;
	struct stat st;
	struct err e;
	int code = EX_OK;

	if (geteuid() != 0 || stat(dir, &st) < 0 || st.st_uid == 0)
		return EX_OK;
	if (config_load(dir, 0, &c, &e) == 0) /* what is wrong with it is told later */
		code = find_owner(c, &pw);
	if (code == EX_OK && !is_store_user(c, st.st_uid))
		code = become(dir, &st);
	config_unref(&c);
	return code;
}

/* ---- what leads there ---- */

#define LINKS_MAX 40 /* as of the kernel */

/* What is left of a path, and what of it was looked at; both without links. */
struct walk {
	struct buf at, rest;
	const char *what;
	int links;
};

static int refuse_link(struct walk *w, uid_t uid)
{
	return cli_fail(EX_CANTCREAT,
	    "%s is a link of the user with the id %u, who may let it lead anywhere: name %s without it",
	    buf_cstr(&w->at), (unsigned)uid, w->what);
}

/* In front of the rest, in place of its name, which goes. */
static int follow(struct walk *w, size_t above)
{
	char to[4096];
	ssize_t n = readlink(buf_cstr(&w->at), to, sizeof to);
	struct buf rest;

	if (n < 0 || n == (ssize_t)sizeof to || ++w->links > LINKS_MAX)
		return cli_fail(
		    EX_CANTCREAT, "the links at %s cannot be followed", buf_cstr(&w->at));
	w->at.n = to[0] == '/' ? 0 : above;
	buf_init(&rest, 64 * KIB);
	buf_add(&rest, to, (size_t)n);
	buf_byte(&rest, '/');
	buf_str(&rest, buf_view(&w->rest));
	buf_fini(&w->rest);
	w->rest = rest;
	return EX_OK;
}

/* The next name, and the slashes in front of it. */
static int step(struct walk *w)
{
	size_t above, n = 0;
	struct str rest;
	struct stat st;

	while (n < w->rest.n && w->rest.p[n] == '/')
		n++;
	if (n > 0 && (w->at.n == 0 || w->at.p[w->at.n - 1] != '/'))
		buf_byte(&w->at, '/');
	above = w->at.n;
	buf_drop(&w->rest, n);
	rest = buf_view(&w->rest);
	n = str_find(rest, '/');
	buf_str(&w->at, str_sub(rest, 0, n));
	buf_drop(&w->rest, n);
	if (lstat(buf_cstr(&w->at), &st) < 0 || !S_ISLNK(st.st_mode))
		return EX_OK;
	return st.st_uid == 0 ? follow(w, above) : refuse_link(w, st.st_uid);
}

int cli_owner_check_links(const char *path, const char *what)
{
	struct walk w = {.what = what};
	int code = EX_OK;

	buf_init(&w.at, 64 * KIB);
	buf_init(&w.rest, 64 * KIB);
	buf_c(&w.rest, path);
	while (geteuid() == 0 && code == EX_OK && w.rest.n > 0)
		code = step(&w);
	buf_fini(&w.at);
	buf_fini(&w.rest);
	return code;
}

/* ---- what was restored ---- */

/* Where its configuration is not accepted: the user's whom it would be without one, if there is one. */
static int owner_by_config(const struct config_snapshot *c, struct owner *o_r)
{
	const struct passwd *pw = NULL;
	int code = EX_OK;

	if (c)
		code = find_owner(c, &pw);
	else
		pw = getpwnam(USER_STORE);
	if (pw)
		*o_r = (struct owner){pw->pw_uid, pw->pw_gid, false};
	return code;
}

static int find_restored(int dirfd, const char *dir, struct owner *o_r)
{
	struct config_snapshot *c = NULL;
	struct stat st;
	struct err e;
	int code = EX_OK;

	*o_r = (struct owner){0};
	if (geteuid() != 0)
		return EX_OK;
	(void)config_load_at(dirfd, dir, &c, &e); /* what is wrong with it is told later */
	if (fstat(dirfd, &st) < 0 || st.st_uid == 0)
		code = owner_by_config(c, o_r);
	else
		*o_r = (struct owner){st.st_uid, st.st_gid, !is_store_user(c, st.st_uid)};
	config_unref(&c);
	return code;
}

int cli_owner_check_restored(int dirfd, const char *dir)
{
	struct owner o;

	return find_restored(dirfd, dir, &o);
}

int cli_owner_give_restored(int dirfd, const char *dir)
{
	struct owner o;
	int code = find_restored(dirfd, dir, &o);

	return code == EX_OK && o.uid != 0 ? hand_over(dirfd, dir, &o) : code;
}
