/*
 * mbox files: each mailbox goes to FILE.part and gets its name when it is whole, so that a file of that
 * name is complete. A mailbox without messages makes no file, except the INBOX. The directory may be another
 * user's: no link in it is followed, and what has one of our names there is not written to.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli_export.h"
#include "cli/cli_export_name.h"
#include "mime/mime_mbox.h"

#define FLUSH_AT (64 * KIB)
#define PART     STR(".part")

struct mbox {
	struct buf file; /* what --mbox named */
	struct buf name; /* of the mailbox at hand; empty: none is open */
	struct buf part;
	struct cli_export_made
	    made;  /* names of files; a file system may take two cases of a letter for one */
	int dirfd; /* where all of them are */
	int fd;
	int64_t size;    /* written */
	int64_t message; /* where the message at hand begins */
	int64_t messages;
	bool inbox;
	struct buf head; /* of the message at hand, until its sender is known */
	bool started;
	struct cli_export_message meta;
	struct mime_mbox_writer w;
	struct buf out;
};

static int flush(struct mbox *m, struct err *e)
{
	struct str s = buf_view(&m->out);

	while (s.n > 0) {
		ssize_t n = write(m->fd, s.p, s.n);

		if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "cannot write %s", buf_cstr(&m->part));
		if (n > 0)
			s = str_from(s, (size_t)n);
	}
	m->size += (int64_t)m->out.n;
	buf_clear(&m->out);
	return 0;
}

/* The name in the directory that a path ends with. */
static const char *base(struct buf *path)
{
	size_t slash = str_rfind(buf_view(path), '/');
	const char *name = buf_cstr(path) + (slash < path->n ? slash + 1 : 0);

	return *name ? name : ".";
}

