/*
 * Our processes: the store as proc/store.c has it, without housekeeping and fronts; the relay as
 * proc/relay.c is; the resolver of dns.c. Killed, a process loses all that it had in memory; the store
 * is opened again from what it had committed.
 */
#include "store.h"

#include <fcntl.h>
#include <sys/random.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "check.h"
#include "net.h"
#include "pair.h"
#include "proc/relay.h"
#include "proc/store_relay.h"
#include "store/db_internal.h"
#include "world.h"

static struct sim_process *store_life, *relay_life, *resolver_life, *lost_life, *hung_life;
static struct store_process *sp;
static struct relay *relay;
static struct config_snapshot *config;
static bool resolver_is_away; /* it is dead, and not started yet */

static struct sim_process *new_life(const char *name)
{
	struct sim_process *p = mem_new(struct sim_process);

	*p = (struct sim_process){name, true};
	return p;
}

/* Some go by a host of another one, which may want a login. */
static void put_routes(struct buf *b)
{
	const char *between = "";

	buf_lit(b, "routes = (");
	for (size_t i = 0; i < sim_world.ndests; i++) {
		const struct sim_dest *d = &sim_world.dests[i];

		if (d->example != SIM_X_ROUTED)
			continue;
		buf_printf(b, "%s{ domain = \"%s\"; host = \"%s\"; port = 25;%s%s }", between,
		    d->of ? d->of->name : d->name, d->server->hosts[0].name,
		    d->of ? " sender = \"ann@" SIM_DOMAIN "\";" : "",
		    d->login ? " tls = \"verify\"; user = \"" SIM_USER
			       "\"; password_file = \"password\";"
			     : "");
		between = ", ";
	}
	buf_lit(b, ");\n");
}

/* Some destinations have a schedule and a number of connections of their own. */
static void put_settings(struct buf *b)
{
	const char *between = "";

	buf_lit(b, "hostname = \"" SIM_HOSTNAME "\";\ndestinations = (");
	for (size_t i = 0; i < sim_world.ndests; i++) {
		const struct sim_dest *d = &sim_world.dests[i];

		if (d->connections == 0)
			continue;
		buf_printf(b,
		    "%s{ domain = \"%s\"; connections = %u; retry = [\"2m\", \"10m\", \"1h\"];"
		    " lifetime = \"3d\"; }",
		    between, d->name, d->connections);
		between = ", ";
	}
	buf_lit(b, ");\n");
	put_routes(b);
}

static struct config_snapshot *config_now(void)
{
	struct err e = {""};
	struct buf text;

	buf_init(&text, 64 * KIB);
	put_settings(&text);
	if (!config && config_parse(".", "godwit.conf", buf_view(&text), 1, &config, &e))
		sim_fail("%s", e.text);
	buf_fini(&text);
	return config_ref(config);
}

/* ---- what proc/child.h is for these processes ---- */

void child_tell(uint16_t type, struct str payload)
{
	SIM_MUST(type != SC_BAD_PEER, "%s says that its peer is bad", sim_self->name);
}

void child_exit(int status)
{
	sim_fail("%s ended by itself", sim_self->name);
}

void child_abandon(void)
{
	sim_fail("%s gives its peer up", sim_self->name);
}

int child_run(const struct child_role *role, void *ctx, uv_loop_t *loop)
{
	BUG("processes are not run here");
}

/* The relay's name of its leases, and whatever else is to be random: from the seed too. */
ssize_t getrandom(void *p, size_t n, unsigned flags)
{
	uint8_t *to = p;

	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)sim_random(256);
	return (ssize_t)n;
}

/* ---- the data directory ---- */

/* Of the routes with a login; it is read for each job. */
static void put_password(void)
{
	int fd = open("password", O_CREAT | O_WRONLY, 0600);

	MUST(fd >= 0 && write(fd, SIM_PASSWORD "\n", sizeof SIM_PASSWORD) == sizeof SIM_PASSWORD);
	MUST(close(fd) == 0);
}

static void nothing(struct lane_op *op)
{
}

