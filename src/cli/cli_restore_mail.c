/*
 * Restore of mail into a data directory that is there: the backup's database and packs are read as they
 * lie, and each message goes through the import of the server, with the id it had. An account that is not
 * there any more is made, with its password and settings of the time.
 */
#include <errno.h>
#include <unistd.h>

#include "base/id.h"
#include "base/mem.h"
#include "cli/cli_backup.h"
#include "cli/cli_below.h"
#include "cli/cli_export_name.h"
#include "cli/cli_feed.h"
#include "cli/cli_restore_db.h"
#include "cli/cli_text.h"
#include "proc/admin_address.h"
#include "store/datadir.h"
#include "store/directory.h"
#include "store/mailbox_at.h"
#include "store/mailbox_path.h"
#include "store/pack.h"
#include "store/quota.h"
#include "store/summary.h"
#include "store/trace.h"

#define READ          ((size_t)64 * 1024)
#define ACCOUNTS_PAGE ((size_t)100)
#define HELD_MAX      ((size_t)64 * 1024)

struct restoring {
	struct cli *cli;
	const struct cli_manifest *m;
	struct fsio fs;
	struct fsio_ops ops; /* its */
	int files;           /* the directory of the database */
	struct cli_restore_db database;
	struct db *db; /* its */
	struct blob_store *blobs;
	struct arena *arena; /* of an account */
	struct arena *row_arena;

	/* which */
	int64_t id;           /* 0: any */
	struct str header_id; /* empty: any */

	/* the account at hand */
	int64_t account;
	struct mailbox_listed *list;
	size_t nlist, at;
	bool in_mailbox, in_damaged; /* in_damaged: it is counted */
	struct buf path;             /* of the mailbox that its mail goes to */
	bool renamed;                /* it is another one, which is still to be told */
	struct mailbox_at walk;      /* of the mailbox at hand */
	struct mailbox_source *source;
	struct mailbox_at_row row;
	struct cli_feed feed;

	int64_t found, taken, there;
	int64_t damaged, mailboxes; /* messages that are left out; mailboxes with other damage */
	bool hidden;                /* there may be mailboxes that are not known */
	bool unsure;                /* the message that is wanted may be one that cannot be read */
	struct buf held;            /* lines about those */
	bool waiting;               /* the account may be one that is not here: lines wait */
	struct buf lines;           /* which */
	bool looking;               /* nothing goes up: is it in an account that is not here? */
	struct str gone;            /* the first such account that has it, or empty */
	bool failed;                /* the backup's database cannot be read */
};

/* ---- one account's messages ---- */

/* For one message only. */
static bool is_search(const struct restoring *r)
{
	return r->id || r->header_id.n;
}

static bool is_wanted(struct restoring *r)
{
	if (r->id)
		return r->row.message.email == r->id;
	return r->header_id.n == 0 || summary_is_of(r->row_arena, r->row.summary, r->header_id);
}

static void keep(struct buf *lines, struct str line)
{
	if (lines->n + line.n >= HELD_MAX)
		return;
	buf_str(lines, line);
	buf_byte(lines, '\n');
}

static void say(struct restoring *r, struct str line)
{
	if (r->waiting) {
		keep(&r->lines, line);
		return;
	}
	cli_progress_clear(&r->feed.progress);
	(void)cli_fail(EX_DATAERR, "%.*s", STR_FMT(line));
}

/* For the end: of what matters only when the message that is wanted is not found. */
static void hold(struct restoring *r, struct str line)
{
	r->unsure = true;
	keep(&r->held, line);
}

static void say_each(struct restoring *r, struct buf *kept)
{
	struct str lines = buf_view(kept);

	while (lines.n)
		say(r, str_split(lines, '\n', &lines));
	buf_clear(kept);
}

static void leave_out(struct restoring *r, struct str why)
{
	struct buf b;

	buf_init(&b, KIB);
	buf_lit(&b, "message ");
	id_put(&b, r->row.message.email);
	buf_lit(&b, " is left out: ");
	buf_str(&b, why);
	r->damaged++;
	say(r, buf_view(&b));
	buf_fini(&b);
}

/* One whose Message-ID is not known. */
static void hold_unread(struct restoring *r)
{
	struct buf b;

	buf_init(&b, KIB);
	buf_lit(&b, "message ");
	id_put(&b, r->row.message.email);
	buf_lit(&b, ": ");
	buf_str(&b, r->row.why);
	hold(r, buf_view(&b));
	buf_fini(&b);
}

