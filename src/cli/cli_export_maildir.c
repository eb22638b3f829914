/*
 * A Maildir: each message is written to tmp/ and moved to cur/ when it is whole, with the moment of its
 * arrival as the file's time. Names are always the same for the same message but for the letters of its
 * flags, so an export that was broken off goes on where it was, and a message that has other flags now is
 * renamed. Keywords beyond Maildir's own letters are letters of a list of the folder, "dovecot-keywords".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli_export.h"
#include "cli/cli_export_folder.h"
#include "cli/cli_export_name.h"
#include "mime/mime_keywords.h"
#include "mime/mime_lf.h"
#include "mime/mime_maildir.h"

#define FLUSH_AT (64 * KIB)

struct maildir {
	struct buf dir;
	int fd;                          /* of it; -1: it is not open yet */
	struct cli_export_folder folder; /* the one at hand */
	struct cli_export_made made;     /* names of folders */
	struct buf host;

	/* the message at hand */
	struct buf name;
	struct cli_export_names old; /* its names from an earlier export */
	bool there;                  /* and one of them is whole */
	int file;
	struct cli_export_message meta;
	struct mime_lf lf;
	struct buf out;
};

static bool is_a_beginning(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "lost+found") == 0;
}

/* Empty, not there yet, or a Maildir. */
static bool may_hold(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;
	bool empty = true;
	struct stat st;

	if (!dir)
		return errno != ENOTDIR;
	while ((d = readdir(dir)) != NULL)
		empty = empty && is_a_beginning(d->d_name);
	empty = empty ||
		(fstatat(dirfd(dir), "cur", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode));
	closedir(dir);
	return empty;
}

static int maildir_open(void **state_r, const char *path, struct err *e)
{
	struct maildir *m;
	char host[256] = "localhost";

	if (!may_hold(path))
		return err_set(e,
		    "%s is a file or holds other files; name a directory that is empty or not there",
		    path);
	m = mem_new(struct maildir);
	m->fd = m->file = -1;
	cli_export_folder_init(&m->folder);
	buf_init(&m->dir, 4096);
	cli_export_made_init(&m->made, false);
	buf_init(&m->host, 256);
	buf_init(&m->name, 4096);
	buf_init(&m->out, 64 * MIB);
	buf_c(&m->dir, path);
	(void)gethostname(host, sizeof host - 1);
	buf_c(&m->host, host);
	*state_r = m;
	return 0;
}

/* ---- a folder ---- */

/* Its own folder is there with the first mailbox, whichever that is: else it would be no Maildir. */
static int open_top(struct maildir *m, struct err *e)
{
	const char *path = buf_cstr(&m->dir);

	if (m->fd >= 0)
		return 0;
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "cannot make the directory %s", path);
	m->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->fd < 0)
		return err_sys(e, errno, "cannot open the directory %s", path);
	return cli_export_folder_open(&m->folder, m->fd, ".", buf_view(&m->dir), e);
}

/* ".Work.Projects", or "." for the INBOX; *other as in struct cli_export_format. */
static void name_folder(struct maildir *m, struct str path, struct buf *name, struct buf *other)
{
	bool inbox = str_eq_i(path, STR("INBOX")), fits;
	uint32_t n = 0;

	if (inbox)
		buf_byte(name, '.');
	else
		mime_maildir_folder_put(name, path);
	fits = inbox || cli_export_name_fits(path, buf_view(name), CLI_EXPORT_NAME_MAX);
	if (fits && !cli_export_made_has(&m->made, buf_view(name)))
		return;
	do {
		buf_clear(name);
		cli_export_name_other(
		    name, path, n++, CLI_EXPORT_NAME_MAX, mime_maildir_folder_put);
	} while (cli_export_made_has(&m->made, buf_view(name)));
	buf_str(other, buf_view(name));
}

static int open_folder(struct maildir *m, struct buf *name, struct err *e)
{
	struct buf path;
	int result;

	buf_init(&path, 8192);
	buf_str(&path, buf_view(&m->dir));
	if (!str_eq(buf_view(name), STR("."))) {
		buf_byte(&path, '/');
		buf_str(&path, buf_view(name));
	}
	cli_export_folder_close(&m->folder);
	result = cli_export_folder_open(&m->folder, m->fd, buf_cstr(name), buf_view(&path), e);
	buf_fini(&path);
	return result;
}

static int maildir_mailbox(void *state, struct str path, struct buf *other, struct err *e)
{
	struct maildir *m = state;
	struct buf name;
	int result;

	if (open_top(m, e) < 0 || cli_export_folder_settle(&m->folder, e) < 0)
		return -1;
	buf_init(&name, 16 * KIB);
	name_folder(m, path, &name, other);
	cli_export_made_add(&m->made, buf_view(&name));
	result = open_folder(m, &name, e);
	buf_fini(&name);
	return result;
}

/* ---- a message ---- */

