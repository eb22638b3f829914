/*
 * Order of a start: configuration, store (which takes the lock and recovers), listeners, fronts. A
 * child that dies is started again; when store dies, every front gets a link to the new one. Listeners
 * are bound once and stay open here, so that connections queue while a front is restarted.
 *
 * Capabilities: whatever it was started with; it binds ports and reads keys. It reads from its
 * children only a few small events, checked by ipc and by what each may say when.
 */
#include "proc/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/config.h"
#include "config/config_file.h"
#include "ipc/sock.h"
#include "net/net_listen.h"
#include "net/tls.h"
#include "proc/log.h"
#include "proc/own_watch.h"
#include "proc/spawn.h"
#include "store/datadir.h"

#define CHILDREN_MAX  132 /* 64 fronts of each kind, and the others */
#define LISTENERS_MAX 64
#define DRAIN_MS      30000 /* what is in flight may take this long */
#define STABLE_MS     5000  /* a child that lived this long is started again at once */
#define RETRY_MS      1000
#define IMPATIENT_MS  1000
#define TICKET_KEY_MS (12 * HOUR_MS)
#define ADMIN_SOCKET  DATADIR_RUN "/admin.sock"
#define LOCAL_SOCKET  DATADIR_RUN "/sendmail.sock"

/* What each role is given. */
static const struct {
	bool listens; /* sockets, and the keys for TLS on them */
	bool asks_store;
	bool asks_resolver;
	bool sends;     /* mail to others, and knows who is no other */
	bool ends_late; /* when a server stops: after those who need it */
} roles[SC_ROLES] = {
    [SC_ROLE_STORE] = {.ends_late = true},
    [SC_ROLE_MX] = {.listens = true, .asks_store = true},
    [SC_ROLE_USER] = {.listens = true, .asks_store = true},
    [SC_ROLE_RESOLVER] = {.ends_late = true},
    [SC_ROLE_RELAY] = {.asks_store = true, .asks_resolver = true, .sends = true},
};

struct listener {
	int fd;
	uint8_t kind; /* enum fs_listener, or SC_LISTENER_ADMIN */
	enum sc_role role;
};

struct supervisor {
	uv_loop_t *loop;
	char *dir;
	struct config_snapshot *config;
	struct buf certificate, key, tickets;
	struct spawn store;
	struct spawn children[CHILDREN_MAX]; /* all but store */
	size_t child_count;
	struct listener listeners[LISTENERS_MAX];
	size_t listener_count;
	uint16_t next_node;
	bool bound; /* all listeners are ours */
	bool up;    /* the first start was completed */
	bool stopping;
	int64_t stop_asked; /* monotonic */
	int status;         /* exit code */
	uv_signal_t on_term, on_int, on_hup;
	uv_timer_t retry, deadline, rotate, watch;
	struct watchdog watchdog;
	struct own_watch own;
	bool retrying;
};

static void advance(struct supervisor *sv);

/* ---- configuration and keys ---- */
static int read_pem(struct supervisor *sv, const struct config_snapshot *c, struct str name,
    enum config_file_kind kind, struct buf *out, struct err *e)
{
	struct buf path;
	int r;

	buf_init(&path, 4096);
	r = config_file_read(config_path(c, name, &path), kind, out, e);
	buf_fini(&path);
	return r;
}

/* Reads everything anew; on failure what was there stays. */
static int load(struct supervisor *sv, struct err *e)
{
	uint64_t number = sv->config ? sv->config->number + 1 : 1;
	struct config_snapshot *c = NULL;
	struct buf certificate, key;
	struct tls_ctx *trial = NULL;

	buf_init(&certificate, 128 * KIB);
	buf_init(&key, 128 * KIB);
	if (config_load(sv->dir, number, &c, e))
		return -1;
	if (read_pem(sv, c, c->tls_certificate, CONFIG_FILE_PUBLIC, &certificate, e) ||
	    read_pem(sv, c, c->tls_key, CONFIG_FILE_SECRET, &key, e) ||
	    !(trial = tls_server_new(
		  buf_view(&certificate), buf_view(&key), buf_view(&sv->tickets), e))) {
		config_unref(&c);
		buf_fini(&certificate);
		buf_wipe(&key);
		return -1;
	}
	tls_unref(&trial);
	config_unref(&sv->config);
	buf_fini(&sv->certificate);
	buf_wipe(&sv->key);
	sv->config = c;
	sv->certificate = certificate;
	sv->key = key;
	log_setup("supervisor", (enum log_level)c->log_level);
	return 0;
}

