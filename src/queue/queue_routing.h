/*
 * Where mail goes and how, as far as the queue must know it: destinations with a schedule of their own,
 * and senders whose mail takes another way than that of others, which makes it another destination.
 */
#ifndef QUEUE_ROUTING_H
#define QUEUE_ROUTING_H

#include "base/arena.h"
#include "queue/queue_policy.h"

/* A destination that is not treated like all others. */
struct queue_special {
	struct str domain;
	struct queue_policy policy;
	uint32_t sessions; /* at most so many, 1 to QUEUE_SESSIONS_MAX */
};

/* Mail to a domain goes to a host that is named for it. */
struct queue_via {
	struct str domain; /* or "*" */
	struct str
	    sender; /* an address, or a domain; as reverse-paths are compared with; empty: any */
	struct str host;
};

/* The order does not matter; texts are borrowed. All zero: nothing is special. */
struct queue_routing {
	const struct queue_special *specials;
	size_t n_specials;
	const struct queue_via *vias;
	size_t n_vias;
};

/*
 * The name of the destination of mail to a domain from a reverse-path (empty: null): the domain, or,
 * where the sender matters, "domain via host", in the arena. The reverse-path is in the form in which
 * senders are compared. Rows keep it: what one of them learns of its host concerns no other.
 */
struct str queue_routing_name(
    const struct queue_routing *r, struct arena *a, struct str domain, struct str reverse_path);

/*
 * The host that is named for mail to a domain from a reverse-path, in the same form: what the relay is
 * told (config_route()). Empty: none, it goes to the domain's own servers. Borrowed from r.
 */
struct str queue_routing_host(
    const struct queue_routing *r, struct str domain, struct str reverse_path);

/*
 * A host counts under its name, with ":port" behind it where that is not the usual one. One of a route that asks
 * for a login or for TLS has that behind a blank ("smart.test:587 as us"): so what becomes of it there is not held
 * against mail that goes without, nor against another login. The server is what stands before the blank.
 */
struct str queue_routing_server(struct str place);

/* Does something stand behind it? */
bool queue_routing_asks_more(struct str place);

/* Is a host, which may have its port with it, the one that is named? */
bool queue_routing_is_host(struct str host, struct str named);

/* The domain in such a name. */
struct str queue_routing_domain(struct str name);

/* What is special about the destination of that name, or NULL. */
const struct queue_special *queue_routing_special(const struct queue_routing *r, struct str name);

/*
 * Destinations with the same schedule are found together: 0 for all that have the common one, else a
 * number above 0 that depends on the domain alone and never changes. Stored.
 */
int64_t queue_routing_tier(const struct queue_routing *r, struct str name);
const struct queue_special *queue_routing_of_tier(const struct queue_routing *r, int64_t tier);

/* All of it, texts included, copied into the arena. */
void queue_routing_copy(
    const struct queue_routing *from, struct arena *a, struct queue_routing *to_r);

#endif
