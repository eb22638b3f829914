/* Why a recipient waits and what will happen when, in whole sentences that are true. */
#ifndef QUEUE_EXPLAIN_H
#define QUEUE_EXPLAIN_H

#include "queue/queue_phrase.h"
#include "queue/queue_schedule.h"

/* What became of him; when it is known, all that is left is his report. */
enum queue_explain_end {
	QUEUE_EXPLAIN_WAITS,
	QUEUE_EXPLAIN_FAILED,    /* refused for good */
	QUEUE_EXPLAIN_EXPIRED,   /* his time is over */
	QUEUE_EXPLAIN_RELAYED,   /* the next server has taken it */
	QUEUE_EXPLAIN_DELIVERED, /* it is in a mailbox here */
	QUEUE_EXPLAIN_EXPANDED,  /* an alias: it was sent on */
};

/* Why there may be no further session to it for now, whatever itself is allowed. */
enum queue_explain_full {
	QUEUE_EXPLAIN_ROOM,         /* there may be */
	QUEUE_EXPLAIN_FULL,         /* all that there may be are open */
	QUEUE_EXPLAIN_FULL_UNKNOWN, /* those to destinations never tried */
	QUEUE_EXPLAIN_FULL_KEPT,    /* the rest is for destinations that have none */
	QUEUE_EXPLAIN_FULL_BEHIND   /* those whose turn comes first are to have what is left */
};

/* What is known about one recipient, all at the same moment. Texts may hold anything. */
struct queue_explain {
	enum queue_lang lang;
	struct queue_zone zone;
	struct str recipient;
	struct str sender;    /* empty: null */
	struct str forwarder; /* the alias that it is sent on for; empty: none */
	struct str sent_as;   /* the reverse path that it goes with then; empty: the sender's own */
	bool
	    postmaster; /* if it fails, the postmaster is told: it is a report of ours, or an alias's without sender */
	/* what would tell the sender is refused here for good: the postmaster is told of what fails */
	bool sender_refuses;
	struct str domain; /* he is in; empty unless he waits for a destination */
	struct str route;  /* the host that is named for its mail; empty: its own servers */
	enum queue_explain_end
	    end;               /* else than WAITS: entry.not_before is when his report is tried */
	struct str last_reply; /* the recipient's own, as queue_result_put_reply() has it */
	bool postponed;        /* when it last had its turn, our resolver was not there */
	bool here;   /* he has a mailbox here, into which it is put at its time; without domain */
	bool backup; /* the domain is a relay domain */
	bool notify_failure; /* the sender wants to hear of a failure: NOTIFY */
	int64_t under_way;   /* a session has the message since then; 0: none */
	int64_t held;        /* an administrator holds it back since then; 0: he does not */
	size_t active;       /* sessions to the destination */
	enum queue_explain_full full;
	struct queue_entry entry;
	struct queue_destination destination;
	/*
	 * While it waits for hosts, or fails and is in their lines: one of them, whom else it serves (empty:
	 * nobody is known), its state; and how many there are, each of which wakes it.
	 */
	struct str host, host_serves;
	size_t hosts;
	int64_t
	    hosts_due; /* while all of these are down: when the first of them may be tried again; 0 */
	size_t host_active; /* sessions to it, for whichever domain */
	struct queue_destination host_state;
	const struct queue_policy *policy;
	int64_t started; /* as for queue_schedule_of() */
	int64_t now;
};

/* Appends the sentences, separated by blanks, without line ends, as queue_schedule_of() has it. */
void queue_explain_put(struct buf *b, const struct queue_explain *x);

#endif