static void put_start(struct supervisor *sv, const struct spawn *s, struct buf *b)
{
	struct sc_start start = {.role = s->role, .node = s->node, .number = sv->config->number};
	struct buf snapshot;

	buf_init(&snapshot, 256 * KIB);
	config_encode(sv->config, &snapshot);
	start.snapshot = buf_view(&snapshot);
	if (roles[s->role].listens) {
		start.certificate = buf_view(&sv->certificate);
		start.key = buf_view(&sv->key);
		start.tickets = buf_view(&sv->tickets);
	}
	buf_init(b, 1 * MIB);
	sc_start_put(b, &start);
	buf_fini(&snapshot);
}

static void tell_config(struct supervisor *sv, struct spawn *s, uint16_t type)
{
	struct buf b;

	put_start(sv, s, &b);
	spawn_tell(s, type, buf_view(&b), -1);
	buf_wipe(&b);
}

static void tell_all_config(struct supervisor *sv)
{
	tell_config(sv, &sv->store, SC_CONFIG);
	for (size_t i = 0; i < sv->child_count; i++)
		if (sv->children[i].running)
			tell_config(sv, &sv->children[i], SC_CONFIG);
}

static void tell_own(struct supervisor *sv, struct spawn *s)
{
	if (s->running && roles[s->role].sends)
		spawn_tell(s, SC_OWN, buf_view(&sv->own.list), -1);
}

static void on_own_changed(struct own_watch *own)
{
	struct supervisor *sv = LIST_ENTRY(own, struct supervisor, own);

	for (size_t i = 0; i < sv->child_count; i++)
		tell_own(sv, &sv->children[i]);
}

/* ---- listeners ---- */
static int add_listener(struct supervisor *sv, int fd, uint8_t kind, enum sc_role role)
{
	if (fd < 0)
		return -1;
	MUST(sv->listener_count < LISTENERS_MAX);
	sv->listeners[sv->listener_count++] = (struct listener){fd, kind, role};
	return 0;
}

static int bind_tcp(
    struct supervisor *sv, int64_t port, enum fs_listener kind, enum sc_role role, struct err *e)
{
	const struct config_snapshot *c = sv->config;

	for (size_t i = 0; port && i < c->listen.n; i++) {
		if (sv->listener_count == LISTENERS_MAX - 2)
			return err_set(e, "too many addresses to listen on; at most %d sockets",
			    LISTENERS_MAX);
		if (add_listener(sv, net_listen_tcp(&c->listen.v[i], config_port(c, port), e),
			(uint8_t)kind, role))
			return -1;
	}
	return 0;
}

static int bind_unix(struct supervisor *sv, const char *path, mode_t mode, uint8_t kind,
    enum sc_role role, struct err *e)
{
	return add_listener(sv, net_listen_unix(path, mode, e), kind, role);
}

static int bind_all(struct supervisor *sv, struct err *e)
{
	const struct config_ports *p = &sv->config->ports;

	if (bind_tcp(sv, p->smtp, FS_LISTENER_SMTP, SC_ROLE_MX, e) ||
	    bind_tcp(sv, p->lmtp, FS_LISTENER_LMTP, SC_ROLE_MX, e) ||
	    bind_tcp(sv, p->submission, FS_LISTENER_SUBMISSION, SC_ROLE_USER, e) ||
	    bind_tcp(sv, p->smtps, FS_LISTENER_SMTPS, SC_ROLE_USER, e) ||
	    bind_tcp(sv, p->pop3, FS_LISTENER_POP3, SC_ROLE_USER, e) ||
	    bind_tcp(sv, p->pop3s, FS_LISTENER_POP3S, SC_ROLE_USER, e) ||
	    bind_unix(sv, LOCAL_SOCKET, 0666, FS_LISTENER_SENDMAIL, SC_ROLE_USER, e) ||
	    bind_unix(sv, ADMIN_SOCKET, 0600, SC_LISTENER_ADMIN, SC_ROLE_STORE, e))
		return -1;
	sv->bound = true;
	return 0;
}

