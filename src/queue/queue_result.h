/*
 * What the outcome of an attempt means for a recipient and for the destination: delivered, to be
 * tried again, or failed for good; with the status code of its report. [RFC 5321 4.2.1, RFC 3463]
 */
#ifndef QUEUE_RESULT_H
#define QUEUE_RESULT_H

#include "base/buf.h"

/* Where the attempt stood; up to AUTH it was about the host, from MAIL on about this message. */
enum queue_stage {
	QUEUE_STAGE_LOOKUP,  /* names and addresses */
	QUEUE_STAGE_CONNECT, /* opening the connection */
	QUEUE_STAGE_GREETING,
	QUEUE_STAGE_HELO,
	QUEUE_STAGE_TLS,
	QUEUE_STAGE_AUTH,
	QUEUE_STAGE_MAIL,
	QUEUE_STAGE_RCPT,
	QUEUE_STAGE_DATA, /* the command */
	QUEUE_STAGE_BODY, /* the content and the reply behind its end */
	QUEUE_STAGES
};

/* What went wrong without a reply of the server. */
enum queue_problem {
	QUEUE_PROBLEM_NONE,        /* nothing: the reply counts */
	QUEUE_PROBLEM_REFUSED,     /* connection refused */
	QUEUE_PROBLEM_UNREACHABLE, /* no route to host */
	QUEUE_PROBLEM_TIMEOUT,     /* no answer in time, at any stage */
	QUEUE_PROBLEM_LOST,        /* the connection broke */
	QUEUE_PROBLEM_GARBAGE,     /* what came was not SMTP */
	QUEUE_PROBLEM_TLS,         /* the handshake failed, or the certificate is not as required */
	QUEUE_PROBLEM_NO_TLS,      /* TLS is required and not offered */
	QUEUE_PROBLEM_NO_AUTH,     /* we could not log in */
	QUEUE_PROBLEM_DNS,         /* no answer, SERVFAIL or a forged one: for now */
	QUEUE_PROBLEM_NXDOMAIN,    /* the domain does not exist */
	QUEUE_PROBLEM_NO_ADDRESS,  /* it has neither MX nor address, or its MX have none */
	QUEUE_PROBLEM_NULL_MX,     /* it takes no mail [RFC 7505] */
	QUEUE_PROBLEM_FORBIDDEN,   /* its addresses are ones we do not send to, as 127.0.0.1 */
	QUEUE_PROBLEM_LOOP,        /* its MX are ourselves, or too many Received fields */
	QUEUE_PROBLEM_NO_SMTPUTF8, /* the next server cannot take this address or header */
	QUEUE_PROBLEM_TOO_LARGE,   /* above the size that the next server announced */
	QUEUE_PROBLEM_LOCAL,       /* our side failed: nothing known about the other */
	QUEUE_PROBLEM_NO_RESOLVER, /* ours is not there: no attempt, and not counted as one */
	QUEUE_PROBLEM_ENDED,       /* an administrator of ours had it returned */
	QUEUE_PROBLEM_NO_TIMES,    /* the next server knows of no time to deliver by */
	QUEUE_PROBLEM_TIME_SHORT,  /* it wants more of it than is left, or none is */
	QUEUE_PROBLEM_TOO_MANY,    /* more recipients than it takes at once: not tried yet */
	QUEUE_PROBLEM_OFF,         /* for a mailbox here, and not put there while there was time */
	QUEUE_PROBLEM_BRIEF,       /* no answer in the short time that others who wait leave it */
	QUEUE_PROBLEMS
};

/* x.y.z [RFC 3463]; class 0: none. */
struct queue_status {
	uint8_t class;            /* 2, 4 or 5 */
	uint16_t subject, detail; /* 0 to 999 */
};

struct queue_attempt {
	enum queue_stage stage;
	enum queue_problem problem;
	uint16_t code;              /* of the reply; 0 when there is a problem */
	struct queue_status status; /* of the reply, if it had one */
	size_t accepted; /* RCPT: recipients of the same transaction that were taken before */
};

enum queue_outcome {
	QUEUE_DELIVERED,  /* the next server has taken responsibility */
	QUEUE_RETRY,      /* the recipient has a new not-before of his own */
	QUEUE_RETRY_HOST, /* the destination's next probe is what he waits for */
	QUEUE_RETRY_NOW,  /* there were too many recipients: again in the next transaction */
	QUEUE_FAILED,     /* to be returned */
	QUEUE_OUTCOMES
};

/* What the destination learns from it: queue_destination_apply(). */
enum queue_event {
	QUEUE_EVENT_NONE,        /* nothing */
	QUEUE_EVENT_SUCCESS,     /* a message went */
	QUEUE_EVENT_ANSWERED,    /* it works, or what is known of it is final */
	QUEUE_EVENT_BUSY,        /* it works, but had enough: 421, or a session broken off */
	QUEUE_EVENT_TURNED_AWAY, /* refused or 421 at once: down, or busy with our sessions */
	QUEUE_EVENT_FAILED,      /* it cannot be used */
	QUEUE_EVENTS
};

struct queue_result {
	enum queue_outcome outcome;
	enum queue_event event;
	struct queue_status status; /* for the report; never class 0 */
};

/*
 * Classifies an attempt. A reply's own status counts when its class fits the outcome, else one
 * that follows from code and stage. 5xx to STARTTLS or AUTH is retried: it is about our side's
 * wishes, not about the message. A positive reply that ends nothing is the server's error and
 * retried.
 */
struct queue_result queue_result_of(const struct queue_attempt *a);

/*
 * What the attempt says, it says about the host; false: about what this destination requires of it, TLS, a
 * login or haste, and the host may be well for others. asked: all mail that goes to what the host counts as
 * (queue_routing_asks_more()) requires the same TLS and login.
 */
bool queue_result_is_of_host(const struct queue_attempt *a, bool asked);

/* The problem as a noun: "connection refused"; "" for NONE. Static, English, for logs and rows. */
const char *queue_result_problem(enum queue_problem problem);

/* Appends "5.1.1". */
void queue_result_put_status(struct buf *b, struct queue_status s);

/*
 * Appends an attempt as rows keep it in last_reply: "550 5.1.1 text" of a reply, the problem's
 * noun, and the text behind it if it says more. Escaped and cut at LIMIT_QUEUE_REPLY, UTF-8.
 */
void queue_result_put_reply(struct buf *b, const struct queue_attempt *a, struct str text);

/* Is it, in that form, the reply of a server? */
bool queue_result_is_reply(struct str last_reply);

#endif
