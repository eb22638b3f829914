/*
 * The message of an SMTP transaction: gathered in memory up to LIMIT_INLINE_MESSAGE and within the
 * budget of the process; beyond that it is streamed to store as an upload, the gather buffer being
 * its queue. At its end the acceptance pipeline makes the plan, and store is asked to take it. One
 * request to store is open at a time for the effect (s->call), and the upload's own (upload).
 */
#include "base/clock.h"
#include "base/mem.h"
#include "mime/mime_summary.h"
#include "mime/mime_trace.h"
#include "proc/delivered_before.h"
#include "proc/front_smtp.h"
#include "proc/log.h"
#include "proc/path_ascii.h"

static struct smtp_reply reply_of(const struct fs_status *f)
{
	return (struct smtp_reply){f->code, {f->class, f->subject, f->detail}, f->text};
}

/* The same of a message that was taken: with what the client is told. */
static struct smtp_reply taken_of(
    const struct front_smtp *m, const struct fs_status *f, struct str text)
{
	struct smtp_reply r = reply_of(f);

	if (r.code >= 300)
		return r;
	r.text = text;
	if (m->lowered) /* [RFC 6710 4.1] */
		r.status = (struct smtp_status){2, 3, 6};
	return r;
}

/* ---- memory of a message ---- */
static void budget_set(struct front_session *s, size_t bytes)
{
	struct front_smtp *m = s->u.smtp;

	s->front->gathered = s->front->gathered - m->gathered + bytes;
	m->gathered = bytes;
}

void front_message_reset(struct front_session *s)
{
	struct front_smtp *m = s->u.smtp;

	if (m->mode == BODY_UPLOADING || m->mode == BODY_UPLOADED) {
		struct buf
		    b; /* that it is finished may be on the way to us: cancelling is not enough */

		buf_init(&b, 8);
		fs_upload_drop_put(&b, m->message_id);
		front_tell(s->front, FS_UPLOAD_DROP, &b);
	}
	ipc_call_cancel(&m->upload);
	mime_scan_free(&m->scan);
	buf_fini(&m->gather);
	buf_fini(&m->recipients);
	budget_set(s, 0);
	s->front->envelopes -= m->envelope;
	m->envelope = 0;
	arena_reset(m->arena, false);
	mem_free(m->classes);
	m->classes = NULL;
	m->count = m->cap = 0;
	m->size = 0;
	m->mode = BODY_INLINE;
	m->upload_id = 0;
	m->upload_off = 0;
	m->last_sent = false;
	m->unsure = false;
	m->has_priority = m->lowered = false;
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
	    .has_priority = t->params.has_priority,
	    .priority = t->params.priority,
	};
	struct buf ip, id, to;

	buf_init(&ip, 64);
	buf_init(&id, ID_TEXT_LEN);
	buf_init(&to, LIMIT_SMTP_PATH);
	if (s->listener != FS_LISTENER_SENDMAIL)
		ip_put(&ip, &s->ip);
	id_put(&id, s->u.smtp->message_id);
	if (t->rcpt_count == 1) {
		struct smtp_path path = t->rcpts[0].path;

		path_ascii_make(s->u.smtp->arena, &path);
		smtp_path_put(&to, &path);
	}
	r.ip = buf_view(&ip);
	r.id = buf_view(&id);
	r.for_path = buf_view(&to);
	mime_trace_received(b, &r);
	buf_fini(&ip);
	buf_fini(&id);
	buf_fini(&to);
}

void front_message_data(struct front_session *s, const struct smtp_effect *e)
{
	struct front_smtp *m = s->u.smtp;

	if (!s->front->store) {
		front_smtp_answer_reply(s, front_smtp_store_away);
		return;
	}
	put_received(s, &m->gather);
	budget_set(s, m->gather.n);
	m->size = m->gather.n;
	m->scan = mime_scan_new();
	mime_scan_feed(m->scan, buf_view(&m->gather));
	front_smtp_answer(s, NULL);
}

/* ---- BODY: inline, or through the upload ---- */
static void upload_pump(struct front_session *s);

