/*
 * The client side of SASL [RFC 4422] for SMTP and POP3 clients: PLAIN [RFC 4616], and LOGIN for
 * servers that offer nothing better.
 */
#ifndef SASL_CLIENT_H
#define SASL_CLIENT_H

#include "base/buf.h"

enum sasl_client_status {
	SASL_CLIENT_OK,   /* the response was appended */
	SASL_CLIENT_FAIL, /* nothing fits: no common mechanism, or a challenge too many */
};

/* Embedded in a session; treat the fields as private. It owns nothing. */
struct sasl_client {
	unsigned mech;
	unsigned step;
	struct str user, password; /* borrowed */
};

/*
 * Chooses the best of the offered mechanisms (names separated by spaces, any case). user and
 * password are borrowed until the exchange has ended. FAIL, c untouched: none is known; user or
 * password is empty, too long or holds a NUL.
 */
enum sasl_client_status sasl_client_init(
    struct sasl_client *c, struct str offered, struct str user, struct str password);

/* Name of the chosen mechanism, upper case, static. */
struct str sasl_client_mechanism(const struct sasl_client *c);

/*
 * Whether the first response may go with the AUTH command; if so, take it with sasl_client_next().
 */
bool sasl_client_has_initial(const struct sasl_client *c);

/* Appends the next response, in base 64, to out: a secret, to be wiped. FAIL when none is left. */
enum sasl_client_status sasl_client_next(struct sasl_client *c, struct buf *out);

/* Appends base64(authzid NUL authcid NUL password) [RFC 4616 2]. */
void sasl_plain_encode(
    struct buf *out, struct str authzid, struct str authcid, struct str password);

#endif
