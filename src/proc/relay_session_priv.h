/*
 * The inside of a session of the relay.
 *
 * relay_session.c  its life: jobs, routes, hops, connections
 * relay_way.c      which of its hosts it may go to
 * relay_talk.c     what it says over a connection: the engine's effects, content, results
 */
#ifndef PROC_RELAY_SESSION_PRIV_H
#define PROC_RELAY_SESSION_PRIV_H

#include "mime/mime_strip.h"
#include "proc/relay.h"
#include "proc/relay_times.h"

#define LEAD_MAX 64 /* octets of a field that is put before the content */

/* A failure of a hop. */
struct hop_failure {
	size_t hop;
	struct queue_attempt attempt;
	char text[256];
};

struct relay_session {
	struct list link;
	struct relay *relay;
	struct config_snapshot *config; /* as it was at the beginning */
	struct arena *arena;
	struct str destination;
	struct rs_route routed; /* the server that the administrator names for it, if any */
	bool callouts;          /* it carries those, and no messages */
	struct relay_times times;
	struct relay_route route;
	struct ipc_call way;        /* RS_WAY */
	bool asks;                  /* no answer is there yet */
	int64_t patience;           /* until then a callout asks again where there is no room */
	size_t from;                /* about the hosts of the hops from there on */
	bool tells;                 /* of the failure of the hop at hand */
	size_t asked[RS_HOSTS_MAX]; /* the first hop of each host that it was asked about */
	size_t hop;
	bool plain;     /* without TLS, since the handshake failed on this hop */
	bool unchunked; /* without BDAT, since it is not known on this hop */
	struct net_drive *drive;
	struct smtp_client *engine;
	struct smtp_client_config cfg;
	struct smtp_dialogue dialogue;
	bool busy;  /* the engine's pending effect is being carried out */
	bool idle;  /* it is READY, and there is no job */
	bool ready; /* the server was ready for a message */
	bool again; /* the kept connection ended: another one to the same hop */
	bool left;  /* it is ended by us, for we stop */

	/* What it is when nothing is said: LOST, or TIMEOUT or BRIEF once that time is over. */
	enum queue_problem silence;
	int64_t brief; /* until then the content must be asked for; INT64_MAX: as configured */
	unsigned messages;
	int64_t connected; /* when, by the clock that does not jump */
	int64_t carried;   /* the message that the connection had last; 0: none */
	uv_timer_t timer;  /* routing, connecting, idle */
	struct relay_job *job;
	struct ipc_call read;
	struct buf held; /* of the content, not yet taken by the engine */
	struct buf lead; /* what goes before it, likewise: no credit is for that */
	bool strips;     /* of the content goes what strip leaves */
	struct mime_strip strip;
	bool read_ended, read_failed;
	char tls[160];
	struct hop_failure last; /* of the hop at hand */
	struct hop_failure kept; /* of those before it, the one that counts */
	bool has_kept;
};

/* ---- relay_way.c ---- */

/*
 * Asks store which host of the hops from `from` on it may go to; told: the hop at hand has failed, which
 * store learns. One of what follows comes of it, not before this returns.
 */
void relay_way_ask(struct relay_session *s, size_t from, bool told);

/* ---- relay_session.c: the answers ---- */

/* A hop is passed over: how it failed last counts among the failures of this attempt. text: cut. */
void relay_session_pass(
    struct relay_session *s, size_t hop, const struct queue_attempt *attempt, struct str text);

/* Goes to a hop. */
void relay_session_go(struct relay_session *s, size_t hop);

/* Every hop was tried that may be: reports what is known. The session is gone. */
void relay_session_give_up(struct relay_session *s);

/* Store has the job again, or will: nothing is reported. The session is gone. */
void relay_session_let_go(struct relay_session *s);

/* ---- relay_talk.c ---- */

/* What the session knows of how the hop at hand failed. text: cut. */
void relay_talk_remember(
    struct relay_session *s, const struct queue_attempt *attempt, struct str text);

/* Reports the job as failed with what is remembered. */
void relay_talk_fail(struct relay_session *s);

/* What is left of the content does not matter any more. */
void relay_talk_stop_reading(struct relay_session *s);

/* The session has no job any more. */
void relay_talk_over(struct relay_session *s);

/* The engine is READY: gives it the job's message, or lets it quit. */
void relay_talk_give(struct relay_session *s);
void relay_talk_quit(struct relay_session *s);

/* Carries out the engine's effects (struct net_drive_engine). ctx: the session. */
void relay_talk_effects(void *ctx);

#endif
