/*
 * The rows of a delivery.
 *
 * 1. An account has at most one copy of a message: email (account, message id) is unique.
 * 2. blob.refs = emails + queue rows written here.
 */
#include "store/deliver_place.h"

#include "base/ascii.h"
#include "base/limits.h"
#include "mime/mime_local.h"
#include "store/callout.h"
#include "store/copy.h"
#include "store/mailbox.h"
#include "store/queue.h"
#include "store/trace.h"

bool placing_failed(struct placing *p, enum db_code code)
{
	if (code != DB_OK && p->code == DB_OK)
		p->code = code;
	return p->code != DB_OK;
}

/* The one integer; no row means 0. */
static bool may_get(
    struct placing *p, enum sql_id id, const struct db_value *args, size_t n, int64_t *value_r)
{
	enum db_code code;

	*value_r = 0;
	code = db_get_int(p->db, id, args, n, value_r);
	return !placing_failed(p, code == DB_ROW ? DB_OK : code);
}

static bool exec(struct placing *p, enum sql_id id, const struct db_value *args, size_t n)
{
	return !placing_failed(p, db_exec(p->db, id, args, n, NULL));
}

/* ---- copies ---- */

static const enum mailbox_role roles[PLAN_ROLES] = {
    [PLAN_ROLE_INBOX] = MAILBOX_INBOX,
    [PLAN_ROLE_JUNK] = MAILBOX_JUNK,
    [PLAN_ROLE_ARCHIVE] = MAILBOX_ARCHIVE,
    [PLAN_ROLE_TRASH] = MAILBOX_TRASH,
};

struct choice {
	int64_t mailbox;
	struct str name;
};

/* INBOX when there is no such mailbox. */
static struct choice choose_mailbox(
    struct placing *p, int64_t account, const struct plan_item *item)
{
	struct choice c = {0, STR("")};

	if (item && item->u.mailbox.role == PLAN_ROLE_NAMED) {
		c.name = item->u.mailbox.name;
		may_get(
		    p, SQL_MAILBOX_BY_NAME, DB_ARGS(db_int(account), db_text(c.name)), &c.mailbox);
	} else if (item && item->u.mailbox.role != PLAN_ROLE_INBOX) {
		enum mailbox_role role = roles[item->u.mailbox.role];

		c.name = str_of_c(mailbox_role_name(role));
		may_get(p, SQL_MAILBOX_BY_ROLE, DB_ARGS(db_int(account), db_int(role)), &c.mailbox);
	}
	return c.mailbox ? c : (struct choice){MAILBOX_INBOX, STR("INBOX")};
}

/* Keywords that the flags stand for [RFC 8621 4.1.1], sorted, separated by spaces. */
static struct str keywords(uint8_t flags)
{
	static const struct str text[PLAN_FLAGS + 1] = {
	    [PLAN_FLAG_SEEN] = STR_INIT("$seen"),
	    [PLAN_FLAG_FLAGGED] = STR_INIT("$flagged"),
	    [PLAN_FLAG_FLAGGED | PLAN_FLAG_SEEN] = STR_INIT("$flagged $seen"),
	    [PLAN_FLAG_JUNK] = STR_INIT("$junk"),
	    [PLAN_FLAG_JUNK | PLAN_FLAG_SEEN] = STR_INIT("$junk $seen"),
	    [PLAN_FLAG_JUNK | PLAN_FLAG_FLAGGED] = STR_INIT("$flagged $junk"),
	    [PLAN_FLAG_JUNK | PLAN_FLAG_FLAGGED | PLAN_FLAG_SEEN] = STR_INIT(
		"$flagged $junk $seen"),
	};

	return text[flags & PLAN_FLAGS].n ? text[flags & PLAN_FLAGS] : STR("");
}

static void add_copy(
    struct placing *p, const struct directory_target *t, int64_t mailbox, struct str words)
{
	const struct deliver *d = p->d;
	struct copy_place place = {.account = t->account,
	    .mailbox = mailbox,
	    .email = d->message_id,
	    .size = p->length + (int64_t)p->prefix.n,
	    .now = p->now,
	    .no_quota = d->no_quota || t->last_resort,
	    .closed = t->last_resort};
	struct copy_email email = {.prefix = buf_view(&p->prefix),
	    .thread = d->thread,
	    .received = p->now,
	    .keywords = words,
	    .summary = d->summary};
	enum db_code code = copy_add(p->db, &place, &email);

	/* that there is room was asked in this transaction */
	if (placing_failed(p, code == DB_ROW ? DB_OK : code == DB_OK ? DB_ERROR : code))
		return;
	p->refs++;
	p->d->copies++;
}

void placing_copy(struct placing *p, const struct directory_target *t, const struct plan_item *item,
    struct str *mailbox_r)
{
	struct choice c;
	int64_t there = 0;

