/*
 * A lookup is one question under way with those who wait for it. All have the same time to live, so the list
 * by age needs one timer. A lookup that ran out of time is cancelled towards libunbound, which goes on
 * by itself and may fill the cache for the next one. The same question is under way twice at most, the second
 * from half the first one's time on; one for whom nobody waits any more goes on too.
 */
#include "proc/dns_client.h"

#include <errno.h>
#include <sys/random.h>
#include <unbound-event.h>
#include <unbound.h>

#include "base/arena.h"
#include "base/ascii.h"
#include "base/hash.h"
#include "base/mem.h"
#include "dns/dns_packet.h"
#include "proc/dns_loop.h"

#define TYPE_NS  2
#define CLASS_IN 1

/* What libunbound says of security. */
enum {
	UB_INSECURE,
	UB_BOGUS,
	UB_SECURE
};

struct lookup {
	struct hash_node node; /* in the client's lookups, by name and type */
	struct list link;      /* in its list by age */
	struct list asks;
	struct dns_client *client;
	enum dns_type type;
	struct str name; /* lower case, with a NUL behind it */
	uint64_t deadline;
	int id; /* libunbound's */
};

struct dns_client {
	uv_loop_t *loop;
	uv_timer_t timer; /* for the oldest lookup */
	struct ub_event_base *base;
	struct ub_ctx *ctx;
	struct arena *arena; /* of one answer */
	struct hash_key key;
	struct hash_table lookups;
	struct list by_age;
	struct lookup *resolving; /* handed to libunbound now, and not ended yet */
	bool deleting;            /* a context: what libunbound says of its questions is void */
	bool validates;
	void (*started)(void *user, enum dns_client_start how);
	void *user;
};

/* ---- libunbound's settings ---- */

/* Memory and descriptors for LIMIT_DNS_LOOKUPS at a time; a server that was away is asked again soon. */
static const char *const settings[][2] = {
    {"num-queries-per-thread:", "2048"},
    {"outgoing-range:", "512"},
    {"outgoing-num-tcp:", "64"},
    {"msg-cache-size:", "8m"},
    {"rrset-cache-size:", "16m"},
    {"key-cache-size:", "4m"},
    {"neg-cache-size:", "1m"},
    {"edns-buffer-size:", "1232"},
    {"do-not-query-localhost:", "no"}, /* a resolver on this machine is usual */
    {"infra-host-ttl:", "60"},
    {"infra-keep-probing:", "yes"},
};

/*
 * Names that the public DNS does not have, and that a configured server may have [RFC 6761, RFC 6303,
 * RFC 8375]: asked for, and nothing is signed above them.
 */
static const char *const private_settings[][2] = {
    {"unblock-lan-zones:", "yes"},
    {"insecure-lan-zones:", "yes"},
    {"domain-insecure:", "test."},
    {"domain-insecure:", "internal."},
    {"domain-insecure:", "home.arpa."},
};
static const char *const private_zones[] = {"test.", "home.arpa."};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static int set_all(struct ub_ctx *ctx, const char *const (*list)[2], size_t count, struct err *e)
{
	int r;

	for (size_t i = 0; i < count; i++)
		if ((r = ub_ctx_set_option(ctx, list[i][0], list[i][1])))
			return err_set(e, "libunbound refuses the option %s %s: %s", list[i][0],
			    list[i][1], ub_strerror(r));
	return 0;
}

static int set_servers(struct ub_ctx *ctx, const struct dns_client_config *config, struct err *e)
{
	int r;

	if (!config->server) {
		(void)ub_ctx_resolvconf(ctx, config->resolv_conf); /* fails without the file only */
		return 0;
	}
	if ((r = ub_ctx_set_fwd(ctx, config->server)))
		return err_set(
		    e, "cannot ask the DNS server %s: %s", config->server, ub_strerror(r));
	return set_all(ctx, private_settings, COUNT(private_settings), e);
}

static int set_validation(struct ub_ctx *ctx, const char *anchors, struct err *e)
{
	int r = ub_ctx_set_option(
	    ctx, "module-config:", anchors ? "validator iterator" : "iterator");

	if (r == 0 && anchors)
		r = ub_ctx_add_ta_file(ctx, anchors);
	if (r)
		return err_set(e, "cannot validate with the keys in %s: %s", anchors ?: "no file",
		    ub_strerror(r));
	return 0;
}

