/*
 * The SMTP and LMTP client session [RFC 5321, 2033] as an engine without I/O, made for many
 * messages over one connection. Driven like the server (smtp/smtp_server.h): feed, out/sent,
 * effect/done, wants, deadline/tick, eof.
 *
 * Effects in order: [STARTTLS] READY ( BODY* REPORT READY )* CLOSED. CLOSED always comes, once,
 * last; a message under way is always reported before it.
 */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include "smtp/smtp_dialogue.h"
#include "smtp/smtp_param.h"
#include "smtp/smtp_path.h"
#include "smtp/smtp_reply.h"
#include "smtp/smtp_wants.h"

enum smtp_tls_policy {
	SMTP_TLS_NONE,    /* never STARTTLS */
	SMTP_TLS_MAY,     /* when offered; a refused STARTTLS command is ignored */
	SMTP_TLS_REQUIRE, /* else nothing is sent, and the session ends with an error */
};

/* Milliseconds [RFC 5321 4.5.3.2]. */
struct smtp_client_timeouts {
	int64_t greeting, helo, mail, rcpt, data, body, end, quit;
};

/*
 * Borrowed: outlives the session. dialogue: the conversation is appended there, secrets
 * masked, content left out; NULL: not wanted.
 */
struct smtp_client_config {
	struct str helo; /* our name: Domain or address literal */
	bool lmtp;
	enum smtp_tls_policy tls;
	bool tls_active;     /* implicit TLS: the handshake is done before smtp_client_new() */
	bool plaintext_auth; /* AUTH even without TLS */
	struct str user;     /* empty: no AUTH */
	struct str password;
	/* octets of one BDAT where CHUNKING is offered; 0: always DATA */
	size_t chunk;
	struct smtp_client_timeouts timeouts;
	struct smtp_dialogue *dialogue;
};

/* Everything but helo set: the RFC's times, TLS when offered, no AUTH, chunks of LIMIT_SMTP_CHUNK. */
void smtp_client_config_init(struct smtp_client_config *cfg);

struct smtp_client_rcpt {
	struct smtp_path path;
	struct smtp_rcpt_params params;
};

/*
 * A message to send; borrowed until its REPORT is done. params: size (exact octets of the content,
 * 0: not known), body (8BITMIME when the content has 8-bit octets), smtputf8 (its header has
 * UTF-8), ret, envid, hold_for or hold_until, priority, by; params the server does not offer are left
 * out, except as REPORT says and hold: then the message is refused for good. Recipients beyond the server's
 * RCPTMAX are left for another transaction: TEMPORARY at RCPT, with our own 4.5.3. no_content: the server is only
 * asked whether it takes the recipients; the verdict of one it takes is ACCEPTED at RCPT.
 */
struct smtp_client_message {
	struct smtp_path reverse;
	struct smtp_mail_params params;
	const struct smtp_client_rcpt *rcpts; /* at least 1 */
	size_t rcpt_count;
	bool no_content;
	int64_t
	    time; /* milliseconds from the READY's done() to its final dot or last chunk; 0: any */
};

enum smtp_outcome {
	SMTP_OUTCOME_TEMPORARY, /* refused for now, or not tried: try again */
	SMTP_OUTCOME_PERMANENT, /* refused for good */
	SMTP_OUTCOME_UNSURE, /* broken off between the end of data and its reply: may be delivered */
	SMTP_OUTCOME_ACCEPTED, /* the server has taken responsibility */
};

/* Where the session stood. */
enum smtp_stage {
	SMTP_STAGE_CONNECT, /* waiting for the greeting */
	SMTP_STAGE_HELO,
	SMTP_STAGE_TLS,
	SMTP_STAGE_AUTH,
	SMTP_STAGE_READY, /* between messages */
	SMTP_STAGE_MAIL,
	SMTP_STAGE_RCPT,
	SMTP_STAGE_DATA, /* the DATA command */
	SMTP_STAGE_BODY, /* the content and the reply behind its final dot or last chunk */
	SMTP_STAGE_QUIT,
};

/* In one word for texts: "MAIL", "end of data" ... Static. */
struct str smtp_stage_name(enum smtp_stage stage);

/*
 * What became of a recipient or of the session. reply: the server's own (text printable or not:
 * escape it); code 0 when it is ours (text then says what happened, and how our side saw it).
 */
struct smtp_verdict {
	enum smtp_outcome outcome;
	enum smtp_stage stage;
	struct smtp_reply reply;
};

/*
 * STARTTLS  flush, drop unread input, handshake; done with failed when it failed.
 * READY     idle: done with the next message, or without one to QUIT. It may stay pending, and is
 *           replaced by CLOSED when the server closes meanwhile.
 * BODY      done with the next piece of content, or the last; or failed, to break off.
 * REPORT    the message is finished: verdicts, one for each recipient. With bdat_unknown among the
 *           facts the session is over, and the message may go by DATA in another one.
 * CLOSED    the session is over: verdict; ACCEPTED when it ended by our QUIT.
 */
