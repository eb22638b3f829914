/*
 * The scheduler (store/queue_run.h) in the store process: its timer, its log, the relays that it gives
 * jobs to.
 */
#include "proc/store_queue.h"

#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proc/log.h"
#include "proc/store_relay.h"
#include "store/deliver.h"
#include "store/dialogue.h"

#define NODE    1023 /* of our own ids */
#define TURN_MS 5    /* from one turn to the next: each asks the database anew, whatever happened */

/* ---- settings ---- */

/* The zone of this machine at the moment. */
static struct queue_zone zone_now(void)
{
	time_t now = (time_t)(clock_now() / SECOND_MS);
	struct tm tm;

	if (!localtime_r(&now, &tm))
		return (struct queue_zone){0, STR("UTC")};
	return (struct queue_zone){(int16_t)(tm.tm_gmtoff / 60), str_of_c(tm.tm_zone)};
}

static struct queue_special special_of(
    const struct config_snapshot *c, const struct config_destination *d)
{
	struct queue_special s = {.domain = d->domain, .sessions = (uint32_t)d->connections};

	config_queue_policy(c, d, &s.policy);
	return s;
}

struct queue_routing store_queue_routing(const struct config_snapshot *c, struct arena *a)
{
	struct queue_special *specials = arena_array(a, c->destinations.n, sizeof *specials);
	struct queue_via *vias = arena_array(a, c->routes.n, sizeof *vias);

	for (size_t i = 0; i < c->destinations.n; i++)
		specials[i] = special_of(c, &c->destinations.v[i]);
	for (size_t i = 0; i < c->routes.n; i++) {
		const struct config_route *r = &c->routes.v[i];

		vias[i] = (struct queue_via){r->domain, r->sender, r->host};
	}
	return (struct queue_routing){specials, c->destinations.n, vias, c->routes.n};
}

struct queue_config store_queue_settings(const struct config_snapshot *c,
    const struct directory_config *directory, const struct queue_routing *routing, int64_t started)
{
	struct queue_config cfg = {
	    .started = started,
	    .routing = *routing,
	    .lang = (enum queue_lang)c->language,
	    .hostname = c->hostname,
	    .return_size = c->queue.return_size,
	    .zone = zone_now(),
	    .directory = directory,
	};

	config_queue_policy(c, NULL, &cfg.policy);
	return cfg;
}

struct queue_config store_queue_config(struct store_queue *q, struct arena *a)
{
	struct directory_config *directory = arena_obj(a, struct directory_config);
	struct queue_config cfg = store_queue_settings(
	    q->sp->config, directory, &q->sp->routing, queue_run_since(&q->run));

	*directory = q->sp->directory;
	directory->postmaster = arena_str(a, directory->postmaster);
	directory->hostname = arena_str(a, directory->hostname);
	cfg.hostname = arena_str(a, cfg.hostname);
	cfg.zone.name = arena_str(a, cfg.zone.name);
	queue_routing_copy(&q->sp->routing, a, &cfg.routing);
	return cfg;
}

/* ---- what the scheduler asks for ---- */

static struct queue_time time_now(void *ctx)
{
	return (struct queue_time){clock_now(), clock_boot()};
}

static void run_write(void *ctx, struct lane_op *op)
{
	store_write(((struct store_queue *)ctx)->sp->store, op);
}

static void run_read(void *ctx, struct reader_op *op)
{
	store_read(((struct store_queue *)ctx)->sp->store, op);
}

static struct queue_config run_config(void *ctx, struct arena *a)
{
	return store_queue_config(ctx, a);
}

static bool run_is_accepting(void *ctx)
{
	return store_is_accepting(((struct store_queue *)ctx)->sp->store);
}

static bool run_is_ending(void *ctx)
{
	return ((struct store_queue *)ctx)->sp->draining;
}

/* All owners but those that are here; a link that has not greeted yet makes us wait. */
static bool run_owners(void *ctx, int64_t *owners_r, size_t *n_r)
{
	const struct store_queue *q = ctx;
	size_t n = 0;

	LIST_FOREACH(&q->relays, it)
	{
		const struct store_relay *relay = LIST_ENTRY(it, struct store_relay, link);

		if (relay->peer && (relay->owner == 0 || n == QUEUE_OWNERS_MAX))
			return false;
		if (relay->peer)
			owners_r[n++] = relay->owner;
	}
	*n_r = n;
	return true;
}

static struct store_relay *first_waiting(const struct store_queue *q)
{
	LIST_FOREACH(&q->relays, it)
	{
		struct store_relay *r = LIST_ENTRY(it, struct store_relay, link);

		if (store_relay_is_waiting(r))
			return r;
	}
	return NULL;
}

static bool run_somebody_waits(void *ctx)
{
	return first_waiting(ctx) != NULL;
}

static void run_give(void *ctx)
{
	struct store_queue *q = ctx;
	struct store_relay *r = first_waiting(q);

	list_remove(&r->link); /* its turn is over */
	list_push(&q->relays, &r->link);
	store_relay_give(r);
}

