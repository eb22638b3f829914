/*
 * What there is outside, and what is known of each recipient: the model that the program under test is
 * compared with. world.c makes it from the seed, host.c and dns.c bring it to life.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "base/ip.h"
#include "base/list.h"
#include "loop.h"
#include "queue/queue_schedule.h"

#define SIM_DOMAIN       "home.test" /* ours */
#define SIM_RELAY_DOMAIN "d1.test"   /* of SIM_X_DOWN_LONG: we are its backup MX */
#define SIM_USER         "user"      /* of a route with a login */
#define SIM_PASSWORD     "secret"
#define SIM_HOSTNAME     "mx.home.test"
#define SIM_HERE         "here.test" /* ours: whose mailboxes get scheduled mail */
#define SIM_FILLER       "this fills the mailbox"
#define SIM_DESTS_MAX    480
#define SIM_ALIASED      64 /* the first of them, to which aliases lead */
#define SIM_HOSTS_MAX    3  /* of a destination */
#define SIM_FAULTS       4
#define SIM_SENDERS      3
#define SIM_SHUT         3 /* one more, whose mailbox takes no reports for a while, or for good */
#define SIM_ALIASES      "a.test" /* "d3.a.test" is a domain of ours whose mail is sent on to d3.test */
#define SESSIONS_MAX     20       /* connections to one host */
#define CONNS_MAX        500      /* in all */
#define CONNS_SHARE      200      /* of them, for who never answered, or fails */
#define CONNS_KEPT       100      /* and for who has none */

/* Where in a session. */
enum sim_stage {
	SIM_GREETING,
	SIM_EHLO,
	SIM_HELO, /* and EHLO */
	SIM_STARTTLS,
	SIM_AUTH,
	SIM_RSET,
	SIM_MAIL,
	SIM_RCPT,
	SIM_DATA,
	SIM_BDAT,
	SIM_DOT,
	SIM_STAGES
};

enum sim_fault_kind {
	SIM_F_NONE,
	/* nobody can connect */
	SIM_F_REFUSE,
	SIM_F_NO_ANSWER,
	SIM_F_NO_ROUTE,
	SIM_F_RESET,
	/* at a stage */
	SIM_F_REPLY, /* text: the reply */
	SIM_F_DROP,
	SIM_F_HALF_CLOSE,
	SIM_F_SILENT,
	SIM_F_GARBAGE,
	SIM_F_TAKE_AND_DROP, /* behind the final dot: takes the message, then breaks off */
	/* all the time */
	SIM_F_TARPIT, /* a byte a minute */
	SIM_F_SLOW,
	SIM_F_GREYLIST,
	SIM_F_BUSY, /* more than `limit` connections are sent away */
	SIM_F_TLS,  /* the handshake fails */
};

/* From one time of clock_mono() to another; with a period: as long at the beginning of each. */
struct sim_fault {
	enum sim_fault_kind kind;
	enum sim_stage at;
	int64_t from, until, period;
	unsigned percent; /* of the occasions; 0: always */
	const char *text;
	unsigned limit;
};

struct sim_dest;

/* How many sessions our store allows, as it was last written: after an attempt at that time. */
struct sim_lesson {
	bool known;
	int64_t sessions, tried;
};

struct sim_host {
	char name[40];
	struct sim_dest *dest;
	struct ip ip[2]; /* v4, v6 */
	bool v6;
	unsigned preference;
	unsigned extensions; /* bits of enum smtp_extension (smtp/smtp_client.h) */
	unsigned rcpt_max;   /* 0: any number */
	size_t open, most;   /* sessions */
	int64_t tries, last_try;
	int64_t probes; /* tries while nobody gets through to it, by whichever address */
	int64_t phase, phase_tries; /* of one that comes and goes: while it is away this time */
	struct sim_lesson lesson;
	/* mono, the last time that our store has written what became of an attempt; that it answers */
	int64_t told, good;
};

enum sim_dns_kind {
	SIM_D_NONE,
	SIM_D_TIMEOUT,
	SIM_D_SERVFAIL,
	SIM_D_BOGUS,
	SIM_D_NXDOMAIN, /* a lie */
	SIM_D_NULL_MX,
	SIM_D_LOOPBACK,  /* a lie: its address is 127.0.0.1 */
	SIM_D_ELSEWHERE, /* a lie: the addresses of another destination */
	SIM_D_NO_AAAA,   /* no answer for AAAA alone */
};

