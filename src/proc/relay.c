/*
 * The relay process.
 *
 * Capabilities: the network side's user; after ready(): no files, no listening; it connects to other
 * mail servers. The descriptors are the links to the supervisor, store and resolver, and connections.
 */
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proc/event_loop.h"
#include "proc/log.h"
#include "proc/process.h"
#include "proc/relay.h"

#define TEND_MS       5000
#define DRAIN_TEND_MS 500
/* The supervisor starts another resolver within seconds; a job keeps one of the places until then. */
#define WITHOUT_MS 10000

/* ---- jobs ---- */
static void finish_if_idle(struct relay *r)
{
	if (r->draining && list_is_empty(&r->sessions) && list_is_empty(&r->jobs))
		child_exit(0);
}

static void got_jobs(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct relay *r = LIST_ENTRY(call, struct relay, lease);
	struct cur c = cur_of(payload);
	struct rs_job job;

	if (end != IPC_REPLIED)
		return;
	while (cur_left(&c) && rs_job_next(&c, &job)) {
		struct relay_job *j = relay_job_new(r, &job);

		if (j)
			relay_session_take(r, j);
	}
	if (!cur_done(&c)) { /* what it has leases for now is known to store only */
		log_note(LOG_ERROR, "jobs-malformed", "store sent jobs that cannot be read");
		child_abandon();
	}
	relay_want_jobs(r);
}

void relay_want_jobs(struct relay *r)
{
	size_t held = r->job_count + r->callout_count;
	size_t room = held < RELAY_JOBS_MAX ? RELAY_JOBS_MAX - held : 0;
	struct ipc_link *link = relay_link(r->store);
	struct buf payload;

	finish_if_idle(r);
	if (!link || r->lease.link || r->draining || room == 0)
		return;
	buf_init(&payload, 64);
	rs_lease_put(&payload, (uint32_t)room);
	r->lease = (struct ipc_call){.on_end = got_jobs};
	ipc_call_start(link, &r->lease, RS_LEASE, buf_view(&payload), -1);
	buf_fini(&payload);
}

static void on_tend(uv_timer_t *timer)
{
	struct relay *r = timer->data;

	relay_job_resend(r);
	if (clock_boot() - r->extended >= RS_LEASE_MS / 2) {
		r->extended = clock_boot();
		relay_job_extend(r);
	}
	if (!relay_link(r->resolver))
		relay_session_routes_without(r);
	if (r->draining)
		relay_session_drain_rest(r);
	finish_if_idle(r);
}

/* ---- links: nobody asks the relay anything that is to be replied to, the tables rule it out ---- */
static void on_request(struct peer *p, struct ipc_request *request, struct str payload, int fd)
{
	BUG("a relay answers nothing");
}

static void on_event(struct peer *p, uint16_t type, struct str payload, int fd)
{
	BUG("a relay is sent no events");
}

static void on_store_event(struct peer *p, uint16_t type, struct str payload, int fd)
{
	struct rs_callout callout;

	if (fd >= 0)
		close(fd);
	if (rs_callout_get(payload, &callout)) /* store says nothing else */
		relay_job_callout(p->owner, &callout);
}

/* Store and the resolver that break the protocol live: no other link would come. */
static void on_store_down(struct peer *p, const char *why)
{
	struct relay *r = p->owner;

	if (why)
		child_abandon();
	r->store = NULL;
}

static void on_resolver_down(struct peer *p, const char *why)
{
	struct relay *r = p->owner;

	if (why)
		child_abandon();
	r->resolver = NULL;
	r->no_lookups = clock_mono() + WITHOUT_MS;
}

static const struct peer_config store_link = {
    &rs_edge, IPC_ASKER, "store", on_request, on_store_event, on_store_down};
static const struct peer_config resolver_link = {
    &rr_edge, IPC_ASKER, "resolver", on_request, on_event, on_resolver_down};