enum smtp_client_effect_kind {
	SMTP_CLIENT_STARTTLS,
	SMTP_CLIENT_READY,
	SMTP_CLIENT_BODY,
	SMTP_CLIENT_REPORT,
	SMTP_CLIENT_CLOSED,
};

/* What an effect shows lives until its done(). */
struct smtp_client_effect {
	enum smtp_client_effect_kind kind;
	const struct smtp_verdict *verdicts; /* REPORT: rcpt_count of them */
	size_t verdict_count;
	struct smtp_verdict verdict; /* CLOSED */
};

struct smtp_client_result {
	bool failed;                            /* STARTTLS, BODY */
	struct str text;                        /* why it failed: for the verdicts; copied */
	const struct smtp_client_message *next; /* READY */
	struct str body; /* BODY: at most LIMIT_BODY_CHUNK octets, lines with CRLF; copied */
	bool last;       /* BODY: the content ends behind body */
};

/* Extensions the server offers, a set of bits. */
enum smtp_extension {
	SMTP_EXT_PIPELINING = 1,
	SMTP_EXT_SIZE = 2,
	SMTP_EXT_8BITMIME = 4,
	SMTP_EXT_SMTPUTF8 = 8,
	SMTP_EXT_STARTTLS = 16,
	SMTP_EXT_AUTH = 32,
	SMTP_EXT_DSN = 64,
	SMTP_EXT_CHUNKING = 128,
	SMTP_EXT_ENHANCED = 256, /* ENHANCEDSTATUSCODES */
	SMTP_EXT_FUTURERELEASE = 512,
	SMTP_EXT_PRIORITY = 1024, /* MT-PRIORITY */
	SMTP_EXT_DELIVERBY = 2048,
};

/* What EHLO told, after TLS and AUTH the latest. */
struct smtp_server_facts {
	unsigned extensions;
	uint64_t size_limit; /* 0: none told */
	uint64_t by_min;     /* DELIVERBY: seconds below which R is refused; 0: none told */
	size_t rcpt_max;     /* LIMITS RCPTMAX [RFC 9422 4]; 0: none told */
	size_t mail_max;     /* LIMITS MAILMAX: messages of one session; 0: none told */
	bool bdat_unknown;   /* it offers CHUNKING and does not know BDAT; set before the REPORT */
	bool
	    taken_back; /* what lies in the stream must not leave, the end of data or what reads as commands: no flush */
	size_t injected;     /* octets dropped behind the answer to STARTTLS; until TLS is active */
	struct str auth;     /* mechanisms, separated by spaces */
	struct str greeting; /* its text; after STARTTLS the first line of the answer to EHLO */
};

struct smtp_client;

/* A session on an open connection. Aborts when helo is empty or chunk above LIMIT_SMTP_CHUNK. */
struct smtp_client *smtp_client_new(const struct smtp_client_config *cfg, int64_t now);

/* Wipes and frees it. Takes NULL, sets NULL. */
void smtp_client_free(struct smtp_client **c);

/* As in smtp/smtp_server.h; wants() gives a set of enum smtp_wants. */
size_t smtp_client_feed(struct smtp_client *c, struct str in, int64_t now);
struct str smtp_client_out(const struct smtp_client *c);
void smtp_client_sent(struct smtp_client *c, size_t n, int64_t now);

/*
 * So many of the octets that were sent() wait in this process still. A reply that comes before the last of a
 * message has left is none to it.
 */
void smtp_client_unsent(struct smtp_client *c, size_t n);

const struct smtp_client_effect *smtp_client_effect(const struct smtp_client *c);
void smtp_client_done(struct smtp_client *c, const struct smtp_client_result *r, int64_t now);
unsigned smtp_client_wants(const struct smtp_client *c);
int64_t smtp_client_deadline(const struct smtp_client *c);
void smtp_client_tick(struct smtp_client *c, int64_t now);
void smtp_client_eof(struct smtp_client *c, int64_t now);

/*
 * Instead of eof(): this side closes the connection, and waits no longer. What is under way is reported as with a time
 * that is over. why: its text, static.
 */
void smtp_client_leave(struct smtp_client *c, struct str why, int64_t now);

/* When something last moved: a whole reply, octets that went out, a done(). */
int64_t smtp_client_moved(const struct smtp_client *c);

/* The content of the message under way is being sent, or its end answered. */
bool smtp_client_is_at_content(const struct smtp_client *c);

/* Valid after the first READY. */
const struct smtp_server_facts *smtp_client_facts(const struct smtp_client *c);

bool smtp_client_is_tls(const struct smtp_client *c);

#endif