struct sim_dns_fault {
	enum sim_dns_kind kind;
	int64_t from, until;
};

/* What a destination is an example of; what must come of its mail follows from it. */
enum sim_example {
	SIM_X_HEALTHY,
	SIM_X_DOWN_LONG,    /* 3 days 4 hours, then it is there again */
	SIM_X_DOWN_FOREVER, /* more than 6 days */
	SIM_X_DOWN_SHORT,   /* minutes to hours */
	SIM_X_GREYLIST,
	SIM_X_MANY, /* many messages, and it takes few connections */
	SIM_X_TARPIT,
	SIM_X_TROUBLE,  /* any faults */
	SIM_X_LIES,     /* its DNS says what is not so */
	SIM_X_BURST,    /* hundreds of messages at once that are all refused for now */
	SIM_X_FLAPPING, /* away for a while, there for a while */
	SIM_X_SLOW,     /* takes up to minutes for each answer */
	SIM_X_CROWD,    /* one of very many that are all slow */
	SIM_X_BACKED,   /* by another's host, and if that is down by one of its own */
	SIM_X_MOVED, /* by another's host, which never comes back, until its MX is changed for good */
	SIM_X_ROUTED,  /* by the host of a route of ours, whatever its MX */
	SIM_X_REFUSES, /* one command, all the time or for hours */
	SIM_X_HERE,    /* no server: mailboxes of ours */
	SIM_X_SILENT,  /* one of very many that do not answer, for hours */
};

/* What becomes of mail whose server refuses a command. */
enum sim_fate {
	SIM_TAKEN,    /* it goes without that command, at once */
	SIM_RETURNED, /* at once */
	SIM_LATER,    /* it waits for as long as that is refused */
};

#define SIM_REPLIES  64
#define SIM_HEARD    16               /* replies to one message */
#define SIM_LOST_MS  (3 * HOUR_MS)    /* so long the store believes in a relay that is lost */
#define SIM_LEASE_MS (62 * MINUTE_MS) /* within that its leases end, whatever the clock did */
#define SIM_WAITS    1100             /* seconds */

struct sim_dest {
	char name[32];
	enum sim_example example;
	struct sim_dest *server; /* by whose hosts it goes; NULL: by its own */
	struct sim_dest *old;    /* by whose hosts it went before it moved; NULL: it did not */
	struct sim_dest *apart;  /* its part for mail of one sender; NULL: it has none */
	struct sim_dest *of;     /* whose part it is; NULL: it is a domain */
	unsigned served;         /* by its hosts: other domains */
	struct sim_host hosts[SIM_HOSTS_MAX];
	size_t nhosts;
	bool no_mx;           /* the domain's own address */
	unsigned connections; /* as configured, with a schedule of its own; 0: as for all */
	struct sim_fault faults[SIM_FAULTS];
	size_t nfaults;
	struct sim_dns_fault dns[2];
	size_t ndns;
	int64_t up_at;      /* DOWN_..., MOVED and SIM_LATER: when it can be used again */
	enum sim_fate fate; /* REFUSES, ROUTED */
	bool login;         /* ROUTED: its host wants one */
	/* what happened */
	char replies[SIM_REPLIES][120]; /* that its hosts gave */
	size_t nreplies;
	const char *early[SIM_REPLIES]; /* those before any recipient was named; static */
	size_t nearly;
	int64_t leases;      /* attempts begun */
	int64_t probes;      /* of them: while nobody could get through */
	int64_t last_lease;  /* when */
	int64_t last_result; /* of one, when it was committed; by the wall clock */
	int64_t touched;     /* anything of it was committed: mono */
	struct sim_lesson lesson;
	struct list queued; /* of its recipients */
	int64_t waits;      /* so many */
	size_t sessions;    /* TCP connections to its hosts */
	unsigned
	    waited; /* recipients that were refused twice, and for how many seconds they then wait */
	uint16_t wait_of[SIM_WAITS];
};

/* What the recipient's server thinks of him, whatever else. */
enum sim_destiny {
	SIM_WELCOME,
	SIM_UNKNOWN, /* 550 */
	SIM_FULL,    /* 452, as long as it lasts */
};

