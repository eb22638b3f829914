/*
 * "Take this message": every recipient is resolved anew and placed, then the whole is judged.
 *
 * 1. Nothing is written unless the message is accepted: a refusal undoes the savepoint.
 * 2. Each accepted recipient i has exactly one ledger row (message, i). Addresses that an alias adds
 *    beside the first have rows of their own, numbered from n on; from the same numbers are queue rows
 *    that only tell the sender of success, which have none in the ledger.
 * 3. The plan chooses among what the session may do; it can never make a session relay.
 * 4. The plan's refusal of some recipients of a message that others take cannot be told in the one
 *    reply of SMTP: it waits in the queue to be returned, or, where there is no sender or the session
 *    may not cause mail to others, is discarded with its reason.
 */
#include "store/deliver.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "mime/mime_trace.h"
#include "store/deliver_place.h"
#include "store/summary.h"
#include "store/trace.h"

#define REFUSAL(code, class, subject, detail, text)                                                \
	{                                                                                          \
		code, class, subject, detail, STR_INIT(text)                                       \
	}

static const struct plan_reject malformed = REFUSAL(
    554, 5, 6, 0, "the request to take this message makes no sense");
static const struct plan_reject id_taken = REFUSAL(
    451, 4, 3, 0, "the id of this message is taken: send it again");
static const struct plan_reject changed = REFUSAL(
    451, 4, 3, 0, "a recipient was accepted but is refused by now: send it again");
static const struct plan_reject not_permitted = REFUSAL(
    550, 5, 7, 1, "this message may not be sent on to that address");
static const struct plan_reject trouble = REFUSAL(
    451, 4, 3, 0, "the server could not store the message: try again later");

struct deliver *deliver_new(void)
{
	struct deliver *d = mem_new(struct deliver);

	d->arena = arena_new();
	d->scratch = arena_new();
	list_init(&d->op.link);
	return d;
}

void deliver_free(struct deliver **d)
{
	if (!*d)
		return;
	arena_free(&(*d)->arena);
	arena_free(&(*d)->scratch);
	mem_free(*d);
	*d = NULL;
}

const struct plan_reject *deliver_trouble(enum lane_result result)
{
	return result == LANE_FULL ? accept_refusal(ACCEPT_NO_ROOM, true, true) : &trouble;
}

/* ---- recipients ---- */

static void refuse(struct placing *p, size_t i, const struct plan_reject *why)
{
	p->d->results[i].accepted = false;
	p->d->results[i].refusal = *why;
}

static bool resolve(struct placing *p, struct str local, struct str domain, int64_t size,
    struct directory_answer *answer)
{
	return !placing_failed(p, directory_resolve(p->db, &p->d->config, p->d->scratch, local,
				      domain, size, p->now, answer));
}

/* forwarder: the alias that leads there; empty: none. */
static void place_outside(struct placing *p, const struct deliver_recipient *from, int64_t number,
    struct str domain, struct str address, struct str forwarder)
{
	placing_queue(p, number, domain, address, forwarder, from, NULL);
	placing_ledger(p, number, address, LEDGER_QUEUED, 0, domain);
}

/*
 * What the addresses behind an alias inherit. Of one among several no success is told: that the alias
 * was expanded is.
 */
static struct deliver_recipient heir(const struct deliver_recipient *r, bool several)
{
	struct deliver_recipient from = *r;

	if (several && (r->notify & QUEUE_NOTIFY_SUCCESS)) {
		from.notify &= (uint8_t)~QUEUE_NOTIFY_SUCCESS;
		from.notify = from.notify ? from.notify : QUEUE_NOTIFY_NEVER;
	}
	return from;
}

/* The recipient as one that sends on: what he was called, at the domain as DNS knows it. */
static struct str forwarder_of(struct placing *p, const struct deliver_recipient *from)
{
	size_t at = str_rfind(from->address, '@');

	if (from->domain.n == 0)
		return STR("");
	return directory_text(p->d->scratch, str_sub(from->address, 0, at), from->domain);
}

