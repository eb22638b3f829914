/*
 * The SMTP, LMTP and submission side of a front: carries out the effects of the SMTP engine.
 *
 * A message is gathered in memory up to LIMIT_INLINE_MESSAGE and within the budget of the process;
 * beyond that it is streamed to store as an upload, the gather buffer being its queue. One request to
 * store is open at a time for a session's effect (s->call), and the upload's own (upload).
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/wire.h"
#include "mime/mime_idn.h"
#include "mime/mime_scan.h"
#include "mime/mime_summary.h"
#include "mime/mime_trace.h"
#include "plan/accept.h"
#include "proc/front.h"
#include "proc/log.h"

enum body_mode {
	BODY_INLINE,
	BODY_UPLOADING, /* the upload call is open */
	BODY_UPLOADED,  /* store holds the whole message */
	BODY_REFUSED,   /* store would not take it: reply holds why */
};

struct front_smtp {
	struct front_session *session;
	struct smtp_server *engine;
	bool trusted;

	/* the transaction */
	struct arena *arena;
	int64_t message_id;
	struct buf recipients; /* encoded struct fs_recipient */
	struct accept_recipient *classes;
	size_t count, cap;

	/* its message */
	struct mime_scan *scan;
	uint64_t size;
	struct buf gather;
	size_t gathered; /* what the process's budget counts for us */
	enum body_mode mode;
	struct ipc_call upload;
	size_t upload_off; /* of gather: what is sent already */
	bool last_sent;
	uint64_t upload_id;
	struct smtp_reply refusal;
};

static const struct smtp_reply store_away = {
    451, {4, 3, 0}, STR_INIT("The mail store is restarting, please try again in a moment")};

static void answer(struct front_session *s, const struct smtp_result *r)
{
	s->busy = false;
	smtp_server_done(s->u.smtp->engine, r, front_now());
}

static void answer_reply(struct front_session *s, struct smtp_reply reply)
{
	answer(s, &(struct smtp_result){.reply = reply});
}

/* After a result that came in a turn of its own: let the driver move bytes and effects on. */
static void answer_later(struct front_session *s, struct smtp_reply reply)
{
	answer_reply(s, reply);
	net_drive_pump(s->drive);
}

static struct smtp_reply reply_of(const struct fs_status *f)
{
	return (struct smtp_reply){f->code, {f->class, f->subject, f->detail}, f->text};
}

/* ---- memory of a message ---- */
static void budget_set(struct front_session *s, size_t bytes)
{
	struct front_smtp *m = s->u.smtp;

	s->front->gathered = s->front->gathered - m->gathered + bytes;
	m->gathered = bytes;
}

/* Forgets the message and the transaction; an upload in store is dropped. */
static void transaction_reset(struct front_session *s)
{
	struct front_smtp *m = s->u.smtp;

	if (m->mode == BODY_UPLOADED && m->upload_id) {
		struct buf b;

		buf_init(&b, 8);
		fs_upload_drop_put(&b, m->upload_id);
		front_tell(s->front, FS_UPLOAD_DROP, &b);
	}
	ipc_call_cancel(&m->upload);
	mime_scan_free(&m->scan);
	buf_fini(&m->gather);
	buf_fini(&m->recipients);
	budget_set(s, 0);
	arena_reset(m->arena, false);
	mem_free(m->classes);
	m->classes = NULL;
	m->count = m->cap = 0;
	m->size = 0;
	m->mode = BODY_INLINE;
	m->upload_id = 0;
	m->upload_off = 0;
	m->last_sent = false;
}

/* ---- ADMIT ---- */
static void admit_ended(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct front_session *s = LIST_ENTRY(call, struct front_session, call);
	struct fs_admit_reply reply;
	struct smtp_result r = {.reply = store_away};

	if (end == IPC_REPLIED && fs_admit_reply_get(payload, &reply)) {
		s->admitted = reply.verdict == FS_OK;
		s->handle = reply.handle;
		s->u.smtp->trusted = !fs_handle_is_none(&reply.handle);
		r = (struct smtp_result){.trusted = s->u.smtp->trusted, .account = reply.user};
		if (reply.verdict != FS_OK) {
			bool temporary = reply.verdict == FS_TEMPORARY;

			r.reply = (struct smtp_reply){
			    temporary ? 421 : 554, {temporary ? 4 : 5, 7, 0}, reply.text};
			front_log(s, LOG_WARN, "connection-refused");
			log_str("why", reply.text);
			log_close();
		}
	}
	answer(s, &r);
	net_drive_pump(s->drive);
}

