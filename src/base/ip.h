/* IP addresses and networks. An IPv4 address is kept as the IPv6-mapped one. */
#ifndef BASE_IP_H
#define BASE_IP_H

#include "base/buf.h"

struct ip {
	uint8_t b[16];
};

struct ip_net {
	struct ip addr;
	uint8_t bits; /* 0 to 128, counted on the mapped form: 10.0.0.0/8 has 104 */
};

/* "192.0.2.1" or "2001:db8::1", nothing else. False: *ip_r untouched. */
bool ip_parse(struct str s, struct ip *ip_r);

/* The same in brackets, as in "bob@[192.0.2.1]"; an IPv6 address behind "IPv6:", or bare. */
bool ip_parse_literal(struct str s, struct ip *ip_r);

/* "10.0.0.0/8", "2001:db8::/32" or a single address. False for host bits set or bits too many. */
bool ip_net_parse(struct str s, struct ip_net *net_r);

/* The same, but host bits are cleared. */
bool ip_net_parse_masked(struct str s, struct ip_net *net_r);

bool ip_is_v4(const struct ip *ip);
bool ip_is_loopback(const struct ip *ip);

/* 0.0.0.0 or ::, which stand for all addresses of their family. */
bool ip_is_any(const struct ip *ip);
bool ip_eq(const struct ip *a, const struct ip *b);
bool ip_in(const struct ip *ip, const struct ip_net *net);

/* Its network: the first v4_bits (of 32) kept when it is IPv4, else the first v6_bits (of 128). */
struct ip ip_network(const struct ip *ip, unsigned v4_bits, unsigned v6_bits);

/* Text form, without brackets. */
void ip_put(struct buf *b, const struct ip *ip);

#endif