/* Into a mailbox here, at its time: the row has the account's address. */
static void place_later(struct placing *p, const struct deliver_recipient *from, int64_t number,
    const struct directory_target *t, bool first)
{
	struct str address = directory_text(p->d->scratch, t->local, t->domain);

	if (!first)
		p->extra++;
	placing_here(p, number, address, t->postmaster, from);
	placing_ledger(
	    p, number, first ? from->address : address, LEDGER_QUEUED, 0, STR("here, later"));
}

/* One of the targets of recipient i. The first has the recipient's row, the others add one. */
static void place_target(struct placing *p, size_t i, bool first, const struct directory_target *t,
    const struct deliver_recipient *from, const struct plan_item *item)
{
	struct str address = first ? from->address
				   : directory_text(p->d->scratch, t->local, t->domain);
	int64_t number = first ? (int64_t)i : (int64_t)p->d->n + p->extra;
	struct str mailbox = STR("");

	if (t->account && p->release) {
		place_later(p, from, number, t, first);
		return;
	}
	if (t->account)
		placing_copy(p, t, item, &mailbox);
	if (!first && t->account && mailbox.n == 0)
		return; /* another recipient's row tells of this copy */
	if (!first)
		p->extra++;
	if (t->account)
		placing_ledger(p, number, address, LEDGER_MAILBOX, t->account, mailbox);
	else
		place_outside(p, from, number, t->domain,
		    directory_text(p->d->scratch, t->local, t->domain), forwarder_of(p, from));
}

static void note_left_out(struct placing *p, size_t i, size_t left_out)
{
	struct trace_event event = {.message = p->d->message_id,
	    .time = p->now,
	    .kind = TRACE_NOTICE,
	    .recipient = (int64_t)i,
	    .text = STR("some addresses behind this alias take no mail and were left out")};

	if (left_out > 0)
		placing_failed(p, trace_append(p->db, &event));
}

static void place_answer(struct placing *p, size_t i, const struct directory_answer *answer,
    const struct plan_item *item)
{
	const struct deliver_recipient *r = &p->d->recipients[i];
	const struct directory_target *t = answer->targets;
	struct deliver_recipient from = heir(r, answer->count > 1);

	for (size_t k = 0; k < answer->count && p->code == DB_OK; k++)
		place_target(p, i, k == 0, &t[k], &from, item);
	if (answer->count > 1)
		placing_tell(p, i, QUEUE_REPORT_EXPANDED);
	else if (answer->count == 1 && t->account && !p->release)
		placing_tell(p, i, QUEUE_REPORT_DELIVERED);
	if (p->code == DB_OK)
		note_left_out(p, i, answer->left_out);
	p->d->results[i].accepted = true;
}

/* Octets that a copy of recipient i takes; its prefix is ready in p->prefix. */
static int64_t copy_size(struct placing *p, size_t i)
{
	buf_clear(&p->prefix);
	mime_trace_prefix(&p->prefix, p->d->reverse_path, p->d->recipients[i].address);
	return p->length + (int64_t)p->prefix.n;
}

/* What recipient i is; false when he is refused. */
static bool admit_recipient(
    struct placing *p, size_t i, bool may_relay, struct directory_answer *answer)
{
	const struct deliver_recipient *r = &p->d->recipients[i];
	const struct plan_reject *refusal;

	if (!resolve(p, r->local, r->domain, copy_size(p, i), answer))
		return false;
	refusal = accept_refusal(answer->class, may_relay, p->d->reverse_path.n == 0);
	if (refusal)
		refuse(p, i, refusal);
	p->d->results[i].too_large = answer->class == ACCEPT_TOO_LARGE;
	return !refusal;
}

/* In the domain of another server. */
static bool is_outside(const struct directory_answer *answer)
{
	return answer->class == ACCEPT_RELAY || answer->class == ACCEPT_BACKUP;
}

static void do_mailbox(struct placing *p, size_t i, const struct plan_item *item)
{
	struct directory_answer answer;

	if (!admit_recipient(p, i, p->d->may_relay, &answer))
		return;
	if (is_outside(&answer)) /* ours when the plan was made, no more */
		refuse(p, i, accept_refusal(ACCEPT_TROUBLE, true, true));
	else
		place_answer(p, i, &answer, item);
}