/* Nobody shall wait in the queue of a socket that nobody will accept from. */
static void close_listeners(struct supervisor *sv)
{
	for (size_t i = 0; i < sv->listener_count; i++)
		close(sv->listeners[i].fd);
	sv->listener_count = 0;
}

static void give_listeners(struct supervisor *sv, struct spawn *s)
{
	for (size_t i = 0; i < sv->listener_count; i++) {
		const struct listener *l = &sv->listeners[i];
		struct buf b;

		if (l->role != s->role)
			continue;
		buf_init(&b, 8);
		sc_listener_put(&b, l->kind);
		spawn_tell(s, SC_LISTENER, buf_view(&b), fcntl(l->fd, F_DUPFD_CLOEXEC, 0));
		buf_fini(&b);
	}
}

/* ---- children ---- */

/* A pair of sockets joins one who asks with one who answers: SC_STORE, SC_RESOLVER say which. */
static void join(struct spawn *answerer, struct spawn *asker, enum sc_type type)
{
	int fds[2];
	struct buf b;

	if (ipc_sock_pair(fds)) {
		log_note(LOG_ERROR, "join-failed", strerror(errno));
		return;
	}
	buf_init(&b, 8);
	sc_peer_put(&b, asker->role, asker->node);
	spawn_tell(answerer, SC_PEER, buf_view(&b), fds[0]);
	spawn_tell(asker, type, (struct str){NULL, 0}, fds[1]);
	buf_fini(&b);
}

/* Everybody who asks store gets a link to it. */
static void join_store(struct supervisor *sv)
{
	for (size_t i = 0; i < sv->child_count; i++)
		if (sv->children[i].running && roles[sv->children[i].role].asks_store)
			join(&sv->store, &sv->children[i], SC_STORE);
}

static void join_resolver(struct supervisor *sv, struct spawn *resolver)
{
	for (size_t i = 0; i < sv->child_count; i++)
		if (sv->children[i].running && roles[sv->children[i].role].asks_resolver)
			join(resolver, &sv->children[i], SC_RESOLVER);
}

/* A child that was just started: whom it asks, and who asks it. */
static void join_child(struct supervisor *sv, struct spawn *s)
{
	if (roles[s->role].asks_store && sv->store.ready)
		join(&sv->store, s, SC_STORE);
	if (s->role == SC_ROLE_RESOLVER)
		join_resolver(sv, s);
	for (size_t i = 0; roles[s->role].asks_resolver && i < sv->child_count; i++)
		if (sv->children[i].running && sv->children[i].role == SC_ROLE_RESOLVER)
			join(&sv->children[i], s, SC_RESOLVER);
}

static void tell_processes(struct supervisor *sv)
{
	struct buf b;
	struct sc_process p;

	buf_init(&b, 64 * KIB);
	for (size_t i = 0; i <= sv->child_count; i++) {
		const struct spawn *s = i == 0 ? &sv->store : &sv->children[i - 1];

		if (!s->running)
			continue;
		p = (struct sc_process){
		    s->role, s->node, (uint32_t)s->process.pid, s->restarts, s->started};
		sc_process_put(&b, &p);
	}
	spawn_tell(&sv->store, SC_PROCESSES, buf_view(&b), -1);
	buf_fini(&b);
}

static void log_process(enum log_level level, const char *event, const struct spawn *s)
{
	log_open(level, event);
	log_text("role", sc_role_name(s->role));
	log_num("pid", s->process.pid);
	log_num("node", s->node);
}

static void fatal(struct supervisor *sv, int status, const char *text)
{
	log_note(LOG_ERROR, "cannot-serve", text);
	if (!sv->status)
		sv->status = status;
	sv->stopping = true;
}

static void store_ready(struct supervisor *sv)
{
	struct err e;

	if (sv->stopping)
		return;
	if (sv->listener_count == 0 && bind_all(sv, &e)) {
		fatal(sv, EX_UNAVAILABLE, e.text);
		return;
	}
	give_listeners(sv, &sv->store);
	join_store(sv);
}

