/*
 * Snapshots: made from the defaults, then the file over them, then checked as a whole; never changed
 * after that. Everything a snapshot points to is in its arena.
 */
#include "config/config.h"

#include "base/mem.h"
#include "config/config_file.h"
#include "config/config_priv.h"
#include "queue/queue_policy.h"

#define BOX_MAGIC 0x636f6e66u
#define PORTS     6

/* ---- life ---- */
static struct config_box *box_of(struct config_snapshot *c)
{
	struct config_box *box = (struct config_box *)(void *)((char *)c -
							       offsetof(struct config_box, c));

	MUST(box->magic == BOX_MAGIC && box->refs > 0);
	return box;
}

struct config_box *config_box_new(const char *dir, uint64_t number)
{
	struct config_box *box = mem_new(struct config_box);

	box->magic = BOX_MAGIC;
	box->refs = 1;
	box->arena = arena_new();
	box->c.number = number;
	box->c.dir = str_of_c(arena_cstr(box->arena, str_of_c(dir)));
	return box;
}

void config_box_free(struct config_box **box)
{
	if (!*box)
		return;
	arena_free(&(*box)->arena);
	(*box)->magic = 0;
	mem_free(*box);
	*box = NULL;
}

struct config_snapshot *config_ref(struct config_snapshot *c)
{
	box_of(c)->refs++;
	return c;
}

void config_unref(struct config_snapshot **c)
{
	struct config_box *box;

	if (!*c)
		return;
	box = box_of(*c);
	*c = NULL;
	if (--box->refs == 0)
		config_box_free(&box);
}

/* ---- checks of the whole ---- */
struct check {
	const char *file;
	const struct config_snapshot *c;
	const struct config_place *places;
	struct err *e;
};

static const struct config_place *place_of(const struct check *k, const char *name)
{
	const struct option *o = options_find(str_of_c(name));

	MUST(o);
	return &k->places[o - options];
}

/*
 * The later line of two options that do not fit together. One of them is in the file, for the defaults
 * fit; the other need not be.
 */
static unsigned later_line(const struct check *k, const char *one, const char *other)
{
	unsigned a = place_of(k, one)->line, b = place_of(k, other)->line;

	MUST(a || b);
	return a > b ? a : b;
}

static int check_set(const struct check *k)
{
	for (size_t i = 0; i < options_count; i++)
		if (!options[i].initial && !k->places[i].line)
			return err_set(k->e, "%s: %s is not set; add %s = \"mail.example.org\";",
			    k->file, options[i].name, options[i].name);
	return 0;
}

static const struct {
	const char *name;
	size_t offset;
} ports[PORTS] = {
    {"ports.smtp", offsetof(struct config_ports, smtp)},
    {"ports.smtps", offsetof(struct config_ports, smtps)},
    {"ports.submission", offsetof(struct config_ports, submission)},
    {"ports.pop3", offsetof(struct config_ports, pop3)},
    {"ports.pop3s", offsetof(struct config_ports, pop3s)},
    {"ports.lmtp", offsetof(struct config_ports, lmtp)},
};

static int64_t port_at(const struct config_snapshot *c, size_t i)
{
	int64_t port;

	memcpy(&port, (const char *)&c->ports + ports[i].offset, sizeof port);
	return port;
}

static int check_port(const struct check *k, size_t i)
{
	int64_t port = port_at(k->c, i), offset = k->c->port_offset;
	const char *name = ports[i].name;

	if (port && port + offset > 65535)
		return err_set(k->e,
		    "%s:%u: %s (%lld) with port_offset (%lld) is %lld; ports end at 65535", k->file,
		    later_line(k, name, "port_offset"), name, (long long)port, (long long)offset,
		    (long long)(port + offset));
	for (size_t other = 0; port && other < i; other++)
		if (port_at(k->c, other) == port)
			return err_set(k->e, "%s:%u: %s and %s are both %lld", k->file,
			    later_line(k, ports[other].name, name), ports[other].name, name,
			    (long long)port);
	return 0;
}

static int check_listeners(const struct check *k)
{
	size_t n = 0;

	for (size_t i = 0; i < PORTS; i++)
		n += port_at(k->c, i) != 0;
	if (k->c->listen.n * n <= LIMIT_LISTENERS)
		return 0;
	return err_set(k->e,
	    "%s:%u: listen has %zu addresses, which makes %zu sockets with %zu ports; there may be %zu: name fewer addresses, "
	    "or \"0.0.0.0\" and \"::\" for all of this machine",
	    k->file, place_of(k, "listen")->line, k->c->listen.n, k->c->listen.n * n, n,
	    LIMIT_LISTENERS);
}

