/* RS_LEASE: jobs for a relay that waits for some, each under a lease. */
#include "base/mem.h"
#include "config/config_file.h"
#include "mime/mime_local.h"
#include "proc/log.h"
#include "proc/store_relay_priv.h"

#define REPLY_BYTES (1 * MIB) /* of texts in one reply; the last job may pass it */

_Static_assert(QUEUE_LEASE_MS == RS_LEASE_MS, "both sides of the edge know how long a lease lives");
_Static_assert(QUEUE_JOBS_MAX == RS_JOBS_MAX, "shares are of what one relay does");
_Static_assert(QUEUE_JOB_RECIPIENTS == RS_RECIPIENTS_MAX, "a job of the store fits the edge");

struct giving {
	struct queue_lease lease;
	struct store_relay *relay;
	struct arena *arena; /* of its settings */
};

static void put_recipients(struct buf *b, const struct queue_rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		struct rs_recipient r = {
		    .number = (uint32_t)rows->v[i].recipient,
		    .address = rows->v[i].address,
		    .notify = (uint8_t)rows->v[i].notify,
		    .orcpt = rows->v[i].orcpt,
		};

		rs_recipient_put(b, &r);
	}
}

/* The first line of the password's file; what is wrong with that is said once for each job. */
static bool read_password(const struct config_snapshot *config, const struct config_route *route,
    struct buf *password, struct err *e)
{
	struct buf path;
	const char *name;
	int rc;

	buf_init(&path, 8 * KIB);
	name = config_path(config, route->password_file, &path);
	rc = config_file_read(name, CONFIG_FILE_PASSWORD, password, e);
	if (rc == 0) {
		password->n = str_find(buf_view(password), '\n');
		if (password->n == 0)
			rc = err_set(e, "%s is empty; put the password into it", name);
	}
	buf_fini(&path);
	return rc == 0;
}

static const struct config_route *route_of(
    const struct config_snapshot *config, struct str domain, struct str sender)
{
	struct arena *a = arena_new();
	const struct config_route *route = config_route(
	    config, domain, mime_local_address_key(a, sender));

	arena_free(&a);
	return route;
}

static bool is_demand(int tls)
{
	return tls == CONFIG_ROUTE_REQUIRE || tls == CONFIG_ROUTE_VERIFY;
}

/* What is demanded of a destination holds on every way to it; else its route counts. */
static uint8_t tls_of(const struct config_route *route, const struct config_destination *special)
{
	int own = special ? special->tls : CONFIG_ROUTE_MAY;

	if (!route || (is_demand(own) && !(is_demand(route->tls) && route->tls > own)))
		return (uint8_t)own;
	return (uint8_t)route->tls;
}

struct rs_route store_relay_route(const struct config_snapshot *config, struct str destination,
    struct str sender, struct buf *password)
{
	struct str domain = queue_routing_domain(destination);
	const struct config_route *route = route_of(config, domain, sender);
	const struct config_destination *special = config_destination(config, domain);
	struct rs_route r = {.tls = tls_of(route, special)};
	struct err e;

	if (!route)
		return r;
	r = (struct rs_route){
	    .host = route->host, .port = (uint16_t)route->port, .tls = r.tls, .user = route->user};
	if (route->user.n == 0)
		return r;
	if (!read_password(config, route, password, &e)) {
		log_open(LOG_ERROR, "route-password-unreadable");
		log_str("domain", route->domain);
		log_str("file", route->password_file);
		log_text("error", e.text);
		log_close();
	}
	r.password = buf_view(password);
	return r;
}

static void put_job(
    struct buf *b, const struct queue_job *job, const struct config_snapshot *config)
{
	struct buf recipients, password, prefix;
	struct rs_job m = {
	    .lease = {job->message.id, job->token},
	    .destination = job->destination,
	    .host = job->host,
	    .reverse_path = job->reverse_path,
	    .eightbit = job->message.eightbit || str_has_8bit(job->rows.v[0].forwarder),
	    .utf8 = job->message.utf8 || str_has_8bit(job->rows.v[0].forwarder),
	    .ret = job->message.ret,
	    .envid = job->message.envid,
	    .priority = job->message.priority,
	    .has_priority = job->message.has_priority,
	    .by = (uint8_t)job->rows.v[0].entry.by,
	    .by_time = job->rows.v[0].entry.by_time,
	    .by_trace = job->rows.v[0].by_trace,
	    .attempts = job->attempts,
	    .brief = job->brief,
	    .recipient_count = (uint32_t)job->rows.n,
	};

