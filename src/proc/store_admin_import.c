/*
 * The admin command import: frames come up, each message becomes a request to the lane, some on their way
 * at a time so that they share commits. Large ones go to a file of their own while they come.
 *
 * 1. One message is taken apart at a time, in the states of `next`: its mailbox is made, what that has is
 *    read, its content comes, what is alike is compared, its file is synced, it is submitted.
 * 2. Whatever was answered is durable; a broken-off import is begun again and finds what is there.
 */
#include <sysexits.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proc/store_admin_job.h"
#include "store/import.h"
#include "store/mailbox_path.h"

#define ON_THE_WAY     ((size_t)64)
#define BYTES_ON_A_WAY (8 * MIB)
#define RESULTS        (4 * KIB) /* of records that go down together */
#define BURST          100

struct importing {
	struct admin_job *job;
	struct store *store;
	int64_t account;
	struct str address;
	bool restoring; /* ids are those of another store's backup, or of ours */
	bool ours;      /* they are ours up to `until` */
	int64_t until;
	int64_t number; /* messages begun */
	int64_t taken, there;

	/* the mailbox at hand */
	struct arena *arena;
	struct str path;
	bool has_mailbox;
	struct mailbox_make make;
	struct import_known known;

	/* the message at hand */
	struct import *message;
	struct blob_upload *upload;
	struct import_hash *hash;
	struct buf data;
	int64_t size; /* of its content so far */
	uint8_t digest[IMPORT_DIGEST];

	struct reader_op op; /* for what the thread of the loop must not wait for */
	bool busy;           /* that, or `make`, is out: other requests end meanwhile */

	/* on their way through the lane */
	size_t out, out_bytes;
	struct buf results; /* records that go down together */
	bool no_room;
	struct err trouble; /* what ends it */
};

/* A message in the lane. */
struct passage {
	struct importing *im;
	struct blob_upload *upload;
	int64_t number;
	size_t bytes;
	uint8_t digest[IMPORT_DIGEST];
};

static enum admin_step import_in(struct admin_job *j);

/* ---- its parts ---- */

static void drop_message(struct importing *im)
{
	if (im->hash)
		import_hash_end(&im->hash, im->digest);
	blob_upload_free(im->store->blobs, &im->upload);
	import_free(&im->message);
	buf_clear(&im->data);
}

static void drop_mailbox(struct importing *im)
{
	if (im->has_mailbox)
		import_known_fini(&im->known);
	im->has_mailbox = false;
	arena_reset(im->arena, false);
}

static void importing_fini(struct admin_job *j)
{
	struct importing *im = j->stream;

	MUST(im->out == 0);
	drop_message(im);
	drop_mailbox(im);
	arena_free(&im->arena);
	buf_fini(&im->data);
	buf_fini(&im->results);
	mem_free(im);
}

/* ---- answers ---- */

static void put_result(struct importing *im, int64_t number, const char *result, int64_t id)
{
	size_t at = admin_record_begin(&im->results);

	admin_record_number(&im->results, ADMIN_INT, "number", number);
	admin_record_text(&im->results, "result", str_of_c(result));
	admin_record_number(&im->results, ADMIN_INT, "id", id);
	admin_record_end(&im->results, at);
}

static void give_results(struct importing *im)
{
	buf_str(&im->job->out, buf_view(&im->results));
	buf_clear(&im->results);
}

/* Until what is out has come back. */
static enum admin_step still_busy(struct admin_job *j)
{
	j->ready = false;
	return admin_job_wait(j);
}

static enum admin_step over(struct admin_job *j)
{
	struct importing *im = j->stream;

	if (j->out_there > 0)
		return still_busy(j);
	give_results(im);
	if (im->trouble.text[0])
		return admin_job_finish(j, EX_TEMPFAIL, "%s", im->trouble.text);
	if (im->no_room)
		return admin_job_finish(j, EX_CANTCREAT,
		    "the account takes no more: its quota is full, or it is disabled or may only send; "
		    "see godwit account list, then run this again: what is there is not taken twice");
	return admin_job_finish(j, EX_OK, "%s", "");
}