static int check_ports(const struct check *k)
{
	for (size_t i = 0; i < PORTS; i++)
		if (check_port(k, i) < 0)
			return -1;
	return check_listeners(k);
}

/* d: of whose warnings it is one; NULL: of those of queue. */
static int never_comes(const struct check *k, unsigned line, const struct config_destination *d,
    int64_t warning, int64_t lifetime)
{
	struct buf when, end;

	buf_init(&when, 64);
	buf_init(&end, 64);
	option_put_plain(OPTION_DURATION, &(union option_value){.number = warning}, &when);
	option_put_plain(OPTION_DURATION, &(union option_value){.number = lifetime}, &end);
	err_set(k->e,
	    "%s:%u: %s%.*s%sthe delay_warning of %s never comes, for a message is returned after %s at the "
	    "latest: name a shorter time, or make the lifetime longer",
	    k->file, line, d ? "destinations, " : "", STR_FMT(d ? d->domain : STR("")),
	    d ? ": " : "", buf_cstr(&when), buf_cstr(&end));
	buf_fini(&when);
	buf_fini(&end);
	return -1;
}

/* Those of the defaults need not come; those that are written must for one destination at least. */
static int check_warnings(const struct check *k)
{
	const struct config_durations *warn = &k->c->queue.delay_warning;
	const struct config_place *place = place_of(k, "queue.delay_warning");
	int64_t longest = k->c->queue.lifetime;

	for (size_t i = 0; i < k->c->destinations.n; i++) {
		const struct config_destination *d = &k->c->destinations.v[i];

		if (d->delay_warning.n == 0 && d->lifetime > longest)
			longest = d->lifetime;
	}
	for (size_t i = 0; place->line && i < warn->n; i++)
		if (warn->v[i] >= longest)
			return never_comes(k, place->element[i], NULL, warn->v[i], longest);
	return 0;
}

static int check_queue(const struct check *k)
{
	static const struct {
		const char *one, *other;
	} at_fault[QUEUE_POLICY_STATUSES] = {
	    [QUEUE_POLICY_NO_RETRY] = {"queue.retry", "queue.retry"},
	    [QUEUE_POLICY_RETRY_COUNT] = {"queue.retry", "queue.retry"},
	    [QUEUE_POLICY_RETRY_RANGE] = {"queue.retry", "queue.retry"},
	    [QUEUE_POLICY_RETRY_ORDER] = {"queue.retry", "queue.retry"},
	    [QUEUE_POLICY_LIFETIME] = {"queue.lifetime", "queue.lifetime"},
	    [QUEUE_POLICY_BOUNCE_LIFETIME] = {"queue.bounce_lifetime", "queue.bounce_lifetime"},
	    [QUEUE_POLICY_TOO_SHORT] = {"queue.lifetime", "queue.retry"},
	    [QUEUE_POLICY_WARN_COUNT] = {"queue.delay_warning", "queue.delay_warning"},
	    [QUEUE_POLICY_WARN_RANGE] = {"queue.delay_warning", "queue.delay_warning"},
	    [QUEUE_POLICY_WARN_ORDER] = {"queue.delay_warning", "queue.delay_warning"},
	};
	struct queue_policy policy;
	enum queue_policy_status status;

	config_queue_policy(k->c, NULL, &policy);
	status = queue_policy_check(&policy);
	if (status == QUEUE_POLICY_OK)
		return check_warnings(k);
	return err_set(k->e, "%s:%u: %s", k->file,
	    later_line(k, at_fault[status].one, at_fault[status].other), queue_policy_text(status));
}

/* Its parts fit together with those of queue that it leaves as they are. */
static int check_destination(const struct check *k, const struct config_destination *d)
{
	const struct config_destination *all = k->c->destinations.v;
	unsigned line = place_of(k, "destinations")->element[d - all];
	struct queue_policy policy;
	enum queue_policy_status status;

	for (const struct config_destination *other = all; other < d; other++)
		if (str_eq(other->domain, d->domain))
			return err_set(k->e, "%s:%u: destinations has two entries for %.*s",
			    k->file, line, STR_FMT(d->domain));
	config_queue_policy(k->c, d, &policy);
	status = queue_policy_check(&policy);
	if (status != QUEUE_POLICY_OK)
		return err_set(k->e, "%s:%u: destinations, %.*s, together with queue: %s", k->file,
		    line, STR_FMT(d->domain), queue_policy_text(status));
	for (size_t i = 0; i < d->delay_warning.n; i++)
		if (d->delay_warning.v[i] >= policy.lifetime)
			return never_comes(k, line, d, d->delay_warning.v[i], policy.lifetime);
	return 0;
}

