/* Where a mail command connects to: --server, or the server of --data; --tls, --insecure, --ca, --user and the
 * password. */
#ifndef CLI_CLI_SERVER_H
#define CLI_CLI_SERVER_H

#include "cli/cli.h"
#include "net/net_addr.h"
#include "net/tls.h"

#define CLI_SERVER_ADDRS ((size_t)8)

enum cli_tls {
	CLI_TLS_NONE,
	CLI_TLS_STARTTLS,
	CLI_TLS_IMPLICIT,
};

/* Ports on which TLS is implicit unless --tls says otherwise [RFC 8314 3]. */
#define CLI_PORT_SMTPS 465
#define CLI_PORT_POP3S 995

struct cli_server {
	struct net_addr addrs[CLI_SERVER_ADDRS]; /* tried in turn */
	size_t naddrs;
	struct buf name; /* as it was given, without port; with a NUL behind it */
	enum cli_tls tls;
	bool insecure;
	struct tls_ctx *ctx; /* NULL without TLS */
	struct str user;     /* empty: no login */
	struct buf password;
};

/*
 * Reads the options of CLI_SERVER and CLI_PASSWORD, looks the name up, asks for the password of --user.
 * implicit_port: one of the above. login_needed: --user must be there. EX_OK, or an exit code after saying
 * why; end it with cli_server_fini() either way.
 */
int cli_server_init(
    struct cli_server *s, const struct cli *cli, uint16_t implicit_port, bool login_needed);

/* A Unix socket: no TLS, no login. The same otherwise. */
int cli_server_local(struct cli_server *s, const char *path);

/* Wipes the password, frees the rest. */
void cli_server_fini(struct cli_server *s);

/* May the password go to this address without TLS? To this machine, or anywhere with --insecure. */
bool cli_server_plaintext(const struct cli_server *s, const struct net_addr *to);

/*
 * Milliseconds to wait for a greeting from there, 0: no less than usual. Where no TLS, or STARTTLS, is
 * expected, a server that waits for TLS says nothing; port 25 gets its time, since servers make strangers wait
 * there.
 */
int64_t cli_server_patience(const struct cli_server *s, const struct net_addr *to);

/* Of a server that went or was silent before it greeted: true, said and *code_r set, when it may be waiting for TLS. */
bool cli_server_mute(const struct cli_server *s, int *code_r);

/* What to say of a server that ended the session without a word. */
const char *cli_server_closed(const struct cli_server *s);

#endif
