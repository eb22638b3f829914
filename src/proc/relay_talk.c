/*
 * What a session says and hears: the effects of its engine. A job's content comes from store against
 * credit; what became of it is reported as soon as the engine knows, unless another connection may have it.
 */
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "proc/relay_session_priv.h"
#include "proc/relay_times.h"

#define IDLE_MS      2000 /* an open connection waits so long for another message */
#define MESSAGES_MAX 100  /* over one connection */

static size_t messages_max(const struct relay_session *s)
{
	size_t told = smtp_client_facts(s->engine)->mail_max;

	return told > 0 && told < MESSAGES_MAX ? told : MESSAGES_MAX;
}

static struct relay_remote remote_of(struct relay_session *s)
{
	struct relay_remote remote = {
	    .tls = str_of_c(s->tls), .dialogue = smtp_dialogue_text(&s->dialogue)};

	if (s->hop < s->route.nhops) {
		remote.name = s->route.hops[s->hop].host;
		remote.ip = s->route.hops[s->hop].addr.ip;
	}
	if (s->engine && s->ready)
		remote.dsn = smtp_client_facts(s->engine)->extensions & SMTP_EXT_DSN;
	if (s->engine && s->ready)
		remote.by = smtp_client_facts(s->engine)->extensions & SMTP_EXT_DELIVERBY;
	return remote;
}

void relay_talk_stop_reading(struct relay_session *s)
{
	ipc_call_cancel(&s->read);
	buf_fini(&s->held);
	if (s->strips)
		mime_strip_fini(&s->strip);
	s->strips = false;
}

void relay_talk_over(struct relay_session *s)
{
	relay_talk_stop_reading(s);
	smtp_dialogue_clear(&s->dialogue);
	s->brief = INT64_MAX;
	s->job = NULL;
}

void relay_talk_fail(struct relay_session *s)
{
	struct relay_remote remote = remote_of(s);

	relay_job_fail(s->job, &remote, &s->last.attempt, str_of_c(s->last.text));
	relay_talk_over(s);
}

void relay_talk_remember(
    struct relay_session *s, const struct queue_attempt *attempt, struct str text)
{
	s->last.hop = s->hop;
	s->last.attempt = *attempt;
	snprintf(s->last.text, sizeof s->last.text, "%.*s", STR_FMT(str_sub(text, 0, 200)));
}

/* ---- the content, from store ---- */
static void feed_body(struct relay_session *s);

/* Octets that store has given and that have no credit again. */
static size_t unused(const struct relay_session *s)
{
	return s->held.n + (s->strips ? mime_strip_held(&s->strip) : 0);
}

static void on_read_chunk(struct ipc_call *call, struct str bytes)
{
	struct relay_session *s = LIST_ENTRY(call, struct relay_session, read);
	size_t before = unused(s) + bytes.n;

	if (s->strips)
		mime_strip_feed(&s->strip, bytes, &s->held);
	else
		buf_str(&s->held, bytes);
	if (before > unused(s))
		ipc_call_credit(&s->read, before - unused(s)); /* for what was left out */
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
	if (s->strips)
		mime_strip_end(&s->strip, &s->held);
	feed_body(s);
}

/* A server that takes no MT-PRIORITY passes on in the message what its sender said [RFC 6758 3.3]. */
static void put_priority(struct relay_session *s)
{
	const struct rs_job *job = &s->job->job;

	buf_clear(&s->lead);
	s->strips = job->has_priority &&
		    !(smtp_client_facts(s->engine)->extensions & SMTP_EXT_PRIORITY);
	if (s->strips) {
		mime_strip_init(&s->strip, STR("MT-Priority"));
		buf_lit(&s->lead, "MT-Priority: ");
		buf_i64(&s->lead, job->priority);
		buf_lit(&s->lead, "\r\n");
	}
	s->job->message.params.size = job->size + s->lead.n;
	s->job->message.time = relay_times_message(s->job->message.params.size);
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
	} else if (s->lead.n) {
		r.body = buf_view(&s->lead);
		piece.n = 0;
	} else if (piece.n == 0 && !s->read_ended) {
		return false;
	} else {
		r.last = s->read_ended && piece.n == s->held.n;
	}
	s->busy = false;
	smtp_client_done(s->engine, &r, clock_mono());
	buf_clear(&s->lead);
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
void relay_talk_quit(struct relay_session *s)
{
	s->idle = false;
	s->busy = false;
	uv_timer_stop(&s->timer);
	smtp_client_done(s->engine, &(struct smtp_client_result){0}, clock_mono());
}

static void on_idle_timeout(uv_timer_t *timer)
{
	struct relay_session *s = timer->data;

	relay_talk_quit(s);
	net_drive_pump(s->drive);
}

/* The engine says at once what becomes of the message: the server cannot take it. */
static bool is_decided(const struct relay_session *s)
{
	const struct smtp_client_effect *e = smtp_client_effect(s->engine);

	return e && e->kind == SMTP_CLIENT_REPORT;
}

/* The dialogue is of a part of a connection: how that began stands in the one of a message before. */
static void note_kept(struct relay_session *s)
{
	const struct relay_hop *hop = &s->route.hops[s->hop];

	if (s->carried) {
		struct buf *b = smtp_dialogue_begin(&s->dialogue, "* on the connection of ");

		id_put(b, s->carried);
		buf_lit(b, " to ");
		buf_str(b, hop->host);
		buf_lit(b, " [");
		ip_put(b, &hop->addr.ip);
		buf_c(b, s->tls[0] ? "] over " : "]");
		buf_c(b, s->tls);
		buf_lit(b, ", open for ");
		buf_i64(b, (clock_mono() - s->connected) / SECOND_MS);
		buf_lit(b, " s");
		smtp_dialogue_end(&s->dialogue);
	}
	s->carried = s->job->job.lease.message;
}