static void count_of_mailbox(struct restoring *r, int64_t missing)
{
	r->damaged += missing;
	r->mailboxes += missing == 0 && !r->in_damaged;
	r->in_damaged = r->in_damaged || missing == 0;
}

static void say_or_hold(struct restoring *r, struct str which, struct str what)
{
	struct buf b;

	buf_init(&b, 8 * KIB);
	cli_text_put(&b, which);
	buf_lit(&b, ": ");
	buf_str(&b, what);
	if (is_search(r))
		hold(r, buf_view(&b));
	else
		say(r, buf_view(&b));
	buf_fini(&b);
}

/* Of the mailbox at hand, or of messages in it that cannot be named. */
static void say_of_mailbox(struct restoring *r, struct str what, int64_t missing)
{
	if (!is_search(r))
		count_of_mailbox(r, missing);
	say_or_hold(r, r->list[r->at].path, what);
}

static void put_flat(struct buf *b, struct str path)
{
	for (size_t i = 0; i < path.n; i++)
		buf_byte(b, path.p[i] == '/' ? '-' : path.p[i]);
}

/* The mailbox's own path, or another where no mailbox can have that, as in a damaged database. */
static void name_mailbox(struct restoring *r)
{
	struct str path = r->list[r->at].path;

	buf_clear(&r->path);
	r->renamed = !mailbox_path_is_valid(path);
	if (r->renamed)
		cli_export_name_other(&r->path, path, 0, MAILBOX_PATH_MAX, put_flat);
	else
		buf_str(&r->path, path);
}

static void say_renamed(struct restoring *r)
{
	struct str path = r->list[r->at].path;
	struct buf b;

	buf_init(&b, 8 * KIB);
	cli_text_put(&b, path);
	buf_printf(
	    &b, ": the name %s; what is in this mailbox goes into ", mailbox_path_trouble(path));
	buf_str(&b, buf_view(&r->path));
	count_of_mailbox(r, 0);
	say(r, buf_view(&b));
	buf_fini(&b);
	r->renamed = false;
}

static void begin(struct restoring *r)
{
	struct admin_feed_begin begin = {.path = buf_view(&r->path),
	    .id = r->row.message.email,
	    .length = r->row.message.pos.length,
	    .prefix = r->row.message.prefix};
	struct mailbox_message content = r->row.message;
	struct err e = {""};

	r->found++;
	if (r->looking)
		return;
	if (r->renamed)
		say_renamed(r);
	content.size -= (int64_t)content.prefix.n;
	content.prefix = STR(""); /* it goes apart */
	if (r->row.why.n)
		leave_out(r, r->row.why);
	else if (mailbox_source_open(r->blobs, &content, 0, &r->source, &e) != BLOB_OK)
		leave_out(r, str_of_c(e.text));
	else
		cli_feed_begin(&r->feed, &begin);
}

/* A piece of the message at hand. */
static void go_on(struct restoring *r)
{
	uint8_t *bytes = mem_alloc(READ);
	const char *why = NULL;
	size_t got = 0;
	enum blob_code code = mailbox_source_read(r->source, bytes, READ, &got);

	if (code == BLOB_OK && got > 0)
		cli_feed_bytes(&r->feed, str_of(bytes, got));
	else
		mailbox_source_close(&r->source);
	if (code != BLOB_OK) {
		cli_feed_drop(&r->feed);
		leave_out(r, STR("its content in the backup is damaged"));
	} else if (got == 0) {
		why = cli_feed_end(&r->feed, r->row.received, r->row.keywords, r->row.summary);
	}
	if (why)
		leave_out(r, str_of_c(why));
	mem_free(bytes);
}

static void take_row(struct restoring *r)
{
	if (r->row.kind == MAILBOX_AT_DAMAGE)
		say_of_mailbox(r, r->row.why, r->row.missing);
	else if (r->row.kind == MAILBOX_AT_MESSAGE && is_wanted(r))
		begin(r);
	else if (r->header_id.n && r->row.why.n && r->row.summary.n == 0)
		hold_unread(r);
}

static void begin_mailbox(struct restoring *r)
{
	r->in_damaged = false;
	name_mailbox(r);
	mailbox_at_begin(&r->walk, r->account, r->list[r->at].mailbox, MAILBOX_NOW);
	if (r->list[r->at].lost)
		say_of_mailbox(r, STR(MAILBOX_LOST_TEXT), 0);
}

