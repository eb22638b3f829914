/*
 * Inside of the server engine, shared by its files and by nobody else: the session, and what a command's
 * handler may do to it. The core is pop3_server.c; the commands before login are in pop3_login.c, those
 * after it in pop3_maildrop.c.
 */
#ifndef POP3_SESSION_H
#define POP3_SESSION_H

#include "base/dot.h"
#include "base/line.h"
#include "pop3/pop3_command.h"
#include "pop3/pop3_server.h"
#include "pop3/pop3_top.h"
#include "sasl/sasl_server.h"

/* States [RFC 1939 3] as bits, so that a command can name those it is for. */
enum {
	POP3_CONNECT = 1,       /* not admitted yet */
	POP3_AUTHORIZATION = 2, /* not logged in */
	POP3_TRANSACTION = 4,   /* logged in */
	POP3_UPDATE = 8,        /* QUIT deletes and marks */
};

/* What a handler or a resume function did. */
enum pop3_step {
	POP3_STEP_DONE,  /* the command is over, the reply written */
	POP3_STEP_WAIT,  /* an effect was emitted */
	POP3_STEP_MORE,  /* the client owes another line of the command */
	POP3_STEP_CLOSE, /* the reply is written, the session ends */
};

typedef enum pop3_step pop3_handler(struct pop3_server *s, const struct pop3_args *args);
typedef enum pop3_step pop3_resume(struct pop3_server *s, const struct pop3_result *r);
typedef void pop3_entry_taker(struct pop3_server *s, const struct pop3_entry *e);

/*
 * Free octets of out that a command finds when it begins and that entries and content leave alone: room
 * for the longest reply (CAPA) with the end of a multi-line one and a goodbye.
 */
#define POP3_ROOM ((size_t)2048)

/* The command under way that reads entries or a message. */
struct pop3_reading {
	bool begun;             /* the +OK line of the reply is written */
	bool seen;              /* an entry has come */
	uint64_t sum;           /* octets of entries */
	uint64_t whole;         /* number of the message that is read to its end; 0: none */
	pop3_entry_taker *take; /* NULL: no list is pending */
	struct dot_out dots;
	struct pop3_top top;
};

/* How a session is told that it ends, and the log. */
struct pop3_farewell {
	struct str text;
	const char *reason;
};

struct pop3_server {
	uint32_t magic;
	const struct pop3_server_config *cfg;
	unsigned state;
	bool tls, plaintext_auth;
	bool eof, ended;
	const struct pop3_farewell *farewell; /* not NULL: the session is to end with it */
	const char *end_reason;
	int64_t heard; /* last sign of life of the client */
	int64_t met;   /* when it was greeted, or has begun TLS */

	struct line_in line;      /* commands */
	struct line_in auth_line; /* responses of AUTH */
	struct buf out;
	size_t out_at; /* octets of out that are sent */

	bool has_effect;
	struct pop3_effect effect;
	pop3_resume *resume;

	struct buf user, password; /* of USER and PASS */
	struct sasl_server sasl;
	bool in_sasl;
	unsigned auth_failures, errors;

	uint64_t count, octets;  /* of the mailbox at login */
	struct ranges deleted;   /* marked by DELE */
	struct ranges seen;      /* retrieved whole, if they are to be marked */
	struct ranges uncounted; /* those of them whose size is not yet known */
	uint64_t deleted_octets; /* sum of the others */
	struct pop3_reading read;
};

/* Replies. The text of pop3_fail() is counted as an error of the client. */
enum pop3_step pop3_ok(struct pop3_server *s, struct str text);
enum pop3_step pop3_err(struct pop3_server *s, enum pop3_code code, struct str text);
enum pop3_step pop3_fail(struct pop3_server *s, struct str text);

/* -ERR with the code and text of a result that is not POP3_OK; words: when it has no text. */
enum pop3_step pop3_err_result(
    struct pop3_server *s, const struct pop3_result *r, struct str words);

/* Emits an effect whose fields are set in s->effect.u; resume takes its result. */
enum pop3_step pop3_emit(struct pop3_server *s, enum pop3_effect_type type, pop3_resume *resume);

/* Ends the session: nothing more is read, out is still sent. reason: static. */
enum pop3_step pop3_end(struct pop3_server *s, const char *reason);

/* Passwords are taken on this connection. */
bool pop3_takes_passwords(const struct pop3_server *s);

/* One line of an AUTH exchange. */
enum pop3_step pop3_auth_line(struct pop3_server *s, struct str line);

/* Forgets the credentials of the client. */
void pop3_forget_credentials(struct pop3_server *s);

pop3_handler pop3_cmd_user, pop3_cmd_pass, pop3_cmd_auth, pop3_cmd_stls, pop3_cmd_capa;
pop3_handler pop3_cmd_stat, pop3_cmd_list, pop3_cmd_uidl, pop3_cmd_retr, pop3_cmd_top;
pop3_handler pop3_cmd_dele, pop3_cmd_noop, pop3_cmd_rset, pop3_cmd_quit;

#endif
