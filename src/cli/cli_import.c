/*
 * Import: one source after another is read, a piece at a time as the store takes it. What cannot be read
 * is named and passed over. Run again, it goes on where it was: the store recognises what it has.
 */
#include "cli/cli_import.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dot.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli_below.h"
#include "cli/cli_text.h"
#include "mime/mime_keywords.h"
#include "mime/mime_maildir.h"
#include "mime/mime_mbox.h"
#include "store/mailbox_path.h"

#define PIECE ((size_t)16 * 1024)
#define LIST  "dovecot-keywords"

const struct cli_option cli_import_options[] = {
    {"mailbox", 0, "NAME", "Puts it into this mailbox, or below it (default: INBOX)."},
    {"with-deleted", 0, NULL, "Takes also what is only marked as deleted there."},
    {0},
};

struct importing {
	struct cli_feed feed;
	struct cli_import_sources sources;
	size_t at; /* the source at hand */
	bool with_deleted;
	int64_t deleted, left_out;

	/* mbox */
	struct mime_mbox_reader *mbox;
	int64_t date;
	int64_t octets, messages; /* read of it, begun in it */
	bool in_message;

	/* Maildir */
	int dir;
	char **files;
	size_t file;
	struct buf keywords; /* list of the folder */
	struct dot_in lines;
	struct buf text;

	int fd;
	struct buf name; /* what is at hand: a file's path, which message of it */
};

static const struct cli_import_source *source(const struct importing *im)
{
	return &im->sources.v[im->at];
}

static void leave_out(struct importing *im, const char *what, const char *why)
{
	im->left_out++;
	cli_progress_clear(&im->feed.progress);
	cli_import_say_left_out(what, why);
}

static void begin(struct importing *im)
{
	struct admin_feed_begin begin = {.path = str_of_c(source(im)->mailbox)};

	cli_feed_begin(&im->feed, &begin);
}

static void feed_end(struct importing *im, int64_t received, struct str keywords)
{
	const char *why = cli_feed_end(&im->feed, received, keywords, STR(""));

	if (why)
		leave_out(im, buf_cstr(&im->name), why);
}

/* With "$deleted" among the keywords it is dropped, unless that is wanted; the word itself goes. */
static void end(struct importing *im, int64_t received, struct str keywords)
{
	struct buf kept;

	if (!mime_keywords_has(keywords, STR("$deleted"))) {
		feed_end(im, received, keywords);
		return;
	}
	if (!im->with_deleted) {
		im->deleted++;
		cli_feed_drop(&im->feed);
		return;
	}
	buf_init(&kept, MIME_KEYWORDS_OUT);
	while (keywords.n > 0) {
		struct str word = str_split(keywords, ' ', &keywords);

		if (str_eq(word, STR("$deleted")))
			continue;
		if (kept.n)
			buf_byte(&kept, ' ');
		buf_str(&kept, word);
	}
	feed_end(im, received, buf_view(&kept));
	buf_fini(&kept);
}

/* ---- mbox ---- */

static void on_begin(void *ctx, struct str sender, int64_t date)
{
	struct importing *im = ctx;

	im->date = date;
	im->in_message = true;
	buf_clear(&im->name);
	buf_printf(&im->name, "message %lld of %s", (long long)++im->messages, source(im)->path);
	begin(im);
}

static void on_bytes(void *ctx, struct str bytes)
{
	cli_feed_bytes(&((struct importing *)ctx)->feed, bytes);
}

static void on_end(void *ctx, struct str keywords)
{
	struct importing *im = ctx;

	im->in_message = false;
	end(im, im->date, keywords);
}

/* The notes of the mail program that kept the file. */
static void on_drop(void *ctx)
{
	struct importing *im = ctx;

	im->in_message = false;
	cli_feed_drop(&im->feed);
}

static bool open_mbox(struct importing *im)
{
	struct mime_mbox_sink sink = {on_begin, on_bytes, on_end, on_drop, im};

	im->fd = cli_import_open_source(&im->sources, source(im));
	im->octets = im->messages = 0;
	im->in_message = false;
	if (im->fd < 0)
		leave_out(im, source(im)->path, cli_below_reason(errno));
	else
		im->mbox = mime_mbox_reader_new(&sink);
	return im->fd >= 0;
}

/* The message at hand may go on: it is not taken as if it were whole, but once the file can be read. */
static void break_off(struct importing *im, int code)
{
	struct buf b;

	if (im->in_message)
		cli_feed_drop(&im->feed);
	im->left_out++;
	buf_init(&b, 16 * KIB);
	cli_text_put(&b, str_of_c(source(im)->path));
	cli_progress_clear(&im->feed.progress);
	(void)cli_fail(EX_DATAERR, "%s is read only up to octet %lld%s: %s", buf_cstr(&b),
	    (long long)im->octets, im->in_message ? ", and the message there is left out" : "",
	    err_reason(code));
	buf_fini(&b);
}

static void close_mbox(struct importing *im)
{
	mime_mbox_reader_free(&im->mbox);
	close(im->fd);
	im->fd = -1;
}

