/*
 * The edge between a relay and store. The relay asks for jobs and holds each under a lease: (message,
 * token), of the owner that the relay named when the link began. What it reports counts only while the
 * lease is its own; a relay that is taken over reaches no other mail than what it was given.
 *
 * A job is one message to one destination. Its recipients are done with in one transaction, whose
 * result ends the lease. When a link goes down, the leases of its owner are free at once, unless store
 * itself went: a relay that greets again with the same owner keeps them.
 */
#ifndef IPC_RELAY_STORE_H
#define IPC_RELAY_STORE_H

#include "base/clock.h"
#include "base/cur.h"
#include "base/ip.h"
#include "base/limits.h"
#include "ipc/link.h"
#include "queue/queue_result.h"
#include "queue/queue_wish.h"

enum rs_type {
	RS_HELLO, /* event: who I am; the first on each link, an EXTEND for each lease I hold behind it */
	RS_LEASE,   /* jobs, please: replied when there are some, or when it is cancelled */
	RS_READ,    /* the content of a job's message, streamed down */
	RS_EXTEND,  /* event: the transaction goes on, the lease may not end yet */
	RS_RESULT,  /* what became of a job: replied once that is durable */
	RS_CALLOUT, /* event of store: would the server of a domain take a recipient? */
	RS_CALLED,  /* event: what it said */
	RS_WAY, /* which of its hosts a job or a callout may go to: asked before a connection is opened */
	RS_TYPES
};

extern const struct ipc_edge rs_edge;

/* A lease lives this long; extended in time (at half of it), as long as is needed. */
#define RS_LEASE_MS (30 * MINUTE_MS)

#define RS_RECIPIENTS_MAX 100       /* of one job */
#define RS_JOBS_MAX       500       /* under way in one relay */
#define RS_ROOM_MAX       1000      /* jobs asked for at once */
#define RS_GIVE_MAX       50        /* jobs in one reply: others want to commit too */
#define RS_TEXT_MAX       (4 * KIB) /* one reply of another server */
#define RS_DIALOGUE_MAX   (64 * KIB)
#define RS_CALLOUTS_MAX   100 /* under way in one relay */

/* What a host counts as: its name, its port, what a route asks for; see queue_routing_server(). */
#define RS_PLACE_MAX (LIMIT_SMTP_DOMAIN + LIMIT_USER_NAME + 16)

struct rs_lease {
	int64_t message; /* 0, only in RS_WAY: a callout */
	int64_t token;   /* never used again */
};

/* ---- RS_LEASE ---- */

#define RS_ROUTE_TLS_WORDS 4 /* of enum config_route_tls */

/* A server to use in place of the destination's MX. */
struct rs_route {
	struct str host; /* name, or address without brackets; empty: there is none */
	uint16_t port;
	uint8_t tls;               /* enum config_route_tls (config/config.h), without a host too */
	struct str user, password; /* to log in with; empty: not */
};

struct rs_job {
	struct rs_lease lease;
	/* domain in A-label form, lower case, or a literal "[...]"; " via " and a host may follow */
	struct str destination;
	struct rs_route route;
	/* at which it counts already: an open connection to it needs no RS_WAY; empty: none is known */
	struct str host;
	struct str reverse_path; /* as in an SMTP path, without <>; empty: null */
	bool eightbit;           /* the content has 8-bit octets */
	bool utf8;               /* its header needs SMTPUTF8 */
	uint8_t ret;             /* enum smtp_ret */
	int8_t priority;         /* MT-PRIORITY */
	bool has_priority;       /* it was said, be it 0 */
	uint8_t by;              /* enum queue_by; of BY */
	int64_t by_time;         /* wall clock, milliseconds */
	bool by_trace;
	struct str envid;         /* decoded; empty: none */
	uint64_t size;            /* octets of the content */
	uint32_t attempts;        /* failures before this one, of host or recipient: for the log */
	bool brief;               /* who is silent is not waited for */
	uint32_t recipient_count; /* 1 to RS_RECIPIENTS_MAX */
	struct str recipients;    /* encoded, read by rs_recipient_next() */
};

struct rs_recipient {
	uint32_t number;    /* names him in the result */
	struct str address; /* as in an SMTP path, without <> */
	uint8_t notify;     /* bits of enum smtp_notify; 0: not given */
	struct str orcpt;   /* "rfc822;address", decoded; empty: none */
};

/* ---- RS_WAY ---- */

#define RS_HOSTS_MAX LIMIT_QUEUE_HOSTS

struct rs_host {
	struct str name; /* what it counts as */
	uint8_t level;   /* how many of the hosts have a better preference */
};

/* A failure of the host that was gone to is told with the question about those behind it. */
struct rs_way {
	struct rs_lease lease;
	struct str failed;            /* empty: none was gone to yet */
	struct queue_attempt attempt; /* how it failed */
	struct str text;              /* of the reply, or more about the problem */
	uint32_t count;               /* 0 (only behind a failure) to RS_HOSTS_MAX */
	struct str hosts;             /* encoded, read by rs_host_next() */
};

enum rs_way_verdict {
	RS_WAY_GO,    /* to the chosen one */
	RS_WAY_WAIT,  /* to none now: the lease has ended, store gives the job out again */
	RS_WAY_NONE,  /* to none of those that are left: the result is what failed before */
	RS_WAY_STALE, /* the lease is not the asker's (any more) */
	RS_WAY_LATER, /* store cannot tell now: as RS_TEMPORARY */
	RS_WAY_SOON,  /* of a callout: to none now, and it is to be asked again soon */
	RS_WAY_VERDICTS
};