static void do_admit(struct front_session *s, const struct smtp_effect *e)
{
	s->call = (struct ipc_call){.on_end = admit_ended};
	if (!front_ask_admit(s))
		answer_reply(s, (struct smtp_reply){421, {4, 3, 0}, store_away.text});
}

/* ---- STARTTLS ---- */
static void do_starttls(struct front_session *s, const struct smtp_effect *e)
{
	front_start_tls(s);
}

static void smtp_secured(struct front_session *s)
{
	answer(s, NULL);
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
	answer(s, &r);
	net_drive_pump(s->drive);
}

static void do_auth(struct front_session *s, const struct smtp_effect *e)
{
	s->call = (struct ipc_call){.on_end = auth_ended};
	if (!front_ask_auth(
		s, e->auth.mechanism, e->auth.authzid, e->auth.authcid, e->auth.password))
		answer_reply(s, (struct smtp_reply){454, {4, 7, 0}, store_away.text});
}

/* ---- MAIL and RCPT ---- */
static void do_mail(struct front_session *s, const struct smtp_effect *e)
{
	transaction_reset(s);
	s->u.smtp->message_id = id_make(&s->front->ids, clock_now());
	answer(s, NULL);
}

static bool may_relay(const struct front_session *s)
{
	return !fs_handle_is_none(&s->handle);
}

/* The recipient's domain as store knows it: A-labels; a literal in its brackets. */
static bool put_lookup_domain(struct buf *b, const struct smtp_path *path)
{
	if (path->is_literal) {
		buf_byte(b, '[');
		buf_str(b, path->domain);
		buf_byte(b, ']');
		return true;
	}
	return path->domain.n == 0 || mime_idn_to_ascii(b, path->domain) == MIME_IDN_OK;
}

/* Keeps an accepted recipient. False: the envelope is full. */
static bool keep_recipient(struct front_session *s, const struct smtp_rcpt *rcpt,
    enum accept_class class, struct str target)
{
	struct front_smtp *m = s->u.smtp;
	struct buf domain, address;
	struct fs_recipient r = {.local = rcpt->path.local, .notify = rcpt->params.notify};
	struct buf orcpt;

