/* What the files of the supervisor share: its state, and what each of them does for the others. */
#ifndef PROC_SUPERVISOR_PRIV_H
#define PROC_SUPERVISOR_PRIV_H

#include "config/config.h"
#include "ipc/super_child.h"
#include "proc/log.h"
#include "proc/own_watch.h"
#include "proc/spawn.h"
#include "proc/watchdog.h"
#include "store/datadir.h"

#define SUPERVISOR_CHILDREN     132                   /* 64 fronts of each kind, and the others */
#define SUPERVISOR_LISTENERS    (LIMIT_LISTENERS + 2) /* and two Unix sockets */
#define SUPERVISOR_ADMIN_SOCKET DATADIR_RUN "/admin.sock"
#define SUPERVISOR_LOCAL_SOCKET DATADIR_RUN "/sendmail.sock"

/* What each role is given. */
struct supervisor_role {
	bool listens; /* sockets, and the keys for TLS on them */
	bool asks_store;
	bool asks_resolver;
	bool knows_own; /* the addresses of this server: who is no other */
	bool ends_late; /* when a server stops: after those who need it */
};

extern const struct supervisor_role supervisor_roles[SC_ROLES];

struct supervisor_listener {
	int fd;
	uint8_t kind; /* enum fs_listener, or SC_LISTENER_ADMIN */
	enum sc_role role;
};

struct supervisor {
	uv_loop_t *loop;
	char *dir;
	struct config_snapshot *config;
	struct config_snapshot *started; /* that of the start, as which it listens */
	struct buf certificate, key, tickets;
	struct spawn store;
	struct spawn children[SUPERVISOR_CHILDREN]; /* all but store */
	size_t child_count;
	struct supervisor_listener listeners[SUPERVISOR_LISTENERS];
	size_t listener_count;
	uint16_t next_node;
	bool bound; /* all listeners are ours */
	bool up;    /* the first start was completed */
	bool stopping;
	int64_t stop_asked; /* monotonic */
	int status;         /* exit code */
	uv_signal_t on_term, on_int, on_hup;
	uv_timer_t retry, deadline, rotate, watch;
	struct watchdog watchdog;
	struct own_watch own;
	bool retrying;
};

/* ---- supervisor.c ---- */

/* Does whatever the state asks for next: starts what is missing, or stops what runs. */
void supervisor_advance(struct supervisor *sv);

/* Logs why this server cannot serve, and begins to stop with that exit code. */
void supervisor_fatal(struct supervisor *sv, int status, const char *text);

/* ---- supervisor_config.c ---- */

/* Reads configuration, certificate and key anew. 0, or -1 with *e set: what was there stays. */
int supervisor_config_load(struct supervisor *sv, struct err *e);

/* Tells a child its configuration and keys: type is SC_START or SC_CONFIG. */
void supervisor_config_tell(struct supervisor *sv, struct spawn *s, uint16_t type);
void supervisor_config_tell_all(struct supervisor *sv);

/* Tells a child whose role knows them which addresses are this machine's own. */
void supervisor_config_tell_own(struct supervisor *sv, struct spawn *s);

/* Tells all of these; for own_watch_init(). */
void supervisor_config_own_changed(struct own_watch *own);

/* ---- supervisor_listen.c ---- */

/* Binds all that the configuration names, and the local sockets. 0, or -1 with *e set. */
int supervisor_listen_bind(struct supervisor *sv, struct err *e);

/* Nobody shall wait in the queue of a socket that nobody will accept from. */
void supervisor_listen_close(struct supervisor *sv);

/* Hands a child copies of the sockets that are its role's. */
void supervisor_listen_give(struct supervisor *sv, struct spawn *s);

/* ---- supervisor_child.c ---- */

/* Starts a child and gives it what its role needs; a failure is logged and tried again later. */
void supervisor_child_start(struct supervisor *sv, struct spawn *s);

/* Begins a line of the log about a child: its role, process number and node. */
void supervisor_child_log(enum log_level level, const char *event, const struct spawn *s);

/* ---- supervisor_watch.c ---- */

/* Begins to look whether the children answer; goes on by itself. */
void supervisor_watch_start(struct supervisor *sv);

#endif
