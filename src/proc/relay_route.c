/*
 * From a destination to addresses: a configured route, an address literal, or MX and then A and AAAA of
 * each host in turn [RFC 5321 5.1]. One lookup at a time, which outlives the resolver that was asked, but
 * does not wait long for another one; the pure rules are in queue/queue_mx.c.
 */
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "proc/relay.h"
#include "queue/queue_routing.h"

#define LOST_MAX                                                                                   \
	2 /* resolvers that may end while they are asked: one question may be what ends them */

static void finish(struct relay_route *r, enum queue_problem problem, const char *text)
{
	r->done(r, problem, str_of_c(text));
}

/* The reply to the lookup at hand. A resolver that went with the question says nothing about the name. */
static void on_answer(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct relay_route *r = LIST_ENTRY(call, struct relay_route, call);
	struct dns_result result = {
	    .status = DNS_TIMEOUT, .why = STR("the resolver gave no answer")};

	r->waits = end == IPC_LOST && r->lost++ < LOST_MAX;
	if (r->waits)
		return; /* relay_route_again() follows */
	if (end == IPC_REPLIED)
		rr_reply_get(payload, r->lookup.type, r->arena, &result);
	r->answered(r, &result);
}

/* It is no attempt: the place of this one is for those whose way is known without. */
static void no_resolver(struct relay_route *r)
{
	r->waits = false;
	finish(r, QUEUE_PROBLEM_NO_RESOLVER, "its names cannot be looked up at present");
}

void relay_route_without(struct relay_route *r)
{
	if (r->waits && clock_mono() >= r->relay->no_lookups)
		no_resolver(r);
}

static void say_question(struct relay_route *r)
{
	struct ipc_link *link = relay_link(r->relay->resolver);
	struct buf payload;

	r->waits = !link;
	if (!link) {
		relay_route_without(r); /* else that follows, or relay_route_again() */
		return;
	}
	r->call = (struct ipc_call){.on_end = on_answer};
	buf_init(&payload, 1024);
	rr_lookup_put(&payload, &r->lookup);
	ipc_call_start(link, &r->call, RR_LOOKUP, buf_view(&payload), -1);
	buf_fini(&payload);
}

static void ask(struct relay_route *r, struct str name, enum dns_type type,
    void (*answered)(struct relay_route *, const struct dns_result *))
{
	r->lookup = (struct rr_lookup){name, type};
	r->answered = answered;
	say_question(r);
}

void relay_route_again(struct relay_route *r)
{
	if (r->waits)
		say_question(r);
}

/* ---- addresses of the hosts ---- */
static void next_host(struct relay_route *r);

/*
 * The host at hand is ourselves under another name: it and those that are no better are left out, also
 * those that came before it by chance. Mail goes only to who is nearer to its end than we are.
 */
static void cut_at_ourselves(struct relay_route *r)
{
	size_t better = queue_mx_better(&r->hosts, r->host);

	r->hosts.count = better;
	r->nhops = r->first[better];
}

static void add_hop(struct relay_route *r, const struct ip *ip, struct str host, size_t level)
{
	struct relay_hop *hop = &r->hops[r->nhops++];
	struct buf place;

	buf_init(&place, RS_PLACE_MAX);
	buf_str(&place, host);
	if (!r->usual)
		buf_printf(&place, ":%u", (unsigned)r->port);
	buf_str(&place, r->asks);
	*hop = (struct relay_hop){
	    net_addr_ip(ip, r->port), host, arena_str(r->arena, buf_view(&place)), (uint8_t)level};
	buf_fini(&place);
}

static void addresses_known(struct relay_route *r)
{
	struct ip ips[2 * LIMIT_DNS_ANSWERS];
	size_t first = r->addresses.count, n;

	for (size_t i = 0; i < r->nfound; i++)
		ips[i] = r->found[i].ip;
	n = queue_mx_addresses_add(&r->addresses, ips, r->nfound,
	    queue_mx_share(&r->addresses, &r->hosts, r->host), &r->self, r->seed);
	if (r->unanswered && n == 0 && r->trouble > r->host)
		r->trouble = r->host;
	r->first[r->host] = r->nhops;
	for (size_t i = first; i < first + n; i++)
		add_hop(r, &r->addresses.ip[i], r->hosts.host[r->host],
		    queue_mx_better(&r->hosts, r->host));
	if (r->named)
		r->addresses.worst = QUEUE_TARGET_OWN;
	if (r->named || r->addresses.ourselves)
		cut_at_ourselves(r);
	r->host++;
	next_host(r);
}

