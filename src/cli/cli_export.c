/*
 * Export: the records of the admin command go to a format. A message that cannot be read is named and
 * passed over; that it was shows in the exit code. A failure of writing ends it.
 */
#include "cli/cli_export.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/mem.h"
#include "cli/cli_progress.h"
#include "cli/cli_text.h"
#include "cli/cli_time.h"
#include "proc/admin_call.h"

const struct cli_option cli_export_options[] = {
    {"mbox", 0, "FILE", "Writes mbox files: the INBOX to FILE, others to FILE.NAME."},
    {"maildir", 0, "DIR", "Writes a Maildir, with other mailboxes as its folders."},
    {"mailbox", 0, "NAME", "Only this mailbox (default: all)."},
    {"as-of", 0, "TIME", "As it was then, within the time that deleted mail is kept."},
    {0},
};

struct exporting {
	const struct cli_export_format *format;
	void *state;
	struct cli_progress progress;
	struct cli_export_message message;
	struct buf keywords, path; /* of the message, of the mailbox */
	struct buf other;          /* name that the mailbox goes under, until it was told */
	int64_t count, bytes;
	int64_t damaged, mailboxes; /* messages that are left out; mailboxes with other damage */
	bool in_damaged;            /* the mailbox at hand is counted */
	int64_t cut, cut_here; /* messages without some of their keywords; in the mailbox at hand */
	bool unsure;           /* messages of the mailbox at hand may not have come */
	bool hidden;           /* there may be mailboxes that are not known */
	bool failed;           /* writing did */
	struct err e;
};

/* ---- records ---- */

struct record {
	struct str type, path, keywords, bytes, damage;
	int64_t id, size, received, missing;
};

static void read_record(struct str bytes, struct record *r)
{
	struct cur c = cur_of(bytes);
	struct admin_field f;

	*r = (struct record){0};
	while (admin_field_next(&c, &f) > 0) {
		const struct {
			const char *name;
			struct str *text;
			int64_t *number;
		} fields[] = {{"type", &r->type, NULL}, {"path", &r->path, NULL},
		    {"keywords", &r->keywords, NULL}, {"bytes", &r->bytes, NULL},
		    {"damage", &r->damage, NULL}, {"id", NULL, &r->id}, {"size", NULL, &r->size},
		    {"received", NULL, &r->received}, {"missing", NULL, &r->missing}};

		for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
			if (!str_eq(f.name, str_of_c(fields[i].name)))
				continue;
			if (fields[i].text)
				*fields[i].text = f.text;
			else
				*fields[i].number = f.number;
		}
	}
}

static void say(struct exporting *x, struct buf *b)
{
	cli_progress_clear(&x->progress);
	(void)cli_fail(EX_DATAERR, "%s", buf_cstr(b));
}

static void say_other(struct exporting *x)
{
	struct buf b;

	if (x->other.n == 0)
		return;
	buf_init(&b, 16 * KIB);
	cli_text_put(&b, buf_view(&x->path));
	buf_lit(&b, " is written to ");
	cli_text_put(&b, buf_view(&x->other));
	buf_lit(&b, ": no file can have its own name, or that of another mailbox has it");
	say(x, &b);
	buf_clear(&x->other);
	buf_fini(&b);
}

/* Once the mailbox has ended. */
static void say_cut(struct exporting *x)
{
	struct buf b;

	if (x->cut_here == 0)
		return;
	buf_init(&b, 8 * KIB);
	cli_text_put(&b, buf_view(&x->path));
	buf_printf(&b,
	    ": keywords of %lld message%s are left out: a folder of a Maildir has letters for 26, "
	    "and none is free; export it with --mbox, which has all",
	    (long long)x->cut_here, x->cut_here == 1 ? "" : "s");
	say(x, &b);
	x->cut += x->cut_here;
	x->cut_here = 0;
	buf_fini(&b);
}