static void run_again(void *ctx)
{
	store_queue_kick(ctx);
}

/* ---- the log ---- */

static void log_failed(void *ctx, const char *what, const char *why)
{
	if (store_room(((struct store_queue *)ctx)->sp->store) == ACCEPT_CLOSED)
		return; /* said once, when it closed */
	log_open(LOG_ERROR, "queue-failed");
	log_text("what", what);
	log_text("why", why);
	log_close();
}

static void log_report(void *ctx, const struct queue_report *r)
{
	log_open(LOG_INFO, "report");
	log_id("id", r->message);
	log_str("to", r->about.reverse_path);
	log_num("ended", r->ended);
	log_num("warned", r->warned);
	log_num("placed", r->placed);
	if (r->told)
		log_id("report", r->report_id);
	else
		log_text("why", r->why.text);
	log_close();
}

static void log_released(void *ctx, int64_t count)
{
	log_open(LOG_INFO, "leases-released");
	log_num("count", count);
	log_close();
}

static void log_clock(void *ctx, int64_t by)
{
	log_open(LOG_WARN, "clock-set-back");
	if (by > 0)
		log_num("seconds", by / SECOND_MS);
	log_text("then", "what waits in the queue is moved along");
	log_text("cure", STORE_CURE_CLOCK);
	log_close();
}

static const struct queue_run_world world = {
    .time = time_now,
    .write = run_write,
    .read = run_read,
    .config = run_config,
    .is_accepting = run_is_accepting,
    .is_ending = run_is_ending,
    .owners = run_owners,
    .somebody_waits = run_somebody_waits,
    .give = run_give,
    .again = run_again,
    .failed = log_failed,
    .reported = log_report,
    .released = log_released,
    .clock_set_back = log_clock,
};

/* ---- turns ---- */

static void on_tick(uv_timer_t *timer)
{
	struct store_queue *q = timer->data;

	if (!q->sp->draining)
		uv_timer_start(timer, on_tick, (uint64_t)queue_run_tick(&q->run), 0);
}

static void on_kick(uv_timer_t *timer)
{
	struct store_queue *q = timer->data;

	if (q->sp->draining)
		return;
	q->turned = clock_mono();
	q->kicked = false;
	uv_timer_start(timer, on_tick, (uint64_t)queue_run_turn(&q->run), 0);
}

static void turn_soon(struct store_queue *q, uv_timer_cb callback)
{
	int64_t wait = q->turned + TURN_MS - clock_mono();

	if (!q->sp->draining)
		uv_timer_start(&q->timer, callback, wait > 0 ? (uint64_t)wait : 0, 0);
}

void store_queue_kick(struct store_queue *q)
{
	q->kicked = true;
	turn_soon(q, on_kick);
}

void store_queue_ask(struct store_queue *q)
{
	if (!q->kicked)
		turn_soon(q, on_tick);
}

void store_queue_reconfigured(struct store_queue *q)
{
	queue_run_reconfigured(&q->run);
	store_queue_kick(q);
}

void store_queue_failed(struct store_queue *q, const char *what, const struct lane_op *op)
{
	queue_run_failed(&q->run, what, op);
}

void store_queue_gone(struct store_queue *q)
{
	queue_run_gone(&q->run);
	store_queue_kick(q);
}

void store_queue_greeted(struct store_queue *q)
{
	queue_run_greeted(&q->run);
	store_queue_kick(q);
}

void store_queue_kept(struct store_queue *q, int64_t token)
{
	queue_run_kept(&q->run, token);
}

size_t store_queue_busy(const struct store_queue *q)
{
	size_t busy = q->run.busy;

	LIST_FOREACH(&q->relays, it)
	busy += LIST_ENTRY(it, struct store_relay, link)->busy;
	return busy;
}

/* ---- life ---- */

struct store_queue *store_queue_new(struct store_process *sp)
{
	struct store_queue *q = mem_new(struct store_queue);

	tzset();
	q->sp = sp;
	list_init(&q->relays);
	id_maker_init(&q->ids, NODE, deliver_newest_id(sp->db));
	q->packer = dialogue_packer_new();
	uv_timer_init(sp->loop, &q->timer);
	q->timer.data = q;
	q->run.world = &world;
	q->run.ctx = q;
	q->run.db = sp->db;
	q->run.blobs = sp->store->blobs;
	q->run.ids = &q->ids;
	queue_run_init(&q->run);
	store_queue_kick(q);
	return q;
}

static void on_timer_closed(uv_handle_t *handle)
{
	mem_free(handle->data);
}

void store_queue_free(struct store_queue **q)
{
	if (!*q)
		return;
	MUST((*q)->run.busy == 0);
	while (list_pop(&(*q)->relays))
		; /* they end with their links */
	dialogue_packer_free(&(*q)->packer);
	queue_run_fini(&(*q)->run);
	uv_close((uv_handle_t *)&(*q)->timer, on_timer_closed);
	*q = NULL;
}
