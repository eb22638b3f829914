/*
 * Reports: what the sender of a message is told about recipients whose attempts are over, or who wait
 * for long; and the end of these recipients. The report is a message of its own, with the null
 * reverse-path: it goes into his mailbox or into the queue in the commit that ends them.
 */
#ifndef STORE_QUEUE_REPORT_H
#define STORE_QUEUE_REPORT_H

#include "store/deliver.h"
#include "store/queue.h"
#include "store/reader.h"

#define QUEUE_REPORT_RECIPIENTS ((size_t)200) /* of one report; the others have the next */

/*
 * All that is due for one message now, in two requests: the reading one first, then, unless it found
 * nothing or failed, the lane's.
 */
struct queue_report {
	struct reader_op read;
	struct lane_op op;
	void *user; /* the owner's */
	/* inputs */
	struct queue_config cfg;
	struct blob_store *blobs;
	int64_t message;
	int64_t report_id; /* of the report, if one is made: an id of our own that is not in use */
	int64_t now;       /* for the reading */
	bool untold;       /* its sender cannot be told of what failed: the postmaster is, once */
	bool enough;       /* LIMIT_DSN_POSTMASTER: of mail without a sender nobody is told */
	/* the answer of the reading */
	bool nothing;
	/* the answer */
	bool stale; /* something changed in between: nothing was done, look again */
	bool told;  /* a report was made */
	bool
	    refused; /* for good, and something failed: nothing was done, ask again with `untold` */
	bool put_off;   /* the report could not be placed: it will be tried again */
	int64_t placed; /* recipients that were put into a mailbox here */
	int64_t ended;  /* recipients that left the queue */
	int64_t warned; /* recipients whose delay the sender was told of */
	struct err why; /* put_off, or why there was no report */
	/* queue_report*.c's own */
	struct arena *arena;
	struct queue_message about;
	struct queue_rows rows; /* what is due */
	bool is_warning;
	bool is_here;         /* the rows are to be put into mailboxes */
	bool to_postmaster;   /* queue_report_is_for_postmaster(), or `untold` */
	enum queue_lang lang; /* of its sender's account; else the server's */
	bool has_lang;
	struct deliver *deliver; /* the report; NULL: none */
	bool unsendable;         /* there was to be one, and it cannot be made */
};

struct queue_report *queue_report_new(void);

/* Makes ready for the reading; read.done and op.done are the caller's. */
void queue_report_prepare(struct queue_report *r);

/* Takes NULL, sets NULL. Not while a reader or the lane has it. */
void queue_report_free(struct queue_report **r);

/*
 * If he fails, is the postmaster told, who has it in the place of a sender? Of reports of ours, and of mail
 * without a sender that an alias sends on: whoever manages the alias would never hear of it [RFC 3461 5.2]. What
 * tells him goes into a mailbox here, whatever aliases there are, so it causes no other.
 */
bool queue_report_is_for_postmaster(const struct queue_message *m, const struct queue_row *row);

/* A reverse path as what mail goes to, in the arena. False: it is no address that mail can go to. */
bool queue_report_address(struct arena *a, struct str path, struct deliver_recipient *to_r);

/* For queue_report.c: is what became of him told in the report? */
bool queue_report_tells(const struct queue_report *r, const struct queue_row *row);

/* For queue_report.c: composes the report for r->rows into r->deliver; or r->why says why there is none. */
void queue_report_compose(struct queue_report *r);

#endif
