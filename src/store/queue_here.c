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

/* DB_ROW: it is in the mailbox, or was there; DB_OK: the account does not take it. */
static enum db_code copy(struct placing_here *p, const struct queue_row *row, int64_t account)
{
	const struct queue_message *m = &p->r->about;
	struct str summary = STR("");
	struct summary_facts facts;
	struct buf prefix;
	int64_t there;
	enum db_code code = db_get_int(
	    p->db, SQL_EMAIL_MODSEQ, DB_ARGS(db_int(account), db_int(m->id)), &there);

	if (code != DB_OK)
		return code;
	summary_facts(p->r->arena, &summary, m->id, &facts);
	buf_init(&prefix, LIMIT_PREFIX);
	mime_trace_prefix(&prefix, m->reverse_path, row->address);
	code = copy_add(p->db,
	    &(struct copy_place){.account = account,
		.mailbox = MAILBOX_INBOX,
		.email = m->id,
		.size = m->size + (int64_t)prefix.n,
		.now = p->now},
	    &(struct copy_email){.prefix = buf_view(&prefix),
		.thread = facts.thread,
		.received = p->now,
		.keywords = STR(""),
		.summary = summary});
	buf_fini(&prefix);
	if (code == DB_ROW)
		code = db_get_int(
		    p->db, SQL_BLOB_REF, DB_ARGS(db_int(m->blob), db_int(m->pos.length)), &there);
	return code;
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

static void refuse(struct placing_here *p, struct queue_row *row, const struct plan_reject *why)
{
	struct queue_attempt attempt = {.stage = QUEUE_STAGE_RCPT,
	    .code = why->code,
	    .status = {why->class, why->subject, why->detail}};
	int64_t lifetime = queue_policy_lifetime(&p->r->cfg.policy, row->entry.bounce);
	struct buf reply;

	buf_init(&reply, LIMIT_QUEUE_REPLY);
	queue_result_put_reply(&reply, &attempt, why->text);
	row->last = (struct queue_last){
	    QUEUE_PROBLEM_NONE, queue_result_of(&attempt).status, buf_view(&reply), STR("")};
	if (why->code >= 500)
		queue_row_finish(row, QUEUE_REPORT_FAILED);
	else if (p->now >= row->entry.accepted + lifetime)
		queue_row_finish(row, QUEUE_REPORT_EXPIRED);
	else
		queue_schedule_refused(&row->entry, &p->r->cfg.policy, p->now);
	failed(p, queue_row_set(p->db, row));
	buf_fini(&reply);
}

/* The account that the address is, and only it: aliases were followed when it was accepted. */
static void place(struct placing_here *p, struct queue_row row)
{
	size_t at = str_rfind(row.address, '@');
	struct directory_answer answer;
	enum accept_class class = ACCEPT_DISABLED;
	int64_t account = 0;
	enum db_code code = directory_account(p->db, p->r->cfg.directory, p->r->arena,
	    str_sub(row.address, 0, at), str_from(row.address, at + 1), p->r->about.size, &answer);

	if (failed(p, code))
		return;
	if (answer.count == 1)
		account = answer.targets[0].account;
	else
		class = answer.class;
	code = account ? copy(p, &row, account) : DB_OK;
	if (failed(p, code))
		return;
	if (code == DB_ROW)
		settle(p, &row, account);
	else
		refuse(p, &row, accept_refusal(class, true, true));
}

enum db_code queue_here_place(struct queue_report *r, struct db *db, int64_t now)
{
	struct placing_here p = {.r = r, .db = db, .now = now, .code = DB_OK};

	for (size_t i = 0; i < r->rows.n && p.code == DB_OK; i++)
		place(&p, r->rows.v[i]);
	return p.code;
}
