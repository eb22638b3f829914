/*
 * What is asked of the DNS and what comes back, in the form in which the program uses it: types,
 * states, answers. Pure: dns_packet.h reads packets, a process asks for them.
 */
#ifndef DNS_DNS_H
#define DNS_DNS_H

#include "base/ip.h"
#include "base/limits.h"

enum dns_type {
	DNS_A,
	DNS_AAAA,
	DNS_MX,
	DNS_TXT,
	DNS_TLSA,
	DNS_PTR,
	DNS_TYPES
};

enum dns_status {
	DNS_OK,       /* there are answers */
	DNS_NODATA,   /* the name exists, with no record of this type [RFC 2308 2.2] */
	DNS_NXDOMAIN, /* the name does not exist [RFC 2308 2.1] */
	DNS_SERVFAIL, /* the servers asked cannot say */
	DNS_TIMEOUT,  /* no answer in time */
	DNS_BOGUS,    /* DNSSEC says that the answer was changed on its way [RFC 4035 4.3] */
	DNS_BAD,      /* nobody can use the question or the answer, now or later: see why */
	DNS_STATUSES
};

/*
 * One record. Names are in lower case, A-label form, without final dot: the root is the empty name (an
 * MX of it: "no mail here" [RFC 7505]).
 */
struct dns_answer {
	uint16_t preference;               /* MX */
	struct str host;                   /* MX, PTR */
	struct ip ip;                      /* A, AAAA */
	uint8_t usage, selector, matching; /* TLSA [RFC 6698 2.1] */
	struct str bytes; /* TXT: its strings joined [RFC 7208 3.3]; TLSA: certificate data */
};

struct dns_result {
	enum dns_status status;
	bool secure;          /* validated by DNSSEC; what does not exist too */
	uint32_t ttl;         /* seconds for which it holds; 0 where it was not learned */
	struct str canonical; /* the name at the end of CNAMEs; empty when there was no answer */
	struct str why;       /* for people, when status is neither OK nor NODATA nor NXDOMAIN */
	const struct dns_answer *answers;
	size_t count; /* above 0 exactly when status is DNS_OK */
	size_t
	    dropped; /* answers left out: too many, too long, or with a name that is no host's; all
			 * of them: DNS_BAD */
};

/* "MX"; the number in packets [RFC 1035 3.2.2, RFC 3596, RFC 6698 7.1]. */
const char *dns_type_name(enum dns_type type);
uint16_t dns_type_code(enum dns_type type);

/* The type of that name, in any case. False, *type_r untouched: there is none. */
bool dns_type_parse(struct str name, enum dns_type *type_r);

/* "NXDOMAIN": for logs. Static. */
const char *dns_status_name(enum dns_status status);

/*
 * May it be asked for? Labels of 1 to 63 letters, digits, hyphens and underscores, 1 to 253 octets in
 * all, no final dot. [RFC 1035 2.3.4, RFC 8552]
 */
bool dns_name_is_valid(struct str name);

/* Appends the name whose PTR belongs to an address. [RFC 1035 3.5, RFC 3596 2.5] */
void dns_name_put_reverse(struct buf *b, const struct ip *ip);

#endif
