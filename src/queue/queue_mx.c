/*
 * The order of hosts and addresses. Chance comes from the seed alone, by SplitMix64, so that an order
 * can be repeated.
 */
#include "queue/queue_mx.h"

#include "base/mem.h"

#define HOSTS_MAX ((size_t)64) /* of one domain that are looked at */

/* ---- chance ---- */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* ---- hosts ---- */
struct candidate {
	const struct queue_mx *mx;
	uint64_t lot; /* decides among equal preferences */
};

static bool comes_before(const struct candidate *a, const struct candidate *b)
{
	if (a->mx->preference != b->mx->preference)
		return a->mx->preference < b->mx->preference;
	return a->lot < b->lot;
}

bool queue_mx_is_own_name(const struct queue_self *self, struct str host)
{
	for (size_t i = 0; i < self->name_count; i++)
		if (str_eq_i(self->names[i], host))
			return true;
	return false;
}

/* The best preference of our own names; above it nothing is tried. 65536: we are not in the list. */
static uint32_t own_preference(
    const struct queue_mx *mx, size_t count, const struct queue_self *self)
{
	uint32_t best = UINT32_C(65536);

	for (size_t i = 0; i < count; i++)
		if (mx[i].preference < best && queue_mx_is_own_name(self, mx[i].host))
			best = mx[i].preference;
	return best;
}

/* Sorts in, by insertion; what does not fit falls off the end. Gives the new count. */
static size_t insert(struct candidate *list, size_t count, struct candidate new)
{
	size_t at = count < HOSTS_MAX ? count : HOSTS_MAX;

	while (at > 0 && comes_before(&new, &list[at - 1])) {
		if (at < HOSTS_MAX)
			list[at] = list[at - 1];
		at--;
	}
	if (at == HOSTS_MAX)
		return HOSTS_MAX;
	list[at] = new;
	return count < HOSTS_MAX ? count + 1 : HOSTS_MAX;
}

static bool has_host(const struct queue_mx_hosts *hosts, struct str host)
{
	for (size_t i = 0; i < hosts->count; i++)
		if (str_eq_i(hosts->host[i], host))
			return true;
	return false;
}

static enum queue_mx_verdict implicit(
    struct str domain, const struct queue_self *self, struct queue_mx_hosts *hosts_r)
{
	*hosts_r = (struct queue_mx_hosts){.implicit = true};
	if (queue_mx_is_own_name(self, domain))
		return QUEUE_MX_LOOP;
	hosts_r->host[hosts_r->count++] = domain;
	return QUEUE_MX_HOSTS;
}

enum queue_mx_verdict queue_mx_order(struct str domain, const struct queue_mx *mx, size_t count,
    const struct queue_self *self, uint64_t seed, struct queue_mx_hosts *hosts_r)
{
	struct candidate list[HOSTS_MAX];
	uint32_t limit = own_preference(mx, count, self);
	struct queue_mx_hosts hosts = {.count = 0};
	size_t n = 0, named = 0;

	if (count == 0)
		return implicit(domain, self, hosts_r);
	for (size_t i = 0; i < count; i++) {
		uint64_t lot = next_random(&seed);

		named += mx[i].host.n > 0;
		if (mx[i].host.n && mx[i].preference < limit)
			n = insert(list, n, (struct candidate){&mx[i], lot});
	}
	for (size_t i = 0; i < n && hosts.count < LIMIT_QUEUE_HOSTS; i++) {
		if (has_host(&hosts, list[i].mx->host))
			continue;
		hosts.preference[hosts.count] = list[i].mx->preference;
		hosts.host[hosts.count++] = list[i].mx->host;
	}
	*hosts_r = hosts;
	if (hosts.count)
		return QUEUE_MX_HOSTS;
	return named ? QUEUE_MX_LOOP : QUEUE_MX_NULL;
}

size_t queue_mx_better(const struct queue_mx_hosts *hosts, size_t host)
{
	size_t n = host;

	MUST(host < hosts->count);
	while (n > 0 && hosts->preference[n - 1] == hosts->preference[host])
		n--;
	return n;
}

/* ---- which addresses ---- */
struct block {
	struct ip_net net;
	enum queue_target target;
	struct queue_target_why why;
};

#define V4(a, b, c, d, bits)                                                                       \
	{                                                                                          \
		{{[10] = 0xff, [11] = 0xff, [12] = (a), [13] = (b), [14] = (c), [15] = (d)}},      \
		    96 + (bits)                                                                    \
	}
/* The first and the last octets of an address. */
#define V6(o0, o1, o2, o3, o4, o5, o15, bits)                                                      \
	{                                                                                          \
		{{(o0), (o1), (o2), (o3), (o4), (o5), [15] = (o15)}}, (bits)                       \
	}