/* What is on its way is waited for. */
static enum admin_step finish(struct admin_job *j)
{
	struct importing *im = j->stream;

	j->next = finish;
	if (j->out_there == 0 && im->taken == 0)
		return over(j);
	if (j->out_there == 0)
		return admin_job_note(j, over, "%lld messages %s to %.*s", (long long)im->taken,
		    im->restoring ? "restored" : "imported", STR_FMT(im->address));
	j->ready = false;
	return admin_job_wait(j);
}

/* Ends it for good. */
static enum admin_step fail(struct importing *im, const char *why)
{
	if (!im->trouble.text[0])
		err_set(&im->trouble, "%s", why);
	return finish(im->job);
}

/* ---- readers ---- */

static void read_back(struct reader_op *op)
{
	struct importing *im = LIST_ENTRY(op, struct importing, op);

	im->busy = false;
	admin_job_back(im->job);
}

static enum admin_step read_and(struct importing *im,
    enum db_code (*run)(struct reader_op *op, struct db *db),
    enum admin_step (*next)(struct admin_job *j))
{
	list_init(&im->op.link);
	im->op.run = run;
	im->op.done = read_back;
	im->job->ready = false;
	im->job->next = next;
	im->job->out_there++;
	im->busy = true;
	store_read(im->store, &im->op);
	return admin_job_wait(im->job);
}

/* ---- the lane ---- */

static void one_back(struct lane_op *op)
{
	struct import *m = LIST_ENTRY(op, struct import, op);
	struct passage *p = m->user;
	struct importing *im = p->im;

	if (op->result != LANE_DONE) {
		err_set(&im->trouble, "message %lld could not be stored: %s", (long long)p->number,
		    op->err.text);
	} else if (m->result == IMPORT_TAKEN) {
		im->taken++;
		put_result(im, p->number, "taken", m->id);
	} else if (m->result == IMPORT_THERE) {
		im->there++;
		put_result(im, p->number, "there", m->id);
	} else if (m->result == IMPORT_NO_ROOM) {
		im->no_room = true;
	} else {
		err_set(&im->trouble,
		    "message %lld could not be stored: the account was changed meanwhile; run this "
		    "again",
		    (long long)p->number);
	}
	im->out--;
	im->out_bytes -= p->bytes;
	blob_upload_free(im->store->blobs, &p->upload);
	mem_free(p);
	import_free(&m);
	admin_job_back(im->job);
}

/* Room for one more on the way. */
static enum admin_step wait_for_room(struct admin_job *j)
{
	struct importing *im = j->stream;

	j->next = wait_for_room;
	if (im->no_room || im->trouble.text[0])
		return finish(j);
	if (im->out < ON_THE_WAY && im->out_bytes < BYTES_ON_A_WAY) {
		j->next = import_in;
		return ADMIN_STEP_MORE;
	}
	j->ready = false;
	return admin_job_wait(j);
}

static int64_t whole_size(const struct importing *im)
{
	return im->size + (int64_t)im->message->prefix.n;
}

static enum admin_step submit(struct importing *im)
{
	struct import *m = im->message;
	struct passage *p = mem_new(struct passage);

	p->im = im;
	p->number = im->number;
	p->bytes = m->data.n;
	p->upload = im->upload;
	m->upload = im->upload;
	m->user = p;
	m->op.done = one_back;
	import_prepare(m);
	import_known_add(&im->known, m->id, whole_size(im), im->digest);
	im->message = NULL;
	im->upload = NULL;
	im->out++;
	im->out_bytes += p->bytes;
	im->job->out_there++;
	im->job->next = wait_for_room;
	store_write(im->store, &m->op);
	return ADMIN_STEP_MORE;
}

/* ---- a whole message ---- */

static enum db_code sync_run(struct reader_op *op, struct db *db)
{
	struct importing *im = LIST_ENTRY(op, struct importing, op);
	struct blob_store *blobs = im->store->blobs;
	enum blob_code code = blob_upload_write(blobs, im->upload, buf_view(&im->data), &op->err);

	if (code == BLOB_OK)
		code = blob_upload_finish(blobs, im->upload, &im->message->upload_pos, &op->err);
	return code == BLOB_OK ? DB_OK : DB_IO;
}

