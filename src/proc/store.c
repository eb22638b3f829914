/*
 * The store process.
 *
 * Capabilities: the store side's user; after ready(): the data directory, which is the working
 * directory; the descriptors are the link to the supervisor, the admin socket, one link a front. No
 * sockets are made, no programs started.
 */
#include "proc/store.h"

#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/net_listen.h"
#include "proc/child.h"
#include "proc/event_loop.h"
#include "proc/log.h"
#include "proc/process.h"
#include "proc/store_callout.h"
#include "proc/store_compact.h"
#include "proc/store_front.h"
#include "proc/store_relay.h"
#include "store/deliver.h"

#define TEND_MS      1000
#define SPARE_MS     HOUR_MS /* within that somebody has set it right */
#define SESSIONS_MAX 100000
#define LOCK_WAIT_MS 3000

static void on_wake(uv_async_t *async)
{
	struct store_process *sp = async->data;

	if (sp->store) /* closing it wakes once more */
		store_reap(sp->store);
}

/* From the lane's, a reader's or the password thread. */
static void wake(void *ctx)
{
	struct store_process *sp = ctx;

	uv_async_send(&sp->wake);
}

/* ---- housekeeping ---- */

/*
 * Said once until it works again: it is tried again every second. A full disk, and a lane that is closed,
 * are said elsewhere.
 */
static void log_tending(struct store_process *sp, const struct lane_op *op)
{
	struct str why = str_of_c(op->result == LANE_FAILED ? op->err.text : "");

	if (op->result == LANE_DONE)
		sp->tend_trouble.text[0] = '\0';
	if (why.n == 0 || str_eq(why, str_of_c(sp->tend_trouble.text)))
		return;
	log_note(LOG_ERROR, "housekeeping", op->err.text);
	sp->tend_trouble = op->err;
}

static void tend_done(struct lane_op *op)
{
	struct store_process *sp = LIST_ENTRY(op, struct store_process, maintain.op);

	sp->tending = false;
	log_tending(sp, op);
	sp->purged = sp->purged || (op->result == LANE_DONE && sp->maintain.rows > 0);
	if (sp->purged && !sp->maintain.more && !sp->draining) {
		sp->purged = false;
		store_compact_kick(sp->compact);
	}
	if (op->result == LANE_DONE && sp->maintain.more && !sp->draining)
		uv_timer_start(&sp->tend, sp->tend.timer_cb, 20, TEND_MS);
}

/* A commit or sync failed: nothing more is written until a restart; reading goes on. Said once. */
static void check_lane(struct store_process *sp)
{
	struct lane_stats stats;

	store_lane_stats(sp->store, &stats);
	if (!stats.closed || sp->lane_closed)
		return;
	sp->lane_closed = true;
	log_open(LOG_ERROR, "store-closed");
	log_text("why", stats.reason.text);
	log_text("cure", STORE_CURE_CLOSED);
	log_close();
}

/* Said when it begins and when it ends. */
static void check_room(struct store_process *sp)
{
	bool full = store_room(sp->store) == ACCEPT_NO_ROOM;

	if (full == sp->full)
		return;
	sp->full = full;
	log_open(full ? LOG_ERROR : LOG_INFO, full ? "disk-full" : "disk-has-room");
	log_num("free", datadir_free_bytes(&sp->store->dir));
	log_num("min_free", sp->config->min_free);
	if (full)
		log_text("cure",
		    "mail is refused until there is room, deleting goes on; make room on the disk, give it "
		    "more, or lower min_free");
	log_close();
}

static struct maintain_config maintain_of(const struct store_process *sp)
{
	return (struct maintain_config){
	    .undelete_ms = sp->config->undelete,
	    .history_ms = sp->config->history,
	    .blobs = sp->store->blobs,
	};
}

/* Whoever was gone for long finds his mail as it was; that a clock is ahead for a second costs nobody any. */
static void check_clock(struct store_process *sp)
{
	int64_t ahead = clock_now() - clock_mono(), jump = ahead - sp->clock.ahead;

	sp->clock.ahead = ahead;
	if (jump <= MAINTAIN_LEAP_MS)
		return;
	sp->clock.until = clock_mono() + SPARE_MS;
	log_open(LOG_WARN, "clock-went-ahead");
	log_num("seconds", jump / SECOND_MS);
	log_text("then", "for an hour no deleted mail and no history goes because of its age");
	log_text("cure", STORE_CURE_CLOCK);
	log_close();
}

static void on_tend(uv_timer_t *timer)
{
	struct store_process *sp = timer->data;
	bool full;

	if (sp->draining)
		return;
	check_lane(sp);
	check_room(sp);
	check_clock(sp);
	uv_timer_start(&sp->tend, on_tend, TEND_MS, TEND_MS);
	if (sp->lane_closed)
		return;
	full = !store_is_accepting(sp->store);
	if (!full)
		store_quota_turn(&sp->quota);
	if (sp->tending)
		return;
	sp->tending = true;
	sp->maintain.cfg = maintain_of(sp); /* as it is now: nothing is under way */
	sp->maintain.full = full;
	sp->maintain.spares = clock_mono() < sp->clock.until;
	sp->maintain.asked = clock_now();
	store_write(sp->store, &sp->maintain.op);
}

