/*
 * The SMTP and LMTP server session [RFC 5321, 2033, 6531] as an engine without I/O: fed with bytes
 * and results, it gives back bytes and effects. One object serves port 25, submission, LMTP and the
 * socket of local users; the role says which.
 *
 * The driver's loop:
 *   1. feed() what was read; what is not consumed is kept and fed again later.
 *   2. effect(): carry it out, then done(). At most one is pending; until then nothing is consumed.
 *   3. send out(), report it by sent(), while wants() has SMTP_WANTS_WRITE.
 *   4. read only while wants() has SMTP_WANTS_READ; close once it has SMTP_WANTS_CLOSE.
 *   5. call tick() when deadline() is reached.
 * Any of feed, done, sent, tick, eof and shutdown may change the answers of all the others.
 * Times are milliseconds of one clock that never goes back.
 */
#ifndef SMTP_SERVER_H
#define SMTP_SERVER_H

#include "smtp/smtp_param.h"
#include "smtp/smtp_path.h"
#include "smtp/smtp_reply.h"
#include "smtp/smtp_wants.h"

enum smtp_role {
	SMTP_ROLE_MX,         /* anyone; AUTH does not exist */
	SMTP_ROLE_SUBMISSION, /* own users; AUTH before MAIL [RFC 6409 4.3] */
	SMTP_ROLE_LMTP,       /* LHLO, a reply per recipient [RFC 2033] */
	SMTP_ROLE_LOCAL,      /* unix socket of local users: trusted, no AUTH */
};

/* Shared by sessions, borrowed: outlives them all. A limit or time of 0 means none. */
struct smtp_server_config {
	struct str hostname;
	enum smtp_role role;
	bool starttls;         /* a certificate is there: STARTTLS is offered until TLS is active */
	bool normalize;        /* bare newlines of trusted or authenticated senders become CRLF */
	uint64_t size_limit;   /* octets of a message, at most LIMIT_MESSAGE_SIZE; 0: that */
	unsigned rcpt_max;     /* recipients of a transaction, 1 to LIMIT_SMTP_RCPT_MAX */
	unsigned max_errors;   /* commands refused by the engine itself, a session */
	unsigned max_refused;  /* recipients refused, a session; strangers only */
	unsigned max_commands; /* commands without an accepted message between them */
	unsigned max_auth_failures; /* a session */
	int64_t command_timeout;    /* for a whole command line [RFC 5321 4.5.3.2.7] */
	int64_t data_timeout;       /* between two pieces of a message */
	unsigned data_rate; /* octets a second a sender of a message must keep up over its whole */
	int64_t session_timeout; /* the session as a whole; content under way is finished first */
};

/* Everything but hostname and starttls set to its default for the role. */
void smtp_server_config_init(struct smtp_server_config *cfg, enum smtp_role role);

/* What is known of the other side. ip is copied. */
struct smtp_peer {
	struct str ip; /* as text, or a name instead, for the answer to EHLO; empty: not shown */
	bool tls;      /* implicit TLS is already active */
	bool plaintext_auth; /* AUTH is allowed without TLS */
	int64_t wall; /* the time of day at smtp_server_new()'s now, milliseconds since 1970 */
};

enum smtp_effect_kind {
	SMTP_EFFECT_ADMIT,    /* before the greeting: is this client welcome? */
	SMTP_EFFECT_STARTTLS, /* flush out(), drop unread input, handshake */
	SMTP_EFFECT_AUTH,     /* check auth */
	SMTP_EFFECT_MAIL,     /* a transaction begins: see smtp_server_transaction() */
	SMTP_EFFECT_RCPT,     /* may rcpt, not yet in the transaction, be added? */
	SMTP_EFFECT_DATA,     /* may the content come? Recipients are complete */
	SMTP_EFFECT_BODY,     /* the next piece of content: body, CRLF lines, dots undone */
	SMTP_EFFECT_COMMIT,   /* the content is complete: make it durable, then say so */
	SMTP_EFFECT_ABORT,    /* the transaction that MAIL began is dropped; no result */
};

struct smtp_rcpt {
	struct smtp_path path;
	struct smtp_rcpt_params params;
};

/* What an effect shows lives until its done(). */
struct smtp_effect {
	enum smtp_effect_kind kind;
	union {
		struct {
			struct str mechanism;
			struct str authzid; /* empty: the same as authcid */
			struct str authcid;
			struct str password;
		} auth;
		const struct smtp_rcpt *rcpt;
		struct str body; /* 1 to LIMIT_BODY_CHUNK octets */
		struct {
			bool content; /* the message was refused, or had begun to come */
			struct smtp_reply
			    reply; /* what the client is told; code 0: nothing of it */
		} abort;
	};
};

