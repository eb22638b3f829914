/*
 * Order of a start: configuration, store (which takes the lock and recovers), listeners, fronts. A
 * child that dies is started again; when store dies, every front gets a link to the new one. Here are the
 * start, the signals and the end; supervisor_config, supervisor_listen, supervisor_child and
 * supervisor_watch do the rest.
 *
 * Capabilities: whatever it was started with; it binds ports and reads keys. It reads from its
 * children only a few small events, checked by ipc and by what each may say when.
 */
#include "proc/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/tls.h"
#include "proc/event_loop.h"
#include "proc/supervisor_priv.h"

#define DRAIN_MS      30000 /* what is in flight may take this long; the relay gives up before */
#define IMPATIENT_MS  1000
#define TICKET_KEY_MS (12 * HOUR_MS)

const struct supervisor_role supervisor_roles[SC_ROLES] = {
    [SC_ROLE_STORE] = {.knows_own = true, .ends_late = true},
    [SC_ROLE_MX] = {.listens = true, .asks_store = true, .knows_own = true},
    [SC_ROLE_USER] = {.listens = true, .asks_store = true, .knows_own = true},
    [SC_ROLE_RESOLVER] = {.ends_late = true},
    [SC_ROLE_RELAY] = {.asks_store = true, .asks_resolver = true, .knows_own = true},
};

void supervisor_fatal(struct supervisor *sv, int status, const char *text)
{
	log_note(LOG_ERROR, "cannot-serve", text);
	if (!sv->status)
		sv->status = status;
	sv->stopping = true;
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
		if (supervisor_roles[sv->children[i].role].ends_late != late)
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
void supervisor_advance(struct supervisor *sv)
{
	if (sv->stopping) {
		supervisor_listen_close(sv);
		if (!uv_is_active((uv_handle_t *)&sv->deadline))
			uv_timer_start(&sv->deadline, on_deadline, DRAIN_MS, DRAIN_MS);
		stop_step(sv);
		return;
	}
	if (sv->retrying)
		return;
	if (!sv->store.running)
		supervisor_child_start(sv, &sv->store);
	for (size_t i = 0; sv->listener_count && i < sv->child_count; i++)
		if (!sv->children[i].running && !sv->retrying)
			supervisor_child_start(sv, &sv->children[i]);
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
	supervisor_advance(sv);
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
	struct err e;

	if (supervisor_config_load(sv, &e)) {
		log_note(LOG_ERROR, "reload-refused", e.text);
		return;
	}
	if (needs_restart(sv->started, sv->config))
		log_note(LOG_WARN, "restart-needed",
		    "addresses, ports, users and numbers of processes change at the next start");
	supervisor_config_tell_all(sv);
	own_watch_set(&sv->own, sv->started->listen.v, sv->started->listen.n);
	log_open(LOG_INFO, "reloaded");
	log_num("number", (int64_t)sv->config->number);
	log_close();
}

static void on_rotate(uv_timer_t *timer)
{
	struct supervisor *sv = timer->data;

	tls_tickets_rotate(&sv->tickets);
	supervisor_config_tell_all(sv);
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
		for (int64_t i = 0; i < want[role] && sv->child_count < SUPERVISOR_CHILDREN; i++)
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
	supervisor_watch_start(sv);
	own_watch_init(&sv->own, sv->loop, supervisor_config_own_changed);
	own_watch_set(&sv->own, sv->started->listen.v, sv->started->listen.n);
	supervisor_advance(sv);
	uv_run(sv->loop, UV_RUN_DEFAULT);
	if (sv->bound) { /* else they may be another server's */
		unlink(SUPERVISOR_ADMIN_SOCKET);
		unlink(SUPERVISOR_LOCAL_SOCKET);
	}
	log_open(LOG_INFO, "stopped");
	log_num("status", sv->status);
	log_close();
	return sv->status;
}

static void release(struct supervisor *sv)
{
	supervisor_listen_close(sv);
	own_watch_fini(&sv->own);
	config_unref(&sv->config);
	config_unref(&sv->started);
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
	struct supervisor sv = {.loop = event_loop()};
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
	} else if (supervisor_config_load(&sv, &e)) {
		code = fail(&e, EX_CONFIG);
	} else {
		sv.started = config_ref(sv.config);
		plan_children(&sv);
		code = run(&sv);
	}
	release(&sv);
	return code;
}
