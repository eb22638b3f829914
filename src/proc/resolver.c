/*
 * The resolver process: the only one that speaks DNS.
 *
 * Capabilities: network side's user; reads /etc/resolv.conf and the root's keys when a configuration
 * comes; afterwards sockets to DNS servers, the link to the supervisor, links to those who ask. No other
 * files, no new processes.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"
#include "ipc/relay_resolver.h"
#include "proc/child.h"
#include "proc/dns_client.h"
#include "proc/event_loop.h"
#include "proc/log.h"
#include "proc/process.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define ROOT_KEYS   "/usr/share/dns/root.key" /* Debian's package dns-root-data */

struct resolver {
	uv_loop_t *loop;
	struct dns_client *dns;
	struct config_snapshot *config;
	struct stat servers; /* of RESOLV_CONF as it was read; zero: it could not be */
	size_t waiting;      /* requests not yet answered */
	bool draining;
};

/* One who may ask. */
struct asker {
	struct resolver *resolver;
	struct peer *peer;
	enum sc_role role;
	size_t waiting;
};

/* One request. */
struct waiter {
	struct dns_ask ask;
	struct ipc_request *request;
	struct asker *asker;
	enum dns_type type;
	struct str name; /* stands behind the struct */
};

/* ---- what may be asked ---- */
static void asker_free_if_unused(struct asker *a)
{
	if (!a->peer && a->waiting == 0)
		mem_free(a);
}

static void end(struct waiter *w, struct str reply)
{
	struct asker *a = w->asker;
	struct resolver *rs = a->resolver;

	ipc_request_end(w->request, reply);
	mem_free(w);
	a->waiting--;
	rs->waiting--;
	asker_free_if_unused(a);
	if (rs->draining && rs->waiting == 0)
		child_exit(0);
}

static void log_result(const struct waiter *w, const struct dns_result *result)
{
	log_open(result->status == DNS_BOGUS ? LOG_WARN : LOG_DEBUG, "lookup");
	log_str("name", w->name);
	log_text("type", dns_type_name(w->type));
	log_text("status", dns_status_name(result->status));
	log_num("answers", (int64_t)result->count);
	log_num("secure", result->secure);
	if (result->dropped)
		log_num("dropped", (int64_t)result->dropped);
	if (result->why.n)
		log_str("why", result->why);
	log_close();
}

static void on_done(struct dns_ask *ask, const struct dns_result *result)
{
	struct waiter *w = LIST_ENTRY(ask, struct waiter, ask);
	struct buf b;

	log_result(w, result);
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	rr_reply_put(&b, w->type, result);
	end(w, buf_view(&b));
	buf_fini(&b);
}

static void on_cancel(struct ipc_request *r)
{
	struct waiter *w = r->user;

	dns_client_cancel(&w->ask);
	end(w, (struct str){NULL, 0});
}

/* It sent what no asker of ours writes: it may be taken over. */
static void mistrust(struct asker *a)
{
	struct buf b;

	buf_init(&b, 8);
	sc_peer_put(&b, a->role, a->peer->node);
	child_tell(SC_BAD_PEER, buf_view(&b));
	buf_fini(&b);
}

static struct waiter *waiter_new(struct asker *a, struct ipc_request *r, const struct rr_lookup *m)
{
	struct waiter *w = mem_alloc(sizeof *w + m->name.n);
	uint8_t *name = (uint8_t *)(w + 1);

	memcpy(name, m->name.p, m->name.n);
	w->ask.done = on_done;
	w->request = r;
	w->asker = a;
	w->type = m->type;
	w->name = str_of(name, m->name.n);
	r->user = w;
	r->on_cancel = on_cancel;
	a->waiting++;
	a->resolver->waiting++;
	return w;
}

static void take_lookup(struct asker *a, struct ipc_request *r, struct str payload)
{
	struct rr_lookup m;
	struct waiter *w;

	if (!rr_lookup_get(payload, &m)) {
		log_note(LOG_ERROR, "ipc-violation", "a question that cannot be read");
		mistrust(a);
		ipc_request_end(r, (struct str){NULL, 0});
		return;
	}
	w = waiter_new(a, r, &m);
	dns_client_ask(a->resolver->dns, m.name, m.type, &w->ask);
}

static void on_request(struct peer *p, struct ipc_request *r, struct str payload, int fd)
{
	MUST(r->type == RR_LOOKUP && fd < 0); /* the table has nothing else */
	take_lookup(p->owner, r, payload);
}

static void on_event(struct peer *p, uint16_t type, struct str payload, int fd)
{
	BUG("the table has no events");
}

/* Its requests were cancelled before, and so ended. */
static void on_down(struct peer *p, const char *why)
{
	struct asker *a = p->owner;

	if (why)
		mistrust(a);
	a->peer = NULL;
	asker_free_if_unused(a);
}

static const struct peer_config ask_link = {
    &rr_edge, IPC_ANSWERER, "asker", on_request, on_event, on_down};

static bool add_asker(struct resolver *rs, struct str payload, int fd)
{
	enum sc_role role;
	uint16_t node;
	struct asker *a;

	if (fd < 0 || !sc_peer_get(payload, &role, &node))
		return false;
	a = mem_new(struct asker);
	a->resolver = rs;
	a->role = role;
	a->peer = peer_new(rs->loop, &ask_link, fd, a);
	a->peer->node = node;
	return true;
}

