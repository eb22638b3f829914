/*
 * The admin command export: an account's mailboxes with the content of their messages, as of now or of a
 * moment within the undelete window. The readers' threads fill a piece at a time. A message that cannot
 * be read is told of and passed over, and so are pages of the database.
 */
#include <sysexits.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proc/store_admin_job.h"
#include "store/maintain.h"
#include "store/mailbox_at.h"
#include "store/mailbox_path.h"

#define PIECE ((size_t)192 * KIB) /* of the answer, filled in one go */
#define READ  ((size_t)48 * KIB)

#define TOO_OLD                                                                                    \
	"the moment of --as-of lies before the time that deleted mail is kept (undelete in "       \
	"godwit.conf); an older state may be in a backup"

struct exporting {
	struct admin_read read;
	struct blob_store *blobs;
	int64_t account, moment;
	struct str only; /* path of the one mailbox wanted; empty: all */
	struct arena *arena;
	struct mailbox_listed *list;
	size_t n, at;
	bool listed, in_mailbox, found, done;
	bool purged; /* of the moment not all is there any more */
	struct arena *row_arena;
	struct mailbox_at walk; /* of the mailbox at hand */
	struct mailbox_at_row row;
	bool pause; /* nothing came for long: others have their turn */
	struct mailbox_source *source;
	bool in_message;
	struct buf out;
	uint8_t bytes[READ];
};

static void exporting_fini(struct admin_job *j)
{
	struct exporting *x = j->stream;

	mailbox_source_close(&x->source);
	arena_free(&x->arena);
	arena_free(&x->row_arena);
	buf_fini(&x->out);
	mem_free(x);
}

/* ---- in a reader's thread ---- */

static size_t begin_record(struct exporting *x, const char *type)
{
	size_t at = admin_record_begin(&x->out);

	admin_record_text(&x->out, "type", str_of_c(type));
	return at;
}

/* Of the mailbox at hand, or of messages in it that cannot be named: how many, if it is known. */
static void put_damage(struct exporting *x, struct str what, int64_t missing)
{
	size_t at = begin_record(x, "damage");

	admin_record_text(&x->out, "damage", what);
	admin_record_number(&x->out, ADMIN_INT, "missing", missing);
	admin_record_end(&x->out, at);
}

static void put_mailbox(struct exporting *x)
{
	size_t at = begin_record(x, "mailbox");

	admin_record_text(&x->out, "path", x->list[x->at].path);
	admin_record_end(&x->out, at);
	if (x->list[x->at].lost)
		put_damage(x, STR(MAILBOX_LOST_TEXT), 0);
}

static void put_message(struct exporting *x)
{
	size_t at = begin_record(x, "message");

	admin_record_number(&x->out, ADMIN_INT, "id", x->row.message.email);
	admin_record_number(&x->out, ADMIN_INT, "size", x->row.message.size);
	admin_record_number(&x->out, ADMIN_TIME, "received", x->row.received);
	admin_record_text(&x->out, "keywords", x->row.keywords);
	admin_record_end(&x->out, at);
}

static void put_end(struct exporting *x, struct str damage)
{
	size_t at = begin_record(x, "end");

	admin_record_text(&x->out, "damage", damage);
	admin_record_end(&x->out, at);
	mailbox_source_close(&x->source);
	x->in_message = false;
}

static void put_data(struct exporting *x)
{
	size_t got = 0, at;
	enum blob_code code = mailbox_source_read(x->source, x->bytes, READ, &got);

	if (code != BLOB_OK) {
		put_end(x, code == BLOB_DAMAGED ? STR("its content is damaged")
						: STR("its content cannot be read"));
	} else if (got == 0) {
		put_end(x, STR(""));
	} else {
		at = begin_record(x, "data");
		admin_record_raw(&x->out, "bytes", str_of(x->bytes, got));
		admin_record_end(&x->out, at);
	}
}

static void open_message(struct exporting *x)
{
	struct err e = {""};

	put_message(x);
	x->in_message = true;
	if (x->row.why.n)
		put_end(x, x->row.why);
	else if (mailbox_source_open(x->blobs, &x->row.message, 0, &x->source, &e) != BLOB_OK)
		put_end(x, str_of_c(e.text));
}

/* The next message of the mailbox, or what comes behind the last one. */
static enum db_code next_message(struct exporting *x, struct db *db)
{
	enum db_code code;

	arena_reset(x->row_arena, false);
	code = mailbox_at_next(db, x->row_arena, &x->walk, &x->row);
	if (code == DB_ROW) {
		x->pause = x->row.kind == MAILBOX_AT_PAUSE;
		if (x->row.kind == MAILBOX_AT_MESSAGE)
			open_message(x);
		else if (x->row.kind == MAILBOX_AT_DAMAGE)
			put_damage(x, x->row.why, x->row.missing);
		return DB_OK;
	}
	x->in_mailbox = false;
	x->at++;
	return code;
}