void relay_talk_give(struct relay_session *s)
{
	note_kept(s);
	s->idle = false;
	s->busy = false;
	if (s->messages++ > 0)
		s->brief = INT64_MAX; /* it has spoken: it may take its time */
	s->silence = QUEUE_PROBLEM_LOST;
	uv_timer_stop(&s->timer);
	put_priority(s);
	relay_job_set_time(s->job);
	smtp_client_done(
	    s->engine, &(struct smtp_client_result){.next = &s->job->message}, clock_mono());
	if (!s->callouts && !is_decided(s))
		start_reading(s);
}

static void do_ready(struct relay_session *s)
{
	s->ready = true;
	if (s->job) {
		relay_talk_give(s);
	} else if (s->relay->draining || s->messages >= messages_max(s)) {
		relay_talk_quit(s);
	} else {
		s->idle = true;
		uv_timer_start(&s->timer, on_idle_timeout, IDLE_MS, 0);
	}
}

/* Nothing was heard of the message but the end of a connection that had carried others. */
static bool is_unheard(struct relay_session *s, const struct smtp_client_effect *e)
{
	for (size_t i = 0; i < e->verdict_count; i++) {
		struct queue_attempt a = relay_attempt_of(&e->verdicts[i], 0, s->silence);

		if (a.problem != QUEUE_PROBLEM_TOO_MANY && !relay_attempt_is_unheard(&a))
			return false;
	}
	return s->messages > 1;
}

/* It lists CHUNKING and does not know BDAT: the message goes by DATA, over another connection. */
static bool is_for_data(struct relay_session *s)
{
	if (!smtp_client_facts(s->engine)->bdat_unknown)
		return false;
	s->unchunked = true;
	return true;
}

/*
 * The host has said nothing about any recipient and cannot have the message; there is another one, or the next start
 * of this server.
 */
static bool may_go_on(struct relay_session *s, const struct smtp_client_effect *e)
{
	for (size_t i = 0; i < e->verdict_count; i++)
		if (!relay_attempt_is_open(&e->verdicts[i]))
			return false;
	return s->left || (s->silence != QUEUE_PROBLEM_BRIEF && s->hop + 1 < s->route.nhops);
}

/* Why it may come there twice. */
static void note_unsure(struct relay_session *s, const struct smtp_client_effect *e)
{
	for (size_t i = 0; i < e->verdict_count; i++)
		if (e->verdicts[i].outcome == SMTP_OUTCOME_UNSURE) {
			buf_lit(smtp_dialogue_begin(&s->dialogue, "* "),
			    "all of the content went out, and what became of it was not said: it may have the message");
			smtp_dialogue_end(&s->dialogue);
			return;
		}
}

static void report_job(struct relay_session *s, const struct smtp_client_effect *e)
{
	struct rs_outcome *outcomes = arena_array(
	    s->job->arena, e->verdict_count, sizeof *outcomes);
	struct relay_remote remote;
	size_t accepted = 0;

	note_unsure(s, e);
	remote = remote_of(s);
	for (size_t i = 0; i < e->verdict_count; i++) {
		const struct smtp_verdict *v = &e->verdicts[i];

		outcomes[i] = (struct rs_outcome){s->job->recipients[i].number,
		    relay_attempt_of(v, accepted, s->silence), v->reply.text};
		accepted += v->stage != SMTP_STAGE_RCPT;
	}
	relay_job_report(s->job, &remote, outcomes, e->verdict_count);
	relay_talk_over(s);
}

static void do_report(struct relay_session *s, const struct smtp_client_effect *e)
{
	s->again = is_for_data(s) || is_unheard(s, e);
	if (s->again)
		s->brief = INT64_MAX;
	if (s->again || may_go_on(s, e))
		relay_talk_stop_reading(s); /* the job stays for the next connection */
	else
		report_job(s, e);
	s->busy = false;
	smtp_client_done(s->engine, NULL, clock_mono());
}

/* What its certificate is to be for: the address, where that alone was named. */
static const char *server_name(struct relay_session *s)
{
	const struct relay_hop *hop = &s->route.hops[s->hop];
	const char *name;
	struct buf b;

	if (!str_has_prefix(hop->host, STR("[")))
		return arena_cstr(s->arena, hop->host);
	buf_init(&b, 64);
	ip_put(&b, &hop->addr.ip);
	name = arena_cstr(s->arena, buf_view(&b));
	buf_fini(&b);
	return name;
}

static void do_starttls(struct relay_session *s)
{
	struct net_tls_start start = {.ctx = s->relay->tls,
	    .name = server_name(s),
	    .verify = s->routed.tls == CONFIG_ROUTE_VERIFY,
	    .timeout = s->times.tls};

	net_drive_start_tls(s->drive, &start);
}

static void do_closed(struct relay_session *s, const struct smtp_client_effect *e)
{
	if (s->job) {
		struct queue_attempt a = relay_attempt_of(&e->verdict, 0, s->silence);

		relay_talk_remember(s, &a, e->verdict.reply.text);
	}
	s->busy = false;
	smtp_client_done(s->engine, NULL, clock_mono());
	/* nobody is there to read what is left to say, or nobody shall */
	if ((s->silence != QUEUE_PROBLEM_LOST || smtp_client_facts(s->engine)->taken_back) &&
	    s->drive)
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

void relay_talk_effects(void *ctx)
{
	on_idle_effects(ctx);
	on_effects(ctx);
}
