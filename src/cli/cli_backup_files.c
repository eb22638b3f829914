/*
 * The administrator's files in a backup: godwit.conf, what lies in tls/, and what godwit.conf names beside
 * itself. What is no file is named and left out; a file that cannot be read ends the backup, so that the one
 * before, which has it, stays.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/cli_backup_dir.h"
#include "cli/cli_text.h"
#include "config/config.h"

#define COPY ((size_t)64 * 1024)

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

	if (!cli_manifest_is_name(str_of_c(name)))
		return leave_out(b, name, "its name has \"..\" or control characters in it");
	fd = open_file(b, name, flags);
	if (fd < 0 && errno == ENXIO)
		return leave_out(b, name, "it is no file");
	if (fd < 0 && (errno == ENOENT || errno == ELOOP))
		return leave_out(b, name,
		    errno == ENOENT ? "it is missing, or a link to what is" : "it is a link");
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

static int copy_tls_from(struct backup *b, DIR *dir)
{
	struct buf name;
	struct dirent *d;
	int result = 0, code;

	buf_init(&name, 512);
	while (result == 0 && (errno = 0, d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		buf_clear(&name);
		buf_printf(&name, "tls/%s", d->d_name);
		result = copy_file(b, buf_cstr(&name), 0);
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

/*
 * Whether the path names something right in the data directory, and no link; *name_r is then its last part. The
 * directory is the store's user's: what his links lead to is not for the backup.
 */
static bool is_beside(const struct backup *b, struct buf *path, const char **name_r)
{
	const char *text = buf_cstr(path), *slash = strrchr(text, '/');
	struct stat data, above, st = {0};

	if (!slash || stat(b->data, &data) < 0 || (lstat(text, &st) == 0 && S_ISLNK(st.st_mode)))
		return false;
	*name_r = slash + 1;
	path->p[slash - text] = '\0';
	return stat(text, &above) == 0 && above.st_dev == data.st_dev &&
	       above.st_ino == data.st_ino;
}

static bool is_copied(const struct backup *b, struct str name)
{
	bool found = false;

	for (size_t i = 0; i < b->new.nfiles; i++)
		found = found || str_eq(b->new.file[i].name, name);
	return found;
}

static int copy_named(struct backup *b, const struct config_snapshot *c, struct str value)
{
	const char *name;
	struct buf path;
	int result = 0;

	buf_init(&path, 8 * KIB);
	config_path(c, value, &path);
	if (value.n && is_beside(b, &path, &name) && !is_copied(b, str_of_c(name)))
		result = copy_file(b, name, O_NOFOLLOW);
	buf_fini(&path);
	return result;
}

static int copy_named_files(struct backup *b)
{
	struct config_snapshot *c = NULL;
	struct err e = {""};
	int result;

	if (config_load(b->data, 0, &c, &e) < 0)
		return leave_out(b, "what godwit.conf names beside itself", e.text);
	result = copy_named(b, c, c->tls_certificate);
	if (result == 0)
		result = copy_named(b, c, c->tls_key);
	for (size_t i = 0; result == 0 && i < c->routes.n; i++)
		result = copy_named(b, c, c->routes.v[i].password_file);
	config_unref(&c);
	return result;
}

int cli_backup_copy_files(struct backup *b)
{
	if (copy_config(b) < 0 || copy_tls(b) < 0)
		return -1;
	return copy_named_files(b);
}
