/*
 * Recipients of relay domains: what the domain's own server says of them, so that a server that keeps mail
 * for another one does not take what that one will refuse. The server is asked as though there were a
 * message (MAIL FROM:<>, RCPT TO, and no content), and what it says is kept: what is known for good, for
 * days, also while it is down.
 *
 * Local parts are compared in ASCII lower case, as everywhere here.
 */
#ifndef STORE_CALLOUT_H
#define STORE_CALLOUT_H

#include "base/arena.h"
#include "queue/queue_result.h"
#include "store/lane.h"

/* Stored. */
enum callout_verdict {
	CALLOUT_NOTHING, /* nothing is known of him */
	CALLOUT_GOOD,    /* the server took him */
	CALLOUT_REFUSED, /* it refused him for good */
	CALLOUT_UNSURE,  /* it refused him for now */
	CALLOUT_VERDICTS
};

/* Rows of one domain and verdict that are kept: those that were asked last. */
#define CALLOUT_GOOD_MAX  50000
#define CALLOUT_OTHER_MAX 10000 /* of the other verdicts, each */

#define CALLOUT_REPLY_MAX ((size_t)300) /* octets of its words that are kept, US-ASCII */

/* What is known of a recipient. Times in milliseconds since 1970. */
struct callout {
	enum callout_verdict verdict;
	struct str reply; /* "550 5.1.1 no such user"; of GOOD too */
	int64_t asked;    /* when it said so */
	int64_t refresh;  /* it is asked again from then on */
};

/* Text in the arena; one that has expired is NOTHING. DB_OK, or the failure. */
enum db_code callout_get(struct db *db, struct arena *a, struct str domain, struct str local,
    int64_t now, struct callout *known_r);

/* It is to be asked (again); where it said yes, without waiting for the answer. */
bool callout_is_due(const struct callout *known, int64_t now);

/* What an attempt to ask came to. */
struct callout_lesson {
	enum callout_verdict verdict; /* not NOTHING */
	bool host; /* UNSURE, and not about the recipient: the server cannot be asked at present */
	bool unrouted; /* the same: there is no server, mail for it would come back at once */
};

/* text: of the reply, behind its codes. */
struct callout_lesson callout_judge(const struct queue_attempt *a, struct str text);

/* Appends "relay domain: its server took this recipient when it was asked at ..." and its like. */
void callout_put(struct buf *b, const struct callout *known, bool verified);

/*
 * Keeps what was said. UNSURE changes nothing of what is known for good, but that it is not asked again at
 * once. Zero it, set the inputs, then callout_settle_init(); op.done is the caller's.
 */
struct callout_settle {
	struct lane_op op;
	struct str domain, local; /* borrowed until done, as reply */
	enum callout_verdict verdict;
	struct str reply;
};

void callout_settle_init(struct callout_settle *s);

#endif
