/*
 * A message that is no delivery.
 *
 * 1. Email, message and blob have one id, as those of deliveries, so that the audit is the same.
 * 2. A new one has a message row of its own with one recipient, whose ledger row says "mailbox".
 * 3. One with an old id takes its place in the history that is there: its ledger row is no longer purged,
 *    or it gets one more, and its trace says so; only where the history has been folded, or its message row was
 *    lost, a new message row begins. It counts the ledger rows that there are.
 * 4. An old id whose blob is there is refused when the content has another length.
 */
#include "store/import.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/copy.h"
#include "store/ledger.h"
#include "store/summary.h"
#include "store/trace.h"

struct import *import_new(void)
{
	struct import *im = mem_new(struct import);

	im->arena = arena_new();
	list_init(&im->op.link);
	return im;
}

void import_free(struct import **im)
{
	if (!*im)
		return;
	arena_free(&(*im)->arena);
	mem_free(*im);
	*im = NULL;
}

static int64_t length_of(const struct import *im)
{
	return im->upload || im->stored ? im->upload_pos.length : (int64_t)im->data.n;
}

/* A count or sum; no row is a failure. */
static enum db_code must_get(
    struct db *db, enum sql_id id, const struct db_value *args, size_t n, int64_t *value_r)
{
	enum db_code code = db_get_int(db, id, args, n, value_r);

	return code == DB_ROW ? DB_OK : code == DB_OK ? DB_ERROR : code;
}

/* ---- history ---- */

/* With one recipient for each ledger row that there is. */
static enum db_code add_message(struct db *db, const struct import *im, int64_t now)
{
	int64_t recipients = 0;
	enum db_code code = must_get(
	    db, SQL_LEDGER_RECIPIENTS, DB_ARGS(db_int(im->id)), &recipients);

	if (code == DB_OK)
		code = db_exec(db, SQL_MESSAGE_ADD,
		    DB_ARGS(db_int(im->id), db_int(now), db_text(STR("")), db_text(STR("local")),
			db_text(STR("")), db_text(im->protocol), db_int(0), db_int(length_of(im)),
			db_int(im->id), db_int(recipients), db_text(im->header_id),
			db_text(STR("")), db_int(0), db_int(0)),
		    NULL);
	return code == DB_OK ? trace_index_late(db, im->id) : code;
}

/* Into the trace of a message that is there: whose mailbox it has come back to. */
static enum db_code tell(struct db *db, const struct import *im, int64_t now)
{
	struct trace_event event = {
	    .message = im->id, .time = now, .kind = TRACE_NOTICE, .recipient = -1};
	struct buf text;
	enum db_code code;

	if (im->back.n == 0)
		return DB_OK;
	buf_init(&text, LIMIT_TRACE_TEXT);
	buf_str(&text, im->back);
	buf_lit(&text, " into the mailbox ");
	buf_str(&text, im->name);
	buf_lit(&text, " of ");
	buf_str(&text, im->address);
	event.text = buf_view(&text);
	code = trace_append(db, &event);
	buf_fini(&text);
	return code;
}

/* The same, unless its history has been folded. */
static enum db_code tell_if_there(struct db *db, const struct import *im, int64_t now)
{
	int64_t accepted;
	enum db_code code = db_get_int(
	    db, SQL_MESSAGE_ACCEPTED, DB_ARGS(db_int(im->id)), &accepted);

	return code == DB_ROW ? tell(db, im, now) : code;
}

/* Behind those that there are: what was damaged may have left gaps between their numbers. */
static enum db_code next_recipient(struct db *db, int64_t message, int64_t *recipient_r)
{
	struct db_query *q = db_begin_query(
	    db, SQL_LEDGER_LAST, DB_ARGS(db_int(message), db_int(1)));
	int64_t last = db_step(q) == DB_ROW ? db_col_int(q, 0) : -1;

	*recipient_r = last >= 0 && last < INT64_MAX ? last + 1 : 0;
	return db_end(q);
}

/* *added_r: one more, for none of those that there are was purged from this account. */
static enum db_code hold_row(struct db *db, const struct import *im, int64_t now, bool *added_r)
{
	struct ledger_row row = {
	    im->id, 0, im->address, LEDGER_MAILBOX, im->account, im->name, now};
	int64_t changes = 0;
	enum db_code code = db_exec(
	    db, SQL_LEDGER_UNPURGED, DB_ARGS(db_int(im->id), db_int(im->account)), &changes);

	*added_r = changes == 0;
	if (code == DB_OK && *added_r)
		code = next_recipient(db, im->id, &row.recipient);
	return code == DB_OK && *added_r ? ledger_add(db, &row) : code;
}

/* The message that is there has one more. */
static enum db_code count_recipient(struct db *db, const struct import *im)
{
	enum db_code code = db_exec(db, SQL_MESSAGE_RECIPIENT, DB_ARGS(db_int(im->id)), NULL);

	return code == DB_OK ? trace_index_recipient(db, im->id, im->address) : code;
}

/* Invariant 3. */
static enum db_code add_history(struct db *db, const struct import *im, int64_t now)
{
	int64_t accepted;
	bool added = false;
	enum db_code code = hold_row(db, im, now, &added);

	if (code == DB_OK)
		code = db_get_int(db, SQL_MESSAGE_ACCEPTED, DB_ARGS(db_int(im->id)), &accepted);
	if (code == DB_OK)
		return add_message(db, im, now);
	if (code == DB_ROW)
		code = added ? count_recipient(db, im) : DB_OK;
	return code == DB_OK ? tell(db, im, now) : code;
}

/* ---- the blob ---- */