static void log_ready(struct supervisor *sv)
{
	log_open(LOG_INFO, "ready");
	log_str("hostname", sv->config->hostname);
	log_text("data", sv->dir);
	log_num("smtp", config_port(sv->config, sv->config->ports.smtp));
	log_num("submission", config_port(sv->config, sv->config->ports.submission));
	log_num("pop3", config_port(sv->config, sv->config->ports.pop3));
	log_close();
}

static void child_ready(struct supervisor *sv)
{
	for (size_t i = 0; i < sv->child_count; i++)
		if (roles[sv->children[i].role].listens && !sv->children[i].ready)
			return; /* the others may take their time: a resolver asks the DNS first */
	if (!sv->up)
		log_ready(sv);
	sv->up = true;
}

/* One who answers says that one who asks him broke the protocol between them. */
static bool bad_peer(struct supervisor *sv, struct spawn *s, struct str payload)
{
	enum sc_role role;
	uint16_t node;

	if (!sc_peer_get(payload, &role, &node))
		return false;
	if (s->role == SC_ROLE_STORE ? !roles[role].asks_store
				     : s->role != SC_ROLE_RESOLVER || !roles[role].asks_resolver)
		return false;
	for (size_t i = 0; i < sv->child_count; i++) {
		struct spawn *bad = &sv->children[i];

		if (bad->running && bad->node == node && bad->role == role) {
			log_process(LOG_ERROR, "front-mistrusted", bad);
			log_close();
			spawn_kill(bad);
		}
	}
	return true;
}

/* ---- what children tell: each returns false when the child may not say that now ---- */
static bool on_ready(struct supervisor *sv, struct spawn *s, struct str payload)
{
	if (s->ready || s->failed)
		return false;
	s->ready = true;
	if (s->role == SC_ROLE_STORE)
		store_ready(sv);
	else
		child_ready(sv);
	tell_processes(sv);
	return true;
}

static bool on_failed(struct supervisor *sv, struct spawn *s, struct str payload)
{
	struct buf text;

	if (s->ready || s->failed)
		return false;
	s->failed = true;
	buf_init(&text, 1024);
	buf_str(&text, payload);
	if (sv->up)
		log_note(LOG_ERROR, "child-failed", buf_cstr(&text));
	else
		fatal(sv, EX_UNAVAILABLE, buf_cstr(&text));
	buf_fini(&text);
	return true;
}

static bool on_pong(struct supervisor *sv, struct spawn *s, struct str payload)
{
	return watch_answered(&s->watch);
}

static bool (*const told[SC_TYPES])(struct supervisor *sv, struct spawn *s, struct str payload) = {
    [SC_READY] = on_ready,
    [SC_FAILED] = on_failed,
    [SC_PONG] = on_pong,
    [SC_BAD_PEER] = bad_peer,
};

static void on_child_event(struct peer *p, uint16_t type, struct str payload, int fd)
{
	struct spawn *s = p->owner;
	struct supervisor *sv = s->owner;

	if (fd >= 0)
		close(fd);
	if (uv_is_closing((uv_handle_t *)&s->process) || s->mistrusted)
		return;
	if (!told[type](sv, s, payload)) {
		log_process(LOG_ERROR, "child-mistrusted", s);
		log_text("why", sc_edge.types[type].name);
		log_close();
		s->mistrusted = true;
		spawn_kill(s);
	}
	advance(sv);
}

static void on_child_request(struct peer *p, struct ipc_request *r, struct str payload, int fd)
{
	BUG("children ask nothing; the table has no requests");
}

/* Its exit is what counts; a link that breaks before is made an exit. */
static void on_child_down(struct peer *p, const char *why)
{
	struct spawn *s = p->owner;

	s->link = NULL;
	if (why || !s->draining)
		spawn_kill(s);
}

static const struct peer_config child_link = {
    &sc_edge, IPC_ASKER, "child", on_child_request, on_child_event, on_child_down};

