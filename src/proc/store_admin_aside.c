/*
 * The admin commands aside and discard: store/aside.h in a reader's thread, for it reads files. Nothing uses a
 * pack that lies aside, so that it may go while the server runs; one that holds what is missed, or of which
 * not all is known, stays.
 */
#include <sysexits.h>

#include "base/id.h"
#include "base/mem.h"
#include "proc/store_admin_job.h"
#include "store/aside.h"

#define ROWS_MAX 10000 /* listed; all are counted */

struct looking {
	struct admin_read read;
	struct aside *aside; /* NULL: not begun */
	bool discards, complete;
	int64_t only; /* this pack, 0: any */
	/* the answer */
	int64_t packs, octets, missed; /* of missed: the packs that hold some */
	int64_t discarded, freed, unread;
	struct {
		int64_t pack, size;
	} * chosen; /* to be discarded */
	size_t nchosen;
	int64_t chosen_octets;
	struct err err, why; /* of the last one that could not be removed, or read */
	struct buf out;
};

/* ---- in a reader's thread ---- */

static void put_pack(struct looking *x, const struct aside_pack *p)
{
	size_t at = admin_record_begin(&x->out);

	admin_record_number(&x->out, ADMIN_INT, "pack", p->pack);
	admin_record_number(&x->out, ADMIN_BYTES, "size", p->size);
	admin_record_number(&x->out, ADMIN_INT, "messages", p->records);
	admin_put_id_to(&x->out, "first", p->first);
	admin_put_id_to(&x->out, "last", p->last);
	admin_record_number(&x->out, ADMIN_INT, "missed", p->missed);
	admin_record_text(&x->out, "unread", str_of_c(p->unread.text));
	admin_record_end(&x->out, at);
}

static void choose(struct looking *x, const struct aside_pack *p)
{
	x->chosen = mem_resize(x->chosen, (x->nchosen + 1) * sizeof *x->chosen);
	x->chosen[x->nchosen].pack = p->pack;
	x->chosen[x->nchosen++].size = p->size;
	x->chosen_octets += p->size;
}

static enum db_code discard_run(struct reader_op *op, struct db *db)
{
	struct looking *x = LIST_ENTRY(op, struct looking, read.op);

	for (size_t i = 0; i < x->nchosen; i++) {
		if (!aside_discard(&x->read.job->ctx->store->dir.fs, x->chosen[i].pack, &x->err))
			continue;
		x->discarded++;
		x->freed += x->chosen[i].size;
	}
	return DB_OK;
}

static void on_pack(void *ctx, const struct aside_pack *p)
{
	struct looking *x = ctx;

	if (x->only && p->pack != x->only)
		return;
	x->packs++;
	x->octets += p->size;
	x->missed += p->missed > 0;
	if (p->missed == 0 && p->unread.text[0]) {
		x->unread++;
		x->why = p->unread;
	}
	if (x->discards && p->missed == 0 && p->unread.text[0] == '\0')
		choose(x, p);
	else if (!x->discards && x->packs <= ROWS_MAX)
		put_pack(x, p);
}

static enum db_code look_run(struct reader_op *op, struct db *db)
{
	struct looking *x = LIST_ENTRY(op, struct looking, read.op);
	enum db_code code = DB_OK;

	if (x->aside)
		x->complete = !aside_step(x->aside);
	else
		code = aside_begin(
		    &x->read.job->ctx->store->dir.fs, db, on_pack, x, &x->aside, &op->err);
	return code;
}

/* ---- in the loop ---- */

static void looking_fini(struct admin_job *j)
{
	struct looking *x = j->stream;

	aside_end(&x->aside);
	mem_free(x->chosen);
	buf_fini(&x->out);
	mem_free(x);
}

static enum admin_step listed(struct admin_job *j, const struct looking *x)
{
	if (x->packs == 0)
		return admin_job_finish(j, EX_OK, "no pack is set aside");
	if (x->missed)
		return admin_job_finish(j, EX_OK,
		    "%lld packs, %lld of them with messages that are missed: stop the server and run"
		    " `godwit store repair`, which takes these in again",
		    (long long)x->packs, (long long)x->missed);
	if (x->unread)
		return admin_job_finish(j, EX_OK,
		    "%lld packs, %lld of them hold more than is known, and are not discarded: %s",
		    (long long)x->packs, (long long)x->unread, x->why.text);
	return admin_job_finish(j, EX_OK,
	    "%lld packs that the database does not know; `godwit store discard all` removes them, unless an"
	    " older database was put back: then stop the server and run `godwit store salvage`",
	    (long long)x->packs);
}

