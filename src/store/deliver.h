/*
 * "Take this message": one request to the writer lane that makes a message durable with everything
 * that belongs to it: blob, copies in mailboxes, queue rows, ledger. docs/invariants/message.md.
 *
 * The asker may be taken over: every recipient is resolved anew here, and the plan only chooses
 * among what the session may do. It is accepted for all recipients or for none, so that one reply
 * tells the truth; with `each` (LMTP) every recipient has a reply of its own.
 */
#ifndef STORE_DELIVER_H
#define STORE_DELIVER_H

#include "plan/plan.h"
#include "queue/queue_routing.h"
#include "queue/queue_wish.h"
#include "store/directory.h"
#include "store/lane.h"

/* message.flags. Stored. */
enum deliver_flag {
	DELIVER_UTF8 = 1,     /* its header needs SMTPUTF8 */
	DELIVER_EIGHTBIT = 2, /* the content has 8-bit octets */
	DELIVER_PRIORITY = 4, /* its priority was said; QUEUE_PRIORITY_LAST is 0 at _SHIFT */
	DELIVER_HOLD_FOR = 8, /* the time to be sent at was said as a span */
	DELIVER_PRIORITY_SHIFT = 8,
	DELIVER_PRIORITY_MASK = 0x1f00,
};

struct deliver_recipient {
	struct str local;   /* unquoted */
	struct str domain;  /* A-label form, lower case; empty: postmaster; "[...]": a literal */
	struct str address; /* as the sender wrote it: for headers and people */
	uint8_t notify;   /* bits of NOTIFY [RFC 3461 4.1] as in smtp/smtp_param.h; 0: not given */
	struct str orcpt; /* empty: none */
};

struct deliver_result {
	bool accepted;
	bool too_large;             /* for his mailbox, and will always be */
	struct plan_reject refusal; /* when not; its text lives in the deliver's arena */
};

struct deliver {
	struct lane_op op;   /* submit this after deliver_prepare() */
	struct arena *arena; /* for the inputs; goes with deliver_free() */
	void *user;          /* the owner's */

	/* ---- inputs ---- */
	const struct directory_config *directory; /* copied by deliver_prepare() */
	const struct queue_routing *routing;      /* copied likewise; NULL: nothing is special */
	int64_t message_id;
	struct str reverse_path; /* empty: null */
	struct str helo;
	struct str peer;     /* its address as text, "local", or "local uid 1000" of that user */
	struct str protocol; /* word of the Received field */
	struct str envid;
	uint8_t ret; /* as in smtp/smtp_param.h */
	struct queue_wish
	    wish; /* of those who may relay; of others neither later nor before others */
	bool utf8, eightbit;
	int64_t account; /* the authenticated one, 0: none */
	bool may_relay;  /* authenticated, or trusted */
	bool each;       /* every recipient has its own reply */
	bool no_quota;   /* into full mailboxes too: our own word to their owners */
	struct deliver_recipient *recipients;
	size_t n;                   /* 1 to LIMIT_SMTP_RCPT_MAX */
	struct plan plan;           /* n items */
	struct str summary;         /* as it came; at most LIMIT_SUMMARY */
	struct str data;            /* the message, when there is no upload */
	struct blob_upload *upload; /* finished, or NULL; freed by the owner in done */
	struct blob_pos upload_pos; /* what blob_upload_finish() gave */

	/* ---- the answer, after LANE_DONE ---- */
	bool accepted;                  /* by all, or with `each` by at least one */
	bool duplicate;                 /* refused because the message id is taken */
	struct plan_reject refusal;     /* when not accepted */
	struct deliver_result *results; /* n of them */
	int64_t copies;                 /* mailbox copies made */
	int64_t queued;                 /* queue rows made, but for: */
	int64_t reports;                /* rows that tell the sender of success, as he asked */

	/* ---- deliver.c's own ---- */
	struct directory_config config;
	struct queue_routing special;
	struct blob_in blob;
	struct iovec iov;
	struct str header_message_id;
	int64_t thread;
	struct arena *scratch;
};

/* An empty one. Its done is the caller's to set. */
struct deliver *deliver_new(void);

/*
 * Checks the inputs and makes ready to submit. False: refused at once, d->refusal says why; do not
 * submit. Whatever a front may send ends in one or the other.
 */
bool deliver_prepare(struct deliver *d);

/* Takes NULL, sets NULL. Not while the lane has it. The upload is not touched. */
void deliver_free(struct deliver **d);

/*
 * The newest id of a message or blob, 0 when there is none: new ones must be above it, though the clock may
 * have been set back meanwhile. 0 also when that cannot be read; an id that is taken is refused anyway.
 */
int64_t deliver_newest_id(struct db *db);

/*
 * Whether this recipient of the message was taken, by the number he had in the request; by -1: anybody. For
 * a front that has lost the answer. *taken_r untouched on failure.
 */
enum db_code deliver_was_taken(struct db *db, int64_t message_id, int64_t recipient, bool *taken_r);

/* The reply to use when op.result is not LANE_DONE: 452 4.3.1 or 451 4.3.0. Static. */
const struct plan_reject *deliver_trouble(enum lane_result result);

#endif
