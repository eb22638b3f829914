/*
 * Asks the DNS through libunbound on a libuv loop: one cache, validation, identical questions asked
 * once. Nothing blocks, no threads; files are read by dns_client_set() only.
 */
#ifndef PROC_DNS_CLIENT_H
#define PROC_DNS_CLIENT_H

#include <uv.h>

#include "base/err.h"
#include "base/list.h"
#include "dns/dns.h"

struct dns_client;

/* Borrowed during the call only. */
struct dns_client_config {
	const char *server;      /* "192.0.2.1@53"; NULL: the servers of resolv_conf */
	const char *resolv_conf; /* without it, questions go to the root and down */
	const char *anchors;     /* file with the root's keys; NULL: nothing is validated */
};

/* What became of the first question, which a client asks itself. */
enum dns_client_start {
	DNS_CLIENT_SECURE,   /* answers are validated */
	DNS_CLIENT_INSECURE, /* as configured: nothing is validated */
	DNS_CLIENT_BOGUS,    /* the servers asked do not hand through what validation needs */
	DNS_CLIENT_FAILED,   /* the servers asked did not answer it */
	DNS_CLIENT_STARTS
};

/* One who waits for an answer; embedded in the caller's object. */
struct dns_ask {
	struct list link;

	/* The answer; result lives during this call. It must not ask again, nor free the client. */
	void (*done)(struct dns_ask *ask, const struct dns_result *result);
};

/* started: called once after each dns_client_set(), in a later turn or at once. */
struct dns_client *dns_client_new(
    uv_loop_t *loop, void (*started)(void *user, enum dns_client_start how), void *user);

/* Ends it; nobody who waits is told. Takes NULL, sets NULL; the memory goes in a later turn. */
void dns_client_free(struct dns_client **c);

/*
 * Begins anew with another configuration and an empty cache; questions under way are asked again. 0, or
 * -1 with a sentence, and all stays as it was. Must come before the first question.
 */
int dns_client_set(struct dns_client *c, const struct dns_client_config *config, struct err *e);

/*
 * Asks; done() is called exactly once, perhaps before this returns, unless it is cancelled, at the latest
 * after LIMIT_DNS_TIME. name: dns_name_is_valid(), or it aborts.
 */
void dns_client_ask(struct dns_client *c, struct str name, enum dns_type type, struct dns_ask *ask);

/* done() will not be called. Does nothing once it was. */
void dns_client_cancel(struct dns_ask *ask);

#endif
