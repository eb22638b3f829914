/* What a directory holds: Maildirs in both layouts, mbox files, Thunderbird's ".sbd" directories. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli_import.h"
#include "cli/cli_text.h"
#include "mime/mime_maildir.h"
#include "store/mailbox_path.h"

#define DEPTH_MAX 20

static bool is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_below(const char *dir, const char *name)
{
	struct buf b;
	bool found;

	buf_init(&b, 16 * KIB);
	buf_printf(&b, "%s/%s", dir, name);
	found = is_dir(buf_cstr(&b));
	buf_fini(&b);
	return found;
}

static bool is_maildir(const char *path)
{
	return is_below(path, "cur") || is_below(path, "new");
}

/* Begins with "From ". -1: it could not be read, and errno says why. */
static int is_mbox(const char *path)
{
	char head[5] = "";
	struct stat st;
	int fd, n, code;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -1;
	n = (int)read(fd, head, sizeof head);
	code = errno;
	close(fd);
	errno = code;
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

	err_set(&why, "it cannot be read: %s", err_reason(code));
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
	if (s->n == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 16;
		s->v = mem_resize(s->v, s->cap * sizeof *s->v);
	}
	s->v[s->n++] = (struct cli_import_source){
	    kind, copy(str_of_c(path)), copy(mailbox.n ? mailbox : STR("INBOX"))};
}

void cli_import_sources_fini(struct cli_import_sources *s)
{
	for (size_t i = 0; i < s->n; i++) {
		mem_free(s->v[i].path);
		mem_free(s->v[i].mailbox);
	}
	mem_free(s->v);
	*s = (struct cli_import_sources){0};
}

/* ---- directories ---- */

static int not_hidden(const struct dirent *d)
{
	struct str name = str_of_c(d->d_name);

	return !str_eq(name, STR(".")) && !str_eq(name, STR(".."));
}

/* Entries in order, to be freed with free(). -1: errno. */
static int entries(const char *path, struct dirent ***v_r)
{
	return scandir(path, v_r, not_hidden, alphasort);
}

static int unreadable(struct err *e, const char *path)
{
	return err_sys(e, errno, "cannot read the directory %s", path);
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

/* A directory on the way down, and the one that it is in. */
struct way {
	const struct way *up;
	dev_t device;
	ino_t inode;
	int depth;
};

static int find(struct cli_import_sources *s, const char *path, struct str mailbox,
    const struct way *up, struct err *e);

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

static void find_file(struct cli_import_sources *s, const char *path, struct str mailbox)
{
	int found = is_mbox(path);

	if (found < 0)
		leave_out_unread(s, path, errno);
	else if (found)
		add(s, CLI_IMPORT_MBOX, path, mailbox);
}

/* A Maildir's folders: ".Work.Projects", or directories that are Maildirs themselves. */
static int find_entry(struct cli_import_sources *s, const char *path, const char *name,
    struct str mailbox, const struct way *way, struct err *e)
{
	struct buf full, below;
	struct str file = str_of_c(name);
	int result = 0;

	buf_init(&full, 16 * KIB);
	buf_init(&below, 16 * KIB);
	buf_printf(&full, "%s/%s", path, name);
	if (file.p[0] == '.' && is_maildir(buf_cstr(&full))) {
		add_folder(s, buf_cstr(&full), file, mailbox);
	} else if (file.p[0] == '.' && is_dir(buf_cstr(&full)) &&
		   access(buf_cstr(&full), R_OK | X_OK) < 0) {
		leave_out_unread(s, buf_cstr(&full), errno); /* it may be one */
	} else if (file.p[0] != '.' && is_dir(buf_cstr(&full))) {
		join(&below, mailbox, name_of(file));
		result = find(s, buf_cstr(&full), buf_view(&below), way, e);
	} else if (file.p[0] != '.') {
		join(&below, mailbox, name_of(file));
		find_file(s, buf_cstr(&full), buf_view(&below));
	}
	buf_fini(&full);
	buf_fini(&below);
	return result;
}

static bool is_inside(const char *name)
{
	struct str s = str_of_c(name);

	return str_eq(s, STR("cur")) || str_eq(s, STR("new")) || str_eq(s, STR("tmp"));
}

/* A link that leads back up gives nothing new: that it is passed over is told, not counted. */
static bool may_enter(struct cli_import_sources *s, const char *path, struct way *way)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return true; /* reading it tells why */
	for (const struct way *up = way->up; up; up = up->up) {
		if (up->device == st.st_dev && up->inode == st.st_ino) {
			cli_import_say_left_out(path, "it is a directory that it lies in itself");
			return false;
		}
	}
	if (way->depth > DEPTH_MAX) {
		leave_out(s, path, "it lies more than 20 directories deep");
		return false;
	}
	way->device = st.st_dev;
	way->inode = st.st_ino;
	return true;
}