static void do_relay(struct placing *p, size_t i, const struct plan_item *item)
{
	const struct deliver_recipient *r = &p->d->recipients[i];
	struct directory_answer answer;

	if (!admit_recipient(p, i, p->d->may_relay, &answer))
		return;
	if (!is_outside(&answer)) { /* ours by now */
		place_answer(p, i, &answer, NULL);
		return;
	}
	place_outside(p, r, (int64_t)i, answer.targets[0].domain, r->address, STR(""));
	if (answer.class == ACCEPT_BACKUP)
		placing_note_backup(p, i, &answer);
	p->d->results[i].accepted = true;
}

static bool leads_to(const struct directory_answer *answer, struct str local, struct str domain)
{
	for (size_t k = 0; k < answer->count; k++) {
		if (str_eq_i(answer->targets[k].local, local) &&
		    str_eq_i(answer->targets[k].domain, domain))
			return true;
	}
	return false;
}

/*
 * To another address: one the recipient's own alias leads to (then the alias is followed whole), one
 * of ours, or, for those who may relay, any.
 */
static void do_redirect(struct placing *p, size_t i, const struct plan_item *item)
{
	const struct deliver_recipient *r = &p->d->recipients[i];
	struct directory_answer own, to;
	size_t at = str_rfind(item->u.address, '@');
	struct str local = str_sub(item->u.address, 0, at);
	struct str domain = str_from(item->u.address, at + 1);

	if (!admit_recipient(p, i, p->d->may_relay, &own))
		return;
	if (leads_to(&own, local, domain)) {
		place_answer(p, i, &own, NULL);
		return;
	}
	if (!resolve(p, local, domain, copy_size(p, i), &to))
		return;
	if (to.class == ACCEPT_LOCAL || to.class == ACCEPT_REDIRECT) {
		place_answer(p, i, &to, NULL);
	} else if (is_outside(&to) && p->d->may_relay && local.n && domain.n) {
		place_outside(p, r, (int64_t)i, to.targets[0].domain, item->u.address,
		    is_outside(&own) ? STR("") : forwarder_of(p, r));
		p->d->results[i].accepted = true;
	} else {
		refuse(p, i, &not_permitted);
	}
}

static void do_discard(struct placing *p, size_t i, const struct plan_item *item)
{
	struct directory_answer answer;

	if (!admit_recipient(p, i, p->d->may_relay, &answer))
		return;
	placing_ledger(
	    p, (int64_t)i, p->d->recipients[i].address, LEDGER_DISCARDED, 0, item->u.reason);
	p->d->results[i].accepted = true;
}

static void do_reject(struct placing *p, size_t i, const struct plan_item *item)
{
	refuse(p, i, &item->u.reject);
}

static void (*const actions[PLAN_ACTIONS])(
    struct placing *p, size_t i, const struct plan_item *item) = {
    [PLAN_MAILBOX] = do_mailbox,
    [PLAN_RELAY] = do_relay,
    [PLAN_REDIRECT] = do_redirect,
    [PLAN_DISCARD] = do_discard,
    [PLAN_REJECT] = do_reject,
};

/* ---- the whole ---- */

struct tally {
	size_t accepted;
	const struct plan_reject *temporary; /* the first of each */
	const struct plan_reject *permanent;
	const struct plan_reject *too_large; /* a mailbox will never hold it */
	bool changed; /* a recipient is refused for good whom the plan did not refuse */
};

static struct tally count_results(const struct deliver *d)
{
	struct tally t = {0};

	for (size_t i = 0; i < d->n; i++) {
		const struct deliver_result *r = &d->results[i];

		if (r->accepted)
			t.accepted++;
		else if (r->refusal.code < 500 && !t.temporary)
			t.temporary = &r->refusal;
		else if (r->refusal.code >= 500 && !t.permanent)
			t.permanent = &r->refusal;
		if (!r->accepted && r->too_large)
			t.too_large = &r->refusal;
		t.changed = t.changed || (!r->accepted && d->plan.items[i].action != PLAN_REJECT);
	}
	return t;
}

