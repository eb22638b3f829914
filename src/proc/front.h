/*
 * Inside of a front process: what its files share. A front accepts connections, runs the protocol
 * engines, and asks store for everything that matters; it has no files and makes no connections.
 */
#ifndef PROC_FRONT_H
#define PROC_FRONT_H

#include <uv.h>

#include "base/id.h"
#include "config/config.h"
#include "ipc/front_store.h"
#include "ipc/super_child.h"
#include "net/net_drive.h"
#include "net/net_listen.h"
#include "net/tls.h"
#include "pop3/pop3_server.h"
#include "proc/own_list.h"
#include "proc/peer.h"
#include "smtp/smtp_server.h"

struct front;
struct front_session;

/*
 * One numbered configuration as sessions use it. A session keeps the one it began with; the last
 * one that leaves frees it.
 */
struct front_config {
	unsigned refs;
	struct config_snapshot *snapshot;
	struct tls_ctx *tls;
	struct smtp_server_config smtp[FS_LISTENERS]; /* of the SMTP listeners */
	struct pop3_server_config pop3;
};

/* What a protocol adds to a session. */
struct front_protocol {
	const struct net_drive_engine *engine; /* ctx is the session */
	const char *alpn;

	/* The connection is ready for its first octet: make the engine. */
	void (*start)(struct front_session *s, bool tls, int64_t now);

	/* The answer to front_admit(); NULL: store is away. In a call of front_admit() or in a turn of its own. */
	void (*admitted)(struct front_session *s, const struct fs_admit_reply *reply);

	/* STARTTLS is done. */
	void (*secured)(struct front_session *s);

	/* The session cannot go on before store has answered or taken something. */
	bool (*waits)(const struct front_session *s);

	/* Ends what it waits for as though store had gone. */
	void (*lose)(struct front_session *s);

	/* There is a store again. NULL: nothing is asked of it that another was asked. */
	void (*store_back)(struct front_session *s);

	/* Adds to a line of the log which message it is about, if any. NULL: the front does not know. */
	void (*log_message)(const struct front_session *s);

	/* It ends: the server goes down; there is no store for it; its login is over. */
	void (*shutdown)(struct front_session *s);
	void (*no_store)(struct front_session *s);
	void (*logout)(struct front_session *s);

	/* Why the engine has ended the session, for the log; empty: it has not, or without a word. */
	struct str (*end_reason)(const struct front_session *s);

	/* The connection is over: drop every call and all memory but the session itself. */
	void (*end)(struct front_session *s);
};

/* What store said of a connection: kept from before the handshake until the engine asks. */
struct front_admission {
	bool asked; /* store may count it until FS_LEAVE */
	bool known;
	bool away;     /* there was no store to say it */
	bool refusing; /* counted in the front's refusals */
	enum fs_verdict verdict;
	struct fs_handle handle;
	struct buf text;
};

struct front_session {
	struct list link; /* in the front's list */
	struct front *front;
	struct front_config *config;
	const struct front_protocol *protocol;
	enum fs_listener listener;
	uint32_t number; /* names the session to store */
	struct front_admission admission;
	struct ip ip;
	uint16_t port;
	struct ip own;           /* the address of ours that it was made to; zeros: a Unix socket */
	int64_t began;           /* monotonic */
	int fd;                  /* as accepted; the drive's from then on */
	struct net_drive *drive; /* NULL while a TLS connection waits for store to admit it */
	bool started;            /* the engine exists */
	bool busy;               /* the engine's pending effect is being carried out */
	int64_t heard; /* when store last gave it something, or was asked for it; monotonic */
	struct fs_handle handle;
	struct ipc_call call; /* the request behind the pending effect */
	union {
		struct front_smtp *smtp;
		struct front_pop3 *pop3;
	} u;
};

struct front {
	uv_loop_t *loop;
	enum sc_role role;
	struct id_maker ids;
	struct front_config *config;
	struct peer *store;  /* NULL while store is away; without a link while that ends */
	uv_timer_t patience; /* looks for sessions that store keeps waiting */
	struct own_list own;
	struct list acceptors; /* of struct front_acceptor */
	struct list sessions;
	size_t session_count;
	uint32_t next_number;
	size_t refusals;  /* handshakes under way of those who are refused behind them */
	size_t envelopes; /* bytes of recipients held in this process: at most LIMIT_ENVELOPES */
	size_t
	    gathered; /* bytes of messages held in this process: at most the option limits.gather */
	bool draining;
};

extern const struct front_protocol front_smtp_protocol;
extern const struct front_protocol front_pop3_protocol;

/* Milliseconds of the clock that the engines are given. */
int64_t front_now(void);

/*
 * Sends a request for the session's pending effect; fd: -1 or handed over. False when store is away:
 * nothing was sent and fd is closed.
 */
bool front_ask(
    struct front_session *s, struct ipc_call *call, uint16_t type, struct buf *payload, int fd);

/* Store is here, and the link to it is open. */
bool front_has_store(const struct front *f);

/* Store gave the session something: its time to answer begins anew. */
void front_heard(struct front_session *s);

/* Tells store something that needs no answer. */
void front_tell(struct front *f, uint16_t type, struct buf *payload);

/* ---- front_admit.c: whether a connection is welcome ---- */

/* For a connection that begins with TLS: asks store, then starts TLS, or closes. May free the session. */
void front_admit_first(struct front_session *s);

/* Gives the protocol what store says, or has said before the handshake. */
void front_admit(struct front_session *s);

/* The handshake is over; store went, what it has said is void; the connection is over. */
void front_admission_told(struct front_session *s);
void front_admission_void(struct front_session *s);
void front_admission_fini(struct front_session *s);

/* Asks store to check a password. False also when a part of it is longer than anybody's. */
bool front_ask_auth(struct front_session *s, struct str mechanism, struct str authzid,
    struct str authcid, struct str password);

/* May this client log in without TLS? */
bool front_plaintext_auth(const struct front_session *s);

/* For every protocol's net_drive_engine. ctx: the session. */
void front_on_secured(void *ctx, const struct net_tls_info *info);
void front_on_closed(void *ctx, enum net_end end, const char *why);

/* Asks for TLS with the session's certificate. */
void front_start_tls(struct front_session *s);

/* The same as the first thing on a connection. It, and front_drop(), may free the session. */
void front_open_tls(struct front_session *s);

/* Ends a session that has not started. */
void front_drop(struct front_session *s);

/* Logs a line about the session: begin, add keys, log_close(). */
void front_log(const struct front_session *s, int level, const char *event);

/* Logs how a login went; user: the name that was given. */
void front_log_login(
    const struct front_session *s, struct str user, const struct fs_auth_reply *reply);

#endif
