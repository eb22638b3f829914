/*
 * The admin command verify: store/verify.h in the readers' threads, a piece at a time. The pace is kept
 * by a short sleep behind each piece, so that others have their turn in between.
 */
#include <sysexits.h>
#include <time.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "proc/store_admin_job.h"
#include "store/aside.h"
#include "store/verify.h"

#define PIECE     ((size_t)192 * KIB) /* of the answer */
#define FOUND_MAX (16 * MIB) /* of findings that wait to be sent; further ones are only counted */
#define READ_MIN  ((int64_t)(64 * KIB))
#define READ_MAX  ((int64_t)(1024 * KIB))
#define TOLD_MS   200 /* between two records of progress */

struct verifying {
	struct admin_read read;
	struct verify v;
	struct aside *looking; /* into packs that lie aside; NULL: not begun */
	int64_t rate, told;
	int64_t unnamed; /* findings that were only counted */
	int64_t aside;   /* packs that lie aside */
	bool open, complete;
	struct buf out;
};

/* ---- in a reader's thread ---- */

static void put_int(struct verifying *x, const char *name, int64_t n)
{
	admin_record_number(&x->out, ADMIN_INT, name, n);
}

static void put_id(struct verifying *x, int64_t id)
{
	struct buf text;

	buf_init(&text, ID_TEXT_LEN);
	if (id)
		id_put(&text, id);
	admin_record_text(&x->out, "id", buf_view(&text));
	buf_fini(&text);
}

static void put_what(struct verifying *x, const struct verify_finding *f)
{
	struct buf text;

	buf_init(&text, 8 * KIB);
	buf_c(&text, f->what);
	if (f->compares) {
		buf_lit(&text, " (");
		buf_i64(&text, f->stored);
		buf_lit(&text, ", should be ");
		buf_i64(&text, f->expected);
		buf_byte(&text, ')');
	}
	if (f->detail.n) {
		buf_lit(&text, ": ");
		buf_str(&text, str_sub(f->detail, 0, 4 * KIB));
	}
	admin_record_text(&x->out, "what", buf_view(&text));
	buf_fini(&text);
}

static void on_finding(void *ctx, const struct verify_finding *f)
{
	struct verifying *x = ctx;
	size_t at;

	if (x->out.n > FOUND_MAX - MIB) {
		x->unnamed++;
		return;
	}
	at = admin_record_begin(&x->out);
	admin_record_text(&x->out, "type", STR("finding"));
	put_what(x, f);
	put_id(x, f->message);
	admin_record_text(&x->out, "account", f->account);
	put_int(x, "mailbox", f->mailbox);
	put_int(x, "uid", f->uid);
	admin_record_text(&x->out, "message_id", str_sub(f->header_id, 0, KIB));
	admin_record_text(&x->out, "subject", str_sub(f->subject, 0, KIB));
	put_int(x, "pack", f->pack);
	put_int(x, "offset", f->offset);
	admin_record_end(&x->out, at);
}

static void put_progress(struct verifying *x)
{
	static const char *const stages[VERIFY_STAGES] = {
	    "the database", "its rows", "rows of messages", "the ledger", "messages"};
	int64_t now = clock_mono();
	size_t at;

	if (now - x->told < TOLD_MS)
		return;
	x->told = now;
	at = admin_record_begin(&x->out);
	admin_record_text(&x->out, "type", STR("progress"));
	admin_record_text(&x->out, "stage", str_of_c(stages[x->v.stage]));
	admin_record_number(&x->out, ADMIN_BYTES, "octets", x->v.octets);
	admin_record_number(&x->out, ADMIN_BYTES, "all", x->v.octets_all);
	admin_record_end(&x->out, at);
}

/* What can be read in a turn of a reader at the pace asked for. */
static int64_t piece_of(const struct verifying *x)
{
	int64_t piece = x->rate * LIMIT_READER_MS / SECOND_MS;

	if (x->rate == 0 || piece > READ_MAX)
		return READ_MAX;
	return piece < READ_MIN ? READ_MIN : piece;
}

static void keep_pace(const struct verifying *x, int64_t octets, int64_t begun)
{
	int64_t ms = x->rate ? octets * SECOND_MS / x->rate - (clock_mono() - begun) : 0;
	struct timespec pause = {.tv_sec = ms / SECOND_MS, .tv_nsec = ms % SECOND_MS * 1000000};

	if (ms > 0)
		(void)nanosleep(&pause, NULL);
}