static void on_retry(uv_timer_t *timer)
{
	struct supervisor *sv = timer->data;

	sv->retrying = false;
	advance(sv);
}

static void on_child_exit(struct spawn *s, int64_t status, int signal)
{
	struct supervisor *sv = s->owner;
	bool expected = s->draining || sv->stopping;

	log_process(expected && signal == 0 ? LOG_INFO : LOG_ERROR, "exited", s);
	log_num("status", status);
	log_num("signal", signal);
	log_close();
	s->restarts++;
	if (!expected && !sv->up)
		fatal(sv, EX_SOFTWARE,
		    "a process ended before the server was up; see the lines above");
	if (!expected && clock_mono() - s->started_mono < STABLE_MS) {
		sv->retrying = true;
		uv_timer_start(&sv->retry, on_retry, RETRY_MS, 0);
	}
	tell_processes(sv);
	advance(sv);
}

static void start(struct supervisor *sv, struct spawn *s)
{
	struct err e;

	s->owner = sv;
	s->on_exit = on_child_exit;
	sv->next_node = (uint16_t)(sv->next_node % 1021 + 1); /* 0, 1022, 1023: store's */
	s->node = s->role == SC_ROLE_STORE ? 0 : sv->next_node;
	if (spawn_start(s, sv->loop, &child_link, &e)) {
		log_note(LOG_ERROR, "start-failed", e.text);
		sv->retrying = true;
		uv_timer_start(&sv->retry, on_retry, RETRY_MS, 0);
		return;
	}
	log_process(LOG_INFO, "started", s);
	log_close();
	tell_config(sv, s, SC_START);
	if (s->role == SC_ROLE_STORE)
		return;
	tell_own(sv, s);
	give_listeners(sv, s);
	join_child(sv, s);
	spawn_tell(s, SC_GO, (struct str){NULL, 0}, -1);
}

/* ---- the watchdog ---- */
static struct spawn *nth_child(struct supervisor *sv, size_t i)
{
	return i < sv->child_count ? &sv->children[i] : &sv->store;
}

static bool is_watched(const struct spawn *s)
{
	return s->running && s->ready && !s->draining;
}

static void end_hung(struct spawn *s)
{
	log_process(LOG_ERROR, "process-hung", s);
	log_num("silent_ms", s->watch.silent);
	log_text("cure",
	    "it is started again; if it happens again, look at the disk and the load of "
	    "the machine, or raise timeouts.process");
	log_close();
	watch_ended(&s->watch);
	spawn_kill(s);
}

static void on_watch(uv_timer_t *timer)
{
	struct supervisor *sv = timer->data;
	int64_t patience = sv->config->timeouts.process;
	int64_t passed = watchdog_tick(&sv->watchdog, clock_mono(), patience);
	unsigned watched = 0, hung = 0;
	bool machine;

	uv_timer_start(timer, on_watch, (uint64_t)watchdog_step(patience), 0);
	for (size_t i = 0; i <= sv->child_count; i++) {
		struct spawn *s = nth_child(sv, i);

		if (!is_watched(s))
			continue;
		if (watch_pass(&s->watch, passed))
			spawn_tell(s, SC_PING, (struct str){NULL, 0}, -1);
		watched++;
		hung += watch_is_hung(&s->watch, patience);
	}
	machine = watchdog_is_machine(hung, watched);
	if (machine)
		log_note(LOG_WARN, "machine-slow",
		    "most processes do not answer at the same time: the machine has no time for "
		    "them, so they are left alone");
	for (size_t i = 0; hung && i <= sv->child_count; i++) {
		struct spawn *s = nth_child(sv, i);

		if (is_watched(s) && watch_is_hung(&s->watch, patience)) {
			if (machine)
				s->watch.silent = 0;
			else
				end_hung(s);
		}
	}
}

/* ---- stopping ---- */
static void drain(struct spawn *s)
{
	if (!s->running || s->draining)
		return;
	s->draining = true;
	spawn_tell(s, SC_DRAIN, (struct str){NULL, 0}, -1);
}

