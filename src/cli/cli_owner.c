#include "cli/cli_owner.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

#define USER_STORE "godwit" /* the default of user_store */

/* The administrator's own files stay his: the configuration and the private key. */
static bool is_admins(const FTSENT *f)
{
	struct str name = str_of_c(f->fts_name);

	return f->fts_level == 1 &&
	       (str_eq(name, STR("godwit.conf")) || str_has_prefix(name, STR("godwit.conf.")) ||
		   str_eq(name, STR("tls")));
}

/*
 * Its owner may be at work there: what stands at the name by now is not followed, and a file that has another
 * name elsewhere stays whose it is: EMLINK.
 */
static int give(const char *name, uid_t uid, gid_t gid)
{
	int fd = open(name, O_PATH | O_NOFOLLOW | O_CLOEXEC), result = -1;
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && st.st_nlink > 1 && !S_ISDIR(st.st_mode) && st.st_uid != uid)
		errno = EMLINK;
	else
		result = fchownat(fd, "", uid, gid, AT_EMPTY_PATH);
	close(fd);
	return result;
}

static int cannot_give(const char *path, uid_t uid, int code, struct err *e)
{
	if (code == EMLINK)
		return err_set(e,
		    "%s has another name elsewhere, whose owner would change too: put a copy in its place, then "
		    "run this command again",
		    path);
	return err_sys(e, code, "cannot give %s to the user with the id %u", path, (unsigned)uid);
}

/* The directory itself goes last: it tells that everything below was handed over. */
static int hand_over(const char *dir, uid_t uid, gid_t gid, bool with_admins, struct err *e)
{
	char *whole = realpath(dir, NULL); /* a link to it is as good as itself */
	char *const roots[] = {whole, NULL};
	FTS *fts = whole ? fts_open(roots, FTS_PHYSICAL, NULL) : NULL;
	int result = fts ? 0 : err_sys(e, errno, "cannot read %s", dir);
	FTSENT *f;

	while (result == 0 && (f = fts_read(fts)) != NULL) {
		if (!with_admins && is_admins(f))
			fts_set(fts, f, FTS_SKIP);
		else if (f->fts_info != FTS_D && give(f->fts_accpath, uid, gid) < 0)
			result = cannot_give(f->fts_path, uid, errno, e);
	}
	if (fts)
		fts_close(fts);
	free(whole);
	return result;
}

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

int cli_owner_give(const char *dir, const struct config_snapshot *c)
{
	const struct passwd *pw;
	struct stat st;
	struct err e;
	int code;

	if (geteuid() != 0 || (stat(dir, &st) == 0 && st.st_uid != 0))
		return EX_OK;
	code = find_owner(c, &pw);
	if (code != EX_OK || !pw || pw->pw_uid == 0)
		return code;
	return hand_over(dir, pw->pw_uid, pw->pw_gid, false, &e) < 0
		   ? cli_fail(EX_NOPERM, "%s", e.text)
		   : EX_OK;
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

/* Whose a restored directory is to be; of the id 0: it stays as it is. */
struct owner {
	uid_t uid;
	gid_t gid;
	bool with_admins;
};

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

static int find_restored(const char *dir, struct owner *o_r)
{
	struct config_snapshot *c = NULL;
	struct stat st;
	struct err e;
	int code = EX_OK;

	*o_r = (struct owner){0};
	if (geteuid() != 0)
		return EX_OK;
	(void)config_load(dir, 0, &c, &e); /* what is wrong with it is told later */
	if (stat(dir, &st) < 0 || st.st_uid == 0)
		code = owner_by_config(c, o_r);
	else
		*o_r = (struct owner){st.st_uid, st.st_gid, !is_store_user(c, st.st_uid)};
	config_unref(&c);
	return code;
}

int cli_owner_check_restored(const char *dir)
{
	struct owner o;

	return find_restored(dir, &o);
}

int cli_owner_give_restored(const char *dir)
{
	struct owner o;
	struct err e;
	int code = find_restored(dir, &o);

	if (code == EX_OK && o.uid != 0 && hand_over(dir, o.uid, o.gid, o.with_admins, &e) < 0)
		code = cli_fail(EX_NOPERM, "%s", e.text);
	return code;
}