static void change(struct store *s, enum directory_verb verb, const char *local, const char *domain,
    const char *target)
{
	struct directory_change c = {.verb = verb,
	    .kind = str_eq(str_of_c(domain), STR(SIM_RELAY_DOMAIN)) ? DIRECTORY_RELAY
								    : DIRECTORY_LOCAL,
	    .cfg = &s->cfg.directory,
	    .who = STR("sim"),
	    .hash = "$hash$",
	    .local = str_of_c(local),
	    .domain = str_of_c(domain),
	    .target_domain = str_of_c(target)};

	directory_change_init(&c);
	c.op.done = nothing;
	store_write(s, &c.op);
	MUST(c.op.result == LANE_DONE && !c.refused);
}

/* Another name of ours for each destination. */
static void add_aliases(struct store *s)
{
	char domain[32], target[32];

	for (int i = 0; i < SIM_ALIASED; i++) {
		snprintf(domain, sizeof domain, "d%d." SIM_ALIASES, i);
		snprintf(target, sizeof target, "d%d.test", i);
		change(s, DIRECTORY_DOMAIN_ADD, "", domain, "");
		change(s, DIRECTORY_ALIAS_ADD, "", domain, target);
	}
}

void sim_store_template(const char *dir)
{
	struct store_config cfg = store_defaults(STORE_OFFLINE);
	struct err e = {""};
	enum datadir_code code = datadir_create(dir, &e);
	struct store *s = NULL;
	int fd;

	MUST(code == DATADIR_OK && chdir(dir) == 0);
	fd = open("reserve", O_CREAT | O_WRONLY, 0600); /* an empty one will do */
	MUST(fd >= 0 && close(fd) == 0);
	code = store_create(".", &e);
	if (code == DATADIR_OK)
		s = store_open(".", &cfg, &code, &e);
	if (!s)
		sim_fail("%s", e.text);
	change(s, DIRECTORY_DOMAIN_ADD, "", SIM_DOMAIN, "");
	change(s, DIRECTORY_DOMAIN_ADD, "", SIM_RELAY_DOMAIN, "");
	change(s, DIRECTORY_DOMAIN_ADD, "", SIM_HERE, "");
	for (int i = 0; i <= SIM_SHUT; i++)
		change(s, DIRECTORY_ACCOUNT_ADD, sim_senders[i], SIM_DOMAIN, "");
	add_aliases(s);
	store_close(&s);
	put_password();
}

/* ---- the store ---- */

/*
 * Connections that only look. What one has in memory is what it prepared, and pages that it compares with the
 * file before it uses them: nothing that a store that dies would lose. So the next has it, and a week does not
 * pass in preparing the same again.
 */
static struct db *readers[2];

struct db *sim_reader_take(struct err *e)
{
	struct db *db = NULL;

	for (size_t i = 0; i < 2 && !db; i++) {
		db = readers[i];
		readers[i] = NULL;
	}
	if (!db && db_open(DATADIR_DB, DB_READER, &db, e) != DB_OK)
		return NULL;
	return db;
}

void sim_reader_give(struct db **db)
{
	size_t i = 0;

	MUST((*db)->active == 0 && !db_in_transaction(*db));
	while (i < 2 && readers[i])
		i++;
	MUST(i < 2);
	readers[i] = *db;
	*db = NULL;
}

static void no_wake(void *ctx)
{
}

void sim_store_start(void)
{
	struct store_config cfg = store_defaults(STORE_SERVER);
	struct sim_process *self = sim_self;
	enum datadir_code code;
	struct err e = {""};

	sim_self = store_life = new_life("store");
	sp = mem_new(struct store_process);
	sp->config = config_now();
	sp->directory = (struct directory_config){.separator = '+',
	    .postmaster = sp->config->postmaster,
	    .hostname = sp->config->hostname,
	    .srs = sp->config->srs};
	sp->arena = arena_new();
	sp->routing = store_queue_routing(sp->config, sp->arena);
	sp->started = clock_now();
	sim_world.opened = clock_mono();
	cfg.directory = sp->directory;
	cfg.pack_size = (int64_t)MIB;
	cfg.min_free = 0;
	cfg.wake = no_wake;
	sp->store = store_open(".", &cfg, &code, &e);
	if (sp->store)
		sp->db = sim_reader_take(&e);
	if (!sp->db)
		sim_fail("the store does not open: %s", e.text);
	sim_check_store();
	sp->queue = store_queue_new(sp);
	sim_self = self;
	sim_say("store starts");
}