	*mailbox_r = STR("");
	if (!may_get(p, SQL_EMAIL_MODSEQ, DB_ARGS(db_int(t->account), db_int(p->d->message_id)),
		&there) ||
	    there)
		return;
	c = choose_mailbox(p, t->account, item);
	if (p->code != DB_OK)
		return;
	add_copy(p, t, c.mailbox, item ? keywords(item->u.mailbox.flags) : STR(""));
	*mailbox_r = c.name;
}

/* ---- queue and ledger ---- */

/* Why a recipient was refused, as a row keeps it. */
static struct queue_status refusal_status(const struct plan_reject *why, struct buf *reply)
{
	struct queue_attempt attempt = {.stage = QUEUE_STAGE_BODY,
	    .code = why->code,
	    .status = {why->class, why->subject, why->detail}};

	queue_result_put_reply(reply, &attempt, why->text);
	return queue_result_of(&attempt).status;
}

/* Who does not want to hear of delays counts as warned, so that nobody looks for it. */
static int64_t warnings_done(unsigned notify)
{
	return notify == 0 || (notify & QUEUE_NOTIFY_DELAY) ? 0 : (int64_t)LIMIT_QUEUE_STEPS;
}

static void announce(struct placing *p, struct str domain)
{
	if (domain.n == 0 || str_eq(domain, p->destination))
		return;
	exec(p, SQL_DESTINATION_ADD,
	    DB_ARGS(db_int(QUEUE_SHARD), db_text(domain), db_int(p->release ? p->release : p->now),
		db_int(QUEUE_SESSIONS_START),
		db_int(p->release ? p->release : p->now - QUEUE_FRESH_MS)));
	p->destination = domain;
}

/* Who does not want to hear of delays, or is nobody, counts as told [RFC 2852 4.1.3]. */
static enum queue_by by_kind(const struct placing *p, unsigned notify)
{
	bool silent = p->d->reverse_path.n == 0 || (notify != 0 && !(notify & QUEUE_NOTIFY_DELAY));

	return p->d->wish.by == QUEUE_BY_NOTIFY && silent ? QUEUE_BY_TOLD : p->d->wish.by;
}

/* Where a row of the queue goes to. */
struct way {
	struct str domain, address, forwarder;
};

/* Not longer than the parameter may be, however it is encoded: "\\x{2B}", and seven octets for two [RFC 6533 3]. */
static bool fits_in_orcpt(struct str address)
{
	size_t n = STR("rfc822;").n;

	for (size_t i = 0; i < address.n; i++) {
		bool is_plain = ascii_is_alnum(address.p[i]) || strchr(".-_@", address.p[i]);

		n += address.p[i] >= 0x80 ? 4 : is_plain ? 1 : 6;
	}
	return n <= LIMIT_SMTP_PARAM;
}

/*
 * What a row for `address` has as ORCPT: the sender's, else what he wrote, where that is something else
 * [RFC 3461 5.2.1].
 */
static struct str original_of(
    struct placing *p, const struct deliver_recipient *from, struct str address)
{
	struct str written = from->address, original;
	struct buf b;

	if (from->orcpt.n || from->domain.n == 0 || str_eq(written, address) ||
	    !fits_in_orcpt(written))
		return from->orcpt;
	buf_init(&b, LIMIT_SMTP_PARAM);
	buf_str(&b, str_has_8bit(written) ? STR("utf-8;") : STR("rfc822;"));
	buf_str(&b, written);
	original = arena_str(p->d->scratch, buf_view(&b));
	buf_fini(&b);
	return original;
}

/* A row of the queue; refused, report: when nothing is tried any more. */
static void add_row(struct placing *p, int64_t number, struct way way,
    const struct deliver_recipient *from, enum queue_report_kind report,
    const struct plan_reject *refused)
{
	const struct queue_wish *w = &p->d->wish;
	int64_t life = report == QUEUE_REPORT_NONE || report == QUEUE_REPORT_HERE ? p->release : 0;
	struct queue_status status = {0};
	struct buf reply;

	buf_init(&reply, LIMIT_QUEUE_REPLY);
	if (refused)
		status = refusal_status(refused, &reply);
	exec(p, SQL_QUEUE_ADD,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(p->d->message_id), db_int(number),
		db_text(way.domain), db_text(way.address), db_int(life > p->now ? life : p->now),
		db_int(p->d->reverse_path.n == 0), db_int(report),
		db_int(warnings_done(from->notify)), db_int(from->notify),
		db_text(original_of(p, from, way.address)), db_int(queue_status_number(status)),
		db_text(buf_view(&reply)), db_int(way.domain.n ? w->priority : 0), db_int(life),
		db_int(by_kind(p, from->notify)), db_int(w->by ? p->now + w->by_time : 0),
		db_int(w->by_trace), db_int(queue_routing_tier(&p->d->special, way.domain)),
		db_text(way.forwarder)));
	buf_fini(&reply);
	p->refs++;
}

