#include "queue/queue_routing.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"

#define VIA " via "

/* ---- names ---- */

/* How well it fits; 0: not at all. The same order as that of routes (config/config.h). */
static unsigned fit(const struct queue_via *v, struct str domain, struct str reverse_path)
{
	size_t at = str_rfind(reverse_path, '@');
	unsigned grade = str_eq(v->domain, domain) ? 4 : str_eq(v->domain, STR("*")) ? 1 : 0;

	if (grade == 0 || domain.n == 0)
		return 0;
	if (v->sender.n == 0)
		return grade;
	if (at == reverse_path.n)
		return 0;
	if (str_eq_i(v->sender, reverse_path))
		return grade + 2;
	return str_eq_i(v->sender, str_from(reverse_path, at + 1)) ? grade + 1 : 0;
}

/* of_senders: only of those that are for some senders. */
static const struct queue_via *best_of(
    const struct queue_routing *r, struct str domain, struct str reverse_path, bool of_senders)
{
	const struct queue_via *best = NULL;
	unsigned grade = 0;

	for (size_t i = 0; i < r->n_vias; i++) {
		unsigned one = fit(&r->vias[i], domain, reverse_path);

		if (one <= grade || (of_senders && r->vias[i].sender.n == 0))
			continue;
		grade = one;
		best = &r->vias[i];
	}
	return best;
}

static struct str join(struct arena *a, struct str domain, struct str host)
{
	struct buf b;
	struct str name;

	buf_init(&b, LIMIT_QUEUE_DESTINATION);
	buf_str(&b, domain);
	buf_lit(&b, VIA);
	buf_str(&b, host);
	name = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return name;
}

struct str queue_routing_name(
    const struct queue_routing *r, struct arena *a, struct str domain, struct str reverse_path)
{
	const struct queue_via *best = best_of(r, domain, reverse_path, true);

	return best ? join(a, domain, best->host) : domain;
}

struct str queue_routing_host(
    const struct queue_routing *r, struct str domain, struct str reverse_path)
{
	const struct queue_via *best = best_of(r, domain, reverse_path, false);

	return best ? best->host : STR("");
}

struct str queue_routing_server(struct str place)
{
	return str_sub(place, 0, str_find(place, ' '));
}

bool queue_routing_asks_more(struct str place)
{
	return str_find(place, ' ') < place.n;
}

bool queue_routing_is_host(struct str host, struct str named)
{
	return named.n && str_has_prefix_i(host, named) &&
	       (host.n == named.n || host.p[named.n] == ':');
}

struct str queue_routing_domain(struct str name)
{
	return str_sub(name, 0, str_find_str(name, STR(VIA)));
}

/* ---- schedules ---- */

const struct queue_special *queue_routing_special(const struct queue_routing *r, struct str name)
{
	struct str domain = queue_routing_domain(name);

	for (size_t i = 0; i < r->n_specials; i++)
		if (str_eq(r->specials[i].domain, domain))
			return &r->specials[i];
	return NULL;
}

static int64_t tier_of(struct str domain)
{
	static const struct hash_key key = {0x71756575652d, 0x74696572};
	int64_t tier = (int64_t)(hash_bytes(&key, domain) & INT64_MAX);

	return tier ? tier : 1;
}

int64_t queue_routing_tier(const struct queue_routing *r, struct str name)
{
	const struct queue_special *s = queue_routing_special(r, name);

	return s ? tier_of(s->domain) : 0;
}

const struct queue_special *queue_routing_of_tier(const struct queue_routing *r, int64_t tier)
{
	for (size_t i = 0; i < r->n_specials && tier; i++)
		if (tier_of(r->specials[i].domain) == tier)
			return &r->specials[i];
	return NULL;
}

/* ---- life ---- */

void queue_routing_copy(
    const struct queue_routing *from, struct arena *a, struct queue_routing *to_r)
{
	struct queue_special *specials = arena_array(a, from->n_specials, sizeof *specials);
	struct queue_via *vias = arena_array(a, from->n_vias, sizeof *vias);

	for (size_t i = 0; i < from->n_specials; i++) {
		specials[i] = from->specials[i];
		specials[i].domain = arena_str(a, specials[i].domain);
	}
	for (size_t i = 0; i < from->n_vias; i++)
		vias[i] = (struct queue_via){arena_str(a, from->vias[i].domain),
		    arena_str(a, from->vias[i].sender), arena_str(a, from->vias[i].host)};
	*to_r = (struct queue_routing){specials, from->n_specials, vias, from->n_vias};
}
