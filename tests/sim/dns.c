/*
 * The resolver's side of the link to a relay, with the names of the world: answers of the form that the
 * real one gives, late, missing or false as the destination's fault of the moment has it.
 */
#include "base/arena.h"
#include "base/mem.h"
#include "ipc/relay_resolver.h"
#include "pair.h"
#include "world.h"

struct asked {
	struct ipc_request *request;
	struct arena *arena;
	struct rr_lookup lookup;
	struct dns_result result;
};

static void answer(void *ctx)
{
	struct asked *q = ctx;
	struct buf b;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	rr_reply_put(&b, q->lookup.type, &q->result);
	ipc_request_end(q->request, buf_view(&b));
	buf_fini(&b);
	arena_free(&q->arena);
	mem_free(q);
}

/* ---- the truth ---- */

static struct sim_host *host_of_name(struct str name)
{
	for (size_t i = 0; i < sim_world.ndests; i++)
		for (size_t k = 0; k < sim_world.dests[i].nhosts; k++)
			if (str_eq(name, str_of_c(sim_world.dests[i].hosts[k].name)))
				return &sim_world.dests[i].hosts[k];
	return NULL;
}

static void add(struct asked *q, struct dns_answer a)
{
	struct dns_answer *all = arena_array(q->arena, q->result.count + 1, sizeof *all);

	if (q->result.count)
		memcpy(all, q->result.answers, q->result.count * sizeof *all);
	all[q->result.count++] = a;
	q->result.answers = all;
	q->result.status = DNS_OK;
}

static void add_hosts(struct asked *q, const struct sim_dest *d)
{
	for (size_t i = 0; i < d->nhosts; i++)
		add(q, (struct dns_answer){.preference = (uint16_t)d->hosts[i].preference,
			   .host = str_of_c(d->hosts[i].name)});
}

/* Hosts of its own are there for one that moves when it has moved. */
static void add_mx(struct asked *q, const struct sim_dest *d)
{
	SIM_MUST(
	    d->example != SIM_X_ROUTED, "the MX of %s is asked for, and it has a route", d->name);
	if (d->server)
		add_hosts(q, d->server);
	if (!d->no_mx && (d->example != SIM_X_MOVED || d->old))
		add_hosts(q, d);
}

static void add_addresses(struct asked *q, const struct sim_host *h)
{
	if (q->lookup.type == DNS_A)
		add(q, (struct dns_answer){.ip = h->ip[0]});
	else if (h->v6)
		add(q, (struct dns_answer){.ip = h->ip[1]});
}

/* ---- what is said instead ---- */

static void fail_with(struct asked *q, enum dns_status status, struct str why)
{
	q->result.status = status;
	q->result.why = why;
}

static void lie_about_address(struct asked *q, enum sim_dns_kind kind, const struct sim_dest *d)
{
	struct ip loopback;

	MUST(ip_parse(STR("127.0.0.1"), &loopback));
	if (q->lookup.type != DNS_A)
		return;
	if (kind == SIM_D_LOOPBACK)
		add(q, (struct dns_answer){.ip = loopback});
	else
		add_addresses(q, &sim_world.dests[d == sim_world.dests ? 1 : 0].hosts[0]);
}

/* Milliseconds until the answer. */
static int64_t fill(struct asked *q, const struct sim_dest *d, const struct sim_host *h)
{
	enum sim_dns_kind kind = sim_dns_fault_now(d);

	switch (kind) {
	case SIM_D_TIMEOUT:
		fail_with(q, DNS_TIMEOUT, STR("no name server answers"));
		return LIMIT_DNS_TIME;
	case SIM_D_SERVFAIL:
		fail_with(q, DNS_SERVFAIL, STR("SERVFAIL"));
		return sim_between(1, 4000);
	case SIM_D_BOGUS:
		fail_with(q, DNS_BOGUS, STR("its signatures are wrong"));
		break;
	case SIM_D_NXDOMAIN:
		q->result.status = DNS_NXDOMAIN;
		break;
	case SIM_D_NULL_MX:
		if (q->lookup.type == DNS_MX)
			add(q, (struct dns_answer){.host = STR("")});
		break;
	case SIM_D_LOOPBACK:
	case SIM_D_ELSEWHERE:
		if (q->lookup.type == DNS_MX)
			add_mx(q, d);
		else
			lie_about_address(q, kind, d);
		break;
	default:
		if (kind == SIM_D_NO_AAAA && q->lookup.type == DNS_AAAA)
			fail_with(q, DNS_SERVFAIL, STR("SERVFAIL"));
		else if (q->lookup.type == DNS_MX)
			add_mx(q, d);
		else if (h)
			add_addresses(q, h);
	}
	return sim_between(0, 80);
}

static void on_request(struct peer *p, struct ipc_request *request, struct str payload, int fd)
{
	struct asked *q = mem_new(struct asked);
	const struct sim_host *h;
	const struct sim_dest *d;
	int64_t delay = 0;

	q->request = request;
	q->arena = arena_new();
	MUST(rr_lookup_get(payload, &q->lookup));
	q->lookup.name = arena_str(q->arena, q->lookup.name);
	q->result = (struct dns_result){.status = DNS_NODATA, .ttl = 300};
	h = host_of_name(q->lookup.name);
	d = h ? h->dest : sim_dest_find(q->lookup.name);
	if (d && d->no_mx)
		h = &d->hosts[0];
	if (d)
		delay = fill(q, d, h);
	else
		q->result.status = DNS_NXDOMAIN;
	sim_say("dns    %.*s %s: %s, %zu answers", STR_FMT(q->lookup.name),
	    dns_type_name(q->lookup.type), dns_status_name(q->result.status), q->result.count);
	sim_post(delay, answer, q);
}

static void on_event(struct peer *p, uint16_t type, struct str payload, int fd)
{
}

static void on_down(struct peer *p, const char *why)
{
}

static const struct peer_config config = {
    &rr_edge, IPC_ANSWERER, "relay", on_request, on_event, on_down, NULL};

void sim_resolver_link(int fd)
{
	peer_new(NULL, &config, fd, NULL);
}
