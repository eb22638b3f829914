/*
 * The inside of the server engine, for smtp_server*.c only.
 *
 * smtp_server.c          life, input, effects, times, the driver's questions
 * smtp_server_command.c  the table of commands and the short handlers
 * smtp_server_auth.c     AUTH
 * smtp_server_data.c     DATA, BDAT and how a transaction ends
 *
 * A handler or resume function says by enum flow how it went on, and the engine checks that. One
 * that waits has called smtp_session_wait() with the effect and the function that takes its result,
 * which stands below it.
 */
#ifndef SMTP_SESSION_H
#define SMTP_SESSION_H

#include "base/dot.h"
#include "base/limits.h"
#include "base/line.h"
#include "base/mem.h"
#include "sasl/sasl_server.h"
#include "smtp/smtp_command.h"
#include "smtp/smtp_server.h"

enum flow {
	FLOW_DONE,  /* ready for more input */
	FLOW_WAIT,  /* an effect is pending */
	FLOW_MORE,  /* output continues when there is room: s->more */
	FLOW_CLOSE, /* nothing more but what is in out */
};

/* What the session has reached; bits, because commands name sets of them. */
enum session_state {
	AT_REFUSED = 1, /* greeted with 5xx: only QUIT */
	AT_START = 2,   /* greeted */
	AT_READY = 4,   /* EHLO was said */
	AT_MAIL = 8,    /* a transaction is open */
	AT_CHUNKS = 16, /* its content has begun to come by BDAT */
};

/* What the next octets are. */
enum session_input {
	EXPECT_COMMAND,
	EXPECT_RESPONSE, /* a line of the AUTH exchange */
	EXPECT_DATA,     /* content up to the dot */
	EXPECT_CHUNK,    /* chunk_left octets of BDAT */
};

typedef enum flow session_resume(struct smtp_server *s, const struct smtp_result *r);
typedef enum flow session_step(struct smtp_server *s);

struct smtp_server {
	uint64_t magic;
	const struct smtp_server_config *cfg;
	enum session_state state;
	enum session_input expect;
	bool plaintext_auth;
	bool tls;
	bool trusted;
	bool admitted;
	bool early;    /* input came before the greeting */
	bool extended; /* EHLO or LHLO, not HELO */
	bool eof;
	const struct smtp_reply *farewell; /* not NULL: the session is to end with it; static */
	bool closing;

	struct smtp_effect effect;
	session_resume *resume; /* not NULL: the effect is pending */
	session_step *more;     /* not NULL: output that waits for room */
	session_step *after_abort;

	struct line_in line;
	struct buf out;
	struct buf ip;
	struct buf helo;
	struct buf account;
	struct buf end_reason; /* the text of the reply that has closed it */
	struct sasl_server sasl;
	struct arena *command; /* one command's strings */

	/* the transaction */
	struct arena *arena;
	struct smtp_transaction tx;
	struct smtp_rcpt *rcpts;
	size_t rcpt_cap;
	struct smtp_rcpt rcpt; /* waits for its RCPT effect */
	bool tx_begun;         /* from the MAIL effect on */
	bool tx_open;          /* MAIL was accepted, neither COMMIT nor ABORT is done */
	bool rcpt_refused;
	bool lowered; /* MT-PRIORITY was above what this client may ask for */

	/* its content */
	struct dot_in dot;
	struct buf chunk;
	uint64_t octets;     /* content seen, also when dropped */
	uint64_t chunk_left; /* octets of the BDAT command at hand that are still to come */
	uint64_t chunk_size;
	bool chunk_last;
	bool orphan;   /* a BDAT command outside of any transaction: answered by verdict */
	bool ended;    /* the content is complete */
	bool dropping; /* the content is read and dropped; verdict says why */
	struct smtp_reply verdict;
	struct smtp_reply *replies; /* LMTP: one for each recipient */
	size_t replies_put;

	/* counts and times */
	unsigned errors, refused, commands, auth_failures;
	int64_t now;
	int64_t wall;         /* what the time of day was before now began to count */
	int64_t started;      /* the session */
	int64_t waiting;      /* for the command at hand, or the last sign of life */
	int64_t data_started; /* the content, later by the time effects took */
	int64_t effect_at;
};

/* Appends a reply to the output. */
void smtp_session_reply(struct smtp_server *s, const struct smtp_reply *r);

/* The result's reply when it has one, else the given one. */
void smtp_session_reply_or(
    struct smtp_server *s, const struct smtp_result *r, struct smtp_reply otherwise);

/* Replies and counts an error; too many close the session. */
enum flow smtp_session_refuse(struct smtp_server *s, struct smtp_reply reply);

/* Replies (code 0: silently), drops an open transaction, closes. */
enum flow smtp_session_close(struct smtp_server *s, struct smtp_reply reply);

/* Makes s->effect pending with its kind and the function that takes the result. */
enum flow smtp_session_wait(
    struct smtp_server *s, enum smtp_effect_kind kind, session_resume *resume);

/* ABORT if a transaction is open, then the step. Content that had begun is broken off by the client. */
enum flow smtp_session_abort(struct smtp_server *s, session_step *next);

/* The same of a message that is refused with this reply, which the caller puts. */
enum flow smtp_session_abort_refused(
    struct smtp_server *s, const struct smtp_reply *why, session_step *next);

/* Forgets the transaction; the next input is a command. */
void smtp_session_end_transaction(struct smtp_server *s);

/* Room for a reply after this one is kept at all times. */
static inline bool session_has_room(const struct smtp_server *s)
{
	return buf_room(&s->out) >= 4 * SMTP_REPLY_MAX;
}

/* The result says no. */
static inline bool session_is_refused(const struct smtp_result *r)
{
	return r->reply.code >= 400;
}

static inline uint64_t session_size_limit(const struct smtp_server *s)
{
	return s->cfg->size_limit ? s->cfg->size_limit : LIMIT_MESSAGE_SIZE;
}

static inline struct smtp_reply session_too_large(void)
{
	return SMTP_REPLY(552, 5, 3, 4, "The message is larger than this server allows");
}

/* normalize applies to this sender. */
static inline bool session_is_lenient(const struct smtp_server *s)
{
	return s->cfg->normalize && (s->trusted || s->account.n > 0);
}

/* smtp_server_command.c: one line without its end. */
enum flow smtp_session_command(struct smtp_server *s, struct str line);

/* smtp_server_auth.c */
bool smtp_session_may_auth(const struct smtp_server *s);
enum flow smtp_session_auth(struct smtp_server *s, const struct smtp_command *cmd);
enum flow smtp_session_auth_response(struct smtp_server *s, struct str line);
enum flow smtp_session_auth_fail(struct smtp_server *s, struct smtp_reply reply);

/* smtp_server_data.c: the commands, and a step of input that gives the octets used in *used_r. */
enum flow smtp_session_data(struct smtp_server *s, const struct smtp_command *cmd);
enum flow smtp_session_bdat(struct smtp_server *s, const struct smtp_command *cmd);
enum flow smtp_session_take_data(struct smtp_server *s, struct str in, size_t *used_r);
enum flow smtp_session_take_chunk(struct smtp_server *s, struct str in, size_t *used_r);

#endif
