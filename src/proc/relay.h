/*
 * Inside of the relay process: what its files share. It takes jobs from store, each a message for one
 * destination under a lease, speaks SMTP to the destination's servers, and reports. It has no files;
 * names are the resolver's business.
 */
#ifndef PROC_RELAY_H
#define PROC_RELAY_H

#include <uv.h>

#include "config/config.h"
#include "dns/dns.h"
#include "ipc/relay_resolver.h"
#include "ipc/relay_store.h"
#include "ipc/super_child.h"
#include "net/net_drive.h"
#include "proc/child.h"
#include "proc/own_list.h"
#include "queue/queue_mx.h"
#include "smtp/smtp_client.h"

#define RELAY_JOBS_MAX RS_JOBS_MAX

struct relay {
	uv_loop_t *loop;
	struct config_snapshot *config; /* sessions keep that of their beginning */
	struct tls_ctx *tls;            /* a client's */
	struct peer *store, *resolver;
	int64_t
	    no_lookups; /* monotonic: from then on nothing waits for a resolver that is not there */
	int64_t owner;  /* of our leases */
	struct ipc_call lease; /* the long poll for jobs */
	struct list sessions;
	struct list jobs; /* of struct relay_job: all that is held under a lease */
	size_t job_count;
	struct list callouts; /* of them too: questions whether a recipient is taken */
	size_t callout_count;
	struct list results; /* of them: reports that wait for store */
	uv_timer_t tend;
	int64_t extended; /* when the leases were; clock_boot(), for they expire by the wall */
	struct own_list own;
	bool draining;
	int64_t drained; /* since when, monotonic */
};

/* ---- relay.c ---- */

/* An empty one; and what it does when it starts and at the supervisor's events: its ctx is the relay. */
void relay_init(struct relay *r, uv_loop_t *loop);
extern const struct child_role relay_role;

/* The link to another process, or NULL while there is none: also while its calls are being ended. */
static inline struct ipc_link *relay_link(const struct peer *peer)
{
	return peer ? peer->link : NULL;
}

/*
 * One job: the message, its recipients, what became of them; or a callout, which has one recipient and no content;
 * its number is the token of its lease.
 */
struct relay_job {
	struct list link;   /* in relay's jobs, or its callouts */
	struct list result; /* in relay's results, once it is to be reported */
	struct relay *relay;
	int64_t callout;     /* its number; 0: it is a message */
	bool forgotten;      /* the store that asked is gone, and nobody waits for it */
	struct arena *arena; /* of all below */
	struct rs_job job;
	struct rs_recipient *recipients;
	struct smtp_client_rcpt *rcpts;
	struct smtp_client_message message;
	struct buf report;    /* encoded RS_RESULT */
	struct ipc_call call; /* RS_RESULT */
};

/* Where mail of a job goes: filled by relay_route_start(). */
struct relay_hop {
	struct net_addr addr;
	struct str host;  /* its name; empty: none */
	struct str place; /* what store counts it as */
	uint8_t level;    /* how many of the hosts have a better preference */
};

struct relay_route {
	struct relay *relay;
	struct arena *arena;
	struct ipc_call call;
	struct rr_lookup lookup; /* the one at hand */
	void (*answered)(struct relay_route *route, const struct dns_result *result);
	bool waits; /* for the next resolver, to ask it anew */
	int lost;   /* resolvers that ended while they were asked */
	struct str domain;
	uint16_t port;
	bool usual;             /* ... which is the one that others have too */
	struct str asks;        /* what else is behind the name of a hop's place */
	struct queue_self self; /* which addresses are no targets; they are in the arena */
	uint64_t seed;
	struct queue_mx_hosts hosts;
	size_t host;                                    /* whose addresses are being looked up */
	size_t first[LIMIT_QUEUE_HOSTS];                /* the hop at which each host's begin */
	struct dns_answer found[2 * LIMIT_DNS_ANSWERS]; /* of that host */
	size_t nfound;
	bool unanswered; /* a lookup for that host gave no answer for now */
	bool named;      /* its CNAMEs end at a name of ours */
	size_t
	    trouble; /* the first host of which no address is known for that; see relay_route_trouble() */
	struct relay_hop hops[LIMIT_QUEUE_ADDRESSES];
	size_t nhops;
	struct queue_mx_addresses addresses;
	void (*done)(struct relay_route *route, enum queue_problem problem, struct str text);
};

/* ---- relay_route.c ---- */

/*
 * Finds the hops; done() is called, perhaps before this returns. job: borrowed until this returns.
 * config: borrowed until relay_route_fini().
 */
