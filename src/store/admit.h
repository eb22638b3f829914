/*
 * Who may connect, and for how long somebody who guessed passwords may not: counts, rates and bans
 * per address and network, kept in memory only. Pure but for its hash key: time is given. One
 * thread uses it.
 *
 * An address is an IPv4 /32 or an IPv6 /64; a network is a /24 or a /56. Loopback is exempt from
 * everything but the total; trusted networks too.
 */
#ifndef STORE_ADMIT_H
#define STORE_ADMIT_H

#include "base/buf.h"
#include "base/ip.h"

struct admit_config {
	int64_t total;         /* connections open at once, in all; 0: no limit, here and below */
	int64_t per_address;   /* open at once */
	int64_t per_network;   /* open at once */
	int64_t rate;          /* new connections of one address within a minute */
	int64_t auth_failures; /* of one address within ban_ms of each other, then it is banned */
	int64_t ban_ms;
	const struct ip_net *trusted; /* borrowed, for the life of the admit */
	size_t trusted_n;
};

enum admit_verdict {
	ADMIT_OK,
	ADMIT_TOTAL,   /* the server is full */
	ADMIT_ADDRESS, /* too many open from this address */
	ADMIT_NETWORK, /* too many open from this network */
	ADMIT_RATE,    /* too many in the last minute from this address */
	ADMIT_BANNED,  /* too many failed logins from this address */
	ADMIT_VERDICTS
};

struct admit_counts {
	int64_t open;                     /* connections now */
	int64_t entries;                  /* addresses and networks remembered */
	int64_t banned;                   /* bans begun since start */
	int64_t verdicts[ADMIT_VERDICTS]; /* answers given since start */
};

struct admit;

/* cfg is copied, but for the trusted networks. Never NULL. */
struct admit *admit_new(const struct admit_config *cfg);

/* Takes NULL, sets NULL. */
void admit_free(struct admit **a);

/* Other limits from now on; what is counted stays. The networks as with admit_new(). */
void admit_configure(struct admit *a, const struct admit_config *cfg);

/*
 * A connection from ip at `now` (milliseconds of any steady clock). ADMIT_OK counts it as open until
 * admit_close() with the same ip; any other verdict counts nothing as open.
 */
enum admit_verdict admit_open(struct admit *a, const struct ip *ip, int64_t now);
void admit_close(struct admit *a, const struct ip *ip);

/* The address is loopback or in a trusted network: no limit but the total holds for it. */
bool admit_is_exempt(const struct admit *a, const struct ip *ip);

/*
 * A failed login from ip as this account (0: there is none of that name); true when this one begins a ban.
 * A good login forgets the failures of its own account since another was tried: who has one account
 * shall not guess the passwords of others with it.
 */
bool admit_auth_failed(struct admit *a, const struct ip *ip, int64_t account, int64_t now);
void admit_auth_good(struct admit *a, const struct ip *ip, int64_t account);

/* Logins from ip are not even tried now: the ban holds for open connections too. */
bool admit_is_banned(const struct admit *a, const struct ip *ip, int64_t now);

/* Appends the refusal in words, one sentence that names the limit and the cure; not for ADMIT_OK. */
void admit_put_reason(const struct admit *a, struct buf *b, enum admit_verdict verdict,
    const struct ip *ip, int64_t now);

struct admit_counts admit_counts(const struct admit *a);

#endif
