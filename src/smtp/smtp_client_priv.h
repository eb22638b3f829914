/*
 * The inside of the client engine, for smtp_client*.c only.
 *
 * smtp_client.c          life, lines and replies, effects, times, the driver's questions
 * smtp_client_session.c  greeting, EHLO, STARTTLS, AUTH, QUIT
 * smtp_client_message.c  one message: envelope with pipelining, verdicts
 * smtp_client_content.c  its content by DATA or BDAT
 * smtp_client_secret.c   the responses of AUTH, where the server repeats them
 */
#ifndef SMTP_CLIENT_PRIV_H
#define SMTP_CLIENT_PRIV_H

#include "base/arena.h"
#include "base/dot.h"
#include "base/limits.h"
#include "base/line.h"
#include "base/mem.h"
#include "sasl/sasl_client.h"
#include "smtp/smtp_client.h"

/* What the next reply answers. */
enum client_state {
	ON_GREETING,
	ON_EHLO,
	ON_HELO,
	ON_STARTTLS,
	ON_AUTH,
	ON_IDLE,      /* nothing: READY is pending, or another effect */
	ON_ENVELOPE,  /* the step `got` of the envelope */
	ON_CONTENT,   /* nothing: the content is being sent by DATA */
	ON_CHUNKS,    /* one chunk of `chunks`, or nothing: the content is being sent by BDAT */
	ON_END,       /* a chunk before the last, else the end of data: LMTP one for each accepted
		       * recipient */
	ON_EMPTY_END, /* the final dot of a content that has no recipient */
	ON_QUIT,
	ON_NOTHING, /* the session is over */
};

/* What is known of a recipient. */
enum rcpt_state {
	RCPT_OPEN,     /* not yet answered */
	RCPT_ACCEPTED, /* by RCPT; waits for the message's reply */
	RCPT_DECIDED,  /* its verdict stands */
	RCPT_SKIPPED,  /* the same, before the envelope: it is no part of it */
};

/*
 * The envelope's commands have numbers, in the order they are sent and answered: 0 RSET, 1 MAIL,
 * then one for each recipient, then DATA, but not where content goes by BDAT.
 */
enum {
	STEP_RSET,
	STEP_MAIL,
	STEP_RCPT
};

struct client_message {
	const struct smtp_client_message *m; /* NULL: none is under way */
	struct arena *arena;
	struct smtp_verdict *verdicts;
	uint8_t *rcpts;   /* enum rcpt_state */
	size_t sent, got; /* next step to send, to be answered */
	size_t accepted;  /* recipients in RCPT_ACCEPTED */
	size_t end_at;    /* next recipient the reply to the final dot may be for (LMTP) */
	bool utf8;        /* MAIL says SMTPUTF8 */
	bool stopped;     /* no more steps or chunks are sent */
	bool chunked;     /* the content goes by BDAT */
	bool chunk_taken; /* one at least */
	struct dot_out dot;
	struct buf chunk; /* content that is not yet sent as a chunk */
	bool ended;       /* with it the content is complete */
	int64_t until;    /* its time, SMTP_NEVER: without end */
	size_t chunks;    /* sent before the last one, not yet answered */
};

struct smtp_client {
	uint64_t magic;
	const struct smtp_client_config *cfg;
	enum client_state state;
	bool tls;
	bool authenticated;
	bool auth_cancelled; /* "*" was said: no challenge may follow */
	bool dirty;          /* the server may hold a transaction: RSET before the next */
	bool lost;           /* the session is over as soon as the pending effect is done */
	bool finished;

	struct line_in line;
	struct buf out;
	size_t behind;   /* octets that left `out`, and not this process */
	struct buf text; /* of the reply whose lines are coming */
	uint16_t code;   /* of that reply, 0 before its first line */
	struct smtp_status status;
	size_t lines;

	bool pending;
	struct smtp_client_effect effect;
	struct smtp_verdict end; /* how the session ended */

	struct arena *arena; /* the session's */
	struct smtp_server_facts facts;
	struct sasl_client sasl;
	struct buf secrets; /* responses of the exchange that is under way, a line each */
	struct client_message msg;
	int64_t now;
	int64_t since; /* last sign of life that counts */
};

/* The server cannot have all that was said. */
static inline bool smtp_client_is_ahead(const struct smtp_client *c)
{
	return c->out.n > 0 || c->behind > 0;
}

/* Makes an effect pending. */
void smtp_client_wait(struct smtp_client *c, enum smtp_client_effect_kind kind);

/* A whole command line, its CRLF added; secret: not shown in the dialogue. */
void smtp_client_command(struct smtp_client *c, struct str line, bool secret);

/*
 * The session cannot go on: the message under way is reported, then CLOSED. polite: says QUIT,
 * without waiting for an answer. With an effect pending (but READY) it waits for its end.
 */
void smtp_client_fail(struct smtp_client *c, const struct smtp_verdict *why, bool polite);

/* The same for a cause of our own: outcome, status class.subject.detail and text. */
void smtp_client_fail_own(
    struct smtp_client *c, enum smtp_outcome outcome, struct smtp_status status, struct str text);

/* A reply where none is due: 421, or nonsense. */
void smtp_client_on_nothing(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_early(struct smtp_client *c, const struct smtp_reply *r);

/* The stage the session stands in. */
enum smtp_stage smtp_client_stage(const struct smtp_client *c);

/* The verdict a reply means. */
struct smtp_verdict smtp_client_verdict(
    struct arena *a, enum smtp_stage stage, const struct smtp_reply *r);

/* smtp_client_session.c: replies in the states of the session. */
void smtp_client_on_greeting(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_ehlo(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_helo(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_starttls(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_auth(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_quit(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_tls_done(struct smtp_client *c, const struct smtp_client_result *r);
void smtp_client_quit(struct smtp_client *c);

/* smtp_client_secret.c */
#define SMTP_CLIENT_SECRET "(secret)" /* stands in its place */

/* A response of AUTH, as it goes out; forget: the exchange is over. */
void smtp_client_secret_keep(struct smtp_client *c, struct str response);
void smtp_client_secret_forget(struct smtp_client *c);

/* The line of a server, or a copy in b without what is kept; b: empty, for twice as many octets. */
struct str smtp_client_secret_hide(const struct smtp_client *c, struct str line, struct buf *b);

/* smtp_client_message.c */
void smtp_client_message_begin(struct smtp_client *c, const struct smtp_client_message *m);
void smtp_client_message_pump(struct smtp_client *c);
void smtp_client_on_envelope(struct smtp_client *c, const struct smtp_reply *r);

/* A verdict for recipient i, for all; of those that have one it changes nothing. */
void smtp_client_decide(struct smtp_client *c, size_t i, const struct smtp_verdict *v);
void smtp_client_decide_all(struct smtp_client *c, const struct smtp_verdict *v);

/* The message is finished, all recipients are decided: REPORT. */
void smtp_client_message_report(struct smtp_client *c);

/* smtp_client_content.c */
void smtp_client_content_begin(struct smtp_client *c);
void smtp_client_content_pump(struct smtp_client *c);
void smtp_client_on_chunk(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_end(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_on_empty_end(struct smtp_client *c, const struct smtp_reply *r);
void smtp_client_body_done(struct smtp_client *c, const struct smtp_client_result *r);

/* Decides all recipients that are still open, and reports. */
void smtp_client_message_fail(struct smtp_client *c, const struct smtp_verdict *why);

/* REPORT is done: the message is forgotten. */
void smtp_client_message_end(struct smtp_client *c);

#endif