static int find(struct cli_import_sources *s, const char *path, struct str mailbox,
    const struct way *up, struct err *e)
{
	struct way way = {.up = up, .depth = up ? up->depth + 1 : 0};
	struct dirent **v = NULL;
	bool maildir = is_maildir(path);
	int n, result = 0;

	if (!may_enter(s, path, &way))
		return 0;
	n = entries(path, &v);
	if (n < 0 && !up)
		return unreadable(e, path);
	if (n < 0 && maildir)
		leave_out(s, path, "it cannot be read, so that its folders are not found");
	else if (n < 0)
		leave_out_unread(s, path, errno);
	if (maildir)
		add(s, CLI_IMPORT_MAILDIR, path, mailbox);
	for (int i = 0; i < n; i++) {
		if (result == 0 && !(maildir && is_inside(v[i]->d_name)))
			result = find_entry(s, path, v[i]->d_name, mailbox, &way, e);
		free(v[i]);
	}
	free(v);
	return result;
}

int cli_import_find(
    struct cli_import_sources *s, const char *path, const char *mailbox, struct err *e)
{
	*s = (struct cli_import_sources){0};
	if (access(path, R_OK) < 0)
		return err_sys(e, errno, "cannot read %s", path);
	if (!is_dir(path))
		add(s, CLI_IMPORT_MBOX, path, str_of_c(mailbox));
	else if (find(s, path, str_of_c(mailbox), NULL, e) < 0)
		return -1;
	return s->n || s->left_out
		   ? 0
		   : err_set(e,
			 "%s holds no mail that is known here: it must be an mbox file, a Maildir (with "
			 "cur and new), or a directory of such",
			 path);
}

/* ---- files of a Maildir ---- */

static int list_one(const char *maildir, const char *sub, char ***list, size_t *n, struct err *e)
{
	struct dirent **v = NULL;
	struct buf path;
	int found = 0;

	buf_init(&path, 16 * KIB);
	buf_printf(&path, "%s/%s", maildir, sub);
	if (is_dir(buf_cstr(&path)))
		found = entries(buf_cstr(&path), &v);
	if (found < 0)
		unreadable(e, buf_cstr(&path));
	*list = mem_resize(*list, (*n + (size_t)(found > 0 ? found : 0) + 1) * sizeof **list);
	for (int i = 0; i < found; i++) {
		buf_clear(&path);
		buf_printf(&path, "%s/%s", sub, v[i]->d_name);
		if (v[i]->d_name[0] != '.')
			(*list)[(*n)++] = copy(buf_view(&path));
		free(v[i]);
	}
	(*list)[*n] = NULL;
	free(v);
	buf_fini(&path);
	return found < 0 ? -1 : 0;
}

char **cli_import_list(const char *maildir, struct err *e)
{
	char **list = NULL;
	size_t n = 0;

	if (list_one(maildir, "cur", &list, &n, e) == 0 &&
	    list_one(maildir, "new", &list, &n, e) == 0)
		return list;
	cli_import_list_free(list);
	return NULL;
}

void cli_import_list_free(char **list)
{
	for (size_t i = 0; list && list[i]; i++)
		mem_free(list[i]);
	mem_free(list);
}