/* The next message that is wanted, or nothing. */
static void next_row(struct restoring *r)
{
	enum db_code code;

	arena_reset(r->row_arena, false);
	if (!r->in_mailbox)
		begin_mailbox(r);
	code = mailbox_at_next(r->db, r->row_arena, &r->walk, &r->row);
	r->in_mailbox = code == DB_ROW;
	if (r->in_mailbox) {
		take_row(r);
		return;
	}
	r->failed = r->failed || code != DB_OK;
	r->at = code == DB_OK ? r->at + 1 : r->nlist;
}

static bool pump(void *ctx)
{
	struct restoring *r = ctx;

	if (r->source)
		go_on(r);
	else if (r->at < r->nlist)
		next_row(r);
	else
		return false;
	return true;
}

/* ---- accounts ---- */

struct owner {
	struct str local, domain;
	int64_t id;
	bool send_only, disabled;
	struct str hash, language;
	int64_t quota_bytes, quota_messages;
};

static struct str number(struct arena *a, int64_t n)
{
	struct buf b;
	struct str s;

	buf_init(&b, 24);
	buf_i64(&b, n);
	s = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return s;
}

static struct str limit(struct arena *a, int64_t n)
{
	return n > 0 ? number(a, n) : n == QUOTA_NONE ? STR("none") : STR("default");
}

static void begin_account(struct restoring *r)
{
	r->at = 0;
	r->in_mailbox = false;
}

/* In an account that is not here: is the message that is wanted among its mail? */
static void look(struct restoring *r, struct str address)
{
	int64_t found = r->found;

	r->looking = true;
	begin_account(r);
	while (r->found == found && pump(r))
		continue;
	if (r->found > found && r->gone.n == 0)
		r->gone = address;
	r->found = found;
	r->looking = false;
}

static void put_args(struct restoring *r, const struct owner *o, bool make, struct str *args)
{
	args[0] = directory_text(r->arena, o->local, o->domain);
	args[1] = number(r->arena, r->m->store);
	args[2] = make ? o->hash : STR("");
	args[3] = o->send_only ? STR("send-only") : STR("");
	args[4] = limit(r->arena, o->quota_bytes);
	args[5] = limit(r->arena, o->quota_messages);
	args[6] = o->language;
	args[7] = o->disabled ? STR("disabled") : STR("");
}

/* make: the account too, when it is not there. Otherwise EX_NOUSER, which has not been told. */
static int restore_account(struct restoring *r, const struct owner *o, bool make)
{
	struct admin_request request = {.command = ADMIN_IMPORT, .nargs = 8};
	int code = EX_OK;
	bool torn;

	r->account = o->id;
	begin_account(r);
	if (mailbox_path_list(r->db, r->arena, o->id, &r->list, &r->nlist, &torn) != DB_OK)
		return cli_fail(
		    EX_DATAERR, "the backup's database cannot be read: %s", db_error(r->db));
	put_args(r, o, make, request.args);
	cli_feed_init(&r->feed, "restoring", pump, r);
	r->feed.quiet = make ? 0 : EX_NOUSER;
	if (torn)
		say_or_hold(r, request.args[0], STR(MAILBOX_HIDDEN_TEXT));
	r->hidden = r->hidden || (torn && !is_search(r));
	code = cli_feed_call(&r->feed, cli_data_dir(r->cli), &request);
	mailbox_source_close(&r->source);
	r->taken += r->feed.taken;
	r->there += r->feed.there;
	cli_feed_fini(&r->feed);
	return code;
}

/* The account of the backup. *o_r; false when there is none, or with r->failed. */
static bool find_owner(struct restoring *r, struct str local, struct str domain, struct owner *o_r)
{
	struct db_query *q = db_begin_query(
	    r->db, SQL_ACCOUNT_BY_ADDRESS, DB_ARGS(db_text(domain), db_text(local)));
	bool found = db_step(q) == DB_ROW;

	*o_r = (struct owner){
	    .local = local, .domain = domain, .hash = STR(""), .language = STR("")};
	if (found) {
		o_r->id = db_col_int(q, 0);
		o_r->disabled = db_col_int(q, 1) == DIRECTORY_STATE_DISABLED;
		o_r->send_only = db_col_int(q, 2) != 0;
		o_r->quota_bytes = db_col_int(q, 5);
		o_r->quota_messages = db_col_int(q, 6);
	}
	r->failed = db_end(q) != DB_OK || r->failed;
	if (!found)
		return false;
	q = db_begin_query(r->db, SQL_ACCOUNT_LOGIN, DB_ARGS(db_text(domain), db_text(local)));
	if (db_step(q) == DB_ROW)
		o_r->hash = arena_str(r->arena, db_col_str(q, 3));
	r->failed = db_end(q) != DB_OK || r->failed;
	q = db_begin_query(r->db, SQL_ACCOUNT_LANGUAGE, DB_ARGS(db_int(o_r->id)));
	if (db_step(q) == DB_ROW)
		o_r->language = arena_str(r->arena, db_col_str(q, 0));
	r->failed = db_end(q) != DB_OK || r->failed;
	return !r->failed;
}