/* ---- start ---- */
static struct directory_config directory_of(const struct config_snapshot *c)
{
	return (struct directory_config){
	    .separator = c->subaddress_separator.n ? (char)c->subaddress_separator.p[0] : 0,
	    .postmaster = c->postmaster,
	    .hostname = c->hostname,
	    .srs = c->srs,
	};
}

/* Where addresses lead to, here and elsewhere. */
static void set_rules(struct store_process *sp)
{
	struct arena *old = sp->arena;

	sp->directory = directory_of(sp->config);
	sp->arena = arena_new();
	sp->routing = store_queue_routing(sp->config, sp->arena);
	arena_free(&old);
}

static struct admit_config admit_of(const struct config_snapshot *c)
{
	return (struct admit_config){
	    .total = c->limits.connections,
	    .per_address = c->limits.connections_per_address,
	    .per_network = c->limits.connections_per_network,
	    .auth_failures = c->limits.auth_failures,
	    .ban_ms = c->limits.ban_time,
	    .trusted = c->trusted_networks.v,
	    .trusted_n = c->trusted_networks.n,
	};
}

static struct store_config store_config_of(struct store_process *sp)
{
	struct store_config cfg = store_defaults(STORE_SERVER);

	cfg.holder = getppid(); /* the supervisor: without it no process of the server goes on */
	cfg.directory = sp->directory;
	cfg.admit = admit_of(sp->config);
	cfg.quota = store_quota_defaults(sp->config);
	cfg.sessions_max = SESSIONS_MAX;
	cfg.undelete_ms = sp->config->undelete;
	cfg.min_free = sp->config->min_free;
	cfg.pack_size = sp->config->pack_size;
	cfg.wake = wake;
	cfg.wake_ctx = sp;
	return cfg;
}

static void start_tending(struct store_process *sp)
{
	struct maintain_config cfg = maintain_of(sp);

	maintain_init(&sp->maintain, &cfg);
	sp->maintain.op.done = tend_done;
	uv_timer_init(sp->loop, &sp->tend);
	sp->tend.data = sp;
	sp->clock.ahead = clock_now() - clock_mono();
	uv_timer_start(&sp->tend, on_tend, TEND_MS, TEND_MS);
	sp->compact = store_compact_new(sp);
}

static int process_start(
    void *ctx, const struct sc_start *start, const char **user_r, struct err *e)
{
	struct store_process *sp = ctx;

	if (config_decode(start->snapshot, &sp->config))
		return err_set(e, "the supervisor sent a configuration that cannot be read");
	*user_r = (const char *)sp->config->user_store.p;
	log_setup("store", (enum log_level)sp->config->log_level);
	return 0;
}

/* The supervisor stands in the data directory; in sentences it has its own name. */
static void name_directory(const struct store_process *sp, struct err *e)
{
	struct err plain = *e;

	if (str_has_prefix(str_of_c(plain.text), STR(". ")))
		err_set(e, "%s%s", (const char *)sp->config->dir.p, plain.text + 1);
}

/* A command that uses the directory at the moment has its time to end. */
static struct store *open_patiently(struct store_process *sp, struct err *e)
{
	struct store_config cfg = store_config_of(sp);
	int64_t until = clock_mono() + LOCK_WAIT_MS;
	struct timespec pause = {.tv_nsec = 50 * 1000000};
	enum datadir_code code;
	struct store *s;

	while (!(s = store_open(".", &cfg, &code, e)) && code == DATADIR_LOCKED &&
	       clock_mono() < until)
		nanosleep(&pause, NULL);
	if (!s)
		name_directory(sp, e);
	return s;
}

/*
 * Behind all that was read in this turn: after a pause of this process a message and the word that nobody
 * waits for it come together.
 */
static void on_submit(uv_prepare_t *prepare)
{
	store_take_submit(prepare->data);
}

static int process_ready(void *ctx, struct err *e)
{
	struct store_process *sp = ctx;

	uv_async_init(sp->loop, &sp->wake, on_wake);
	sp->wake.data = sp;
	set_rules(sp);
	sp->started = clock_now();
	sp->store = open_patiently(sp, e);
	if (!sp->store)
		return -1;
	if (e->text[0])
		log_note(LOG_WARN, "packs", e->text);
	if (db_open(DATADIR_DB, DB_READER, &sp->db, e) != DB_OK)
		return -1;
	uv_prepare_init(sp->loop, &sp->submit);
	sp->submit.data = sp;
	uv_prepare_start(&sp->submit, on_submit);
	start_tending(sp);
	sp->queue = store_queue_new(sp);
	sp->callouts = store_callouts_new(sp);
	store_quota_init(&sp->quota, sp);
	id_maker_init(&sp->import_ids, ADMIN_NODE, deliver_newest_id(sp->db));
	child_tell(SC_READY, (struct str){NULL, 0});
	return 0;
}