static enum admin_step synced(struct admin_job *j)
{
	struct importing *im = j->stream;

	if (im->busy)
		return still_busy(j);
	buf_clear(&im->data);
	return im->op.result == DB_OK ? submit(im) : fail(im, im->op.err.text);
}

static enum db_code digests_run(struct reader_op *op, struct db *db)
{
	struct importing *im = LIST_ENTRY(op, struct importing, op);

	return import_known_digest(&im->known, db, im->store->blobs, whole_size(im));
}

static enum admin_step skip(struct importing *im, int64_t id)
{
	im->there++;
	put_result(im, im->number, "there", id);
	drop_message(im);
	im->job->next = import_in;
	return ADMIN_STEP_MORE;
}

static enum admin_step compared(struct admin_job *j)
{
	struct importing *im = j->stream;
	struct import_entry *e;

	if (im->busy)
		return still_busy(j);
	if (im->op.result != DB_OK)
		return fail(im, im->op.err.text);
	if (import_known_lacks(&im->known, whole_size(im)))
		return read_and(im, digests_run, compared); /* there were more than one piece */
	e = import_known_alike(&im->known, whole_size(im), im->digest);
	if (e)
		return skip(im, e->email);
	if (im->upload)
		return read_and(im, sync_run, synced);
	im->message->data = arena_str(im->message->arena, buf_view(&im->data));
	buf_clear(&im->data);
	return submit(im);
}

static enum admin_step take_end(struct importing *im, struct str payload)
{
	struct import *m = im->message;
	struct import_entry *e;
	struct admin_feed_end end;

	if (!m || !admin_feed_end_get(payload, &end) || im->size == 0)
		return fail(im, "the stream of messages is malformed");
	m->received = end.received;
	m->keywords = arena_str(m->arena, end.keywords);
	m->summary = arena_str(m->arena, end.summary);
	import_hash_end(&im->hash, im->digest);
	e = m->old ? import_known_email(&im->known, m->id) : NULL;
	if (e && !e->expunged)
		return skip(im, e->email);
	m->origin = e ? e->uid : 0;
	im->job->next = compared;
	im->op.result = DB_OK;
	return ADMIN_STEP_MORE;
}

/* ---- its content ---- */

/* It outgrows memory: what there is goes to a file. In a reader's thread, for a disk may be slow. */
static enum db_code write_run(struct reader_op *op, struct db *db)
{
	struct importing *im = LIST_ENTRY(op, struct importing, op);
	struct blob_store *blobs = im->store->blobs;
	enum blob_code code = BLOB_OK;

	if (!im->upload)
		code = blob_upload_begin(blobs, im->message->id, BLOB_PLAIN, &im->upload, &op->err);
	if (code == BLOB_OK)
		code = blob_upload_write(blobs, im->upload, buf_view(&im->data), &op->err);
	return code == BLOB_OK ? DB_OK : DB_IO;
}

static enum admin_step written(struct admin_job *j)
{
	struct importing *im = j->stream;

	if (im->busy)
		return still_busy(j);
	if (im->op.result != DB_OK)
		return fail(im, im->op.err.text);
	buf_clear(&im->data);
	j->next = import_in;
	return ADMIN_STEP_MORE;
}

static enum admin_step take_data(struct importing *im, struct str bytes)
{
	if (!im->message)
		return fail(im, "the stream of messages is malformed");
	if ((uint64_t)im->size + bytes.n > LIMIT_MESSAGE_SIZE)
		return fail(im, "a message is larger than any that can be stored");
	im->size += (int64_t)bytes.n;
	import_hash_feed(im->hash, bytes);
	buf_str(&im->data, bytes);
	if (im->data.n > LIMIT_INLINE_MESSAGE)
		return read_and(im, write_run, written);
	return ADMIN_STEP_MORE;
}

/* ---- its beginning ---- */