/* Invariant 4. */
static void keep_refused(struct placing *p, size_t i)
{
	const struct deliver_recipient *r = &p->d->recipients[i];
	const struct plan_reject *why = &p->d->results[i].refusal;

	if (p->d->reverse_path.n == 0 || !p->d->may_relay) {
		placing_ledger(p, (int64_t)i, r->address, LEDGER_DISCARDED, 0, why->text);
	} else {
		placing_queue(p, (int64_t)i, STR(""), r->address, STR(""), r, why);
		placing_ledger(p, (int64_t)i, r->address, LEDGER_QUEUED, 0, STR("to be returned"));
	}
	p->d->results[i].accepted = true;
}

/* Accepted or not, as a whole. */
static bool judge(struct placing *p)
{
	struct deliver *d = p->d;
	struct tally t = count_results(d);

	if (t.accepted == 0 || (!d->each && t.temporary)) {
		d->refusal = t.temporary ? *t.temporary : *t.permanent;
		return false;
	}
	if (!d->each && t.changed) {
		d->refusal = t.too_large ? *t.too_large : changed;
		return false;
	}
	for (size_t i = 0; i < d->n && !d->each; i++) {
		if (!d->results[i].accepted)
			keep_refused(p, i);
	}
	return true;
}

int64_t deliver_newest_id(struct db *db)
{
	int64_t id = 0;

	(void)db_get_int(db, SQL_NEWEST_ID, DB_NO_ARGS, &id);
	return id;
}

enum db_code deliver_was_taken(struct db *db, int64_t message_id, int64_t recipient, bool *taken_r)
{
	int64_t when;
	enum db_code code = recipient < 0
				? db_get_int(
				      db, SQL_MESSAGE_ACCEPTED, DB_ARGS(db_int(message_id)), &when)
				: db_get_int(db, SQL_LEDGER_HAS,
				      DB_ARGS(db_int(message_id), db_int(recipient)), &when);

	if (code != DB_OK && code != DB_ROW)
		return code;
	*taken_r = code == DB_ROW;
	return DB_OK;
}

static bool id_is_taken(struct placing *p)
{
	bool taken = false;

	placing_failed(p, deliver_was_taken(p->db, p->d->message_id, -1, &taken));
	return taken;
}

static void reset_answer(struct deliver *d)
{
	arena_reset(d->scratch, false);
	memset(d->results, 0, d->n * sizeof *d->results);
	d->accepted = d->duplicate = false;
	d->copies = d->queued = d->reports = 0;
}

static void note(struct placing *p, struct buf *text)
{
	struct trace_event event = {.message = p->d->message_id,
	    .time = p->now,
	    .kind = TRACE_NOTICE,
	    .recipient = -1,
	    .address = p->d->reverse_path,
	    .text = buf_view(text)};

	if (p->code == DB_OK)
		placing_failed(p, trace_append(p->db, &event));
	buf_clear(text);
}

/* What its sender asked for, told in the trace. */
static void note_wishes(struct placing *p)
{
	const struct queue_wish *w = &p->d->wish;
	struct buf text;

	buf_init(&text, LIMIT_TRACE_TEXT);
	if (p->release) {
		buf_lit(&text, "to be sent no earlier than ");
		clock_put_iso(&text, p->release);
		note(p, &text);
	}
	if (w->priority) {
		buf_lit(&text, "priority ");
		buf_i64(&text, w->priority);
		note(p, &text);
	}
	if (w->by) {
		buf_lit(&text, "to be delivered by ");
		clock_put_iso(&text, p->now + w->by_time);
		buf_c(&text, w->by == QUEUE_BY_RETURN ? ", else to be returned"
						      : ", else the sender is to be told");
		note(p, &text);
	}
	buf_fini(&text);
}

static enum lane_exec take(struct placing *p)
{
	struct deliver *d = p->d;

	d->duplicate = id_is_taken(p);
	d->refusal = id_taken;
	if (d->duplicate)
		return LANE_UNDO;
	for (size_t i = 0; i < d->n && p->code == DB_OK; i++)
		actions[d->plan.items[i].action](p, i, &d->plan.items[i]);
	if (p->code != DB_OK || !judge(p))
		return LANE_UNDO;
	placing_message(p);
	note_wishes(p);
	d->accepted = p->code == DB_OK;
	return LANE_KEEP;
}

