/* The admin commands for the queue: they walk over it, a page a step. */
#include <sysexits.h>

#include "base/clock.h"
#include "base/id.h"
#include "mime/mime_idn.h"
#include "proc/store_admin_job.h"
#include "queue/queue_explain.h"
#include "store/queue_due.h"
#include "store/queue_lease.h"

/* ---- filters ---- */

static bool take_domain(struct admin_job *j, struct str text)
{
	struct buf b;
	bool good;

	buf_init(&b, LIMIT_SMTP_DOMAIN);
	good = mime_idn_to_ascii(&b, text) == MIME_IDN_OK;
	j->filter.text = arena_str(j->arena, buf_view(&b));
	buf_fini(&b);
	return good;
}

/* From the first argument. False with the reply set. */
static bool take_filter(struct admin_job *j)
{
	struct str text = admin_arg(j, 0);
	struct buf b;

	if (text.n == 0 || id_parse(text, &j->filter.message))
		return true;
	if (str_find(text, '@') == text.n) {
		if (take_domain(j, text))
			return true;
		admin_job_finish(j, EX_USAGE,
		    "%.*s is no message id, address or domain; \"godwit queue list\" shows those "
		    "that wait",
		    STR_FMT(str_sub(text, 0, 255)));
		return false;
	}
	buf_init(&b, text.n);
	buf_lower(&b, text);
	j->filter.text = arena_str(j->arena, buf_view(&b));
	buf_fini(&b);
	return true;
}

static enum admin_step none_found(struct admin_job *j)
{
	return admin_job_finish(j, EX_NOINPUT, "nothing in the queue matches %.*s",
	    STR_FMT(str_sub(admin_arg(j, 0), 0, 255)));
}

/* A page of the rows that fit; at the end the reply. */
static enum admin_step walk(struct admin_job *j, queue_row_fn *fn)
{
	bool more = false;

	if (queue_list(j->ctx->db, &j->filter, clock_now(), ADMIN_PAGE, &j->queue_at, &more, fn,
		j) != DB_OK)
		return admin_job_db_failed(j);
	if (more)
		return ADMIN_STEP_MORE;
	return j->found || admin_arg(j, 0).n == 0 ? admin_job_finish(j, EX_OK, "%s", "")
						  : none_found(j);
}

static enum admin_step start(struct admin_job *j, enum admin_step (*next)(struct admin_job *j))
{
	if (!take_filter(j))
		return ADMIN_STEP_DONE;
	j->queue_at = queue_filter_start(&j->filter);
	j->next = next;
	return ADMIN_STEP_MORE;
}

/* ---- what is known of a row ---- */

struct picture {
	struct arena *arena;
	struct queue_place place;
	bool has_place;
	int64_t active;
	int64_t under_way; /* since when; 0: no attempt is */
};

/* What cannot be read is left out. */
static struct picture look(struct admin_job *j, const struct queue_row *row)
{
	struct picture p = {.arena = arena_new()};
	struct queue_lease_row lease;

	p.has_place = queue_place_get(
			  j->ctx->db, p.arena, clock_now(), row->destination, &p.place) == DB_ROW;
	if (queue_place_active(j->ctx->db, row->destination, &p.active) != DB_OK)
		p.active = 0;
	if (row->token && queue_lease_get(j->ctx->db, p.arena, row->token, &lease) == DB_ROW)
		p.under_way = lease.begun;
	return p;
}

static const char *state_of(const struct queue_row *row, const struct picture *p)
{
	if (row->token)
		return "under way";
	if (row->report != QUEUE_REPORT_NONE)
		return "to be reported";
	return p->has_place && queue_destination_is_failing(&p->place.state) ? "unreachable"
									     : "waiting";
}

