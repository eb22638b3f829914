/*
 * A Maildir: each message is written to tmp/ and moved to cur/ when it is whole, with the moment of its
 * arrival as the file's time. Names are always the same for the same message but for the letters of its
 * flags, so an export that was broken off goes on where it was, and a message that has other flags now is
 * renamed. Keywords beyond Maildir's own letters are letters of a list of the folder, "dovecot-keywords".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli_export.h"
#include "cli/cli_export_name.h"
#include "mime/mime_keywords.h"
#include "mime/mime_lf.h"
#include "mime/mime_maildir.h"

#define FLUSH_AT (64 * KIB)
#define LETTERS  26

struct maildir {
	struct buf dir;
	struct buf folder;   /* the one at hand */
	struct buf tmp, cur; /* the message at hand */
	struct buf host;
	struct dirent **old; /* what the folder held, in order */
	int nold;
	struct buf keywords; /* of the folder, each with a blank behind it */
	size_t nkeywords;
	int fd;
	bool there; /* the message is, from an earlier export */
	struct cli_export_message meta;
	struct mime_lf lf;
	struct buf out;
};

static int make_dir(const char *path, struct err *e)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return 0;
	return err_sys(e, errno, "cannot make the directory %s", path);
}

/* FOLDER/cur and so on. */
static int make_folder(struct maildir *m, struct err *e)
{
	static const char *const names[] = {"", "/cur", "/new", "/tmp"};
	struct buf path;
	int result = 0;

	buf_init(&path, 8192);
	for (size_t i = 0; i < 4 && result == 0; i++) {
		buf_clear(&path);
		buf_str(&path, buf_view(&m->folder));
		buf_c(&path, names[i]);
		result = make_dir(buf_cstr(&path), e);
	}
	buf_fini(&path);
	return result;
}

/* Empty, not there yet, or a Maildir. */
static bool may_hold(const char *path)
{
	struct buf cur;
	struct stat st;
	bool good;

	if (stat(path, &st) < 0 || rmdir(path) == 0)
		return true;
	buf_init(&cur, 8192);
	buf_printf(&cur, "%s/cur", path);
	good = stat(buf_cstr(&cur), &st) == 0 && S_ISDIR(st.st_mode);
	buf_fini(&cur);
	return good;
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
	m->fd = -1;
	buf_init(&m->dir, 4096);
	buf_init(&m->folder, 8192);
	buf_init(&m->tmp, 16384);
	buf_init(&m->cur, 16384);
	buf_init(&m->host, 256);
	buf_init(&m->keywords, 16 * KIB);
	buf_init(&m->out, 64 * MIB);
	buf_c(&m->dir, path);
	(void)gethostname(host, sizeof host - 1);
	buf_c(&m->host, host);
	*state_r = m;
	return 0;
}

/* ---- a folder ---- */

