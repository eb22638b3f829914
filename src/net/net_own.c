/* Our own addresses. IPv6 sockets do not take IPv4 (net_listen), so each family has its own "all". */
#include "net/net_own.h"

#include <netinet/in.h>
#include <uv.h>

#include "base/mem.h"
#include "net/net_addr.h"

bool net_own_is_open(const struct ip *listen, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (ip_is_any(&listen[i]))
			return true;
	return false;
}

/* Gives the new number. */
static size_t add(struct ip *out, size_t n, size_t max, const struct ip *ip)
{
	for (size_t i = 0; i < n; i++)
		if (ip_eq(&out[i], ip))
			return n;
	if (n == max)
		return n;
	out[n] = *ip;
	return n + 1;
}

size_t net_own_expand(const struct ip *listen, size_t count, const struct ip *interfaces,
    size_t interface_count, struct ip *out_r, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		if (!ip_is_any(&listen[i]))
			n = add(out_r, n, max, &listen[i]);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; ip_is_any(&listen[i]) && k < interface_count; k++)
			if (ip_is_v4(&interfaces[k]) == ip_is_v4(&listen[i]))
				n = add(out_r, n, max, &interfaces[k]);
	return n;
}

static bool ip_of(const uv_interface_address_t *a, struct ip *ip_r)
{
	bool v4 = a->address.address4.sin_family == AF_INET;
	struct sockaddr_storage sys = {0};
	struct net_addr addr;

	memcpy(&sys, &a->address, sizeof a->address);
	if (!net_addr_from_sys(
		&sys, v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6), &addr))
		return false;
	*ip_r = addr.ip;
	return true;
}

size_t net_own_addresses(const struct ip *listen, size_t count, struct ip *out_r, size_t max)
{
	uv_interface_address_t *found = NULL;
	struct ip *interfaces;
	int found_count = 0;
	size_t n = 0;

	if (uv_interface_addresses(&found, &found_count))
		found_count = 0;
	interfaces = mem_alloc(((size_t)found_count + 1) * sizeof *interfaces);
	for (int i = 0; i < found_count; i++)
		n += ip_of(&found[i], &interfaces[n]);
	if (found)
		uv_free_interface_addresses(found, found_count);
	n = net_own_expand(listen, count, interfaces, n, out_r, max);
	mem_free(interfaces);
	return n;
}