static void keep_addresses(struct relay_route *r, const struct dns_result *result)
{
	r->named |= queue_mx_is_own_name(&r->self, result->canonical);
	for (size_t i = 0; i < result->count && r->nfound < 2 * LIMIT_DNS_ANSWERS; i++)
		r->found[r->nfound++] = result->answers[i];
	if (result->status != DNS_OK && result->status != DNS_NODATA &&
	    result->status != DNS_NXDOMAIN)
		r->unanswered = true;
}

static void got_a(struct relay_route *r, const struct dns_result *result)
{
	keep_addresses(r, result);
	addresses_known(r);
}

static void got_aaaa(struct relay_route *r, const struct dns_result *result)
{
	keep_addresses(r, result);
	ask(r, r->hosts.host[r->host], DNS_A, got_a);
}

/* One that was cut off is of no interest. */
struct str relay_route_trouble(const struct relay_route *r)
{
	return r->trouble < r->hosts.count ? r->hosts.host[r->trouble] : (struct str){NULL, 0};
}

/* What it means that no address is left. A host in trouble may have some tomorrow. */
static void no_address(struct relay_route *r)
{
	if (relay_route_trouble(r).n)
		finish(r, QUEUE_PROBLEM_DNS, "no answer for the addresses of its mail exchangers");
	else if (r->addresses.worst == QUEUE_TARGET_OWN)
		finish(r, QUEUE_PROBLEM_LOOP, "its mail exchangers are this server itself");
	else if (r->addresses.worst == QUEUE_TARGET_NEVER)
		finish(r, QUEUE_PROBLEM_FORBIDDEN, "nobody can be at its addresses");
	else if (r->addresses.refused)
		finish(r, QUEUE_PROBLEM_FORBIDDEN,
		    "its addresses are not of the public Internet, and relay_allow_private is off");
	else
		finish(r, QUEUE_PROBLEM_NO_ADDRESS, "its mail exchangers have no address");
}

static void next_host(struct relay_route *r)
{
	r->nfound = 0;
	r->unanswered = r->named = false;
	if (r->host < r->hosts.count)
		ask(r, r->hosts.host[r->host], DNS_AAAA, got_aaaa);
	else if (r->nhops)
		finish(r, QUEUE_PROBLEM_NONE, "");
	else
		no_address(r);
}

/* ---- MX ---- */
static void order_hosts(struct relay_route *r, const struct dns_result *result)
{
	struct queue_mx *mx = arena_array(r->arena, result->count + 1, sizeof *mx);

	for (size_t i = 0; i < result->count; i++)
		mx[i] = (struct queue_mx){result->answers[i].preference, result->answers[i].host};
	switch (queue_mx_order(r->domain, mx, result->count, &r->self, r->seed, &r->hosts)) {
	case QUEUE_MX_NULL:
		finish(r, QUEUE_PROBLEM_NULL_MX, "it says that it takes no mail (null MX)");
		break;
	case QUEUE_MX_LOOP:
		finish(r, QUEUE_PROBLEM_LOOP, "its best mail exchanger is this server itself");
		break;
	default:
		next_host(r);
	}
}

/* There are MX, and none of them is a host's name: that is no trouble which passes [RFC 5321 5.1]. */
static bool names_no_host(const struct dns_result *result)
{
	return result->status == DNS_BAD && result->dropped > 0;
}

static void got_mx(struct relay_route *r, const struct dns_result *result)
{
	if (names_no_host(result)) {
		finish(r, QUEUE_PROBLEM_NO_ADDRESS,
		    "none of its mail exchangers (MX) has a name that a host can have");
		return;
	}
	switch (result->status) {
	case DNS_OK:
	case DNS_NODATA:
		order_hosts(r, result);
		break;
	case DNS_NXDOMAIN:
		finish(r, QUEUE_PROBLEM_NXDOMAIN, "");
		break;
	default:
		r->done(r, QUEUE_PROBLEM_DNS, result->why);
	}
}