/* False at the end of the file. */
static bool read_mbox(struct importing *im)
{
	uint8_t bytes[PIECE];
	ssize_t n = read(im->fd, bytes, sizeof bytes);

	if (n > 0 && mime_mbox_feed(im->mbox, str_of(bytes, (size_t)n))) {
		im->octets += n;
		return true;
	}
	if (n < 0)
		break_off(im, errno);
	else if (n > 0)
		leave_out(im, source(im)->path,
		    "it does not begin with \"From \", so it is no mbox file");
	else
		mime_mbox_finish(im->mbox);
	close_mbox(im);
	return false;
}

/* ---- Maildir ---- */

/* To its end. 0, or an error's number. */
static int read_all(int fd, struct buf *b)
{
	uint8_t bytes[4096];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof bytes)) > 0)
		buf_add(b, bytes, (size_t)n);
	return n < 0 ? errno : b->overflow ? EFBIG : 0;
}

/* The messages come in without their keywords where it cannot be read. */
static void read_keywords(struct importing *im)
{
	int fd = cli_below_file(im->dir, str_of_c(LIST));
	int code = fd < 0 ? errno : read_all(fd, &im->keywords);

	if (code && code != ENOENT) {
		buf_clear(&im->keywords);
		buf_clear(&im->name);
		buf_printf(&im->name, "%s/" LIST, source(im)->path);
		leave_out(im, buf_cstr(&im->name), cli_below_reason(code));
	}
	if (fd >= 0)
		close(fd);
}

/* The keywords of the letters that only this folder has. */
static void add_letters(struct importing *im, struct str letters, struct buf *words)
{
	for (size_t i = 0; i < letters.n; i++) {
		buf_byte(words, ' ');
		buf_str(words, mime_maildir_keyword(buf_view(&im->keywords), letters.p[i]));
	}
}

/* When it came: what the name and the file's time say, the earlier one. */
static void end_file(struct importing *im, const struct stat *st)
{
	struct str name = str_of_c(im->files[im->file] + 4); /* without "cur/" */
	int64_t named,
	    written = (int64_t)st->st_mtim.tv_sec * SECOND_MS + st->st_mtim.tv_nsec / 1000000;
	struct buf words, keywords;

	buf_init(&words, 16 * KIB);
	buf_init(&keywords, MIME_KEYWORDS_OUT);
	mime_maildir_name_read(name, &words, &named);
	add_letters(im, mime_maildir_letters(name), &words);
	mime_keywords_put(&keywords, buf_view(&words));
	end(im, named > 0 && named / SECOND_MS < written / SECOND_MS ? named : written,
	    buf_view(&keywords));
	buf_fini(&words);
	buf_fini(&keywords);
}

static void put_lines(struct importing *im, struct str bytes)
{
	while (bytes.n > 0) {
		size_t used;

		dot_in_feed(&im->lines, bytes, &used, &im->text);
		bytes = str_from(bytes, used);
		cli_feed_bytes(&im->feed, buf_view(&im->text));
		buf_clear(&im->text);
	}
}

/* Whether the message has another file in the list, in cur. */
static bool is_listed(const struct importing *im, struct str base)
{
	for (size_t i = 0; im->files[i]; i++) {
		struct str file = str_of_c(im->files[i]);

		if (i != im->file && str_has_prefix(file, STR("cur/")) &&
		    str_eq(mime_maildir_base(str_from(file, 4)), base))
			return true;
	}
	return false;
}

/*
 * The file is gone: another program has seen the message, or changed its flags, and so moved it. -1: errno, 0 when it
 * comes, or came, under the other name.
 */
static int open_moved(struct importing *im)
{
	struct str base = mime_maildir_base(str_from(str_of_c(im->files[im->file]), 4));
	char *moved;

	errno = 0;
	if (is_listed(im, base))
		return -1;
	moved = cli_import_list_moved(im->dir, im->files[im->file]);
	errno = ENOENT;
	if (!moved)
		return -1;
	mem_free(im->files[im->file]);
	im->files[im->file] = moved;
	return cli_below_file(im->dir, str_of_c(moved));
}

static bool open_file(struct importing *im)
{
	im->fd = cli_below_file(im->dir, str_of_c(im->files[im->file]));
	if (im->fd < 0 && errno == ENOENT)
		im->fd = open_moved(im);
	if (im->fd < 0 && errno == 0)
		return false;
	buf_clear(&im->name);
	buf_printf(&im->name, "%s/%s", source(im)->path, im->files[im->file]);
	if (im->fd < 0) {
		leave_out(im, buf_cstr(&im->name), cli_below_reason(errno));
		return false;
	}
	dot_in_init(&im->lines, false, true);
	begin(im);
	return true;
}

static void close_file(struct importing *im, bool whole)
{
	struct stat st = {0};
	bool midline;

	dot_in_finish(&im->lines, &im->text, &midline);
	if (im->text.n)
		cli_feed_bytes(&im->feed, buf_view(&im->text));
	buf_clear(&im->text);
	(void)fstat(im->fd, &st);
	if (whole)
		end_file(im, &st);
	else
		cli_feed_drop(&im->feed);
	close(im->fd);
	im->fd = -1;
	im->file++;
}