	buf_init(&domain, LIMIT_SMTP_DOMAIN + 2);
	buf_init(&address, LIMIT_SMTP_PATH);
	buf_init(&orcpt, LIMIT_SMTP_PARAM);
	put_lookup_domain(&domain, &rcpt->path);
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
	if (!m->recipients.overflow) {
		if (m->count == m->cap) {
			m->cap = m->cap ? m->cap * 2 : 4;
			m->classes = mem_resize(m->classes, m->cap * sizeof *m->classes);
		}
		m->classes[m->count++] = (struct accept_recipient){
		    .address = arena_str(m->arena, r.address),
		    .class = class,
		    .target = arena_str(m->arena, target),
		};
	}
	buf_fini(&domain);
	buf_fini(&address);
	buf_fini(&orcpt);
	return !m->recipients.overflow;
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

static void rcpt_ended(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct front_session *s = LIST_ENTRY(call, struct front_session, call);
	const struct smtp_rcpt *rcpt = smtp_server_effect(s->u.smtp->engine)->rcpt;
	struct fs_rcpt_reply reply = {.class = ACCEPT_TROUBLE};
	const struct plan_reject *no;

	if (end == IPC_REPLIED)
		fs_rcpt_reply_get(payload, &reply);
	no = accept_refusal(reply.class, may_relay(s));
	if (no) {
		log_refused(s, rcpt, no->text);
		answer_later(s,
		    (struct smtp_reply){no->code, {no->class, no->subject, no->detail}, no->text});
	} else if (!keep_recipient(s, rcpt, reply.class, reply.target)) {
		answer_later(
		    s, SMTP_REPLY(452, 4, 5, 3, "Too many recipients, send the rest separately"));
	} else {
		answer_later(s, (struct smtp_reply){0});
	}
}

static void do_rcpt(struct front_session *s, const struct smtp_effect *e)
{
	struct buf domain, payload;
	struct fs_rcpt m = {
	    .session = s->number, .handle = s->handle, .local = e->rcpt->path.local};

	buf_init(&domain, LIMIT_SMTP_DOMAIN + 2);
	buf_init(&payload, 1024);
	if (!put_lookup_domain(&domain, &e->rcpt->path) || domain.n > LIMIT_SMTP_DOMAIN) {
		buf_fini(&domain);
		answer_reply(
		    s, SMTP_REPLY(553, 5, 1, 2, "The domain of this address is not a valid name"));
		return;
	}
	m.domain = buf_view(&domain);
	fs_rcpt_put(&payload, &m);
	buf_fini(&domain);
	s->call = (struct ipc_call){.on_end = rcpt_ended};
	if (!front_ask(s, &s->call, FS_RCPT, &payload, -1))
		answer_reply(s, store_away);
}

/* ---- DATA: our own Received field begins the message ---- */
static void put_received(struct front_session *s, struct buf *b)
{
	const struct smtp_server *engine = s->u.smtp->engine;
	const struct smtp_transaction *t = smtp_server_transaction(engine);
	const struct net_stream *stream = net_drive_stream(s->drive);
	struct mime_trace_received r = {
	    .helo = smtp_server_helo(engine),
	    .hostname = s->config->snapshot->hostname,
	    .protocol = smtp_server_protocol(engine),
	    .tls = str_of_c(net_stream_tls_version(stream)),
	    .cipher = str_of_c(net_stream_tls_cipher(stream)),
	    .date = clock_now(),
	};
	struct buf ip, id, to;

	buf_init(&ip, 64);
	buf_init(&id, ID_TEXT_LEN);
	buf_init(&to, LIMIT_SMTP_PATH);
	if (s->listener != FS_LISTENER_SENDMAIL)
		ip_put(&ip, &s->ip);
	id_put(&id, s->u.smtp->message_id);
	if (t->rcpt_count == 1)
		smtp_path_put(&to, &t->rcpts[0].path);
	r.ip = buf_view(&ip);
	r.id = buf_view(&id);
	r.for_path = buf_view(&to);
	mime_trace_received(b, &r);
	buf_fini(&ip);
	buf_fini(&id);
	buf_fini(&to);
}

static void do_data(struct front_session *s, const struct smtp_effect *e)
{
	struct front_smtp *m = s->u.smtp;

	if (!s->front->store) {
		answer_reply(s, store_away);
		return;
	}
	put_received(s, &m->gather);
	budget_set(s, m->gather.n);
	m->size = m->gather.n;
	m->scan = mime_scan_new();
	mime_scan_feed(m->scan, buf_view(&m->gather));
	answer(s, NULL);
}

/* ---- BODY: inline, or through the upload ---- */
static void upload_pump(struct front_session *s);

static void upload_room(struct ipc_call *call)
{
	upload_pump(LIST_ENTRY(call, struct front_smtp, upload)->session);
}

static void commit_message(struct front_session *s);

static void upload_ended(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct front_session *s = LIST_ENTRY(call, struct front_smtp, upload)->session;
	struct front_smtp *m = s->u.smtp;
	const struct smtp_effect *e = smtp_server_effect(m->engine);
	struct fs_upload_reply reply = {.verdict = FS_TEMPORARY, .text = store_away.text};

	if (end == IPC_REPLIED)
		fs_upload_reply_get(payload, &reply);
	if (reply.verdict == FS_OK && m->last_sent) {
		m->mode = BODY_UPLOADED;
		m->upload_id = reply.upload;
		commit_message(s);
		return;
	}
	m->mode = BODY_REFUSED;
	m->refusal = (struct smtp_reply){452, {4, 3, 1}, arena_str(m->arena, reply.text)};
	buf_fini(&m->gather);
	budget_set(s, 0);
	if (e && (e->kind == SMTP_EFFECT_BODY || e->kind == SMTP_EFFECT_COMMIT))
		answer_later(s, m->refusal);
}

/* Sends what credit allows; a BODY that waited for room is answered when all of it is on its way. */
static void upload_pump(struct front_session *s)
{
	struct front_smtp *m = s->u.smtp;
	const struct smtp_effect *e = smtp_server_effect(m->engine);
	bool committing = e && e->kind == SMTP_EFFECT_COMMIT;

	while (m->upload_off < m->gather.n && m->upload.send_credit) {
		struct str part = str_sub(
		    buf_view(&m->gather), m->upload_off, m->upload.send_credit);
		bool last;

		part = str_sub(part, 0, LIMIT_IPC_CHUNK);
		m->upload_off += part.n;
		last = committing && m->upload_off == m->gather.n;
		m->last_sent = last;
		ipc_call_chunk(&m->upload, part, last);
	}
	if (m->upload_off < m->gather.n || (committing && m->last_sent))
		return;
	buf_clear(&m->gather);
	m->upload_off = 0;
	if (committing) {
		m->last_sent = true;
		ipc_call_chunk(&m->upload, (struct str){NULL, 0}, true);
	} else if (e && e->kind == SMTP_EFFECT_BODY) {
		answer_later(s, (struct smtp_reply){0});
	}
}

/* The message outgrows memory: hands it to store from here on. */
static bool upload_start(struct front_session *s)
{
	struct front_smtp *m = s->u.smtp;
	struct buf payload;

	buf_init(&payload, 8);
	fs_upload_put(&payload, m->message_id);
	m->upload = (struct ipc_call){.on_end = upload_ended, .on_credit = upload_room};
	m->mode = BODY_UPLOADING;
	return front_ask(s, &m->upload, FS_UPLOAD, &payload, -1);
}

static bool fits_in_memory(const struct front_session *s, size_t n)
{
	const struct front_smtp *m = s->u.smtp;

	return m->gather.n + n <= LIMIT_INLINE_MESSAGE &&
	       s->front->gathered + n <= (size_t)s->config->snapshot->limits.gather;
}

static void do_body(struct front_session *s, const struct smtp_effect *e)
{
	struct front_smtp *m = s->u.smtp;

	m->size += e->body.n;
	mime_scan_feed(m->scan, e->body);
	if (m->mode == BODY_INLINE && fits_in_memory(s, e->body.n)) {
		buf_str(&m->gather, e->body);
		budget_set(s, m->gather.n);
		answer(s, NULL);
		return;
	}
	if (m->mode == BODY_REFUSED || (m->mode == BODY_INLINE && !upload_start(s))) {
		answer_reply(s, m->mode == BODY_REFUSED ? m->refusal : store_away);
		return;
	}
	buf_str(
	    &m->gather, e->body); /* its maximum has room for one piece above the inline limit */
	budget_set(s, m->gather.n);
	upload_pump(s);
}

/* ---- COMMIT ---- */

/* The answer for all recipients in one, as SMTP wants it. */
static void log_taken(struct front_session *s, const struct fs_deliver_reply *reply)
{
	struct front_smtp *m = s->u.smtp;
	const struct smtp_transaction *t = smtp_server_transaction(m->engine);
	bool taken = reply->status.code < 300;
	struct buf from;

	buf_init(&from, LIMIT_SMTP_PATH);
	smtp_path_put(&from, &t->reverse);
	front_log(s, taken ? LOG_INFO : LOG_WARN, taken ? "accepted" : "refused");
	log_id("id", m->message_id);
	log_str("from", buf_view(&from));
	log_num("recipients", (int64_t)m->count);
	if (m->count)
		log_str("to", m->classes[0].address);
	log_num("size", (int64_t)m->size);
	log_num("code", reply->status.code);
	if (!taken)
		log_str("why", reply->status.text);
	log_close();
	buf_fini(&from);
}

/* "taken; id=...": what the client is told, and finds again in Received and in the trace. */
static void put_taken(struct front_session *s, struct buf *b)
{
	buf_lit(b, "Message accepted, id=");
	id_put(b, s->u.smtp->message_id);
}

static void answer_each(
    struct front_session *s, const struct fs_deliver_reply *reply, struct str taken)
{
	struct front_smtp *m = s->u.smtp;
	struct smtp_reply *replies = arena_array(m->arena, m->count, sizeof *replies);
	struct cur c = cur_of(reply->per_recipient);
	struct smtp_result r = {.replies = replies, .reply_count = m->count};

