/*
 * Mail that its sender wanted to be delivered later, to a mailbox here: a row with the account's address
 * waits with its reference to the blob, which goes over to the copy.
 */
#include "store/queue_here.h"

#include "base/mem.h"
#include "mime/mime_trace.h"
#include "store/copy.h"
#include "store/ledger.h"
#include "store/mailbox.h"
#include "store/queue_due.h"
#include "store/summary.h"
#include "store/trace.h"

/* Where a row that only tells has its number: far behind those of the transaction. */
#define TELL_NUMBER INT64_C(2000000)

/* One run of the request. */
struct placing_here {
	struct queue_report *r;
	struct db *db;
	int64_t now;
	enum db_code code;
};

static bool failed(struct placing_here *p, enum db_code code)
{
	if (code != DB_OK && code != DB_ROW && p->code == DB_OK)
		p->code = code;
	return p->code != DB_OK;
}

/* ---- the copy ---- */

/* DB_ROW: it is in the mailbox, or was there. That there is room was asked in this transaction. */
static enum db_code copy(
    struct placing_here *p, const struct directory_target *t, struct str prefix)
{
	const struct queue_message *m = &p->r->about;
	struct str summary = STR("");
	struct summary_facts facts;
	int64_t there;
	enum db_code code = db_get_int(
	    p->db, SQL_EMAIL_MODSEQ, DB_ARGS(db_int(t->account), db_int(m->id)), &there);

	if (code != DB_OK)
		return code;
	summary_facts(p->r->arena, &summary, m->id, &facts);
	code = copy_add(p->db,
	    &(struct copy_place){.account = t->account,
		.mailbox = MAILBOX_INBOX,
		.email = m->id,
		.size = m->size + (int64_t)prefix.n,
		.now = p->now,
		.no_quota = t->last_resort,
		.closed = t->last_resort},
	    &(struct copy_email){.prefix = prefix,
		.thread = facts.thread,
		.received = p->now,
		.keywords = STR(""),
		.summary = summary});
	if (code == DB_ROW)
		code = db_get_int(
		    p->db, SQL_BLOB_REF, DB_ARGS(db_int(m->blob), db_int(m->pos.length)), &there);
	return code == DB_OK ? DB_ERROR : code;
}

/* ---- what comes of it ---- */

static void settle(struct placing_here *p, const struct queue_row *row, int64_t account)
{
	struct ledger_row settled = {.message = row->message,
	    .recipient = row->recipient,
	    .state = LEDGER_MAILBOX,
	    .account = account,
	    .detail = STR("INBOX"),
	    .time = p->now};
	bool changed;

	if (failed(p, ledger_settle(p->db, &settled, &changed)))
		return;
	if (row->notify & QUEUE_NOTIFY_SUCCESS && p->r->about.reverse_path.n)
		failed(p,
		    db_exec(p->db, SQL_QUEUE_TELL,
			DB_ARGS(db_int(QUEUE_SHARD), db_int(row->message), db_int(row->recipient),
			    db_int(TELL_NUMBER + row->recipient), db_int(QUEUE_REPORT_DELIVERED)),
			NULL));
	else
		failed(p, queue_row_delete(p->db, row, p->r->about.blob));
	p->r->placed++;
}

/* Tried again, and looked at no later than his sender is to be warned, or he ends. */
static void try_later(struct placing_here *p, struct queue_row *row)
{
	struct queue_schedule s;

	queue_schedule_refused(&row->entry, &p->r->cfg.policy, p->now);
	s = queue_row_schedule(&p->r->cfg, row, NULL);
	row->entry.not_before = queue_schedule_wake(&s);
}

static void refuse(struct placing_here *p, struct queue_row *row, const struct plan_reject *why)
{
	struct queue_attempt attempt = {.stage = QUEUE_STAGE_RCPT,
	    .code = why->code,
	    .status = {why->class, why->subject, why->detail}};
	struct buf reply;

	buf_init(&reply, LIMIT_QUEUE_REPLY);
	queue_result_put_reply(&reply, &attempt, why->text);
	row->last = (struct queue_last){
	    QUEUE_PROBLEM_NONE, queue_result_of(&attempt).status, buf_view(&reply), STR("")};
	if (why->code >= 500)
		queue_row_finish(row, QUEUE_REPORT_FAILED);
	else
		try_later(p, row);
	failed(p, queue_row_set(p->db, row));
	buf_fini(&reply);
}

/*
 * The account that the address is, and only it: aliases were followed when it was accepted. Where that does
 * not take what is a postmaster's, whoever has his mail now.
 */
static bool find_target(struct placing_here *p, const struct queue_row *row, size_t prefix,
    struct directory_answer *answer_r)
{
	struct directory_config cfg = *p->r->cfg.directory;
	int64_t size = p->r->about.size + (int64_t)prefix;
	size_t at = str_rfind(row->address, '@');

	cfg.message = p->r->about.id;
	if (failed(p, directory_account(p->db, &cfg, p->r->arena, str_sub(row->address, 0, at),
			  str_from(row->address, at + 1), size, answer_r)))
		return false;
	return answer_r->count > 0 || row->forwarder.n == 0 ||
	       !failed(p, directory_postmaster(
			      p->db, &cfg, p->r->arena, row->forwarder, size, p->now, answer_r));
}

static void place(struct placing_here *p, struct queue_row row)
{
	struct directory_answer answer;
	struct buf prefix;

	buf_init(&prefix, LIMIT_PREFIX);
	mime_trace_prefix(&prefix, p->r->about.reverse_path, row.address);
	if (!find_target(p, &row, prefix.n, &answer)) {
		buf_fini(&prefix);
		return;
	}
	if (answer.count == 0)
		refuse(p, &row, accept_refusal(answer.class, true, true));
	else if (!failed(p, copy(p, answer.targets, buf_view(&prefix))))
		settle(p, &row, answer.targets[0].account);
	buf_fini(&prefix);
}

enum db_code queue_here_place(struct queue_report *r, struct db *db, int64_t now)
{
	struct placing_here p = {.r = r, .db = db, .now = now, .code = DB_OK};

	for (size_t i = 0; i < r->rows.n && p.code == DB_OK; i++) {
		/* else its time came since it was read: the next look sees that */
		if (queue_row_due(&r->cfg, &r->rows.v[i], NULL, now) == QUEUE_DUE_PLACE)
			place(&p, r->rows.v[i]);
	}
	return p.code;
}
