/*
 * Results.
 *
 * 1. A result is carried out whole or not at all, in one savepoint: rows, ledger, destination, trace.
 * 2. Of a job the destination learns one event: the one that says most about it.
 * 3. The attempts of a recipient end here, or when his lifetime does (store/queue_report.h): what his
 *    sender is told then goes a way of its own.
 */
#include "store/queue_settle.h"

#include "base/mem.h"
#include "store/dialogue.h"
#include "store/ledger.h"
#include "store/queue_host.h"
#include "store/queue_lease.h"
#include "store/queue_way.h"
#include "store/trace.h"
#include "store/trace_attempt.h"

/* One run of the request. */
struct settling {
	struct queue_settle *s;
	struct db *db;
	int64_t now;
	struct queue_message message;
	int64_t begun;                      /* when it had its lease */
	bool outslept;                      /* queue_lease_is_outslept() */
	struct str sent_as;                 /* the reverse path that it went with; empty: its own */
	enum queue_event event;             /* what the destination learns */
	const struct queue_verdict *teller; /* whose outcome says it */
	enum queue_problem before; /* of the recipient at hand: the attempt before this one */
	int64_t events;            /* trace events that name the dialogue */
	struct buf text;
	enum db_code code;
};

static bool failed(struct settling *t, enum db_code code)
{
	if (code != DB_OK && code != DB_ROW && t->code == DB_OK)
		t->code = code;
	return t->code != DB_OK;
}

/* ---- the trace ---- */

/* Within the session, and not by an answer. */
static bool is_broken(const struct queue_attempt *a, enum queue_outcome outcome)
{
	return outcome == QUEUE_RETRY && a->problem != QUEUE_PROBLEM_NONE &&
	       a->stage > QUEUE_STAGE_CONNECT;
}

static void trace(struct settling *t, const struct queue_row *row, const struct queue_attempt *a,
    enum queue_outcome outcome, struct str reply)
{
	const struct queue_settle *s = t->s;
	struct trace_attempt attempt = {.outcome = outcome,
	    .broken = is_broken(a, outcome),
	    .server = s->remote,
	    .ip = s->remote_ip,
	    .tls = s->tls,
	    .took = t->now > t->begun ? t->now - t->begun : 0};
	struct trace_event event = {.message = row->message,
	    .time = t->now,
	    .kind = TRACE_ATTEMPT,
	    .recipient = row->recipient,
	    .dialogue = s->packed.n ? s->dialogue_id : 0};

	buf_clear(&t->text);
	trace_attempt_put(&t->text, &attempt);
	if (t->sent_as.n) {
		buf_lit(&t->text, ", sent on for ");
		buf_str(&t->text, row->forwarder);
		buf_lit(&t->text, " with the reverse path ");
		buf_str(&t->text, t->sent_as);
	}
	if (reply.n) {
		buf_lit(&t->text, ": ");
		buf_str(&t->text, reply);
	}
	event.text = buf_view(&t->text);
	failed(t, trace_append(t->db, &event));
	t->events++;
}

static void keep_dialogue(struct settling *t)
{
	const struct blob_pos *pos = &t->s->blob.pos;

	if (t->s->packed.n == 0 || t->events == 0 || t->code != DB_OK)
		return;
	failed(t, db_exec(t->db, SQL_BLOB_ADD,
		      DB_ARGS(db_int(t->s->dialogue_id), db_int(pos->pack), db_int(pos->offset),
			  db_int(pos->length), db_int(t->events)),
		      NULL));
}

/* ---- recipients ---- */

/*
 * Said of him: not what the destination keeps as its own, unless nothing was before. He may still wait when
 * that is up again, and he was tried.
 */
static bool is_his(const struct queue_row *row, enum queue_outcome outcome)
{
	if (outcome == QUEUE_RETRY_HOST)
		return row->entry.attempts == 0;
	return outcome != QUEUE_RETRY_NOW;
}

/* What is left is his report, which tells when the last attempt was. */
static void finish(struct settling *t, struct queue_row *row, enum queue_report_kind report)
{
	queue_row_finish(row, report);
	row->entry.last_attempt = t->now;
	failed(t, queue_row_set(t->db, row));
}

/*
 * The next server will not report, or does not know by when it is to deliver, or each that passes it on
 * is to report [RFC 3461 5.2.2, RFC 2852 4.1.4].
 */