/* Whether an id of the backup is one that this store gave out, for this content. */
static bool may_keep(struct importing *im, const struct admin_feed_begin *m)
{
	struct db_query *q;
	bool fits = true;

	if (!im->ours || m->id <= 0 || id_time(m->id) >= im->until)
		return false;
	q = db_begin_query(im->job->ctx->db, SQL_BLOB_GET, DB_ARGS(db_int(m->id)));
	if (db_step(q) == DB_ROW)
		fits = db_col_int(q, 2) == m->length;
	return db_end(q) == DB_OK && fits;
}

static bool is_accepting(struct importing *im)
{
	if (store_is_accepting(im->store))
		return true;
	err_set(&im->trouble,
	    "the disk has less room than min_free in godwit.conf asks for: make room, "
	    "then run this again");
	return false;
}

static bool take_begin(struct importing *im, const struct admin_feed_begin *begin)
{
	struct import *m = import_new();

	im->message = m;
	im->size = 0;
	im->number++;
	im->hash = import_hash_new();
	import_hash_feed(im->hash, begin->prefix);
	m->account = im->account;
	m->mailbox = im->make.mailbox;
	m->old = may_keep(im, begin);
	m->id = m->old ? begin->id : id_make(im->job->ctx->ids, clock_now());
	m->address = im->address;
	m->name = arena_str(m->arena, im->path);
	m->protocol = im->restoring ? STR("restore") : STR("import");
	m->prefix = arena_str(m->arena, begin->prefix);
	return is_accepting(im);
}

/* ---- its mailbox ---- */

static enum db_code known_run(struct reader_op *op, struct db *db)
{
	struct importing *im = LIST_ENTRY(op, struct importing, op);

	return import_known_scan(db, &im->known);
}

static enum admin_step known_read(struct admin_job *j)
{
	struct importing *im = j->stream;

	if (im->busy)
		return still_busy(j);
	if (im->op.result != DB_OK)
		return fail(im, im->op.err.text);
	if (!im->known.complete)
		return read_and(im, known_run, known_read);
	j->next = import_in;
	return ADMIN_STEP_MORE;
}

static void make_back(struct lane_op *op)
{
	struct importing *im = LIST_ENTRY(op, struct importing, make.op);

	im->busy = false;
	admin_job_back(im->job);
}

static enum admin_step made(struct admin_job *j)
{
	struct importing *im = j->stream;

	if (im->busy)
		return still_busy(j);
	if (im->make.op.result != LANE_DONE)
		return fail(im, im->make.op.err.text);
	if (im->make.missing)
		return fail(im, "the account was removed meanwhile");
	import_known_init(&im->known, im->account, im->make.mailbox);
	im->has_mailbox = true;
	return read_and(im, known_run, known_read);
}

/* Everything of the mailbox before is on its way or done: what is known of it may go. */
static enum admin_step make_mailbox(struct importing *im, struct str path)
{
	drop_mailbox(im);
	im->path = arena_str(im->arena, path);
	mailbox_make_init(&im->make, im->account, im->path);
	im->make.op.done = make_back;
	im->job->ready = false;
	im->job->next = made;
	im->job->out_there++;
	im->busy = true;
	store_write(im->store, &im->make.op);
	return admin_job_wait(im->job);
}

/* ---- frames ---- */

/* A BEGIN stays where it is until its mailbox is there. */
static enum admin_step begin_frame(struct importing *im, struct str payload, size_t used)
{
	struct admin_feed_begin begin;

	if (im->message || !admin_feed_begin_get(payload, &begin) ||
	    !mailbox_path_is_valid(begin.path))
		return fail(im, "the stream of messages is malformed");
	if (!im->has_mailbox || !str_eq(im->path, begin.path))
		return make_mailbox(im, begin.path);
	if (!take_begin(im, &begin))
		return finish(im->job);
	admin_job_take(im->job, used);
	return ADMIN_STEP_MORE;
}

static enum admin_step import_in(struct admin_job *j)
{
	struct importing *im = j->stream;
	struct str rest = admin_job_in(j), payload;
	enum admin_feed_kind kind;
	int got = admin_feed_next(&rest, &kind, &payload);
	size_t used = admin_job_in(j).n - rest.n;
	enum admin_step step = ADMIN_STEP_MORE;