/* Zones are removed last: it makes the settings final. */
static int configure(struct ub_ctx *ctx, const struct dns_client_config *config, struct err *e)
{
	int r;

	ub_ctx_debugout(ctx, NULL); /* it may not write to our log */
	if (set_all(ctx, settings, COUNT(settings), e) || set_servers(ctx, config, e) ||
	    set_validation(ctx, config->anchors, e))
		return -1;
	for (size_t i = 0; config->server && i < COUNT(private_zones); i++)
		if ((r = ub_ctx_zone_remove(ctx, private_zones[i])))
			return err_set(e, "libunbound does not start: %s", ub_strerror(r));
	return 0;
}

/* ---- lookups ---- */
static uint64_t hash_of(const struct dns_client *c, struct str name, enum dns_type type)
{
	return hash_bytes(&c->key, name) + (uint64_t)type;
}

/* Whoever joins it has at least half the time that a question has; an older one is of no use to him. */
static bool may_join(const struct dns_client *c, const struct lookup *l)
{
	return l->deadline >= uv_now(c->loop) + LIMIT_DNS_TIME / 2;
}

static struct lookup *find(const struct dns_client *c, struct str name, enum dns_type type)
{
	struct hash_node *n = hash_first(&c->lookups, hash_of(c, name, type));

	for (; n; n = hash_next(n)) {
		struct lookup *l = HASH_ENTRY(n, struct lookup, node);

		if (l->type == type && str_eq(l->name, name) && may_join(c, l))
			return l;
	}
	return NULL;
}

static void lookup_free(struct lookup *l)
{
	if (l->client->resolving == l)
		l->client->resolving = NULL;
	hash_remove(&l->client->lookups, &l->node);
	list_remove(&l->link);
	mem_free(l);
}

/* Ends a lookup: all who wait get the result. */
static void finish(struct lookup *l, const struct dns_result *result)
{
	struct list asks, *link;

	list_init(&asks);
	list_append(&asks, &l->asks);
	lookup_free(l);
	while ((link = list_pop(&asks))) {
		struct dns_ask *ask = LIST_ENTRY(link, struct dns_ask, link);

		ask->done(ask, result);
	}
}

static void finish_without(struct lookup *l, enum dns_status status, const char *why)
{
	struct dns_result result = {.status = status, .why = str_of_c(why)};

	finish(l, &result);
}

/* Answer of libunbound; the packet is to be read only when rcode is 0. */
static void on_answer(
    void *arg, int rcode, void *packet, int n, int sec, char *why_bogus, int limited)
{
	struct lookup *l = arg;
	struct dns_client *c = l->client;
	struct dns_result result = {.status = DNS_SERVFAIL};

	if (c->deleting)
		return;
	if (sec == UB_BOGUS) {
		result.status = DNS_BOGUS;
		result.why = str_of_c(why_bogus ? why_bogus : "DNSSEC validation failed");
	} else if (rcode || !packet || n < 0) {
		result.why = STR("the DNS servers gave no usable answer");
	} else {
		dns_packet_read(str_of(packet, (size_t)n), l->name, l->type, c->arena, &result);
		result.secure = sec == UB_SECURE;
	}
	finish(l, &result);
	arena_reset(c->arena, false);
}

static void set_timer(struct dns_client *c);

static void on_timer(uv_timer_t *timer)
{
	struct dns_client *c = timer->data;

	LIST_FOREACH(&c->by_age, it)
	{
		struct lookup *l = LIST_ENTRY(it, struct lookup, link);

		if (l->deadline > uv_now(c->loop))
			break;
		ub_cancel(c->ctx, l->id);
		finish_without(l, DNS_TIMEOUT, "no DNS server answered in time");
	}
	set_timer(c);
}

static void set_timer(struct dns_client *c)
{
	struct lookup *oldest;

	if (list_is_empty(&c->by_age) || uv_is_active((uv_handle_t *)&c->timer))
		return;
	oldest = LIST_ENTRY(c->by_age.next, struct lookup, link);
	uv_timer_start(&c->timer, on_timer,
	    oldest->deadline > uv_now(c->loop) ? oldest->deadline - uv_now(c->loop) : 0, 0);
}

/* The answer may come before ub_resolve_event() returns; then the lookup is gone. */
static void resolve(struct lookup *l)
{
	struct dns_client *c = l->client;
	int id = 0, r;

	c->resolving = l;
	r = ub_resolve_event(
	    c->ctx, (const char *)l->name.p, dns_type_code(l->type), CLASS_IN, l, on_answer, &id);
	if (c->resolving && r)
		finish_without(l, DNS_SERVFAIL, ub_strerror(r));
	else if (c->resolving)
		l->id = id;
	c->resolving = NULL;
}

static struct lookup *lookup_new(struct dns_client *c, struct str name, enum dns_type type)
{
	struct lookup *l = mem_alloc(sizeof *l + name.n + 1);
	uint8_t *text = (uint8_t *)(l + 1);

