/* The admin commands for the queue: they walk over it, a page a step. */
#include <sysexits.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/ip.h"
#include "config/option_value.h"
#include "mime/mime_idn.h"
#include "proc/admin_address.h"
#include "proc/store_admin_job.h"
#include "store/queue_callout.h"
#include "store/queue_due.h"
#include "store/queue_tell.h"

/* ---- filters ---- */

static bool refuse(struct admin_job *j, struct str text, const char *why)
{
	admin_job_finish(j, EX_USAGE, "%.*s %s", STR_FMT(str_sub(text, 0, 255)), why);
	return false;
}

/* An address or a domain. False: it is neither. */
static bool take_name(struct admin_job *j, struct str text, struct str *name_r)
{
	struct ip literal;
	struct buf b;
	bool good = true;

	buf_init(&b, text.n + LIMIT_SMTP_DOMAIN);
	if (text.n == 0 || str_find(text, '@') < text.n || ip_parse_literal(text, &literal))
		buf_lower(&b, admin_address_spelt(j->arena, text));
	else
		good = mime_idn_to_ascii(&b, text) == MIME_IDN_OK;
	*name_r = arena_str(j->arena, buf_view(&b));
	buf_fini(&b);
	return good;
}

/* "90m": since then or longer. */
static bool take_age(struct admin_job *j, struct str text)
{
	static const struct option age = {.type = OPTION_DURATION, .max = 3650 * DAY_MS};
	union option_value v;
	struct buf b;

	if (text.n == 0)
		return true;
	if (!option_parse_text(&age, text, j->arena, &v))
		return false;
	buf_init(&b, 32);
	option_put_plain(OPTION_DURATION, &v, &b);
	j->filter.before = clock_now() - v.number;
	j->filter.age = arena_str(j->arena, buf_view(&b));
	buf_fini(&b);
	return true;
}

/* From the arguments: which, recipient, sender, age. False with the reply set. */
static bool take_filter(struct admin_job *j)
{
	struct queue_filter *f = &j->filter;
	struct str sender = admin_arg(j, 2);

	if (!id_parse(admin_arg(j, 0), &f->message) && !take_name(j, admin_arg(j, 0), &f->text))
		return refuse(j, admin_arg(j, 0),
		    "is no message id, address or domain; \"godwit queue list\" shows those that wait");
	if (!take_name(j, admin_arg(j, 1), &f->recipient))
		return refuse(j, admin_arg(j, 1), "is no address or domain of a recipient");
	f->sender = sender;
	if (!str_eq(sender, STR("<>")) && !take_name(j, sender, &f->sender))
		return refuse(j, sender, "is no address or domain of a sender; the null one is <>");
	if (!take_age(j, admin_arg(j, 3)))
		return refuse(j, admin_arg(j, 3), "is no age; write it like 90s, 30m, 4h or 2d");
	return true;
}

static bool has_filter(const struct admin_job *j)
{
	const struct queue_filter *f = &j->filter;

	return f->message || f->text.n || f->recipient.n || f->sender.n || f->before;
}

static enum admin_step none_found(struct admin_job *j)
{
	struct str which = str_sub(admin_arg(j, 0), 0, 255);

	if (j->filter.message)
		return admin_job_finish(j, EX_NOINPUT,
		    "nothing in the queue matches %.*s; \"godwit trace %.*s\" tells what became of it",
		    STR_FMT(which), STR_FMT(which));
	return admin_job_finish(j, EX_NOINPUT,
	    "nothing in the queue matches %.*s; \"godwit queue list\" shows what waits",
	    STR_FMT(which.n ? which : STR("what was asked for")));
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
	return j->found || !has_filter(j) ? admin_job_finish(j, EX_OK, "%s", "") : none_found(j);
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

static struct queue_picture look(
    struct admin_job *j, const struct queue_row *row, const struct queue_message *m)
{
	return queue_picture_of(j->ctx->db, &j->ctx->queue, row, m, clock_now());
}

static const char *state_of(const struct queue_row *row, const struct queue_picture *p)
{
	struct queue_down down;

	if (row->token)
		return "under way";
	if (row->held)
		return "held";
	if (queue_row_is_scheduled(row, clock_now()))
		return "scheduled";
	if (row->report == QUEUE_REPORT_HERE)
		return "waiting";
	if (row->report != QUEUE_REPORT_NONE)
		return "to be reported";
	return queue_picture_is_down(p, &down) ? "unreachable" : "waiting";
}

static int64_t next_of(
    struct admin_job *j, const struct queue_row *row, const struct queue_picture *p)
{
	struct queue_schedule s;