/* Its row, or one reference more. IMPORT_ID_USED: invariant 4. */
static enum db_code hold_blob(struct db *db, struct import *im)
{
	struct blob_pos pos = im->upload || im->stored ? im->upload_pos : im->blob.pos;
	int64_t refs, pack;
	enum db_code code = im->old ? db_get_int(db, SQL_BLOB_REF,
					  DB_ARGS(db_int(im->id), db_int(pos.length)), &refs)
				    : DB_OK;

	if (code == DB_ROW) {
		im->op.spare_upload = true;
		return DB_OK;
	}
	if (code != DB_OK)
		return code;
	if (im->stored)
		im->result = IMPORT_ID_USED; /* it is gone, or another one */
	if (im->stored)
		return DB_OK;
	code = db_get_int(db, SQL_BLOB_GET, DB_ARGS(db_int(im->id)), &pack);
	if (code == DB_ROW)
		im->result = IMPORT_ID_USED;
	if (code != DB_OK)
		return code == DB_ROW ? DB_OK : code;
	return db_exec(db, SQL_BLOB_ADD,
	    DB_ARGS(db_int(im->id), db_int(pos.pack), db_int(pos.offset), db_int(pos.length),
		db_int(1)),
	    NULL);
}

/* ---- the copy ---- */

static struct copy_place place_of(const struct import *im, int64_t size, int64_t now)
{
	return (struct copy_place){.account = im->account,
	    .mailbox = im->mailbox,
	    .email = im->id,
	    .size = size,
	    .origin = im->origin,
	    .now = now,
	    .no_quota = im->no_quota,
	    .closed = im->closed};
}

static enum db_code add_copy(struct db *db, struct import *im, int64_t now)
{
	struct copy_place place = place_of(im, length_of(im) + (int64_t)im->prefix.n, now);
	struct copy_email email = {.prefix = im->prefix,
	    .thread = im->thread,
	    .received = im->received,
	    .keywords = im->keywords,
	    .summary = im->summary};
	enum db_code code = hold_blob(db, im);

	place.origin = 0;
	if (code != DB_OK || im->result != IMPORT_TAKEN)
		return code;
	code = copy_add(db, &place, &email);
	if (code == DB_OK)
		im->result = IMPORT_NO_ROOM;
	if (code != DB_ROW)
		return code;
	return add_history(db, im, now);
}

/* The account has the email, live somewhere or expunged everywhere. */
static enum db_code link_again(struct db *db, struct import *im, int64_t size, int64_t now)
{
	struct copy_place place = place_of(im, size, now);
	int64_t live = 0, email = 0;
	enum db_code code = must_get(
	    db, SQL_EMAIL_IS_LIVE, DB_ARGS(db_int(im->account), db_int(im->id)), &live);

	if (code == DB_OK && live > 0)
		im->result = IMPORT_THERE;
	if (code != DB_OK || live > 0)
		return code;
	if (im->origin) /* purged meanwhile, or another's: then it brings back nothing */
		code = db_get_int(db, SQL_MEMBERSHIP_EXPUNGED,
		    DB_ARGS(db_int(im->account), db_int(im->mailbox), db_int(im->origin)), &email);
	if (code != DB_OK && code != DB_ROW)
		return code;
	place.origin = email == im->id ? im->origin : 0;
	code = copy_link(db, &place);
	if (code == DB_OK)
		im->result = IMPORT_NO_ROOM;
	return code == DB_ROW ? tell_if_there(db, im, now) : code;
}

/* An email or a message has the id. */
static enum db_code look(struct db *db, struct import *im, bool *email_r, int64_t *size_r)
{
	int64_t accepted;
	enum db_code code = db_get_int(
	    db, SQL_EMAIL_PLACE, DB_ARGS(db_int(im->account), db_int(im->id)), size_r);

	*email_r = code == DB_ROW;
	if (code == DB_OK && !im->old)
		code = db_get_int(db, SQL_MESSAGE_ACCEPTED, DB_ARGS(db_int(im->id)), &accepted);
	if (code == DB_ROW && !im->old)
		im->result = IMPORT_ID_USED;
	return code == DB_ROW ? DB_OK : code;
}

static enum db_code account_is_there(struct db *db, struct import *im)
{
	struct db_query *q = db_begin_query(
	    db, SQL_SNAPSHOT_BEGIN, DB_ARGS(db_int(im->account), db_int(im->mailbox)));

	if (db_step(q) == DB_OK)
		im->result = IMPORT_GONE;
	return db_end(q);
}

static enum lane_exec import_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct import *im = LIST_ENTRY(op, struct import, op);
	bool has_email = false;
	int64_t size = 0;
	enum db_code code;

	im->result = IMPORT_TAKEN;
	code = account_is_there(db, im);
	if (code == DB_OK && im->result == IMPORT_TAKEN)
		code = look(db, im, &has_email, &size);
	if (code == DB_OK && im->result == IMPORT_TAKEN)
		code = has_email ? link_again(db, im, size, now) : add_copy(db, im, now);
	if (has_email)
		op->spare_upload = true;
	if (code != DB_OK)
		return LANE_BROKEN;
	return im->result == IMPORT_TAKEN ? LANE_KEEP : LANE_UNDO;
}

void import_prepare(struct import *im)
{
	struct summary_facts facts;

	MUST(im->id > 0 && im->prefix.n <= LIMIT_PREFIX);
	summary_facts(im->arena, &im->summary, im->id, &facts);
	im->thread = facts.thread;
	im->header_id = facts.header_id;
	im->iov = (struct iovec){(void *)(uintptr_t)im->data.p, im->data.n};
	im->blob = (struct blob_in){.id = im->id, .iov = &im->iov, .niov = 1};
	im->op.exec = import_exec;
	im->op.blobs = im->upload || im->stored ? NULL : &im->blob;
	im->op.nblobs = im->op.blobs ? 1 : 0;
	im->op.upload = im->upload;
}