static int one_account(struct restoring *r, const char *address)
{
	struct str local, domain;
	struct err e = {""};
	struct owner o;

	if (!admin_address_parse(r->arena, str_of_c(address), false, &local, &domain, &e))
		return cli_fail(EX_USAGE, "%s", e.text);
	if (!find_owner(r, local, domain, &o))
		return cli_fail(EX_NOUSER,
		    "the backup has no account %s; an older backup may have it", address);
	return restore_account(r, &o, true);
}

/* ---- the message in whatever account has it ---- */

struct page {
	struct restoring *r;
	struct owner *v;
	size_t n;
};

static void on_account(void *ctx, const struct directory_account_row *row)
{
	struct page *p = ctx;

	p->v[p->n++] = (struct owner){.local = arena_str(p->r->arena, row->local),
	    .domain = arena_str(p->r->arena, row->domain),
	    .hash = STR(""),
	    .language = STR(""),
	    .id = row->account};
}

static bool has_message(struct restoring *r, int64_t account)
{
	int64_t live = 0;

	/* else, or where they cannot be counted, it is found out row by row */
	return !r->id ||
	       db_get_int(r->db, SQL_EMAIL_IS_LIVE, DB_ARGS(db_int(account), db_int(r->id)),
		   &live) != DB_ROW ||
	       live > 0;
}

/* Of one that is not here any more nothing comes back; the others may have the message. */
static int search_account(struct restoring *r, const struct owner *o)
{
	const int64_t found = r->found, damaged = r->damaged, mailboxes = r->mailboxes;
	const size_t held = r->held.n;
	int code;

	r->waiting = true;
	code = restore_account(r, o, false);
	r->waiting = false;
	if (code != EX_NOUSER) {
		say_each(r, &r->lines);
		return code;
	}
	buf_clear(&r->lines);
	r->found = found; /* what went up before the answer came */
	r->damaged = damaged;
	r->mailboxes = mailboxes;
	r->held.n = held;
	look(r, directory_text(r->arena, o->local, o->domain));
	return EX_OK;
}

static int every_account(struct restoring *r)
{
	struct owner *v = arena_array(r->arena, ACCOUNTS_PAGE, sizeof *v);
	struct str domain = STR(""), local = STR("");
	size_t n = ACCOUNTS_PAGE;
	int code = EX_OK;

	while (n == ACCOUNTS_PAGE && code == EX_OK && !r->failed) {
		struct page page = {r, v, 0};

		if (directory_accounts(r->db, STR(""), domain, local, ACCOUNTS_PAGE, &n, on_account,
			&page) != DB_OK)
			r->failed = true;
		for (size_t i = 0; i < page.n && code == EX_OK; i++) {
			domain = v[i].domain;
			local = v[i].local;
			if (has_message(r, v[i].id))
				code = search_account(r, &v[i]);
		}
	}
	return code;
}

/* ---- the backup ---- */

static int open_packed(struct fsio *fs, const char *name, int flags, mode_t mode)
{
	int fd = cli_below_file(fs->dirfd, str_of_c(name));

	return fd < 0 ? -errno : fd;
}

static void open_packs(struct restoring *r, int source)
{
	struct pack_config packs = {.fs = &r->fs, .dir = arena_cstr(r->arena, r->m->packs)};

	fsio_init(&r->fs, source);
	r->ops = *r->fs.ops;
	r->ops.open = open_packed;
	r->fs.ops = &r->ops;
	r->blobs = pack_open_reader(&packs);
}

/* SQLite takes names only: it gets one that leads to the directory that was opened, whatever is at its own by now. */
static void put_name(const struct restoring *r, struct buf *b)
{
	buf_printf(b, "/proc/self/fd/%d/" DATADIR_DB, r->files);
}

/* In sentences its own stands. */
static int cannot_open(const struct restoring *r, struct str why)
{
	const char *path = r->cli->args.operands[0];
	struct buf name;
	size_t at, n;

	buf_init(&name, 64);
	put_name(r, &name);
	at = str_find_str(why, buf_view(&name));
	n = at < why.n ? name.n : 0;
	buf_fini(&name);
	if (n == 0)
		return cli_fail(EX_DATAERR, "%s/%.*s/" DATADIR_DB ": %.*s", path,
		    STR_FMT(r->m->files), STR_FMT(why));
	return cli_fail(EX_DATAERR, "%.*s%s/%.*s/" DATADIR_DB "%.*s", STR_FMT(str_sub(why, 0, at)),
	    path, STR_FMT(r->m->files), STR_FMT(str_from(why, at + n)));
}

