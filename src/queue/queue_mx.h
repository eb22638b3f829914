/*
 * Where mail for a domain goes: the hosts in the order in which they are tried, and the addresses of a
 * host. Pure: the answers of the DNS are given. [RFC 5321 5.1, RFC 7505]
 */
#ifndef QUEUE_QUEUE_MX_H
#define QUEUE_QUEUE_MX_H

#include "base/ip.h"
#include "base/limits.h"

struct queue_mx {
	uint16_t preference;
	struct str host; /* lower case, A-label form, no final dot; empty: the root */
};

/* What we know of ourselves. Borrowed. */
struct queue_self {
	const struct str *names; /* of this server: its host name, what it says in EHLO */
	size_t name_count;
	const struct ip *addresses; /* at which it is reached */
	size_t address_count;
	bool allow_private; /* private addresses may be targets: relay_allow_private */
};

enum queue_mx_verdict {
	QUEUE_MX_HOSTS, /* try these */
	QUEUE_MX_NULL,  /* the domain takes no mail: 5.1.10 [RFC 7505 4.2] */
	QUEUE_MX_LOOP,  /* nobody but ourselves is left: 5.4.6 [RFC 5321 5.1] */
	QUEUE_MX_VERDICTS
};

struct queue_mx_hosts {
	struct str host[LIMIT_QUEUE_HOSTS]; /* the first is tried first */
	uint16_t preference[LIMIT_QUEUE_HOSTS];
	size_t count;  /* above 0 exactly for QUEUE_MX_HOSTS */
	bool implicit; /* there is no MX: the domain itself, by its addresses */
};

/*
 * Orders the hosts of a domain: lowest preference first, those of equal preference in an order that
 * follows from the seed alone. One of our own names ends the list before its preference. A host named
 * twice counts once, where it is best. count = 0: the domain itself is the host. Of a null MX beside
 * others the others count. mx, domain: borrowed by *hosts_r too.
 */
enum queue_mx_verdict queue_mx_order(struct str domain, const struct queue_mx *mx, size_t count,
    const struct queue_self *self, uint64_t seed, struct queue_mx_hosts *hosts_r);

/* Is it one of our names? For those at the end of CNAMEs. */
bool queue_mx_is_own_name(const struct queue_self *self, struct str host);

/* How many hosts, all at the beginning of the list, have a lower preference than that at `host`. */
size_t queue_mx_better(const struct queue_mx_hosts *hosts, size_t host);

/* May mail be sent to an address? */
enum queue_target {
	QUEUE_TARGET_OK,
	QUEUE_TARGET_OWN,     /* it is ours: a loop, whatever is configured */
	QUEUE_TARGET_PRIVATE, /* not of the public Internet: only if so configured */
	QUEUE_TARGET_NEVER,   /* nobody can be there: unspecified, multicast, reserved */
	QUEUE_TARGETS
};

struct queue_target_why {
	const char *what; /* "loopback"; empty for OK. Static, English */
	const char *rfc;  /* where it is said: "RFC 1122 3.2.1.3"; empty for OK and OWN */
};

/* An address that carries an IPv4 address for a translator is judged by that one. why_r: may be NULL. */
enum queue_target queue_mx_target(
    const struct ip *ip, const struct queue_self *self, struct queue_target_why *why_r);

/* Addresses of the hosts of one attempt, filled host by host. */
struct queue_mx_addresses {
	struct ip ip[LIMIT_QUEUE_ADDRESSES];
	size_t count;
	size_t refused;          /* addresses that may not be targets */
	enum queue_target worst; /* of the refused ones: OWN before PRIVATE before NEVER; else OK */
	struct ip worst_ip;
	bool
	    ourselves; /* an address of our own, no loopback: everybody's own name may lead there */
};

void queue_mx_addresses_init(struct queue_mx_addresses *list);

/*
 * Appends the addresses of one host: IPv6 and IPv4 in turn, IPv6 first [RFC 8305 4]; those of one family
 * in an order that follows from the seed. Refused ones are counted, ones that are there already are
 * not added again. share: how many at most, see queue_mx_share(). Gives how many were added; none when
 * the list is full.
 */
size_t queue_mx_addresses_add(struct queue_mx_addresses *list, const struct ip *ips, size_t count,
    size_t share, const struct queue_self *self, uint64_t seed);

/*
 * How many addresses the host at `host` may have: an equal share of the room that is left, with those
 * behind it, so that the many addresses of one host do not hide the next [RFC 5321 5.1]. What a host
 * does not use is theirs. At least two, an address of each family.
 */
size_t queue_mx_share(
    const struct queue_mx_addresses *list, const struct queue_mx_hosts *hosts, size_t host);

#endif
