/* Reasons: tables for our own problems, and for what other servers say by status. */
#include "queue/queue_reason.h"

#include "base/mem.h"
#include "queue/queue_words.h"

#define REASON(why, advice)                                                                        \
	{                                                                                          \
		QUEUE_PHRASE_WHY_##why, QUEUE_PHRASE_DO_##advice, false                            \
	}

static const struct queue_reason of_problem[QUEUE_PROBLEMS] = {
    [QUEUE_PROBLEM_NONE] = REASON(OTHER, ASK_OWN_ADMIN),
    [QUEUE_PROBLEM_REFUSED] = REASON(UNREACHABLE, SEND_LATER),
    [QUEUE_PROBLEM_UNREACHABLE] = REASON(UNREACHABLE, SEND_LATER),
    [QUEUE_PROBLEM_TIMEOUT] = REASON(UNREACHABLE, SEND_LATER),
    [QUEUE_PROBLEM_LOST] = REASON(BROKEN, SEND_LATER),
    [QUEUE_PROBLEM_GARBAGE] = REASON(GARBAGE, ASK_THEIR_ADMIN),
    [QUEUE_PROBLEM_TLS] = REASON(TLS, ASK_THEIR_ADMIN),
    [QUEUE_PROBLEM_NO_TLS] = REASON(TLS, ASK_THEIR_ADMIN),
    [QUEUE_PROBLEM_NO_AUTH] = REASON(AUTH, ASK_OWN_ADMIN),
    [QUEUE_PROBLEM_DNS] = REASON(DNS, SEND_LATER),
    [QUEUE_PROBLEM_NXDOMAIN] = REASON(NO_DOMAIN, CHECK_DOMAIN),
    [QUEUE_PROBLEM_NO_ADDRESS] = REASON(NO_ADDRESS, CHECK_DOMAIN),
    [QUEUE_PROBLEM_NULL_MX] = REASON(NULL_MX, CHECK_DOMAIN),
    [QUEUE_PROBLEM_FORBIDDEN] = REASON(FORBIDDEN, ASK_THEIR_ADMIN),
    [QUEUE_PROBLEM_LOOP] = REASON(LOOP, ASK_OWN_ADMIN),
    [QUEUE_PROBLEM_NO_SMTPUTF8] = REASON(NO_UTF8, OTHER_ADDRESS),
    [QUEUE_PROBLEM_TOO_LARGE] = REASON(TOO_LARGE, MAKE_SMALLER),
    [QUEUE_PROBLEM_LOCAL] = REASON(LOCAL, ASK_OWN_ADMIN),
    [QUEUE_PROBLEM_NO_RESOLVER] = REASON(LOCAL, ASK_OWN_ADMIN),
    [QUEUE_PROBLEM_ENDED] = REASON(ENDED, ASK_OWN_ADMIN),
    [QUEUE_PROBLEM_NO_TIMES] = REASON(NO_TIMES, DROP_TIME),
    [QUEUE_PROBLEM_TIME_SHORT] = REASON(TIME_SHORT, DROP_TIME),
    [QUEUE_PROBLEM_TOO_MANY] = REASON(UNTRIED, SEND_LATER),
    [QUEUE_PROBLEM_OFF] = REASON(OFF, SEND_LATER),
    [QUEUE_PROBLEM_BRIEF] = REASON(UNREACHABLE, SEND_LATER),
};

#define ANY UINT16_MAX

struct row {
	uint8_t class;
	uint16_t subject, first, last; /* details */
	struct queue_reason reason;
};

/*
 * Rows are tried from the top. Class 0 and ANY fit all. These name one cause. x.1.10 is not among them:
 * it stands for a null MX [RFC 7505], but large providers say it of unknown recipients too.
 */
static const struct row exact[] = {
    {5, 1, 1, 1, REASON(NO_MAILBOX, CHECK_ADDRESS)}, /* 4.1.1: it could not be checked now */
    {0, 1, 2, 2, REASON(NO_DOMAIN, CHECK_DOMAIN)},
    {0, 1, 3, 4, REASON(BAD_ADDRESS, CHECK_ADDRESS)},
    {0, 1, 6, 6, REASON(MOVED, CHECK_ADDRESS)},
    {0, 1, 7, 9, REASON(SENDER_ADDRESS, ASK_OWN_ADMIN)},
    {0, 2, 2, 2, REASON(MAILBOX_FULL, TELL_RECIPIENT)},
    {0, 2, 3, 3, REASON(TOO_LARGE, MAKE_SMALLER)},
    {0, 3, 4, 4, REASON(TOO_LARGE, MAKE_SMALLER)},
    {0, 4, 4, 4, REASON(NO_ADDRESS, CHECK_DOMAIN)},
    {0, 4, 6, 6, REASON(LOOP, ASK_OWN_ADMIN)},
    {0, 6, 7, 7, REASON(NO_UTF8, OTHER_ADDRESS)},
    {0, 7, 8, 8, REASON(AUTH, ASK_OWN_ADMIN)},
    {0, 7, 20, 24, REASON(UNPROVEN, ASK_OWN_ADMIN)},
    {0, 7, 25, 25, REASON(IDENTITY, ASK_OWN_ADMIN)},
    {0, 7, 26, 27, REASON(UNPROVEN, ASK_OWN_ADMIN)},
};