static void set_store(struct relay *r, int fd)
{
	struct buf b;

	if (fd < 0)
		return;
	ipc_call_cancel(&r->lease);
	relay_job_forget_link(r);
	peer_close(&r->store);
	r->store = peer_new(r->loop, &store_link, fd, r);
	buf_init(&b, 16);
	rs_hello_put(&b, r->owner);
	ipc_event(r->store->link, RS_HELLO, buf_view(&b), -1);
	buf_fini(&b);
	relay_job_extend(r); /* what is not kept never arrived here, and is given out again */
	relay_session_forget_callouts(r);
	relay_way_again(r);
	relay_job_resend(r);
	relay_want_jobs(r);
}

static void set_resolver(struct relay *r, int fd)
{
	if (fd < 0)
		return;
	peer_lose(
	    &r->resolver); /* its end may not have been seen yet: what it was asked is asked again */
	r->resolver = peer_new(r->loop, &resolver_link, fd, r);
	relay_session_routes_again(r);
}

/* ---- the supervisor's events ---- */
static int take_config(struct relay *r, const struct sc_start *start)
{
	struct config_snapshot *fresh;

	if (config_decode(start->snapshot, &fresh))
		return -1;
	config_unref(&r->config);
	r->config = fresh;
	return 0;
}

static int relay_start(void *ctx, const struct sc_start *start, const char **user_r, struct err *e)
{
	struct relay *r = ctx;

	tls_warm_up();
	if (take_config(r, start))
		return err_set(e, "the supervisor sent a configuration that cannot be read");
	r->tls = tls_client_new(NULL, e);
	if (!r->tls) /* opportunistic TLS asks for no authority */
		r->tls = tls_client_new("", e);
	if (!r->tls)
		return -1;
	*user_r = (const char *)r->config->user_net.p;
	log_setup("relay", (enum log_level)r->config->log_level);
	return 0;
}

static int relay_ready(void *ctx, struct err *e)
{
	struct relay *r = ctx;

	net_stream_warm_up(r->loop);
	if (getrandom(&r->owner, sizeof r->owner, 0) != sizeof r->owner)
		return err_set(e, "the system gives no random numbers");
	r->owner = (r->owner & INT64_MAX) | 1;
	uv_timer_init(r->loop, &r->tend);
	r->tend.data = r;
	r->extended = clock_boot();
	r->no_lookups = clock_mono() + WITHOUT_MS;
	uv_timer_start(&r->tend, on_tend, TEND_MS, TEND_MS);
	return 0;
}

static void drain(struct relay *r)
{
	r->draining = true;
	r->drained = clock_mono();
	uv_timer_start(&r->tend, on_tend, DRAIN_TEND_MS, DRAIN_TEND_MS);
	ipc_call_cancel(&r->lease);
	relay_session_drain(r);
	relay_job_resend(r); /* whoever waits for the timer */
	finish_if_idle(r);
}

static void set_config(struct relay *r, struct str payload)
{
	struct sc_start start;

	if (sc_start_get(payload, &start) == 0 || take_config(r, &start)) {
		log_note(LOG_ERROR, "config-refused", "a configuration that cannot be read");
		return;
	}
	log_open(LOG_INFO, "config");
	log_num("number", (int64_t)r->config->number);
	log_close();
}

static void relay_event(void *ctx, uint16_t type, struct str payload, int fd)
{
	struct relay *r = ctx;

	switch (type) {
	case SC_CONFIG:
		set_config(r, payload);
		break;
	case SC_STORE:
		set_store(r, fd);
		return;
	case SC_RESOLVER:
		set_resolver(r, fd);
		return;
	case SC_OWN:
		own_list_take(&r->own, payload); /* routes under way keep what they began with */
		break;
	case SC_GO:
		child_tell(SC_READY, (struct str){NULL, 0});
		break;
	case SC_DRAIN:
		drain(r);
		break;
	}
	if (fd >= 0)
		close(fd);
}

const struct child_role relay_role = {
    "godwit: relay", false, relay_start, relay_ready, relay_event};

void relay_init(struct relay *r, uv_loop_t *loop)
{
	*r = (struct relay){.loop = loop};
	list_init(&r->sessions);
	list_init(&r->jobs);
	list_init(&r->callouts);
	list_init(&r->results);
}

int relay_main(void)
{
	struct relay r;
	int status;

	relay_init(&r, event_loop());
	status = child_run(&relay_role, &r, r.loop);
	config_unref(&r.config);
	tls_unref(&r.tls);
	own_list_fini(&r.own);
	return status;
}
