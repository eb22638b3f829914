/*
 * A child's life: started and given what its role needs, joined with whom it asks, ready, ended. What it
 * tells is checked by ipc and by what it may say when; one that says else is ended.
 */
#include <errno.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "ipc/sock.h"
#include "proc/supervisor_priv.h"

#define STABLE_MS   5000 /* a child that lived this long is started again at once, */
#define HASTY_LIVES 5    /* and so is one that did not, unless it is so every time: */
#define RETRY_MS    1000 /* then it has to wait */

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
		if (sv->children[i].running && supervisor_roles[sv->children[i].role].asks_store)
			join(&sv->store, &sv->children[i], SC_STORE);
}

static void join_resolver(struct supervisor *sv, struct spawn *resolver)
{
	for (size_t i = 0; i < sv->child_count; i++)
		if (sv->children[i].running && supervisor_roles[sv->children[i].role].asks_resolver)
			join(resolver, &sv->children[i], SC_RESOLVER);
}

/* A child that was just started: whom it asks, and who asks it. */
static void join_child(struct supervisor *sv, struct spawn *s)
{
	if (supervisor_roles[s->role].asks_store && sv->store.ready)
		join(&sv->store, s, SC_STORE);
	if (s->role == SC_ROLE_RESOLVER)
		join_resolver(sv, s);
	for (size_t i = 0; supervisor_roles[s->role].asks_resolver && i < sv->child_count; i++)
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

void supervisor_child_log(enum log_level level, const char *event, const struct spawn *s)
{
	log_open(level, event);
	log_text("role", sc_role_name(s->role));
	log_num("pid", s->process.pid);
	log_num("node", s->node);
}

static void store_ready(struct supervisor *sv)
{
	struct err e;

	if (sv->stopping)
		return;
	if (sv->listener_count == 0 && supervisor_listen_bind(sv, &e)) {
		supervisor_fatal(sv, EX_UNAVAILABLE, e.text);
		return;
	}
	supervisor_listen_give(sv, &sv->store);
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
		if (supervisor_roles[sv->children[i].role].listens && !sv->children[i].ready)
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
	if (s->role == SC_ROLE_STORE
		? !supervisor_roles[role].asks_store
		: s->role != SC_ROLE_RESOLVER || !supervisor_roles[role].asks_resolver)
		return false;
	for (size_t i = 0; i < sv->child_count; i++) {
		struct spawn *bad = &sv->children[i];

		if (bad->running && bad->node == node && bad->role == role) {
			supervisor_child_log(LOG_ERROR, "front-mistrusted", bad);
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
		supervisor_fatal(sv, EX_UNAVAILABLE, buf_cstr(&text));
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
		supervisor_child_log(LOG_ERROR, "child-mistrusted", s);
		log_text("why", sc_edge.types[type].name);
		log_close();
		s->mistrusted = true;
		spawn_kill(s);
	}
	supervisor_advance(sv);
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
	supervisor_advance(sv);
}

static void on_child_exit(struct spawn *s, int64_t status, int signal)
{
	struct supervisor *sv = s->owner;
	bool expected = s->draining || sv->stopping;

	supervisor_child_log(expected && signal == 0 ? LOG_INFO : LOG_ERROR, "exited", s);
	log_num("status", status);
	log_num("signal", signal);
	log_close();
	s->restarts++;
	if (!expected && !sv->up)
		supervisor_fatal(sv, EX_SOFTWARE,
		    "a process ended before the server was up; see the lines above");
	s->hasty = clock_mono() - s->started_mono < STABLE_MS ? s->hasty + 1 : 0;
	if (!expected && s->hasty > HASTY_LIVES) {
		sv->retrying = true;
		uv_timer_start(&sv->retry, on_retry, RETRY_MS, 0);
	}
	tell_processes(sv);
	supervisor_advance(sv);
}

void supervisor_child_start(struct supervisor *sv, struct spawn *s)
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
	supervisor_child_log(LOG_INFO, "started", s);
	log_close();
	supervisor_config_tell(sv, s, SC_START);
	supervisor_config_tell_own(sv, s);
	if (s->role == SC_ROLE_STORE)
		return;
	/* before anybody can come to it, who would hear that there is no store */
	join_child(sv, s);
	supervisor_listen_give(sv, s);
	spawn_tell(s, SC_GO, (struct str){NULL, 0}, -1);
}
