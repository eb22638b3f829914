/*
 * The link to a relay, and its results. Everything is checked against the leases in the database; the
 * link itself remembers only who is at its other end.
 */
#include <unistd.h>

#include "base/mem.h"
#include "proc/child.h"
#include "proc/log.h"
#include "proc/store_callout.h"
#include "proc/store_relay_priv.h"
#include "queue/queue_text.h"
#include "store/queue_settle.h"

/* Requests of all kinds; no relay that is well has more. */
#define BUSY_MAX (2 * STORE_RELAY_READS_MAX)

static void free_if_unused(struct store_relay *r)
{
	if (r->peer || r->busy)
		return;
	list_remove(&r->link);
	mem_free(r);
}

void store_relay_hold(struct store_relay *r)
{
	r->busy++;
}

void store_relay_unhold(struct store_relay *r)
{
	r->busy--;
	free_if_unused(r);
}

void store_relay_end(struct ipc_request *request, enum rs_verdict verdict)
{
	struct buf b;

	buf_init(&b, 8);
	rs_verdict_put(&b, verdict);
	ipc_request_end(request, buf_view(&b));
	buf_fini(&b);
}

void store_relay_log_refused(const struct store_relay *r, const char *what)
{
	log_open(LOG_WARN, "relay-refused");
	log_num("node", r->node);
	log_text("what", what);
	log_close();
}

bool store_relay_is_too_busy(const struct store_relay *r, const char *what)
{
	if (r->busy < BUSY_MAX)
		return false;
	store_relay_log_refused(r, what);
	return true;
}

/* ---- RESULT ---- */

struct settling {
	struct store_relay *relay;
	struct ipc_request *request;
};

static void log_result(const struct queue_settle *s)
{
	log_open(LOG_INFO, s->stale ? "attempt-stale" : "attempt");
	log_id("id", s->message);
	log_str("server", s->remote);
	log_str("ip", s->remote_ip);
	log_str("tls", s->tls);
	log_num("delivered", s->counts[QUEUE_DELIVERED]);
	log_num("failed", s->counts[QUEUE_FAILED]);
	log_num("waiting",
	    s->counts[QUEUE_RETRY] + s->counts[QUEUE_RETRY_HOST] + s->counts[QUEUE_RETRY_NOW]);
	log_close();
}

static void settle_done(struct lane_op *op)
{
	struct queue_settle *s = LIST_ENTRY(op, struct queue_settle, op);
	struct settling *t = s->user;
	struct store_queue *q = t->relay->queue;

	if (op->result != LANE_DONE) {
		store_queue_failed(q, "result", op);
		store_relay_end(t->request, op->result == LANE_CLOSED ? RS_CLOSED : RS_TEMPORARY);
	} else {
		log_result(s);
		store_relay_end(t->request, s->stale ? RS_STALE : RS_DONE);
	}
	queue_settle_free(&s);
	store_relay_unhold(t->relay);
	mem_free(t);
	store_queue_kick(q);
}

static struct str ip_text(struct arena *a, const struct ip *ip)
{
	static const struct ip none;
	struct str text = STR("");
	struct buf b;

	if (ip_eq(ip, &none))
		return text;
	buf_init(&b, 64);
	ip_put(&b, ip);
	text = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return text;
}

struct str store_relay_clean(struct arena *a, struct str text, size_t max)
{
	struct buf b;

	buf_init(&b, max);
	queue_text_clean(&b, text, max, true);
	text = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return text;
}

static bool copy_outcomes(struct queue_settle *s, const struct rs_result *m)
{
	struct queue_verdict *v = arena_array(s->arena, m->count, sizeof *v);
	struct cur c = cur_of(m->outcomes);

	for (size_t i = 0; i < m->count; i++) {
		struct rs_outcome o;

		if (!rs_outcome_next(&c, &o))
			return false;
		v[i] = (struct queue_verdict){o.number, o.attempt, arena_str(s->arena, o.text)};
	}
	s->outcomes = v;
	s->n = m->count;
	return cur_done(&c);
}

static void fill_lease(struct queue_settle *s, struct store_relay *r, const struct rs_lease *lease)
{
	s->cfg = store_queue_config(r->queue, s->arena);
	s->owner = r->owner;
	s->message = lease->message;
	s->token = lease->token;
}

/* Everything of the result, copied. False: malformed. */
static bool fill(struct queue_settle *s, struct store_relay *r, struct str payload)
{
	struct rs_result m;

	if (!rs_result_get(payload, &m) || !copy_outcomes(s, &m))
		return false;
	fill_lease(s, r, &m.lease);
	s->remote = store_relay_clean(s->arena, m.remote_name, LIMIT_SMTP_DOMAIN);
	s->remote_ip = ip_text(s->arena, &m.remote_ip);
	s->tls = store_relay_clean(s->arena, m.tls, LIMIT_LOG_VALUE);
	s->dsn = m.dsn;
	s->by = m.by;
	s->dialogue = arena_str(s->arena, m.dialogue);
	s->dialogue_id = id_make(&r->queue->ids, clock_now());
	return true;
}

/* Of a malformed one the lease: it ends all the same, as an attempt that came to nothing. False: none is named. */
static bool fill_unread(struct queue_settle *s, struct store_relay *r, struct str payload)
{
	static const struct queue_verdict trouble = {QUEUE_VERDICT_OF_ALL,
	    {.stage = QUEUE_STAGE_LOOKUP, .problem = QUEUE_PROBLEM_LOCAL},
	    STR_INIT("what became of it cannot be read")};
	struct rs_lease lease;

	if (!rs_result_lease(payload, &lease))
		return false;
	fill_lease(s, r, &lease);
	s->outcomes = &trouble;
	s->n = 1;
	return true;
}

