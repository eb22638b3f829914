#include "net/net_addr.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

_Static_assert(sizeof((struct sockaddr_un *)0)->sun_path == NET_PATH_MAX, "paths fit exactly");

struct net_addr net_addr_ip(const struct ip *ip, uint16_t port)
{
	return (struct net_addr){.ip = *ip, .port = port};
}

int net_addr_path(const char *path, struct net_addr *addr_r, struct err *e)
{
	struct net_addr addr = {0};
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof addr.path)
		return err_set(e,
		    "socket path %s is too long: at most %zu characters fit, choose a shorter directory",
		    path, sizeof addr.path - 1);
	memcpy(addr.path, path, n);
	*addr_r = addr;
	return 0;
}

void net_addr_put(struct buf *b, const struct net_addr *addr)
{
	bool v6 = !ip_is_v4(&addr->ip);

	if (addr->path[0]) {
		buf_c(b, addr->path);
		return;
	}
	if (v6)
		buf_byte(b, '[');
	ip_put(b, &addr->ip);
	if (v6)
		buf_byte(b, ']');
	buf_byte(b, ':');
	buf_u64(b, addr->port);
}

static socklen_t to_un(const struct net_addr *addr, struct sockaddr_storage *sys)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	memcpy(un.sun_path, addr->path, sizeof un.sun_path);
	memcpy(sys, &un, sizeof un);
	return sizeof un;
}

static socklen_t to_v4(const struct net_addr *addr, struct sockaddr_storage *sys)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(addr->port)};

	memcpy(&in.sin_addr, addr->ip.b + 12, 4);
	memcpy(sys, &in, sizeof in);
	return sizeof in;
}

static socklen_t to_v6(const struct net_addr *addr, struct sockaddr_storage *sys)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(addr->port)};

	memcpy(&in6.sin6_addr, addr->ip.b, 16);
	memcpy(sys, &in6, sizeof in6);
	return sizeof in6;
}

socklen_t net_addr_to_sys(const struct net_addr *addr, struct sockaddr_storage *sys_r)
{
	memset(sys_r, 0, sizeof *sys_r);
	if (addr->path[0])
		return to_un(addr, sys_r);
	return ip_is_v4(&addr->ip) ? to_v4(addr, sys_r) : to_v6(addr, sys_r);
}

static struct net_addr from_v4(const struct sockaddr_storage *sys)
{
	struct net_addr addr = {.ip.b = {[10] = 0xff, [11] = 0xff}};
	struct sockaddr_in in;

	memcpy(&in, sys, sizeof in);
	memcpy(addr.ip.b + 12, &in.sin_addr, 4);
	addr.port = ntohs(in.sin_port);
	return addr;
}

static struct net_addr from_v6(const struct sockaddr_storage *sys)
{
	struct net_addr addr = {0};
	struct sockaddr_in6 in6;

	memcpy(&in6, sys, sizeof in6);
	memcpy(addr.ip.b, &in6.sin6_addr, 16);
	addr.port = ntohs(in6.sin6_port);
	return addr;
}

bool net_addr_from_sys(const struct sockaddr_storage *sys, socklen_t len, struct net_addr *addr_r)
{
	if (sys->ss_family == AF_INET && len >= sizeof(struct sockaddr_in))
		*addr_r = from_v4(sys);
	else if (sys->ss_family == AF_INET6 && len >= sizeof(struct sockaddr_in6))
		*addr_r = from_v6(sys);
	else
		return false;
	return true;
}

int net_addr_resolve(
    const char *host, uint16_t port, struct net_addr *addrs_r, size_t max, struct err *e)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list;
	size_t n = 0;
	int code = getaddrinfo(host, NULL, &hints, &list);

	if (code != 0)
		return err_set(e, "the name %s is not found: %s", host, gai_strerror(code));
	for (struct addrinfo *a = list; a && n < max; a = a->ai_next) {
		struct sockaddr_storage sys = {0};

		memcpy(&sys, a->ai_addr, a->ai_addrlen);
		if (!net_addr_from_sys(&sys, a->ai_addrlen, &addrs_r[n]))
			continue;
		addrs_r[n++].port = port;
	}
	freeaddrinfo(list);
	if (n == 0)
		return err_set(e, "the name %s has no address", host);
	return (int)n;
}

static bool split_brackets(struct str s, struct str *host_r, struct str *tail_r)
{
	size_t close = str_find(s, ']');

	if (close == s.n)
		return false;
	*host_r = str_sub(s, 1, close - 1);
	*tail_r = str_from(s, close + 1);
	return true;
}

bool net_addr_split(struct str s, struct str *host_r, uint16_t *port_r)
{
	struct str host = s, tail = {NULL, 0};
	uint64_t port = *port_r;
	struct ip ip;

	if (s.n && s.p[0] == '[') {
		if (!split_brackets(s, &host, &tail))
			return false;
	} else if (!ip_parse(s, &ip)) {
		host = str_sub(s, 0, str_find(s, ':'));
		tail = str_from(s, host.n);
	}
	if (tail.n &&
	    (tail.p[0] != ':' || !str_to_u64(str_from(tail, 1), 65535, &port) || port == 0))
		return false;
	if (host.n == 0)
		return false;
	*host_r = host;
	*port_r = (uint16_t)port;
	return true;
}
