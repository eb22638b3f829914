/* Hands one message to a server by SMTP: for `mail send` and `sendmail`. */
#ifndef CLI_CLI_SUBMIT_H
#define CLI_CLI_SUBMIT_H

#include "cli/cli_dial.h"
#include "cli/cli_spool.h"
#include "smtp/smtp_client.h"

/* The content: first head, then the spooled octets from spool_at on (spool may be NULL). */
struct cli_content {
	struct str head;
	const struct cli_spool *spool;
	uint64_t spool_at;
};

/* Its octets in all. */
uint64_t cli_content_size(const struct cli_content *c);

struct cli_submit {
	const struct cli_server *server;

	/*
	 * The server has greeted; hostname is what it calls itself. Gives the message and its
	 * content, which must live until the end of cli_submit_run(); EX_OK, or an exit code after
	 * saying why nothing is to be sent.
	 */
	int (*compose)(void *ctx, struct str hostname, struct smtp_client_message *message_r,
	    struct cli_content *content_r);
	void *ctx;
	/* after success: the server's words, a line for each transaction, in arena */
	struct str accepted;
	struct arena *arena; /* the caller's, for what is kept */
};

/*
 * Connects, sends, in as many transactions as the server wants for all recipients, and says on standard error
 * which were refused and why, in one line where the message was refused as a whole. EX_OK when the
 * server took the message for all recipients; else the exit code of the gravest refusal, EX_TEMPFAIL
 * when the server cannot be reached or breaks off.
 */
int cli_submit_run(struct cli_submit *s);

/*
 * The exit code for a verdict that is not ACCEPTED [RFC 3463]: EX_NOUSER for an unknown mailbox,
 * EX_NOHOST for an unknown domain, EX_NOPERM for policy and login, EX_DATAERR for the content,
 * EX_TEMPFAIL for anything temporary, else EX_UNAVAILABLE.
 */
int cli_submit_exit(const struct smtp_verdict *v);

#endif
