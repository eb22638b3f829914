/*
 * The administrator's files in a backup: godwit.conf, what lies in tls/, and what godwit.conf names beside
 * itself. What is no file is named and left out; what godwit.conf names elsewhere, and what lies deeper in tls/,
 * is noted. A file that cannot be read ends the backup, so that the one before, which has it, stays.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli_backup_dir.h"
#include "cli/cli_text.h"
#include "config/config.h"

#define COPY    ((size_t)64 * 1024)
#define MISSING "it is missing, or a link to what is: put it there, and run this command again"
#define RESERVED                                                                                   \
	"the data directory uses that name for a file of its own; give it another name, also in "  \
	"godwit.conf"

int cli_backup_name_files(struct backup *b)
{
	struct buf name;

	buf_init(&name, 64);
	buf_printf(&name, "files-%lld", (long long)b->new.created);
	b->new.files = arena_str(b->new.arena, buf_view(&name));
	buf_clear(&name);
	buf_printf(&name, "files-%lld/tls", (long long)b->new.created);
	if (cli_backup_make_dir(b, b->new.files) == 0)
		cli_backup_make_dir(b, buf_view(&name));
	buf_fini(&name);
	return b->failed ? -1 : 0;
}

/* ---- one file ---- */

static int leave_out(struct backup *b, const char *name, const char *why)
{
	struct buf text;

	buf_init(&text, 8 * KIB);
	cli_text_put(&text, str_of_c(name));
	b->left_out++;
	cli_progress_clear(&b->progress);
	(void)cli_fail(EX_DATAERR, "%s is not in the backup: %s", buf_cstr(&text), why);
	buf_fini(&text);
	return 0;
}

/* What nobody expects in the backup. */
static int note(struct backup *b, const char *name, const char *what)
{
	struct buf text;

	buf_init(&text, 8 * KIB);
	buf_lit(&text, "note: ");
	cli_text_put(&text, str_of_c(name));
	cli_progress_clear(&b->progress);
	fprintf(stderr, "%s%s\n", buf_cstr(&text), what);
	buf_fini(&text);
	return 0;
}

static int fail(struct backup *b, const char *name)
{
	b->failed = true;
	return err_sys(&b->e, errno, "cannot read %s/%s", b->data, name);
}

static int copy_bytes(struct backup *b, const char *name, int from, unsigned mode)
{
	struct cli_manifest_file f = {.name = str_of_c(name), .mode = mode};
	uint8_t *bytes = mem_alloc(COPY);
	ssize_t n = -1;

	b->at = 0;
	XXH3_64bits_reset(b->hash);
	b->fd = cli_backup_file(b, b->new.files, name, false);
	while (b->fd >= 0 && (n = read(from, bytes, COPY)) > 0 &&
	       cli_backup_write(b, str_of(bytes, (size_t)n)) == 0)
		continue;
	if (n < 0 && !b->failed)
		fail(b, name);
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
	mem_free(bytes);
	f.size = b->at;
	f.sum = XXH3_64bits_digest(b->hash);
	if (!b->failed)
		cli_manifest_add_file(&b->new, &f);
	return b->failed ? -1 : 0;
}

