/*
 * A folder on the disk. Messages are synced before they get their names, many at a time, so that what has one in cur/
 * is whole whatever happens; and the list of keywords is written before a name can have a letter of it. Files are made anew and
 * directories stay open: no link leads out of it.
 */
#include "cli/cli_export_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli_write.h"
#include "mime/mime_maildir.h"

#define WAITING_MAX ((size_t)1000)
#define LIST        "dovecot-keywords"
#define LIST_NEW    "dovecot-keywords.new"

struct cli_export_waiting {
	struct cli_export_names old;
	const char *whole; /* that of them which holds it; NULL: none */
	char *name;
	bool written;
};

void cli_export_folder_init(struct cli_export_folder *f)
{
	*f = (struct cli_export_folder){.dir = -1, .tmp = -1, .cur = -1};
	buf_init(&f->path, 8192);
	buf_init(&f->keywords, 64 * KIB);
	f->waiting = mem_alloc(WAITING_MAX * sizeof *f->waiting);
}

/* ---- opening ---- */

/* A directory in another one, made if need be. */
static int open_below(int at, const char *name, struct buf *path, struct err *e)
{
	int fd;

	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "cannot make the directory %s", buf_cstr(path));
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return err_set(e,
		    "%s is a file or a link where a directory is to be; take it away, or name "
		    "another directory",
		    buf_cstr(path));
	if (fd < 0)
		return err_sys(e, errno, "cannot open the directory %s", buf_cstr(path));
	return fd;
}

static int open_inside(struct cli_export_folder *f, const char *name, struct err *e)
{
	struct buf path;
	int fd;

	buf_init(&path, 8192);
	buf_printf(&path, "%s/%s", buf_cstr(&f->path), name);
	fd = open_below(f->dir, name, &path, e);
	buf_fini(&path);
	return fd;
}

static int not_hidden(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* As strcmp() has it, so that names that begin alike stand together. */
static int by_octets(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static uint32_t letters_of(struct str name)
{
	struct str s = mime_maildir_letters(name);
	uint32_t letters = 0;

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] >= 'a' && s.p[i] <= 'z')
			letters |= UINT32_C(1) << (s.p[i] - 'a');
	return letters;
}

static int read_old(struct cli_export_folder *f, struct err *e)
{
	f->nold = scandirat(f->cur, ".", &f->old, not_hidden, by_octets);
	if (f->nold < 0) {
		f->nold = 0;
		return err_sys(e, errno, "cannot read the directory %s/cur", buf_cstr(&f->path));
	}
	f->met = mem_alloc((size_t)f->nold + 1);
	for (int i = 0; i < f->nold; i++)
		f->letters |= letters_of(str_of_c(f->old[i]->d_name));
	return 0;
}

/* To its end. */
static int read_all(int fd, struct buf *b)
{
	uint8_t bytes[4096];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof bytes)) > 0)
		buf_add(b, bytes, (size_t)n);
	if (n == 0 && b->overflow)
		errno = EFBIG;
	return n < 0 || b->overflow ? -1 : 0;
}

/* What is no file counts for nothing: it is replaced. */
static int read_keywords(struct cli_export_folder *f, struct err *e)
{
	int fd = openat(f->dir, LIST, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), result = 0;
	struct stat st;

	if (fd < 0 && errno != ENOENT && errno != ELOOP)
		result = -1;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		f->list = st;
		result = read_all(fd, &f->keywords);
	}
	if (result < 0)
		(void)err_sys(e, errno, "cannot read %s/" LIST, buf_cstr(&f->path));
	if (fd >= 0)
		close(fd);
	return result;
}

int cli_export_folder_open(
    struct cli_export_folder *f, int at, const char *name, struct str path, struct err *e)
{
	int new = -1;

	buf_clear(&f->path);
	buf_str(&f->path, path);
	if ((f->dir = open_below(at, name, &f->path, e)) < 0 ||
	    (f->cur = open_inside(f, "cur", e)) < 0 || (new = open_inside(f, "new", e)) < 0 ||
	    (f->tmp = open_inside(f, "tmp", e)) < 0 || read_old(f, e) < 0 ||
	    read_keywords(f, e) < 0)
		cli_export_folder_close(f);
	if (new >= 0)
		close(new);
	return f->dir < 0 ? -1 : 0;
}

/* ---- what is there ---- */

/* What stays the same when flags change: what is before the last ':'. */
static struct str base_of(struct str name)
{
	return str_sub(name, 0, str_rfind(name, ':'));
}