void relay_route_start(struct relay_route *route, struct relay *relay,
    const struct config_snapshot *config, const struct rs_job *job,
    void (*done)(struct relay_route *, enum queue_problem, struct str));

/*
 * A host whose addresses nobody could tell for now, so that it is not among the hops: mail may go to it
 * later. Empty: there is none. Valid in done() and as long as the route.
 */
struct str relay_route_trouble(const struct relay_route *route);

/* There is another resolver: a lookup that the one before took along is asked again. */
void relay_route_again(struct relay_route *route);

/* There has been no resolver for too long: if it waits for one, done() is called. */
void relay_route_without(struct relay_route *route);

/*
 * The resolver has been silent for too long about a route that is under way: done() is called. brief: for one that had
 * little time.
 */
void relay_route_give_up(struct relay_route *route, bool brief);

/* Ends a route that is under way, and frees its memory. */
void relay_route_fini(struct relay_route *route);

/* ---- relay_session.c ---- */

/* Takes a job: a session that is idle at its destination goes on with it, or a new one begins. */
void relay_session_take(struct relay *relay, struct relay_job *job);

/* There is another store: callouts that the one before asked for end without an answer. */
void relay_session_forget_callouts(struct relay *relay);

/* There is another resolver: those that look for their way go on. */
void relay_session_routes_again(struct relay *relay);

/* There is none, and has been none for too long: those that wait for it end. */
void relay_session_routes_without(struct relay *relay);

/* Ends sessions that are idle or ask; the others end after their message. */
void relay_session_drain(struct relay *relay);

/*
 * From time to time after that: a session in which nothing moves before its content is left for the next start, and
 * whatever is there still when the supervisor will not wait much longer. Store hears of those alone whose message
 * may be delivered, or was refused to somebody: an attempt that left nothing behind is none.
 */
void relay_session_drain_rest(struct relay *relay);

/* ---- relay_way.c ---- */

/* The link to store is another one: what the old one did not answer is asked again. */
void relay_way_again(struct relay *relay);

/* ---- relay_attempt.c: pure ---- */

/*
 * The verdict of the engine in the queue's terms. accepted: recipients before this one that were taken; silence: what
 * it is where the server did not say anything.
 */
struct queue_attempt relay_attempt_of(
    const struct smtp_verdict *verdict, size_t accepted, enum queue_problem silence);

/*
 * Of two failures of a destination's hosts, does the one at another host outweigh this one? What is
 * only for now outweighs what is for good: the other host may take the message tomorrow. Then one that
 * broke off in the middle outweighs one that was not there: the destination works, for other messages.
 */
bool relay_attempt_outweighs(const struct queue_attempt *other, const struct queue_attempt *this);

/* Does it say no more than that a connection which was kept open has come to its end? */
bool relay_attempt_is_unheard(const struct queue_attempt *attempt);

/*
 * Did the session break off without a word about this recipient, and before the message can have been
 * taken? Then the next host may have it at once, and it is not sent twice. [RFC 5321 5.1]
 */
bool relay_attempt_is_open(const struct smtp_verdict *verdict);

/* ---- relay_job.c ---- */

/* A copy of a job as store gave it. NULL: it cannot be sent, and that has been reported. */
struct relay_job *relay_job_new(struct relay *relay, const struct rs_job *job);

/* Answers a callout: asks the domain's server, whose words go back to store. */
void relay_job_callout(struct relay *relay, const struct rs_callout *callout);

/* The message is about to be sent: how much of the time that its sender set is left. */
void relay_job_set_time(struct relay_job *job);

/* Keeps the leases of all jobs, those that wait for store to take their report too. */
void relay_job_extend(struct relay *relay);

/* Forgets a job without a report: its lease ends with the link, and another relay has it. */
void relay_job_abandon(struct relay_job *job);

/* What a session knows of the other side. */
struct relay_remote {
	struct str name;
	struct ip ip;
	struct str tls;
	bool dsn, by;
	struct str dialogue;
};

/* Reports one outcome for all recipients, or one for each (count of them), and frees the job when store
 * has it. */
void relay_job_fail(struct relay_job *job, const struct relay_remote *remote,
    const struct queue_attempt *attempt, struct str text);
void relay_job_report(struct relay_job *job, const struct relay_remote *remote,
    const struct rs_outcome *outcomes, size_t count);

/* The link to store is another one: what was asked on the old one is not answered any more. */
void relay_job_forget_link(struct relay *relay);

/* Says reports again that store did not get. */
void relay_job_resend(struct relay *relay);

/* Asks store for more jobs, if there is room. */
void relay_want_jobs(struct relay *relay);

#endif