static void upload_room(struct ipc_call *call)
{
	front_heard(LIST_ENTRY(call, struct front_smtp, upload)->session);
	upload_pump(LIST_ENTRY(call, struct front_smtp, upload)->session);
}

static void commit_message(struct front_session *s);

/* COMMIT ends without store having been asked to deliver. */
static void refuse_commit(struct front_session *s, const struct smtp_reply *reply)
{
	front_message_log_refused(s, reply);
	front_smtp_answer_reply(s, *reply);
	front_message_reset(s);
}

static void upload_ended(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct front_session *s = LIST_ENTRY(call, struct front_smtp, upload)->session;
	struct front_smtp *m = s->u.smtp;
	const struct smtp_effect *e = smtp_server_effect(m->engine);
	struct fs_upload_reply reply = {.verdict = FS_REFUSED, .text = front_smtp_store_away.text};

	if (end == IPC_REPLIED)
		fs_upload_reply_get(payload, &reply);
	if (reply.verdict == FS_OK && m->last_sent) {
		m->mode = BODY_UPLOADED;
		m->upload_id = reply.upload;
		commit_message(s);
		return;
	}
	m->mode = BODY_REFUSED;
	m->refusal = reply.verdict == FS_TEMPORARY ? (struct smtp_reply){452, {4, 3, 1}, {0}}
						   : front_smtp_store_away;
	m->refusal.text = arena_str(m->arena, reply.text);
	buf_fini(&m->gather);
	budget_set(s, 0);
	if (e && e->kind == SMTP_EFFECT_COMMIT) {
		refuse_commit(s, &m->refusal);
		net_drive_pump(s->drive);
	} else if (e && e->kind == SMTP_EFFECT_BODY) {
		front_smtp_answer_later(s, m->refusal);
	}
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
		front_heard(s);
		ipc_call_chunk(&m->upload, part, last);
	}
	if (m->upload_off < m->gather.n || (committing && m->last_sent))
		return;
	if (m->gather.cap > LIMIT_IPC_CREDIT)
		buf_fini(&m->gather); /* from here on pieces are small */
	buf_clear(&m->gather);
	budget_set(s, 0);
	m->upload_off = 0;
	if (committing) {
		m->last_sent = true;
		front_heard(s);
		ipc_call_chunk(&m->upload, (struct str){NULL, 0}, true);
	} else if (e && e->kind == SMTP_EFFECT_BODY) {
		front_smtp_answer_later(s, (struct smtp_reply){0});
	}
}

/* The message outgrows memory: hands it to store from here on. */
static void upload_start(struct front_session *s)
{
	struct front_smtp *m = s->u.smtp;
	struct buf payload;

	buf_init(&payload, 8);
	fs_upload_put(&payload, m->message_id);
	m->upload = (struct ipc_call){.on_end = upload_ended, .on_credit = upload_room};
	m->mode = BODY_UPLOADING;
	if (front_ask(s, &m->upload, FS_UPLOAD, &payload, -1))
		return;
	m->mode = BODY_REFUSED;
	m->refusal = front_smtp_store_away;
}

static bool fits_in_memory(const struct front_session *s, size_t n)
{
	const struct front_smtp *m = s->u.smtp;

	return m->gather.n + n <= LIMIT_INLINE_MESSAGE &&
	       s->front->gathered + n <= (size_t)s->config->snapshot->limits.gather;
}

void front_message_body(struct front_session *s, const struct smtp_effect *e)
{
	struct front_smtp *m = s->u.smtp;

	m->size += e->body.n;
	mime_scan_feed(m->scan, e->body);
	if (m->mode == BODY_INLINE && fits_in_memory(s, e->body.n)) {
		buf_str(&m->gather, e->body);
		budget_set(s, m->gather.n);
		front_smtp_answer(s, NULL);
		return;
	}
	if (m->mode == BODY_INLINE)
		upload_start(s);
	if (m->mode == BODY_REFUSED) {
		front_smtp_answer_reply(s, m->refusal);
		return;
	}
	buf_str(
	    &m->gather, e->body); /* its maximum has room for one piece above the inline limit */
	budget_set(s, m->gather.n);
	upload_pump(s);
}