enum sim_state {
	SIM_S_QUEUED,
	SIM_S_RELAYED,
	SIM_S_DELIVERED, /* into a mailbox here */
	SIM_S_BOUNCED,
	SIM_S_DISCARDED,
	SIM_STATES
};

/* Why nobody can know whether somebody has got a message: he may get it twice. */
enum sim_excuse {
	SIM_E_BROKE_OFF,
	SIM_E_RELAY_DIED,
	SIM_EXCUSES
};

/* In words. Static. */
const char *sim_excuse_text(enum sim_excuse why);

/* What explain has said: see explain.c. */
enum sim_next {
	SIM_N_UNKNOWN, /* nothing was said yet */
	SIM_N_UNDER_WAY,
	SIM_N_AT, /* at a time */
	SIM_N_NOW,
	SIM_N_SESSION, /* when one is free */
	SIM_N_PROBE,   /* when another has been answered */
	SIM_N_HOST,    /* when a mail server of his has answered another domain, and only then */
	SIM_N_NEVER,   /* no more attempts */
	SIM_N_ENDING,  /* it is being returned, or his report is made; or at again_at */
	SIM_N_HELD,
};

struct sim_claim {
	enum sim_next next;
	int64_t next_at; /* by the wall, as exactly as it was said: a minute, or a second */
	int64_t next_span;
	int64_t ends_at, ends_span; /* 0: nothing was said */
	int64_t warns_at, warns_span;
	int64_t again_at, again_span; /* when his report is tried again */
	int64_t made;                 /* mono */
	int64_t since;                /* mono: the next has been the same */
	int64_t earliest;             /* not before, by the wall, whatever else happens */
	bool wakes; /* earlier, should a mail server of his answer for another domain: */
	const struct sim_host *host; /* that one; NULL: any of them */
	bool follows;                /* likewise, with an attempt that is under way there */
	bool own;                    /* the next is at his own time */
	bool turn;    /* then he has his turn only: no server that is known is tried */
	bool if_able; /* the next only if it can be reached, or a connection is free */
	bool late;    /* its time ended while nothing ran */
};

struct sim_rcpt {
	struct list link;   /* of those in the queue */
	struct list beside; /* of those for his destination */
	int64_t place;      /* among all that ever came into it */
	char address[64];
	struct sim_dest *dest;
	enum sim_destiny destiny;
	int64_t message;
	int64_t number; /* of his row */
	int64_t first;  /* ... as it was first, and in the ledger */
	int sender;     /* of sim_senders; -1: the null reverse-path, or: */
	struct sim_rcpt
	    *stranger;       /* who wrote from elsewhere, by an alias of ours; NULL: nobody did */
	struct sim_rcpt *of; /* he is the stranger who wrote to that one */
	char path[80];       /* with which his server saw it first */
	int returned;        /* his server took it, and then sent a report to that path */
	unsigned notify;
	int64_t hold;          /* milliseconds from acceptance on: not to be sent before */
	bool by;               /* it is to be there by a time */
	enum queue_by by_kind; /* what its sender wants to happen else */
	int64_t by_in;         /* milliseconds from acceptance on */
	int64_t accepted;      /* mono */
	int64_t accepted_wall;
	int64_t jumped;  /* sim_jumped() then */
	int64_t shifted; /* sim_world.shifted then */
	enum sim_state state;
	int64_t ended;  /* mono */
	int64_t opened; /* mono: the store was, the last time before that */
	/* at his server */
	int64_t
	    promised; /* mono: since then explain had said that one of his servers would be tried ... */
	int64_t promised_by;    /* mono: ... by then; 0: nothing is left of it */
	int64_t seen;           /* RCPT, first; 0: never */
	int64_t refused_at;     /* the last time he was refused for now */
	int taken;              /* how often */
	int excused;            /* of these: those of which we could not know */
	enum sim_excuse excuse; /* the last of them */
	int64_t taken_at;
	const char *heard[SIM_HEARD]; /* what was said to his message when he was named; static */
	size_t nheard;
	/* what his sender was told */
	int told_delayed, told_failed, told_relayed, told_delivered, told_expanded;
	int told_postmaster;    /* that it failed, in the place of a sender who is no more */
	int64_t told_failed_at; /* by the wall */
	bool overtaken;         /* he was returned as the clock leapt over his end (leap.c) */
	bool touched;           /* by an administrator */
	int64_t released;       /* by one who had held him; 0: never */
	bool
	    tells; /* an alias of ours that leads to two mailboxes: a row of his only tells of it */
	int64_t room_at;   /* mono: his mailbox, that is full, has room again; INT64_MAX: not yet */
	bool unsure;       /* it is being changed at this moment, or nobody knows whether it was */
	int64_t over_at;   /* mono: what became of him is known, and there is to be a report; 0 */
	int64_t held;      /* for how long at most, all in all */
	int64_t held_wall; /* since when, by the wall */
	int64_t tried_wall; /* when he was refused last: the commit, by the wall */
	/* by the database, as last looked at */
	size_t index; /* in rcpts */
	uint32_t scan, claimed;
	bool written;
	int64_t token;
	int64_t leased, reported; /* mono: given to the relay, and back */
	struct sim_claim claim;
};