/* The registries of special-purpose addresses [RFC 6890]; the first that fits counts. */
static const struct block blocks[] = {
    {V4(0, 0, 0, 0, 32), QUEUE_TARGET_NEVER, {"unspecified", "RFC 1122 3.2.1.3"}},
    {V4(0, 0, 0, 0, 8), QUEUE_TARGET_NEVER, {"this network", "RFC 1122 3.2.1.3"}},
    {V4(10, 0, 0, 0, 8), QUEUE_TARGET_PRIVATE, {"private", "RFC 1918 3"}},
    {V4(100, 64, 0, 0, 10), QUEUE_TARGET_PRIVATE, {"shared by a provider", "RFC 6598 7"}},
    {V4(127, 0, 0, 0, 8), QUEUE_TARGET_PRIVATE, {"loopback", "RFC 1122 3.2.1.3"}},
    {V4(169, 254, 0, 0, 16), QUEUE_TARGET_PRIVATE, {"link-local", "RFC 3927 2.1"}},
    {V4(172, 16, 0, 0, 12), QUEUE_TARGET_PRIVATE, {"private", "RFC 1918 3"}},
    {V4(192, 0, 0, 0, 24), QUEUE_TARGET_PRIVATE, {"for protocols", "RFC 6890 2.1"}},
    {V4(192, 0, 2, 0, 24), QUEUE_TARGET_PRIVATE, {"for documentation", "RFC 5737 3"}},
    {V4(192, 168, 0, 0, 16), QUEUE_TARGET_PRIVATE, {"private", "RFC 1918 3"}},
    {V4(198, 18, 0, 0, 15), QUEUE_TARGET_PRIVATE, {"for measurements", "RFC 2544 C.2.2"}},
    {V4(198, 51, 100, 0, 24), QUEUE_TARGET_PRIVATE, {"for documentation", "RFC 5737 3"}},
    {V4(203, 0, 113, 0, 24), QUEUE_TARGET_PRIVATE, {"for documentation", "RFC 5737 3"}},
    {V4(224, 0, 0, 0, 4), QUEUE_TARGET_NEVER, {"multicast", "RFC 5771 3"}},
    {V4(255, 255, 255, 255, 32), QUEUE_TARGET_NEVER, {"broadcast", "RFC 919 7"}},
    {V4(240, 0, 0, 0, 4), QUEUE_TARGET_NEVER, {"reserved", "RFC 1112 4"}},
    {V6(0, 0, 0, 0, 0, 0, 0, 128), QUEUE_TARGET_NEVER, {"unspecified", "RFC 4291 2.5.2"}},
    {V6(0, 0, 0, 0, 0, 0, 1, 128), QUEUE_TARGET_PRIVATE, {"loopback", "RFC 4291 2.5.3"}},
    {V6(0, 0x64, 0xff, 0x9b, 0, 1, 0, 48), QUEUE_TARGET_PRIVATE, {"for translators", "RFC 8215 5"}},
    {V6(1, 0, 0, 0, 0, 0, 0, 64), QUEUE_TARGET_NEVER, {"discard-only", "RFC 6666 4"}},
    {V6(0x20, 1, 0xd, 0xb8, 0, 0, 0, 32), QUEUE_TARGET_PRIVATE,
	{"for documentation", "RFC 3849 2"}},
    {V6(0xfc, 0, 0, 0, 0, 0, 0, 7), QUEUE_TARGET_PRIVATE, {"unique local", "RFC 4193 3.1"}},
    {V6(0xfe, 0x80, 0, 0, 0, 0, 0, 10), QUEUE_TARGET_PRIVATE, {"link-local", "RFC 4291 2.5.6"}},
    {V6(0xfe, 0xc0, 0, 0, 0, 0, 0, 10), QUEUE_TARGET_PRIVATE, {"site-local", "RFC 3879 4"}},
    {V6(0xff, 0, 0, 0, 0, 0, 0, 8), QUEUE_TARGET_NEVER, {"multicast", "RFC 4291 2.7"}},
};