	for (size_t i = 0; i < m->count; i++) {
		struct fs_status status;

		if (!fs_status_get(&c, &status))
			status = reply->status;
		replies[i] = reply_of(&status);
		if (status.code < 300)
			replies[i].text = taken;
	}
	r.reply = reply_of(&reply->status);
	answer(s, &r);
}

static void deliver_ended(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct front_session *s = LIST_ENTRY(call, struct front_session, call);
	struct fs_deliver_reply reply = {.status = {451, 4, 3, 0, store_away.text}};
	struct buf taken;

	buf_init(&taken, 64);
	if (end == IPC_REPLIED)
		fs_deliver_reply_get(payload, &reply);
	s->u.smtp->mode = BODY_INLINE; /* store has done with the upload either way */
	put_taken(s, &taken);
	log_taken(s, &reply);
	if (s->listener == FS_LISTENER_LMTP) {
		answer_each(s, &reply, buf_view(&taken));
	} else {
		struct smtp_reply r = reply_of(&reply.status);

		if (r.code < 300)
			r.text = buf_view(&taken);
		answer_reply(s, r);
	}
	buf_fini(&taken);
	transaction_reset(s);
	net_drive_pump(s->drive);
}

/* Runs the acceptance pipeline over what is known. */
static struct plan make_plan(struct front_session *s, const struct mime_message *message)
{
	struct front_smtp *m = s->u.smtp;
	const struct smtp_transaction *t = smtp_server_transaction(m->engine);
	struct buf reverse;
	struct accept_input in = {
	    .peer = s->ip,
	    .helo = smtp_server_helo(m->engine),
	    .trusted = m->trusted,
	    .authenticated = may_relay(s),
	    .recipients = m->classes,
	    .n = m->count,
	    .size = m->size,
	    .size_limit = 0,                                /* the engine has seen to it */
	    .received_fields = message->facts.received - 1, /* the first is ours */
	};