static bool is_of_every_maildir(struct str keyword)
{
	struct buf b;
	bool known;

	buf_init(&b, 16);
	mime_keywords_letters(&b, MIME_LETTERS_MAILDIR, keyword);
	known = b.n > 0;
	buf_fini(&b);
	return known;
}

/* Letters of the folder's list, behind those that every Maildir has. *cut: it has none for all. */
static int put_letters(struct maildir *m, struct str keywords, bool *cut, struct err *e)
{
	*cut = false;
	while (keywords.n > 0) {
		struct str word = str_split(keywords, ' ', &keywords);
		uint8_t letter;

		if (is_of_every_maildir(word))
			continue;
		if (cli_export_folder_letter(&m->folder, word, &letter, e) < 0)
			return -1;
		if (letter)
			buf_byte(&m->name, letter);
		else
			*cut = true;
	}
	return 0;
}

/* One that is there already gets its name of now. */
static int go_on(struct maildir *m, const char *whole, struct err *e)
{
	if (m->old.n == 1 && str_eq(str_of_c(whole), buf_view(&m->name)))
		return 0;
	return cli_export_folder_wait(&m->folder, &m->old, whole, buf_view(&m->name), e);
}

static int maildir_begin(
    void *state, const struct cli_export_message *meta, bool *cut, struct err *e)
{
	struct maildir *m = state;
	const char *whole;

	m->meta = *meta;
	m->lf = (struct mime_lf){0};
	buf_clear(&m->name);
	mime_maildir_name_put(&m->name, meta->received, meta->id, buf_view(&m->host),
	    (uint64_t)meta->size, meta->keywords);
	if (put_letters(m, meta->keywords, cut, e) < 0)
		return -1;
	m->old = cli_export_folder_old(&m->folder, buf_view(&m->name));
	whole = cli_export_folder_whole(&m->folder, &m->old, buf_view(&m->name), meta->size);
	m->there = whole;
	if (whole)
		return go_on(m, whole, e);
	m->file = cli_export_folder_make(&m->folder, buf_view(&m->name), e);
	return m->file < 0 ? -1 : 0;
}

static int flush(struct maildir *m, struct err *e)
{
	struct str s = buf_view(&m->out);

	while (s.n > 0) {
		ssize_t n = write(m->file, s.p, s.n);

		if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot write to %s", buf_cstr(&m->folder.path));
		if (n > 0)
			s = str_from(s, (size_t)n);
	}
	buf_clear(&m->out);
	return 0;
}

static int maildir_data(void *state, struct str bytes, struct err *e)
{
	struct maildir *m = state;

	if (m->there)
		return 0;
	mime_lf_put(&m->lf, &m->out, bytes);
	return m->out.n < FLUSH_AT ? 0 : flush(m, e);
}

/* As the moment of its arrival. */
static void set_time(struct maildir *m)
{
	struct timespec time = {.tv_sec = m->meta.received / SECOND_MS,
	    .tv_nsec = m->meta.received % SECOND_MS * 1000000};
	struct timespec times[2] = {time, time};

	if (m->meta.received >= 0)
		(void)futimens(m->file, times);
}

static void close_file(struct maildir *m, bool whole)
{
	if (m->file < 0)
		return;
	close(m->file);
	m->file = -1;
	if (!whole)
		cli_export_folder_drop(&m->folder, buf_view(&m->name));
}

static int maildir_end(void *state, bool whole, struct err *e)
{
	struct maildir *m = state;
	bool good = whole;

	if (m->there)
		return 0;
	mime_lf_end(&m->lf, &m->out);
	if (whole)
		good = flush(m, e) == 0;
	buf_clear(&m->out);
	if (good)
		set_time(m);
	close_file(m, good);
	if (good)
		good = cli_export_folder_wait(&m->folder, &m->old, NULL, buf_view(&m->name), e) ==
		       0;
	return good || !whole ? 0 : -1;
}

static int maildir_close(void **state, bool whole, struct err *e)
{
	struct maildir *m = *state;
	int result;

	close_file(m, false);
	result = cli_export_folder_settle(&m->folder, e);
	if (whole && result == 0 && m->fd >= 0 && syncfs(m->fd) < 0)
		result = err_sys(e, errno, "cannot complete %s", buf_cstr(&m->dir));
	if (m->fd >= 0)
		close(m->fd);
	cli_export_folder_fini(&m->folder);
	buf_fini(&m->dir);
	cli_export_made_fini(&m->made);
	buf_fini(&m->host);
	buf_fini(&m->name);
	buf_fini(&m->out);
	mem_free(m);
	*state = NULL;
	return result;
}

static int64_t maildir_gone(const void *state)
{
	const struct maildir *m = state;

	return cli_export_folder_gone(&m->folder);
}

const struct cli_export_format cli_export_maildir = {maildir_open, maildir_mailbox, maildir_begin,
    maildir_data, maildir_end, maildir_close, maildir_gone, true};
