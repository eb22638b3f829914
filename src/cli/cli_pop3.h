/* A POP3 session for `mail list` and `mail read`. */
#ifndef CLI_CLI_POP3_H
#define CLI_CLI_POP3_H

#include "cli/cli_dial.h"
#include "pop3/pop3_client.h"

struct cli_pop3;

struct cli_pop3_handler {
	/* Logged in, or something has ended: ask what can be asked now, at last QUIT. */
	void (*more)(void *ctx, struct cli_pop3 *p);
	/* Pieces of an answer; any may be NULL. */
	void (*entry)(void *ctx, const struct pop3_entry *entry);
	void (*content)(void *ctx, struct str piece);
	/* A request has ended; the texts live during the call. */
	void (*result)(void *ctx, const struct pop3_client_event *e);
};

/*
 * Connects, logs in, and runs the session to its end. EX_OK when the server answered QUIT with +OK;
 * else an exit code after saying why: EX_NOPERM for a wrong name or password, EX_TEMPFAIL when the
 * server cannot be reached, does not greet or breaks off, EX_UNAVAILABLE when it refuses or does not speak POP3.
 */
int cli_pop3_run(
    const struct cli_server *server, const struct cli_pop3_handler *handler, void *ctx);

/* Asks. False when nothing can be asked now: more() will be called again. */
bool cli_pop3_ask(struct cli_pop3 *p, enum pop3_request_type type, uint64_t number, uint64_t lines);

/*
 * Breaks off without QUIT: the server carries out no deletion and takes nothing for read. Nothing is called
 * any more, and cli_pop3_run() gives EX_OK.
 */
void cli_pop3_break_off(struct cli_pop3 *p);

/* What the server said it can do. */
const struct pop3_capa *cli_pop3_capa(const struct cli_pop3 *p);

/* The exit code for an -ERR with this response code; otherwise: for one that has none. */
int cli_pop3_exit(enum pop3_code code, int otherwise);

/* "The server says: ..." on standard error for a result that is not ok; gives code. */
int cli_pop3_refused(int code, const char *what, const struct pop3_client_event *e);

#endif
