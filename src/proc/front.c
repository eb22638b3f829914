/*
 * A front process, mx or user by its role.
 *
 * Capabilities: network side's user; after ready(): no files, no connect, no new processes; the
 * descriptors are the link to the supervisor, the link to store, listeners and accepted sockets.
 */
#include "proc/front.h"

#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proc/child.h"
#include "proc/event_loop.h"
#include "proc/log.h"
#include "proc/process.h"

#define PATIENCE_MS   1000
#define POP3_LOGIN_MS (3 * MINUTE_MS) /* strangers hold a session no longer */

struct front_acceptor {
	struct list link;
	struct front *front;
	struct net_acceptor *acceptor;
	enum fs_listener listener;
};

/* What each listener speaks. */
static const struct {
	const char *name;
	const struct front_protocol *protocol;
	enum smtp_role smtp_role;
	bool tls; /* from the first octet */
} listeners[FS_LISTENERS] = {
    [FS_LISTENER_SMTP] = {"smtp", &front_smtp_protocol, SMTP_ROLE_MX, false},
    [FS_LISTENER_LMTP] = {"lmtp", &front_smtp_protocol, SMTP_ROLE_LMTP, false},
    [FS_LISTENER_SUBMISSION] = {"submission", &front_smtp_protocol, SMTP_ROLE_SUBMISSION, false},
    [FS_LISTENER_SMTPS] = {"smtps", &front_smtp_protocol, SMTP_ROLE_SUBMISSION, true},
    [FS_LISTENER_POP3] = {"pop3", &front_pop3_protocol, 0, false},
    [FS_LISTENER_POP3S] = {"pop3s", &front_pop3_protocol, 0, true},
    [FS_LISTENER_SENDMAIL] = {"sendmail", &front_smtp_protocol, SMTP_ROLE_LOCAL, false},
};

int64_t front_now(void)
{
	return clock_mono();
}

void front_log(const struct front_session *s, int level, const char *event)
{
	log_open((enum log_level)level, event);
	log_text("listener", listeners[s->listener].name);
	log_num("session", s->number);
	if (s->listener != FS_LISTENER_SENDMAIL)
		log_ip("ip", &s->ip);
}

void front_log_login(
    const struct front_session *s, struct str user, const struct fs_auth_reply *reply)
{
	static const struct {
		enum log_level level;
		const char *event;
	} lines[FS_VERDICTS] = {
	    [FS_OK] = {LOG_INFO, "login"},
	    [FS_TEMPORARY] = {LOG_WARN, "login-deferred"},
	    [FS_REFUSED] = {LOG_WARN, "login-failed"},
	    [FS_DISABLED] = {LOG_WARN, "login-disabled"},
	};

	front_log(s, (int)lines[reply->verdict].level, lines[reply->verdict].event);
	log_str("user", user);
	if (reply->address.n)
		log_str("account", reply->address);
	log_close();
}

/* ---- configuration ---- */
static struct front_config *config_new(const struct sc_start *start, struct err *e)
{
	struct front_config *c = mem_new(struct front_config);

	c->refs = 1;
	if (config_decode(start->snapshot, &c->snapshot)) {
		mem_free(c);
		err_set(e, "the supervisor sent a configuration that cannot be read");
		return NULL;
	}
	c->tls = tls_server_new((struct tls_pem){start->certificate, "the certificate"},
	    (struct tls_pem){start->key, "the key"}, start->tickets, e);
	if (!c->tls) {
		config_unref(&c->snapshot);
		mem_free(c);
		return NULL;
	}
	return c;
}

static void config_fill(struct front_config *c)
{
	const struct config_snapshot *o = c->snapshot;

	for (int i = 0; i < FS_LISTENERS; i++) {
		struct smtp_server_config *smtp = &c->smtp[i];

		if (listeners[i].protocol != &front_smtp_protocol)
			continue;
		smtp_server_config_init(smtp, listeners[i].smtp_role);
		smtp->hostname = o->hostname;
		smtp->starttls = listeners[i].smtp_role != SMTP_ROLE_LOCAL;
		smtp->normalize = o->bare_newline == CONFIG_BARE_NORMALIZE;
		smtp->size_limit = (uint64_t)o->message_size_limit;
		if (smtp->role !=
		    SMTP_ROLE_LOCAL) /* a program's list may be long: it has nobody to ask again */
			smtp->rcpt_max = (unsigned)o->recipients_max;
		smtp->command_timeout = o->timeouts.smtp_command;
		smtp->data_timeout = o->timeouts.smtp_data;
	}
	c->pop3 = (struct pop3_server_config){
	    .hostname = o->hostname,
	    .implementation = STR("Godwit"),
	    .stls = true,
	    .marks_seen = o->pop3_marks_seen,
	    .timeout = o->timeouts.pop3,
	    .login_timeout = o->timeouts.pop3 < POP3_LOGIN_MS ? o->timeouts.pop3 : POP3_LOGIN_MS,
	};
}