struct store_process *sim_store(void)
{
	return sp;
}

void sim_store_kill(void)
{
	struct store *s = sp->store;

	sim_say("store is killed");
	store_life->alive = false;
	sim_pair_kill(store_life);
	sim_reader_give(&sp->db);
	password_free(&s->passwords);
	reader_pool_stop(&s->readers);
	lane_thread_stop(&s->lane_thread);
	db_distrust(s->db);
	db_close(&s->db);
	datadir_close(&s->dir);
	sp = NULL;
}

/* ---- the relay ---- */

static void start_resolver_link(void)
{
	int fds[2];

	if (!resolver_life || !resolver_life->alive)
		resolver_life = new_life("dns");
	sim_pair(fds, relay_life, resolver_life);
	sim_self = resolver_life;
	sim_resolver_link(fds[1]);
	sim_self = relay_life;
	relay_role.event(relay, SC_RESOLVER, (struct str){NULL, 0}, fds[0]);
	sim_self = &sim_outside;
}

void sim_relay_start(void)
{
	struct err e = {""};

	sim_self = relay_life = new_life("relay");
	relay = mem_new(struct relay);
	relay_init(relay, uv_default_loop());
	relay->config = config_now();
	MUST(relay_role.ready(relay, &e) == 0);
	sim_self = &sim_outside;
	sim_say("relay starts");
	if (!resolver_is_away)
		start_resolver_link();
}

bool sim_store_is_up(void)
{
	return store_life && store_life->alive;
}

bool sim_relay_is_up(void)
{
	return relay != NULL;
}

bool sim_relay_has(int64_t message)
{
	LIST_FOREACH(&relay->jobs, it)
	if (LIST_ENTRY(it, struct relay_job, link)->job.lease.message == message)
		return true;
	return false;
}

void sim_relay_kill(bool silent)
{
	sim_say("relay is killed%s", silent ? ", and nobody hears of it" : "");
	relay_life->alive = false;
	sim_net_kill(relay_life);
	if (silent)
		lost_life = relay_life;
	else
		sim_pair_kill(relay_life);
	relay = NULL;
}

void sim_relay_hang(void)
{
	sim_say("relay hangs");
	relay_life->alive = false;
	hung_life = relay_life;
	relay = NULL;
}

void sim_relay_hang_ends(void)
{
	sim_say("relay is ended by the watchdog");
	sim_net_kill(hung_life);
	sim_pair_kill(hung_life);
}

void sim_relay_lost_ends(void *ctx)
{
	sim_pair_kill(lost_life);
}

void sim_resolver_kill(void)
{
	sim_say("resolver is killed");
	resolver_life->alive = false;
	sim_pair_kill(resolver_life);
	resolver_is_away = true;
}

void sim_resolver_start(void)
{
	resolver_is_away = false;
	if (relay)
		start_resolver_link();
}

bool sim_resolver_is_up(void)
{
	return !resolver_is_away;
}

void sim_link(void)
{
	static uint16_t node;
	int fds[2];

	sim_pair(fds, relay_life, store_life);
	sim_self = store_life;
	store_relay_new(sp, ++node, fds[1]);
	store_queue_kick(sp->queue);
	sim_self = relay_life;
	relay_role.event(relay, SC_STORE, (struct str){NULL, 0}, fds[0]);
	sim_self = &sim_outside;
}

/* ---- outsiders ---- */

void sim_write(struct lane_op *op)
{
	sim_self = store_life;
	store_write(sp->store, op);
	sim_self = &sim_outside;
}