	buf_init(&password, LIMIT_PASSWORD + 1);
	m.route = store_relay_route(config, m.destination, job->message.reverse_path, &password);
	buf_init(&prefix, LIMIT_PREFIX);
	queue_forward_put_prefix(&prefix, job->rows.v[0].forwarder);
	m.size = (uint64_t)job->message.size + prefix.n;
	buf_fini(&prefix);
	buf_init(&recipients, LIMIT_ENVELOPE);
	put_recipients(&recipients, &job->rows);
	m.recipients = buf_view(&recipients);
	rs_job_put(b, &m);
	buf_fini(&recipients);
	buf_wipe(&password);
}

static void reply_jobs(struct store_relay *r, const struct queue_lease *lease)
{
	struct ipc_request *request = r->waiting;
	struct buf b;

	r->waiting = NULL;
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	for (size_t i = 0; i < lease->n; i++)
		put_job(&b, &lease->jobs[i], r->sp->config);
	ipc_request_end(request, buf_view(&b));
	buf_wipe(&b); /* there are passwords in it */
}

/* Jobs that nobody is there to take any more. */
struct returning {
	struct queue_release release;
	struct store_relay *relay;
	int64_t tokens[RS_ROOM_MAX];
};

static void returned(struct lane_op *op)
{
	struct returning *b = LIST_ENTRY(op, struct returning, release.op);
	struct store_relay *r = b->relay;

	if (op->result == LANE_DONE && b->release.more) {
		b->release.after = b->release.next;
		store_write(r->sp->store, op);
		return;
	}
	if (op->result != LANE_DONE) /* they expire by themselves */
		store_queue_failed(r->queue, "return", op);
	store_queue_kick(r->queue);
	mem_free(b);
	store_relay_unhold(r);
}

static void give_back(struct store_relay *r, const struct queue_lease *lease)
{
	struct returning *b = mem_new(struct returning);

	b->relay = r;
	for (size_t i = 0; i < lease->n; i++)
		b->tokens[i] = lease->jobs[i].token;
	b->release.tokens = b->tokens;
	b->release.ntokens = lease->n;
	queue_release_init(&b->release);
	b->release.op.done = returned;
	store_relay_hold(r);
	store_write(r->sp->store, &b->release.op);
}

static void lease_done(struct lane_op *op)
{
	struct giving *g = LIST_ENTRY(op, struct giving, lease.op);
	struct store_relay *r = g->relay;
	struct store_queue *q = r->queue;

	r->leasing = false;
	if (op->result != LANE_DONE)
		store_queue_failed(q, "lease", op);
	else if (g->lease.n && r->waiting)
		reply_jobs(r, &g->lease);
	else if (g->lease.n)
		give_back(r, &g->lease);
	queue_lease_fini(&g->lease);
	arena_free(&g->arena);
	mem_free(g);
	store_relay_unhold(r);
	store_queue_kick(q);
}

bool store_relay_is_waiting(const struct store_relay *r)
{
	return r->peer && r->owner && r->waiting && !r->leasing;
}

void store_relay_give(struct store_relay *r)
{
	struct giving *g = mem_new(struct giving);

	g->relay = r;
	g->arena = arena_new();
	g->lease.cfg = store_queue_config(r->queue, g->arena);
	g->lease.owner = r->owner;
	g->lease.room = r->room < RS_GIVE_MAX ? r->room : RS_GIVE_MAX;
	g->lease.bytes = REPLY_BYTES;
	queue_lease_init(&g->lease);
	g->lease.op.done = lease_done;
	r->leasing = true;
	store_relay_hold(r);
	store_write(r->sp->store, &g->lease.op);
}

static void lease_cancelled(struct ipc_request *request)
{
	struct store_relay *r = request->user;

	if (r->waiting != request)
		return;
	r->waiting = NULL;
	ipc_request_end(request, STR(""));
}

void store_relay_take_lease(struct store_relay *r, struct ipc_request *request, struct str payload)
{
	uint32_t room;

	if (!rs_lease_get(payload, &room) || r->waiting) {
		store_relay_log_refused(r, "jobs, as it may not ask for them");
		ipc_request_end(request, STR(""));
		return;
	}
	r->waiting = request;
	r->room = room;
	request->user = r;
	request->on_cancel = lease_cancelled;
	store_queue_ask(r->queue);
}
