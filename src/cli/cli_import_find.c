/*
 * What a directory holds: Maildirs in both layouts, mbox files, Thunderbird's ".sbd" directories. Everything below it is
 * opened in a directory that is open, and no link is followed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli_below.h"
#include "cli/cli_import.h"
#include "cli/cli_text.h"
#include "mime/mime_maildir.h"
#include "store/mailbox_path.h"

#define DEPTH_MAX 20

static bool is_below(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool is_maildir(int dir)
{
	return is_below(dir, "cur") || is_below(dir, "new");
}

/* Begins with "From ". -1: it could not be read, and errno says why. */
static int is_mbox(int fd)
{
	char head[5] = "";
	ssize_t n = read(fd, head, sizeof head);

	return n < 0 ? -1 : n == (int)sizeof head && memcmp(head, "From ", sizeof head) == 0;
}

static char *copy(struct str s)
{
	char *p = mem_alloc(s.n + 1);

	memcpy(p, s.p, s.n);
	return p;
}

void cli_import_say_left_out(const char *path, const char *why)
{
	struct buf b;

	buf_init(&b, 16 * KIB);
	cli_text_put(&b, str_of_c(path));
	(void)cli_fail(EX_DATAERR, "%s is left out: %s", buf_cstr(&b), why);
	buf_fini(&b);
}

static void leave_out(struct cli_import_sources *s, const char *path, const char *why)
{
	s->left_out++;
	cli_import_say_left_out(path, why);
}

static void leave_out_unread(struct cli_import_sources *s, const char *path, int code)
{
	struct err why;

	if (code == ELOOP)
		err_set(&why, "%s", cli_below_reason(code));
	else
		err_set(&why, "it cannot be read: %s", cli_below_reason(code));
	leave_out(s, path, why.text);
}

static void leave_out_unnamed(struct cli_import_sources *s, const char *path, const char *trouble)
{
	struct err why;

	err_set(&why, "the name of its mailbox %s", trouble);
	leave_out(s, path, why.text);
}

/* mailbox: empty for the INBOX. */
static void add(
    struct cli_import_sources *s, enum cli_import_kind kind, const char *path, struct str mailbox)
{
	const char *trouble = mailbox.n ? mailbox_path_trouble(mailbox) : NULL;

	if (trouble) {
		leave_out_unnamed(s, path, trouble);
		return;
	}
	s->v = mem_grow(s->v, s->n, &s->cap, sizeof *s->v);
	s->v[s->n] = (struct cli_import_source){.kind = kind,
	    .path = copy(str_of_c(path)),
	    .mailbox = copy(mailbox.n ? mailbox : STR("INBOX"))};
	s->v[s->n].below = s->v[s->n].path + s->prefix;
	s->n++;
}

void cli_import_sources_fini(struct cli_import_sources *s)
{
	for (size_t i = 0; i < s->n; i++) {
		mem_free(s->v[i].path);
		mem_free(s->v[i].mailbox);
	}
	mem_free(s->v);
	if (s->top >= 0)
		close(s->top);
	*s = (struct cli_import_sources){.top = -1};
}

int cli_import_open_source(
    const struct cli_import_sources *s, const struct cli_import_source *source)
{
	struct str below = str_of_c(source->below);

	while (below.n && below.p[0] == '/')
		below = str_from(below, 1);
	if (!below.n)
		return fcntl(s->top, F_DUPFD_CLOEXEC, 0);
	return source->kind == CLI_IMPORT_MBOX ? cli_below_file(s->top, below)
					       : cli_below_directory(s->top, below);
}

/* ---- directories ---- */

static int not_dots(const struct dirent *d)
{
	struct str name = str_of_c(d->d_name);

	return !str_eq(name, STR(".")) && !str_eq(name, STR(".."));
}

/* "mailbox/name", or the one that is not empty. */
static void join(struct buf *b, struct str mailbox, struct str name)
{
	buf_clear(b);
	buf_str(b, mailbox);
	if (mailbox.n && name.n)
		buf_byte(b, '/');
	buf_str(b, name);
}

/* "Inbox" of a mail program is the INBOX; endings of programs are no part of the name. */
static struct str name_of(struct str file)
{
	static const struct str endings[] = {STR_INIT(".mbox"), STR_INIT(".mbx"), STR_INIT(".sbd")};

	for (size_t i = 0; i < 3; i++) {
		if (file.n > endings[i].n && str_has_suffix_i(file, endings[i]))
			file = str_sub(file, 0, file.n - endings[i].n);
	}
	return file;
}

/* A directory on the way down. */
struct place {
	int fd;
	const char *path;
	struct str mailbox;
	int depth;
};

static void find(struct cli_import_sources *s, const struct place *in);

/* ".Work.Projects" in a Maildir. */
static void add_folder(
    struct cli_import_sources *s, const char *path, struct str file, struct str mailbox)
{
	struct buf below, folder;

