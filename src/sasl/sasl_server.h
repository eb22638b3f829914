/*
 * The server side of SASL [RFC 4422] for SMTP AUTH [RFC 4954] and POP3 AUTH [RFC 5034]: the
 * mechanisms PLAIN [RFC 4616] and LOGIN, which end in a name and a password. The protocol engine
 * carries the base 64 lines to and fro; this machine never writes to a peer and checks no password.
 */
#ifndef SASL_SERVER_H
#define SASL_SERVER_H

#include "base/buf.h"

enum sasl_status {
	SASL_CHALLENGE,   /* send sasl_server_challenge(), feed the next line */
	SASL_CREDENTIALS, /* finished: sasl_server_credentials() */
	SASL_BAD,       /* malformed base 64, misused NUL, too long, not UTF-8, no name: finished */
	SASL_CANCELLED, /* the client sent "*": finished */
	SASL_UNKNOWN,   /* no such mechanism (from sasl_server_begin() only) */
};

/* Names and password are UTF-8 without NUL, at most LIMIT_USER_NAME and LIMIT_PASSWORD octets. */
struct sasl_credentials {
	struct str mechanism; /* "PLAIN", "LOGIN": static */
	struct str authzid;   /* who to act as; empty: the same as authcid */
	struct str authcid;   /* whose password it is; never empty */
	struct str password;  /* never empty */
};

struct sasl_mechanism;

/* Embedded in a session; treat the fields as private. */
struct sasl_server {
	const struct sasl_mechanism *mech; /* NULL: no exchange under way */
	unsigned step;
	struct buf secret; /* decoded responses, one behind the other */
	struct sasl_credentials creds;
};

void sasl_server_init(struct sasl_server *s);

/* Wipes all secrets; the machine may begin again. Also the end of every exchange. */
void sasl_server_reset(struct sasl_server *s);

/*
 * Begins an exchange, forgetting any earlier one. mechanism: its name in any case. initial: the
 * initial response in base 64 ("=" stands for an empty one), or NULL when the client sent none.
 */
enum sasl_status sasl_server_begin(
    struct sasl_server *s, struct str mechanism, const struct str *initial);

/* One line from the client, without its CRLF. Aborts unless the last status was SASL_CHALLENGE. */
enum sasl_status sasl_server_feed(struct sasl_server *s, struct str line);

/* The challenge to send, in base 64 (may be empty): static. Aborts unless one is due. */
struct str sasl_server_challenge(const struct sasl_server *s);

/* After SASL_CREDENTIALS; the views live until reset or begin. Aborts otherwise. */
const struct sasl_credentials *sasl_server_credentials(const struct sasl_server *s);

/* The mechanisms as protocols list them: "PLAIN LOGIN". Static. */
struct str sasl_server_mechanisms(void);

#endif