	if (im->no_room || im->trouble.text[0])
		return finish(j);
	if (im->results.n >= RESULTS || got == 0)
		give_results(im);
	if (got == 0 && !j->in_ended)
		return admin_job_wait_in(j);
	if (got == 0 && admin_job_in(j).n == 0 && !im->message)
		return finish(j);
	if (got <= 0)
		return fail(im, "the stream of messages broke off");
	if (kind == ADMIN_FEED_BEGIN)
		return begin_frame(im, payload, used);
	if (kind == ADMIN_FEED_END)
		step = take_end(im, payload);
	else if (kind == ADMIN_FEED_DROP)
		drop_message(im);
	else
		step = take_data(im, payload);
	admin_job_take(j, used);
	return step;
}

/* ---- the beginning ---- */

static int64_t meta(struct admin_job *j, const char *name)
{
	int64_t value = 0;

	(void)db_get_int(j->ctx->db, SQL_META_GET, DB_ARGS(db_text(str_of_c(name))), &value);
	return value;
}

/* Ids of our own backups, and of those of the store this one was restored from, up to then. */
static void know_ids(struct importing *im)
{
	int64_t source = admin_arg_number(im->job, 1);

	im->restoring = source != 0;
	if (source == 0)
		return;
	if (source == meta(im->job, "store")) {
		im->ours = true;
		im->until = INT64_MAX;
	} else if (source == meta(im->job, "parent")) {
		im->ours = true;
		im->until = meta(im->job, "restored");
	}
}

static enum admin_step begin(struct admin_job *j)
{
	int64_t account = admin_job_account(j, admin_arg(j, 0));
	struct importing *im;
	struct str local, domain;

	if (account == 0 || !admin_job_address(j, admin_arg(j, 0), false, &local, &domain))
		return ADMIN_STEP_DONE;
	im = mem_new(struct importing);
	im->job = j;
	im->store = j->ctx->store;
	im->account = account;
	im->address = directory_text(j->arena, local, domain);
	im->arena = arena_new();
	buf_init(&im->data, LIMIT_INLINE_MESSAGE + ADMIN_FEED_FRAME);
	buf_init(&im->results, MIB);
	j->burst = BURST;
	j->stream = im;
	j->stream_fini = importing_fini;
	know_ids(im);
	j->next = import_in;
	return ADMIN_STEP_MORE;
}

/* ---- an account of a backup that is not here ---- */

static void change_back(struct lane_op *op)
{
	admin_job_back(LIST_ENTRY(op, struct admin_job, change.op));
}

static enum admin_step account_made(struct admin_job *j)
{
	if (!j->ready)
		return admin_job_wait(j);
	if (j->change.op.result != LANE_DONE)
		return admin_job_finish(j, EX_TEMPFAIL, "%s", j->change.op.err.text);
	if (j->change.refused)
		return admin_job_finish(j, EX_CANTCREAT, "%s", j->change.why.text);
	return begin(j);
}

enum admin_step admin_import(struct admin_job *j)
{
	struct directory_change *c = &j->change;
	int64_t account = 0;
	enum db_code code;

	if (admin_arg(j, 2).n == 0)
		return begin(j);
	if (!admin_job_address(j, admin_arg(j, 0), false, &c->local, &c->domain))
		return ADMIN_STEP_DONE;
	code = db_get_int(j->ctx->db, SQL_ACCOUNT_BY_ADDRESS,
	    DB_ARGS(db_text(c->domain), db_text(c->local)), &account);
	if (code == DB_ROW)
		return begin(j);
	if (code != DB_OK)
		return admin_job_db_failed(j);
	c->verb = DIRECTORY_ACCOUNT_ADD;
	c->cfg = j->ctx->directory;
	c->who = j->who;
	c->hash = arena_cstr(j->arena, admin_arg(j, 2));
	c->send_only = admin_arg(j, 3).n > 0;
	c->quota_bytes = admin_arg_number(j, 4);
	c->quota_messages = admin_arg_number(j, 5);
	directory_change_init(c);
	c->op.done = change_back;
	j->ready = false;
	j->next = account_made;
	j->out_there++;
	store_write(j->ctx->store, &c->op);
	return admin_job_wait(j);
}
