/*
 * One SMTP client session: from a job to a route, along its hops until one answers, through the
 * message, and on with the next job for the same destination while the connection is open.
 *
 * States: a session has a route under way, or a drive (connecting, or with an engine), or is about to
 * end. A failure before the server is ready for a message leads to the next hop, and so does a session
 * that breaks off before it has said anything about a recipient; what it says is reported. TLS is opportunistic unless a route asks for more: where its handshake fails the hop is
 * tried again without. A connection that was kept open and ends as it is given a message is replaced:
 * nothing was heard of it.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "proc/log.h"
#include "proc/relay.h"

#define ROUTE_MS     (5 * MINUTE_MS) /* far more than the resolver takes for all lookups */
#define IDLE_MS      2000            /* an open connection waits so long for another message */
#define MESSAGES_MAX 100             /* over one connection */

/* A failure of a hop. */
struct hop_failure {
	size_t hop;
	struct queue_attempt attempt;
	char text[256];
};

struct relay_session {
	struct list link;
	struct relay *relay;
	struct config_snapshot *config; /* as it was at the beginning */
	struct arena *arena;
	struct str destination;
	struct rs_route routed; /* the server that the administrator names for it, if any */
	struct relay_route route;
	size_t hop;
	bool plain; /* without TLS, since the handshake failed on this hop */
	struct net_drive *drive;
	struct smtp_client *engine;
	struct smtp_client_config cfg;
	struct buf dialogue;
	bool busy;      /* the engine's pending effect is being carried out */
	bool idle;      /* it is READY, and there is no job */
	bool timed_out; /* the deadline at hand has passed */
	bool ready;     /* the server was ready for a message */
	bool again;     /* the kept connection ended: another one to the same hop */
	unsigned messages;
	uv_timer_t timer; /* routing, connecting, idle */
	struct relay_job *job;
	struct ipc_call read;
	struct buf held; /* of the content, not yet taken by the engine */
	bool read_ended, read_failed;
	char tls[160];
	struct hop_failure last; /* of the hop at hand */
	struct hop_failure kept; /* of those before it, the one that counts */
	bool has_kept;
};

static int64_t now_ms(void)
{
	return clock_mono();
}

/* ---- the end ---- */
static void on_timer_closed(uv_handle_t *h)
{
	mem_free(h->data);
}