/* "SECONDS.Gid.": what the names of a message all begin with. Empty: it is none of an export. */
static struct str mark_of(struct str name)
{
	size_t seconds = str_find(name, '.'), id = str_find(str_from(name, seconds + 1), '.');
	struct str rest = str_from(name, seconds + 1);
	uint64_t n;

	if (id >= rest.n || rest.p[0] != 'G' ||
	    !str_to_u64(str_sub(name, 0, seconds), INT64_MAX, &n))
		return STR("");
	return str_sub(name, 0, seconds + 1 + id + 1);
}

static int find_first(const struct cli_export_folder *f, struct str mark)
{
	int low = 0, high = f->nold;

	while (low < high) {
		int middle = low + (high - low) / 2;

		if (strncmp(f->old[middle]->d_name, (const char *)mark.p, mark.n) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct cli_export_names cli_export_folder_old(struct cli_export_folder *f, struct str name)
{
	struct str mark = mark_of(name);
	struct cli_export_names names = {find_first(f, mark), 0};
	int i = names.first;

	for (; i < f->nold && str_has_prefix(str_of_c(f->old[i]->d_name), mark); i++)
		f->met[i] = true;
	names.n = i - names.first;
	return names;
}

int64_t cli_export_folder_gone(const struct cli_export_folder *f)
{
	int64_t n = 0;

	for (int i = 0; i < f->nold; i++)
		n += !f->met[i] && mark_of(str_of_c(f->old[i]->d_name)).n > 0;
	return n;
}

/* Octets and line ends of a file. -1: it cannot be read to its end. */
static int64_t read_size(int fd)
{
	uint8_t bytes[16 * KIB];
	int64_t size = 0;
	ssize_t n;

	while ((n = read(fd, bytes, sizeof bytes)) > 0) {
		size += n;
		for (ssize_t i = 0; i < n; i++)
			size += bytes[i] == '\n';
	}
	return n < 0 ? -1 : size;
}

/* Of zeros, which a power cut may leave, none ends a line. */
static bool is_whole(const struct cli_export_folder *f, const char *name, int64_t size)
{
	int fd = openat(f->cur, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	bool whole;

	if (fd < 0)
		return false;
	whole = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= size &&
		read_size(fd) == size;
	close(fd);
	return whole;
}

const char *cli_export_folder_whole(const struct cli_export_folder *f,
    const struct cli_export_names *names, struct str name, int64_t size)
{
	const char *whole = NULL;

	for (int i = 0; i < names->n; i++) {
		const char *old = f->old[names->first + i]->d_name;
		bool same = str_eq(str_of_c(old), name);

		if ((same || !whole) && is_whole(f, old, size))
			whole = old;
	}
	return whole;
}

/* ---- keywords ---- */

/* As it was: root may export into the Maildir of a user, whose programs go on to write it. */
static void keep_owner(const struct cli_export_folder *f, int fd)
{
	if (f->list.st_nlink && fchown(fd, f->list.st_uid, f->list.st_gid) == 0)
		(void)fchmod(fd, f->list.st_mode & 0666);
}

static int write_keywords(struct cli_export_folder *f, struct err *e)
{
	bool good;
	int fd;

	(void)unlinkat(f->dir, LIST_NEW, 0);
	fd = openat(f->dir, LIST_NEW, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		keep_owner(f, fd);
	good = fd >= 0 && cli_write_all(fd, buf_view(&f->keywords)) == 0 && fsync(fd) == 0 &&
	       renameat(f->dir, LIST_NEW, f->dir, LIST) == 0;
	if (!good)
		(void)err_sys(e, errno, "cannot write %s/" LIST, buf_cstr(&f->path));
	if (fd >= 0)
		close(fd);
	return good ? 0 : -1;
}

int cli_export_folder_letter(
    struct cli_export_folder *f, struct str keyword, uint8_t *letter_r, struct err *e)
{
	*letter_r = mime_maildir_letter(buf_view(&f->keywords), keyword);
	if (*letter_r)
		return 0;
	*letter_r = mime_maildir_letter_add(&f->keywords, keyword, f->letters);
	return *letter_r ? write_keywords(f, e) : 0;
}

/* ---- messages ---- */

static void name_in_tmp(struct buf *b, struct str name)
{
	buf_init(b, 4096);
	buf_str(b, base_of(name));
}

static bool is_waiting(const struct cli_export_folder *f, struct str name)
{
	for (size_t i = 0; i < f->nwaiting; i++)
		if (str_eq(base_of(str_of_c(f->waiting[i].name)), base_of(name)))
			return true;
	return false;
}

static int make(struct cli_export_folder *f, struct str name)
{
	struct buf tmp;
	int fd;

	name_in_tmp(&tmp, name);
	fd = openat(f->tmp, buf_cstr(&tmp), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	buf_fini(&tmp);
	return fd;
}

/* What an export that was broken off has left in tmp/ goes; the same message, if it waits, gets its name. */
int cli_export_folder_make(struct cli_export_folder *f, struct str name, struct err *e)
{
	int fd = make(f, name);

	if (fd < 0 && errno == EEXIST) {
		if (is_waiting(f, name) && cli_export_folder_settle(f, e) < 0)
			return -1;
		cli_export_folder_drop(f, name);
		fd = make(f, name);
	}
	return fd >= 0 ? fd
		       : err_sys(e, errno, "cannot make %s/tmp/%.*s", buf_cstr(&f->path),
			     STR_FMT(base_of(name)));
}

void cli_export_folder_drop(struct cli_export_folder *f, struct str name)
{
	struct buf tmp;

	name_in_tmp(&tmp, name);
	(void)unlinkat(f->tmp, buf_cstr(&tmp), 0);
	buf_fini(&tmp);
}

int cli_export_folder_wait(struct cli_export_folder *f, const struct cli_export_names *old,
    const char *whole, struct str name, struct err *e)
{
	struct cli_export_waiting *w = &f->waiting[f->nwaiting++];

	*w = (struct cli_export_waiting){*old, whole, mem_alloc(name.n + 1), !whole};
	memcpy(w->name, name.p, name.n);
	return f->nwaiting < WAITING_MAX ? 0 : cli_export_folder_settle(f, e);
}

/* ---- names ---- */

static int move(struct cli_export_folder *f, const char *from, const struct cli_export_waiting *w)
{
	if (w->written ? renameat(f->tmp, from, f->cur, w->name)
		       : renameat(f->cur, w->whole, f->cur, w->name))
		return -1;
	for (int i = 0; i < w->old.n; i++) {
		const char *old = f->old[w->old.first + i]->d_name;

		if (strcmp(old, w->name) != 0)
			(void)unlinkat(f->cur, old, 0);
	}
	return 0;
}

static int name_one(struct cli_export_folder *f, const struct cli_export_waiting *w, struct err *e)
{
	struct buf tmp;
	int result;

	name_in_tmp(&tmp, str_of_c(w->name));
	result = move(f, buf_cstr(&tmp), w);
	if (result < 0)
		(void)err_sys(e, errno, "cannot make %s/cur/%s", buf_cstr(&f->path), w->name);
	buf_fini(&tmp);
	return result;
}

static void forget_waiting(struct cli_export_folder *f)
{
	for (size_t i = 0; i < f->nwaiting; i++) {
		if (f->waiting[i].written)
			cli_export_folder_drop(f, str_of_c(f->waiting[i].name));
		mem_free(f->waiting[i].name);
	}
	f->nwaiting = 0;
}

int cli_export_folder_settle(struct cli_export_folder *f, struct err *e)
{
	int result = 0;

	if (f->nwaiting && syncfs(f->dir) < 0)
		result = err_sys(e, errno, "cannot complete %s", buf_cstr(&f->path));
	for (size_t i = 0; result == 0 && i < f->nwaiting; i++) {
		result = name_one(f, &f->waiting[i], e);
		f->waiting[i].written = f->waiting[i].written && result < 0;
	}
	forget_waiting(f);
	return result;
}

/* ---- the end ---- */

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void cli_export_folder_close(struct cli_export_folder *f)
{
	forget_waiting(f);
	for (int i = 0; i < f->nold; i++)
		free(f->old[i]);
	free(f->old);
	mem_free(f->met);
	f->old = NULL;
	f->met = NULL;
	f->nold = 0;
	f->letters = 0;
	f->list = (struct stat){0};
	buf_clear(&f->keywords);
	close_one(&f->tmp);
	close_one(&f->cur);
	close_one(&f->dir);
}

void cli_export_folder_fini(struct cli_export_folder *f)
{
	cli_export_folder_close(f);
	buf_fini(&f->path);
	buf_fini(&f->keywords);
	mem_free(f->waiting);
}
