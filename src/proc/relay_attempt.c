/* What a session came to, in the terms in which the queue judges it. Pure. */
#include "proc/relay.h"

static enum queue_stage stage_of(enum smtp_stage stage)
{
	static const enum queue_stage stages[] = {
	    [SMTP_STAGE_CONNECT] = QUEUE_STAGE_GREETING,
	    [SMTP_STAGE_HELO] = QUEUE_STAGE_HELO,
	    [SMTP_STAGE_TLS] = QUEUE_STAGE_TLS,
	    [SMTP_STAGE_AUTH] = QUEUE_STAGE_AUTH,
	    [SMTP_STAGE_READY] = QUEUE_STAGE_MAIL,
	    [SMTP_STAGE_MAIL] = QUEUE_STAGE_MAIL,
	    [SMTP_STAGE_RCPT] = QUEUE_STAGE_RCPT,
	    [SMTP_STAGE_DATA] = QUEUE_STAGE_DATA,
	    [SMTP_STAGE_BODY] = QUEUE_STAGE_BODY,
	    [SMTP_STAGE_QUIT] = QUEUE_STAGE_BODY,
	};

	return stages[stage];
}

/* A verdict of our own side, by the status the engine gave it. */
static enum queue_problem problem_of(const struct smtp_verdict *v, enum queue_problem silence)
{
	static const struct {
		struct smtp_status status;
		enum queue_problem problem;
	} table[] = {
	    {{5, 6, 7}, QUEUE_PROBLEM_NO_SMTPUTF8},
	    {{5, 3, 4}, QUEUE_PROBLEM_TOO_LARGE},
	    {{5, 3, 3}, QUEUE_PROBLEM_NO_TIMES},
	    {{5, 4, 7}, QUEUE_PROBLEM_TIME_SHORT},
	    {{5, 7, 0}, QUEUE_PROBLEM_NO_AUTH},
	    {{4, 5, 3}, QUEUE_PROBLEM_TOO_MANY},
	    {{4, 7, 10}, QUEUE_PROBLEM_NO_TLS},
	    {{4, 7, 0}, QUEUE_PROBLEM_TLS},
	    {{4, 5, 0}, QUEUE_PROBLEM_GARBAGE},
	    {{4, 3, 0}, QUEUE_PROBLEM_LOCAL},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].status.class == v->reply.status.class &&
		    table[i].status.subject == v->reply.status.subject &&
		    table[i].status.detail == v->reply.status.detail)
			return table[i].problem;
	return silence;
}

struct queue_attempt relay_attempt_of(
    const struct smtp_verdict *v, size_t accepted, enum queue_problem silence)
{
	struct queue_attempt a = {.stage = stage_of(v->stage), .accepted = accepted};

	if (v->reply.code == 0) {
		a.problem = problem_of(v, silence);
		return a;
	}
	a.code = v->reply.code;
	a.status = (struct queue_status){
	    v->reply.status.class, v->reply.status.subject, v->reply.status.detail};
	return a;
}

static bool is_final(const struct queue_attempt *a)
{
	return queue_result_of(a).outcome == QUEUE_FAILED;
}

/* From MAIL on the host has answered: what went wrong may be about this message alone. */
static bool is_late(const struct queue_attempt *a)
{
	return a->stage >= QUEUE_STAGE_MAIL;
}

bool relay_attempt_outweighs(const struct queue_attempt *other, const struct queue_attempt *this)
{
	if (is_final(other) != is_final(this))
		return is_final(this);
	return is_late(other) && !is_late(this);
}

bool relay_attempt_is_unheard(const struct queue_attempt *a)
{
	return a->stage == QUEUE_STAGE_MAIL && (a->problem == QUEUE_PROBLEM_LOST || a->code == 421);
}

/* 421 to the content may be the answer to its final dot: the host's word. */
bool relay_attempt_is_open(const struct smtp_verdict *v)
{
	struct queue_attempt a = relay_attempt_of(v, 0, QUEUE_PROBLEM_LOST);

	if (v->outcome == SMTP_OUTCOME_UNSURE)
		return false;
	if (a.code)
		return a.code == 421 && a.stage < QUEUE_STAGE_BODY;
	return a.problem == QUEUE_PROBLEM_LOST || a.problem == QUEUE_PROBLEM_GARBAGE ||
	       a.problem == QUEUE_PROBLEM_TOO_MANY; /* his turn had not come */
}