/* Tells those that end late, or the others, to end. Do any of them still run? */
static bool drain_children(struct supervisor *sv, bool late)
{
	bool running = false;

	for (size_t i = 0; i < sv->child_count; i++) {
		if (roles[sv->children[i].role].ends_late != late)
			continue;
		drain(&sv->children[i]);
		running |= sv->children[i].running;
	}
	return running;
}

/* Those who ask first, so that what they hold still reaches store. */
static void stop_step(struct supervisor *sv)
{
	bool running = drain_children(sv, false);

	if (running)
		return;
	running = drain_children(sv, true);
	drain(&sv->store);
	if (!running && !sv->store.running)
		uv_stop(sv->loop);
}

static void kill_all(struct supervisor *sv)
{
	for (size_t i = 0; i < sv->child_count; i++)
		spawn_kill(&sv->children[i]);
	spawn_kill(&sv->store);
}

static void on_deadline(uv_timer_t *timer)
{
	log_note(LOG_WARN, "stop-forced", "what was in flight took too long");
	kill_all(timer->data);
}

/* Does whatever the state asks for next: start what is missing, or stop what runs. */
static void advance(struct supervisor *sv)
{
	if (sv->stopping) {
		close_listeners(sv);
		if (!uv_is_active((uv_handle_t *)&sv->deadline))
			uv_timer_start(&sv->deadline, on_deadline, DRAIN_MS, DRAIN_MS);
		stop_step(sv);
		return;
	}
	if (sv->retrying)
		return;
	if (!sv->store.running)
		start(sv, &sv->store);
	for (size_t i = 0; sv->listener_count && i < sv->child_count; i++)
		if (!sv->children[i].running && !sv->retrying)
			start(sv, &sv->children[i]);
}

/* ---- signals and timers ---- */
static void on_stop_signal(uv_signal_t *handle, int signum)
{
	struct supervisor *sv = handle->data;
	bool again = sv->stopping;

	/* a terminal and a service manager may both send one: only a later one means "at once" */
	if (again && clock_mono() - sv->stop_asked < IMPATIENT_MS)
		return;
	log_open(LOG_INFO, again ? "stop-now" : "stopping");
	log_num("signal", signum);
	log_close();
	if (again)
		kill_all(sv);
	sv->stopping = true;
	sv->stop_asked = clock_mono();
	advance(sv);
}

/* A change that running listeners and processes cannot follow. */
static bool needs_restart(const struct config_snapshot *a, const struct config_snapshot *b)
{
	return memcmp(&a->ports, &b->ports, sizeof a->ports) || a->port_offset != b->port_offset ||
	       a->listen.n != b->listen.n ||
	       memcmp(a->listen.v, b->listen.v, a->listen.n * sizeof *a->listen.v) ||
	       a->mx_processes != b->mx_processes || a->user_processes != b->user_processes ||
	       !str_eq(a->user_store, b->user_store) || !str_eq(a->user_net, b->user_net);
}

static void on_reload_signal(uv_signal_t *handle, int signum)
{
	struct supervisor *sv = handle->data;
	struct config_snapshot *old = config_ref(sv->config);
	struct err e;

	if (load(sv, &e)) {
		log_note(LOG_ERROR, "reload-refused", e.text);
		config_unref(&old);
		return;
	}
	if (needs_restart(old, sv->config))
		log_note(LOG_WARN, "restart-needed",
		    "addresses, ports, users and numbers of processes change at the next start");
	config_unref(&old);
	tell_all_config(sv);
	own_watch_set(&sv->own, sv->config->listen.v, sv->config->listen.n);
	log_open(LOG_INFO, "reloaded");
	log_num("number", (int64_t)sv->config->number);
	log_close();
}

static void on_rotate(uv_timer_t *timer)
{
	struct supervisor *sv = timer->data;

	tls_tickets_rotate(&sv->tickets);
	tell_all_config(sv);
}

static void watch_signal(struct supervisor *sv, uv_signal_t *handle, int signum, uv_signal_cb cb)
{
	uv_signal_init(sv->loop, handle);
	handle->data = sv;
	uv_signal_start(handle, cb, signum);
}

static void init_timer(struct supervisor *sv, uv_timer_t *timer)
{
	uv_timer_init(sv->loop, timer);
	timer->data = sv;
}