	memcpy(text, name.p, name.n);
	l->client = c;
	l->type = type;
	l->name = str_of(text, name.n);
	l->deadline = uv_now(c->loop) + LIMIT_DNS_TIME;
	list_init(&l->asks);
	list_push(&c->by_age, &l->link);
	hash_insert(&c->lookups, &l->node, hash_of(c, name, type));
	return l;
}

void dns_client_ask(struct dns_client *c, struct str name, enum dns_type type, struct dns_ask *ask)
{
	static const struct dns_result full = {
	    .status = DNS_SERVFAIL, .why = STR_INIT("too many questions at a time")};
	uint8_t lower[LIMIT_DNS_NAME];
	struct lookup *l;

	MUST(c->ctx && dns_name_is_valid(name));
	for (size_t i = 0; i < name.n; i++)
		lower[i] = ascii_lower(name.p[i]);
	name = str_of(lower, name.n);
	l = find(c, name, type);
	if (l) {
		list_push(&l->asks, &ask->link);
		return;
	}
	list_init(&ask->link);
	if (c->lookups.count >= LIMIT_DNS_LOOKUPS) {
		ask->done(ask, &full);
		return;
	}
	l = lookup_new(c, name, type);
	list_push(&l->asks, &ask->link);
	resolve(l);
	set_timer(c);
}

void dns_client_cancel(struct dns_ask *ask)
{
	list_remove(&ask->link);
}

/* ---- beginning and end ---- */

/* The servers of the root: what every answer can be proven from, if anything can. */
static void on_started(void *arg, int rcode, void *packet, int n, int sec, char *why, int limited)
{
	struct dns_client *c = arg;
	enum dns_client_start how = DNS_CLIENT_FAILED;

	if (c->deleting)
		return;
	if (sec == UB_SECURE)
		how = DNS_CLIENT_SECURE;
	else if (sec == UB_BOGUS || (rcode == 0 && c->validates))
		how = DNS_CLIENT_BOGUS;
	else if (rcode == 0)
		how = DNS_CLIENT_INSECURE;
	c->started(c->user, how);
}

/* libunbound fails the questions that are under way, or forgets them. */
static void delete_context(struct dns_client *c, struct ub_ctx *ctx)
{
	c->deleting = true;
	ub_ctx_delete(ctx);
	c->deleting = false;
}

int dns_client_set(struct dns_client *c, const struct dns_client_config *config, struct err *e)
{
	struct ub_ctx *ctx = ub_ctx_create_ub_event(c->base), *old = c->ctx;
	int r;

	if (!ctx)
		return err_set(e, "libunbound does not start: %s", strerror(errno));
	if (configure(ctx, config, e)) {
		delete_context(c, ctx);
		return -1;
	}
	c->ctx = ctx;
	c->validates = config->anchors != NULL;
	r = ub_resolve_event(ctx, ".", TYPE_NS, CLASS_IN, c, on_started, NULL);
	if (r) { /* the settings are checked only now */
		c->ctx = old;
		delete_context(c, ctx);
		return err_set(e, "libunbound does not start: %s", ub_strerror(r));
	}
	if (old)
		delete_context(c, old);
	LIST_FOREACH(&c->by_age, it)
	resolve(LIST_ENTRY(it, struct lookup, link));
	return 0;
}

struct dns_client *dns_client_new(
    uv_loop_t *loop, void (*started)(void *user, enum dns_client_start how), void *user)
{
	struct dns_client *c = mem_new(struct dns_client);

	c->loop = loop;
	c->started = started;
	c->user = user;
	MUST(getrandom(&c->key, sizeof c->key, 0) == sizeof c->key);
	MUST(uv_timer_init(loop, &c->timer) == 0);
	c->timer.data = c;
	c->base = dns_loop_new(loop);
	c->arena = arena_new();
	hash_init(&c->lookups);
	list_init(&c->by_age);
	return c;
}

static void on_closed(uv_handle_t *h)
{
	mem_free(h->data);
}

void dns_client_free(struct dns_client **cp)
{
	struct dns_client *c = *cp;

	*cp = NULL;
	if (!c)
		return;
	if (c->ctx)
		delete_context(c, c->ctx);
	LIST_FOREACH(&c->by_age, it)
	{
		struct lookup *l = LIST_ENTRY(it, struct lookup, link);
		struct list *ask;

		while ((ask = list_pop(&l->asks)))
			;
		lookup_free(l);
	}
	dns_loop_free(&c->base);
	hash_fini(&c->lookups);
	arena_free(&c->arena);
	uv_close((uv_handle_t *)&c->timer, on_closed);
}