struct sim_world {
	struct sim_dest dests[SIM_DESTS_MAX];
	size_t ndests;
	struct sim_rcpt **rcpts;
	size_t nrcpts, room;
	struct list queued;         /* of rcpts */
	int64_t taken;              /* messages to recipients, in all */
	int64_t twice[SIM_EXCUSES]; /* of them again, excused */
	int64_t connections;        /* that hosts accepted */
	int64_t begin, end;         /* mono */
	int64_t down;               /* how long our own processes were not there, in all */
	int64_t down_since;         /* one of them is not there; 0: all are */
	int64_t last_start;         /* one of them came back */
	int64_t lost_at;            /* a relay was, and the store did not learn of it; 0: never */
	int64_t shifted;            /* by how much the clock has jumped, there and back */
	int64_t opened;             /* the store was: mono, the last time */
	int64_t deaths;             /* of processes of ours */
	bool jumps;                 /* the clock jumps in this seed */
	bool kills;
	int64_t touches; /* of an administrator */
	int64_t touched; /* the last of them: mono */
	int64_t moved;   /* what waits, along with a clock that was set back: mono, the last time */
	bool crowded;    /* there are so many that all connections are in use at once */
};

extern struct sim_world sim_world;

/* The local parts of their addresses, SIM_SENDERS and SIM_SHUT. */
extern const char *const sim_senders[];

/* Makes the world of a seed: destinations, their faults. */
void sim_world_make(void);

/* What it is made of; a host is made behind its destination. */
struct sim_dest *sim_dest_add(enum sim_example example);
void sim_host_make(struct sim_dest *d, size_t number);
void sim_fault_add(struct sim_dest *d, struct sim_fault f);

/* A new recipient in it. */
struct sim_rcpt *sim_rcpt_new(struct sim_dest *dest);
struct sim_rcpt *sim_rcpt_find(struct str address);

/* A server of his has said it in an attempt that had him, or before it knew of anybody. */
bool sim_rcpt_heard(const struct sim_rcpt *r, struct str words);

struct sim_dest *sim_dest_find(struct str name);
struct sim_host *sim_host_find(struct str name);

/* The fault that is in force at a stage: NULL for none. */
const struct sim_fault *sim_fault_at(const struct sim_dest *d, enum sim_stage stage);
enum sim_dns_kind sim_dns_fault_now(const struct sim_dest *d);

/* Whose hosts it goes by first, of what there is of it outside. */
static inline struct sim_dest *sim_server_of(struct sim_dest *d)
{
	return d->server ? d->server : d;
}

/* That one, or the one of which it is a part. */
static inline struct sim_dest *sim_dest_domain(struct sim_dest *d)
{
	return d->of ? d->of : d;
}

/* It goes, or once went, by the hosts of that one. */
bool sim_dest_uses(const struct sim_dest *d, const struct sim_dest *server);

/* Of all these hosts the one of that number; NULL: there are no more. */
const struct sim_host *sim_dest_host(const struct sim_dest *d, size_t number);

/* Whatever is wrong with it keeps no mail. */
static inline bool sim_dest_is_well(const struct sim_dest *d)
{
	bool has_fate = d->example == SIM_X_REFUSES || d->example == SIM_X_ROUTED;

	return d->example == SIM_X_HEALTHY || (has_fate && d->fate == SIM_TAKEN);
}

/* Nobody gets through to it at all. */
bool sim_dest_is_down(const struct sim_dest *d);

/* ---- dns.c ---- */

/* The resolver's side of a link to a relay. */
void sim_resolver_link(int fd);

#endif
