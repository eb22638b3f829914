/*
 * The scheduler. Each turn looks at what is due now and begins it; every end of something begins a
 * turn, and so does the timer, which is set to the next moment at which anything is due.
 */
#include "proc/store_queue.h"

#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proc/log.h"
#include "proc/store_relay.h"
#include "store/queue_report.h"

#define NODE       1023            /* of our own ids */
#define WAIT_MAX   MINUTE_MS       /* the timer looks at least so often: clocks jump */
#define PAUSE_MS   (5 * SECOND_MS) /* after a failure */
#define PAUSE_FULL MINUTE_MS       /* after a full disk */
#define VOID_MS    SECOND_MS       /* relays that are there have greeted by then */
#define JUMP_MS    (2 * SECOND_MS) /* the clock was set back by more than that */

static void turn(struct store_queue *q);

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

struct queue_config store_queue_settings(
    const struct config_snapshot *c, const struct directory_config *directory, int64_t started)
{
	struct queue_config cfg = {
	    .started = started,
	    .lang = (enum queue_lang)c->language,
	    .hostname = c->hostname,
	    .zone = zone_now(),
	    .directory = directory,
	};

	config_queue_policy(c, &cfg.policy);
	return cfg;
}

struct queue_config store_queue_config(struct store_queue *q, struct arena *a)
{
	struct directory_config *directory = arena_obj(a, struct directory_config);
	struct queue_config cfg = store_queue_settings(q->sp->config, directory, q->sp->started);

	*directory = q->sp->directory;
	directory->postmaster = arena_str(a, directory->postmaster);
	directory->hostname = arena_str(a, directory->hostname);
	cfg.hostname = arena_str(a, cfg.hostname);
	cfg.zone.name = arena_str(a, cfg.zone.name);
	return cfg;
}

/* ---- trouble ---- */

void store_queue_failed(struct store_queue *q, const char *what, const struct lane_op *op)
{
	log_open(LOG_ERROR, "queue-failed");
	log_text("what", what);
	log_text("why", op ? op->err.text : db_error(q->sp->db));
	log_close();
	q->paused = clock_mono() + (op && op->result == LANE_FULL ? PAUSE_FULL : PAUSE_MS);
}

/* The database could be read; else that is logged. */
static bool is_good(struct store_queue *q, const char *what, enum db_code code)
{
	if (code != DB_OK)
		store_queue_failed(q, what, NULL);
	return code == DB_OK;
}

/* ---- reports ---- */

static void report_over(struct queue_report *r)
{
	struct store_queue *q = r->user;

	queue_report_free(&r);
	q->reports--;
	q->busy--;
	turn(q);
}

static void log_report(const struct queue_report *r)
{
	log_open(LOG_INFO, "report");
	log_id("id", r->message);
	log_str("to", r->about.reverse_path);
	log_num("ended", r->ended);
	log_num("warned", r->warned);
	if (r->told)
		log_id("report", r->report_id);
	else
		log_text("why", r->why.text);
	log_close();
}

static void report_done(struct lane_op *op)
{
	struct queue_report *r = LIST_ENTRY(op, struct queue_report, op);

	if (op->result != LANE_DONE)
		store_queue_failed(r->user, "report", op);
	else if (!r->stale)
		log_report(r);
	report_over(r);
}

static void report_was_read(struct reader_op *op)
{
	struct queue_report *r = LIST_ENTRY(op, struct queue_report, read);
	struct store_queue *q = r->user;

	if (op->result == DB_OK && !r->nothing) {
		store_write(q->sp->store, &r->op);
		return;
	}
	if (op->result != DB_OK) {
		r->op.err = op->err;
		r->op.result = LANE_FAILED;
		store_queue_failed(q, "report", &r->op);
	}
	report_over(r);
}

static void begin_report(struct store_queue *q, int64_t message)
{
	struct queue_report *r = queue_report_new();

	r->user = q;
	r->cfg = store_queue_config(q, r->arena);
	r->blobs = q->sp->store->blobs;
	r->message = message;
	r->report_id = id_make(&q->ids, clock_now());
	r->now = clock_now();
	queue_report_prepare(r);
	r->read.done = report_was_read;
	r->op.done = report_done;
	q->reports++;
	q->busy++;
	store_read(q->sp->store, &r->read);
}