static void config_release(struct front_config *c)
{
	if (--c->refs)
		return;
	config_unref(&c->snapshot);
	tls_unref(&c->tls);
	mem_free(c);
}

/* ---- sessions ---- */
bool front_plaintext_auth(const struct front_session *s)
{
	int policy = s->config->snapshot->plaintext_auth;

	return policy == CONFIG_PLAINTEXT_ALWAYS ||
	       (policy == CONFIG_PLAINTEXT_LOOPBACK && ip_is_loopback(&s->ip));
}

bool front_has_store(const struct front *f)
{
	return f->store && f->store->link;
}

bool front_ask(
    struct front_session *s, struct ipc_call *call, uint16_t type, struct buf *payload, int fd)
{
	struct front *f = s->front;
	bool there = front_has_store(f) && !payload->overflow;

	front_heard(s);
	if (there)
		ipc_call_start(f->store->link, call, type, buf_view(payload), fd);
	else if (fd >= 0)
		close(fd);
	buf_wipe(payload);
	return there;
}

void front_heard(struct front_session *s)
{
	s->heard = front_now();
}

void front_tell(struct front *f, uint16_t type, struct buf *payload)
{
	if (f->store && f->store->link)
		ipc_event(f->store->link, type, buf_view(payload), -1);
	buf_fini(payload);
}

bool front_ask_auth(struct front_session *s, struct str mechanism, struct str authzid,
    struct str authcid, struct str password)
{
	struct fs_auth m = {.session = s->number,
	    .mechanism = mechanism,
	    .authzid = authzid,
	    .authcid = authcid,
	    .password = password};
	struct buf payload;

	if (authzid.n > LIMIT_PASSWORD || authcid.n > LIMIT_PASSWORD || password.n > LIMIT_PASSWORD)
		return false;
	buf_init(&payload, 12 * KIB);
	fs_auth_put(&payload, &m);
	return front_ask(s, &s->call, FS_AUTH, &payload, -1);
}

void front_start_tls(struct front_session *s)
{
	struct net_tls_start start = {.ctx = s->config->tls, .alpn = s->protocol->alpn};

	net_drive_start_tls(s->drive, &start);
}

static void session_start(struct front_session *s, bool tls)
{
	s->started = true;
	front_admission_told(s);
	s->protocol->start(s, tls, front_now());
	net_drive_start(s->drive);
	if (s->front->draining) {
		s->protocol->shutdown(s);
		net_drive_pump(s->drive);
	}
}

void front_on_secured(void *ctx, const struct net_tls_info *info)
{
	struct front_session *s = ctx;

	if (!info->ok)
		return; /* closed() follows */
	if (info->dropped) {
		front_log(s, LOG_WARN, "plaintext-behind-starttls");
		log_num("octets", (int64_t)info->dropped);
		log_close();
	}
	if (s->started)
		s->protocol->secured(s);
	else
		session_start(s, true);
}

static void drain_if_idle(struct front *f)
{
	if (f->draining && f->session_count == 0)
		child_exit(0);
}

void front_on_closed(void *ctx, enum net_end end, const char *why)
{
	struct front_session *s = ctx;
	struct front *f = s->front;
	struct buf payload, reason;

	ipc_call_cancel(&s->call);
	buf_init(&reason, LIMIT_SMTP_REPLY_LINE);
	if (why && *why)
		buf_c(&reason, why);
	else if (s->started)
		buf_str(&reason, s->protocol->end_reason(s));
	if (s->started)
		s->protocol->end(s);
	if (!fs_handle_is_none(&s->handle)) {
		buf_init(&payload, 64);
		fs_handle_put(&payload, &s->handle);
		front_tell(f, FS_RELEASE, &payload);
	}
	front_admission_fini(s);
	if (s->admission.asked) {
		buf_init(&payload, 8);
		fs_leave_put(&payload, s->number);
		front_tell(f, FS_LEAVE, &payload);
	}
	front_log(s, LOG_INFO, "disconnected");
	log_num("ms", front_now() - s->began);
	if (reason.n)
		log_str("why", buf_view(&reason));
	log_close();
	buf_fini(&reason);
	config_release(s->config);
	list_remove(&s->link);
	f->session_count--;
	mem_free(s);
	drain_if_idle(f);
}

