/*
 * The admin command import, from the content of a message to its answer: in memory or a file, held against
 * what the mailbox has, through the lane. Some are on their way at a time, so that they share commits.
 */
#include <sysexits.h>

#include "base/mem.h"
#include "proc/store_admin_import.h"

#define ON_THE_WAY     ((size_t)64)
#define BYTES_ON_A_WAY (8 * MIB)

/* A message in the lane. */
struct passage {
	struct importing *im;
	struct blob_upload *upload;
	int64_t number;
	size_t bytes;
	uint8_t digest[IMPORT_DIGEST];
};

/* ---- answers ---- */

static void put_result(struct importing *im, int64_t number, const char *result, int64_t id)
{
	size_t at = admin_record_begin(&im->results);

	admin_record_number(&im->results, ADMIN_INT, "number", number);
	admin_record_text(&im->results, "result", str_of_c(result));
	admin_record_number(&im->results, ADMIN_INT, "id", id);
	admin_record_end(&im->results, at);
}

void importing_give(struct importing *im)
{
	buf_str(&im->job->out, buf_view(&im->results));
	buf_clear(&im->results);
}

/* Until what is out has come back. */
enum admin_step importing_busy(struct admin_job *j)
{
	j->ready = false;
	return admin_job_wait(j);
}

static enum admin_step over(struct admin_job *j)
{
	struct importing *im = j->stream;

	if (j->out_there > 0)
		return importing_busy(j);
	importing_give(im);
	if (im->trouble.text[0])
		return admin_job_finish(j, EX_TEMPFAIL, "%s", im->trouble.text);
	if (im->no_room)
		return admin_job_finish(j, EX_CANTCREAT,
		    "the account takes no more: its quota is full, or it is disabled or may only send; "
		    "see godwit account list, then run this again: what is there is not taken twice");
	return admin_job_finish(j, EX_OK, "%s", "");
}

/* What is on its way is waited for. */
enum admin_step importing_finish(struct admin_job *j)
{
	struct importing *im = j->stream;

	j->next = importing_finish;
	if (j->out_there == 0 && !im->noted)
		return over(j);
	if (j->out_there == 0)
		return admin_job_note(j, over, "%lld messages %s to %.*s", (long long)im->taken,
		    im->restoring ? "restored" : "imported", STR_FMT(im->address));
	j->ready = false;
	return admin_job_wait(j);
}

/* Ends it for good. */
enum admin_step importing_fail(struct importing *im, const char *why)
{
	if (!im->trouble.text[0])
		err_set(&im->trouble, "%s", why);
	return importing_finish(im->job);
}

/* ---- readers ---- */

static void read_back(struct reader_op *op)
{
	struct importing *im = LIST_ENTRY(op, struct importing, op);

	im->busy = false;
	admin_job_back(im->job);
}