static enum admin_step discarded(struct admin_job *j)
{
	struct looking *x = j->stream;

	if (!j->ready)
		return admin_job_wait(j);
	if (x->err.text[0])
		return admin_job_finish(j, EX_IOERR, "%s", x->err.text);
	if (x->missed)
		return admin_job_finish(j, EX_DATAERR,
		    "%lld packs removed; %lld stay, for they hold messages that are missed: stop the server"
		    " and run `godwit store repair`",
		    (long long)x->discarded, (long long)x->missed);
	if (x->unread)
		return admin_job_finish(j, EX_DATAERR,
		    "%lld packs removed; %lld stay, for what they hold is not known: %s",
		    (long long)x->discarded, (long long)x->unread, x->why.text);
	return admin_job_finish(j, EX_OK, "%lld packs removed, %s are free again",
	    (long long)x->discarded, admin_size(x->freed).text);
}

static enum admin_step discard_done(struct admin_job *j)
{
	const struct looking *x = j->stream;

	if (!j->ready)
		return admin_job_wait(j);
	return admin_job_note(j, discarded, "packs set aside discarded: %lld, with %lld octets",
	    (long long)x->discarded, (long long)x->freed);
}

/* On a full disk without a record of it: there is room for one behind it. */
static enum admin_step discard_noted(struct admin_job *j)
{
	struct looking *x = j->stream;

	if (!j->ready)
		return admin_job_wait(j);
	if (j->note.op.result != LANE_DONE && j->note.op.result != LANE_FULL)
		return admin_job_finish(
		    j, EX_IOERR, "no pack was removed: %s", j->note.op.err.text);
	return admin_job_read(j, &x->read, discard_run, discard_done);
}

/* The record tells of it before: nobody may be here any more to tell behind it. */
static enum admin_step discard(struct admin_job *j)
{
	const struct looking *x = j->stream;

	if (x->packs == 0)
		return admin_job_finish(j, EX_NOINPUT,
		    "no such pack is set aside; `godwit store aside` lists those that are");
	if (x->nchosen == 0)
		return discarded(j);
	return admin_job_note(j, discard_noted,
	    "packs set aside to be discarded: %zu, with %lld octets", x->nchosen,
	    (long long)x->chosen_octets);
}

static enum admin_step look_done(struct admin_job *j);

/* A piece in a reader's thread: others have their turn in between. */
static enum admin_step look_on(struct admin_job *j)
{
	struct looking *x = j->stream;

	return admin_job_read(j, &x->read, look_run, look_done);
}

static enum admin_step look_done(struct admin_job *j)
{
	struct looking *x = j->stream;
	struct str rest = buf_view(&x->out), record;

	if (!j->ready)
		return admin_job_wait(j);
	if (x->read.op.result != DB_OK)
		return admin_job_finish(j, EX_IOERR, "%s", x->read.op.err.text);
	if (!x->complete)
		return look_on(j);
	if (x->discards)
		return discard(j);
	while (x->out.n - rest.n < LIMIT_IPC_PAYLOAD / 2 && admin_record_next(&rest, &record) == 1)
		;
	buf_str(&j->out, str_sub(buf_view(&x->out), 0, x->out.n - rest.n));
	buf_drop(&x->out, x->out.n - rest.n);
	return x->out.n ? ADMIN_STEP_MORE : listed(j, x);
}

static enum admin_step look(struct admin_job *j, bool discards, int64_t only)
{
	struct looking *x = mem_new(struct looking);

	x->discards = discards;
	x->only = only;
	buf_init(&x->out, ROWS_MAX * KIB);
	j->stream = x;
	j->stream_fini = looking_fini;
	return look_on(j);
}

enum admin_step admin_aside(struct admin_job *j)
{
	return look(j, false, 0);
}

enum admin_step admin_discard(struct admin_job *j)
{
	bool all = str_eq(admin_arg(j, 0), STR("all"));
	int64_t only = admin_arg_number(j, 0);

	if (!all && only <= 0)
		return admin_job_finish(j, EX_USAGE,
		    "which pack? a number as `godwit store aside` shows them, or \"all\"");
	return look(j, true, all ? 0 : only);
}
