/*
 * A client engine's connection: tries the server's addresses in turn, does implicit TLS first, drives
 * the engine to its end. One connection, one loop, one thread.
 */
#ifndef CLI_CLI_DIAL_H
#define CLI_CLI_DIAL_H

#include "cli/cli_server.h"
#include "net/net_drive.h"

struct cli_dial {
	uv_loop_t loop;
	const struct cli_server *server;
	const struct net_addr *to; /* the address at hand */
	struct net_drive *drive;   /* while there is a connection */
	const struct net_drive_engine *engine;
	void *ctx;
	bool tls;     /* TLS is active */
	bool started; /* the engine is driven */
	void (*begin)(void *ctx);
	int failed; /* exit code when the connection ended badly, for the reason in why; else 0 */
	struct err why;
};

/*
 * Connects and runs until the connection is over. engine: its connected, secured and closed must be
 * cli_dial's below (called with &ctx->dial). begin: makes the engine, once the connection stands and
 * implicit TLS is active; it is driven from then on.
 */
void cli_dial_run(struct cli_dial *d, const struct cli_server *server,
    const struct net_drive_engine *engine, void *ctx, void (*begin)(void *ctx));

/* Starts the TLS that an engine's STARTTLS asks for. */
void cli_dial_start_tls(struct cli_dial *d);

/* For the callbacks of the same names. _secured: true when it was the engine's TLS that ended. */
void cli_dial_connected(struct cli_dial *d);
bool cli_dial_secured(struct cli_dial *d, const struct net_tls_info *info);
void cli_dial_closed(struct cli_dial *d, enum net_end end, const char *why);

#endif