/* Nothing here waits for whoever has the other end of it. -1: errno. */
static int open_file(const struct backup *b, const char *name, int flags)
{
	struct buf path;
	int fd;

	buf_init(&path, 8 * KIB);
	buf_printf(&path, "%s/%s", b->data, name);
	fd = open(buf_cstr(&path), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
	buf_fini(&path);
	return fd;
}

/* flags: more for open(). 0, also when it is left out, or -1. */
static int copy_file(struct backup *b, const char *name, int flags)
{
	struct stat st;
	int fd, result;

	if (cli_manifest_is_reserved(str_of_c(name)))
		return leave_out(b, name, RESERVED);
	if (!cli_manifest_is_name(str_of_c(name)))
		return leave_out(b, name, "its name has \"..\" or control characters in it");
	fd = open_file(b, name, flags);
	if (fd < 0 && errno == ENXIO)
		return leave_out(b, name, "it is no file");
	if (fd < 0 && (errno == ENOENT || errno == ELOOP))
		return leave_out(b, name, errno == ENOENT ? MISSING : "it is a link");
	if (fd < 0)
		return fail(b, name);
	if (fstat(fd, &st) < 0)
		result = fail(b, name);
	else if (!S_ISREG(st.st_mode))
		result = leave_out(
		    b, name, S_ISDIR(st.st_mode) ? "it is a directory" : "it is no file");
	else
		result = copy_bytes(b, name, fd, st.st_mode & 0777);
	close(fd);
	return result;
}

/* ---- all of them ---- */

static int copy_config(struct backup *b)
{
	int64_t before = b->left_out;
	int result = copy_file(b, "godwit.conf", 0);

	if (result == 0 && b->left_out > before) {
		b->failed = true;
		return err_set(&b->e, "without godwit.conf nothing could be restored");
	}
	return result;
}

static bool is_directory(DIR *dir, const char *name)
{
	struct stat st;

	return fstatat(dirfd(dir), name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

static int copy_tls_from(struct backup *b, DIR *dir)
{
	struct buf name;
	struct dirent *d;
	int result = 0, code;

	buf_init(&name, 512);
	while (result == 0 && (errno = 0, d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		buf_clear(&name);
		buf_printf(&name, "tls/%s", d->d_name);
		result = is_directory(dir, d->d_name)
			     ? note(b, buf_cstr(&name), " is a directory and is not in the backup")
			     : copy_file(b, buf_cstr(&name), 0);
	}
	code = errno;
	buf_fini(&name);
	errno = code;
	return result == 0 && code != 0 ? fail(b, "tls") : result;
}

static int copy_tls(struct backup *b)
{
	int fd = open_file(b, "tls", O_DIRECTORY), result = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir) {
		result = copy_tls_from(b, dir);
		closedir(dir);
	} else if (errno != ENOENT) {
		result = fail(b, "tls");
	}
	return result;
}

/* ---- what godwit.conf names ---- */

static bool is_copied(const struct backup *b, struct str name)
{
	bool found = false;

	for (size_t i = 0; i < b->new.nfiles; i++)
		found = found || str_eq(b->new.file[i].name, name);
	return found;
}

enum place {
	PLACE_BESIDE, /* right in the data directory */
	PLACE_TLS,    /* right in tls/, all of which has been copied or named */
	PLACE_DEEPER, /* below tls/ */
	PLACE_ELSEWHERE,
};

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* By what directories are, not by how they are written. */
static enum place place_of(const struct backup *b, const char *directory)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat at, data, tls;
	enum place place = PLACE_ELSEWHERE;
	struct buf path;

	buf_init(&path, 8 * KIB);
	buf_printf(&path, "%s/tls", b->data);
	if (fd < 0 || fstat(fd, &at) < 0)
		place = PLACE_ELSEWHERE;
	else if (stat(b->data, &data) == 0 && is_same(&at, &data))
		place = PLACE_BESIDE;
	else if (stat(buf_cstr(&path), &tls) == 0 && is_same(&at, &tls))
		place = PLACE_TLS;
	else if (cli_backup_is_inside(fd, buf_cstr(&path)))
		place = PLACE_DEEPER;
	if (fd >= 0)
		close(fd);
	buf_fini(&path);
	return place;
}

/*
 * The data directory is the store's user's: what his links lead to is not for the backup. All else that
 * is not in it is told.
 */
static int copy_named(struct backup *b, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct buf directory;
	struct stat st;
	enum place place;

	buf_init(&directory, 8 * KIB);
	buf_str(&directory, str_sub(str_of_c(path), 0, (size_t)(slash - path) + 1));
	place = place_of(b, buf_cstr(&directory));
	buf_fini(&directory);
	if (place == PLACE_BESIDE)
		return is_copied(b, str_of_c(slash + 1)) ? 0 : copy_file(b, slash + 1, O_NOFOLLOW);
	if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return place != PLACE_ELSEWHERE
			   ? leave_out(b, path, MISSING)
			   : note(b, path,
				 ", which godwit.conf names, is missing, and so not in the backup");
	if (place == PLACE_DEEPER)
		return leave_out(b, path, "it lies in a directory below tls/");
	return place == PLACE_TLS
		   ? 0
		   : note(b, path,
			 ", which godwit.conf names, lies elsewhere and is not in the backup");
}

static struct str named(const struct config_snapshot *c, size_t i)
{
	const struct str tls[] = {c->tls_certificate, c->tls_key};

	return i < 2 ? tls[i] : c->routes.v[i - 2].password_file;
}

/* Each once. */
static bool is_anew(const struct config_snapshot *c, size_t i)
{
	size_t before = 0;

	while (before < i && !str_eq(named(c, before), named(c, i)))
		before++;
	return before == i && named(c, i).n > 0;
}

static int copy_named_files(struct backup *b)
{
	struct config_snapshot *c = NULL;
	struct err e = {""};
	struct buf path;
	int result = 0;

	if (config_load(b->data, 0, &c, &e) < 0)
		return leave_out(b, "what godwit.conf names beside itself", e.text);
	buf_init(&path, 8 * KIB);
	for (size_t i = 0; result == 0 && i < c->routes.n + 2; i++)
		if (is_anew(c, i))
			result = copy_named(b, config_path(c, named(c, i), &path));
	buf_fini(&path);
	config_unref(&c);
	return result;
}

int cli_backup_copy_files(struct backup *b)
{
	if (copy_config(b) < 0 || copy_tls(b) < 0)
		return -1;
	return copy_named_files(b);
}
