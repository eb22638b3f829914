/*
 * The admin command audit: store/ledger.h in the readers' threads, a piece at a time, for some pieces read a
 * whole table.
 */
#include <errno.h>
#include <fcntl.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proc/store_admin_job.h"
#include "store/pack_format.h"

struct auditing {
	struct admin_read read;
	struct ledger_audit audit;
	int64_t unnamed; /* findings that were only counted */
	struct db *db;   /* of the piece at hand */
	struct buf out;  /* a piece's records: the reader's thread has the job's own not */
};

/* ---- in a reader's thread ---- */

static void put_int(struct auditing *x, const char *name, int64_t v)
{
	admin_record_number(&x->out, ADMIN_INT, name, v);
}

static void put_day(void *ctx, const struct ledger_day *day)
{
	struct auditing *x = ctx;
	size_t at = admin_record_begin(&x->out);

	admin_record_text(&x->out, "type", STR("day"));
	admin_record_number(&x->out, ADMIN_TIME, "day", day->day);
	put_int(x, "messages", day->messages);
	put_int(x, "accepted", day->accepted);
	for (int i = 0; i < LEDGER_STATES; i++)
		put_int(x, ledger_state_name((enum ledger_state)i), day->in[i]);
	admin_record_end(&x->out, at);
}

static void put_account(struct auditing *x, struct buf *b, int64_t account)
{
	struct db_query *q = db_begin_query(
	    x->db, SQL_VERIFY_ACCOUNT_NAME, DB_ARGS(db_int(account)));

	if (db_step(q) == DB_ROW && db_col_str(q, 1).n)
		buf_printf(b, "%.*s@%.*s", STR_FMT(db_col_str(q, 0)), STR_FMT(db_col_str(q, 1)));
	else
		buf_printf(b, "account %lld", (long long)account);
	(void)db_end(q); /* a finding without a name is one too */
}

/* Whose it is, beside the message. */
static void put_about(struct auditing *x, const struct ledger_finding *f)
{
	struct buf b;

	buf_init(&b, KIB);
	if (f->account)
		put_account(x, &b, f->account);
	else if (f->domain.n)
		buf_str(&b, f->domain);
	else if (f->day)
		clock_put_iso(&b, f->day);
	admin_record_text(&x->out, "about", buf_view(&b));
	buf_fini(&b);
}

static void put_text(struct auditing *x, const struct ledger_finding *f)
{
	struct buf text;

	buf_init(&text, KIB);
	buf_c(&text, ledger_fault_text(f->fault));
	if (f->pack)
		buf_printf(&text, " (%lld)", (long long)f->pack);
	if (f->there != f->should)
		buf_printf(
		    &text, " (%lld, should be %lld)", (long long)f->there, (long long)f->should);
	admin_record_text(&x->out, "text", buf_view(&text));
	buf_fini(&text);
}

/* All have the same fields: they are the rows of one table. */
static void put_finding(void *ctx, const struct ledger_finding *f)
{
	struct auditing *x = ctx;
	size_t at;

	if (x->out.n > LIMIT_IPC_PAYLOAD - 64 * KIB) {
		x->unnamed++; /* when the others are put right they are named */
		return;
	}
	at = admin_record_begin(&x->out);
	admin_record_text(&x->out, "type", STR("finding"));
	if (f->message)
		admin_put_id_to(&x->out, "id", f->message);
	else
		admin_record_text(&x->out, "id", STR(""));
	put_about(x, f);
	put_int(x, "recipient", f->recipient);
	put_text(x, f);
	admin_record_end(&x->out, at);
}

/* One that cannot be opened is there. */
static bool has_file(void *ctx, int64_t pack)
{
	struct auditing *x = ctx;
	struct fsio *fs = &x->read.job->ctx->store->dir.fs;
	char name[PACK_NAME_MAX];
	int fd;

	pack_name_put(name, DATADIR_PACKS, pack);
	fd = fs->ops->open(fs, name, O_RDONLY, 0);
	if (fd >= 0)
		fs->ops->close(fs, fd);
	return fd != -ENOENT;
}

static enum db_code audit_run(struct reader_op *op, struct db *db)
{
	struct auditing *x = LIST_ENTRY(op, struct auditing, read.op);

	x->db = db;
	return ledger_audit_step(db, &x->audit, ADMIN_PAGE);
}

/* ---- in the loop ---- */

static void auditing_fini(struct admin_job *j)
{
	struct auditing *x = j->stream;

	buf_fini(&x->out);
	mem_free(x);
}

static enum admin_step audit_next(struct admin_job *j);

static enum admin_step submit(struct admin_job *j)
{
	struct auditing *x = j->stream;

	return admin_job_read(j, &x->read, audit_run, audit_next);
}

static enum admin_step audit_done(struct admin_job *j, const struct auditing *x)
{
	const struct ledger_audit *a = &x->audit;
	const struct ledger_day *t = &a->total;

	if (a->findings && a->findings == a->no_credential)
		return admin_job_finish(j, EX_DATAERR, ADMIN_NO_PASSWORD, (long long)a->findings);
	if (a->findings)
		return admin_job_finish(j, EX_DATAERR,
		    "the books do not balance: %lld findings, %snamed above; look at them with `godwit "
		    "store verify`, then stop the server and run `godwit store repair`, or bring back a "
		    "backup",
		    (long long)a->findings, x->unnamed ? "of which not all are " : "");
	return admin_job_finish(j, EX_OK,
	    "the books balance: %lld recipients accepted = %lld in mailboxes + %lld relayed + %lld "
	    "bounced + %lld discarded + %lld queued",
	    (long long)t->accepted, (long long)t->in[LEDGER_MAILBOX],
	    (long long)t->in[LEDGER_RELAYED], (long long)t->in[LEDGER_BOUNCED],
	    (long long)t->in[LEDGER_DISCARDED], (long long)t->in[LEDGER_QUEUED]);
}

static enum admin_step audit_next(struct admin_job *j)
{
	struct auditing *x = j->stream;

	if (!j->ready)
		return admin_job_wait(j);
	buf_str(&j->out, buf_view(&x->out));
	buf_clear(&x->out);
	if (x->read.op.result != DB_OK)
		return admin_job_finish(
		    j, EX_IOERR, "the database cannot be read: %s", x->read.op.err.text);
	if (x->audit.complete)
		return audit_done(j, x);
	j->next = submit;
	return ADMIN_STEP_MORE;
}

enum admin_step admin_audit(struct admin_job *j)
{
	struct auditing *x = mem_new(struct auditing);

	x->audit = (struct ledger_audit){
	    .on_day = put_day, .on_finding = put_finding, .has_file = has_file, .ctx = x};
	buf_init(&x->out, LIMIT_IPC_PAYLOAD);
	j->stream = x;
	j->stream_fini = auditing_fini;
	return submit(j);
}
