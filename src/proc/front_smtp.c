/*
 * The SMTP, LMTP and submission side of a front: carries out the effects of the SMTP engine up to the
 * message itself (proc/front_message.c), and connects the engine to the driver.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "mime/mime_idn.h"
#include "proc/front_smtp.h"
#include "proc/log.h"

const struct smtp_reply front_smtp_store_away = {
    451, {4, 3, 0}, STR_INIT("The mail store is restarting, please try again in a moment")};

void front_smtp_answer(struct front_session *s, const struct smtp_result *r)
{
	s->busy = false;
	smtp_server_done(s->u.smtp->engine, r, front_now());
}

void front_smtp_answer_reply(struct front_session *s, struct smtp_reply reply)
{
	front_smtp_answer(s, &(struct smtp_result){.reply = reply});
}

/* After a result that came in a turn of its own: let the driver move bytes and effects on. */
void front_smtp_answer_later(struct front_session *s, struct smtp_reply reply)
{
	front_smtp_answer_reply(s, reply);
	net_drive_pump(s->drive);
}

bool front_smtp_may_relay(const struct front_session *s)
{
	return !fs_handle_is_none(&s->handle);
}

/* ---- ADMIT ---- */

/* In the place of a greeting [RFC 5321 4.2.2]. */
static const struct smtp_reply greeting_away = {
    421, {4, 3, 0}, STR_INIT("The mail store is restarting, please try again in a moment")};

static void smtp_admitted(struct front_session *s, const struct fs_admit_reply *reply)
{
	struct smtp_result r = {.reply = greeting_away};

	if (reply) {
		bool temporary = reply->verdict == FS_TEMPORARY;

		s->handle = reply->handle;
		s->u.smtp->trusted = !fs_handle_is_none(&reply->handle);
		r = (struct smtp_result){.trusted = s->u.smtp->trusted, .account = reply->user};
		if (reply->verdict != FS_OK)
			r.reply = (struct smtp_reply){
			    temporary ? 421 : 554, {temporary ? 4 : 5, 7, 0}, reply->text};
	}
	front_smtp_answer(s, &r);
}

static void do_admit(struct front_session *s, const struct smtp_effect *e)
{
	front_admit(s);
}

/* ---- STARTTLS ---- */
static void do_starttls(struct front_session *s, const struct smtp_effect *e)
{
	front_start_tls(s);
}

static void smtp_secured(struct front_session *s)
{
	front_smtp_answer(s, NULL);
}

/* ---- AUTH ---- */
static void auth_ended(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	static const struct smtp_reply replies[FS_VERDICTS] = {
	    [FS_TEMPORARY] = {454, {4, 7, 0},
		STR_INIT("The password cannot be checked now, try again later")},
	    [FS_REFUSED] = {535, {5, 7, 8}, STR_INIT("User name or password is wrong")},
	    [FS_DISABLED] = {535, {5, 7, 13}, STR_INIT("This account is disabled")},
	};
	struct front_session *s = LIST_ENTRY(call, struct front_session, call);
	struct fs_auth_reply reply = {.verdict = FS_TEMPORARY};
	struct smtp_result r = {0};

	if (end == IPC_REPLIED)
		fs_auth_reply_get(payload, &reply);
	r.reply = replies[reply.verdict];
	if (reply.verdict == FS_OK) {
		s->handle = reply.handle;
		r = (struct smtp_result){.account = reply.address};
	} else if (reply.verdict == FS_TEMPORARY && reply.text.n) {
		r.reply.text = reply.text;
	}
	front_log_login(s, smtp_server_effect(s->u.smtp->engine)->auth.authcid, &reply);
	front_smtp_answer(s, &r);
	net_drive_pump(s->drive);
}

static void do_auth(struct front_session *s, const struct smtp_effect *e)
{
	s->call = (struct ipc_call){.on_end = auth_ended};
	if (!front_ask_auth(
		s, e->auth.mechanism, e->auth.authzid, e->auth.authcid, e->auth.password))
		front_smtp_answer_reply(
		    s, (struct smtp_reply){454, {4, 7, 0}, front_smtp_store_away.text});
}

