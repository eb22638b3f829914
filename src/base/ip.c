#include "base/ip.h"

#include <arpa/inet.h>

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool ip_parse(struct str s, struct ip *ip_r)
{
	char text[INET6_ADDRSTRLEN];
	struct ip ip;

	if (s.n == 0 || s.n >= sizeof text || memchr(s.p, 0, s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	if (inet_pton(AF_INET, text, ip.b + 12) == 1)
		memcpy(ip.b, mapped, 12);
	else if (inet_pton(AF_INET6, text, ip.b) != 1)
		return false;
	*ip_r = ip;
	return true;
}

bool ip_parse_literal(struct str s, struct ip *ip_r)
{
	struct str inside;

	if (s.n < 3 || s.p[0] != '[' || s.p[s.n - 1] != ']')
		return false;
	inside = str_sub(s, 1, s.n - 2);
	if (str_has_prefix_i(inside, STR("IPv6:")))
		inside = str_from(inside, 5);
	return ip_parse(inside, ip_r);
}

/* Clears the bits behind the first `bits`. */
static void mask(struct ip *ip, unsigned bits)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = bits >= 8 * (i + 1) ? 8 : bits > 8 * i ? bits - 8 * i : 0;

		ip->b[i] &= (uint8_t)(0xff00u >> keep);
	}
}

/* Host bits and all. */
static bool parse_net(struct str s, struct ip_net *net_r)
{
	struct str bits_text, addr_text = str_split(s, '/', &bits_text);
	struct ip_net net;
	uint64_t bits;

	if (!ip_parse(addr_text, &net.addr))
		return false;
	bits = ip_is_v4(&net.addr) ? 32 : 128;
	if (addr_text.n < s.n && !str_to_u64(bits_text, bits, &bits))
		return false;
	net.bits = (uint8_t)(ip_is_v4(&net.addr) ? bits + 96 : bits);
	*net_r = net;
	return true;
}

bool ip_net_parse_masked(struct str s, struct ip_net *net_r)
{
	if (!parse_net(s, net_r))
		return false;
	mask(&net_r->addr, net_r->bits);
	return true;
}

bool ip_net_parse(struct str s, struct ip_net *net_r)
{
	struct ip_net net;

	if (!parse_net(s, &net) || !ip_in(&net.addr, &net))
		return false;
	*net_r = net;
	return true;
}

bool ip_is_v4(const struct ip *ip)
{
	return memcmp(ip->b, mapped, 12) == 0;
}

bool ip_is_loopback(const struct ip *ip)
{
	static const struct ip one = {.b[15] = 1};

	return ip_is_v4(ip) ? ip->b[12] == 127 : ip_eq(ip, &one);
}

bool ip_is_any(const struct ip *ip)
{
	static const struct ip any4 = {{[10] = 0xff, [11] = 0xff}}, any6;

	return ip_eq(ip, &any4) || ip_eq(ip, &any6);
}

bool ip_eq(const struct ip *a, const struct ip *b)
{
	return memcmp(a->b, b->b, 16) == 0;
}

bool ip_in(const struct ip *ip, const struct ip_net *net)
{
	struct ip masked = *ip;

	mask(&masked, net->bits);
	return ip_eq(&masked, &net->addr);
}

struct ip ip_network(const struct ip *ip, unsigned v4_bits, unsigned v6_bits)
{
	struct ip net = *ip;

	mask(&net, ip_is_v4(ip) ? v4_bits + 96 : v6_bits);
	return net;
}

void ip_put(struct buf *b, const struct ip *ip)
{
	char text[INET6_ADDRSTRLEN];

	if (inet_ntop(ip_is_v4(ip) ? AF_INET : AF_INET6, ip_is_v4(ip) ? ip->b + 12 : ip->b, text,
		sizeof text))
		buf_c(b, text);
}