/* Nothing is deleted: it may be the only copy of what was deleted by mistake. */
static void say_gone(struct exporting *x)
{
	int64_t n = x->format->gone && !x->unsure && x->path.n ? x->format->gone(x->state) : 0;
	struct buf b;

	if (n == 0)
		return;
	buf_init(&b, 8 * KIB);
	cli_text_put(&b, buf_view(&x->path));
	buf_printf(&b,
	    ": %lld message%s of an earlier export %s there that the mailbox does not have",
	    (long long)n, n == 1 ? "" : "s", n == 1 ? "is" : "are");
	say(x, &b);
	buf_fini(&b);
}

static int begin(struct exporting *x, const struct record *r)
{
	bool cut = false;
	int result;

	say_other(x);
	buf_clear(&x->keywords);
	buf_str(&x->keywords, r->keywords);
	x->message = (struct cli_export_message){
	    r->id, r->size, r->received, buf_view(&x->keywords)};
	result = x->format->begin(x->state, &x->message, &cut, &x->e);
	x->cut_here += cut;
	return result;
}

/* Which one is left out, and why. */
static void say_damaged(struct exporting *x, struct str why)
{
	struct buf b;

	buf_init(&b, KIB);
	buf_lit(&b, "message ");
	id_put(&b, x->message.id);
	buf_lit(&b, " of ");
	cli_text_time(&b, x->message.received);
	buf_lit(&b, " is left out: ");
	cli_text_put(&b, why);
	x->damaged++;
	say(x, &b);
	buf_fini(&b);
}

/*
 * What is wrong with the mailbox at hand, or messages of it that are left out and cannot be named; before the first
 * one with the list of all.
 */
static int say_of_mailbox(struct exporting *x, struct str what, int64_t missing)
{
	struct buf b;

	x->damaged += missing;
	x->unsure = true;
	x->hidden = x->hidden || x->path.n == 0;
	x->mailboxes += missing == 0 && x->path.n && !x->in_damaged;
	x->in_damaged = x->in_damaged || missing == 0;
	buf_init(&b, 8 * KIB);
	cli_text_put(&b, buf_view(&x->path));
	if (x->path.n)
		buf_lit(&b, ": ");
	cli_text_put(&b, what);
	say(x, &b);
	buf_fini(&b);
	return 0;
}

static int end(struct exporting *x, const struct record *r)
{
	bool whole = r->damage.n == 0;

	x->count += whole;
	if (!whole)
		say_damaged(x, r->damage);
	return x->format->end(x->state, whole, &x->e);
}

static int begin_mailbox(struct exporting *x, struct str path)
{
	say_cut(x);
	say_gone(x);
	x->in_damaged = x->unsure = false;
	buf_clear(&x->path);
	buf_str(&x->path, path);
	buf_clear(&x->other);
	if (x->format->mailbox(x->state, path, &x->other, &x->e) < 0)
		return -1;
	if (x->format->has_empty)
		say_other(x);
	return 0;
}

static int take(struct exporting *x, const struct record *r)
{
	if (str_eq(r->type, STR("mailbox")))
		return begin_mailbox(x, r->path);
	if (str_eq(r->type, STR("message")))
		return begin(x, r);
	if (str_eq(r->type, STR("end")))
		return end(x, r);
	if (str_eq(r->type, STR("damage")))
		return say_of_mailbox(x, r->damage, r->missing);
	x->bytes += (int64_t)r->bytes.n;
	return x->format->data(x->state, r->bytes, &x->e);
}

static bool on_record(void *ctx, struct str bytes)
{
	struct exporting *x = ctx;
	struct record r;

	MUST(!x->failed);
	read_record(bytes, &r);
	x->failed = take(x, &r) < 0;
	cli_progress_show(&x->progress, "exporting", x->count, x->bytes);
	return !x->failed;
}

/* ---- the command ---- */

