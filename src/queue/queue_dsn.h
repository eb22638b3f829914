/*
 * Delivery status notifications [RFC 3461, 3464, 6522, 6533]: what became of a message, told to its
 * sender in whole sentences, to programs as fields, with the original behind it. From typed fields
 * only; texts of other servers are escaped and cut.
 */
#ifndef QUEUE_DSN_H
#define QUEUE_DSN_H

#include "base/limits.h"
#include "queue/queue_phrase.h"
#include "queue/queue_result.h"

enum queue_dsn_action {
	QUEUE_DSN_FAILED,
	QUEUE_DSN_DELAYED,
	QUEUE_DSN_DELIVERED,
	QUEUE_DSN_RELAYED,
	QUEUE_DSN_EXPANDED,
	QUEUE_DSN_ACTIONS
};

struct queue_dsn_recipient {
	struct str address;  /* where it was to go: "local@domain" as in a path */
	struct str original; /* ORCPT as rows have it, "rfc822;address", decoded; empty: none */
	enum queue_dsn_action action;
	struct queue_status
	    status; /* of the last attempt, as queue_result_of() has it; class 0: none */
	enum queue_problem problem; /* of the last attempt; NONE: the server replied */
	bool under_way;             /* DELAYED: it is being tried */
	bool silent;                /* of a failure his sender will not be told: NOTIFY */
	bool expired;               /* FAILED: because the lifetime is over; reported as 4.4.7 */
	bool
	    late; /* because deliver_by has passed: FAILED is reported as 5.4.7, DELAYED as 4.4.7 */
	struct str forwarder;  /* the alias that it was written to, and sent on for; empty: none */
	struct str route;      /* the host that is named for his mail, and had it; empty: none */
	struct str remote_mta; /* name of the server that was tried: told if it replied */
	struct str reply;      /* "550 5.1.1 ...", or what we met, "connection refused"; or empty */
	int64_t
	    since; /* he might be tried: behind the arrival if he was held back; 0: from then on */
	int64_t last_attempt; /* of his own or his destination's; 0: none */
	int64_t end;          /* of his time; 0: not told */
};

struct queue_dsn {
	enum queue_lang lang;
	struct queue_zone zone;
	struct str sender; /* the reverse-path without <>; the report goes to him */
	bool
	    postmaster; /* this is our postmaster, and he is told: the message was a report of ours */
	struct str
	    untold;   /* ... or this one's, who could not be told of it; empty: it was a report */
	bool sent_on; /* ... or it has no sender, and was sent on for aliases */
	struct str reporting_mta; /* our host name */
	struct str message_id;    /* of the report, without <>, unique */
	int64_t date;             /* of the report */
	int64_t arrival;          /* of the message */
	int64_t deliver_by;       /* the sender wanted it to be delivered by then; 0: not so */
	int64_t released;         /* he wanted it to be sent no earlier; 0: not so */
	bool hold_for;            /* ... and said so as a span from its arrival */
	struct str envid;         /* decoded; empty: none */
	struct str original_id;   /* Message-ID of the message; empty: not known */
	const struct queue_dsn_recipient *recipients;
	size_t n;            /* 1 to LIMIT_DSN_RECIPIENTS */
	struct str original; /* the message's beginning, at least its header, or all of it */
	bool complete;       /* original is all of it */
	bool want_full;      /* return all of it, if anything failed and up to LIMIT_DSN_ORIGINAL */
};

enum queue_dsn_status {
	QUEUE_DSN_OK,
	QUEUE_DSN_NO_SENDER, /* the reverse-path is null: a report about it must not be */
	QUEUE_DSN_BAD_COUNT, /* no recipient, or too many */
	QUEUE_DSN_TOO_LARGE, /* the buffer's maximum was reached */
};

/* What its transport must know. */
struct queue_dsn_facts {
	bool eightbit; /* its body has 8-bit octets: BODY=8BITMIME */
	bool utf8;     /* its header has: SMTPUTF8 */
};

/*
 * Appends the report as a message with CRLF lines of at most 998 octets, but for those of the
 * original. Unless OK the buffer and *facts_r are as before. LIMIT_DSN octets are always enough.
 * The text is in sentences: what happened, to whom, why, what the sender can do, and the remote
 * server's own words, quoted. [RFC 3461 6, RFC 3464 2]
 */
enum queue_dsn_status queue_dsn_put(
    struct buf *b, const struct queue_dsn *d, struct queue_dsn_facts *facts_r);

/* "failed", "delayed" ... [RFC 3464 2.3.3] Static. */
const char *queue_dsn_action_name(enum queue_dsn_action action);

#endif