static void session_free(struct relay_session *s)
{
	MUST(!s->drive && !s->job);
	ipc_call_cancel(&s->read);
	relay_route_fini(&s->route);
	smtp_client_free(&s->engine);
	buf_fini(&s->dialogue);
	buf_fini(&s->held);
	config_unref(&s->config);
	arena_free(&s->arena);
	list_remove(&s->link);
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

static struct relay_remote remote_of(struct relay_session *s)
{
	struct relay_remote remote = {.tls = str_of_c(s->tls), .dialogue = buf_view(&s->dialogue)};

	if (s->hop < s->route.nhops) {
		remote.name = s->route.hops[s->hop].host;
		remote.ip = s->route.hops[s->hop].addr.ip;
	}
	if (s->engine && s->ready)
		remote.dsn = smtp_client_facts(s->engine)->extensions & SMTP_EXT_DSN;
	return remote;
}

static void stop_reading(struct relay_session *s)
{
	ipc_call_cancel(&s->read);
	buf_fini(&s->held);
}

static void job_over(struct relay_session *s)
{
	stop_reading(s);
	buf_clear(&s->dialogue);
	s->job = NULL;
}

static void fail_job(struct relay_session *s)
{
	struct relay_remote remote = remote_of(s);

	relay_job_fail(s->job, &remote, &s->last.attempt, str_of_c(s->last.text));
	job_over(s);
}

static void remember(struct relay_session *s, const struct queue_attempt *attempt, struct str text)
{
	s->last.hop = s->hop;
	s->last.attempt = *attempt;
	snprintf(s->last.text, sizeof s->last.text, "%.*s", STR_FMT(str_sub(text, 0, 200)));
}

/* ---- the content, from store ---- */
static void feed_body(struct relay_session *s);

static void on_read_chunk(struct ipc_call *call, struct str bytes)
{
	struct relay_session *s = LIST_ENTRY(call, struct relay_session, read);

	buf_str(&s->held, bytes);
	feed_body(s);
}

static void on_read_end(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct relay_session *s = LIST_ENTRY(call, struct relay_session, read);
	enum rs_verdict verdict = RS_TEMPORARY;

	if (end == IPC_REPLIED)
		rs_verdict_get(payload, &verdict);
	s->read_ended = true;
	s->read_failed = verdict != RS_DONE;
	feed_body(s);
}

static void start_reading(struct relay_session *s)
{
	struct ipc_link *link = relay_link(s->relay->store);
	struct buf payload;

	buf_init(&payload, 64);
	buf_init(&s->held, LIMIT_IPC_CREDIT);
	rs_handle_put(&payload, &s->job->job.lease);
	s->read = (struct ipc_call){.on_chunk = on_read_chunk, .on_end = on_read_end};
	s->read_ended = s->read_failed = !link;
	if (link)
		ipc_call_start(link, &s->read, RS_READ, buf_view(&payload), -1);
	buf_fini(&payload);
}

/* The next piece, if the engine waits for one and there is one. */
static bool give_body(struct relay_session *s)
{
	struct str piece = str_sub(buf_view(&s->held), 0, LIMIT_BODY_CHUNK);
	struct smtp_client_result r = {.body = piece};

	if (s->read_failed) {
		r = (struct smtp_client_result){
		    .failed = true, .text = STR("the message could not be read from our store")};
	} else if (piece.n == 0 && !s->read_ended) {
		return false;
	} else {
		r.last = s->read_ended && piece.n == s->held.n;
	}
	s->busy = false;
	smtp_client_done(s->engine, &r, now_ms());
	buf_drop(&s->held, r.failed ? 0 : piece.n);
	ipc_call_credit(&s->read, r.failed ? 0 : piece.n);
	return true;
}

static void feed_body(struct relay_session *s)
{
	const struct smtp_client_effect *e = s->engine ? smtp_client_effect(s->engine) : NULL;

	if (s->busy && e && e->kind == SMTP_CLIENT_BODY && give_body(s))
		net_drive_pump(s->drive);
}

/* ---- effects of the engine ---- */
static void quit(struct relay_session *s)
{
	s->idle = false;
	s->busy = false;
	uv_timer_stop(&s->timer);
	smtp_client_done(s->engine, &(struct smtp_client_result){0}, now_ms());
}

static void on_idle_timeout(uv_timer_t *timer)
{
	struct relay_session *s = timer->data;

	quit(s);
	net_drive_pump(s->drive);
}

static void give_message(struct relay_session *s)
{
	s->idle = false;
	s->busy = false;
	s->messages++;
	s->timed_out = false;
	uv_timer_stop(&s->timer);
	start_reading(s);
	smtp_client_done(
	    s->engine, &(struct smtp_client_result){.next = &s->job->message}, now_ms());
}

static void do_ready(struct relay_session *s)
{
	s->ready = true;
	if (s->job) {
		give_message(s);
	} else if (s->relay->draining || s->messages >= MESSAGES_MAX) {
		quit(s);
	} else {
		s->idle = true;
		uv_timer_start(&s->timer, on_idle_timeout, IDLE_MS, 0);
	}
}

/* Nothing was heard of the message but the end of a connection that had carried others. */
static bool is_unheard(struct relay_session *s, const struct smtp_client_effect *e)
{
	for (size_t i = 0; i < e->verdict_count; i++) {
		struct queue_attempt a = relay_attempt_of(&e->verdicts[i], 0, s->timed_out);

		if (!relay_attempt_is_unheard(&a))
			return false;
	}
	return s->messages > 1;
}

/* The host has said nothing about any recipient and cannot have the message; there is another one. */
static bool may_go_on(struct relay_session *s, const struct smtp_client_effect *e)
{
	for (size_t i = 0; i < e->verdict_count; i++)
		if (!relay_attempt_is_open(&e->verdicts[i], s->timed_out))
			return false;
	return s->hop + 1 < s->route.nhops;
}

static void report_job(struct relay_session *s, const struct smtp_client_effect *e)
{
	struct rs_outcome *outcomes = arena_array(
	    s->job->arena, e->verdict_count, sizeof *outcomes);
	struct relay_remote remote = remote_of(s);
	size_t accepted = 0;

	for (size_t i = 0; i < e->verdict_count; i++) {
		const struct smtp_verdict *v = &e->verdicts[i];

		outcomes[i] = (struct rs_outcome){s->job->recipients[i].number,
		    relay_attempt_of(v, accepted, s->timed_out), v->reply.text};
		accepted += v->stage != SMTP_STAGE_RCPT;
	}
	relay_job_report(s->job, &remote, outcomes, e->verdict_count);
	job_over(s);
}

static void do_report(struct relay_session *s, const struct smtp_client_effect *e)
{
	s->again = is_unheard(s, e);
	if (s->again || may_go_on(s, e))
		stop_reading(s); /* the job stays for the next connection */
	else
		report_job(s, e);
	s->busy = false;
	smtp_client_done(s->engine, NULL, now_ms());
}

/* The server's name for SNI; an address has none. */
static const char *server_name(struct relay_session *s)
{
	struct str host = s->route.hops[s->hop].host;

	return str_has_prefix(host, STR("[")) ? NULL : arena_cstr(s->arena, host);
}

static void do_starttls(struct relay_session *s)
{
	struct net_tls_start start = {.ctx = s->relay->tls,
	    .name = server_name(s),
	    .verify = s->routed.tls == CONFIG_ROUTE_VERIFY,
	    .timeout = s->config->timeouts.relay_connect};

	net_drive_start_tls(s->drive, &start);
}

static void do_closed(struct relay_session *s, const struct smtp_client_effect *e)
{
	if (s->job) {
		struct queue_attempt a = relay_attempt_of(&e->verdict, 0, s->timed_out);

		remember(s, &a, e->verdict.reply.text);
	}
	s->busy = false;
	smtp_client_done(s->engine, NULL, now_ms());
	if (s->timed_out && s->drive) /* nobody is there to read what is left to say */
		net_drive_close(s->drive);
}

static void on_effects(void *ctx)
{
	struct relay_session *s = ctx;
	const struct smtp_client_effect *e;

	while (!s->busy && (e = smtp_client_effect(s->engine))) {
		s->busy = true;
		switch (e->kind) {
		case SMTP_CLIENT_STARTTLS:
			do_starttls(s);
			break;
		case SMTP_CLIENT_READY:
			do_ready(s);
			break;
		case SMTP_CLIENT_BODY:
			give_body(s);
			break;
		case SMTP_CLIENT_REPORT:
			do_report(s, e);
			break;
		case SMTP_CLIENT_CLOSED:
			do_closed(s, e);
			break;
		}
		if (s->idle)
			return;
	}
}

/* An idle session: the server may close while READY is pending. */
static void on_idle_effects(struct relay_session *s)
{
	const struct smtp_client_effect *e = smtp_client_effect(s->engine);

	if (s->idle && (!e || e->kind != SMTP_CLIENT_READY)) {
		s->idle = false;
		s->busy = false;
		uv_timer_stop(&s->timer);
	}
}

/* ---- the driver's view ---- */
static struct smtp_client *engine_of(void *ctx)
{
	return ((struct relay_session *)ctx)->engine;
}

NET_DRIVE_CALLBACKS(smtp_client, engine_of)

static void on_tick(void *ctx, int64_t now)
{
	struct relay_session *s = ctx;

	s->timed_out = drive_deadline(s) <= now;
	drive_tick(s, now);
}

static void on_any_effects(void *ctx)
{
	on_idle_effects(ctx);
	on_effects(ctx);
}

/* ---- hops ---- */
static void try_hop(struct relay_session *s);

/* [RFC 5321 4.5.3.2] */
static void set_timeouts(struct smtp_client_timeouts *t, const struct config_timeouts *o)
{
	t->greeting = t->helo = t->mail = t->rcpt = o->relay_command;
	t->data = o->relay_data;
	t->body = o->relay_body;
	t->end = o->relay_end;
}

static void on_connected(void *ctx)
{
	static const enum smtp_tls_policy policies[] = {
	    [CONFIG_ROUTE_MAY] = SMTP_TLS_MAY,
	    [CONFIG_ROUTE_REQUIRE] = SMTP_TLS_REQUIRE,
	    [CONFIG_ROUTE_VERIFY] = SMTP_TLS_REQUIRE,
	    [CONFIG_ROUTE_NONE] = SMTP_TLS_NONE,
	};
	struct relay_session *s = ctx;

	uv_timer_stop(&s->timer);
	smtp_client_config_init(&s->cfg);
	s->cfg.helo = s->config->hostname;
	s->cfg.tls = s->plain ? SMTP_TLS_NONE : policies[s->routed.tls];
	s->cfg.user = s->routed.user;
	s->cfg.password = s->routed.password;
	s->cfg.dialogue = &s->dialogue;
	set_timeouts(&s->cfg.timeouts, &s->config->timeouts);
	s->engine = smtp_client_new(&s->cfg, now_ms());
	s->busy = s->idle = s->ready = s->timed_out = false;
	s->messages = 0;
	net_drive_start(s->drive);
}

static void on_secured(void *ctx, const struct net_tls_info *info)
{
	struct relay_session *s = ctx;

	if (!info->ok)
		return; /* closed() follows */
	snprintf(s->tls, sizeof s->tls, "%s %s, certificate %s", info->version, info->cipher,
	    info->verified ? "verified" : "not verified");
	s->busy = false;
	smtp_client_done(s->engine, NULL, now_ms());
}

/* A server may reset a connection in the moment in which it opens. */
static enum queue_problem connect_problem(const struct relay_session *s, const char *why)
{
	static const struct {
		struct str words;
		enum queue_problem problem;
	} known[] = {
	    {STR_INIT("timed out"), QUEUE_PROBLEM_TIMEOUT},
	    {STR_INIT("refused"), QUEUE_PROBLEM_REFUSED},
	    {STR_INIT("reset"), QUEUE_PROBLEM_LOST},
	};
	struct str text = str_of_c(why);

	if (s->timed_out)
		return QUEUE_PROBLEM_TIMEOUT;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (str_find_str(text, known[i].words) < text.n)
			return known[i].problem;
	return QUEUE_PROBLEM_UNREACHABLE;
}

/* The failure of the hop at hand joins those before it. */
static void keep_failure(struct relay_session *s)
{
	if (!s->has_kept || !relay_attempt_outweighs(&s->kept.attempt, &s->last.attempt))
		s->kept = s->last;
	s->has_kept = true;
}

/* Every hop was tried: back to the queue. */
static void give_up(struct relay_session *s)
{
	s->last = s->kept;
	s->hop = s->kept.hop;
	fail_job(s);
	session_free(s);
}

/* The hop may work without TLS: it broke, or the server was gone before it said a word over it. */
static bool is_tls_at_fault(const struct relay_session *s)
{
	const struct queue_attempt *a = &s->last.attempt;

	if (s->plain || s->routed.tls != CONFIG_ROUTE_MAY)
		return false;
	return a->stage == QUEUE_STAGE_TLS ||
	       (s->tls[0] && a->stage == QUEUE_STAGE_HELO && a->problem == QUEUE_PROBLEM_LOST);
}

/* The hop for the next connection: the same once more, or the one behind it. */
static void choose_hop(struct relay_session *s)
{
	if (s->again) {
		s->again = false;
	} else if (is_tls_at_fault(s)) {
		s->plain = true;
	} else {
		keep_failure(s);
		s->plain = false;
		s->hop++;
	}
	s->tls[0] = 0;
}

/* The connection has ended while a job is left. */
static void go_on_after_failure(struct relay_session *s)
{
	if (s->relay->draining) {
		relay_job_abandon(s->job);
		job_over(s);
		session_free(s);
		return;
	}
	choose_hop(s);
	if (s->hop < s->route.nhops)
		try_hop(s);
	else
		give_up(s);
}

/* What the engine still waits for does not come any more. */
static void end_engine(struct relay_session *s, const char *why)
{
	struct smtp_client_result r = {.failed = true, .text = str_of_c(why)};

	if (smtp_client_effect(s->engine) && s->busy) {
		s->busy = false;
		smtp_client_done(s->engine, &r, now_ms());
		on_effects(s);
	}
	smtp_client_free(&s->engine);
}

static void on_closed(void *ctx, enum net_end end, const char *why)
{
	struct relay_session *s = ctx;
	struct relay *relay = s->relay;
	bool spoke = s->engine;

	uv_timer_stop(&s->timer);
	s->drive = NULL;
	if (spoke)
		end_engine(s, why);
	if (s->job && !spoke)
		remember(s,
		    &(struct queue_attempt){
			.stage = QUEUE_STAGE_CONNECT, .problem = connect_problem(s, why)},
		    str_of_c(why));
	else if (s->job && end == NET_END_TLS && !s->ready)
		remember(s,
		    &(struct queue_attempt){.stage = QUEUE_STAGE_TLS, .problem = QUEUE_PROBLEM_TLS},
		    str_of_c(why));
	if (s->job)
		go_on_after_failure(s);
	else
		session_free(s);
	relay_want_jobs(relay);
}

static const struct net_drive_engine drive_engine = {
    .feed = drive_feed,
    .out = drive_out,
    .sent = drive_sent,
    .wants = drive_wants,
    .deadline = drive_deadline,
    .tick = on_tick,
    .eof = drive_eof,
    .effects = on_any_effects,
    .connected = on_connected,
    .secured = on_secured,
    .closed = on_closed,
};

static void on_connect_timeout(uv_timer_t *timer)
{
	struct relay_session *s = timer->data;

	s->timed_out = true;
	net_drive_close(s->drive);
}

static void try_hop(struct relay_session *s)
{
	s->timed_out = false;
	uv_timer_start(
	    &s->timer, on_connect_timeout, (uint64_t)s->config->timeouts.relay_connect, 0);
	s->drive = net_drive_connect(
	    s->relay->loop, &s->route.hops[s->hop].addr, NULL, &drive_engine, s);
}

static void routed(struct relay_route *route, enum queue_problem problem, struct str text)
{
	struct relay_session *s = LIST_ENTRY(route, struct relay_session, route);

	if (problem == QUEUE_PROBLEM_NONE) {
		try_hop(s);
		return;
	}
	remember(s, &(struct queue_attempt){.stage = QUEUE_STAGE_LOOKUP, .problem = problem}, text);
	fail_job(s);
	session_free(s);
}

static void on_route_timeout(uv_timer_t *timer)
{
	relay_route_give_up(&((struct relay_session *)timer->data)->route);
}

/* ---- taking jobs ---- */
static bool is_same_route(const struct rs_route *a, const struct rs_route *b)
{
	return str_eq(a->host, b->host) && a->port == b->port && a->tls == b->tls &&
	       str_eq(a->user, b->user) && str_eq(a->password, b->password);
}

static struct relay_session *find_idle(struct relay *relay, const struct rs_job *job)
{
	LIST_FOREACH(&relay->sessions, it)
	{
		struct relay_session *s = LIST_ENTRY(it, struct relay_session, link);

		if (s->idle && str_eq(s->destination, job->destination) &&
		    is_same_route(&s->routed, &job->route))
			return s;
	}
	return NULL;
}

static void session_start(struct relay *relay, struct relay_job *job)
{
	struct relay_session *s = mem_new(struct relay_session);

	s->relay = relay;
	s->config = config_ref(relay->config);
	s->arena = arena_new();
	s->destination = arena_str(s->arena, job->job.destination);
	s->routed = job->job.route;
	s->routed.host = arena_str(s->arena, s->routed.host);
	s->routed.user = arena_str(s->arena, s->routed.user);
	s->routed.password = arena_str(s->arena, s->routed.password);
	s->job = job;
	buf_init(&s->dialogue, RS_DIALOGUE_MAX);
	buf_init(&s->held, LIMIT_IPC_CREDIT);
	uv_timer_init(relay->loop, &s->timer);
	s->timer.data = s;
	list_push(&relay->sessions, &s->link);
	uv_timer_start(&s->timer, on_route_timeout, ROUTE_MS, 0);
	relay_route_start(&s->route, relay, s->config, &job->job, routed);
}

void relay_session_take(struct relay *relay, struct relay_job *job)
{
	struct relay_session *s = find_idle(relay, &job->job);

	if (!s) {
		session_start(relay, job);
		return;
	}
	s->job = job;
	give_message(s);
	net_drive_pump(s->drive);
}

void relay_session_drain(struct relay *relay)
{
	LIST_FOREACH(&relay->sessions, it)
	{
		struct relay_session *s = LIST_ENTRY(it, struct relay_session, link);

		if (s->idle) {
			quit(s);
			net_drive_pump(s->drive);
		} else if (s->drive && !(s->ready && s->job)) {
			net_drive_close(s->drive);
		} else if (!s->drive) { /* it is still looking for the way */
			relay_job_abandon(s->job);
			job_over(s);
			session_free(s);
		}
	}
}