/* IPv6 networks whose addresses carry an IPv4 address, and where in it. */
static const struct {
	struct ip_net net;
	size_t at;
} carriers[] = {
    {V6(0, 0x64, 0xff, 0x9b, 0, 0, 0, 96), 12}, /* NAT64 [RFC 6052 2.1] */
    {V6(0x20, 0x02, 0, 0, 0, 0, 0, 16), 2},     /* 6to4 [RFC 3056 2] */
    {V6(0, 0, 0, 0, 0, 0, 0, 96), 12},          /* IPv4-compatible [RFC 4291 2.5.5.1] */
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct block *find_block(const struct ip *ip)
{
	for (size_t i = 0; i < COUNT(blocks); i++)
		if (ip_in(ip, &blocks[i].net))
			return &blocks[i];
	return NULL;
}

/* The IPv4 address inside, or the address itself. */
static struct ip innermost(const struct ip *ip)
{
	struct ip inner = {{[10] = 0xff, [11] = 0xff}};

	for (size_t i = 0; i < COUNT(carriers); i++)
		if (ip_in(ip, &carriers[i].net)) {
			memcpy(inner.b + 12, ip->b + carriers[i].at, 4);
			return inner;
		}
	return *ip;
}

static bool is_own_address(const struct queue_self *self, const struct ip *ip)
{
	for (size_t i = 0; i < self->address_count; i++)
		if (ip_eq(&self->addresses[i], ip))
			return true;
	return false;
}

enum queue_target queue_mx_target(
    const struct ip *ip, const struct queue_self *self, struct queue_target_why *why_r)
{
	struct queue_target_why why = {"", ""};
	enum queue_target target = QUEUE_TARGET_OK;
	const struct block *block = find_block(ip);
	struct ip inner = innermost(ip);

	if (!block)
		block = find_block(&inner);
	if (is_own_address(self, ip) || is_own_address(self, &inner)) {
		target = QUEUE_TARGET_OWN;
		why.what = "our own";
	} else if (block && !(block->target == QUEUE_TARGET_PRIVATE && self->allow_private)) {
		target = block->target;
		why = block->why;
	}
	if (why_r)
		*why_r = why;
	return target;
}

/* ---- addresses of hosts ---- */
void queue_mx_addresses_init(struct queue_mx_addresses *list)
{
	*list = (struct queue_mx_addresses){.worst = QUEUE_TARGET_OK};
}

static bool has_ip(const struct queue_mx_addresses *list, const struct ip *ip)
{
	for (size_t i = 0; i < list->count; i++)
		if (ip_eq(&list->ip[i], ip))
			return true;
	return false;
}

/* Counts a refused address; OWN is remembered before PRIVATE before NEVER. */
static void refuse(struct queue_mx_addresses *list, const struct ip *ip, enum queue_target target)
{
	list->refused++;
	list->ourselves |= target == QUEUE_TARGET_OWN && !ip_is_loopback(ip);
	if (list->worst == QUEUE_TARGET_OK || target < list->worst) {
		list->worst = target;
		list->worst_ip = *ip;
	}
}

/* Those of one family that may be targets, shuffled; at most LIMIT_QUEUE_ADDRESSES. */
static size_t choose(struct queue_mx_addresses *list, const struct ip *ips, size_t count,
    const struct queue_self *self, bool v4, uint64_t *seed, struct ip *chosen)
{
	size_t seen = 0;

	for (size_t i = 0; i < count; i++) {
		enum queue_target target = queue_mx_target(&ips[i], self, NULL);
		size_t at;

		if (ip_is_v4(&ips[i]) != v4)
			continue;
		if (target != QUEUE_TARGET_OK) {
			refuse(list, &ips[i], target);
			continue;
		}
		/* a shuffle that grows from inside: each order of those kept is as likely */
		at = next_random(seed) % ++seen;
		if (seen <= LIMIT_QUEUE_ADDRESSES && at != seen - 1)
			chosen[seen - 1] = chosen[at];
		if (at < LIMIT_QUEUE_ADDRESSES)
			chosen[at] = ips[i];
	}
	return seen < LIMIT_QUEUE_ADDRESSES ? seen : LIMIT_QUEUE_ADDRESSES;
}

size_t queue_mx_addresses_add(struct queue_mx_addresses *list, const struct ip *ips, size_t count,
    size_t share, const struct queue_self *self, uint64_t seed)
{
	struct ip family[2][LIMIT_QUEUE_ADDRESSES];
	size_t n[2], before = list->count, most = LIMIT_QUEUE_ADDRESSES - before;

	if (most > share)
		most = share;
	n[0] = choose(list, ips, count, self, false, &seed, family[0]);
	n[1] = choose(list, ips, count, self, true, &seed, family[1]);
	for (size_t i = 0; i < 2 * LIMIT_QUEUE_ADDRESSES; i++) {
		const struct ip *ip = &family[i % 2][i / 2];

		if (i / 2 < n[i % 2] && list->count - before < most && !has_ip(list, ip))
			list->ip[list->count++] = *ip;
	}
	return list->count - before;
}

_Static_assert(LIMIT_QUEUE_ADDRESSES >= 2 * LIMIT_QUEUE_HOSTS, "two addresses for each host");

size_t queue_mx_share(
    const struct queue_mx_addresses *list, const struct queue_mx_hosts *hosts, size_t host)
{
	MUST(host < hosts->count);
	return (LIMIT_QUEUE_ADDRESSES - list->count) / (hosts->count - host);
}