static void on_aside(void *ctx, const struct aside_pack *p)
{
	struct verifying *x = ctx;

	x->aside++;
	if (p->missed == 0 && !p->doubtful)
		return;
	x->v.findings++;
	on_finding(
	    x, &(struct verify_finding){
		   .what = p->missed
			       ? "holds content that is missed, and is set aside: the repair"
				 " takes it in again"
			       : "is set aside, may hold content that is missed, and cannot be read"
				 " whole: see `godwit store aside`",
		   .pack = p->pack});
}

/* Behind all else. */
static enum db_code look_aside(struct verifying *x, struct reader_op *op, struct db *db)
{
	if (!x->looking)
		return aside_begin(
		    &x->read.job->ctx->store->dir.fs, db, on_aside, x, &x->looking, &op->err);
	x->complete = !aside_step(x->looking);
	return DB_OK;
}

static enum db_code verify_run(struct reader_op *op, struct db *db)
{
	struct verifying *x = LIST_ENTRY(op, struct verifying, read.op);
	int64_t begun = clock_mono(), before = x->v.octets;
	enum db_code code = DB_OK;

	if (!x->open) {
		x->open = true;
		if (!verify_begin(&x->v, x->read.job->ctx->store->blobs, DATADIR_DB))
			code = DB_IO;
		x->v.on_finding = on_finding;
		x->v.ctx = x;
	}
	if (code == DB_OK && x->v.complete)
		return look_aside(x, op, db);
	if (code == DB_OK)
		code = verify_step(&x->v, piece_of(x));
	if (code == DB_OK)
		put_progress(x);
	else
		op->err = x->v.err;
	keep_pace(x, x->v.octets - before, begun);
	return code;
}

/* ---- in the loop ---- */

static void verifying_fini(struct admin_job *j)
{
	struct verifying *x = j->stream;

	aside_end(&x->looking);
	if (x->open)
		verify_end(&x->v);
	buf_fini(&x->out);
	mem_free(x);
}

static enum admin_step verify_next(struct admin_job *j);

static enum admin_step submit(struct admin_job *j)
{
	struct verifying *x = j->stream;

	return admin_job_read(j, &x->read, verify_run, verify_next);
}

/* Whole records, as many as a piece of the answer holds. */
static void hand_over(struct admin_job *j, struct verifying *x)
{
	struct str all = buf_view(&x->out), rest = all, record;

	while (all.n - rest.n < PIECE && admin_record_next(&rest, &record) == 1)
		;
	buf_str(&j->out, str_sub(all, 0, all.n - rest.n));
	buf_drop(&x->out, all.n - rest.n);
}

static enum admin_step verify_done(struct admin_job *j, const struct verifying *x)
{
	char aside[96] = "";

	if (x->aside)
		snprintf(aside, sizeof aside,
		    "; %lld packs are set aside: see `godwit store aside`", (long long)x->aside);
	if (x->v.findings == 0)
		return admin_job_finish(j, EX_OK,
		    "nothing is damaged: %lld packs with %lld MB and the database were read%s",
		    (long long)x->v.packs, (long long)(x->v.octets / (int64_t)MIB), aside);
	if (x->v.findings == x->v.no_credential)
		return admin_job_finish(
		    j, EX_DATAERR, ADMIN_NO_PASSWORD "%s", (long long)x->v.findings, aside);
	return admin_job_finish(j, EX_DATAERR,
	    "%lld findings%s; stop the server and run `godwit store %s`, or bring back a backup%s",
	    (long long)x->v.findings,
	    x->unnamed ? ", of which not all are named above" : ", named above",
	    x->v.beyond ? "salvage ADDRESS" : "repair", aside);
}

/* Its opening says itself what helps. */
static enum admin_step verify_failed(struct admin_job *j, const struct verifying *x)
{
	return admin_job_finish(j, EX_IOERR, "the database cannot be read: %s%s",
	    x->read.op.err.text,
	    x->v.db && x->read.op.result == DB_CORRUPT
		? "; stop the server and run `godwit store salvage ADDRESS`, or bring back a"
		  " backup"
		: "");
}

static enum admin_step verify_next(struct admin_job *j)
{
	struct verifying *x = j->stream;

	if (!j->ready)
		return admin_job_wait(j);
	hand_over(j, x);
	if (x->read.op.result != DB_OK)
		return verify_failed(j, x);
	if (x->out.n)
		return ADMIN_STEP_MORE;
	if (x->complete)
		return verify_done(j, x);
	j->next = submit;
	return ADMIN_STEP_MORE;
}

enum admin_step admin_verify(struct admin_job *j)
{
	struct verifying *x = mem_new(struct verifying);

	x->rate = admin_arg_number(j, 0);
	buf_init(&x->out, FOUND_MAX);
	j->stream = x;
	j->stream_fini = verifying_fini;
	return submit(j);
}
