/*
 * The admin command flags: the messages that are meant are found by a reader, in pieces. Without a change
 * they are shown as they are found; else their uids are gathered for each mailbox, and changed by
 * slices of the lane, mailbox after mailbox.
 */
#include <sysexits.h>

#include "base/id.h"
#include "base/mem.h"
#include "mime/mime_keywords.h"
#include "proc/store_admin_job.h"
#include "store/mailbox_keywords.h"
#include "store/mailbox_path.h"
#include "store/summary.h"

#define ROWS 200 /* messages looked at in one go */

struct flagging {
	struct admin_read read;
	int64_t account;
	struct str only; /* path of the one mailbox meant; empty: all */
	int64_t email;
	struct str header_id;
	bool changes;
	struct buf remove, add;
	struct arena *arena, *row_arena;
	struct mailbox_listed *list;
	size_t n, at;
	int64_t uid;                /* of the mailbox at hand, looked at up to here */
	bool listed, torn, matched; /* torn: mailboxes may be missing in the list */
	int64_t found;
	struct buf out;
	struct ranges *uids; /* to be changed, of each mailbox */
	struct mailbox_keywords keywords;
	bool changing;            /* keywords is one under way */
	struct admin_tally tally; /* what was changed */
	int64_t full;
};

static void flagging_fini(struct admin_job *j)
{
	struct flagging *x = j->stream;

	for (size_t i = 0; i < x->n && x->uids; i++)
		ranges_fini(&x->uids[i]);
	mem_free(x->uids);
	if (x->changing)
		mailbox_keywords_fini(&x->keywords);
	buf_fini(&x->remove);
	buf_fini(&x->add);
	buf_fini(&x->out);
	arena_free(&x->arena);
	arena_free(&x->row_arena);
	mem_free(x);
}

/* ---- in a reader's thread: which messages ---- */

static void put_row(struct flagging *x, const struct mailbox_keywords_row *row)
{
	size_t at = admin_record_begin(&x->out);
	struct buf id;

	buf_init(&id, ID_TEXT_LEN);
	id_put(&id, row->email);
	admin_record_text(&x->out, "id", buf_view(&id));
	admin_record_text(&x->out, "mailbox", x->list[x->at].path);
	admin_record_number(&x->out, ADMIN_TIME, "received", row->received);
	admin_record_number(&x->out, ADMIN_BYTES, "size", row->size);
	admin_record_text(&x->out, "flags", row->keywords);
	admin_record_end(&x->out, at);
	buf_fini(&id);
}

/* A message of the mailbox at hand, unless it is of another Message-ID than is meant. */
static enum db_code take_row(
    struct flagging *x, struct db *db, const struct mailbox_keywords_row *row)
{
	bool is_meant = true;
	enum db_code code = DB_OK;

	if (x->header_id.n)
		code = summary_email_is_of(
		    db, x->row_arena, x->account, row->email, x->header_id, &is_meant);
	if (code != DB_OK || !is_meant)
		return code;
	x->found++;
	if (x->changes)
		ranges_add(&x->uids[x->at], row->uid);
	else
		put_row(x, row);
	return DB_OK;
}

/* The next message of the mailbox at hand; behind the last one the next mailbox. */
static enum db_code look_at_one(struct flagging *x, struct db *db)
{
	struct mailbox_keywords_row row;
	enum db_code code;

	arena_reset(x->row_arena, false);
	code = mailbox_keywords_next(
	    db, x->row_arena, x->account, x->list[x->at].mailbox, x->uid, x->email, &row);
	if (code == DB_ROW) {
		x->uid = row.uid;
		return take_row(x, db, &row);
	}
	x->at++;
	x->uid = 0;
	return code;
}

static enum db_code find_mailboxes(struct flagging *x, struct db *db)
{
	enum db_code code = mailbox_path_list(db, x->arena, x->account, &x->list, &x->n, &x->torn);

	if (code != DB_OK)
		return code;
	x->uids = mem_array(x->n + 1, sizeof *x->uids);
	for (size_t i = 0; i < x->n; i++)
		ranges_init(&x->uids[i]);
	x->listed = true;
	return DB_OK;
}

static enum db_code find_run(struct reader_op *op, struct db *db)
{
	struct flagging *x = LIST_ENTRY(op, struct flagging, read.op);
	enum db_code code = x->listed ? DB_OK : find_mailboxes(x, db);

	for (int i = 0; i < ROWS && code == DB_OK && x->at < x->n; i++) {
		if (x->only.n && !str_eq_i(x->list[x->at].path, x->only)) {
			x->at++;
			continue;
		}
		x->matched = true;
		code = look_at_one(x, db);
	}
	return code;
}

/* ---- in the loop: the change ---- */

static enum admin_step over(struct admin_job *j)
{
	const struct flagging *x = j->stream;

	if (x->full > 0)
		return admin_job_finish(j, EX_CANTCREAT,
		    "%lld changed; %lld would have more flags than a message may have and stayed as they "
		    "were: take some away from them first",
		    (long long)x->tally.count, (long long)x->full);
	return admin_job_finish(j, EX_OK, "%lld of %lld message%s changed",
	    (long long)x->tally.count, (long long)x->found, x->found == 1 ? "" : "s");
}

/* " +seen", for the record. */
static void put_signed(struct buf *b, char sign, struct str words)
{
	while (words.n > 0) {
		buf_byte(b, ' ');
		buf_byte(b, (uint8_t)sign);
		buf_str(b, str_split(words, ' ', &words));
	}
}

