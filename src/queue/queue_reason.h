/* Why a message was not taken, and what its sender can do, in phrases: from what went wrong. */
#ifndef QUEUE_REASON_H
#define QUEUE_REASON_H

#include "queue/queue_phrases.h"
#include "queue/queue_result.h"

struct queue_reason {
	/* %1 recipient, %2 his domain, %3 the server that was tried, %4 the same as a sentence begins, %5 its name */
	enum queue_phrase why;
	enum queue_phrase advice; /* for one who has the message back; the same */
	bool of_domain; /* what is said is said of the domain's own server, whoever said it */
};

/*
 * By the problem; NONE: by the reply, the most exact that is known: its status if that names one cause,
 * else its words, else the kind of status. [RFC 3463 3] Neither: no attempt told anything.
 */
struct queue_reason queue_reason_of(
    enum queue_problem problem, struct queue_status status, struct str reply);

/*
 * The same of mail that goes through a host which is named for it: nothing about the domain is known from
 * what went wrong with that host.
 */
struct queue_reason queue_reason_of_route(
    enum queue_problem problem, struct queue_status status, struct str reply);

#endif