/* ---- start ---- */

/* An address to go to without any lookup. */
static void take_address(struct relay_route *r, const struct ip *ip)
{
	if (queue_mx_addresses_add(&r->addresses, ip, 1, 1, &r->self, r->seed) == 0) {
		no_address(r);
		return;
	}
	add_hop(r, ip, r->domain, 0);
	finish(r, QUEUE_PROBLEM_NONE, "");
}

static void take_routed_host(struct relay_route *r, struct str host)
{
	struct ip ip;

	r->domain = host;
	r->self = (struct queue_self){.allow_private = true}; /* the administrator knows */
	if (ip_parse(host, &ip)) {
		take_address(r, &ip);
		return;
	}
	r->hosts.host[0] = host;
	r->hosts.count = 1;
	next_host(r);
}

static struct queue_self self_of(
    struct arena *a, const struct relay *relay, const struct config_snapshot *config)
{
	struct ip *own = arena_array(a, relay->own.n + 1, sizeof *own);
	struct str *names = arena_array(a, 2, sizeof *names);

	names[0] = config->hostname;
	names[1] = config->relay_helo; /* empty: it is that of the host */
	for (size_t i = 0; i < relay->own.n; i++)
		own[i] = relay->own.v[i];
	return (struct queue_self){
	    .names = names,
	    .name_count = 1 + (config->relay_helo.n > 0),
	    .addresses = own,
	    .address_count = relay->own.n,
	    .allow_private = config->relay_allow_private,
	};
}

/* What a route asks of its host, in words of a place: queue_routing_server(). A login is only with verified TLS. */
static struct str asked_by(struct arena *a, const struct rs_route *route)
{
	struct buf b;
	struct str asks;

	if (route->host.n == 0)
		return STR(""); /* what one domain demands says nothing about the hosts of others */
	buf_init(&b, LIMIT_USER_NAME + 16);
	if (route->user.n) {
		buf_lit(&b, " as ");
		buf_str(&b, route->user);
	} else if (route->tls == CONFIG_ROUTE_REQUIRE) {
		buf_lit(&b, " by TLS");
	} else if (route->tls == CONFIG_ROUTE_VERIFY) {
		buf_lit(&b, " by verified TLS");
	}
	asks = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return asks;
}

void relay_route_start(struct relay_route *r, struct relay *relay,
    const struct config_snapshot *config, const struct rs_job *job,
    void (*done)(struct relay_route *, enum queue_problem, struct str))
{
	static const struct hash_key key = {0x676f64776974, 0x726f757465};
	struct ip ip;

	*r = (struct relay_route){.relay = relay, .done = done, .trouble = LIMIT_QUEUE_HOSTS};
	r->arena = arena_new();
	r->self = self_of(r->arena, relay, config);
	r->domain = arena_str(r->arena, queue_routing_domain(job->destination));
	r->port = job->route.host.n ? job->route.port : (uint16_t)config->relay_port;
	r->usual = r->port == config->relay_port;
	r->asks = asked_by(r->arena, &job->route);
	r->seed = hash_bytes(&key, r->domain) ^ (uint64_t)job->lease.token;
	queue_mx_addresses_init(&r->addresses);
	if (job->route.host.n)
		take_routed_host(r, arena_str(r->arena, job->route.host));
	else if (ip_parse_literal(r->domain, &ip))
		take_address(r, &ip);
	else if (!dns_name_is_valid(r->domain))
		finish(r, QUEUE_PROBLEM_NXDOMAIN, "it is no domain name");
	else
		ask(r, r->domain, DNS_MX, got_mx);
}

void relay_route_give_up(struct relay_route *r, bool brief)
{
	bool hasty = brief && !r->waits;

	ipc_call_cancel(&r->call);
	r->waits = false;
	if (hasty)
		finish(r, QUEUE_PROBLEM_BRIEF, "the DNS has not told where its mail goes");
	else
		finish(r, QUEUE_PROBLEM_NO_RESOLVER, "it does not answer");
}

void relay_route_fini(struct relay_route *r)
{
	ipc_call_cancel(&r->call);
	arena_free(&r->arena);
}