static bool is_told_of_relaying(const struct settling *t, const struct queue_row *row)
{
	bool by = row->entry.by != QUEUE_BY_NONE && (!t->s->by || row->by_trace);

	if (t->message.reverse_path.n == 0 || (row->notify & QUEUE_NOTIFY_NEVER))
		return false;
	return by || ((row->notify & QUEUE_NOTIFY_SUCCESS) && !t->s->dsn);
}

static void delivered(struct settling *t, struct queue_row *row)
{
	struct ledger_row settled = {.message = row->message,
	    .recipient = row->recipient,
	    .state = LEDGER_RELAYED,
	    .time = t->now};
	bool changed;

	if (is_told_of_relaying(t, row)) {
		finish(t, row, QUEUE_REPORT_RELAYED);
		return;
	}
	buf_clear(&t->text);
	trace_attempt_put_server(&t->text, t->s->remote, t->s->remote_ip);
	buf_c(&t->text, t->text.n ? ": " : "");
	buf_str(&t->text, row->last.reply);
	settled.detail = buf_view(&t->text);
	if (!failed(t, ledger_settle(t->db, &settled, &changed)))
		failed(t, queue_row_delete(t->db, row, t->message.blob));
}

/* Of the last two attempts only this one broke off on our side, as when the store died in the middle of it. */
static bool is_interrupted(const struct settling *t, const struct queue_row *row)
{
	return row->last.problem == QUEUE_PROBLEM_LOCAL && t->before != QUEUE_PROBLEM_LOCAL;
}

static void refused(struct settling *t, struct queue_row *row)
{
	const struct queue_policy *policy = queue_config_policy(&t->s->cfg, row->destination);

	if (!t->outslept && row->last.problem == QUEUE_PROBLEM_NO_RESOLVER)
		queue_schedule_postponed(&row->entry, t->now);
	else if (!t->outslept && is_interrupted(t, row))
		queue_schedule_interrupted(&row->entry, policy, t->now);
	else if (!t->outslept)
		queue_schedule_refused(&row->entry, policy, t->now);
	failed(t, queue_row_set(t->db, row));
}

static void waits(struct settling *t, struct queue_row *row)
{
	failed(t, queue_row_set(t->db, row));
}

static void over(struct settling *t, struct queue_row *row)
{
	finish(t, row, QUEUE_REPORT_FAILED);
}

static void (*const actions[QUEUE_OUTCOMES])(struct settling *t, struct queue_row *row) = {
    [QUEUE_DELIVERED] = delivered,
    [QUEUE_RETRY] = refused,
    [QUEUE_RETRY_HOST] = waits,
    [QUEUE_RETRY_NOW] = waits,
    [QUEUE_FAILED] = over,
};

/* How much an event says about the destination. */
static const unsigned weights[QUEUE_EVENTS] = {
    [QUEUE_EVENT_NONE] = 0,
    [QUEUE_EVENT_ANSWERED] = 1,
    [QUEUE_EVENT_TURNED_AWAY] = 2,
    [QUEUE_EVENT_FAILED] = 3,
    [QUEUE_EVENT_BUSY] = 4,
    [QUEUE_EVENT_SUCCESS] = 5,
};

static bool is_failure(enum queue_event event)
{
	return event == QUEUE_EVENT_FAILED || event == QUEUE_EVENT_BUSY ||
	       event == QUEUE_EVENT_TURNED_AWAY;
}

static void learn(struct settling *t, const struct queue_verdict *o, enum queue_event event)
{
	if (weights[event] <= weights[t->event] || (t->outslept && is_failure(event)))
		return;
	t->event = event;
	t->teller = o;
}

static struct str reply_of(struct settling *t, const struct queue_verdict *o)
{
	struct buf b;
	struct str reply;

	buf_init(&b, LIMIT_QUEUE_REPLY);
	queue_result_put_reply(&b, &o->attempt, o->text);
	reply = arena_str(t->s->scratch, buf_view(&b));
	buf_fini(&b);
	return reply;
}

static struct queue_last last_of(struct settling *t, const struct queue_verdict *o)
{
	return (struct queue_last){
	    .problem = o->attempt.problem,
	    .status = queue_result_of(&o->attempt).status,
	    .reply = reply_of(t, o),
	    .remote = t->s->remote,
	};
}

static const struct queue_verdict *outcome_of(const struct queue_settle *s, int64_t recipient)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->outcomes[i].recipient == recipient ||
		    s->outcomes[i].recipient == QUEUE_VERDICT_OF_ALL)
			return &s->outcomes[i];
	}
	return NULL;
}

