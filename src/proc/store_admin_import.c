/*
 * The admin command import: frames come up, each message becomes a request to the lane, some on their way
 * at a time so that they share commits. Large ones go to a file of their own while they come.
 *
 * 1. One message is taken apart at a time, in the states of `next`: its mailbox is made, what that has is
 *    read, its content comes, what is alike is compared, its file is synced, it is submitted.
 * 2. Whatever was answered is durable; a broken-off import is begun again and finds what is there.
 * 3. One job at a time for an account, for each knows of what the mailbox had before and of its own alone. One
 *    whose asker has gone is in nobody's way: what it left in the lane is done before its successor reads.
 */
#include <sysexits.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proc/store_admin_import.h"

#define BURST   100
#define RESULTS (4 * KIB) /* of records that go down together */

/* ---- its parts ---- */

void importing_drop(struct importing *im)
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
	list_remove(&im->link);
	importing_drop(im);
	drop_mailbox(im);
	arena_free(&im->arena);
	buf_fini(&im->data);
	buf_fini(&im->results);
	mem_free(im);
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
	if (store_room(im->store) == ACCEPT_CLOSED)
		err_set(&im->trouble,
		    "the disk failed and the store takes nothing until it is restarted: see to the "
		    "disk, restart the server, then run this again");
	else
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
	m->closed = im->made;
	m->mailbox = im->make.mailbox;
	m->old = may_keep(im, begin);
	m->id = m->old ? begin->id : id_make(im->job->ctx->ids, clock_now());
	m->address = im->address;
	m->name = arena_str(m->arena, im->path);
	m->protocol = im->restoring ? STR("restore") : STR("import");
	m->back = im->restoring ? STR("restored from a backup") : STR("");
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
		return importing_busy(j);
	if (im->op.result != DB_OK)
		return importing_fail(im, im->op.err.text);
	if (!im->known.complete)
		return importing_read(im, known_run, known_read);
	j->next = importing_in;
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
		return importing_busy(j);
	if (im->make.op.result != LANE_DONE)
		return importing_fail(im, im->make.op.err.text);
	if (im->make.missing)
		return importing_fail(im, "the account was removed meanwhile");
	import_known_init(&im->known, im->account, im->make.mailbox);
	im->has_mailbox = true;
	return importing_read(im, known_run, known_read);
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
		return importing_fail(im, "the stream of messages is malformed");
	if (!im->has_mailbox || !str_eq(im->path, begin.path))
		return make_mailbox(im, begin.path);
	if (!take_begin(im, &begin))
		return importing_finish(im->job);
	admin_job_take(im->job, used);
	return ADMIN_STEP_MORE;
}

enum admin_step importing_in(struct admin_job *j)
{
	struct importing *im = j->stream;
	struct str rest = admin_job_in(j), payload;
	enum admin_feed_kind kind;
	int got = admin_feed_next(&rest, &kind, &payload);
	size_t used = admin_job_in(j).n - rest.n;
	enum admin_step step = ADMIN_STEP_MORE;

	if (im->no_room || im->trouble.text[0])
		return importing_finish(j);
	if (im->results.n >= RESULTS || got == 0)
		importing_give(im);
	if (got == 0 && !j->in_ended)
		return admin_job_wait_in(j);
	if (got == 0 && admin_job_in(j).n == 0 && !im->message)
		return importing_finish(j);
	if (got <= 0)
		return importing_fail(im, "the stream of messages broke off");
	if (kind == ADMIN_FEED_BEGIN)
		return begin_frame(im, payload, used);
	if (kind == ADMIN_FEED_END)
		step = importing_end(im, payload);
	else if (kind == ADMIN_FEED_DROP)
		importing_drop(im);
	else
		step = importing_data(im, payload);
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
	struct importing *im = j->stream;

	im->account = admin_job_account(j, admin_arg(j, 0));
	if (im->account == 0)
		return ADMIN_STEP_DONE;
	im->made = j->change.account == im->account;
	know_ids(im);
	j->next = importing_in;
	return ADMIN_STEP_MORE;
}

/* ---- an account of a backup that is not here ---- */

static void change_back(struct lane_op *op)
{
	admin_job_back(LIST_ENTRY(op, struct admin_job, change.op));
}

static bool has_account(struct admin_job *j)
{
	int64_t account = 0;

	return db_get_int(j->ctx->db, SQL_ACCOUNT_BY_ADDRESS,
		   DB_ARGS(db_text(j->change.domain), db_text(j->change.local)),
		   &account) == DB_ROW;
}

static enum admin_step account_made(struct admin_job *j)
{
	if (!j->ready)
		return admin_job_wait(j);
	if (j->change.op.result != LANE_DONE)
		return admin_job_finish(j, EX_TEMPFAIL, "%s", j->change.op.err.text);
	if (j->change.refused &&
	    !has_account(j)) /* one that was broken off may have made it meanwhile */
		return admin_job_finish(j, EX_CANTCREAT, "%s", j->change.why.text);
	return begin(j);
}

static enum admin_step make_account(struct admin_job *j)
{
	struct directory_change *c = &j->change;
	int64_t account = 0;
	enum queue_lang lang;
	enum db_code code = db_get_int(j->ctx->db, SQL_ACCOUNT_BY_ADDRESS,
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
	c->disabled = admin_arg(j, 7).n > 0;
	if (queue_lang_by_tag(admin_arg(j, 6), &lang)) /* one that this program speaks */
		c->language = admin_arg(j, 6);
	if (!admin_job_limit(j, admin_arg(j, 4), &c->quota_bytes) ||
	    !admin_job_limit(j, admin_arg(j, 5), &c->quota_messages))
		return ADMIN_STEP_DONE;
	if (c->quota_bytes == QUOTA_KEEP)
		c->quota_bytes = QUOTA_DEFAULT;
	if (c->quota_messages == QUOTA_KEEP)
		c->quota_messages = QUOTA_DEFAULT;
	directory_change_init(c);
	c->op.done = change_back;
	j->ready = false;
	j->next = account_made;
	j->out_there++;
	store_write(j->ctx->store, &c->op);
	return admin_job_wait(j);
}

/* ---- one at a time ---- */

/* Invariant 3. */
static bool is_in_use(const struct store *s, struct str address)
{
	LIST_FOREACH(&s->importing, it)
	{
		const struct importing *other = LIST_ENTRY(it, struct importing, link);

		if (!other->job->abandoned && str_eq(other->address, address))
			return true;
	}
	return false;
}

enum admin_step admin_import(struct admin_job *j)
{
	struct directory_change *c = &j->change;
	struct importing *im;
	struct str address;

	if (!admin_job_address(j, admin_arg(j, 0), false, &c->local, &c->domain))
		return ADMIN_STEP_DONE;
	address = directory_text(j->arena, c->local, c->domain);
	if (is_in_use(j->ctx->store, address))
		return admin_job_finish(j, EX_TEMPFAIL,
		    "another command is importing or restoring mail into %.*s: wait until it has ended, "
		    "or end it, then run this again",
		    STR_FMT(address));
	im = mem_new(struct importing);
	im->job = j;
	im->store = j->ctx->store;
	im->address = address;
	im->arena = arena_new();
	buf_init(&im->data, LIMIT_INLINE_MESSAGE + ADMIN_FEED_FRAME);
	buf_init(&im->results, MIB);
	list_push(&im->store->importing, &im->link);
	j->burst = BURST;
	j->stream = im;
	j->stream_fini = importing_fini;
	return admin_arg(j, 2).n ? make_account(j) : begin(j);
}