static void next_mailbox(struct exporting *x)
{
	while (x->at < x->n && x->only.n && !str_eq_i(x->list[x->at].path, x->only))
		x->at++;
	x->done = x->at == x->n;
	if (x->done)
		return;
	x->in_mailbox = x->found = true;
	mailbox_at_begin(&x->walk, x->account, x->list[x->at].mailbox, x->moment);
	put_mailbox(x);
}

/* What pages hide that cannot be read has no mailbox it could be told with. */
static enum db_code list_mailboxes(struct exporting *x, struct db *db)
{
	bool torn = false;
	enum db_code code = mailbox_path_list(db, x->arena, x->account, &x->list, &x->n, &torn);

	x->listed = true;
	if (torn)
		put_damage(x, STR(MAILBOX_HIDDEN_TEXT), 0);
	return code;
}

/* Something of it may be gone already, or by now: the window was shorter before, or ended meanwhile. */
static enum db_code check_moment(struct exporting *x, struct db *db)
{
	int64_t purged = INT64_MIN;
	enum db_code code = db_get_int(
	    db, SQL_META_GET, DB_ARGS(db_text(MAINTAIN_PURGED)), &purged);

	x->purged = x->moment < purged;
	return code == DB_ROW ? DB_OK : code;
}

static enum db_code export_run(struct reader_op *op, struct db *db)
{
	struct exporting *x = LIST_ENTRY(op, struct exporting, read.op);
	enum db_code code = DB_OK;

	if (x->moment != MAILBOX_NOW)
		code = check_moment(x, db);
	if (code != DB_OK || x->purged)
		return code;
	if (!x->listed)
		code = list_mailboxes(x, db);
	x->pause = false;
	mailbox_at_turn(&x->walk);
	while (code == DB_OK && !x->done && !x->pause && x->out.n < PIECE) {
		if (x->in_message)
			put_data(x);
		else if (x->in_mailbox)
			code = next_message(x, db);
		else
			next_mailbox(x);
	}
	return code;
}

/* ---- in the loop ---- */

static enum admin_step export_next(struct admin_job *j);

static enum admin_step submit(struct admin_job *j)
{
	struct exporting *x = j->stream;

	return admin_job_read(j, &x->read, export_run, export_next);
}

static enum admin_step export_next(struct admin_job *j)
{
	struct exporting *x = j->stream;

	if (!j->ready)
		return admin_job_wait(j);
	buf_str(&j->out, buf_view(&x->out));
	buf_clear(&x->out);
	if (x->read.op.result != DB_OK)
		return admin_job_finish(j, EX_IOERR,
		    "what was exported before is not all: run `godwit store verify`; the database"
		    " cannot be read: %s",
		    x->read.op.err.text);
	if (x->purged)
		return admin_job_finish(j, EX_USAGE, "%s" TOO_OLD,
		    x->listed ? "what was exported before is not all: " : "");
	if (!x->done) {
		j->next = submit; /* once what there is has been sent */
		return ADMIN_STEP_MORE;
	}
	if (!x->found && x->only.n)
		return admin_job_finish(j, EX_NOINPUT,
		    "there is no mailbox %.*s; without --mailbox all of them are exported",
		    STR_FMT(str_sub(x->only, 0, 255)));
	return admin_job_finish(j, EX_OK, "%s", "");
}

/* The moment lies within what is kept. */
static bool take_moment(struct admin_job *j, int64_t *moment_r)
{
	int64_t now = clock_now(), moment = admin_arg_number(j, 2);

	*moment_r = MAILBOX_NOW;
	if (moment == 0)
		return true;
	*moment_r = moment;
	if (moment <= now && moment >= now - j->ctx->store->cfg.undelete_ms)
		return true;
	admin_job_finish(j, EX_USAGE,
	    moment > now ? "the moment of --as-of lies in the future; name one that is past"
			 : TOO_OLD);
	return false;
}

enum admin_step admin_export(struct admin_job *j)
{
	int64_t account = admin_job_account(j, admin_arg(j, 0)), moment;
	struct exporting *x;

	if (account == 0 || !take_moment(j, &moment))
		return ADMIN_STEP_DONE;
	x = mem_new(struct exporting);
	x->blobs = j->ctx->store->blobs;
	x->account = account;
	x->moment = moment;
	x->only = admin_arg(j, 1);
	x->arena = arena_new();
	x->row_arena = arena_new();
	buf_init(&x->out, LIMIT_IPC_PAYLOAD);
	j->stream = x;
	j->stream_fini = exporting_fini;
	return submit(j);
}