	buf_init(&below, 16 * KIB);
	buf_init(&folder, KIB);
	if (mime_maildir_folder_read(&folder, file)) {
		join(&below, mailbox, buf_view(&folder));
		add(s, CLI_IMPORT_MAILDIR, path, buf_view(&below));
	} else {
		leave_out(s, path, "its name is none that a folder of a Maildir can have");
	}
	buf_fini(&below);
	buf_fini(&folder);
}

static void find_file(
    struct cli_import_sources *s, const struct place *in, int fd, const char *path, struct str file)
{
	int found = is_mbox(fd);
	struct buf below;

	buf_init(&below, 16 * KIB);
	join(&below, in->mailbox, name_of(file));
	if (found < 0)
		leave_out_unread(s, path, errno);
	else if (found)
		add(s, CLI_IMPORT_MBOX, path, buf_view(&below));
	buf_fini(&below);
}

static void find_dir(
    struct cli_import_sources *s, const struct place *in, int fd, const char *path, struct str file)
{
	struct buf below;

	buf_init(&below, 16 * KIB);
	join(&below, in->mailbox, name_of(file));
	find(s, &(struct place){fd, path, buf_view(&below), in->depth + 1});
	buf_fini(&below);
}

/* A Maildir's folders: ".Work.Projects", or directories that are Maildirs themselves. */
static void find_opened(
    struct cli_import_sources *s, const struct place *in, int fd, const char *path, struct str file)
{
	bool hidden = file.p[0] == '.';
	struct stat st;

	if (fstat(fd, &st) < 0)
		leave_out_unread(s, path, errno);
	else if (S_ISDIR(st.st_mode) && !hidden)
		find_dir(s, in, fd, path, file);
	else if (S_ISDIR(st.st_mode) && is_maildir(fd))
		add_folder(s, path, file, in->mailbox);
	else if (S_ISDIR(st.st_mode) && faccessat(fd, ".", R_OK | X_OK, 0) < 0)
		leave_out_unread(s, path, errno); /* it may be one */
	else if (S_ISREG(st.st_mode) && !hidden)
		find_file(s, in, fd, path, file);
}

/* Whether there may be mail in what has the name. A link is looked at so that it is told. */
static bool may_be_mail(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode) ||
	       S_ISLNK(st.st_mode) || (S_ISREG(st.st_mode) && name[0] != '.');
}

static void find_entry(struct cli_import_sources *s, const struct place *in, const char *name)
{
	struct buf path;
	int fd;

	if (!may_be_mail(in->fd, name))
		return;
	buf_init(&path, 16 * KIB);
	buf_printf(&path, "%s/%s", in->path, name);
	fd = cli_below_open(in->fd, str_of_c(name));
	if (fd < 0)
		leave_out_unread(s, buf_cstr(&path), errno);
	else
		find_opened(s, in, fd, buf_cstr(&path), str_of_c(name));
	if (fd >= 0)
		close(fd);
	buf_fini(&path);
}

/* What is read, or not, with the Maildir that it is in. */
static bool is_inside(const char *name)
{
	struct str s = str_of_c(name);

	return str_eq(s, STR("cur")) || str_eq(s, STR("new")) || str_eq(s, STR("tmp")) ||
	       str_eq(s, STR("dovecot-keywords"));
}

static void find(struct cli_import_sources *s, const struct place *in)
{
	struct dirent **v = NULL;
	bool maildir = is_maildir(in->fd);
	int n;

	if (in->depth > DEPTH_MAX) {
		leave_out(s, in->path, "it lies more than 20 directories deep");
		return;
	}
	n = scandirat(in->fd, ".", &v, not_dots, alphasort);
	if (n < 0 && maildir)
		leave_out(s, in->path, "it cannot be read, so that its folders are not found");
	else if (n < 0)
		leave_out_unread(s, in->path, errno);
	if (maildir)
		add(s, CLI_IMPORT_MAILDIR, in->path, in->mailbox);
	for (int i = 0; i < n; i++) {
		if (!(maildir && is_inside(v[i]->d_name)))
			find_entry(s, in, v[i]->d_name);
		free(v[i]);
	}
	free(v);
}

int cli_import_find(
    struct cli_import_sources *s, const char *path, const char *mailbox, struct err *e)
{
	struct stat st;

	*s = (struct cli_import_sources){
	    .top = open(path, O_RDONLY | O_CLOEXEC), .prefix = str_of_c(path).n};
	if (s->top < 0 || fstat(s->top, &st) < 0)
		return err_sys(e, errno, "cannot read %s", path);
	if (S_ISDIR(st.st_mode))
		find(s, &(struct place){s->top, path, str_of_c(mailbox), 0});
	else
		add(s, CLI_IMPORT_MBOX, path, str_of_c(mailbox));
	return s->n || s->left_out
		   ? 0
		   : err_set(e,
			 "%s holds no mail that is known here: it must be an mbox file, a Maildir (with "
			 "cur and new), or a directory of such",
			 path);
}