static void close_maildir(struct importing *im)
{
	cli_import_list_free(im->files);
	im->files = NULL;
	if (im->dir >= 0)
		close(im->dir);
	im->dir = -1;
}

static bool open_maildir(struct importing *im)
{
	struct err e;

	im->file = 0;
	buf_clear(&im->keywords);
	im->dir = cli_import_open_source(&im->sources, source(im));
	if (im->dir < 0)
		err_set(&e, "%s", cli_below_reason(errno));
	else
		im->files = cli_import_list(im->dir, &e);
	if (im->files) {
		read_keywords(im);
		return true;
	}
	leave_out(im, source(im)->path, e.text);
	close_maildir(im);
	return false;
}

/* A piece of the file at hand, or the next one. False when all were. */
static bool read_maildir(struct importing *im)
{
	uint8_t bytes[PIECE];
	ssize_t n;

	if (!im->files[im->file]) {
		close_maildir(im);
		return false;
	}
	if (im->fd < 0 && !open_file(im)) {
		im->file++;
		return true;
	}
	n = read(im->fd, bytes, sizeof bytes);
	if (n < 0)
		leave_out(im, buf_cstr(&im->name), err_reason(errno));
	if (n > 0)
		put_lines(im, str_of(bytes, (size_t)n));
	else
		close_file(im, n == 0);
	return true;
}

/* ---- all of it ---- */

static const struct {
	bool (*open)(struct importing *im);
	bool (*read)(struct importing *im);
} kinds[] = {
    [CLI_IMPORT_MBOX] = {open_mbox, read_mbox},
    [CLI_IMPORT_MAILDIR] = {open_maildir, read_maildir},
};

static bool is_open(const struct importing *im)
{
	return im->mbox || im->files;
}

static bool pump(void *ctx)
{
	struct importing *im = ctx;

	if (im->at == im->sources.n)
		return false;
	if (!is_open(im) && !kinds[source(im)->kind].open(im))
		im->at++;
	else if (!kinds[source(im)->kind].read(im))
		im->at++;
	return true;
}

static void say_done(const struct importing *im)
{
	struct buf also;

	buf_init(&also, KIB);
	cli_text_also(&also, im->sources.left_out, "mailbox is left out", "mailboxes are left out");
	printf(
	    "%lld message%s imported", (long long)im->feed.taken, im->feed.taken == 1 ? "" : "s");
	if (im->feed.there)
		printf("; %lld were there already", (long long)im->feed.there);
	if (im->feed.deleted)
		printf(
		    "; %lld were deleted here since and stay so (godwit undelete brings them back)",
		    (long long)im->feed.deleted);
	if (im->deleted)
		printf(
		    "; %lld are marked as deleted there and were left out", (long long)im->deleted);
	if (im->left_out)
		printf("; %lld could not be read, are empty or too large", (long long)im->left_out);
	printf("%s\n", buf_cstr(&also));
	buf_fini(&also);
}

static void importing_fini(struct importing *im)
{
	mime_mbox_reader_free(&im->mbox);
	close_maildir(im);
	if (im->fd >= 0)
		close(im->fd);
	buf_fini(&im->keywords);
	buf_fini(&im->name);
	buf_fini(&im->text);
	cli_import_sources_fini(&im->sources);
	cli_feed_fini(&im->feed);
}

int cli_import(struct cli *cli)
{
	struct importing im = {
	    .fd = -1, .dir = -1, .with_deleted = cli_args_has(&cli->args, "with-deleted")};
	struct admin_request request = {.command = ADMIN_IMPORT, .nargs = 8};
	const char *mailbox = cli_args_value(&cli->args, "mailbox");
	const char *trouble = mailbox ? mailbox_path_trouble(str_of_c(mailbox)) : NULL;
	struct err e = {""};
	int code;

	if (trouble)
		return cli_fail(EX_USAGE, "--mailbox: the name %s", trouble);
	request.args[0] = str_of_c(cli->args.operands[0]);
	if (cli_import_find(&im.sources, cli->args.operands[1], mailbox ? mailbox : "", &e) < 0) {
		cli_import_sources_fini(&im.sources);
		return cli_fail(EX_NOINPUT, "%s", e.text);
	}
	buf_init(&im.keywords, 64 * KIB);
	buf_init(&im.name, 16 * KIB);
	buf_init(&im.text, 64 * KIB);
	cli_feed_init(&im.feed, "importing", pump, &im);
	code = cli_feed_call(&im.feed, cli_data_dir(cli), &request);
	if (cli_feed_was_begun(code, im.feed.taken + im.feed.there + im.feed.deleted))
		say_done(&im);
	if (code == EX_OK && (im.left_out || im.sources.left_out))
		code = EX_DATAERR;
	importing_fini(&im);
	return code;
}