static void settle_row(struct settling *t, struct queue_row *row)
{
	const struct queue_verdict *o = outcome_of(t->s, row->recipient);
	struct queue_result result;
	struct queue_last last;

	row->token = 0;
	t->before = row->last.problem;
	if (!o) {
		waits(t, row);
		return;
	}
	result = queue_result_of(&o->attempt);
	last = last_of(t, o);
	if (is_his(row, result.outcome))
		row->last = last;
	/* the attempt, then what came of it; without a resolver there is none, and that comes often */
	if (o->attempt.problem != QUEUE_PROBLEM_NO_RESOLVER)
		trace(t, row, &o->attempt, result.outcome, last.reply);
	if (t->code == DB_OK)
		actions[result.outcome](t, row);
	learn(t, o, result.event);
	t->s->counts[result.outcome]++;
}

/* ---- the destination and its host ---- */

/* One with a schedule of its own waits at least as long as that says, however often others try its hosts. */
static bool waits_longer(const struct settling *t, const struct queue_place *place, int64_t until)
{
	const struct queue_policy *policy = queue_config_policy(&t->s->cfg, place->name);

	return policy != &t->s->cfg.policy && place->state.next_probe > until;
}

/*
 * A failure of all its hosts: it has the next probe of the first of them, and is no failure where one of
 * them only has no room.
 */
static void follow_hosts(struct settling *t, struct queue_place *place)
{
	struct str names[LIMIT_QUEUE_HOSTS];
	int64_t first = QUEUE_NEVER;
	size_t n = 0;

	failed(t, queue_host_waits(t->db, t->s->scratch, place->name, names, &n));
	for (size_t i = 0; i < n && t->code == DB_OK; i++) {
		struct queue_host host;

		if (failed(t, queue_host_get(t->db, t->s->scratch, t->now, names[i], &host)))
			return;
		if (!queue_destination_is_failing(&host.state)) {
			queue_destination_wait(&place->state,
			    queue_way_until(&host.state,
				queue_config_policy(&t->s->cfg, place->name), place->state.seed,
				t->now),
			    false);
			return;
		}
		if (host.state.next_probe < first)
			first = host.state.next_probe;
	}
	if (first != QUEUE_NEVER && first > t->now && !waits_longer(t, place, first))
		place->state.next_probe = first;
}

/*
 * What waits for hosts is in their lines while it fails. Where several attempts were turned away the last of
 * them will say whether it does: until then it stays in the lines that they joined.
 */
static void keep_line(struct settling *t, struct queue_place *place)
{
	if (queue_destination_is_failing(&place->state))
		follow_hosts(t, place);
	else if (place->state.waits == 0 && t->event != QUEUE_EVENT_TURNED_AWAY)
		failed(t, queue_host_leave(t->db, place->name));
}

/* A host may be well that was silent for a short time; but if it was down, this was its probe. */
static bool is_for_host(struct settling *t, struct str name)
{
	const struct queue_attempt *a = &t->teller->attempt;
	bool asked = queue_routing_asks_more(name);
	struct queue_host host;

	if (a->problem != QUEUE_PROBLEM_BRIEF)
		return queue_result_is_of_host(a, asked);
	if (a->stage < QUEUE_STAGE_CONNECT ||
	    (!asked && (a->stage == QUEUE_STAGE_TLS || a->stage == QUEUE_STAGE_AUTH)))
		return false; /* nobody was there yet, or it is about what is required of it */
	return !failed(t, queue_host_get(t->db, t->s->scratch, t->now, name, &host)) &&
	       queue_destination_is_failing(&host.state);
}

/* Where the attempt counted there is room for another. A host that failed was told before. */
static void teach_host(struct settling *t, const struct queue_lease_row *lease)
{
	struct queue_host_lesson lesson = {.name = lease->host,
	    .destination = lease->destination,
	    .policy = queue_config_policy(&t->s->cfg, lease->destination),
	    .common = &t->s->cfg.policy,
	    .event = t->event};

	if (t->code != DB_OK || lease->host.n == 0)
		return;
	if (t->teller && t->s->remote.n && is_for_host(t, lease->host)) {
		lesson.last = last_of(t, t->teller);
		failed(t, queue_host_teach(t->db, t->s->scratch, &lesson, t->now));
	}
	if (t->code == DB_OK)
		failed(t, queue_host_wake(t->db, t->s->scratch, lease->host, t->now));
}

