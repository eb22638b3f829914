/*
 * The load generator: many connections that each play a client's dialogue over and over, shared among threads
 * that each have an epoll and counters of their own. This part opens, moves bytes, counts and measures; what is
 * said is a protocol's (load_smtp.c, load_pop3.c).
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "base/buf.h"
#include "base/err.h"
#include "base/line.h"
#include "bench/samples.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define LOAD_ERRORS_MAX 1000 /* more, and the run is given up */

struct load_settings {
	struct sockaddr_in to;
	uint64_t connections; /* at a time */
	uint64_t threads;     /* at most as many as connections */
	uint64_t messages;    /* of one SMTP connection */
	uint64_t total;       /* units of work in all; 0: until the time is over */
	uint64_t seconds;     /* after these no unit is begun; 0: until the total is reached */
	uint64_t size;        /* octets of a message */
	uint64_t recipients;  /* of a message */
	uint64_t accounts;    /* "%" in rcpt and user stands for 0 .. accounts - 1 in turn */
	const char *from, *rcpt;
	const char *user, *password;
	bool no_pipelining;
	bool delete_after; /* POP3: DELE what was read */
	bool hold;         /* log in or greet, then stay idle */
};

enum load_step {
	LOAD_GO,      /* the dialogue goes on */
	LOAD_END,     /* it has ended well: the server closes */
	LOAD_HOLD,    /* the connection stays as it is */
	LOAD_REFUSED, /* the reply is not the one that was asked for */
};

/* A name with or without a "%", as it was given. */
struct load_name {
	struct str head, tail; /* tail: behind the "%" */
	bool numbered;
};

struct load;
struct load_worker;

struct load_conn {
	struct load *load;
	struct load_worker *worker;
	uint64_t slot; /* among those of all threads */
	int fd;        /* -1: not open */
	bool writable_wanted;
	struct line_in lines;
	struct buf out;        /* to be sent: this, */
	struct str body, tail; /* then these, which belong to the protocol */
	uint64_t unit;         /* number of the unit of work at hand, from 0 */

	/* the protocol's */
	uint8_t state;
	bool pipelining;
	uint64_t account;  /* number put for "%" */
	uint64_t awaited;  /* replies, or messages to read */
	uint64_t rounds;   /* messages of this connection before the one at hand */
	uint64_t sessions; /* connections of this slot */
	int64_t unit_us, step_us;
};

struct load_protocol {
	const char *unit, *step; /* names of what the two latencies measure */
	/* The connection is being opened: sets the first state. */
	void (*opened)(struct load_conn *c);
	/* One line from the server, without its end. */
	enum load_step (*line)(struct load_conn *c, struct str line);
};

extern const struct load_protocol load_smtp, load_pop3;

/* What a thread has, and nobody else touches before it has ended. */
struct load_worker {
	struct load *load;
	pthread_t thread;
	int epoll;
	struct load_conn *conns;
	uint64_t slots;      /* of the connections, its share */
	uint64_t slots_used; /* slots that were opened at least once */
	uint64_t active;     /* slots that still have work, held ones included */
	uint64_t held;
	uint64_t units, messages, octets;
	int64_t last_us; /* the last unit or step ended then */
	struct samples unit_latency, step_latency;
	struct buf date; /* as a header field has it, of the second date_at */
	time_t date_at;
	int status; /* of its run: 0 or -1 and e */
	struct err e;
	double cpu_seconds, share; /* of a processor, from the run's beginning to its own end */
};

struct load {
	const struct load_settings *settings;
	const struct load_protocol *protocol;
	struct load_name from, rcpt, user;
	struct buf filler; /* text that message bodies are cut from */
	struct load_worker *workers;
	int64_t begun_us, deadline_us;

	/* shared by the threads */
	_Atomic uint64_t begun, errors;
	_Atomic int64_t heard_us; /* one of them had something to do then */
	struct err first_error;   /* by whom made errors 1 */

	/* when they have ended: of all of them */
	uint64_t held, units, messages, octets;
	int64_t last_us;
	struct samples unit_latency, step_latency;
	double cpu_seconds; /* without what was done before and afterwards */
};

void load_init(
    struct load *l, const struct load_settings *settings, const struct load_protocol *protocol);
void load_fini(struct load *l);

/*
 * Runs until all work is done, or with hold until all connections are held or have failed. 0, or -1 when it
 * was given up: too many errors, or a server silent for half a minute; *e says which.
 */
int load_run(struct load *l, struct err *e);

/* After a run with hold: waits for the end of standard input; gives how many connections the server
   closed meanwhile. */
uint64_t load_wait_held(struct load *l);

/* ---- for protocols ---- */

/* Microseconds of a clock that never goes back. */
int64_t load_now(void);

/* Begins a unit of work, numbered c->unit: true, or false when the total or the time is used up. */
bool load_take(struct load_conn *c);

/* Counts a unit or step that began at since_us. */
void load_unit_done(struct load_conn *c, int64_t since_us);
void load_step_done(struct load_conn *c, int64_t since_us);

/* Appends a name, with the number in place of its "%". */
void load_put_name(struct buf *out, const struct load_name *name, uint64_t number);

#endif