/* Keeps what was written, for the trace: the row has where it goes. */
static void note_sent_on(struct placing *p, int64_t number, struct str written)
{
	struct trace_event event = {.message = p->d->message_id,
	    .time = p->now,
	    .kind = TRACE_SENT_ON,
	    .recipient = number,
	    .text = written};

	if (p->code == DB_OK)
		placing_failed(p, trace_append(p->db, &event));
}

void placing_queue(struct placing *p, int64_t number, struct str domain, struct str address,
    struct str forwarder, const struct deliver_recipient *from, const struct plan_reject *refused)
{
	struct str name;

	if (p->code != DB_OK)
		return;
	if (!p->sender.p)
		p->sender = mime_local_address_key(p->d->scratch, p->d->reverse_path);
	name = queue_routing_name(&p->d->special, p->d->scratch, domain, p->sender);
	announce(p, name);
	add_row(p, number, (struct way){name, address, forwarder}, from,
	    refused ? QUEUE_REPORT_FAILED : QUEUE_REPORT_NONE, refused);
	if (forwarder.n)
		note_sent_on(p, number, from->address);
	p->d->queued++;
}

void placing_here(struct placing *p, int64_t number, struct str address, struct str postmaster,
    const struct deliver_recipient *from)
{
	if (p->code != DB_OK)
		return;
	add_row(
	    p, number, (struct way){STR(""), address, postmaster}, from, QUEUE_REPORT_HERE, NULL);
	p->d->queued++;
}

void placing_tell(struct placing *p, size_t i, enum queue_report_kind report)
{
	const struct deliver_recipient *r = &p->d->recipients[i];

	if (p->code != DB_OK || !(r->notify & QUEUE_NOTIFY_SUCCESS) || p->d->reverse_path.n == 0)
		return;
	add_row(p, (int64_t)p->d->n + p->extra++, (struct way){STR(""), r->address, STR("")}, r,
	    report, NULL);
	p->d->reports++;
}

void placing_note_backup(struct placing *p, size_t i, const struct directory_answer *answer)
{
	const struct directory_target *t = answer->targets;
	struct trace_event event = {.message = p->d->message_id,
	    .time = p->now,
	    .kind = TRACE_NOTICE,
	    .recipient = (int64_t)i};
	struct callout known = {.verdict = CALLOUT_NOTHING};
	struct buf text;

	buf_init(&text, LIMIT_TRACE_TEXT);
	if (answer->verified)
		placing_failed(p, callout_get(p->db, p->d->scratch, t->domain,
				      p->d->recipients[i].local, p->now, &known));
	callout_put(&text, &known, answer->verified);
	event.text = buf_view(&text);
	if (p->code == DB_OK)
		placing_failed(p, trace_append(p->db, &event));
	buf_fini(&text);
}

void placing_ledger(struct placing *p, int64_t number, struct str address, enum ledger_state state,
    int64_t account, struct str detail)
{
	struct ledger_row row = {p->d->message_id, number, address, state, account, detail, p->now};

	if (p->code != DB_OK)
		return;
	placing_failed(p, ledger_add(p->db, &row));
	p->rows++;
}

/* ---- the message ---- */

static struct blob_pos position(const struct deliver *d)
{
	return d->upload ? d->upload_pos : d->blob.pos;
}

static void add_blob(struct placing *p)
{
	struct blob_pos pos = position(p->d);

	if (p->refs == 0) /* discarded by all: its bytes have no owner */
		return;
	exec(p, SQL_BLOB_ADD,
	    DB_ARGS(db_int(p->d->message_id), db_int(pos.pack), db_int(pos.offset),
		db_int(pos.length), db_int(p->refs)));
}

static int64_t flags_of(const struct deliver *d)
{
	int64_t flags = (d->utf8 ? DELIVER_UTF8 : 0) | (d->eightbit ? DELIVER_EIGHTBIT : 0);

	if (d->wish.hold_for)
		flags |= DELIVER_HOLD_FOR;
	if (d->wish.has_priority)
		flags |= DELIVER_PRIORITY | (d->wish.priority - QUEUE_PRIORITY_LAST)
						<< DELIVER_PRIORITY_SHIFT;
	return flags;
}

void placing_message(struct placing *p)
{
	const struct deliver *d = p->d;

	if (p->code != DB_OK)
		return;
	add_blob(p);
	if (p->code != DB_OK ||
	    !exec(p, SQL_MESSAGE_ADD,
		DB_ARGS(db_int(d->message_id), db_int(p->now), db_text(d->reverse_path),
		    db_text(d->peer), db_text(d->helo), db_text(d->protocol), db_int(d->account),
		    db_int(p->length), db_int(p->refs ? d->message_id : 0), db_int(p->rows),
		    db_text(d->header_message_id), db_text(d->envid), db_int(d->ret),
		    db_int(flags_of(d)))))
		return;
	placing_failed(p, trace_index_late(p->db, d->message_id));
}