/* ---- MAIL and RCPT ---- */
static void do_mail(struct front_session *s, const struct smtp_effect *e)
{
	front_message_reset(s);
	s->u.smtp->message_id = id_make(&s->front->ids, clock_now());
	front_smtp_answer(s, NULL);
}

/* At the address that the client has reached us at, or another one of this server. */
static bool is_own(const struct front_session *s, const struct smtp_path *path)
{
	return path->is_literal &&
	       (ip_eq(&path->ip, &s->own) || own_list_has(&s->front->own, &path->ip));
}

/* [RFC 5321 4.5.1]; to programs of this machine it is at each loopback address too. */
static bool is_own_postmaster(const struct front_session *s, const struct smtp_path *path)
{
	return path->is_literal && smtp_path_is_postmaster(path) &&
	       (is_own(s, path) ||
		   (s->listener == FS_LISTENER_SENDMAIL && ip_is_loopback(&path->ip)));
}

/* The recipient's domain as store knows it: A-labels; a literal in its brackets; none of our postmaster. */
static bool put_lookup_domain(
    struct buf *b, const struct front_session *s, const struct smtp_path *path)
{
	if (is_own_postmaster(s, path))
		return true;
	if (path->is_literal) {
		buf_byte(b, '['); /* one destination, mapped or not */
		ip_put(b, &path->ip);
		buf_byte(b, ']');
		return true;
	}
	return path->domain.n == 0 || mime_idn_to_ascii(b, path->domain) == MIME_IDN_OK;
}

/* What a recipient takes here: encoded, for the acceptance pipeline, and in the engine. */
static size_t cost_of(const struct smtp_rcpt *rcpt, struct str target)
{
	return sizeof *rcpt + sizeof(struct accept_recipient) + target.n + rcpt->params.orcpt.n +
	       3 * (rcpt->path.local.n + rcpt->path.domain.n);
}

/* False: all transactions of this process together hold too much. */
static bool count_recipient(
    struct front_session *s, const struct smtp_rcpt *rcpt, struct str target)
{
	size_t cost = cost_of(rcpt, target);

	if (s->front->envelopes + cost > LIMIT_ENVELOPES)
		return false;
	s->front->envelopes += cost;
	s->u.smtp->envelope += cost;
	return true;
}

/* Keeps an accepted recipient. False: the envelope is full. */
static bool keep_recipient(struct front_session *s, const struct smtp_rcpt *rcpt,
    enum accept_class class, struct str target)
{
	struct front_smtp *m = s->u.smtp;
	struct buf domain, address;
	struct fs_recipient r = {.local = rcpt->path.local, .notify = rcpt->params.notify};
	size_t before = m->recipients.n;
	bool full;
	struct buf orcpt;

	buf_init(&domain, LIMIT_SMTP_DOMAIN + 2);
	buf_init(&address, LIMIT_SMTP_PATH);
	buf_init(&orcpt, LIMIT_SMTP_PARAM);
	put_lookup_domain(&domain, s, &rcpt->path);
	smtp_path_put(&address, &rcpt->path);
	if (rcpt->params.orcpt_type.n) {
		buf_str(&orcpt, rcpt->params.orcpt_type);
		buf_byte(&orcpt, ';');
		buf_str(&orcpt, rcpt->params.orcpt);
	}
	r.domain = buf_view(&domain);
	r.address = buf_view(&address);
	r.orcpt = orcpt.overflow ? (struct str){NULL, 0} : buf_view(&orcpt);
	fs_recipient_put(&m->recipients, &r);
	full = m->recipients.overflow;
	if (full) { /* those before stay whole */
		m->recipients.n = before;
		m->recipients.overflow = false;
	} else {
		m->classes = mem_grow(m->classes, m->count, &m->cap, sizeof *m->classes);
		m->classes[m->count++] = (struct accept_recipient){
		    .address = arena_str(m->arena, r.address),
		    .class = class,
		    .target = arena_str(m->arena, target),
		};
	}
	buf_fini(&domain);
	buf_fini(&address);
	buf_fini(&orcpt);
	return !full;
}