/* From now on it is read. False: the session is gone. */
static bool open_drive(struct front_session *s)
{
	struct err e;

	s->drive = net_drive_open(s->front->loop, s->fd, s->protocol->engine, s, &e);
	if (s->drive)
		return true;
	log_note(LOG_ERROR, "accept-failed", e.text);
	front_on_closed(s, NET_END_LOCAL, "");
	return false;
}

void front_open_tls(struct front_session *s)
{
	if (open_drive(s))
		front_start_tls(s);
}

void front_drop(struct front_session *s)
{
	MUST(!s->started);
	if (s->drive) {
		net_drive_close(s->drive);
		return;
	}
	close(s->fd);
	front_on_closed(s, NET_END_LOCAL, "");
}

static void on_accepted(void *user, int fd, const struct net_addr *peer)
{
	struct front_acceptor *a = user;
	struct front *f = a->front;
	struct front_session *s = mem_new(struct front_session);

	s->front = f;
	s->listener = a->listener;
	s->protocol = listeners[a->listener].protocol;
	s->number = ++f->next_number;
	s->ip = peer->ip;
	s->port = peer->port;
	s->own = net_local_addr(fd).ip;
	s->began = front_now();
	s->fd = fd;
	s->config = f->config;
	s->config->refs++;
	list_push(&f->sessions, &s->link);
	f->session_count++;
	front_log(s, LOG_INFO, "connected");
	log_close();
	if (listeners[a->listener].tls)
		front_admit_first(s);
	else if (open_drive(s))
		session_start(s, false);
}

static void on_starved(void *user, int code)
{
	log_open(LOG_ERROR, "accept-paused");
	log_text("why", uv_strerror(code));
	log_text("cure", "raise the limit of open files (ulimit -n, LimitNOFILE=)");
	log_close();
}

static const struct net_acceptor_handler accept_handler = {on_accepted, on_starved};

static void add_listener(struct front *f, struct str payload, int fd)
{
	struct front_acceptor *a;
	uint8_t listener;
	struct err e;

	if (fd < 0 || !sc_listener_get(payload, &listener) || listener >= FS_LISTENERS)
		return;
	a = mem_new(struct front_acceptor);
	a->front = f;
	a->listener = (enum fs_listener)listener;
	if (net_acceptor_new(f->loop, fd, &accept_handler, a, &a->acceptor, &e)) {
		log_note(LOG_ERROR, "listener-failed", e.text);
		mem_free(a);
		return;
	}
	list_push(&f->acceptors, &a->link);
}

/* ---- the link to store ---- */

/* Store has nothing to ask of a front: ruled out by the edge's table. */
static void on_store_request(struct peer *p, struct ipc_request *r, struct str payload, int fd)
{
	BUG("a front answers nothing");
}

/* The account behind it was disabled, removed, has another password. */
static void end_login(struct front *f, const struct fs_handle *handle)
{
	LIST_FOREACH(&f->sessions, it)
	{
		struct front_session *s = LIST_ENTRY(it, struct front_session, link);

		if (!s->started || !fs_handle_eq(&s->handle, handle))
			continue;
		front_log(s, LOG_INFO, "login-ended");
		log_close();
		s->protocol->logout(s);
		net_drive_pump(s->drive);
	}
}

static void on_store_event(struct peer *p, uint16_t type, struct str payload, int fd)
{
	struct front *f = p->owner;
	struct fs_handle handle;
	int64_t floor;

	if (type == FS_FLOOR && fs_floor_get(payload, &floor))
		id_maker_raise(&f->ids, floor);
	else if (type == FS_ENDED && fs_handle_get(payload, &handle))
		end_login(f, &handle);
	if (fd >= 0)
		close(fd);
}

/*
 * Store is gone: its handles are void. Sessions that wait were told by their calls; those logged in
 * end, since no request of theirs can succeed any more. One whose message store was to take first waits
 * for the next store, to learn whether it was taken.
 */
static void on_store_down(struct peer *p, const char *why)
{
	struct front *f = p->owner;

	if (why) /* it lives, so that no other link would come */
		child_abandon();
	f->store = NULL;
	log_note(LOG_WARN, "store-away", "sessions are told to come back in a moment");
	LIST_FOREACH(&f->sessions, it)
	{
		struct front_session *s = LIST_ENTRY(it, struct front_session, link);

		if (!s->started) {
			front_admission_void(s);
			continue;
		}
		s->protocol->no_store(s);
		net_drive_pump(s->drive);
	}
}

static bool is_waiting(const struct front_session *s)
{
	return s->started ? s->protocol->waits(s) : s->call.link != NULL;
}

