/*
 * The POP3 side of a front: carries out the effects of the POP3 engine. Streams from store (lists,
 * messages) pass through `held`: what the engine does not take now stays there, and only what it
 * took is credited, so that a slow client holds at most LIMIT_IPC_CREDIT bytes here.
 */
#include "base/mem.h"
#include "proc/front.h"
#include "proc/log.h"

/* A message that was listed. Number 0: none. */
struct listed {
	uint64_t number;
	int64_t id;
};

struct front_pop3 {
	struct front_session *session;
	struct pop3_server *engine;
	struct buf held;           /* streamed from store, not yet taken by the engine */
	bool ended;                /* the stream's reply has come */
	struct pop3_result result; /* what it said */
	struct listed
	    *ids; /* of what was listed last, LIMIT_POP3_IDS by number; NULL: nothing was */
};

static void answer(struct front_session *s, const struct pop3_result *r)
{
	s->busy = false;
	buf_fini(&s->u.pop3->held);
	pop3_server_done(s->u.pop3->engine, r, front_now());
}

static void answer_now(struct front_session *s, enum pop3_outcome outcome, struct str text)
{
	answer(s, &(struct pop3_result){.outcome = outcome, .text = text});
}

static void answer_later(struct front_session *s, enum pop3_outcome outcome, struct str text)
{
	answer_now(s, outcome, text);
	net_drive_pump(s->drive);
}

static enum pop3_outcome outcome_of(enum fs_verdict v)
{
	static const enum pop3_outcome outcomes[FS_VERDICTS] = {
	    [FS_OK] = POP3_OK,
	    [FS_TEMPORARY] = POP3_TEMPORARY,
	    [FS_REFUSED] = POP3_FAILED,
	    [FS_DISABLED] = POP3_DISABLED,
	};

	return outcomes[v];
}

#define STORE_AWAY STR("the mail store is restarting, try again in a moment")

/* ---- ADMIT ---- */
static void pop3_admitted(struct front_session *s, const struct fs_admit_reply *reply)
{
	if (reply)
		answer_now(s, outcome_of(reply->verdict), reply->text);
	else
		answer_now(s, POP3_TEMPORARY, STORE_AWAY);
}

static void do_admit(struct front_session *s, const struct pop3_effect *e)
{
	front_admit(s);
}

/* ---- STLS ---- */
static void do_stls(struct front_session *s, const struct pop3_effect *e)
{
	front_start_tls(s);
}

static void pop3_secured(struct front_session *s)
{
	answer_now(s, POP3_OK, (struct str){NULL, 0});
}

/* ---- AUTH: the password, then the snapshot of the mailbox ---- */
static void open_ended(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct front_session *s = LIST_ENTRY(call, struct front_session, call);
	struct fs_open_reply reply = {.verdict = FS_TEMPORARY};
	struct pop3_result r = {0};

	if (end == IPC_REPLIED)
		fs_open_reply_get(payload, &reply);
	r.outcome = outcome_of(reply.verdict);
	r.text = reply.text;
	r.count = reply.count;
	r.octets = reply.octets;
	answer(s, &r);
	net_drive_pump(s->drive);
}

static bool ask_open(struct front_session *s)
{
	struct buf payload;

	buf_init(&payload, 64);
	fs_handle_put(&payload, &s->handle);
	s->call = (struct ipc_call){.on_end = open_ended};
	return front_ask(s, &s->call, FS_OPEN, &payload, -1);
}

static void auth_ended(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct front_session *s = LIST_ENTRY(call, struct front_session, call);
	struct fs_auth_reply reply = {.verdict = FS_TEMPORARY};

	if (end == IPC_REPLIED)
		fs_auth_reply_get(payload, &reply);
	front_log_login(s, pop3_server_effect(s->u.pop3->engine)->u.auth.authcid, &reply);
	if (reply.verdict != FS_OK) {
		answer_later(s, outcome_of(reply.verdict), reply.text);
		return;
	}
	s->handle = reply.handle;
	if (!ask_open(s))
		answer_later(s, POP3_TEMPORARY, STORE_AWAY);
}

static void do_auth(struct front_session *s, const struct pop3_effect *e)
{
	s->call = (struct ipc_call){.on_end = auth_ended};
	if (!front_ask_auth(
		s, e->u.auth.mechanism, e->u.auth.authzid, e->u.auth.authcid, e->u.auth.password))
		answer_now(s, POP3_TEMPORARY, STORE_AWAY);
}

/* ---- streams ---- */

