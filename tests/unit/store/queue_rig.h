/*
 * A store with a queue, a clock of its own and a world of other servers in place of a relay: a function
 * says how each attempt ends. Time goes from one moment at which something is due to the next.
 */
#ifndef TESTS_QUEUE_RIG_H
#define TESTS_QUEUE_RIG_H

#include "base/clock.h"
#include "rig.h"
#include "store/queue_clock.h"
#include "store/queue_due.h"
#include "store/queue_lease.h"
#include "store/queue_report.h"
#include "store/queue_settle.h"

#define QRIG_JOBS 1000

/* What the world does with one recipient of a job. */
struct qrig_answer {
	struct queue_attempt attempt;
	const char *text;
};

typedef struct qrig_answer qrig_world(const struct queue_job *job, const struct queue_row *row);

struct qrig {
	struct rig rig;
	struct queue_config cfg;
	qrig_world *world;
	bool dsn; /* the other servers report for themselves */
	bool by;  /* they know of DELIVERBY */
	struct dialogue_packer *packer;
	struct queue_lease lease; /* the last one: its jobs live until the next */
	bool leased;
	bool audits; /* after each step (the default) */
	bool enough; /* the postmaster was told of enough */
	/* what happened */
	int64_t attempts; /* recipients tried */
	int64_t jobs;
	int64_t reports;                             /* made */
	int64_t warnings;                            /* recipients whose sender was warned */
	int64_t last_attempt;                        /* when */
	void (*on_job)(const struct queue_job *job); /* or NULL */
	const char *content;                         /* of what is sent; NULL: any */
	struct queue_wish wish;                      /* of who sends */
};

/* A store with the domain a.test and the account ann@a.test, which is ours; the default policy. */
void qrig_open(struct qrig *q);
void qrig_close(struct qrig *q);

/* The default policy, for a rig that was begun otherwise: its clock says when. */
void qrig_configure(struct qrig *q);

/* Ends and starts as after a crash: what is committed stays, leases too. */
void qrig_restart(struct qrig *q);

/* A message from `from` to addresses elsewhere (NULL at the end), with NOTIFY; its id. */
int64_t qrig_send(struct qrig *q, const char *from, unsigned notify, const char *const *to);
int64_t qrig_send_one(struct qrig *q, const char *from, const char *to);

/* Runs a request of the lane; it must be done. */
void qrig_run(struct qrig *q, struct lane_op *op);

/* Jobs for an owner; how many. */
size_t qrig_lease(struct qrig *q, int64_t owner, size_t room);

/* The world's result of a job that `owner` has. True: it counted. */
bool qrig_settle(struct qrig *q, int64_t owner, const struct queue_job *job);

/* Leases of others than these owners (n of them) go; how many. */
int64_t qrig_release(struct qrig *q, const int64_t *owners, size_t n);

/* Those of others than this owner go, and his up to the token `old`, but for `kept`; how many. */
int64_t qrig_release_old(struct qrig *q, int64_t owner, int64_t old, int64_t kept);

/* All that is due beside attempts; how many messages had something. */
int64_t qrig_tend(struct qrig *q);

/* All that is due now, attempts too. */
void qrig_work(struct qrig *q);

/* The next moment at which anything is due. */
int64_t qrig_wake(struct qrig *q);

/* Lives until then: works at each moment at which something is due. */
void qrig_live(struct qrig *q, int64_t until);

/* Answers. */
struct qrig_answer qrig_ok(void);
struct qrig_answer qrig_reply(enum queue_stage stage, unsigned code, const char *text);
struct qrig_answer qrig_problem(enum queue_problem problem);

/* Rows of a table that fit. */
int64_t qrig_count(struct qrig *q, const char *what);

/* State of a recipient in the ledger. */
enum ledger_state qrig_state(struct qrig *q, int64_t message, int64_t recipient);

/* The newest message in ann's INBOX, in the arena; empty: there is none. And how many there are. */
struct str qrig_mail(struct qrig *q, struct arena *a);
int64_t qrig_mails(struct qrig *q);

#endif