struct rs_way_answer {
	enum rs_way_verdict verdict;
	uint8_t chosen; /* GO: of the hosts that were asked about */
	/*
	 * GO, NONE: one of the hosts was passed over, which may take the message tomorrow: what is known of
	 * it counts as though it had been tried.
	 */
	bool passes;
	uint8_t passed;               /* of the hosts that were asked about */
	struct queue_attempt attempt; /* how it failed last */
	struct str text;
};

/* ---- RS_READ: the chunks are the content as it was accepted, lines with CRLF, not stuffed ---- */

enum rs_verdict {
	RS_DONE,
	RS_STALE,     /* the lease is not the asker's (any more): nothing was changed */
	RS_TEMPORARY, /* store cannot do it now: READ: break off and report QUEUE_PROBLEM_LOCAL;
	               * RESULT: keep it and say it again */
	RS_CLOSED,    /* RESULT: nothing can be stored before a restart: the same, but a relay
	               * that is to end need not wait for it */
	RS_VERDICTS
};

/* ---- RS_RESULT ---- */

struct rs_result {
	struct rs_lease lease;
	struct str remote_name; /* of the server that was spoken to last; empty: none */
	struct ip remote_ip;    /* all zero: none */
	struct str tls; /* "TLSv1.3 TLS_AES_256_GCM_SHA384, certificate not checked"; or empty */
	bool dsn;       /* the server took NOTIFY and ORCPT on [RFC 3461 5.2] */
	bool by;        /* the server took BY on [RFC 2852] */
	uint32_t count; /* 1 to RS_RECIPIENTS_MAX */
	struct str outcomes; /* encoded, read by rs_outcome_next() */
	struct str dialogue; /* the SMTP dialogue, without secrets and content; empty: none */
};

/* A recipient that a result leaves out was not tried: he is free again. */
struct rs_outcome {
	uint32_t number;
	struct queue_attempt attempt;
	struct str text; /* of the server's reply, or more about the problem; may hold anything */
};

/*
 * ---- RS_CALLOUT and RS_CALLED: MAIL FROM:<>, RCPT TO and no content, over the destination's usual way.
 * What is under way when the link goes down is forgotten. ----
 */

struct rs_callout {
	int64_t number; /* above 0; names it in the answer, and as a lease of message 0 in RS_WAY */
	struct str destination;
	struct rs_route route;
	struct str address; /* as in an SMTP path, without <> */
};

struct rs_called {
	int64_t number;
	struct queue_attempt attempt;
	struct str text; /* as of an outcome */
};

/*
 * Writers and readers. A reader gives false for anything malformed and leaves *_r untouched; strings
 * in what it gives point into the payload. Texts are cut at their maximum by the writer.
 */
void rs_hello_put(
    struct buf *b, int64_t owner); /* random, above 0, the same for one process's life */
bool rs_hello_get(struct str payload, int64_t *owner_r);
void rs_lease_put(struct buf *b, uint32_t room); /* RS_LEASE: how many jobs, 1 to RS_ROOM_MAX */
bool rs_lease_get(struct str payload, uint32_t *room_r);
void rs_job_put(struct buf *b, const struct rs_job *job);
bool rs_job_next(struct cur *jobs, struct rs_job *job_r); /* the reply of RS_LEASE: any number */
void rs_recipient_put(struct buf *b, const struct rs_recipient *r);
bool rs_recipient_next(struct cur *recipients, struct rs_recipient *r_r);
void rs_handle_put(struct buf *b, const struct rs_lease *lease); /* RS_READ, RS_EXTEND */
bool rs_handle_get(struct str payload, struct rs_lease *lease_r);
void rs_host_put(struct buf *b, const struct rs_host *h);
bool rs_host_next(struct cur *hosts, struct rs_host *h_r);
void rs_way_put(struct buf *b, const struct rs_way *w);
bool rs_way_get(struct str payload, struct rs_way *w_r);
void rs_way_answer_put(struct buf *b, const struct rs_way_answer *a); /* the reply of RS_WAY */
bool rs_way_answer_get(struct str payload, struct rs_way_answer *a_r);
void rs_outcome_put(struct buf *b, const struct rs_outcome *o);
bool rs_outcome_next(struct cur *outcomes, struct rs_outcome *o_r);
void rs_result_put(struct buf *b, const struct rs_result *r);
bool rs_result_get(struct str payload, struct rs_result *r_r);
bool rs_result_lease(struct str payload, struct rs_lease *lease_r); /* whatever the rest is */
void rs_callout_put(struct buf *b, const struct rs_callout *m);
bool rs_callout_get(struct str payload, struct rs_callout *m_r);
void rs_called_put(struct buf *b, const struct rs_called *m);
bool rs_called_get(struct str payload, struct rs_called *m_r);
bool rs_called_number(struct str payload, int64_t *number_r); /* whatever the rest is */
void rs_verdict_put(struct buf *b, enum rs_verdict v);        /* replies of RS_READ and RS_RESULT */
bool rs_verdict_get(struct str payload, enum rs_verdict *v_r);

#endif