static int check_destinations(const struct check *k)
{
	for (size_t i = 0; i < k->c->destinations.n; i++)
		if (check_destination(k, &k->c->destinations.v[i]) < 0)
			return -1;
	return 0;
}

/* Sockets of one family get in each other's way: IPv6 ones take no IPv4 [RFC 3493 5.3], so the families do not. */
static int check_listen_pair(const struct check *k, const struct ip *one, const struct ip *later)
{
	bool v4 = ip_is_v4(later), any = ip_is_any(one);
	struct buf address;
	unsigned line;

	if (ip_is_v4(one) != v4 || (!ip_eq(one, later) && !any && !ip_is_any(later)))
		return 0;
	line = place_of(k, "listen")->element[later - k->c->listen.v];
	buf_init(&address, 64);
	ip_put(&address, any ? later : one);
	if (ip_eq(one, later))
		err_set(k->e, "%s:%u: listen has %s twice%s; leave one of them out", k->file, line,
		    buf_cstr(&address), v4 ? " (it may be written with ::ffff: too)" : "");
	else
		err_set(k->e,
		    "%s:%u: listen has %s, which is all addresses of IPv%c, and %s beside it; leave one "
		    "of them out",
		    k->file, line, v4 ? "0.0.0.0" : "::", v4 ? '4' : '6', buf_cstr(&address));
	buf_fini(&address);
	return -1;
}

static int check_listen(const struct check *k)
{
	const struct config_ips *listen = &k->c->listen;

	for (size_t i = 1; i < listen->n; i++)
		for (size_t other = 0; other < i; other++)
			if (check_listen_pair(k, &listen->v[other], &listen->v[i]) < 0)
				return -1;
	return 0;
}

static int check_source(const struct check *k)
{
	const struct ip *v = k->c->relay_source.v;

	if (k->c->relay_source.n == 2 && ip_is_v4(&v[0]) == ip_is_v4(&v[1]))
		return err_set(k->e,
		    "%s:%u: relay_source has two addresses of the same kind; give one of IPv4 and one of IPv6 at most",
		    k->file, place_of(k, "relay_source")->element[1]);
	return 0;
}

static int check_route(const struct check *k, const struct config_route *r)
{
	const struct config_route *all = k->c->routes.v;

	for (const struct config_route *other = all; other < r; other++)
		if (str_eq(other->domain, r->domain) && str_eq(other->sender, r->sender))
			return err_set(k->e,
			    "%s:%u: routes has two entries for the domain %.*s%s%.*s", k->file,
			    place_of(k, "routes")->element[r - all], STR_FMT(r->domain),
			    r->sender.n ? " and the sender " : "", STR_FMT(r->sender));
	return 0;
}

static int check_routes(const struct check *k)
{
	for (size_t i = 0; i < k->c->routes.n; i++)
		if (check_route(k, &k->c->routes.v[i]) < 0)
			return -1;
	return 0;
}

static int check_whole(const struct check *k)
{
	static int (*const checks[])(const struct check *) = {check_set, check_listen, check_ports,
	    check_queue, check_routes, check_destinations, check_source};

	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
		if (checks[i](k) < 0)
			return -1;
	return 0;
}

/* ---- reading ---- */
static void set_defaults(struct config_box *box)
{
	struct buf text;
	struct err e;

	buf_init(&text, LIMIT_CONFIG_FILE);
	config_put_defaults(&text);
	if (config_read_text(box, "default", buf_view(&text), NULL, &e) < 0)
		mem_bug(__FILE__, __LINE__, e.text);
	buf_fini(&text);
}

int config_parse(const char *dir, const char *file, struct str text, uint64_t number,
    struct config_snapshot **snapshot_r, struct err *e)
{
	struct config_box *box = config_box_new(dir, number);
	struct config_place *places = mem_array(options_count, sizeof *places);
	const struct check whole = {file, &box->c, places, e};
	int rc;

	set_defaults(box);
	rc = config_read_text(box, file, text, places, e);
	if (rc == 0)
		rc = check_whole(&whole);
	mem_free(places);
	if (rc == 0)
		*snapshot_r = &box->c;
	else
		config_box_free(&box);
	return rc;
}