static bool find_due(struct store_queue *q)
{
	struct arena *a = arena_new();
	struct queue_config cfg = store_queue_config(q, a);
	bool good = is_good(q, "due", queue_due_find(q->sp->db, &cfg, clock_now(), &q->due));

	q->due_at = 0;
	if (!good)
		q->due.n = 0;
	arena_free(&a);
	return good;
}

/* A list is worked off before the next is made, so that no message is in it twice. */
static void make_reports(struct store_queue *q)
{
	if (q->due_at == q->due.n && (q->reports > 0 || !find_due(q)))
		return;
	while (q->due_at < q->due.n && q->reports < STORE_QUEUE_REPORTS &&
	       store_is_accepting(q->sp->store))
		begin_report(q, q->due.messages[q->due_at++]);
}

/* ---- leases ---- */

static void release_done(struct lane_op *op)
{
	struct store_queue *q = LIST_ENTRY(op, struct store_queue, release.op);

	if (op->result == LANE_DONE && q->release.more) {
		q->release.after = q->release.next;
		store_write(q->sp->store, op);
		return;
	}
	q->releasing = false;
	q->busy--;
	if (op->result != LANE_DONE) {
		store_queue_failed(q, "release", op);
		q->void_at = clock_mono() + PAUSE_MS; /* whose leases are void is found out again */
	} else if (q->release.released) {
		log_open(LOG_INFO, "leases-released");
		log_num("count", q->release.released);
		log_close();
	}
	turn(q);
}

/* All owners but those that are here; a link that has not greeted yet makes us wait. */
static bool list_owners(struct store_queue *q, struct queue_release *r)
{
	LIST_FOREACH(&q->relays, it)
	{
		const struct store_relay *relay = LIST_ENTRY(it, struct store_relay, link);

		if (relay->peer && (relay->owner == 0 || r->nowners == QUEUE_OWNERS_MAX))
			return false;
		if (relay->peer)
			r->owners[r->nowners++] = relay->owner;
	}
	return true;
}

static void release(struct store_queue *q)
{
	struct queue_release r = {0};
	int64_t expiry = QUEUE_NEVER;
	bool others = q->void_at != 0 && q->void_at <= clock_mono();

	if (q->releasing || !is_good(q, "leases", queue_lease_wake(q->sp->db, &expiry)))
		return;
	if (others && !list_owners(q, &r)) {
		others = false;
		q->void_at = clock_mono() + VOID_MS;
	}
	if (!others && expiry > clock_now())
		return;
	r.others = others;
	q->release = r;
	queue_release_init(&q->release);
	q->release.op.done = release_done;
	q->releasing = true;
	q->busy++;
	if (others)
		q->void_at = 0;
	store_write(q->sp->store, &q->release.op);
}

void store_queue_gone(struct store_queue *q)
{
	q->void_at = clock_mono();
	store_queue_kick(q);
}

void store_queue_greeted(struct store_queue *q)
{
	if (q->void_at == QUEUE_NEVER)
		q->void_at = clock_mono() + VOID_MS;
	store_queue_kick(q);
}

/* ---- attempts ---- */

/* Relays that wait get jobs, one after the other, as long as an attempt is due. */
static void hand_out(struct store_queue *q, int64_t due)
{
	if (due > clock_now())
		return;
	LIST_FOREACH(&q->relays, it)
	{
		struct store_relay *r = LIST_ENTRY(it, struct store_relay, link);

		if (store_relay_is_waiting(r)) {
			list_remove(&r->link); /* its turn is over */
			list_push(&q->relays, &r->link);
			store_relay_give(r);
			return;
		}
	}
}

static bool somebody_waits(const struct store_queue *q)
{
	LIST_FOREACH(&q->relays, it)
	{
		if (store_relay_is_waiting(LIST_ENTRY(it, struct store_relay, link)))
			return true;
	}
	return false;
}

/* ---- the clock ---- */

