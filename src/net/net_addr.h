/* Where a connection goes to or comes from: an IP address with a port, or the path of a Unix socket. */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <sys/socket.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/ip.h"

#define NET_PATH_MAX 108

struct net_addr {
	struct ip ip;
	uint16_t port;
	char path[NET_PATH_MAX]; /* of a Unix socket; empty: ip and port count */
};

struct net_addr net_addr_ip(const struct ip *ip, uint16_t port);

/* -1 with a sentence when the path is too long. */
int net_addr_path(const char *path, struct net_addr *addr_r, struct err *e);

/* "192.0.2.1:25", "[2001:db8::1]:25" or the path. */
void net_addr_put(struct buf *b, const struct net_addr *addr);

/* To and from the system's form. from: false for other families. */
socklen_t net_addr_to_sys(const struct net_addr *addr, struct sockaddr_storage *sys_r);
bool net_addr_from_sys(const struct sockaddr_storage *sys, socklen_t len, struct net_addr *addr_r);

/*
 * Blocks to look a name up; for commands, never for servers. host: a name or an address, without
 * brackets. Gives the number of addresses (at most max), or -1 with a sentence.
 */
int net_addr_resolve(
    const char *host, uint16_t port, struct net_addr *addrs_r, size_t max, struct err *e);

/* "host:port", "[v6]:port" or "host" (port_r then keeps its value). False when malformed. */
bool net_addr_split(struct str s, struct str *host_r, uint16_t *port_r);

#endif