/* What the log calls a message, which the client asks for by its number. */
static void note_id(struct front_pop3 *p, const struct fs_entry *e)
{
	if (!p->ids)
		p->ids = mem_array(LIMIT_POP3_IDS, sizeof *p->ids);
	p->ids[e->number % LIMIT_POP3_IDS] = (struct listed){e->number, e->email_id};
}

/* 0: it is not known. */
static int64_t id_of(const struct front_pop3 *p, uint64_t number)
{
	const struct listed *l = p->ids ? &p->ids[number % LIMIT_POP3_IDS] : NULL;

	return l && l->number == number ? l->id : 0;
}

/* Gives the engine what is held; how many octets it took. */
static size_t hand_in_entries(struct front_pop3 *p)
{
	struct cur c = cur_of(buf_view(&p->held));
	struct fs_entry e;
	size_t taken = 0;

	while (cur_left(&c) >= FS_ENTRY_SIZE && fs_entry_get(&c, &e)) {
		uint8_t text[ID_TEXT_LEN + 1];
		struct buf uid = {.p = text, .cap = sizeof text, .max = ID_TEXT_LEN};
		struct pop3_entry entry = {.number = e.number, .octets = e.octets};

		id_put(&uid, e.email_id);
		entry.uid = buf_view(&uid);
		if (pop3_server_entries(p->engine, &entry, 1) == 0)
			break;
		note_id(p, &e);
		taken += FS_ENTRY_SIZE;
	}
	return taken;
}

static size_t hand_in_content(struct front_pop3 *p)
{
	return pop3_server_content(p->engine, buf_view(&p->held));
}

/* Moves a stream on: after a chunk came, and after the client took something. */
static void stream_on(struct front_session *s)
{
	struct front_pop3 *p = s->u.pop3;
	const struct pop3_effect *e = pop3_server_effect(p->engine);
	size_t taken;

	if (!e || (e->type != POP3_LIST && e->type != POP3_RETR))
		return;
	taken = e->type == POP3_LIST ? hand_in_entries(p) : hand_in_content(p);
	buf_drop(&p->held, taken);
	if (taken)
		front_heard(s); /* only from now on could store have sent more */
	ipc_call_credit(&s->call, taken);
	if (e->type == POP3_RETR && pop3_server_content_full(p->engine)) {
		ipc_call_cancel(&s->call);
		answer_now(s, POP3_OK, (struct str){NULL, 0});
	} else if (p->ended && (p->held.n == 0 || p->result.outcome != POP3_OK)) {
		answer(s, &p->result);
	}
}

static void stream_chunk(struct ipc_call *call, struct str bytes)
{
	struct front_session *s = LIST_ENTRY(call, struct front_session, call);

	front_heard(s);
	buf_str(&s->u.pop3->held, bytes);
	stream_on(s);
	net_drive_pump(s->drive);
}

static void stream_ended(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct front_session *s = LIST_ENTRY(call, struct front_session, call);
	struct fs_done done = {.verdict = FS_TEMPORARY};

	if (end == IPC_REPLIED)
		fs_done_get(payload, &done);
	s->u.pop3->ended = true;
	s->u.pop3->result = (struct pop3_result){.outcome = outcome_of(done.verdict)};
	stream_on(s);
	net_drive_pump(s->drive);
}

static void ask_stream(struct front_session *s, uint16_t type, struct buf *payload)
{
	s->u.pop3->ended = false;
	s->call = (struct ipc_call){.on_end = stream_ended, .on_chunk = stream_chunk};
	if (!front_ask(s, &s->call, type, payload, -1))
		answer_now(s, POP3_TEMPORARY, STORE_AWAY);
}

static void do_list(struct front_session *s, const struct pop3_effect *e)
{
	struct fs_list m = {.handle = s->handle, .first = e->u.list.first, .last = e->u.list.last};
	struct buf payload;

	buf_init(&payload, 64);
	fs_list_put(&payload, &m);
	ask_stream(s, FS_LIST, &payload);
}

static void do_retr(struct front_session *s, const struct pop3_effect *e)
{
	struct fs_read m = {.handle = s->handle, .number = e->u.retr.number};
	struct buf payload;

	buf_init(&payload, 64);
	fs_read_put(&payload, &m);
	ask_stream(s, FS_READ, &payload);
}

/* ---- LEAVE ---- */
static void leave_ended(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct front_session *s = LIST_ENTRY(call, struct front_session, call);
	struct fs_done done = {.verdict = FS_TEMPORARY};

	if (end == IPC_REPLIED)
		fs_done_get(payload, &done);
	answer_later(s, outcome_of(done.verdict), done.text);
}

