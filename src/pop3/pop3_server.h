/*
 * The server side of a POP3 session [RFC 1939, 2449, 2595, 3206, 5034], sans I/O: fed with octets, it
 * gives back octets and effects, things that only its driver can do. One effect is pending at a
 * time; until the driver answers it with pop3_server_done() no further command is read. A session
 * works on a snapshot of the mailbox: numbers 1 to count, fixed from login to QUIT.
 *
 * Nothing is deleted or marked as seen but by the effect POP3_LEAVE, which only QUIT emits: a connection
 * that breaks or times out changes nothing [RFC 1939 6].
 */
#ifndef POP3_SERVER_H
#define POP3_SERVER_H

#include "base/ranges.h"
#include "base/str.h"
#include "pop3/pop3_reply.h"
#include "pop3/pop3_wants.h"

/* Borrowed, with its strings, as long as the session lives. Zero takes the default in brackets. */
struct pop3_server_config {
	struct str hostname;       /* for the greeting */
	struct str implementation; /* for CAPA [empty: not shown] */
	bool stls;                 /* a certificate is there */
	bool marks_seen;           /* what was retrieved whole is marked at QUIT */
	int64_t timeout;           /* ms of a client's silence; [10 minutes, the RFC's least] */
	int64_t
	    login_timeout; /* ms in all from the greeting, or from STLS, to the login [3 minutes] */
	unsigned max_auth_failures; /* failed logins, then the session ends [3] */
	unsigned max_errors;        /* commands that make no sense, then the session ends [20] */
};

struct pop3_peer {
	bool tls;            /* TLS is active from the start (995) */
	bool plaintext_auth; /* passwords are taken without TLS too */
};

enum pop3_effect_type {
	POP3_ADMIT, /* a client has come; answered before the greeting. POP3_FAILED closes. */
	POP3_STLS,  /* send all output, then do the TLS handshake, then done() */
	POP3_AUTH,  /* check a password and open the mailbox; result: count and octets */
	POP3_LIST,  /* hand in these entries in order with pop3_server_entries(), then done() */
	POP3_RETR,  /* hand in this message with pop3_server_content(), then done() */
	POP3_LEAVE, /* delete some numbers and mark others as seen, durably, then done() */
};

struct pop3_effect {
	enum pop3_effect_type type;
	union {
		struct {
			struct str mechanism; /* "USER", "PLAIN", "LOGIN" */
			struct str authzid;   /* empty: the same as authcid */
			struct str authcid;   /* never empty; UTF-8 without NUL */
			struct str password;  /* secret: wiped after done() */
		} auth;
		struct {
			uint64_t first, last; /* inclusive, both in 1 to count */
		} list;
		struct {
			uint64_t number;
			int64_t top_lines; /* TOP: lines of the body; -1: the whole message */
		} retr;
		struct {
			const struct ranges *deleted;
			const struct ranges
			    *seen; /* none of `deleted`; one of the two may be empty */
		} leave;
	} u;
};

enum pop3_outcome {
	POP3_OK,
	POP3_FAILED,      /* AUTH: wrong name or password; the others: could not be done */
	POP3_TEMPORARY,   /* our own trouble, it will pass: [SYS/TEMP] */
	POP3_DISABLED,    /* the account may not do this: [SYS/PERM] */
	POP3_IN_USE,      /* [IN-USE] */
	POP3_LOGIN_DELAY, /* [LOGIN-DELAY] */
	POP3_OUTCOMES
};

struct pop3_result {
	enum pop3_outcome outcome;
	/* For people, one line; empty: the engine's own words. Not used for POP3_FAILED of AUTH, whose words
	 * are the same for every reason. */
	struct str text;
	uint64_t count; /* AUTH with POP3_OK: messages, and the sum of their octets */
	uint64_t octets;
};

struct pop3_server;

/* A session that begins with the effect POP3_ADMIT. now: milliseconds of a clock that never goes back. */
struct pop3_server *pop3_server_new(
    const struct pop3_server_config *cfg, const struct pop3_peer *peer, int64_t now);

/* Wipes and frees. Takes NULL, sets NULL. A pending effect is void. */
void pop3_server_free(struct pop3_server **s);

/*
 * Octets from the client. Gives how many were taken; the driver keeps the rest and feeds it again after
 * the next done() or sent(). What came behind STLS is taken and thrown away.
 */
size_t pop3_server_feed(struct pop3_server *s, struct str in, int64_t now);

/* Octets to send, valid until the next call; the driver says how many it has taken (at most that many). */
struct str pop3_server_out(const struct pop3_server *s);
void pop3_server_sent(struct pop3_server *s, size_t n, int64_t now);

/* The pending effect or NULL; its views live until done(). */
const struct pop3_effect *pop3_server_effect(const struct pop3_server *s);

/*
 * Ends the pending effect. r may be NULL: all zero, POP3_OK. Look at out(), effect() and wants() after.
 * Aborts when there is none, but for a session that has ended: there, and in the two functions
 * below, what comes too late is ignored.
 */
void pop3_server_done(struct pop3_server *s, const struct pop3_result *r, int64_t now);

/*
 * POP3_LIST: entries in rising order, within what was asked. Gives how many were taken; the rest
 * comes again after sent(). Aborts when no list is pending or an entry is malformed.
 */
size_t pop3_server_entries(struct pop3_server *s, const struct pop3_entry *entries, size_t n);

/*
 * POP3_RETR: the next octets of the message. Gives how many were taken; the rest comes again after
 * sent(). A source that breaks in the middle is told with done() and any outcome but POP3_OK: the
 * connection is then closed without the terminating dot. Aborts when no message is pending.
 */
size_t pop3_server_content(struct pop3_server *s, struct str content);

/* TOP has all the lines it wants: the source may be cancelled, then done(POP3_OK). */
bool pop3_server_content_full(const struct pop3_server *s);

/* Set of enum pop3_wants. */
unsigned pop3_server_wants(const struct pop3_server *s);

/* When tick() is due; POP3_NEVER while the session waits for its driver only. */
int64_t pop3_server_deadline(const struct pop3_server *s);

/*
 * Ends a session whose client was silent too long or stopped reading, without a word [RFC 1939 3]. A
 * POP3_STLS, POP3_LIST or POP3_RETR that was pending is void, effect() is NULL then; others are never
 * interrupted. Early calls do nothing.
 */
void pop3_server_tick(struct pop3_server *s, int64_t now);

/*
 * The client will send nothing more; what it sent before has been fed. A pending effect is finished,
 * then the session ends.
 */
void pop3_server_eof(struct pop3_server *s, int64_t now);

/* The server goes down: the command under way is finished, then -ERR [SYS/TEMP] and the end. */
void pop3_server_shutdown(struct pop3_server *s, int64_t now);

/* The same, because the mail store went away, or is silent. */
void pop3_server_no_store(struct pop3_server *s, int64_t now);

/* The same, because the account may no longer do what it could at its login. Nothing is deleted or marked. */
void pop3_server_logout(struct pop3_server *s, int64_t now);

/* Logged in; why the session ends (static text, "" before its end). */
bool pop3_server_is_logged_in(const struct pop3_server *s);
const char *pop3_server_end_reason(const struct pop3_server *s);

#endif