/*
 * The answer to an effect. All zero: go on, with the engine's own words. Otherwise the reply is
 * what the client is told, and its code decides: below 400 go on, else not.
 *   ADMIT     trusted: may send as local users do (normalize, no limit on refusals); account: who
 *             it is, if known. 4xx closes at once, 5xx leaves only QUIT [RFC 5321 3.1]. The words
 *             of an accepting reply are not used, those of DATA neither.
 *   STARTTLS  an error code: the handshake failed, the session closes without a word.
 *   AUTH      account: the account's name, which smtp_server_account() gives from now on.
 *   DATA      refusing drops the transaction (an ABORT follows).
 *   BODY      refusing drops the transaction (an ABORT follows); the rest is read and dropped, then
 *             replied.
 *   COMMIT    the transaction is over either way. LMTP: replies has one for each recipient, in
 *             order; NULL: reply is for all.
 * The strings are the caller's and are copied.
 */
struct smtp_result {
	struct smtp_reply reply;
	bool trusted;
	struct str account;
	const struct smtp_reply *replies;
	size_t reply_count;
};

/*
 * The envelope while MAIL has been accepted; it is the engine's and lives until the transaction's
 * end.
 */
struct smtp_transaction {
	struct smtp_path reverse;
	struct smtp_mail_params params;
	const struct smtp_rcpt *rcpts; /* accepted ones, in order; moves when one is added */
	size_t rcpt_count;
};

struct smtp_server;

/*
 * A session; its first effect is ADMIT. Aborts when the hostname is empty or rcpt_max out of range.
 */
struct smtp_server *smtp_server_new(
    const struct smtp_server_config *cfg, const struct smtp_peer *peer, int64_t now);

/*
 * Frees the session, wiping secrets. With a transaction open the driver drops it itself. Takes
 * NULL, sets NULL.
 */
void smtp_server_free(struct smtp_server **s);

/*
 * Input; gives how many octets were consumed. 0 while an effect is pending or output is not being
 * taken.
 */
size_t smtp_server_feed(struct smtp_server *s, struct str in, int64_t now);

/* Output waiting to be sent; valid until the next call that is not a question. */
struct str smtp_server_out(const struct smtp_server *s);

/* The first n octets of it have been sent. */
void smtp_server_sent(struct smtp_server *s, size_t n, int64_t now);

/* The pending effect, NULL when there is none. */
const struct smtp_effect *smtp_server_effect(const struct smtp_server *s);

/* Answers the pending effect (aborts when there is none). r may be NULL: all zero. */
void smtp_server_done(struct smtp_server *s, const struct smtp_result *r, int64_t now);

/* Set of enum smtp_wants. */
unsigned smtp_server_wants(const struct smtp_server *s);

/* When to call tick(), SMTP_NEVER for not at all. */
int64_t smtp_server_deadline(const struct smtp_server *s);

/* Ends the session with 421 4.4.2 if the deadline has passed. Early calls do nothing. */
void smtp_server_tick(struct smtp_server *s, int64_t now);

/*
 * The client will send nothing more and all it sent has been consumed, or the connection is gone.
 * An open transaction is aborted by an effect; one whose COMMIT is pending is not.
 */
void smtp_server_eof(struct smtp_server *s, int64_t now);

/*
 * Ends the session with 421 4.3.2 at the next command boundary; content under way is finished
 * first.
 */
void smtp_server_shutdown(struct smtp_server *s, int64_t now);

/* The same with 421 4.3.0: the mail store went away, or is silent, and this session with it. */
void smtp_server_no_store(struct smtp_server *s, int64_t now);

/* The same with 421 4.7.0: the account of this session may no longer do what it could at its login. */
void smtp_server_logout(struct smtp_server *s, int64_t now);

/* The open transaction, NULL outside: from the MAIL effect to the done() of COMMIT or ABORT. */
const struct smtp_transaction *smtp_server_transaction(const struct smtp_server *s);

/* What the client called itself, empty before EHLO; printable ASCII. */
struct str smtp_server_helo(const struct smtp_server *s);

/* The word behind "with" in Received: "ESMTPSA", "UTF8LMTP" ... [RFC 3848, 6531 4.3]. Static. */
struct str smtp_server_protocol(const struct smtp_server *s);

/* The account of AUTH or ADMIT, empty when there is none. */
struct str smtp_server_account(const struct smtp_server *s);

/* The text of the reply that the session was closed with; empty: it was not, or without a reply. */
struct str smtp_server_end_reason(const struct smtp_server *s);

#endif