static enum lane_exec deliver_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct deliver *d = LIST_ENTRY(op, struct deliver, op);
	struct placing p = {.d = d, .db = db, .now = now};
	enum lane_exec result;

	reset_answer(d);
	p.length = d->upload ? d->upload_pos.length : (int64_t)d->data.n;
	p.release = queue_wish_release(&d->wish, now);
	buf_init(&p.prefix, LIMIT_PREFIX);
	result = take(&p);
	op->spare_upload = p.refs == 0;
	buf_fini(&p.prefix);
	return p.code == DB_OK ? result : LANE_BROKEN;
}

/* ---- checking what came ---- */

/* Text that a database keeps and a person reads. */
static bool is_text(struct str s, size_t max)
{
	return s.n <= max && utf8_is_valid(s) && !str_has_cntrl(s);
}

static bool recipient_is_valid(const struct deliver_recipient *r)
{
	return r->local.n > 0 && is_text(r->local, LIMIT_SMTP_PATH) &&
	       is_text(r->domain, LIMIT_SMTP_DOMAIN) && r->address.n > 0 &&
	       is_text(r->address, LIMIT_SMTP_PATH) && is_text(r->orcpt, LIMIT_SMTP_PARAM);
}

static bool recipients_are_valid(const struct deliver *d)
{
	if (d->n < 1 || d->n > LIMIT_SMTP_RCPT_MAX || d->plan.n != d->n)
		return false;
	for (size_t i = 0; i < d->n; i++) {
		if (!recipient_is_valid(&d->recipients[i]) || d->plan.items[i].recipient != i ||
		    !plan_item_is_valid(&d->plan.items[i]))
			return false;
	}
	return true;
}

/* What a session wishes that may not, as a front that was taken over may claim. */
static bool wish_is_valid(const struct deliver *d)
{
	const struct queue_wish *w = &d->wish;
	bool own = w->hold_for || w->hold_until || w->priority > 0;

	return queue_wish_is_valid(w) && (d->may_relay || !own);
}

static bool envelope_is_valid(const struct deliver *d)
{
	return wish_is_valid(d) && d->message_id > 0 && is_text(d->reverse_path, LIMIT_SMTP_PATH) &&
	       is_text(d->helo, LIMIT_SMTP_DOMAIN) && is_text(d->peer, LIMIT_LOG_VALUE) &&
	       is_text(d->protocol, LIMIT_LOG_VALUE) && is_text(d->envid, LIMIT_SMTP_PARAM);
}

static bool content_is_valid(const struct deliver *d)
{
	if (d->upload)
		return d->data.n == 0 && d->upload_pos.length > 0;
	return d->data.n > 0 && d->data.n <= LIMIT_IPC_PAYLOAD;
}

bool deliver_prepare(struct deliver *d)
{
	struct summary_facts facts;

	d->accepted = false;
	if (!envelope_is_valid(d) || !recipients_are_valid(d) || !content_is_valid(d)) {
		d->refusal = malformed;
		return false;
	}
	d->config = *d->directory; /* the owner's may change while the lane works */
	d->config.postmaster = arena_str(d->arena, d->directory->postmaster);
	d->config.hostname = arena_str(d->arena, d->directory->hostname);
	d->config.no_quota = d->no_quota;
	d->config.message = d->message_id;
	if (d->routing)
		queue_routing_copy(d->routing, d->arena, &d->special);
	summary_facts(d->scratch, &d->summary, d->message_id, &facts);
	d->thread = facts.thread;
	d->header_message_id = facts.header_id;
	d->results = arena_array(d->arena, d->n, sizeof *d->results);
	d->iov = (struct iovec){(void *)(uintptr_t)d->data.p, d->data.n};
	d->blob = (struct blob_in){.id = d->message_id, .iov = &d->iov, .niov = 1};
	d->op.exec = deliver_exec;
	d->op.blobs = d->upload ? NULL : &d->blob;
	d->op.nblobs = d->upload ? 0 : 1;
	d->op.upload = d->upload;
	return true;
}