/* ---- the supervisor's events ---- */
static void on_admin_accepted(void *user, int fd, const struct net_addr *peer)
{
	store_admin_link_new(user, fd);
}

static const struct net_acceptor_handler admin_handler = {.accepted = on_admin_accepted};

static void add_admin_socket(struct store_process *sp, int fd)
{
	struct err e;

	net_acceptor_free(&sp->admin_socket);
	if (net_acceptor_new(sp->loop, fd, &admin_handler, sp, &sp->admin_socket, &e))
		log_note(LOG_ERROR, "admin-socket", e.text);
}

static void set_processes(struct store_process *sp, struct str payload)
{
	struct cur c = cur_of(payload);

	sp->process_count = 0;
	while (cur_left(&c) && sp->process_count < STORE_PROCESSES &&
	       sc_process_next(&c, &sp->processes[sp->process_count]))
		sp->process_count++;
}

/* Rules, limits and times change; the size of packs and the number of threads do not. */
static void set_config(struct store_process *sp, struct str payload)
{
	struct sc_start start;
	struct config_snapshot *fresh, *old = sp->config;
	struct admit_config admit;

	if (!sc_start_get(payload, &start) || config_decode(start.snapshot, &fresh))
		return;
	sp->config = fresh;
	set_rules(sp);
	admit = admit_of(fresh);
	admit_configure(sp->store->admit, &admit);
	sp->store->cfg.directory = sp->directory;
	sp->store->cfg.min_free = fresh->min_free;
	sp->store->cfg.undelete_ms = fresh->undelete;
	store_quota_configure(&sp->quota);
	log_setup("store", (enum log_level)fresh->log_level);
	log_open(LOG_INFO, "config");
	log_num("number", (int64_t)fresh->number);
	log_close();
	config_unref(&old);
	store_queue_reconfigured(sp->queue);
}

static void finish_if_idle(struct store_process *sp)
{
	if (!sp->store || store_admin_busy(sp) || store_front_busy(sp) || sp->tending ||
	    store_quota_busy(&sp->quota) || store_compact_busy(sp->compact) ||
	    store_queue_busy(sp->queue) || store_callouts_busy(sp->callouts))
		return;
	store_callouts_free(&sp->callouts);
	store_queue_free(&sp->queue);
	store_compact_free(&sp->compact);
	db_close(&sp->db);
	store_close(&sp->store);
	child_exit(0);
}

static void on_finish_check(uv_check_t *check)
{
	finish_if_idle(check->data);
}

static void drain(struct store_process *sp)
{
	if (sp->draining)
		return;
	sp->draining = true;
	uv_timer_stop(&sp->tend);
	store_compact_stop(sp->compact);
	store_callouts_drain(sp->callouts);
	uv_check_init(sp->loop, &sp->finish);
	sp->finish.data = sp;
	uv_check_start(&sp->finish, on_finish_check);
	uv_async_send(&sp->wake);
}

static void new_link(struct store_process *sp, enum sc_role role, uint16_t node, int fd)
{
	if (role == SC_ROLE_MX || role == SC_ROLE_USER)
		store_front_new(sp, role, node, fd);
	else if (role == SC_ROLE_RELAY)
		store_relay_new(sp, node, fd);
	else
		close(fd);
}

static void process_event(void *ctx, uint16_t type, struct str payload, int fd)
{
	struct store_process *sp = ctx;
	enum sc_role role;
	uint16_t node;
	uint8_t listener;

	switch (type) {
	case SC_PEER:
		if (fd >= 0 && sc_peer_get(payload, &role, &node)) {
			new_link(sp, role, node, fd);
			return;
		}
		break;
	case SC_LISTENER:
		if (fd >= 0 && sc_listener_get(payload, &listener) &&
		    listener == SC_LISTENER_ADMIN) {
			add_admin_socket(sp, fd);
			return;
		}
		break;
	case SC_PROCESSES:
		set_processes(sp, payload);
		break;
	case SC_CONFIG:
		set_config(sp, payload);
		break;
	case SC_OWN:
		own_list_take(&sp->own, payload);
		break;
	case SC_DRAIN:
		drain(sp);
		break;
	}
	if (fd >= 0)
		close(fd);
}

static const struct child_role role = {
    "godwit: store", true, process_start, process_ready, process_event};

int store_main(void)
{
	struct store_process sp = {.loop = event_loop()};
	int status;

	list_init(&sp.fronts);
	list_init(&sp.delivers);
	list_init(&sp.admins);
	status = child_run(&role, &sp, sp.loop);
	own_list_fini(&sp.own);
	arena_free(&sp.arena);
	config_unref(&sp.config);
	return status;
}
