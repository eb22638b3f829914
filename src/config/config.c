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
static int check_set(const char *file, const bool *seen, struct err *e)
{
	for (size_t i = 0; i < options_count; i++)
		if (!options[i].initial && !seen[i])
			return err_set(e, "%s: %s is not set; add %s = \"mail.example.org\";", file,
			    options[i].name, options[i].name);
	return 0;
}

static const struct {
	const char *name;
	size_t offset;
} ports[PORTS] = {
    {"smtp", offsetof(struct config_ports, smtp)},
    {"smtps", offsetof(struct config_ports, smtps)},
    {"submission", offsetof(struct config_ports, submission)},
    {"pop3", offsetof(struct config_ports, pop3)},
    {"pop3s", offsetof(struct config_ports, pop3s)},
    {"lmtp", offsetof(struct config_ports, lmtp)},
};

static int64_t port_at(const struct config_snapshot *c, size_t i)
{
	int64_t port;

	memcpy(&port, (const char *)&c->ports + ports[i].offset, sizeof port);
	return port;
}

static int check_ports(const char *file, const struct config_snapshot *c, struct err *e)
{
	for (size_t i = 0; i < PORTS; i++) {
		int64_t port = port_at(c, i);

		if (port && port + c->port_offset > 65535)
			return err_set(e,
			    "%s: ports.%s (%lld) with port_offset (%lld) is %lld; ports end at 65535",
			    file, ports[i].name, (long long)port, (long long)c->port_offset,
			    (long long)(port + c->port_offset));
		for (size_t k = 0; port && k < i; k++)
			if (port_at(c, k) == port)
				return err_set(e, "%s: ports.%s and ports.%s are both %lld", file,
				    ports[k].name, ports[i].name, (long long)port);
	}
	return 0;
}

static int check_queue(const char *file, const struct config_snapshot *c, struct err *e)
{
	struct queue_policy policy;
	enum queue_policy_status status;

	config_queue_policy(c, NULL, &policy);
	status = queue_policy_check(&policy);
	return status == QUEUE_POLICY_OK ? 0
					 : err_set(e, "%s: %s", file, queue_policy_text(status));
}

/* Its parts fit together with those of queue that it leaves as they are. */
static int check_destination(const char *file, const struct config_snapshot *c,
    const struct config_destination *d, struct err *e)
{
	struct queue_policy policy;
	enum queue_policy_status status;

	for (const struct config_destination *other = c->destinations.v; other < d; other++)
		if (str_eq(other->domain, d->domain))
			return err_set(e, "%s: destinations has two entries for %.*s", file,
			    STR_FMT(d->domain));
	config_queue_policy(c, d, &policy);
	status = queue_policy_check(&policy);
	return status == QUEUE_POLICY_OK
		   ? 0
		   : err_set(e, "%s: destinations, %.*s, together with queue: %s", file,
			 STR_FMT(d->domain), queue_policy_text(status));
}

static int check_destinations(const char *file, const struct config_snapshot *c, struct err *e)
{
	for (size_t i = 0; i < c->destinations.n; i++)
		if (check_destination(file, c, &c->destinations.v[i], e) < 0)
			return -1;
	return 0;
}

static int check_source(const char *file, const struct config_snapshot *c, struct err *e)
{
	const struct ip *v = c->relay_source.v;

	if (c->relay_source.n == 2 && ip_is_v4(&v[0]) == ip_is_v4(&v[1]))
		return err_set(e,
		    "%s: relay_source has two addresses of the same kind; give one of IPv4 and one of IPv6 at most",
		    file);
	return 0;
}

static int check_routes(const char *file, const struct config_snapshot *c, struct err *e)
{
	for (size_t i = 0; i < c->routes.n; i++)
		for (size_t k = 0; k < i; k++)
			if (str_eq(c->routes.v[i].domain, c->routes.v[k].domain) &&
			    str_eq(c->routes.v[i].sender, c->routes.v[k].sender))
				return err_set(e,
				    "%s: routes has two entries for the domain %.*s%s%.*s", file,
				    STR_FMT(c->routes.v[i].domain),
				    c->routes.v[i].sender.n ? " and the sender " : "",
				    STR_FMT(c->routes.v[i].sender));
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
	bool *seen = mem_array(options_count, sizeof *seen);
	int rc;

	set_defaults(box);
	rc = config_read_text(box, file, text, seen, e);
	if (rc == 0)
		rc = check_set(file, seen, e);
	if (rc == 0)
		rc = check_ports(file, &box->c, e);
	if (rc == 0)
		rc = check_queue(file, &box->c, e);
	if (rc == 0)
		rc = check_routes(file, &box->c, e);
	if (rc == 0)
		rc = check_destinations(file, &box->c, e);
	if (rc == 0)
		rc = check_source(file, &box->c, e);
	mem_free(seen);
	if (rc == 0)
		*snapshot_r = &box->c;
	else
		config_box_free(&box);
	return rc;
}

int config_load(
    const char *dir, uint64_t number, struct config_snapshot **snapshot_r, struct err *e)
{
	struct buf path, text;
	int rc;

	buf_init(&path, LIMIT_CONFIG_STRING);
	buf_init(&text, LIMIT_CONFIG_FILE);
	buf_printf(&path, "%s/godwit.conf", dir);
	rc = config_file_read(buf_cstr(&path), CONFIG_FILE_PUBLIC, &text, e);
	if (rc == 0)
		rc = config_parse(dir, buf_cstr(&path), buf_view(&text), number, snapshot_r, e);
	buf_fini(&path);
	buf_fini(&text);
	return rc;
}

static int check_file(
    const struct config_snapshot *c, struct str path, enum config_file_kind kind, struct err *e)
{
	struct buf full, content;
	int rc;

	buf_init(&full, 2 * LIMIT_CONFIG_STRING);
	buf_init(&content, LIMIT_CONFIG_FILE);
	rc = config_file_read(config_path(c, path, &full), kind, &content, e);
	buf_fini(&full);
	buf_wipe(&content);
	return rc;
}

int config_check(const char *dir, struct config_snapshot **snapshot_r, struct err *e)
{
	struct config_snapshot *c;
	int rc = config_load(dir, 0, &c, e);

	if (rc < 0)
		return rc;
	rc = check_file(c, c->tls_certificate, CONFIG_FILE_PUBLIC, e);
	if (rc == 0)
		rc = check_file(c, c->tls_key, CONFIG_FILE_SECRET, e);
	if (rc == 0)
		*snapshot_r = c;
	else
		config_unref(&c);
	return rc;
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