static void clock_done(struct lane_op *op)
{
	struct store_queue *q = LIST_ENTRY(op, struct store_queue, clock.op);

	q->busy--;
	q->moving = false;
	if (op->result != LANE_DONE) {
		store_queue_failed(q, "clock", op);
	} else if (q->clock.more && !q->sp->draining) {
		queue_clock_go_on(&q->clock);
		q->moving = true;
		q->busy++;
		store_write(q->sp->store, &q->clock.op);
		return;
	}
	turn(q);
}

static void follow_clock(struct store_queue *q)
{
	if (q->moving)
		return;
	log_note(LOG_WARN, "clock-set-back", "what waits in the queue is moved along");
	q->clock = (struct queue_clock){0};
	queue_clock_init(&q->clock);
	q->clock.op.done = clock_done;
	q->moving = true;
	q->busy++;
	store_write(q->sp->store, &q->clock.op);
}

static void watch_clock(struct store_queue *q)
{
	int64_t wall = clock_now(), mono = clock_mono();

	if (wall - q->wall < mono - q->mono - JUMP_MS)
		follow_clock(q);
	q->wall = wall;
	q->mono = mono;
}

/* ---- turns ---- */

static int64_t min_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void on_timer(uv_timer_t *timer)
{
	turn(timer->data);
}

/* The timer, at the first of some moments by the wall clock. */
static void sleep_until(struct store_queue *q, int64_t when)
{
	int64_t wait = min_of(when == QUEUE_NEVER ? WAIT_MAX : when - clock_now(), WAIT_MAX);

	if (q->paused > clock_mono())
		wait = min_of(q->paused - clock_mono(), WAIT_MAX);
	else if (q->void_at && q->void_at != QUEUE_NEVER)
		wait = min_of(wait, q->void_at - clock_mono());
	uv_timer_start(&q->timer, on_timer, wait > 1 ? (uint64_t)wait : 1, 0);
}

static void begin_what_is_due(struct store_queue *q, int64_t *wake_r)
{
	int64_t attempt = QUEUE_NEVER, lease = QUEUE_NEVER;

	release(q);
	make_reports(q);
	if (!is_good(q, "attempts", queue_attempt_wake(q->sp->db, &attempt)) ||
	    !is_good(q, "leases", queue_lease_wake(q->sp->db, &lease)))
		return;
	hand_out(q, attempt);
	*wake_r = min_of(*wake_r, somebody_waits(q) ? attempt : QUEUE_NEVER);
	*wake_r = min_of(*wake_r, q->releasing ? QUEUE_NEVER : lease);
	*wake_r = min_of(*wake_r, q->reports ? QUEUE_NEVER : q->due.wake);
}

static void turn(struct store_queue *q)
{
	int64_t wake = QUEUE_NEVER;

	if (q->sp->draining)
		return;
	watch_clock(q);
	if (q->paused <= clock_mono())
		begin_what_is_due(q, &wake);
	sleep_until(q, wake);
}

void store_queue_kick(struct store_queue *q)
{
	if (!q->sp->draining)
		uv_timer_start(&q->timer, on_timer, 0, 0);
}

size_t store_queue_busy(const struct store_queue *q)
{
	size_t busy = q->busy;

	LIST_FOREACH(&q->relays, it)
	busy += LIST_ENTRY(it, struct store_relay, link)->busy;
	return busy;
}

/* ---- life ---- */

struct store_queue *store_queue_new(struct store_process *sp)
{
	struct store_queue *q = mem_new(struct store_queue);
	bool ahead = false;

	tzset();
	q->sp = sp;
	q->wall = clock_now();
	q->mono = clock_mono();
	q->due.wake = QUEUE_NEVER;
	q->void_at = QUEUE_NEVER; /* not before a relay is here */
	list_init(&q->relays);
	id_maker_init(&q->ids, NODE, 0);
	uv_timer_init(sp->loop, &q->timer);
	q->timer.data = q;
	if (is_good(q, "clock", queue_clock_is_ahead(sp->db, q->wall, &ahead)) && ahead)
		follow_clock(q);
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
	MUST((*q)->busy == 0);
	uv_close((uv_handle_t *)&(*q)->timer, on_timer_closed);
	*q = NULL;
}