/* ---- COMMIT ---- */

/* What became of the message, in one line. code: of the reply, 0 when there was none. */
static void log_end(struct front_session *s, const char *event, unsigned code, struct str why)
{
	struct front_smtp *m = s->u.smtp;
	const struct smtp_transaction *t = smtp_server_transaction(m->engine);
	bool taken = code > 0 && code < 300;
	struct str account = smtp_server_account(m->engine);
	struct buf from;

	buf_init(&from, LIMIT_SMTP_PATH);
	smtp_path_put(&from, &t->reverse);
	front_log(s, taken ? LOG_INFO : LOG_WARN, event);
	log_id("id", m->message_id);
	log_str("from", buf_view(&from));
	if (account.n) /* or "uid N" of a local user */
		log_str("account", account);
	log_num("recipients", (int64_t)m->count);
	if (m->count)
		log_str("to", m->classes[0].address);
	log_num("size", (int64_t)m->size);
	if (m->has_priority)
		log_num("priority", m->priority);
	if (code)
		log_num("code", code);
	if (!taken)
		log_str("why", why);
	log_close();
	buf_fini(&from);
}

/* The answer for all recipients in one, as SMTP wants it. */
static void log_taken(struct front_session *s, const struct fs_deliver_reply *reply)
{
	const struct fs_status *status = &reply->status;

	log_end(s, status->code < 300 ? "accepted" : "refused", status->code, status->text);
}

void front_message_log_refused(struct front_session *s, const struct smtp_reply *reply)
{
	log_end(s, "refused", reply->code, reply->text);
}

void front_message_log_broken(struct front_session *s, const char *why)
{
	log_end(s, "message-broken-off", 0, str_of_c(why));
}

bool front_message_is_open(const struct front_session *s)
{
	return s->u.smtp->scan && smtp_server_transaction(s->u.smtp->engine);
}

/* "taken; id=...": what the client is told, and finds again in Received and in the trace. */
static void put_taken(struct front_session *s, struct buf *b)
{
	if (s->u.smtp->lowered)
		buf_lit(b, "0 is the priority of this message, only users may raise it. ");
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
		replies[i] = taken_of(m, &status, taken);
	}
	r.reply = reply_of(&reply->status);
	front_smtp_answer(s, &r);
}

static const struct fs_deliver_reply store_away = {
    .status = {
	451, 4, 3, 0, STR_INIT("The mail store is restarting, please try again in a moment")}};

static void answer_deliver(struct front_session *s, const struct fs_deliver_reply *reply)
{
	struct buf taken;

	buf_init(&taken, 256);
	s->u.smtp->mode = BODY_INLINE; /* store has done with the upload either way */
	put_taken(s, &taken);
	log_taken(s, reply);
	if (s->listener == FS_LISTENER_LMTP) {
		answer_each(s, reply, buf_view(&taken));
	} else {
		front_smtp_answer_reply(s, taken_of(s->u.smtp, &reply->status, buf_view(&taken)));
	}
	buf_fini(&taken);
	front_message_reset(s);
	net_drive_pump(s->drive);
}

/*
 * A store that went may have committed the message before. To refuse it then would make its sender deliver
 * it twice, so the next store is asked. A store that is here but silent is not waited for any longer.
 */
static void deliver_ended(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct front_session *s = LIST_ENTRY(call, struct front_session, call);
	struct fs_deliver_reply reply = store_away;

	if (end == IPC_LOST && !front_has_store(s->front)) {
		s->u.smtp->unsure = true;
		front_heard(s);
		return;
	}
	if (end == IPC_REPLIED)
		fs_deliver_reply_get(payload, &reply);
	answer_deliver(s, &reply);
}

void front_message_store_back(struct front_session *s)
{
	struct front_smtp *m = s->u.smtp;
	struct fs_taken asked = {.message_id = m->message_id};
	struct buf payload;

	if (!m->unsure)
		return;
	if (s->listener == FS_LISTENER_LMTP)
		asked.each = (uint32_t)m->count;
	buf_init(&payload, 16);
	fs_taken_put(&payload, &asked);
	s->call = (struct ipc_call){.on_end = deliver_ended};
	m->unsure = !front_ask(s, &s->call, FS_TAKEN, &payload, -1);
}