/* ---- configuration ---- */
static void on_started(void *user, enum dns_client_start how)
{
	static const struct {
		enum log_level level;
		const char *event, *text;
	} lines[DNS_CLIENT_STARTS] = {
	    [DNS_CLIENT_SECURE] = {LOG_INFO, "dnssec", "answers of the DNS are validated"},
	    [DNS_CLIENT_INSECURE] = {LOG_INFO, "dnssec-off", "answers are believed as they are"},
	    [DNS_CLIENT_BOGUS] = {LOG_WARN, "dnssec-failed",
		"the DNS server keeps signatures back, so that nothing can be validated; name "
		"another one with dns_server, or set dnssec = \"off\""},
	    [DNS_CLIENT_FAILED] = {LOG_WARN, "dns-failed",
		"the DNS server does not answer for the root; name another one with dns_server"},
	};

	log_note(lines[how].level, lines[how].event, lines[how].text);
}

/* The keys to validate with, or NULL. */
static const char *anchors(const struct config_snapshot *c)
{
	if (c->dnssec == CONFIG_DNSSEC_OFF)
		return NULL;
	if (access(ROOT_KEYS, R_OK) == 0)
		return ROOT_KEYS;
	log_note(LOG_WARN, "dnssec-unavailable",
	    "there is no " ROOT_KEYS "; install the package dns-root-data");
	return NULL;
}

static struct stat look_at_servers(void)
{
	struct stat now;

	return stat(RESOLV_CONF, &now) ? (struct stat){0} : now;
}

/* The file that names the servers is another one, or was written to; who names them himself does not care. */
static bool has_other_servers(const struct resolver *rs, const struct config_snapshot *c)
{
	struct stat now = look_at_servers(), was = rs->servers;

	return c->dns_server.n == 0 && (now.st_ino != was.st_ino || now.st_size != was.st_size ||
					   now.st_mtim.tv_sec != was.st_mtim.tv_sec ||
					   now.st_mtim.tv_nsec != was.st_mtim.tv_nsec);
}

static int apply(struct resolver *rs, const struct config_snapshot *c, struct err *e)
{
	struct dns_client_config config = {
	    .server = c->dns_server.n ? (const char *)c->dns_server.p : NULL,
	    .resolv_conf = RESOLV_CONF,
	    .anchors = anchors(c),
	};

	rs->servers = look_at_servers();
	if (!config.server && access(RESOLV_CONF, R_OK))
		log_note(LOG_WARN, "no-dns-server",
		    RESOLV_CONF
		    " cannot be read; the servers of the DNS are asked from the root down");
	return dns_client_set(rs->dns, &config, e);
}

/* Takes over c. */
static void use_config(struct resolver *rs, struct config_snapshot *c)
{
	config_unref(&rs->config);
	rs->config = c;
	log_setup(sc_role_name(SC_ROLE_RESOLVER), (enum log_level)c->log_level);
}

/* The cache goes only when it is other servers', or may be unvalidated. */
static void set_config(struct resolver *rs, struct str payload)
{
	struct config_snapshot *old = rs->config, *c = NULL;
	struct sc_start start;
	struct err e = {"a configuration event that cannot be read"};

	if (!sc_start_get(payload, &start) || config_decode(start.snapshot, &c) ||
	    ((!str_eq(old->dns_server, c->dns_server) || old->dnssec != c->dnssec ||
		 has_other_servers(rs, c)) &&
		apply(rs, c, &e))) {
		log_note(LOG_ERROR, "config-refused", e.text);
		config_unref(&c);
		return;
	}
	use_config(rs, c);
	log_open(LOG_INFO, "config");
	log_num("number", (int64_t)c->number);
	log_close();
}

/* ---- the supervisor's events ---- */
static int resolver_start(
    void *ctx, const struct sc_start *start, const char **user_r, struct err *e)
{
	struct resolver *rs = ctx;
	struct config_snapshot *c;

	if (config_decode(start->snapshot, &c))
		return err_set(e, "the supervisor sent a configuration that cannot be read");
	use_config(rs, c);
	*user_r = (const char *)c->user_net.p;
	return 0;
}

/* The first question is asked here: libunbound reads its files then. */
static int resolver_ready(void *ctx, struct err *e)
{
	struct resolver *rs = ctx;

	rs->dns = dns_client_new(rs->loop, on_started, rs);
	return apply(rs, rs->config, e);
}

static void drain(struct resolver *rs)
{
	rs->draining = true;
	if (rs->waiting == 0)
		child_exit(0);
}

static void resolver_event(void *ctx, uint16_t type, struct str payload, int fd)
{
	struct resolver *rs = ctx;

	switch (type) {
	case SC_PEER:
		if (add_asker(rs, payload, fd))
			return;
		break;
	case SC_CONFIG:
		set_config(rs, payload);
		break;
	case SC_GO:
		child_tell(SC_READY, (struct str){NULL, 0});
		break;
	case SC_DRAIN:
		drain(rs);
		break;
	}
	if (fd >= 0)
		close(fd);
}

static const struct child_role role = {
    "godwit: resolver", false, resolver_start, resolver_ready, resolver_event};

int resolver_main(void)
{
	struct resolver rs = {.loop = event_loop()};
	int status = child_run(&role, &rs, rs.loop);

	dns_client_free(&rs.dns);
	config_unref(&rs.config);
	return status;
}