	if (row->report == QUEUE_REPORT_HERE && !row->held)
		return row->entry.not_before;
	if (row->token || row->held || row->report != QUEUE_REPORT_NONE)
		return 0;
	s = queue_row_schedule(&j->ctx->queue, row, p->has_place ? &p->place : NULL);
	if (s.next_attempt == QUEUE_NEVER)
		return s.expires;
	return s.next_attempt > p->hosts_due ? s.next_attempt : p->hosts_due;
}

/* What held it back last: himself, his destination, or its host. */
static struct str reply_of(const struct queue_row *row, const struct queue_picture *p)
{
	struct queue_down down;

	if (!queue_row_is_scheduled(row, clock_now()) && queue_picture_is_down(p, &down))
		return down.last.reply;
	return row->last.reply;
}

static struct str sender_of(const struct queue_message *m)
{
	return m->reverse_path.n ? m->reverse_path : STR("<>");
}

/* When he came; his life begins later if the sender wants it so. */
static int64_t since_of(const struct queue_row *row, const struct queue_message *m)
{
	return row->entry.hold_until ? m->accepted : row->entry.accepted;
}

/* What the sender asked for, as far as he did. */
static void put_wishes(struct admin_job *j, const struct queue_row *row)
{
	static const char *const by[QUEUE_BY_KINDS] = {"", "return", "notify", "notified"};

	admin_record_number(&j->out, ADMIN_INT, "priority", row->priority);
	admin_record_number(&j->out, ADMIN_TIME, "hold_until", row->entry.hold_until);
	admin_record_number(
	    &j->out, ADMIN_TIME, "deliver_by", row->entry.by ? row->entry.by_time : 0);
	admin_record_text(&j->out, "deliver_by_else", str_of_c(by[row->entry.by]));
}

/* ---- list ---- */

static void put_row(void *ctx, const struct queue_row *row, const struct queue_message *m)
{
	struct admin_job *j = ctx;
	struct queue_picture p = look(j, row, m);
	size_t at = admin_record_begin(&j->out);

	admin_put_id(j, "id", row->message);
	admin_record_number(&j->out, ADMIN_TIME, "since", since_of(row, m));
	admin_record_text(&j->out, "sender", sender_of(m));
	admin_record_text(&j->out, "recipient", row->address);
	admin_record_number(&j->out, ADMIN_BYTES, "size", m->size);
	admin_record_text(&j->out, "state", str_of_c(state_of(row, &p)));
	admin_record_number(&j->out, ADMIN_TIME, "next", next_of(j, row, &p));
	admin_record_text(&j->out, "last_reply", reply_of(row, &p));
	put_wishes(j, row);
	admin_record_end(&j->out, at);
	queue_picture_fini(&p);
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

static void put_message(
    struct admin_job *j, const struct queue_row *row, const struct queue_message *m)
{
	size_t at = admin_record_begin(&j->out);

	admin_put_id(j, "id", m->id);
	admin_record_text(&j->out, "sender", sender_of(m));
	admin_record_number(&j->out, ADMIN_TIME, "since", m->accepted);
	admin_record_number(
	    &j->out, ADMIN_TIME, "until", queue_row_end(&j->ctx->queue, j->arena, row));
	admin_record_number(&j->out, ADMIN_BYTES, "size", m->size);
	admin_record_text(&j->out, "message_id", m->header_id);
	admin_record_text(&j->out, "envelope_id", m->envid);
	admin_record_end(&j->out, at);
}

static void put_recipient(void *ctx, const struct queue_row *row, const struct queue_message *m)
{
	struct admin_job *j = ctx;
	struct queue_picture p = look(j, row, m);
	size_t at;

	if (j->shown != m->id)
		put_message(j, row, m);
	j->shown = m->id;
	j->found++;
	at = admin_record_begin(&j->out);
	admin_record_text(&j->out, "type", STR("recipient"));
	admin_record_text(&j->out, "recipient", row->address);
	admin_record_text(&j->out, "destination", row->destination);
	admin_record_text(&j->out, "state", str_of_c(state_of(row, &p)));
	admin_record_number(&j->out, ADMIN_INT, "attempts",
	    row->entry.attempts + (p.has_place ? p.place.state.failures : 0));
	admin_record_number(&j->out, ADMIN_TIME, "next", next_of(j, row, &p));
	admin_record_number(
	    &j->out, ADMIN_TIME, "until", queue_row_end(&j->ctx->queue, j->arena, row));
	admin_record_number(&j->out, ADMIN_INT, "warnings",
	    row->entry.warnings < LIMIT_QUEUE_STEPS ? row->entry.warnings : 0);
	admin_record_text(&j->out, "last_server", row->last.remote);
	admin_record_text(&j->out, "last_reply", reply_of(row, &p));
	admin_record_text(
	    &j->out, "sent_on_for", row->report == QUEUE_REPORT_HERE ? STR("") : row->forwarder);
	admin_record_text(&j->out, "reverse_path", p.sent_as);
	put_wishes(j, row);
	admin_record_end(&j->out, at);
	queue_picture_fini(&p);
}

static enum admin_step show_next(struct admin_job *j)
{
	return walk(j, put_recipient);
}

enum admin_step admin_queue_show(struct admin_job *j)
{
	return start(j, show_next);
}

/* ---- explain ---- */

static void put_explanation(void *ctx, const struct queue_row *row, const struct queue_message *m)
{
	struct admin_job *j = ctx;
	size_t at = admin_record_begin(&j->out);
	struct buf text;

	buf_init(&text, 16 * KIB);
	queue_tell(&text, j->ctx->db, &j->ctx->queue, row, m, clock_now());
	admin_put_id(j, "id", row->message);
	admin_record_text(&j->out, "explanation", buf_view(&text));
	admin_record_end(&j->out, at);
	buf_fini(&text);
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

/* ---- summary ---- */

/*
 * When it is tried next while it is down: not before somebody may be sent to it. 0: it is up, it is being tried
 * now, or nobody may be sent at all.
 */
static int64_t next_probe(struct admin_job *j, struct arena *a, const struct queue_place *p,
    const struct queue_destination *d, int64_t active)
{
	int64_t first, when, now = clock_now(), due = queue_hosts_due(j->ctx->db, a, p, now);

	if (!queue_destination_is_failing(d) ||
	    queue_first(j->ctx->db, p->name, &first) != DB_ROW || first == QUEUE_NEVER)
		return 0;
	when = d->next_probe > first ? d->next_probe : first;
	when = when > due ? when : due;
	return when > now ? when : active ? 0 : now;
}

static void put_place(struct admin_job *j, struct arena *a, const struct queue_place *p)
{
	const struct queue_host host = queue_host_of_place(j->ctx->db, a, p, clock_now());
	/* what holds it up: the host that it waits for, if it does */
	const struct queue_destination *d = host.name.n ? &host.state : &p->state;
	int64_t sums[2] = {0}, active = 0;
	struct db_query *q;
	size_t at;

	q = db_begin_query(
	    j->ctx->db, SQL_DESTINATION_SUMS, DB_ARGS(db_int(QUEUE_SHARD), db_text(p->name)));
	if (db_step(q) == DB_ROW) {
		sums[0] = db_col_int(q, 0);
		sums[1] = db_col_int(q, 1);
	}
	if (db_end(q) != DB_OK || queue_place_active(j->ctx->db, p->name, &active) != DB_OK ||
	    queue_callout_open_for(j->ctx->db, p->name, p->state.limit, &active) != DB_OK ||
	    (sums[0] == 0 && active == 0))
		return;
	at = admin_record_begin(&j->out);
	admin_record_text(&j->out, "destination", p->name);
	admin_record_number(&j->out, ADMIN_INT, "waiting", sums[0]);
	admin_record_number(&j->out, ADMIN_TIME, "oldest", sums[1] ? id_time(sums[1]) : 0);
	admin_record_text(
	    &j->out, "state", queue_destination_is_failing(d) ? STR("unreachable") : STR("up"));
	admin_record_number(&j->out, ADMIN_INT, "failures", d->failures);
	admin_record_number(&j->out, ADMIN_TIME, "next_probe", next_probe(j, a, p, d, active));
	admin_record_number(&j->out, ADMIN_INT, "sessions", active);
	admin_record_number(&j->out, ADMIN_INT, "sessions_max", p->state.limit);
	admin_record_text(&j->out, "waits_for", queue_routing_server(host.name));
	admin_record_text(&j->out, "last_reply", d->last_reply);
	admin_record_end(&j->out, at);
	j->found++;
}

/* The destination behind the one before: one a step, for it may have very many that wait. */
static enum admin_step summary_next(struct admin_job *j)
{
	struct arena *a = arena_new();
	struct db_query *q = db_begin_query(
	    j->ctx->db, SQL_DESTINATION_NEXT, DB_ARGS(db_int(QUEUE_SHARD), db_text(j->after[0])));
	enum db_code found = db_step(q);
	struct queue_place place;
	enum db_code code;

	if (found == DB_ROW)
		j->after[0] = arena_str(j->arena, db_col_str(q, 0));
	code = db_end(q);
	if (code == DB_OK && found == DB_ROW)
		code = queue_place_get(j->ctx->db, a, clock_now(), j->after[0], &place);
	if (code == DB_ROW)
		put_place(j, a, &place);
	arena_free(&a);
	if (code != DB_ROW && code != DB_OK)
		return admin_job_db_failed(j);
	return found == DB_ROW ? ADMIN_STEP_MORE : admin_job_finish(j, EX_OK, "%s", "");
}

enum admin_step admin_queue_summary(struct admin_job *j)
{
	j->after[0] = STR(""); /* the name of none: it stands for those whose attempts are over */
	j->next = summary_next;
	return ADMIN_STEP_MORE;
}

/* ---- changes ---- */

static const struct {
	enum admin_command command;
	enum queue_change_verb verb;
	bool of_all; /* also without any filter */
	bool unmet;  /* what was left as it is, is not as it was asked for */
	const char *done, *kept;
} verbs[] = {
    {ADMIN_QUEUE_RETRY, QUEUE_CHANGE_RETRY, true, true, "may be tried now",
	"held, or to be sent later: release them first"},
    {ADMIN_QUEUE_HOLD, QUEUE_CHANGE_HOLD, false, false, "held", "held already, or being reported"},
    {ADMIN_QUEUE_RELEASE, QUEUE_CHANGE_RELEASE, true, false, "released",
	"not held; what is to be sent later is released by its id only"},
    {ADMIN_QUEUE_CANCEL, QUEUE_CHANGE_CANCEL, false, true, "cancelled: it will not be sent",
	"not waiting for a time that its sender set: \"godwit queue remove\" or \"godwit queue "
	"bounce\" ends what is to be sent now"},
    {ADMIN_QUEUE_REMOVE, QUEUE_CHANGE_REMOVE, false, false, "removed from the queue", ""},
    {ADMIN_QUEUE_BOUNCE, QUEUE_CHANGE_BOUNCE, false, false, "given up, and who is to know is told",
	"being reported already"},
};

/* The row of the command; the table has one for each that comes here. */
static size_t verb_of(const struct admin_job *j)
{
	size_t i = 0;

	while (verbs[i].command != j->request.command)
		i++;
	return i;
}

/* Why the change stopped before its end; empty: it did not. */
static struct str stopped_by(const struct admin_job *j)
{
	const struct lane_op *op = &j->queue_change.op;

	return str_of_c(op->result == LANE_DONE ? "" : op->err.text);
}

/* The same for programs: how many, then which; and what stopped it, if something did. */
static void put_counts(struct admin_job *j)
{
	size_t at = admin_record_begin(&j->out);
	struct str why = stopped_by(j);

	admin_record_number(&j->out, ADMIN_INT, "changed", j->changed);
	admin_record_number(&j->out, ADMIN_INT, "unchanged", j->kept);
	admin_record_number(&j->out, ADMIN_INT, "under_way", j->busy);
	admin_record_number(&j->out, ADMIN_INT, "not_named", j->changed - (int64_t)j->nlist);
	if (why.n)
		admin_record_text(&j->out, "error", why);
	admin_record_end(&j->out, at);
}

static void put_changed(struct admin_job *j, const struct queue_changed *c)
{
	size_t at = admin_record_begin(&j->out);

	admin_record_text(&j->out, "type", STR("recipient"));
	admin_put_id(j, "id", c->message);
	admin_record_text(&j->out, "recipient", c->address);
	admin_record_end(&j->out, at);
}

/* "2 recipients", "1 other" */
static void put_number(struct buf *b, int64_t n, const char *noun)
{
	buf_i64(b, n);
	buf_byte(b, ' ');
	buf_c(b, noun);
	if (n != 1)
		buf_byte(b, 's');
}

/* "1 recipient is held already" */
static void put_those(struct buf *b, int64_t n, const char *noun, const char *what)
{
	put_number(b, n, noun);
	buf_c(b, n == 1 ? " is " : " are ");
	buf_c(b, what);
}

/* "; 2 others are held already" */
static void put_others(struct buf *b, int64_t n, const char *what)
{
	if (n == 0)
		return;
	buf_lit(b, "; ");
	put_those(b, n, "other", what);
}

static void put_changes(struct buf *b, const struct admin_job *j, size_t verb)
{
	put_number(b, j->changed, "recipient");
	buf_byte(b, ' ');
	buf_c(b, verbs[verb].done);
	if (verbs[verb].verb == QUEUE_CHANGE_RETRY)
		put_others(b, j->busy, "being tried at this moment");
	put_others(b, j->kept, verbs[verb].kept);
}

static void put_no_change(struct buf *b, const struct admin_job *j, size_t verb)
{
	if (j->busy && verbs[verb].verb == QUEUE_CHANGE_RETRY) { /* it is as it was asked for */
		put_those(b, j->busy, "recipient", "being tried at this moment");
		put_others(b, j->kept, verbs[verb].kept);
		return;
	}
	buf_lit(b, "nothing was changed");
	if (j->kept == 0)
		return;
	buf_lit(b, ": ");
	put_those(b, j->kept, "recipient", verbs[verb].kept);
}

/* Was it left as it is, though it is not as it was asked for? */
static bool is_unmet(const struct admin_job *j)
{
	return j->changed + j->busy == 0 && verbs[verb_of(j)].unmet && has_filter(j);
}

static enum admin_step change_said(struct admin_job *j)
{
	size_t i = verb_of(j);
	bool again = j->busy && verbs[i].verb != QUEUE_CHANGE_RETRY;
	uint8_t code = again ? EX_TEMPFAIL : is_unmet(j) ? EX_NOINPUT : EX_OK;
	struct buf b;

	buf_init(&b, LIMIT_ERR_TEXT);
	if (j->changed)
		put_changes(&b, j, i);
	else
		put_no_change(&b, j, i);
	if (again) {
		buf_lit(&b, "; to ");
		put_number(&b, j->busy, "recipient");
		buf_lit(&b, " it is being sent at this moment: try again");
	}
	admin_job_finish(j, code, "%s", buf_cstr(&b));
	buf_fini(&b);
	return ADMIN_STEP_DONE;
}

static enum admin_step change_stopped(struct admin_job *j)
{
	return admin_job_finish(j, EX_TEMPFAIL, "%lld %s changed, then: %.*s",
	    (long long)j->changed, j->changed == 1 ? "recipient was" : "recipients were",
	    STR_FMT(stopped_by(j)));
}

/* A page of the names; at the end the reply. */
static enum admin_step change_names(struct admin_job *j)
{
	for (size_t i = 0; i < ADMIN_PAGE && j->told < j->nlist; i++)
		put_changed(j, &j->list[j->told++]);
	if (j->told < j->nlist)
		return ADMIN_STEP_MORE;
	return stopped_by(j).n ? change_stopped(j) : change_said(j);
}

static enum admin_step change_over(struct admin_job *j)
{
	if (!stopped_by(j).n && j->changed + j->busy + j->kept == 0 && has_filter(j))
		return none_found(j);
	if (j->changed && j->ctx->queue_changed)
		j->ctx->queue_changed(j->ctx->user);
	put_counts(j);
	j->next = change_names;
	return ADMIN_STEP_MORE;
}

/* The next slice. */
static enum admin_step change_on(struct admin_job *j)
{
	struct queue_change *c = &j->queue_change;

	c->list = j->list + j->nlist;
	c->room = ADMIN_CHANGED_MAX - j->nlist;
	j->ready = false;
	store_write(j->ctx->store, &c->op);
	return admin_job_wait(j);
}

static enum admin_step change_done(struct admin_job *j)
{
	struct queue_change *c = &j->queue_change;

	if (!j->ready)
		return admin_job_wait(j);
	if (c->op.result != LANE_DONE)
		return change_over(j); /* of what the slices before it have done */
	j->changed += c->changed;
	j->nlist += c->listed;
	j->busy += c->busy;
	j->kept += c->kept;
	if (!c->more)
		return change_over(j);
	c->at = c->next;
	return change_on(j);
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
	if (!has_filter(j) && !verbs[verb_of(j)].of_all)
		return admin_job_finish(j, EX_USAGE,
		    "say which: a message id, an address or a domain, or --to, --from, --older");
	c->verb = verbs[verb_of(j)].verb;
	c->filter = j->filter;
	c->who = j->who;
	c->arena = j->arena;
	queue_change_init(c);
	c->op.done = lane_done;
	j->list = arena_array(j->arena, ADMIN_CHANGED_MAX, sizeof *j->list);
	j->next = change_done;
	return change_on(j);
}
