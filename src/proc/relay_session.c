/*
 * One SMTP client session: from a job to a route, along its hops until one answers, through the
 * message, and on with the next job for the same destination while the connection is open.
 *
 * States: a session has a route under way, or a drive (connecting, or with an engine), or is about to
 * end. A failure before the server is ready for a message leads to the next hop, and so does a session
 * that breaks off before it has said anything about a recipient; what it says is reported. A host that
 * the DNS could not tell the way to counts as one that failed for now. TLS is
 * opportunistic unless a route asks for more: where it fails the hop is tried again without. A
 * connection that was kept open and ends as it is given a message is replaced: nothing was heard of it.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "proc/log.h"
#include "proc/relay_session_priv.h"

#define ROUTE_MS (5 * MINUTE_MS) /* far more than the resolver takes for all lookups */

/* Of a relay that is to stop: the supervisor waits for 30 seconds, and store ends after it. */
#define STILL_MS (5 * SECOND_MS)  /* a session waits so long for one answer before its content */
#define REST_MS  (20 * SECOND_MS) /* and for anything: the kernel hides how content moves */

/* ---- the end ---- */
static void on_timer_closed(uv_handle_t *h)
{
	mem_free(h->data);
}

static void session_free(struct relay_session *s)
{
	MUST(!s->drive && !s->job);
	ipc_call_cancel(&s->way);
	relay_route_fini(&s->route);
	smtp_client_free(&s->engine);
	smtp_dialogue_fini(&s->dialogue);
	relay_talk_stop_reading(s);
	buf_fini(&s->lead);
	config_unref(&s->config);
	arena_reset(s->arena, s->routed.password.n > 0);
	arena_free(&s->arena);
	list_remove(&s->link);
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

/* ---- the driver's view ---- */
static struct smtp_client *engine_of(void *ctx)
{
	return ((struct relay_session *)ctx)->engine;
}

NET_DRIVE_CALLBACKS(smtp_client, engine_of)

static void on_unsent(void *ctx, size_t n)
{
	smtp_client_unsent(engine_of(ctx), n);
}

static void on_eof(void *ctx, int64_t now)
{
	struct relay_session *s = ctx;

	if (s->left)
		smtp_client_leave(
		    s->engine, STR("this server was to stop before the other one answered"), now);
	else if (s->silence == QUEUE_PROBLEM_BRIEF)
		smtp_client_leave(s->engine, STR(""), now);
	else
		drive_eof(s, now);
}

/* Of a brief job, until the server asks for content. */
static int64_t on_deadline(void *ctx)
{
	struct relay_session *s = ctx;
	int64_t at = drive_deadline(s);

	return s->brief < at && !smtp_client_is_at_content(s->engine) ? s->brief : at;
}

static void on_tick(void *ctx, int64_t now)
{
	struct relay_session *s = ctx;

	if (drive_deadline(s) <= now) {
		s->silence = QUEUE_PROBLEM_TIMEOUT;
		drive_tick(s, now);
	} else if (on_deadline(s) <= now) {
		s->silence = QUEUE_PROBLEM_BRIEF;
		net_drive_close(s->drive);
	}
}

/* ---- hops ---- */
static void try_hop(struct relay_session *s);

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
	s->cfg.helo = s->config->relay_helo.n ? s->config->relay_helo : s->config->hostname;
	s->cfg.tls = s->plain ? SMTP_TLS_NONE : policies[s->routed.tls];
	s->cfg.user = s->routed.user;
	s->cfg.password = s->routed.password;
	s->cfg.dialogue = &s->dialogue;
	if (s->unchunked)
		s->cfg.chunk = 0;
	s->cfg.timeouts = s->times.talk;
	s->engine = smtp_client_new(&s->cfg, clock_mono());
	s->busy = s->idle = s->ready = false;
	s->silence = QUEUE_PROBLEM_LOST;
	s->messages = 0;
	s->connected = clock_mono();
	s->carried = 0;
	net_drive_start(s->drive);
}