static void log_refused(struct front_session *s, const struct smtp_rcpt *rcpt, struct str why)
{
	const struct smtp_transaction *t = smtp_server_transaction(s->u.smtp->engine);
	struct buf b;

	buf_init(&b, 2 * LIMIT_SMTP_PATH);
	front_log(s, LOG_INFO, "recipient-refused");
	log_id("id", s->u.smtp->message_id);
	smtp_path_put(&b, &t->reverse);
	log_str("from", buf_view(&b));
	buf_clear(&b);
	smtp_path_put(&b, &rcpt->path);
	log_str("to", buf_view(&b));
	log_str("why", why);
	log_close();
	buf_fini(&b);
}

/* said: by another server, whose words are told; or empty. */
static void refuse_recipient(struct front_session *s, const struct smtp_rcpt *rcpt,
    const struct plan_reject *no, struct str said)
{
	struct buf text;

	buf_init(&text, PLAN_TEXT_MAX);
	buf_str(&text, no->text);
	if (said.n) {
		buf_lit(&text, ": ");
		buf_str(&text, said);
	}
	log_refused(s, rcpt, buf_view(&text));
	front_smtp_answer_reply(s,
	    (struct smtp_reply){no->code, {no->class, no->subject, no->detail}, buf_view(&text)});
	buf_fini(&text);
}

static void rcpt_ended(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct front_session *s = LIST_ENTRY(call, struct front_session, call);
	const struct smtp_rcpt *rcpt = smtp_server_effect(s->u.smtp->engine)->rcpt;
	struct fs_rcpt_reply reply = {.class = ACCEPT_TROUBLE};
	const struct plan_reject *no;

	if (end == IPC_REPLIED)
		fs_rcpt_reply_get(payload, &reply);
	no = accept_refusal(reply.class, front_smtp_may_relay(s),
	    smtp_server_transaction(s->u.smtp->engine)->reverse.is_null);
	if (no) {
		refuse_recipient(s, rcpt, no, reply.said);
		net_drive_pump(s->drive);
	} else if (!count_recipient(s, rcpt, reply.target)) {
		front_smtp_answer_later(
		    s, SMTP_REPLY(452, 4, 3, 1, "The server is short of memory, try again later"));
	} else if (!keep_recipient(s, rcpt, reply.class, reply.target)) {
		front_smtp_answer_later(
		    s, SMTP_REPLY(452, 4, 5, 3, "Too many recipients, send the rest separately"));
	} else {
		front_smtp_answer_later(s, (struct smtp_reply){0});
	}
}

static void do_rcpt(struct front_session *s, const struct smtp_effect *e)
{
	struct buf domain, payload;
	struct fs_rcpt m = {.session = s->number,
	    .handle = s->handle,
	    .local = e->rcpt->path.local,
	    .size = smtp_server_transaction(s->u.smtp->engine)->params.size};

	if (is_own(s, &e->rcpt->path) && !is_own_postmaster(s, &e->rcpt->path)) {
		refuse_recipient(s, e->rcpt, accept_refusal(ACCEPT_UNKNOWN, false, false), STR(""));
		return;
	}
	buf_init(&domain, LIMIT_SMTP_DOMAIN + 2);
	buf_init(&payload, 1024);
	if (!put_lookup_domain(&domain, s, &e->rcpt->path) || domain.n > LIMIT_SMTP_DOMAIN) {
		buf_fini(&domain);
		front_smtp_answer_reply(
		    s, SMTP_REPLY(553, 5, 1, 2, "The domain of this address is not a valid name"));
		return;
	}
	m.domain = buf_view(&domain);
	fs_rcpt_put(&payload, &m);
	buf_fini(&domain);
	s->call = (struct ipc_call){.on_end = rcpt_ended};
	if (!front_ask(s, &s->call, FS_RCPT, &payload, -1))
		front_smtp_answer_reply(s, front_smtp_store_away);
}

static void do_abort(struct front_session *s, const struct smtp_effect *e)
{
	const struct smtp_reply *reply = &e->abort.reply;

	if (e->abort.content && reply->code >= 400)
		front_message_log_refused(s, reply);
	else if (e->abort.content)
		front_message_log_broken(s, "the client broke it off before its end");
	front_message_reset(s);
	front_smtp_answer(s, NULL);
}