static void teach(struct settling *t, struct str name)
{
	struct queue_place place;
	int64_t others = 0;
	enum db_code code = queue_place_get(t->db, t->s->scratch, t->now, name, &place);

	if (code == DB_OK)
		code = db_damaged(t->db, "a destination that was tried is not there");
	if (failed(t, code) || failed(t, queue_place_active(t->db, name, &others)))
		return;
	if (t->teller) {
		place.last = last_of(t, t->teller);
		t->s->woken = queue_destination_apply(&place.state,
		    queue_config_policy(&t->s->cfg, name), t->event, (size_t)others,
		    place.last.reply, t->now);
		keep_line(t, &place);
	}
	if (t->code == DB_OK)
		failed(t, queue_place_set(t->db, &place, t->now));
}

/* ---- the whole ---- */

/* DB_ROW: the lease is the asker's. */
static enum db_code find_lease(struct settling *t, struct queue_lease_row *lease)
{
	enum db_code code = queue_lease_get(t->db, t->s->scratch, t->s->token, lease);

	if (code == DB_ROW && (lease->owner != t->s->owner || lease->message != t->s->message))
		return DB_OK;
	return code;
}

static void settle(struct settling *t, const struct queue_lease_row *lease)
{
	struct queue_rows rows = {NULL, 0};
	enum db_code code = queue_message_get(t->db, t->s->scratch, t->s->message, &t->message);

	t->sent_as = lease->reverse_path;
	t->begun = lease->begun;
	t->outslept = queue_lease_is_outslept(lease, &t->s->cfg, t->now);
	if (code == DB_OK)
		code = db_damaged(t->db, "a message that was tried is not there");
	if (failed(t, code) ||
	    failed(t, queue_rows_get(t->db, t->s->scratch, t->now, SQL_QUEUE_OF_LEASE,
			  DB_ARGS(db_int(QUEUE_SHARD), db_int(t->s->message), db_int(t->s->token)),
			  &rows)))
		return;
	for (size_t i = 0; i < rows.n && t->code == DB_OK; i++)
		settle_row(t, &rows.v[i]);
	keep_dialogue(t);
	if (t->code == DB_OK)
		failed(t, db_exec(t->db, SQL_LEASE_DELETE,
			      DB_ARGS(db_int(QUEUE_SHARD), db_int(t->s->token)), NULL));
	if (t->code == DB_OK)
		teach(t, lease->destination);
	teach_host(t, lease);
}

static enum lane_exec settle_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct queue_settle *s = LIST_ENTRY(op, struct queue_settle, op);
	struct settling t = {.s = s, .db = db, .now = now};
	struct queue_lease_row lease;
	enum db_code found;

	arena_reset(s->scratch, false);
	memset(s->counts, 0, sizeof s->counts);
	s->woken = s->stale = false;
	found = find_lease(&t, &lease);
	if (found != DB_ROW) {
		s->stale = found == DB_OK;
		return s->stale ? LANE_UNDO : LANE_BROKEN;
	}
	buf_init(&t.text, 2 * LIMIT_TRACE_TEXT);
	settle(&t, &lease);
	buf_fini(&t.text);
	return t.code == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

struct queue_settle *queue_settle_new(void)
{
	struct queue_settle *s = mem_new(struct queue_settle);

	s->arena = arena_new();
	s->scratch = arena_new();
	list_init(&s->op.link);
	buf_init(&s->packed, 2 * DIALOGUE_MAX);
	return s;
}

void queue_settle_prepare(struct queue_settle *s, struct dialogue_packer *packer)
{
	if (s->dialogue.n)
		dialogue_pack(packer, &s->packed, s->dialogue);
	s->iov = (struct iovec){s->packed.p, s->packed.n};
	s->blob = (struct blob_in){
	    .id = s->dialogue_id, .codec = BLOB_ZSTD, .iov = &s->iov, .niov = 1};
	s->op.exec = settle_exec;
	s->op.blobs = s->packed.n ? &s->blob : NULL;
	s->op.nblobs = s->packed.n ? 1 : 0;
}

void queue_settle_free(struct queue_settle **s)
{
	if (!*s)
		return;
	arena_free(&(*s)->arena);
	arena_free(&(*s)->scratch);
	buf_fini(&(*s)->packed);
	mem_free(*s);
	*s = NULL;
}