static int64_t next_of(struct admin_job *j, const struct queue_row *row, const struct picture *p)
{
	struct queue_schedule s;

	if (row->token || row->report != QUEUE_REPORT_NONE)
		return 0;
	s = queue_row_schedule(&j->ctx->queue, row, p->has_place ? &p->place : NULL);
	return s.next_attempt == QUEUE_NEVER ? s.expires : s.next_attempt;
}

/* What held it back last: himself or his destination. */
static struct str reply_of(const struct queue_row *row, const struct picture *p)
{
	if (p->has_place && queue_destination_is_failing(&p->place.state))
		return p->place.state.last_reply;
	return row->last.reply;
}

static struct str sender_of(const struct queue_message *m)
{
	return m->reverse_path.n ? m->reverse_path : STR("<>");
}

/* ---- list ---- */

static void put_row(void *ctx, const struct queue_row *row, const struct queue_message *m)
{
	struct admin_job *j = ctx;
	struct picture p = look(j, row);
	size_t at = admin_record_begin(&j->out);

	admin_put_id(j, "id", row->message);
	admin_record_number(&j->out, ADMIN_TIME, "since", row->entry.accepted);
	admin_record_text(&j->out, "sender", sender_of(m));
	admin_record_text(&j->out, "recipient", row->address);
	admin_record_number(&j->out, ADMIN_BYTES, "size", m->size);
	admin_record_text(&j->out, "state", str_of_c(state_of(row, &p)));
	admin_record_number(&j->out, ADMIN_TIME, "next", next_of(j, row, &p));
	admin_record_text(&j->out, "last_reply", reply_of(row, &p));
	admin_record_end(&j->out, at);
	arena_free(&p.arena);
	j->found++;
}

static enum admin_step list_next(struct admin_job *j)
{
	return walk(j, put_row);
}

enum admin_step admin_queue_list(struct admin_job *j)
{
	return start(j, list_next);
}

/* ---- show ---- */

static void put_message(struct admin_job *j, const struct queue_message *m)
{
	size_t at = admin_record_begin(&j->out);
	bool bounce = m->reverse_path.n == 0;

	admin_put_id(j, "id", m->id);
	admin_record_text(&j->out, "sender", sender_of(m));
	admin_record_number(&j->out, ADMIN_TIME, "since", m->accepted);
	admin_record_number(&j->out, ADMIN_TIME, "until",
	    m->accepted + queue_policy_lifetime(&j->ctx->queue.policy, bounce));
	admin_record_number(&j->out, ADMIN_BYTES, "size", m->size);
	admin_record_text(&j->out, "message_id", m->header_id);
	admin_record_text(&j->out, "envelope_id", m->envid);
	admin_record_end(&j->out, at);
}

static void put_recipient(void *ctx, const struct queue_row *row, const struct queue_message *m)
{
	struct admin_job *j = ctx;
	struct picture p = look(j, row);
	size_t at;

	if (j->found++ == 0)
		put_message(j, m);
	at = admin_record_begin(&j->out);
	admin_record_text(&j->out, "type", STR("recipient"));
	admin_record_text(&j->out, "recipient", row->address);
	admin_record_text(&j->out, "destination", row->destination);
	admin_record_text(&j->out, "state", str_of_c(state_of(row, &p)));
	admin_record_number(&j->out, ADMIN_INT, "attempts",
	    row->entry.attempts + (p.has_place ? p.place.state.failures : 0));
	admin_record_number(&j->out, ADMIN_TIME, "next", next_of(j, row, &p));
	admin_record_number(&j->out, ADMIN_INT, "warnings",
	    row->entry.warnings < LIMIT_QUEUE_STEPS ? row->entry.warnings : 0);
	admin_record_text(&j->out, "last_server", row->last.remote);
	admin_record_text(&j->out, "last_reply", reply_of(row, &p));
	admin_record_end(&j->out, at);
	arena_free(&p.arena);
}

static enum admin_step show_next(struct admin_job *j)
{
	return walk(j, put_recipient);
}

enum admin_step admin_queue_show(struct admin_job *j)
{
	int64_t id;