/* A session is not kept waiting for ever: what it asked counts as lost, and it ends. */
static void on_patience(uv_timer_t *timer)
{
	struct front *f = timer->data;
	int64_t now = front_now();

	LIST_FOREACH(&f->sessions, it)
	{
		struct front_session *s = LIST_ENTRY(it, struct front_session, link);

		if (!is_waiting(s) || now - s->heard < s->config->snapshot->timeouts.store)
			continue;
		front_log(s, LOG_ERROR, "store-silent");
		if (s->started && s->protocol->log_message)
			s->protocol->log_message(s);
		log_num("ms", now - s->heard);
		log_close();
		if (!s->started) {
			front_drop(s);
			continue;
		}
		s->protocol->lose(s);
		s->protocol->no_store(s);
		net_drive_pump(s->drive);
	}
}

static const struct peer_config store_link[SC_ROLES] = {
    [SC_ROLE_MX] = {&fs_edge_mx, IPC_ASKER, "store", on_store_request, on_store_event,
	on_store_down},
    [SC_ROLE_USER] = {&fs_edge_user, IPC_ASKER, "store", on_store_request, on_store_event,
	on_store_down},
};

static void set_store(struct front *f, int fd)
{
	if (fd < 0)
		return;
	peer_lose(
	    &f->store); /* its end may not have been seen yet; handles are void all the same */
	f->store = peer_new(f->loop, &store_link[f->role], fd, f);
	LIST_FOREACH(&f->sessions, it)
	{
		struct front_session *s = LIST_ENTRY(it, struct front_session, link);

		if (s->started && s->protocol->store_back)
			s->protocol->store_back(s);
	}
}

/* ---- the supervisor's events ---- */
static void set_config(struct front *f, struct str payload)
{
	struct sc_start start;
	struct front_config *c;
	struct err e = {"a configuration event that cannot be read"};

	c = sc_start_get(payload, &start) ? config_new(&start, &e) : NULL;
	if (!c) {
		log_note(LOG_ERROR, "config-refused", e.text);
		return;
	}
	config_fill(c);
	config_release(f->config);
	f->config = c;
	log_open(LOG_INFO, "config");
	log_num("number", (int64_t)c->snapshot->number);
	log_close();
}

static void drain(struct front *f)
{
	if (f->draining)
		return;
	f->draining = true;
	LIST_FOREACH(&f->acceptors, it)
	{
		struct front_acceptor *a = LIST_ENTRY(it, struct front_acceptor, link);

		net_acceptor_free(&a->acceptor);
		list_remove(it);
		mem_free(a);
	}
	LIST_FOREACH(&f->sessions, it)
	{
		struct front_session *s = LIST_ENTRY(it, struct front_session, link);

		if (!s->started) {
			front_drop(s);
			continue;
		}
		s->protocol->shutdown(s);
		net_drive_pump(s->drive);
	}
	drain_if_idle(f);
}

static int front_start(void *ctx, const struct sc_start *start, const char **user_r, struct err *e)
{
	struct front *f = ctx;

	tls_warm_up();
	f->config = config_new(start, e);
	if (!f->config)
		return -1;
	config_fill(f->config);
	f->role = start->role;
	id_maker_init(&f->ids, start->node, 0);
	*user_r = (const char *)f->config->snapshot->user_net.p;
	log_setup(start->role == SC_ROLE_MX ? "mx" : "user",
	    (enum log_level)f->config->snapshot->log_level);
	return 0;
}

static int front_ready(void *ctx, struct err *e)
{
	struct front *f = ctx;

	net_stream_warm_up(f->loop);
	uv_timer_init(f->loop, &f->patience);
	f->patience.data = f;
	uv_timer_start(&f->patience, on_patience, PATIENCE_MS, PATIENCE_MS);
	return 0;
}

static void front_event(void *ctx, uint16_t type, struct str payload, int fd)
{
	struct front *f = ctx;

	switch (type) {
	case SC_CONFIG:
		set_config(f, payload);
		break;
	case SC_LISTENER:
		add_listener(f, payload, fd);
		return;
	case SC_STORE:
		set_store(f, fd);
		return;
	case SC_OWN:
		own_list_take(&f->own, payload);
		break;
	case SC_GO:
		child_tell(SC_READY, (struct str){NULL, 0});
		break;
	case SC_DRAIN:
		drain(f);
		break;
	}
	if (fd >= 0)
		close(fd);
}

static const struct child_role roles[SC_ROLES] = {
    [SC_ROLE_MX] = {"godwit: mx", false, front_start, front_ready, front_event},
    [SC_ROLE_USER] = {"godwit: user", false, front_start, front_ready, front_event},
};

int front_main(enum sc_role role)
{
	struct front f = {.loop = event_loop()};
	int status;

	list_init(&f.sessions);
	list_init(&f.acceptors);
	status = child_run(&roles[role], &f, f.loop);
	if (f.config)
		config_release(f.config);
	own_list_fini(&f.own);
	return status;
}