/* ---- the protocol's place in the front ---- */
static void carry_out(struct front_session *s, const struct smtp_effect *e)
{
	static void (*const todo[])(struct front_session *, const struct smtp_effect *) = {
	    [SMTP_EFFECT_ADMIT] = do_admit,
	    [SMTP_EFFECT_STARTTLS] = do_starttls,
	    [SMTP_EFFECT_AUTH] = do_auth,
	    [SMTP_EFFECT_MAIL] = do_mail,
	    [SMTP_EFFECT_RCPT] = do_rcpt,
	    [SMTP_EFFECT_DATA] = front_message_data,
	    [SMTP_EFFECT_BODY] = front_message_body,
	    [SMTP_EFFECT_COMMIT] = front_message_commit,
	    [SMTP_EFFECT_ABORT] = do_abort,
	};

	todo[e->kind](s, e);
}

static struct smtp_server *engine_of(void *ctx)
{
	return ((struct front_session *)ctx)->u.smtp->engine;
}

static void on_effects(void *ctx)
{
	struct front_session *s = ctx;
	const struct smtp_effect *e;

	while (!s->busy && (e = smtp_server_effect(engine_of(s)))) {
		s->busy = true;
		carry_out(s, e);
	}
}

NET_DRIVE_CALLBACKS(smtp_server, engine_of)

static const struct net_drive_engine drive_engine = {
    NET_DRIVE_CALLBACKS_INIT,
    .effects = on_effects,
    .secured = front_on_secured,
    .closed = front_on_closed,
};

static void smtp_start(struct front_session *s, bool tls, int64_t now)
{
	struct front_smtp *m = mem_new(struct front_smtp);
	struct smtp_peer peer = {
	    .tls = tls, .plaintext_auth = front_plaintext_auth(s), .wall = clock_now()};
	struct buf ip;

	buf_init(&ip, 64);
	if (s->listener == FS_LISTENER_SENDMAIL)
		buf_lit(&ip, "localhost");
	else
		ip_put(&ip, &s->ip);
	peer.ip = buf_view(&ip);
	s->u.smtp = m;
	m->session = s;
	m->arena = arena_new();
	buf_init(&m->recipients, LIMIT_ENVELOPE);
	buf_init(&m->gather, LIMIT_INLINE_MESSAGE + LIMIT_BODY_CHUNK);
	m->engine = smtp_server_new(&s->config->smtp[s->listener], &peer, now);
	buf_fini(&ip);
}

static bool smtp_waits(const struct front_session *s)
{
	return s->call.link || front_message_waits(s);
}

static void smtp_lose(struct front_session *s)
{
	ipc_call_lose(&s->call);
	ipc_call_lose(&s->u.smtp->upload);
	front_message_lose(s);
}

static void smtp_log_message(const struct front_session *s)
{
	if (smtp_server_transaction(s->u.smtp->engine))
		log_id("id", s->u.smtp->message_id);
}

static void smtp_shutdown(struct front_session *s)
{
	smtp_server_shutdown(s->u.smtp->engine, front_now());
}

static void smtp_no_store(struct front_session *s)
{
	smtp_server_no_store(s->u.smtp->engine, front_now());
}

static void smtp_logout(struct front_session *s)
{
	smtp_server_logout(s->u.smtp->engine, front_now());
}

static struct str smtp_end_reason(const struct front_session *s)
{
	return smtp_server_end_reason(s->u.smtp->engine);
}

static void smtp_end(struct front_session *s)
{
	struct front_smtp *m = s->u.smtp;

	if (front_message_is_open(s)) /* the engine waits for store and could not say so itself */
		front_message_log_broken(s, "the connection ended before there was an answer");
	front_message_reset(s);
	arena_free(&m->arena);
	smtp_server_free(&m->engine);
	mem_free(m);
	s->u.smtp = NULL;
}

const struct front_protocol front_smtp_protocol = {
    .engine = &drive_engine,
    .alpn = "smtp",
    .start = smtp_start,
    .admitted = smtp_admitted,
    .secured = smtp_secured,
    .waits = smtp_waits,
    .lose = smtp_lose,
    .store_back = front_message_store_back,
    .log_message = smtp_log_message,
    .shutdown = smtp_shutdown,
    .no_store = smtp_no_store,
    .logout = smtp_logout,
    .end_reason = smtp_end_reason,
    .end = smtp_end,
};
