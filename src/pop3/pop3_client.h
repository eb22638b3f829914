/*
 * The client side of a POP3 session [RFC 1939, 2449, 2595, 5034], sans I/O, in the shape of the server
 * engine: octets in, octets and events out. It logs in by itself (CAPA, STLS as the policy says, AUTH or
 * USER and PASS) and then carries out requests, pipelined where the server allows it [RFC 2449 6.6].
 *
 * One event is pending at a time; nothing more is read until the driver answers it with
 * pop3_client_done(). A session ends with POP3_CLIENT_CLOSED, after QUIT or with the failure's story.
 */
#ifndef POP3_CLIENT_H
#define POP3_CLIENT_H

#include "base/str.h"
#include "pop3/pop3_reply.h"
#include "pop3/pop3_wants.h"

enum pop3_client_tls {
	POP3_TLS_NONE,    /* never STLS */
	POP3_TLS_MAY,     /* STLS when it is offered */
	POP3_TLS_REQUIRE, /* no login without TLS */
};

/* Borrowed, with its strings, as long as the session lives. */
struct pop3_client_config {
	enum pop3_client_tls tls_policy;
	bool tls;            /* TLS is active from the start (995) */
	bool plaintext_auth; /* the password may go without TLS: loopback */
	struct str user, password;
	int64_t timeout;          /* ms of the server's silence; 0: 5 minutes */
	int64_t greeting_timeout; /* the same before its first line; 0: timeout */
};

/* What the server said it can do; without CAPA: user, and the rest is tried. */
struct pop3_capa {
	bool known; /* CAPA was answered */
	bool top, uidl, user, stls, pipelining, resp_codes;
	bool expire_never;
	bool sasl_plain, sasl_login;
};

enum pop3_request_type {
	POP3_REQ_STAT,
	POP3_REQ_LIST, /* number 0: all */
	POP3_REQ_UIDL, /* number 0: all */
	POP3_REQ_RETR,
	POP3_REQ_TOP, /* with lines */
	POP3_REQ_DELE,
	POP3_REQ_NOOP,
	POP3_REQ_RSET,
	POP3_REQ_QUIT, /* the last one */
	POP3_REQUESTS
};

struct pop3_request {
	enum pop3_request_type type;
	uint64_t number;
	uint64_t lines;
};

enum pop3_client_event_type {
	POP3_CLIENT_STLS,    /* send all output, do the TLS handshake, then done() */
	POP3_CLIENT_READY,   /* logged in: requests are taken from now on */
	POP3_CLIENT_ENTRIES, /* a piece of LIST or UIDL, before its result */
	POP3_CLIENT_CONTENT, /* a piece of RETR or TOP, dots undone, before its result */
	POP3_CLIENT_RESULT,  /* the oldest request has ended */
	POP3_CLIENT_CLOSED,  /* the session is over; the requests still open had no answer */
};

/* Entries of one event at most. */
#define POP3_CLIENT_ENTRIES_MAX ((size_t)64)

/* request: what ENTRIES, CONTENT and RESULT belong to. The strings live until done(). */
struct pop3_client_event {
	enum pop3_client_event_type type;
	struct pop3_request request;
	bool ok;                /* RESULT: +OK. CLOSED: the end was asked for with QUIT */
	enum pop3_code code;    /* RESULT, CLOSED: of the server's -ERR */
	bool mute;              /* CLOSED: not an octet has come from the server */
	bool foreign;           /* CLOSED: its first line was none of POP3 */
	struct str text;        /* RESULT: the server's words. CLOSED and not ok: a sentence */
	uint64_t count, octets; /* RESULT of STAT */
	const struct pop3_entry *entries; /* ENTRIES; of LIST without uid, of UIDL without octets */
	size_t n;
	struct str content; /* CONTENT: 1 to LIMIT_BODY_CHUNK octets */
};

struct pop3_client;

/* A session on a fresh connection. now: milliseconds of a clock that never goes back. */
struct pop3_client *pop3_client_new(const struct pop3_client_config *cfg, int64_t now);

/* Wipes and frees. Takes NULL, sets NULL. */
void pop3_client_free(struct pop3_client **c);

/*
 * Octets from the server. Gives how many were taken; the driver keeps the rest and feeds it again after
 * done(). Anything behind the reply to STLS ends the session: somebody put it there.
 */
size_t pop3_client_feed(struct pop3_client *c, struct str in, int64_t now);

/* Octets to send, valid until the next call; the driver says how many it has taken. */
struct str pop3_client_out(const struct pop3_client *c);
void pop3_client_sent(struct pop3_client *c, size_t n, int64_t now);

/* The pending event or NULL; its views live until done(). */
const struct pop3_client_event *pop3_client_event(const struct pop3_client *c);

/* Ends the pending event. Aborts when there is none. */
void pop3_client_done(struct pop3_client *c, int64_t now);

/*
 * Queues a request. False, nothing done, before READY, after QUIT or the end, or when 16 are open.
 * Results come in the order of the requests.
 */
bool pop3_client_request(struct pop3_client *c, const struct pop3_request *r, int64_t now);

const struct pop3_capa *pop3_client_capa(const struct pop3_client *c);

/* Set of enum pop3_wants. */
unsigned pop3_client_wants(const struct pop3_client *c);

/* When tick() is due; POP3_NEVER while nothing is awaited from the server. */
int64_t pop3_client_deadline(const struct pop3_client *c);

/* Ends a session whose server was silent too long: POP3_CLIENT_CLOSED. */
void pop3_client_tick(struct pop3_client *c, int64_t now);

/* The server has closed the connection. */
void pop3_client_eof(struct pop3_client *c, int64_t now);

#endif