static int open_database(struct restoring *r, int source)
{
	struct err e = {""};
	struct buf name;
	int fd, code = EX_OK;

	r->files = cli_below_directory(source, r->m->files);
	fd = r->files < 0 ? -1 : cli_below_file(r->files, STR(DATADIR_DB));
	if (fd < 0)
		return cannot_open(r, str_of_c(cli_below_reason(errno)));
	close(fd);
	buf_init(&name, 64);
	put_name(r, &name);
	if (cli_restore_db_open(&r->database, buf_cstr(&name), &e) < 0)
		code = cannot_open(r, str_of_c(e.text));
	r->db = r->database.db;
	buf_fini(&name);
	return code;
}

static int say_gone(const struct restoring *r)
{
	const struct cli *cli = r->cli;
	struct buf b;
	int code;

	buf_init(&b, 64 * KIB);
	cli_text_word(&b, str_of_c(cli->args.operands[0]));
	buf_lit(&b, " --message-id ");
	cli_text_word(&b, str_of_c(cli_args_value(&cli->args, "message-id")));
	buf_lit(&b, " --account ");
	cli_text_word(&b, r->gone);
	buf_lit(&b, " --data ");
	cli_text_word(&b, str_of_c(cli_data_dir(cli)));
	code = cli_fail(EX_NOUSER,
	    "the message was in %.*s, an account that is not there any more; to make it again with "
	    "this message: godwit restore %s",
	    STR_FMT(r->gone), buf_cstr(&b));
	buf_fini(&b);
	return code;
}

static int not_found(struct restoring *r)
{
	say_each(r, &r->held);
	if (r->gone.n)
		return say_gone(r);
	if (r->unsure)
		return cli_fail(EX_DATAERR,
		    "the backup has no such message among those that can be read; an older or newer "
		    "backup may have it");
	return cli_fail(
	    EX_NOINPUT, "the backup has no such message; an older or newer backup may have it");
}

static void print_end(const struct restoring *r)
{
	struct buf b;

	buf_init(&b, KIB);
	buf_printf(&b, "%lld message%s restored", (long long)r->taken, r->taken == 1 ? "" : "s");
	if (r->there)
		buf_printf(&b, "; %lld were there already", (long long)r->there);
	cli_text_also(&b, r->damaged, "message of the backup is damaged",
	    "messages of the backup are damaged");
	cli_text_also(&b, r->mailboxes, "mailbox of the backup is damaged",
	    "mailboxes of the backup are damaged");
	if (r->hidden)
		buf_lit(&b, "; mailboxes may be left out");
	printf("%s\n", buf_cstr(&b));
	buf_fini(&b);
}

static int over(struct restoring *r, int code)
{
	if (r->failed)
		return cli_fail(EX_DATAERR, "the database of the backup cannot be read");
	if (code == EX_OK && r->found == 0 && is_search(r))
		return not_found(r);
	if (!cli_feed_was_begun(code, r->taken + r->there))
		return code;
	print_end(r);
	return code == EX_OK && (r->damaged || r->mailboxes || r->hidden) ? EX_DATAERR : code;
}

int cli_restore_mail(struct cli *cli, const struct cli_manifest *m, int source)
{
	const char *address = cli_args_value(&cli->args, "account");
	struct str which = str_of_c(cli_args_value(&cli->args, "message-id"));
	struct restoring r = {
	    .cli = cli, .m = m, .files = -1, .arena = arena_new(), .row_arena = arena_new()};
	int code;

	MUST(trace_choose(which, &r.id, &r.header_id)); /* a blank one is refused (cli_args.c) */
	buf_init(&r.held, HELD_MAX);
	buf_init(&r.lines, HELD_MAX);
	buf_init(&r.path, 2 * MAILBOX_PATH_MAX);
	code = open_database(&r, source);
	if (code == EX_OK) {
		open_packs(&r, source);
		code = address ? one_account(&r, address) : every_account(&r);
		code = over(&r, code);
	}
	blob_store_free(&r.blobs);
	cli_restore_db_close(&r.database);
	if (r.files >= 0)
		close(r.files);
	arena_free(&r.arena);
	arena_free(&r.row_arena);
	buf_fini(&r.held);
	buf_fini(&r.lines);
	buf_fini(&r.path);
	return code;
}
