/*
 * The edge between the relay and the resolver: one request, a name and a type. The relay may be taken
 * over one day, and the resolver reads what strangers' servers say: both sides check everything.
 */
#ifndef IPC_RELAY_RESOLVER_H
#define IPC_RELAY_RESOLVER_H

#include "base/arena.h"
#include "dns/dns.h"
#include "ipc/link.h"

enum rr_type {
	RR_LOOKUP, /* answered within LIMIT_DNS_TIME */
	RR_TYPES
};

extern const struct ipc_edge rr_edge;

struct rr_lookup {
	struct str name; /* dns_name_is_valid(); of a PTR: dns_name_put_reverse() */
	enum dns_type type;
};

void rr_lookup_put(struct buf *b, const struct rr_lookup *m);

/* False: malformed, or a name that may not be asked for; *m_r untouched. The name points into payload. */
bool rr_lookup_get(struct str payload, struct rr_lookup *m_r);

/* The answer to a lookup of this type. What exceeds the limits is left out and counted as dropped. */
void rr_reply_put(struct buf *b, enum dns_type type, const struct dns_result *m);

/*
 * Reads it; type is the one asked for. False: malformed; *m_r untouched. All that *m_r points to lives
 * as long as the arena, so that it may be kept after the payload has gone.
 */
bool rr_reply_get(struct str payload, enum dns_type type, struct arena *a, struct dns_result *m_r);

#endif