static int not_hidden(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

/* As strcmp() has it, so that names that begin alike stand together. */
static int by_octets(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void forget_old(struct maildir *m)
{
	for (int i = 0; i < m->nold; i++)
		free(m->old[i]);
	free(m->old);
	m->old = NULL;
	m->nold = 0;
}

/* What an earlier export has left in the folder. */
static int read_old(struct maildir *m, struct err *e)
{
	struct buf cur;

	forget_old(m);
	buf_init(&cur, 16 * KIB);
	buf_printf(&cur, "%s/cur", buf_cstr(&m->folder));
	m->nold = scandir(buf_cstr(&cur), &m->old, not_hidden, by_octets);
	if (m->nold < 0)
		(void)err_sys(e, errno, "cannot read the directory %s", buf_cstr(&cur));
	buf_fini(&cur);
	if (m->nold >= 0)
		return 0;
	m->nold = 0;
	return -1;
}

/* The name that the message has there with other flags; NULL: none. */
static const char *old_name(const struct maildir *m, struct str name)
{
	struct str base = str_sub(name, 0, str_rfind(name, ':') + 1);
	int low = 0, high = m->nold;

	while (low < high) {
		int middle = low + (high - low) / 2;

		if (strncmp(m->old[middle]->d_name, (const char *)base.p, base.n) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < m->nold && str_has_prefix(str_of_c(m->old[low]->d_name), base)
		   ? m->old[low]->d_name
		   : NULL;
}

/* "0 $junk" for the letter a, and so on. */
static int end_folder(struct maildir *m, struct err *e)
{
	struct str words = buf_view(&m->keywords), word;
	struct buf path;
	FILE *f;
	int result = 0;

	if (m->nkeywords == 0)
		return 0;
	buf_init(&path, 8192);
	buf_str(&path, buf_view(&m->folder));
	buf_lit(&path, "/dovecot-keywords");
	f = fopen(buf_cstr(&path), "we");
	for (size_t i = 0; f && i < m->nkeywords; i++) {
		word = str_split(words, ' ', &words);
		fprintf(f, "%zu %.*s\n", i, STR_FMT(word));
	}
	if (!f || fclose(f) != 0)
		result = err_sys(e, errno, "cannot write %s", buf_cstr(&path));
	buf_fini(&path);
	m->nkeywords = 0;
	buf_clear(&m->keywords);
	return result;
}

/* ".Work.Projects" in the directory; *other as in struct cli_export_format. */
static void name_folder(struct maildir *m, struct str path, struct buf *other)
{
	struct buf name;

	buf_init(&name, 16 * KIB);
	mime_maildir_folder_put(&name, path);
	if (!cli_export_name_fits(path, buf_view(&name), CLI_EXPORT_NAME_MAX)) {
		buf_clear(&name);
		cli_export_name_other(&name, path, 0, CLI_EXPORT_NAME_MAX, mime_maildir_folder_put);
		buf_str(other, buf_view(&name));
	}
	buf_byte(&m->folder, '/');
	buf_str(&m->folder, buf_view(&name));
	buf_fini(&name);
}

static int maildir_mailbox(void *state, struct str path, struct buf *other, struct err *e)
{
	struct maildir *m = state;

	if (end_folder(m, e) < 0)
		return -1;
	buf_clear(&m->folder);
	buf_str(&m->folder, buf_view(&m->dir));
	if (!str_eq_i(path, STR("INBOX")))
		name_folder(m, path, other);
	return make_folder(m, e) < 0 ? -1 : read_old(m, e);
}

/* The letter of the list that stands for a keyword; 0 when the list is full. */
static uint8_t letter_of(struct maildir *m, struct str keyword)
{
	struct str words = buf_view(&m->keywords), word;

	for (size_t i = 0; i < m->nkeywords; i++) {
		word = str_split(words, ' ', &words);
		if (str_eq(word, keyword))
			return (uint8_t)('a' + i);
	}
	if (m->nkeywords == LETTERS)
		return 0;
	buf_str(&m->keywords, keyword);
	buf_byte(&m->keywords, ' ');
	return (uint8_t)('a' + m->nkeywords++);
}

/* ---- a message ---- */

/* Whether an earlier export has left it there: under its name then, if it was under another. */
static bool is_there(struct maildir *m, struct str name)
{
	const char *old = old_name(m, name);
	struct buf path;
	bool there;

	if (!old || access(buf_cstr(&m->cur), F_OK) == 0)
		return old;
	buf_init(&path, 16 * KIB);
	buf_printf(&path, "%s/cur/%s", buf_cstr(&m->folder), old);
	there = rename(buf_cstr(&path), buf_cstr(&m->cur)) == 0;
	buf_fini(&path);
	return there;
}

/* Letters of the folder's list, behind those that every Maildir has. */
static void put_letters(struct maildir *m, struct buf *name, struct str keywords)
{
	while (keywords.n > 0) {
		struct str word = str_split(keywords, ' ', &keywords);
		struct buf known;
		uint8_t letter = 0;

		buf_init(&known, 16);
		mime_keywords_letters(&known, MIME_LETTERS_MAILDIR, word);
		if (known.n == 0)
			letter = letter_of(m, word);
		if (letter)
			buf_byte(name, letter);
		buf_fini(&known);
	}
}

static int maildir_begin(void *state, const struct cli_export_message *meta, struct err *e)
{
	struct maildir *m = state;
	struct buf name;

	m->meta = *meta;
	m->lf = (struct mime_lf){0};
	buf_init(&name, 4096);
	mime_maildir_name_put(&name, meta->received, meta->id, buf_view(&m->host),
	    (uint64_t)meta->size, meta->keywords);
	put_letters(m, &name, meta->keywords);
	buf_clear(&m->tmp);
	buf_printf(&m->tmp, "%s/tmp/%s", buf_cstr(&m->folder), buf_cstr(&name));
	buf_clear(&m->cur);
	buf_printf(&m->cur, "%s/cur/%s", buf_cstr(&m->folder), buf_cstr(&name));
	m->there = is_there(m, buf_view(&name));
	buf_fini(&name);
	if (m->there)
		return 0;
	m->fd = open(buf_cstr(&m->tmp), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return m->fd >= 0 ? 0 : err_sys(e, errno, "cannot make %s", buf_cstr(&m->tmp));
}

static int flush(struct maildir *m, struct err *e)
{
	struct str s = buf_view(&m->out);

	while (s.n > 0) {
		ssize_t n = write(m->fd, s.p, s.n);

		if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot write %s", buf_cstr(&m->tmp));
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

/* The file has its time and its place. */
static int settle(struct maildir *m, struct err *e)
{
	struct timespec time = {.tv_sec = m->meta.received / SECOND_MS,
	    .tv_nsec = m->meta.received % SECOND_MS * 1000000};
	struct timespec times[2] = {time, time};

	if (m->meta.received >= 0)
		(void)futimens(m->fd, times);
	if (rename(buf_cstr(&m->tmp), buf_cstr(&m->cur)) < 0)
		return err_sys(e, errno, "cannot make %s", buf_cstr(&m->cur));
	return 0;
}

static int maildir_end(void *state, bool whole, struct err *e)
{
	struct maildir *m = state;
	int result = 0;

	if (m->there)
		return 0;
	mime_lf_end(&m->lf, &m->out);
	if (whole)
		result = flush(m, e);
	buf_clear(&m->out);
	if (whole && result == 0)
		result = settle(m, e);
	else
		unlink(buf_cstr(&m->tmp));
	close(m->fd);
	m->fd = -1;
	return result;
}

static int maildir_close(void **state, bool whole, struct err *e)
{
	struct maildir *m = *state;
	int result = end_folder(m, e), dir;

	if (m->fd >= 0) {
		unlink(buf_cstr(&m->tmp));
		close(m->fd);
	}
	dir = open(buf_cstr(&m->dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (whole && result == 0 && dir >= 0 && syncfs(dir) < 0)
		result = err_sys(e, errno, "cannot complete %s", buf_cstr(&m->dir));
	if (dir >= 0)
		close(dir);
	forget_old(m);
	buf_fini(&m->dir);
	buf_fini(&m->folder);
	buf_fini(&m->tmp);
	buf_fini(&m->cur);
	buf_fini(&m->host);
	buf_fini(&m->keywords);
	buf_fini(&m->out);
	mem_free(m);
	*state = NULL;
	return result;
}

const struct cli_export_format cli_export_maildir = {
    maildir_open, maildir_mailbox, maildir_begin, maildir_data, maildir_end, maildir_close, true};