static int call(struct cli *cli, struct exporting *x, struct str moment)
{
	struct admin_request request = {.command = ADMIN_EXPORT, .nargs = 3};
	struct buf text;
	struct admin_call call = {.dir = cli_data_dir(cli),
	    .request = &request,
	    .record = on_record,
	    .ctx = x,
	    .apart = true,
	    .text = &text};
	int code;

	request.args[0] = str_of_c(cli->args.operands[0]);
	request.args[1] = str_of_c(cli_args_value(&cli->args, "mailbox"));
	request.args[2] = moment;
	buf_init(&text, LIMIT_IPC_PAYLOAD);
	code = admin_call(&call);
	say_cut(x);
	if (code == EX_OK && !x->failed)
		say_gone(x);
	cli_progress_clear(&x->progress);
	if (x->failed)
		code = cli_fail(EX_CANTCREAT, "%s", x->e.text);
	else if (code != EX_OK)
		(void)cli_fail(code, "%s", buf_cstr(&text));
	buf_fini(&text);
	return code;
}

static void print_end(const struct exporting *x)
{
	struct buf b;

	buf_init(&b, KIB);
	buf_printf(&b, "%lld message%s exported", (long long)x->count, x->count == 1 ? "" : "s");
	cli_text_also(&b, x->damaged, "other is damaged", "others are damaged");
	cli_text_also(&b, x->mailboxes, "mailbox is damaged", "mailboxes are damaged");
	cli_text_also(&b, x->cut, "message lacks some of its keywords",
	    "messages lack some of their keywords");
	if (x->hidden)
		buf_lit(&b, "; mailboxes may be left out");
	printf("%s\n", buf_cstr(&b));
	buf_fini(&b);
}

static int run(struct cli *cli, struct exporting *x, const char *path, struct str moment)
{
	struct err e = {""};
	int code;

	if (x->format->open(&x->state, path, &e) < 0)
		return cli_fail(EX_CANTCREAT, "%s", e.text);
	code = call(cli, x, moment);
	if (x->format->close(&x->state, code == EX_OK, &e) < 0 && code == EX_OK)
		code = cli_fail(EX_CANTCREAT, "%s", e.text);
	if (code == EX_OK)
		print_end(x);
	return code == EX_OK && (x->damaged || x->mailboxes || x->cut || x->hidden) ? EX_DATAERR
										    : code;
}

/* The moment as an argument; empty: now. */
static int read_moment(const struct cli *cli, struct buf *moment, struct err *e)
{
	struct str text = str_of_c(cli_args_value(&cli->args, "as-of"));
	int64_t ms;

	if (text.n == 0)
		return 0;
	if (cli_time_parse(text, clock_now(), CLI_TIME_AGO, &ms, e) < 0)
		return -1;
	buf_i64(moment, ms);
	return 0;
}

int cli_export(struct cli *cli)
{
	const char *mbox = cli_args_value(&cli->args, "mbox");
	const char *maildir = cli_args_value(&cli->args, "maildir");
	struct exporting x = {.format = mbox ? &cli_export_mbox : &cli_export_maildir};
	struct buf moment;
	struct err e;
	int code;

	if (!mbox == !maildir)
		return cli_fail(EX_USAGE, "say where to with --mbox FILE or --maildir DIR%s",
		    mbox ? ", not with both" : "");
	buf_init(&moment, 24);
	buf_init(&x.keywords, 64 * KIB);
	buf_init(&x.path, 4 * KIB);
	buf_init(&x.other, 8 * KIB);
	cli_progress_init(&x.progress);
	if (read_moment(cli, &moment, &e) < 0)
		code = cli_fail(EX_USAGE, "--as-of: %s", e.text);
	else
		code = run(cli, &x, mbox ? mbox : maildir, buf_view(&moment));
	buf_fini(&moment);
	buf_fini(&x.keywords);
	buf_fini(&x.path);
	buf_fini(&x.other);
	return code;
}