	if (!id_parse(admin_arg(j, 0), &id))
		return admin_job_finish(j, EX_USAGE,
		    "%.*s is no message id; \"godwit queue list\" shows those that wait",
		    STR_FMT(str_sub(admin_arg(j, 0), 0, 255)));
	return start(j, show_next);
}

/* ---- explain ---- */

static void put_explanation(void *ctx, const struct queue_row *row, const struct queue_message *m)
{
	struct admin_job *j = ctx;
	struct picture p = look(j, row);
	struct queue_explain x = {
	    .lang = j->ctx->queue.lang,
	    .zone = j->ctx->queue.zone,
	    .recipient = row->address,
	    .sender = m->reverse_path,
	    .domain = row->destination,
	    .last_reply = row->last.reply,
	    .notify_failure = row->notify == 0 || (row->notify & QUEUE_NOTIFY_FAILURE),
	    .under_way = p.under_way,
	    .active = (size_t)p.active,
	    .entry = row->entry,
	    .policy = &j->ctx->queue.policy,
	    .started = j->ctx->queue.started,
	    .now = clock_now(),
	};
	size_t at = admin_record_begin(&j->out);
	struct buf text;

	queue_destination_init(&x.destination, 0);
	if (p.has_place)
		x.destination = p.place.state;
	buf_init(&text, 16 * KIB);
	queue_explain_put(&text, &x);
	admin_put_id(j, "id", row->message);
	admin_record_text(&j->out, "explanation", buf_view(&text));
	admin_record_end(&j->out, at);
	buf_fini(&text);
	arena_free(&p.arena);
	j->found++;
}

static enum admin_step explain_next(struct admin_job *j)
{
	return walk(j, put_explanation);
}

enum admin_step admin_queue_explain(struct admin_job *j)
{
	return start(j, explain_next);
}

/* ---- retry, remove ---- */

static enum admin_step change_over(struct admin_job *j)
{
	bool remove = j->queue_change.verb == QUEUE_CHANGE_REMOVE;

	if (j->changed == 0 && j->busy == 0 && admin_arg(j, 0).n)
		return none_found(j);
	if (j->changed && j->ctx->queue_changed)
		j->ctx->queue_changed(j->ctx->user);
	return admin_job_finish(j, j->busy && remove ? EX_TEMPFAIL : EX_OK, "%lld %s %s%s",
	    (long long)j->changed, j->changed == 1 ? "recipient" : "recipients",
	    remove ? "removed from the queue" : "may be tried now",
	    j->busy && remove ? "; to others it is being sent at this moment: try again" : "");
}

static enum admin_step change_done(struct admin_job *j)
{
	struct queue_change *c = &j->queue_change;

	if (!j->ready)
		return admin_job_wait(j);
	if (c->op.result != LANE_DONE)
		return admin_job_finish(j, EX_TEMPFAIL, "%lld recipients were changed, then: %s",
		    (long long)j->changed, c->op.err.text);
	j->changed += c->changed;
	j->busy += c->busy;
	if (!c->more)
		return change_over(j);
	c->at = c->next;
	j->ready = false;
	store_write(j->ctx->store, &c->op);
	return admin_job_wait(j);
}

static void lane_done(struct lane_op *op)
{
	admin_job_ready(LIST_ENTRY(op, struct admin_job, queue_change.op));
}

enum admin_step admin_queue_change(struct admin_job *j)
{
	struct queue_change *c = &j->queue_change;

	if (!take_filter(j))
		return ADMIN_STEP_DONE;
	c->verb = j->request.command == ADMIN_QUEUE_REMOVE ? QUEUE_CHANGE_REMOVE
							   : QUEUE_CHANGE_RETRY;
	c->filter = j->filter;
	c->who = j->who;
	queue_change_init(c);
	c->op.done = lane_done;
	j->ready = false;
	j->next = change_done;
	store_write(j->ctx->store, &c->op);
	return admin_job_wait(j);
}