void front_message_lose(struct front_session *s)
{
	if (s->u.smtp->unsure)
		answer_deliver(s, &store_away);
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
	    .authenticated = front_smtp_may_relay(s),
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
	delivered_before(m->classes, m->count, &message->facts);
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

/*
 * What was said of the priority: with MAIL, else by a field of the message. Who is not known may not have
 * his mail go before that of others. [RFC 6710 4.1, RFC 6758 3.1]
 */
static void find_priority(struct front_session *s, const struct mime_facts *facts)
{
	struct front_smtp *m = s->u.smtp;
	const struct smtp_mail_params *p = &smtp_server_transaction(m->engine)->params;

	m->has_priority = p->has_priority || facts->priorities > 0;
	m->priority = p->has_priority ? p->priority : facts->has_priority ? facts->priority : 0;
	m->lowered = m->priority > 0 && !m->trusted && !front_smtp_may_relay(s);
	if (m->lowered)
		m->priority = 0;
}

/* What the sender asks for, in the queue's terms. */
static struct queue_wish wish_of(const struct front_smtp *m, const struct smtp_mail_params *p)
{
	static const enum queue_by by[] = {
	    [SMTP_BY_NONE] = QUEUE_BY_NONE,
	    [SMTP_BY_RETURN] = QUEUE_BY_RETURN,
	    [SMTP_BY_NOTIFY] = QUEUE_BY_NOTIFY,
	};

	return (struct queue_wish){.hold_for = p->hold_for * SECOND_MS,
	    .hold_until = p->hold_until,
	    .priority = m->priority,
	    .has_priority = m->has_priority,
	    .by = by[p->by],
	    .by_time = p->by_time * SECOND_MS,
	    .by_trace = p->by_trace};
}

/* Its header has what only SMTPUTF8 takes; that it was asked for does not say so [RFC 6531 3.2, 3.4]. */
static bool needs_utf8(const struct smtp_transaction *t, const struct mime_facts *facts)
{
	return t->params.smtputf8 && (facts->has_8bit_header || facts->has_8bit_part_header);
}

static void put_deliver(struct front_session *s, struct buf *payload,
    const struct mime_facts *facts, struct str plan, struct str summary, struct str reverse)
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
	    .utf8 = needs_utf8(t, facts),
	    .eightbit = t->params.body == SMTP_BODY_8BITMIME,
	    .wish = wish_of(m, &t->params),
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

	find_priority(s, &message->facts);
	if (no) {
		struct fs_deliver_reply reply = {
		    .status = {
			no->code, no->class, (uint8_t)no->subject, (uint8_t)no->detail, no->text}};

		log_taken(s, &reply);
		front_smtp_answer_reply(s, reply_of(&reply.status));
		front_message_reset(s);
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
	put_deliver(s, &payload, &message->facts, buf_view(&plan_bytes), buf_view(&summary),
	    buf_view(&reverse));
	s->call = (struct ipc_call){.on_end = deliver_ended};
	if (payload.overflow || plan_bytes.overflow ||
	    !front_ask(s, &s->call, FS_DELIVER, &payload, -1)) {
		refuse_commit(s, &front_smtp_store_away);
		net_drive_pump(s->drive);
	} else if (m->mode == BODY_INLINE) {
		buf_fini(&m->gather); /* it is on its way; the budget counts it until the answer */
	}
	buf_fini(&payload);
	buf_fini(&plan_bytes);
	buf_fini(&summary);
	buf_fini(&reverse);
}

bool front_message_waits(const struct front_session *s)
{
	const struct front_smtp *m = s->u.smtp;

	return m->unsure || (m->upload.link && (m->last_sent || m->upload_off < m->gather.n));
}

void front_message_commit(struct front_session *s, const struct smtp_effect *e)
{
	struct front_smtp *m = s->u.smtp;

	if (m->mode == BODY_REFUSED)
		refuse_commit(s, &m->refusal);
	else if (m->mode == BODY_UPLOADING)
		upload_pump(s);
	else
		commit_message(s);
}