static void take_result(struct store_relay *r, struct ipc_request *request, struct str payload)
{
	struct queue_settle *s = queue_settle_new();
	struct settling *t;
	bool read = fill(s, r, payload);

	if (!read)
		store_relay_log_refused(r, "a result that cannot be read");
	if (!read && !fill_unread(s, r, payload)) {
		store_relay_end(request, RS_STALE);
		queue_settle_free(&s);
		return;
	}
	if (store_relay_is_too_busy(r, "a result, too many at a time")) {
		store_relay_end(request, RS_TEMPORARY);
		queue_settle_free(&s);
		return;
	}
	t = mem_new(struct settling);
	t->relay = r;
	t->request = request;
	s->user = t;
	queue_settle_prepare(s, r->queue->packer);
	s->op.done = settle_done;
	store_relay_hold(r);
	store_write(r->sp->store, &s->op);
}

/* ---- HELLO and EXTEND ---- */

struct extending {
	struct queue_extend extend;
	struct store_relay *relay;
};

static void extend_done(struct lane_op *op)
{
	struct extending *x = LIST_ENTRY(op, struct extending, extend.op);
	struct store_relay *r = x->relay;

	if (op->result != LANE_DONE)
		store_queue_failed(r->queue, "extend", op);
	mem_free(x);
	store_relay_unhold(r);
}

static void take_extend(struct store_relay *r, struct str payload)
{
	struct extending *x;
	struct rs_lease lease;

	if (r->owner == 0 || !rs_handle_get(payload, &lease)) {
		store_relay_log_refused(r, "more time, by a handle that is none");
		return;
	}
	store_queue_kept(r->queue, lease.token);
	if (r->sp->draining || store_relay_is_too_busy(r, "more time, too often"))
		return;
	x = mem_new(struct extending);
	x->relay = r;
	x->extend.owner = r->owner;
	x->extend.message = lease.message;
	x->extend.token = lease.token;
	queue_extend_init(&x->extend);
	x->extend.op.done = extend_done;
	store_relay_hold(r);
	store_write(r->sp->store, &x->extend.op);
}

static void take_hello(struct store_relay *r, struct str payload)
{
	int64_t owner;

	if (r->owner || !rs_hello_get(payload, &owner)) {
		store_relay_log_refused(r, "to be somebody else");
		return;
	}
	r->owner = owner;
	store_queue_greeted(r->queue);
	store_callouts_greeted(r->sp->callouts);
}

static void take_called(struct store_relay *r, struct str payload)
{
	/* one that cannot be read ends its question too */
	struct rs_called m = {
	    .attempt = {.stage = QUEUE_STAGE_LOOKUP, .problem = QUEUE_PROBLEM_LOCAL}};
	bool read = rs_called_get(payload, &m);

	if (!read)
		rs_called_number(payload, &m.number);
	if (!store_callouts_called(r->sp->callouts, r, &m) || !read)
		store_relay_log_refused(r, "to answer a callout that it does not have");
}

/* ---- the link ---- */

static void on_request(struct peer *p, struct ipc_request *request, struct str payload, int fd)
{
	static void (*const take[RS_TYPES])(
	    struct store_relay * r, struct ipc_request * request, struct str payload) = {
	    [RS_LEASE] = store_relay_take_lease,
	    [RS_WAY] = store_relay_take_way,
	    [RS_READ] = store_relay_take_read,
	    [RS_RESULT] = take_result,
	};

	MUST(request->type < RS_TYPES && take[request->type]);
	take[request->type](p->owner, request, payload);
	if (fd >= 0)
		close(fd);
}

static void on_event(struct peer *p, uint16_t type, struct str payload, int fd)
{
	if (type == RS_HELLO)
		take_hello(p->owner, payload);
	else if (type == RS_CALLED)
		take_called(p->owner, payload);
	else
		take_extend(p->owner, payload);
	if (fd >= 0)
		close(fd);
}

static void on_down(struct peer *p, const char *why)
{
	struct store_relay *r = p->owner;
	struct buf b;

	r->peer = NULL;
	if (why) { /* it broke the protocol: it may be taken over */
		buf_init(&b, 8);
		sc_peer_put(&b, SC_ROLE_RELAY, r->node);
		child_tell(SC_BAD_PEER, buf_view(&b));
		buf_fini(&b);
	}
	if (r->sp
		->store) { /* else it is the end of the process, and nothing is left to give back */
		store_callouts_gone(r->sp->callouts, r);
		store_queue_gone(r->queue);
	}
	free_if_unused(r);
}

/* Those who read mail for it and had no room may go on. */
static void on_sent(struct peer *p)
{
	struct store_relay *r = p->owner;

	store_flow_move(&r->flow, p->link);
}

static const struct peer_config relay_peer = {
    &rs_edge, IPC_ANSWERER, "relay", on_request, on_event, on_down, on_sent};

void store_relay_new(struct store_process *sp, uint16_t node, int fd)
{
	struct store_relay *r = mem_new(struct store_relay);

	r->sp = sp;
	r->queue = sp->queue;
	r->node = node;
	store_flow_init(&r->flow);
	list_push(&sp->queue->relays, &r->link);
	r->peer = peer_new(sp->loop, &relay_peer, fd, r);
	r->peer->node = node;
}
