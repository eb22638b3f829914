#include "dns/dns.h"

#include "base/ascii.h"

static const struct {
	const char *name;
	uint16_t code;
} types[DNS_TYPES] = {
    [DNS_A] = {"A", 1},
    [DNS_AAAA] = {"AAAA", 28},
    [DNS_MX] = {"MX", 15},
    [DNS_TXT] = {"TXT", 16},
    [DNS_TLSA] = {"TLSA", 52},
    [DNS_PTR] = {"PTR", 12},
};

const char *dns_type_name(enum dns_type type)
{
	return types[type].name;
}

uint16_t dns_type_code(enum dns_type type)
{
	return types[type].code;
}

bool dns_type_parse(struct str name, enum dns_type *type_r)
{
	for (int i = 0; i < DNS_TYPES; i++)
		if (str_eq_i(name, str_of_c(types[i].name))) {
			*type_r = (enum dns_type)i;
			return true;
		}
	return false;
}

const char *dns_status_name(enum dns_status status)
{
	static const char *const names[DNS_STATUSES] = {
	    [DNS_OK] = "OK",
	    [DNS_NODATA] = "NODATA",
	    [DNS_NXDOMAIN] = "NXDOMAIN",
	    [DNS_SERVFAIL] = "SERVFAIL",
	    [DNS_TIMEOUT] = "TIMEOUT",
	    [DNS_BOGUS] = "BOGUS",
	    [DNS_BAD] = "BAD",
	};

	return names[status];
}

static bool is_label(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return false;
	return s.n > 0 && s.n <= 63;
}

bool dns_name_is_valid(struct str name)
{
	if (name.n == 0 || name.n > LIMIT_DNS_NAME || name.p[name.n - 1] == '.')
		return false;
	while (name.n)
		if (!is_label(str_split(name, '.', &name)))
			return false;
	return true;
}

void dns_name_put_reverse(struct buf *b, const struct ip *ip)
{
	static const char hex[] = "0123456789abcdef";
	bool v4 = ip_is_v4(ip);

	for (size_t i = sizeof ip->b; i > (v4 ? 12 : 0); i--) {
		uint8_t octet = ip->b[i - 1];

		if (v4) {
			buf_u64(b, octet);
		} else {
			buf_byte(b, (uint8_t)hex[octet & 15]);
			buf_byte(b, '.');
			buf_byte(b, (uint8_t)hex[octet >> 4]);
		}
		buf_byte(b, '.');
	}
	buf_c(b, v4 ? "in-addr.arpa" : "ip6.arpa");
}