enum admin_step importing_read(struct importing *im,
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

static void not_stored(struct importing *im, int64_t number, const struct lane_op *op)
{
	err_set(
	    &im->trouble, "message %lld could not be stored: %s", (long long)number, op->err.text);
}

static void one_back(struct lane_op *op)
{
	struct import *m = LIST_ENTRY(op, struct import, op);
	struct passage *p = m->user;
	struct importing *im = p->im;

	if (op->result != LANE_DONE) {
		not_stored(im, p->number, op);
	} else if (m->result == IMPORT_TAKEN) {
		im->taken++;
		put_result(im, p->number, "taken", m->id);
	} else if (m->result == IMPORT_THERE) {
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
		return importing_finish(j);
	if (im->out < ON_THE_WAY && im->out_bytes < BYTES_ON_A_WAY) {
		j->next = importing_in;
		return ADMIN_STEP_MORE;
	}
	j->ready = false;
	return admin_job_wait(j);
}

static int64_t whole_size(const struct importing *im)
{
	return im->size + (int64_t)im->message->prefix.n;
}

static enum admin_step put_in_lane(struct importing *im)
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

static enum admin_step noted(struct admin_job *j)
{
	struct importing *im = j->stream;

	if (!j->ready)
		return admin_job_wait(j);
	im->noted = j->note.op.result == LANE_DONE;
	if (im->noted)
		return put_in_lane(im);
	not_stored(im, im->number, &j->note.op);
	return importing_finish(j);
}

/* The record tells of it before anything is there: nobody may be here any more to tell how much it became. */
static enum admin_step submit(struct importing *im)
{
	if (im->noted)
		return put_in_lane(im);
	return admin_job_note(im->job, noted, "%s of mail to %.*s begun",
	    im->restoring ? "restore" : "import", STR_FMT(im->address));
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
	struct err why;

	if (im->busy)
		return importing_busy(j);
	buf_clear(&im->data);
	if (im->op.result == DB_OK)
		return submit(im);
	if (blob_has_failed(im->store->blobs, &why))
		err_set(&im->trouble,
		    "%s: see to the disk, restart the server if it runs, then run this again",
		    im->op.err.text);
	return importing_fail(im, im->op.err.text);
}

static enum db_code digests_run(struct reader_op *op, struct db *db)
{
	struct importing *im = LIST_ENTRY(op, struct importing, op);

	return import_known_digest(&im->known, db, im->store->blobs, whole_size(im));
}

/* Also one that was deleted here: so it was meant. */
static enum admin_step skip(struct importing *im, const struct import_entry *e)
{
	put_result(im, im->number, e->expunged ? "deleted" : "there", e->email);
	importing_drop(im);
	im->job->next = importing_in;
	return ADMIN_STEP_MORE;
}

/*
 * What a backup of another store has, and was deleted here: that message comes back, as by undelete, which so does not
 * bring it a second time. Its own content is used; where it is purged meanwhile the lane refuses it.
 */
static enum admin_step bring_back(struct importing *im, const struct import_entry *e)
{
	struct import *m = im->message;

	blob_upload_free(im->store->blobs, &im->upload);
	buf_clear(&im->data);
	m->old = m->stored = true;
	m->id = e->email;
	m->origin = e->uid;
	return submit(im);
}

/* An id that is ours tells which message was deleted; else the content does. */
static enum admin_step compared(struct admin_job *j)
{
	struct importing *im = j->stream;
	struct import_entry *e;

	if (im->busy)
		return importing_busy(j);
	if (im->op.result != DB_OK)
		return importing_fail(im, im->op.err.text);
	if (import_known_lacks(&im->known, whole_size(im)))
		return importing_read(
		    im, digests_run, compared); /* there were more than one piece */
	e = import_known_alike(&im->known, whole_size(im), im->digest);
	if (e && e->expunged && im->message->old)
		e = NULL;
	if (e && e->expunged && im->restoring)
		return bring_back(im, e);
	if (e)
		return skip(im, e);
	if (im->upload)
		return importing_read(im, sync_run, synced);
	im->message->data = arena_str(im->message->arena, buf_view(&im->data));
	buf_clear(&im->data);
	return submit(im);
}

enum admin_step importing_end(struct importing *im, struct str payload)
{
	struct import *m = im->message;
	struct import_entry *e;
	struct admin_feed_end end;

	if (!m || !admin_feed_end_get(payload, &end) || im->size == 0)
		return importing_fail(im, "the stream of messages is malformed");
	m->received = end.received;
	m->keywords = arena_str(m->arena, end.keywords);
	m->summary = arena_str(m->arena, end.summary);
	import_hash_end(&im->hash, im->digest);
	e = m->old ? import_known_email(&im->known, m->id) : NULL;
	if (e && !e->expunged)
		return skip(im, e);
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
		return importing_busy(j);
	if (im->op.result != DB_OK)
		return importing_fail(im, im->op.err.text);
	buf_clear(&im->data);
	j->next = importing_in;
	return ADMIN_STEP_MORE;
}

enum admin_step importing_data(struct importing *im, struct str bytes)
{
	if (!im->message)
		return importing_fail(im, "the stream of messages is malformed");
	if ((uint64_t)im->size + bytes.n > LIMIT_MESSAGE_SIZE)
		return importing_fail(im, "a message is larger than any that can be stored");
	im->size += (int64_t)bytes.n;
	import_hash_feed(im->hash, bytes);
	buf_str(&im->data, bytes);
	if (im->data.n > LIMIT_INLINE_MESSAGE)
		return importing_read(im, write_run, written);
	return ADMIN_STEP_MORE;
}