/* dirfd: of the directory, where only that counts; -1: dir is its name. */
static int load(
    int dirfd, const char *dir, uint64_t number, struct config_snapshot **snapshot_r, struct err *e)
{
	enum config_file_kind kind = number ? CONFIG_FILE_OPTIONS : CONFIG_FILE_PUBLIC;
	struct buf path, text;
	int rc;

	buf_init(&path, LIMIT_CONFIG_STRING);
	buf_init(&text, LIMIT_CONFIG_FILE);
	buf_printf(&path, "%s/godwit.conf", dir);
	rc = dirfd < 0 ? config_file_read(buf_cstr(&path), kind, &text, e)
		       : config_file_read_at(dirfd, "godwit.conf", buf_cstr(&path), kind, &text, e);
	if (rc == 0)
		rc = config_parse(dir, buf_cstr(&path), buf_view(&text), number, snapshot_r, e);
	buf_fini(&path);
	buf_fini(&text);
	return rc;
}

int config_load(
    const char *dir, uint64_t number, struct config_snapshot **snapshot_r, struct err *e)
{
	return load(-1, dir, number, snapshot_r, e);
}

int config_load_at(int dirfd, const char *dir, struct config_snapshot **snapshot_r, struct err *e)
{
	return load(dirfd, dir, 0, snapshot_r, e);
}

/* ---- questions ---- */
static size_t copy_steps(const struct config_durations *from, int64_t to[LIMIT_QUEUE_STEPS])
{
	for (size_t i = 0; i < from->n && i < LIMIT_QUEUE_STEPS; i++)
		to[i] = from->v[i];
	return from->n < LIMIT_QUEUE_STEPS ? from->n : LIMIT_QUEUE_STEPS;
}

void config_queue_policy(const struct config_snapshot *c, const struct config_destination *d,
    struct queue_policy *policy_r)
{
	const struct config_durations *retry = &c->queue.retry, *warn = &c->queue.delay_warning;

	*policy_r = (struct queue_policy){
	    .lifetime = c->queue.lifetime,
	    .bounce_lifetime = c->queue.bounce_lifetime,
	};
	if (d && d->lifetime)
		policy_r->lifetime = d->lifetime;
	if (d && d->retry.n)
		retry = &d->retry;
	if (d && d->delay_warning.n)
		warn = &d->delay_warning;
	policy_r->n_retry = copy_steps(retry, policy_r->retry);
	policy_r->n_warn = warn->n == 1 && warn->v[0] == 0 ? 0 : copy_steps(warn, policy_r->warn);
}

/* How well a route fits; 0: not at all. */
static unsigned fit(const struct config_route *r, struct str domain, struct str reverse_path)
{
	size_t at = str_rfind(reverse_path, '@');
	unsigned grade = 0;

	if (str_eq(r->domain, domain))
		grade = 4;
	else if (str_eq(r->domain, STR("*")))
		grade = 1;
	if (r->sender.n == 0)
		return grade;
	if (str_eq_i(r->sender, reverse_path))
		return grade ? grade + 2 : 0;
	return grade && at < reverse_path.n && str_eq_i(r->sender, str_from(reverse_path, at + 1))
		   ? grade + 1
		   : 0;
}

const struct config_route *config_route(
    const struct config_snapshot *c, struct str domain, struct str reverse_path)
{
	const struct config_route *best = NULL;
	unsigned grade = 0;

	for (size_t i = 0; i < c->routes.n; i++) {
		unsigned one = fit(&c->routes.v[i], domain, reverse_path);

		if (one <= grade)
			continue;
		grade = one;
		best = &c->routes.v[i];
	}
	return best;
}

const struct config_destination *config_destination(
    const struct config_snapshot *c, struct str domain)
{
	for (size_t i = 0; i < c->destinations.n; i++)
		if (str_eq(c->destinations.v[i].domain, domain))
			return &c->destinations.v[i];
	return NULL;
}

uint16_t config_port(const struct config_snapshot *c, int64_t port)
{
	return port ? (uint16_t)(port + c->port_offset) : 0;
}

const char *config_path(const struct config_snapshot *c, struct str path, struct buf *out)
{
	buf_clear(out);
	if (path.n && path.p[0] != '/') {
		buf_str(out, c->dir);
		buf_byte(out, '/');
	}
	buf_str(out, path);
	return buf_cstr(out);
}