	buf_init(&reverse, LIMIT_SMTP_PATH);
	smtp_path_put(&reverse, &t->reverse);
	in.reverse_path = arena_str(m->arena, buf_view(&reverse));
	buf_fini(&reverse);
	for (size_t i = 0; i < m->count; i++)
		for (size_t k = 0; k < message->facts.n_delivered_to; k++)
			if (str_eq_i(m->classes[i].address, message->facts.delivered_to[k]))
				m->classes[i].delivered = true;
	return accept_run(&in, m->arena);
}

/* The refusal when no recipient is left, NULL when there is one. */
static const struct plan_reject *refused_by_all(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		if (plan->items[i].action != PLAN_REJECT)
			return NULL;
	return plan->n ? &plan->items[0].u.reject : NULL;
}

static void put_deliver(struct front_session *s, struct buf *payload, struct str plan,
    struct str summary, struct str reverse)
{
	struct front_smtp *m = s->u.smtp;
	const struct smtp_transaction *t = smtp_server_transaction(m->engine);
	struct fs_deliver d = {
	    .session = s->number,
	    .handle = s->handle,
	    .message_id = m->message_id,
	    .reverse_path = reverse,
	    .helo = smtp_server_helo(m->engine),
	    .protocol = smtp_server_protocol(m->engine),
	    .envid = t->params.envid,
	    .ret = (uint8_t)t->params.ret,
	    .utf8 = t->params.smtputf8,
	    .eightbit = t->params.body == SMTP_BODY_8BITMIME,
	    .recipient_count = (uint32_t)m->count,
	    .recipients = buf_view(&m->recipients),
	    .plan = plan,
	    .summary = summary,
	    .upload = m->upload_id,
	};