static void begin_tally(struct admin_job *j)
{
	struct flagging *x = j->stream;
	struct buf b;

	buf_init(&b, 4 * MIME_KEYWORDS_OUT);
	buf_lit(&b, "changed:");
	put_signed(&b, '+', buf_view(&x->add));
	put_signed(&b, '-', buf_view(&x->remove));
	x->tally.who = j->who;
	x->tally.head = STR("flags of");
	x->tally.noun = STR("message");
	x->tally.whose = admin_arg(j, 0);
	x->tally.tail = arena_str(j->arena, buf_view(&b));
	buf_fini(&b);
}

static enum admin_step change_next(struct admin_job *j);

static enum admin_step slice_done(struct admin_job *j)
{
	struct flagging *x = j->stream;
	bool more;

	if (!j->ready)
		return admin_job_wait(j);
	if (x->keywords.op.result != LANE_DONE)
		return admin_job_finish(j, EX_TEMPFAIL, "%lld messages were changed, then: %s",
		    (long long)x->tally.count, x->keywords.op.err.text);
	admin_tally_go_on(&x->tally);
	x->full += x->keywords.full.count;
	more = mailbox_keywords_go_on(&x->keywords);
	if (!more) {
		mailbox_keywords_fini(&x->keywords);
		x->changing = false;
		return change_next(j);
	}
	j->ready = false;
	j->out_there++;
	store_write(j->ctx->store, &x->keywords.op);
	return admin_job_wait(j);
}

static void slice_back(struct lane_op *op)
{
	admin_job_back(LIST_ENTRY(op, struct flagging, keywords.op)->read.job);
}

/* The next mailbox in which there is something to change. */
static enum admin_step change_next(struct admin_job *j)
{
	struct flagging *x = j->stream;

	while (x->at < x->n && x->uids[x->at].n == 0)
		x->at++;
	if (x->at == x->n)
		return over(j);
	mailbox_keywords_init(&x->keywords, x->account, x->list[x->at].mailbox);
	x->keywords.uids = x->uids[x->at];
	ranges_init(&x->uids[x->at]);
	x->keywords.remove = buf_view(&x->remove);
	x->keywords.add = buf_view(&x->add);
	x->keywords.tally = &x->tally;
	x->keywords.op.done = slice_back;
	x->changing = true;
	j->next = slice_done;
	j->ready = false;
	j->out_there++;
	store_write(j->ctx->store, &x->keywords.op);
	return admin_job_wait(j);
}

/* ---- in the loop: what was found ---- */

static enum admin_step found(struct admin_job *j);

static enum admin_step submit(struct admin_job *j)
{
	struct flagging *x = j->stream;

	return admin_job_read(j, &x->read, find_run, found);
}

static enum admin_step found_all(struct admin_job *j)
{
	struct flagging *x = j->stream;

	if (x->torn)
		return admin_job_finish(j, EX_IOERR,
		    MAILBOX_HIDDEN_TEXT "; %sstop the server and run `godwit store verify`",
		    x->changes ? "nothing was changed; " : "");
	if (!x->matched)
		return admin_job_finish(j, EX_NOINPUT,
		    "there is no mailbox %.*s; without --mailbox all of them are meant",
		    STR_FMT(str_sub(x->only, 0, 255)));
	if (x->found == 0 && (x->email || x->header_id.n))
		return admin_job_finish(j, EX_NOINPUT,
		    "no message matches %.*s; godwit flags without --message-id lists those that are there",
		    STR_FMT(str_sub(admin_arg(j, 2), 0, 255)));
	if (!x->changes)
		return admin_job_finish(j, EX_OK, "%s", "");
	x->at = 0;
	begin_tally(j);
	return change_next(j);
}

static enum admin_step found(struct admin_job *j)
{
	struct flagging *x = j->stream;

	if (!j->ready)
		return admin_job_wait(j);
	buf_str(&j->out, buf_view(&x->out));
	buf_clear(&x->out);
	if (x->read.op.result != DB_OK)
		return admin_job_finish(
		    j, EX_IOERR, "the database cannot be read: %s", x->read.op.err.text);
	if (x->at == x->n)
		return found_all(j);
	j->next = submit; /* once what there is has been sent */
	return ADMIN_STEP_MORE;
}

/* Keywords of an argument; false with the reply set. */
static bool take_keywords(struct admin_job *j, size_t arg, struct buf *words)
{
	buf_init(words, MIME_KEYWORDS_OUT);
	if (!mime_keywords_are(admin_arg(j, arg))) {
		admin_job_finish(j, EX_USAGE, "these cannot be the flags of a message");
		return false;
	}
	mime_keywords_put(words, admin_arg(j, arg));
	return true;
}

enum admin_step admin_flags(struct admin_job *j)
{
	int64_t account = admin_job_account(j, admin_arg(j, 0)), email;
	struct str header_id;
	struct flagging *x;

	if (account == 0 || !admin_job_choose(j, 2, &email, &header_id))
		return ADMIN_STEP_DONE;
	x = mem_new(struct flagging);
	j->stream = x;
	j->stream_fini = flagging_fini;
	x->account = account;
	x->only = admin_arg(j, 1);
	x->email = email;
	x->header_id = header_id;
	x->changes = admin_arg(j, 3).n > 0 || admin_arg(j, 4).n > 0;
	x->arena = arena_new();
	x->row_arena = arena_new();
	buf_init(&x->out, LIMIT_IPC_PAYLOAD);
	if (!take_keywords(j, 3, &x->remove) || !take_keywords(j, 4, &x->add))
		return ADMIN_STEP_DONE;
	return submit(j);
}