/* ---- start ---- */
static int check_owner(struct supervisor *sv, struct err *e)
{
	const char *user = (const char *)sv->config->user_store.p;
	struct passwd *pw;
	struct stat st;

	if (geteuid() != 0)
		return 0;
	pw = getpwnam(user);
	if (!pw)
		return err_set(e,
		    "there is no system user %s; create it with: useradd --system --shell "
		    "/usr/sbin/nologin %s",
		    user, user);
	if (stat(".", &st) == 0 && st.st_uid != pw->pw_uid)
		return err_set(e, "%s does not belong to the user %s; cure: chown -R %s %s",
		    sv->dir, user, user, sv->dir);
	return 0;
}

static int fail(const struct err *e, int code)
{
	log_note(LOG_ERROR, "cannot-serve", e->text);
	return code;
}

static void plan_children(struct supervisor *sv)
{
	const int64_t want[SC_ROLES] = {[SC_ROLE_RESOLVER] = 1,
	    [SC_ROLE_RELAY] = 1,
	    [SC_ROLE_MX] = sv->config->mx_processes,
	    [SC_ROLE_USER] = sv->config->user_processes};

	for (int role = SC_ROLE_MX; role < SC_ROLES; role++)
		for (int64_t i = 0; i < want[role] && sv->child_count < CHILDREN_MAX; i++)
			sv->children[sv->child_count++].role = (enum sc_role)role;
}

static int run(struct supervisor *sv)
{
	watch_signal(sv, &sv->on_term, SIGTERM, on_stop_signal);
	watch_signal(sv, &sv->on_int, SIGINT, on_stop_signal);
	watch_signal(sv, &sv->on_hup, SIGHUP, on_reload_signal);
	signal(SIGPIPE, SIG_IGN);
	init_timer(sv, &sv->retry);
	init_timer(sv, &sv->deadline);
	init_timer(sv, &sv->rotate);
	init_timer(sv, &sv->watch);
	uv_timer_start(&sv->rotate, on_rotate, TICKET_KEY_MS, TICKET_KEY_MS);
	on_watch(&sv->watch);
	own_watch_init(&sv->own, sv->loop, on_own_changed);
	own_watch_set(&sv->own, sv->config->listen.v, sv->config->listen.n);
	advance(sv);
	uv_run(sv->loop, UV_RUN_DEFAULT);
	if (sv->bound) { /* else they may be another server's */
		unlink(ADMIN_SOCKET);
		unlink(LOCAL_SOCKET);
	}
	log_open(LOG_INFO, "stopped");
	log_num("status", sv->status);
	log_close();
	return sv->status;
}

static void release(struct supervisor *sv)
{
	close_listeners(sv);
	own_watch_fini(&sv->own);
	config_unref(&sv->config);
	buf_fini(&sv->certificate);
	buf_wipe(&sv->key);
	buf_wipe(&sv->tickets);
	free(sv->dir);
}

/* The data directory becomes the working directory, here and in all children. */
static int enter(struct supervisor *sv, const char *dir, struct err *e)
{
	sv->dir = realpath(dir, NULL);
	if (sv->dir && chdir(sv->dir) == 0)
		return 0;
	return err_sys(e, errno,
	    "cannot use the data directory %s (make one with: godwit init --data %s)", dir, dir);
}

int supervisor_main(const char *dir)
{
	struct supervisor sv = {.loop = uv_default_loop()};
	struct err e;
	int code;

	log_setup("supervisor", LOG_INFO);
	buf_init(&sv.certificate, 128 * KIB);
	buf_init(&sv.key, 128 * KIB);
	buf_init(&sv.tickets, TLS_TICKET_KEY * TLS_TICKET_KEYS);
	tls_warm_up();
	tls_tickets_rotate(&sv.tickets);
	if (enter(&sv, dir, &e)) {
		code = fail(&e, EX_NOINPUT);
	} else if (load(&sv, &e)) {
		code = fail(&e, EX_CONFIG);
	} else if (check_owner(&sv, &e)) {
		code = fail(&e, EX_NOUSER);
	} else {
		plan_children(&sv);
		code = run(&sv);
	}
	release(&sv);
	return code;
}