/* Somebody in between may have said them: an administrator wants to hear of it. */
static void note_injected(struct relay_session *s, size_t octets)
{
	struct buf *b;

	if (octets == 0)
		return;
	log_open(LOG_WARN, "plaintext-behind-starttls");
	log_str("host", s->route.hops[s->hop].host);
	log_ip("ip", &s->route.hops[s->hop].addr.ip);
	log_num("octets", (int64_t)octets);
	log_close();
	b = smtp_dialogue_begin(&s->dialogue, "* ");
	buf_u64(b, octets);
	buf_lit(b, " octets before TLS were dropped");
	smtp_dialogue_end(&s->dialogue);
}

static void on_secured(void *ctx, const struct net_tls_info *info)
{
	struct relay_session *s = ctx;

	if (!info->ok)
		return; /* closed() follows */
	snprintf(s->tls, sizeof s->tls, "%s %s, certificate %s", info->version, info->cipher,
	    info->verified ? "verified" : "not verified");
	note_injected(s, info->dropped + smtp_client_facts(s->engine)->injected);
	buf_c(smtp_dialogue_begin(&s->dialogue, "* "), s->tls);
	smtp_dialogue_end(&s->dialogue);
	s->busy = false;
	smtp_client_done(s->engine, NULL, clock_mono());
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

	if (s->silence != QUEUE_PROBLEM_LOST)
		return s->silence;
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

/* A host to which no connection is free has said nothing; what another one did say may not end the message. */
static bool is_told_by_another(const struct relay_session *s)
{
	return s->has_kept && s->last.attempt.problem == QUEUE_PROBLEM_LOCAL &&
	       queue_result_of(&s->kept.attempt).outcome != QUEUE_FAILED;
}

void relay_session_pass(
    struct relay_session *s, size_t hop, const struct queue_attempt *attempt, struct str text)
{
	s->hop = hop;
	relay_talk_remember(s, attempt, text);
	if (!is_told_by_another(s))
		keep_failure(s);
}

void relay_session_give_up(struct relay_session *s)
{
	s->last = s->kept;
	s->hop = s->kept.hop;
	relay_talk_fail(s);
	session_free(s);
}

/* The hop may work without TLS: it broke, or the server did not say one sensible word over it. */
static bool is_tls_at_fault(const struct relay_session *s)
{
	const struct queue_attempt *a = &s->last.attempt;

	if (s->plain || s->routed.tls != CONFIG_ROUTE_MAY)
		return false;
	return a->stage == QUEUE_STAGE_TLS ||
	       (s->tls[0] && a->stage == QUEUE_STAGE_HELO && a->problem != QUEUE_PROBLEM_NONE);
}

void relay_session_let_go(struct relay_session *s)
{
	relay_job_abandon(s->job);
	relay_talk_over(s);
	session_free(s);
}

static bool is_same_host(const struct relay_session *s, size_t hop)
{
	return hop < s->route.nhops &&
	       str_eq(s->route.hops[hop].place, s->route.hops[s->hop].place);
}

/* The others of its addresses would say the same: a password that is wrong is not tried at each of them. */
static bool is_login_refused(const struct relay_session *s)
{
	const struct queue_attempt *a = &s->last.attempt;

	return a->stage == QUEUE_STAGE_AUTH && a->code / 100 == 5;
}

/* The one behind the hop at hand. */
static size_t next_hop(const struct relay_session *s)
{
	size_t hop = s->hop + 1;

	while (is_login_refused(s) && is_same_host(s, hop))
		hop++;
	return hop;
}

/*
 * The hop for the next connection: the same once more, or the one behind it. False: the host has failed,
 * and which is next is to be asked.
 */
static bool choose_hop(struct relay_session *s)
{
	size_t next = next_hop(s);
	bool same = true;

	if (s->again) {
		s->again = false;
	} else if (is_tls_at_fault(s)) {
		s->plain = true;
	} else {
		keep_failure(s);
		s->plain = s->unchunked = false;
		same = is_same_host(s, next);
		s->hop = same ? next : s->hop;
	}
	s->tls[0] = 0;
	return same;
}

/* The dialogue is of several connections: where the one before ended, and how, and who is next. */
static void note_next(struct relay_session *s)
{
	struct relay_hop *hop = &s->route.hops[s->hop];
	struct buf *b = smtp_dialogue_begin(&s->dialogue, "* ");

	queue_result_put_reply(b, &s->last.attempt, str_of_c(s->last.text));
	smtp_dialogue_end(&s->dialogue);
	b = smtp_dialogue_begin(&s->dialogue, "* next: ");
	buf_str(b, hop->host);
	buf_lit(b, " [");
	ip_put(b, &hop->addr.ip);
	buf_lit(b, "]");
	buf_c(b, s->plain ? ", without TLS" : "");
	buf_c(b, s->unchunked ? ", without BDAT" : "");
	smtp_dialogue_end(&s->dialogue);
}

/* The connection has ended while a job is left. */
static void go_on_after_failure(struct relay_session *s)
{
	if (s->relay->draining || s->job->forgotten) {
		relay_session_let_go(s);
	} else if (s->silence == QUEUE_PROBLEM_BRIEF) { /* no time is left for another host */
		relay_talk_fail(s);
		session_free(s);
	} else if (!choose_hop(s)) {
		relay_way_ask(s, next_hop(s), true);
	} else {
		note_next(s);
		try_hop(s);
	}
}

/* What the engine still waits for does not come any more. */
static void end_engine(struct relay_session *s, const char *why)
{
	struct smtp_client_result r = {.failed = true, .text = str_of_c(why)};

	if (smtp_client_effect(s->engine) && s->busy) {
		s->busy = false;
		smtp_client_done(s->engine, &r, clock_mono());
		relay_talk_effects(s);
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
		relay_talk_remember(s,
		    &(struct queue_attempt){
			.stage = QUEUE_STAGE_CONNECT, .problem = connect_problem(s, why)},
		    str_of_c(why));
	else if (s->job && end == NET_END_TLS && !s->ready)
		relay_talk_remember(s,
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
    .unsent = on_unsent,
    .out = drive_out,
    .sent = drive_sent,
    .wants = drive_wants,
    .deadline = on_deadline,
    .tick = on_tick,
    .eof = on_eof,
    .effects = relay_talk_effects,
    .connected = on_connected,
    .secured = on_secured,
    .closed = on_closed,
};

static void on_connect_timeout(uv_timer_t *timer)
{
	struct relay_session *s = timer->data;

	s->silence = QUEUE_PROBLEM_TIMEOUT;
	net_drive_close(s->drive);
}

static void on_brief_end(uv_timer_t *timer)
{
	struct relay_session *s = timer->data;

	s->silence = QUEUE_PROBLEM_BRIEF;
	net_drive_close(s->drive);
}

static void time_connect(struct relay_session *s)
{
	int64_t left = s->brief - clock_mono();

	if (left < s->times.connect)
		uv_timer_start(&s->timer, on_brief_end, left > 0 ? (uint64_t)left : 0, 0);
	else
		uv_timer_start(&s->timer, on_connect_timeout, (uint64_t)s->times.connect, 0);
}

/* The address of ours to go from; NULL: the system chooses. */
static const struct ip *source_for(const struct config_snapshot *c, const struct net_addr *to)
{
	for (size_t i = 0; i < c->relay_source.n; i++)
		if (ip_is_v4(&c->relay_source.v[i]) == ip_is_v4(&to->ip))
			return &c->relay_source.v[i];
	return NULL;
}

static void try_hop(struct relay_session *s)
{
	const struct net_addr *to = &s->route.hops[s->hop].addr;

	s->silence = QUEUE_PROBLEM_LOST;
	s->ready = false;
	time_connect(s);
	s->drive = net_drive_connect(
	    s->relay->loop, to, source_for(s->config, to), &drive_engine, s);
}

/*
 * A host that could not be looked up may take the message tomorrow, so that a worse one which wants no
 * mail at all does not end it: no answer for the one is a temporary failure, and outweighs the other. What
 * a host says of the message or its recipients is the destination's answer, whichever host it is
 * [RFC 5321 4.2.1, 5.1].
 */
static void keep_trouble(struct relay_session *s)
{
	struct str host = relay_route_trouble(&s->route);
	struct queue_attempt attempt = {.stage = QUEUE_STAGE_LOOKUP, .problem = QUEUE_PROBLEM_DNS};
	size_t hop = s->hop;
	struct buf text;

	if (host.n == 0)
		return;
	buf_init(&text, LIMIT_SMTP_DOMAIN + 64);
	buf_lit(&text, "no answer for the addresses of ");
	buf_str(&text, host);
	relay_session_pass(s, s->route.nhops, &attempt, buf_view(&text));
	s->hop = hop;
	buf_fini(&text);
}

static void routed(struct relay_route *route, enum queue_problem problem, struct str text)
{
	struct relay_session *s = LIST_ENTRY(route, struct relay_session, route);

	if (problem == QUEUE_PROBLEM_NONE) {
		keep_trouble(s);
		relay_way_ask(s, 0, false);
		return;
	}
	s->hop = s->route.nhops; /* some may be known already, and none was spoken to */
	relay_talk_remember(
	    s, &(struct queue_attempt){.stage = QUEUE_STAGE_LOOKUP, .problem = problem}, text);
	relay_talk_fail(s);
	session_free(s);
}

static void on_route_timeout(uv_timer_t *timer)
{
	struct relay_session *s = timer->data;

	relay_route_give_up(&s->route, s->brief != INT64_MAX);
}

/* ---- connections that are open ---- */
static bool is_same_route(const struct rs_route *a, const struct rs_route *b)
{
	return str_eq(a->host, b->host) && a->port == b->port && a->tls == b->tls &&
	       str_eq(a->user, b->user) && str_eq(a->password, b->password);
}

/*
 * One at a host (empty: at any), that no job has at this moment; destination: only if it has that one,
 * NULL: of any. callouts: one for these.
 */
static struct relay_session *find_idle(struct relay *relay, struct str place,
    const struct rs_route *route, const struct str *destination, bool callouts)
{
	LIST_FOREACH(&relay->sessions, it)
	{
		struct relay_session *s = LIST_ENTRY(it, struct relay_session, link);

		if (s->idle && s->callouts == callouts &&
		    (place.n == 0 || str_eq(s->route.hops[s->hop].place, place)) &&
		    is_same_route(&s->routed, route) &&
		    (!destination || str_eq(s->destination, *destination)))
			return s;
	}
	return NULL;
}

/* The next message goes over a connection that carried those of another destination of the host. */
static void hand_over(struct relay_session *s, struct relay_session *to)
{
	struct relay_route route = to->route;
	struct net_addr connected = route.hops[to->hop].addr;

	to->destination = arena_str(to->arena, s->destination);
	to->route = s->route;
	s->route = route;
	to->hop = s->hop;
	to->route.hops[to->hop].addr = connected;
	to->kept = s->kept;
	to->has_kept = s->has_kept;
	smtp_dialogue_append(&to->dialogue, &s->dialogue);
	to->job = s->job;
	s->job = NULL;
	session_free(s);
	relay_talk_give(to);
	net_drive_pump(to->drive);
}

static void close_now(struct relay_session *s)
{
	s->idle = false;
	uv_timer_stop(&s->timer);
	net_drive_close(s->drive);
}

static size_t count_open(const struct relay *relay)
{
	size_t n = 0;

	LIST_FOREACH(&relay->sessions, it)
	n += LIST_ENTRY(it, struct relay_session, link)->drive != NULL;
	return n;
}

/* Closes connections without a job: those to a host, and up to `more` others. How many of these it was. */
static size_t close_spare(struct relay *relay, struct str place, bool idle, size_t more)
{
	size_t n = 0;

	LIST_FOREACH(&relay->sessions, it)
	{
		struct relay_session *s = LIST_ENTRY(it, struct relay_session, link);
		bool here;

		if (!s->drive || s->job || s->idle != idle)
			continue;
		here = str_eq(s->route.hops[s->hop].place, place);
		if (!here && n >= more)
			continue;
		close_now(s);
		n += !here;
	}
	return n;
}

/*
 * Store counts jobs, and there are connections that have none: those on which the last word was said and
 * whose end is not there yet, and those that wait for a job. They make room for the new one, at the same
 * host and where there are as many as there may be in all.
 */
static void make_room(struct relay *relay, struct str place)
{
	size_t open = count_open(relay) + 1;
	size_t more = open > RELAY_JOBS_MAX ? open - RELAY_JOBS_MAX : 0;

	more -= close_spare(relay, place, false, more);
	close_spare(relay, place, true, more);
}

void relay_session_go(struct relay_session *s, size_t hop)
{
	struct relay_session *other;

	s->hop = hop;
	other = find_idle(s->relay, s->route.hops[hop].place, &s->routed, NULL, s->callouts);
	if (s->has_kept)
		note_next(s);
	if (other) {
		hand_over(s, other);
		return;
	}
	make_room(s->relay, s->route.hops[hop].place);
	try_hop(s);
}

/* ---- taking jobs ---- */

static void session_start(struct relay *relay, struct relay_job *job)
{
	struct relay_session *s = mem_new(struct relay_session);

	s->relay = relay;
	s->config = config_ref(relay->config);
	s->arena = arena_new();
	s->destination = arena_str(s->arena, job->job.destination);
	s->callouts = job->callout > 0;
	s->times = relay_times_of(&s->config->timeouts, s->callouts);
	s->brief = job->job.brief ? clock_mono() + RELAY_BRIEF_MS : INT64_MAX;
	s->routed = job->job.route;
	s->routed.host = arena_str(s->arena, s->routed.host);
	s->routed.user = arena_str(s->arena, s->routed.user);
	s->routed.password = arena_str(s->arena, s->routed.password);
	s->job = job;
	smtp_dialogue_init(&s->dialogue, RS_DIALOGUE_MAX);
	buf_init(&s->held, LIMIT_IPC_CREDIT);
	buf_init(&s->lead, LEAD_MAX);
	uv_timer_init(relay->loop, &s->timer);
	s->timer.data = s;
	list_push(&relay->sessions, &s->link);
	uv_timer_start(&s->timer, on_route_timeout, job->job.brief ? RELAY_BRIEF_MS : ROUTE_MS, 0);
	relay_route_start(&s->route, relay, s->config, &job->job, routed);
}

void relay_session_take(struct relay *relay, struct relay_job *job)
{
	const struct rs_job *j = &job->job;
	struct relay_session *s = NULL;

	if (j->host.n)
		s = find_idle(relay, j->host, &j->route, &j->destination, false);
	if (!s) {
		session_start(relay, job);
		return;
	}
	s->job = job;
	s->has_kept = false; /* the hosts of the job before said that of another message */
	keep_trouble(s);
	relay_talk_give(s);
	net_drive_pump(s->drive);
}

void relay_session_forget_callouts(struct relay *relay)
{
	LIST_FOREACH(&relay->sessions, it)
	{
		struct relay_session *s = LIST_ENTRY(it, struct relay_session, link);

		if (!s->callouts || !s->job)
			continue;
		s->job->forgotten = true;
		if (s->drive)
			net_drive_close(s->drive);
		else
			relay_session_let_go(s);
	}
}

void relay_session_routes_again(struct relay *relay)
{
	LIST_FOREACH(&relay->sessions, it)
	relay_route_again(&LIST_ENTRY(it, struct relay_session, link)->route);
}

void relay_session_routes_without(struct relay *relay)
{
	LIST_FOREACH(&relay->sessions, it)
	relay_route_without(&LIST_ENTRY(it, struct relay_session, link)->route);
}

void relay_session_drain(struct relay *relay)
{
	LIST_FOREACH(&relay->sessions, it)
	{
		struct relay_session *s = LIST_ENTRY(it, struct relay_session, link);

		if (s->idle) {
			relay_talk_quit(s);
			net_drive_pump(s->drive);
		} else if (s->drive && (s->callouts || !(s->ready && s->job))) {
			net_drive_close(s->drive);
		} else if (!s->drive) { /* it is still looking for the way */
			relay_session_let_go(s);
		}
	}
}

/* It does not come to its end by itself, or not in time. */
static bool is_to_be_left(const struct relay_session *s, int64_t now)
{
	if (now - s->relay->drained >= REST_MS)
		return true;
	return !smtp_client_is_at_content(s->engine) &&
	       now - smtp_client_moved(s->engine) >= STILL_MS;
}

void relay_session_drain_rest(struct relay *relay)
{
	LIST_FOREACH(&relay->sessions, it)
	{
		struct relay_session *s = LIST_ENTRY(it, struct relay_session, link);

		if (s->left || !s->drive || !s->engine || !is_to_be_left(s, clock_mono()))
			continue;
		s->left = true;
		s->silence = QUEUE_PROBLEM_TIMEOUT;
		net_drive_close(s->drive);
	}
}