static bool is_there(struct mbox *m, struct buf *path)
{
	struct stat st;

	return fstatat(m->dirfd, base(path), &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int refuse(struct buf *path, struct err *e)
{
	return err_set(e, "%s is there already; name a file that is not", buf_cstr(path));
}

/* Of what --mbox named. */
static int open_dir(struct mbox *m, struct err *e)
{
	struct str file = buf_view(&m->file);
	size_t slash = str_rfind(file, '/');
	struct buf dir;

	buf_init(&dir, 4096);
	buf_str(&dir, slash < file.n ? str_sub(file, 0, slash + 1) : STR("."));
	m->dirfd = open(buf_cstr(&dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->dirfd < 0)
		(void)err_sys(e, errno, "cannot open the directory %s", buf_cstr(&dir));
	buf_fini(&dir);
	return m->dirfd < 0 ? -1 : 0;
}

static void mbox_fini(struct mbox *m)
{
	if (m->dirfd >= 0)
		close(m->dirfd);
	buf_fini(&m->w.name);
	buf_fini(&m->file);
	buf_fini(&m->name);
	buf_fini(&m->part);
	cli_export_made_fini(&m->made);
	buf_fini(&m->head);
	buf_fini(&m->out);
	mem_free(m);
}

static int mbox_open(void **state_r, const char *path, struct err *e)
{
	struct mbox *m = mem_new(struct mbox);
	int result;

	m->fd = -1;
	buf_init(&m->file, 4096);
	buf_init(&m->name, 8192);
	buf_init(&m->part, 8192);
	cli_export_made_init(&m->made, true);
	buf_init(&m->head, 64 * KIB);
	buf_init(&m->out, 64 * MIB);
	buf_c(&m->file, path);
	result = open_dir(m, e);
	if (result == 0 && is_there(m, &m->file))
		result = refuse(&m->file, e);
	if (result == 0)
		*state_r = m;
	else
		mbox_fini(m);
	return result;
}

/* ---- a mailbox ---- */

/* What stands behind FILE. */
static void put_name(struct buf *b, struct str path)
{
	buf_byte(b, '.');
	for (size_t i = 0; i < path.n; i++)
		buf_byte(b, path.p[i] == '/' ? '.' : path.p[i]);
}

/* Whether another mailbox has the name. */
static bool is_made(struct mbox *m)
{
	return cli_export_made_has(&m->made, buf_view(&m->name)) && is_there(m, &m->name);
}

/* Octets that FILE and ".part" leave for what stands between them. */
static size_t room(const struct mbox *m)
{
	size_t slash = str_rfind(buf_view(&m->file), '/');
	size_t taken = m->file.n - (slash < m->file.n ? slash + 1 : 0) + PART.n;

	return taken < CLI_EXPORT_NAME_MAX ? CLI_EXPORT_NAME_MAX - taken : 0;
}

/* Whether the name at hand, FILE and what is behind it, can be that of a file for the path. */
static bool fits(struct mbox *m, struct str path)
{
	struct str behind = str_from(buf_view(&m->name), m->file.n);

	return m->inbox ||
	       (cli_export_name_fits(path, behind, room(m)) && !str_has_suffix_i(behind, PART));
}

static void name_other(struct mbox *m, struct str path)
{
	uint32_t n = 0;

	do {
		m->name.n = m->file.n;
		cli_export_name_other(&m->name, path, n++, room(m), put_name);
	} while (is_made(m));
}

/* FILE for the INBOX, else FILE.NAME or what is like it; *other as in struct cli_export_format. */
static void name_mailbox(struct mbox *m, struct str path, struct buf *other)
{
	m->inbox = str_eq_i(path, STR("INBOX"));
	buf_clear(&m->name);
	buf_str(&m->name, buf_view(&m->file));
	if (!m->inbox)
		put_name(&m->name, path);
	if (!fits(m, path) || is_made(m)) {
		name_other(m, path);
		buf_str(other, buf_view(&m->name));
	}
	buf_clear(&m->part);
	buf_str(&m->part, buf_view(&m->name));
	buf_str(&m->part, PART);
}

/* It is whole: the name is its own. */
static int settle(struct mbox *m)
{
	if (renameat(m->dirfd, base(&m->part), m->dirfd, base(&m->name)) < 0)
		return -1;
	cli_export_made_add(&m->made, buf_view(&m->name));
	return 0;
}

static int close_mailbox(struct mbox *m, bool whole, struct err *e)
{
	int result = 0;

	if (m->fd < 0)
		return 0;
	if (whole && (fsync(m->fd) < 0 || ((m->messages || m->inbox) && settle(m) < 0)))
		result = err_sys(e, errno, "cannot complete %s", buf_cstr(&m->name));
	close(m->fd);
	m->fd = -1;
	if (!whole || (!m->messages && !m->inbox))
		(void)unlinkat(m->dirfd, base(&m->part), 0);
	return result;
}

/* What has the name may be of an export that was broken off, another's link, or anybody's file: it stays. */
static int make_part(struct mbox *m, struct err *e)
{
	m->fd = openat(m->dirfd, base(&m->part), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (m->fd < 0 && errno == EEXIST)
		return err_set(e,
		    "%s is there already, perhaps of an export that was broken off; take it away, "
		    "or name another file",
		    buf_cstr(&m->part));
	return m->fd >= 0 ? 0 : err_sys(e, errno, "cannot make %s", buf_cstr(&m->part));
}

static int mbox_mailbox(void *state, struct str path, struct buf *other, struct err *e)
{
	struct mbox *m = state;

	if (close_mailbox(m, true, e) < 0)
		return -1;
	name_mailbox(m, path, other);
	if (is_there(m, &m->name))
		return refuse(&m->name, e);
	m->size = m->messages = 0;
	return make_part(m, e);
}

/* ---- a message ---- */

/* Whom the first line of our own prefix names. */
static struct str sender_of(struct str head)
{
	struct str line = str_sub(head, 0, str_find(head, '\r'));

	if (!str_has_prefix_i(line, STR("Return-Path: <")) || line.p[line.n - 1] != '>')
		return STR("");
	return str_sub(line, 14, line.n - 15);
}

/* The "From " line names the sender, so the first line of the message comes first. */
static void start(struct mbox *m)
{
	m->started = true;
	mime_mbox_write_begin(
	    &m->w, &m->out, sender_of(buf_view(&m->head)), m->meta.received, m->meta.keywords);
	mime_mbox_write(&m->w, buf_view(&m->head));
	buf_clear(&m->head);
}

static int mbox_begin(void *state, const struct cli_export_message *meta, bool *cut, struct err *e)
{
	struct mbox *m = state;

	m->message = m->size;
	m->meta = *meta;
	m->started = *cut = false;
	return 0;
}

static int mbox_data(void *state, struct str bytes, struct err *e)
{
	struct mbox *m = state;

	if (m->started) {
		mime_mbox_write(&m->w, bytes);
	} else {
		struct str first = str_sub(bytes, 0, buf_room(&m->head));

		buf_str(&m->head, first);
		if (str_find(buf_view(&m->head), '\n') < m->head.n || buf_room(&m->head) == 0)
			start(m);
		if (m->started)
			mime_mbox_write(&m->w, str_from(bytes, first.n));
	}
	return m->out.n < FLUSH_AT ? 0 : flush(m, e);
}

static int mbox_end(void *state, bool whole, struct err *e)
{
	struct mbox *m = state;

	if (!m->started)
		start(m);
	mime_mbox_write_end(&m->w);
	if (flush(m, e) < 0)
		return -1;
	m->messages += whole;
	if (whole)
		return 0;
	if (ftruncate(m->fd, m->message) < 0 || lseek(m->fd, m->message, SEEK_SET) < 0)
		return err_sys(e, errno, "cannot write %s", buf_cstr(&m->part));
	m->size = m->message;
	return 0;
}

/* Where a file system does so for a directory. */
static int sync_names(struct mbox *m, struct err *e)
{
	if (fsync(m->dirfd) == 0 || errno == EINVAL)
		return 0;
	return err_sys(e, errno, "cannot complete %s", buf_cstr(&m->file));
}

static int mbox_close(void **state, bool whole, struct err *e)
{
	struct mbox *m = *state;
	int result = close_mailbox(m, whole, e);

	if (whole && result == 0)
		result = sync_names(m, e);
	mbox_fini(m);
	*state = NULL;
	return result;
}

const struct cli_export_format cli_export_mbox = {
    mbox_open, mbox_mailbox, mbox_begin, mbox_data, mbox_end, mbox_close, NULL, false};