/* What is known when words say nothing. */
static const struct row general[] = {
    {5, 1, 0, ANY, REASON(BAD_ADDRESS, CHECK_ADDRESS)},
    {0, 2, 1, 1, REASON(DISABLED, OTHER_ADDRESS)},
    {5, 2, 0, ANY, REASON(DISABLED, OTHER_ADDRESS)},
    {0, 3, 0, ANY, REASON(SYSTEM, SEND_LATER)},
    {0, 4, 1, 2, REASON(UNREACHABLE, SEND_LATER)},
    {0, 4, 3, 3, REASON(DNS, SEND_LATER)},
    {5, 6, 0, ANY, REASON(CONTENT, ASK_OWN_ADMIN)},
    {5, 7, 0, ANY, REASON(POLICY, TELL_RECIPIENT)},
    {4, ANY, 0, ANY, REASON(LATER, SEND_LATER)},
};

#define FIND(rows, status, reason_r) find(rows, sizeof rows / sizeof rows[0], status, reason_r)

static bool find(
    const struct row *rows, size_t n, struct queue_status status, struct queue_reason *reason_r)
{
	for (size_t i = 0; i < n; i++) {
		if ((rows[i].class == 0 || rows[i].class == status.class) &&
		    (rows[i].subject == ANY || rows[i].subject == status.subject) &&
		    status.detail >= rows[i].first && status.detail <= rows[i].last) {
			*reason_r = rows[i].reason;
			return true;
		}
	}
	return false;
}

struct queue_reason queue_reason_of(
    enum queue_problem problem, struct queue_status status, struct str reply)
{
	struct queue_reason reason;

	MUST(problem < QUEUE_PROBLEMS);
	if (problem == QUEUE_PROBLEM_NONE && status.class == 0 && reply.n == 0)
		return (struct queue_reason)REASON(UNTRIED, SEND_LATER);
	if ((problem == QUEUE_PROBLEM_TIMEOUT || problem == QUEUE_PROBLEM_BRIEF) &&
	    status.detail == 2) /* within the session */
		return of_problem[QUEUE_PROBLEM_LOST];
	if (problem == QUEUE_PROBLEM_NONE &&
	    (FIND(exact, status, &reason) || queue_words_find(reply, status, &reason) ||
		FIND(general, status, &reason)))
		return reason;
	return of_problem[problem];
}

/* Our own words about a host that is ours to name. */
static struct queue_reason of_route(struct queue_reason reason)
{
	static const struct {
		enum queue_phrase why;
		struct queue_reason reason;
	} rows[] = {
	    {QUEUE_PHRASE_WHY_UNREACHABLE, REASON(UNREACHABLE, ASK_OWN_ADMIN)},
	    {QUEUE_PHRASE_WHY_GARBAGE, REASON(GARBAGE, ASK_OWN_ADMIN)},
	    {QUEUE_PHRASE_WHY_TLS, REASON(TLS, ASK_OWN_ADMIN)},
	    {QUEUE_PHRASE_WHY_DNS, REASON(DNS, ASK_OWN_ADMIN)},
	    {QUEUE_PHRASE_WHY_NO_DOMAIN, REASON(ROUTE_NO_ADDRESS, ASK_OWN_ADMIN)},
	    {QUEUE_PHRASE_WHY_NO_ADDRESS, REASON(ROUTE_NO_ADDRESS, ASK_OWN_ADMIN)},
	    {QUEUE_PHRASE_WHY_NULL_MX, REASON(ROUTE_NO_ADDRESS, ASK_OWN_ADMIN)},
	    {QUEUE_PHRASE_WHY_FORBIDDEN, REASON(ROUTE_FORBIDDEN, ASK_OWN_ADMIN)},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].why == reason.why)
			return rows[i].reason;
	return reason;
}

struct queue_reason queue_reason_of_route(
    enum queue_problem problem, struct queue_status status, struct str reply)
{
	struct queue_reason reason = queue_reason_of(problem, status, reply);

	if (problem != QUEUE_PROBLEM_NONE)
		return of_route(reason);
	/* It replied, so it is another that it could not find or reach. */
	reason.of_domain = reason.why == QUEUE_PHRASE_WHY_UNREACHABLE ||
			   reason.why == QUEUE_PHRASE_WHY_DNS;
	return reason;
}