	if (m->mode == BODY_INLINE)
		d.data = buf_view(&m->gather);
	fs_deliver_put(payload, &d);
}

static void commit_message(struct front_session *s)
{
	struct front_smtp *m = s->u.smtp;
	const struct mime_message *message = mime_scan_finish(m->scan);
	struct plan plan = make_plan(s, message);
	const struct plan_reject *no = refused_by_all(&plan);
	struct buf plan_bytes, summary, payload, reverse;

	if (no) {
		struct fs_deliver_reply reply = {
		    .status = {
			no->code, no->class, (uint8_t)no->subject, (uint8_t)no->detail, no->text}};

		log_taken(s, &reply);
		answer_reply(s, reply_of(&reply.status));
		transaction_reset(s);
		net_drive_pump(s->drive);
		return;
	}
	buf_init(&plan_bytes, LIMIT_PLAN);
	buf_init(&summary, LIMIT_SUMMARY);
	buf_init(&payload, LIMIT_IPC_PAYLOAD);
	buf_init(&reverse, LIMIT_SMTP_PATH);
	plan_encode(&plan_bytes, &plan);
	mime_summary_put(&summary, message, LIMIT_SUMMARY);
	smtp_path_put(&reverse, &smtp_server_transaction(m->engine)->reverse);
	put_deliver(s, &payload, buf_view(&plan_bytes), buf_view(&summary), buf_view(&reverse));
	s->call = (struct ipc_call){.on_end = deliver_ended};
	if (payload.overflow || plan_bytes.overflow ||
	    !front_ask(s, &s->call, FS_DELIVER, &payload, -1))
		answer_later(s, store_away);
	else if (m->mode == BODY_INLINE)
		buf_fini(&m->gather); /* it is on its way; the budget counts it until the answer */
	buf_fini(&payload);
	buf_fini(&plan_bytes);
	buf_fini(&summary);
	buf_fini(&reverse);
}

static void do_commit(struct front_session *s, const struct smtp_effect *e)
{
	struct front_smtp *m = s->u.smtp;

	if (m->mode == BODY_REFUSED)
		answer_reply(s, m->refusal);
	else if (m->mode == BODY_UPLOADING)
		upload_pump(s);
	else
		commit_message(s);
}

static void do_abort(struct front_session *s, const struct smtp_effect *e)
{
	transaction_reset(s);
	answer(s, NULL);
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
	    [SMTP_EFFECT_DATA] = do_data,
	    [SMTP_EFFECT_BODY] = do_body,
	    [SMTP_EFFECT_COMMIT] = do_commit,
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

static size_t on_feed(void *ctx, struct str in, int64_t now)
{
	return smtp_server_feed(engine_of(ctx), in, now);
}

static struct str on_out(void *ctx)
{
	return smtp_server_out(engine_of(ctx));
}

static void on_sent(void *ctx, size_t n, int64_t now)
{
	smtp_server_sent(engine_of(ctx), n, now);
}

static unsigned on_wants(void *ctx)
{
	return smtp_server_wants(engine_of(ctx));
}

static int64_t on_deadline(void *ctx)
{
	return smtp_server_deadline(engine_of(ctx));
}

static void on_tick(void *ctx, int64_t now)
{
	smtp_server_tick(engine_of(ctx), now);
}

static void on_eof(void *ctx, int64_t now)
{
	smtp_server_eof(engine_of(ctx), now);
}

static const struct net_drive_engine drive_engine = {
    .feed = on_feed,
    .out = on_out,
    .sent = on_sent,
    .wants = on_wants,
    .deadline = on_deadline,
    .tick = on_tick,
    .eof = on_eof,
    .effects = on_effects,
    .secured = front_on_secured,
    .closed = front_on_closed,
};

static void smtp_start(struct front_session *s, bool tls, int64_t now)
{
	struct front_smtp *m = mem_new(struct front_smtp);
	struct smtp_peer peer = {.tls = tls, .plaintext_auth = front_plaintext_auth(s)};
	struct buf ip;

	buf_init(&ip, 64);
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

static void smtp_shutdown(struct front_session *s)
{
	smtp_server_shutdown(s->u.smtp->engine, front_now());
}

static void smtp_end(struct front_session *s)
{
	struct front_smtp *m = s->u.smtp;

	transaction_reset(s);
	arena_free(&m->arena);
	smtp_server_free(&m->engine);
	mem_free(m);
	s->u.smtp = NULL;
}

const struct front_protocol front_smtp_protocol = {
    .engine = &drive_engine,
    .alpn = "smtp",
    .start = smtp_start,
    .secured = smtp_secured,
    .shutdown = smtp_shutdown,
    .end = smtp_end,
};
