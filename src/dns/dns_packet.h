/* Reads a DNS message that answers one question. Every octet of it may be hostile. */
#ifndef DNS_DNS_PACKET_H
#define DNS_DNS_PACKET_H

#include "base/arena.h"
#include "dns/dns.h"

/*
 * Reads the answer to (name, type): follows its CNAMEs, takes the records of that type at their end, and
 * the time for which it holds (of what is not there: the SOA's [RFC 2308 5]). Time is linear in the
 * packet's length for at most LIMIT_DNS_CNAMES steps.
 *
 * Fills status (OK, NODATA, NXDOMAIN, SERVFAIL, BAD), ttl, canonical, why, answers; secure is false.
 * What result_r points to lives as long as the arena; nothing points into the packet.
 */
void dns_packet_read(struct str packet, struct str name, enum dns_type type, struct arena *a,
    struct dns_result *result_r);

#endif