static void do_leave(struct front_session *s, const struct pop3_effect *e)
{
	struct fs_expunge m = {.handle = s->handle};
	struct buf payload, deleted, seen;

	buf_init(&deleted, LIMIT_IPC_PAYLOAD);
	buf_init(&seen, LIMIT_IPC_PAYLOAD);
	buf_init(&payload, LIMIT_IPC_PAYLOAD);
	fs_ranges_put(&deleted, e->u.leave.deleted);
	fs_ranges_put(&seen, e->u.leave.seen);
	m.numbers = buf_view(&deleted);
	m.seen = buf_view(&seen);
	fs_expunge_put(&payload, &m);
	buf_fini(&deleted);
	buf_fini(&seen);
	if (e->u.leave.deleted->count) {
		front_log(s, LOG_INFO, "deleting");
		log_num("messages", e->u.leave.deleted->count);
		log_close();
	}
	s->call = (struct ipc_call){.on_end = leave_ended};
	if (!front_ask(s, &s->call, FS_EXPUNGE, &payload, -1))
		answer_now(s, POP3_TEMPORARY, STORE_AWAY);
}

/* ---- the protocol's place in the front ---- */
static struct pop3_server *engine_of(void *ctx)
{
	return ((struct front_session *)ctx)->u.pop3->engine;
}

static void on_effects(void *ctx)
{
	static void (*const todo[])(struct front_session *, const struct pop3_effect *) = {
	    [POP3_ADMIT] = do_admit,
	    [POP3_STLS] = do_stls,
	    [POP3_AUTH] = do_auth,
	    [POP3_LIST] = do_list,
	    [POP3_RETR] = do_retr,
	    [POP3_LEAVE] = do_leave,
	};
	struct front_session *s = ctx;
	const struct pop3_effect *e;

	if (s->busy)
		stream_on(s); /* the client took something: there is room again */
	while (!s->busy && (e = pop3_server_effect(engine_of(s)))) {
		s->busy = true;
		todo[e->type](s, e);
	}
}

NET_DRIVE_CALLBACKS(pop3_server, engine_of)

static const struct net_drive_engine drive_engine = {
    NET_DRIVE_CALLBACKS_INIT,
    .effects = on_effects,
    .secured = front_on_secured,
    .closed = front_on_closed,
};

static void pop3_start(struct front_session *s, bool tls, int64_t now)
{
	struct front_pop3 *p = mem_new(struct front_pop3);
	struct pop3_peer peer = {.tls = tls, .plaintext_auth = front_plaintext_auth(s)};

	s->u.pop3 = p;
	p->session = s;
	buf_init(&p->held, LIMIT_IPC_CREDIT);
	p->engine = pop3_server_new(&s->config->pop3, &peer, now);
}

static void pop3_log_message(const struct front_session *s)
{
	const struct pop3_effect *e = pop3_server_effect(s->u.pop3->engine);
	int64_t id;

	if (!e || e->type != POP3_RETR)
		return;
	id = id_of(s->u.pop3, e->u.retr.number);
	if (id)
		log_id("id", id);
	log_num("number", (int64_t)e->u.retr.number);
}

/* A stream waits for the client while all that store may send lies here. */
static bool pop3_waits(const struct front_session *s)
{
	return s->call.link && (!s->call.on_chunk || s->u.pop3->held.n == 0);
}

static void pop3_lose(struct front_session *s)
{
	ipc_call_lose(&s->call);
}

static void pop3_shutdown(struct front_session *s)
{
	pop3_server_shutdown(s->u.pop3->engine, front_now());
}

static void pop3_no_store(struct front_session *s)
{
	pop3_server_no_store(s->u.pop3->engine, front_now());
}

static void pop3_logout(struct front_session *s)
{
	pop3_server_logout(s->u.pop3->engine, front_now());
}

static struct str pop3_end_reason(const struct front_session *s)
{
	return str_of_c(pop3_server_end_reason(s->u.pop3->engine));
}

static void pop3_end(struct front_session *s)
{
	buf_fini(&s->u.pop3->held);
	mem_free(s->u.pop3->ids);
	pop3_server_free(&s->u.pop3->engine);
	mem_free(s->u.pop3);
	s->u.pop3 = NULL;
}

const struct front_protocol front_pop3_protocol = {
    .engine = &drive_engine,
    .alpn = "pop3",
    .start = pop3_start,
    .admitted = pop3_admitted,
    .log_message = pop3_log_message,
    .secured = pop3_secured,
    .waits = pop3_waits,
    .lose = pop3_lose,
    .shutdown = pop3_shutdown,
    .no_store = pop3_no_store,
    .logout = pop3_logout,
    .end_reason = pop3_end_reason,
    .end = pop3_end,
};
