/*
 * Outcomes. Problems have a row each, which says what they mean before and within the transaction;
 * replies are judged by stage and first digit. Nothing here depends on the words of a reply.
 */
#include "queue/queue_result.h"

#include "base/ascii.h"
#include "base/limits.h"
#include "base/mem.h"
#include "queue/queue_text.h"

/* From here on an attempt is about the message, not about the host. */
static bool is_late(enum queue_stage stage)
{
	return stage >= QUEUE_STAGE_MAIL;
}

/* ---- problems ---- */

#define HOST(event, x, y, z)                                                                       \
	{                                                                                          \
		QUEUE_RETRY_HOST, QUEUE_EVENT_##event,                                             \
		{                                                                                  \
			x, y, z                                                                    \
		}                                                                                  \
	}
#define OWN(event, x, y, z)                                                                        \
	{                                                                                          \
		QUEUE_RETRY, QUEUE_EVENT_##event,                                                  \
		{                                                                                  \
			x, y, z                                                                    \
		}                                                                                  \
	}
#define NOW(event, x, y, z)                                                                        \
	{                                                                                          \
		QUEUE_RETRY_NOW, QUEUE_EVENT_##event,                                              \
		{                                                                                  \
			x, y, z                                                                    \
		}                                                                                  \
	}
#define FINAL(event, x, y, z)                                                                      \
	{                                                                                          \
		QUEUE_FAILED, QUEUE_EVENT_##event,                                                 \
		{                                                                                  \
			x, y, z                                                                    \
		}                                                                                  \
	}
#define ALWAYS(row) row, row

static const struct {
	const char *noun;
	struct queue_result early, late;
} problems[QUEUE_PROBLEMS] = {
    [QUEUE_PROBLEM_NONE] = {"", ALWAYS(OWN(NONE, 4, 0, 0))},
    [QUEUE_PROBLEM_REFUSED] = {"connection refused", ALWAYS(HOST(TURNED_AWAY, 4, 4, 1))},
    [QUEUE_PROBLEM_UNREACHABLE] = {"no route to the server", ALWAYS(HOST(FAILED, 4, 4, 1))},
    [QUEUE_PROBLEM_TIMEOUT] = {"no answer in time", HOST(FAILED, 4, 4, 1), OWN(BUSY, 4, 4, 2)},
    [QUEUE_PROBLEM_LOST] = {"connection lost", HOST(TURNED_AWAY, 4, 4, 2), OWN(BUSY, 4, 4, 2)},
    [QUEUE_PROBLEM_GARBAGE] = {"no SMTP reply", HOST(FAILED, 4, 5, 0), OWN(BUSY, 4, 5, 0)},
    [QUEUE_PROBLEM_TLS] = {"TLS failed", ALWAYS(HOST(FAILED, 4, 7, 5))},
    [QUEUE_PROBLEM_NO_TLS] = {"TLS not offered", ALWAYS(HOST(FAILED, 4, 7, 4))},
    [QUEUE_PROBLEM_NO_AUTH] = {"login failed", ALWAYS(HOST(FAILED, 4, 7, 8))},
    [QUEUE_PROBLEM_DNS] = {"DNS lookup failed", ALWAYS(HOST(FAILED, 4, 4, 3))},
    [QUEUE_PROBLEM_NXDOMAIN] = {"no such domain", ALWAYS(FINAL(ANSWERED, 5, 1, 2))},
    [QUEUE_PROBLEM_NO_ADDRESS] = {"no mail server", ALWAYS(FINAL(ANSWERED, 5, 4, 4))},
    [QUEUE_PROBLEM_NULL_MX] = {"domain takes no mail", ALWAYS(FINAL(ANSWERED, 5, 1, 10))},
    [QUEUE_PROBLEM_FORBIDDEN] = {"mail server at a forbidden address",
	ALWAYS(FINAL(ANSWERED, 5, 4, 4))},
    [QUEUE_PROBLEM_LOOP] = {"mail loop", ALWAYS(FINAL(ANSWERED, 5, 4, 6))},
    [QUEUE_PROBLEM_NO_SMTPUTF8] = {"SMTPUTF8 not offered", ALWAYS(FINAL(ANSWERED, 5, 6, 7))},
    [QUEUE_PROBLEM_TOO_LARGE] = {"message too large", ALWAYS(FINAL(ANSWERED, 5, 3, 4))},
    [QUEUE_PROBLEM_LOCAL] = {"trouble on this side", ALWAYS(OWN(NONE, 4, 3, 0))},
    [QUEUE_PROBLEM_NO_RESOLVER] = {"no resolver on this server", ALWAYS(OWN(NONE, 4, 4, 3))},
    [QUEUE_PROBLEM_ENDED] = {"returned by an administrator", ALWAYS(FINAL(NONE, 5, 0, 0))},
    [QUEUE_PROBLEM_NO_TIMES] = {"DELIVERBY not offered", ALWAYS(FINAL(ANSWERED, 5, 3, 3))},
    [QUEUE_PROBLEM_TIME_SHORT] = {"too little time left", ALWAYS(FINAL(ANSWERED, 5, 4, 7))},
    [QUEUE_PROBLEM_TOO_MANY] = {"too many recipients for one transaction",
	ALWAYS(NOW(ANSWERED, 4, 5, 3))},
    [QUEUE_PROBLEM_OFF] = {"not put into the mailbox in time", ALWAYS(FINAL(NONE, 5, 4, 7))},
    [QUEUE_PROBLEM_BRIEF] = {"no answer in the short time of an attempt while others wait",
	HOST(FAILED, 4, 4, 1), OWN(BUSY, 4, 4, 2)},
};

static struct queue_result of_problem(enum queue_problem problem, enum queue_stage stage)
{
	return is_late(stage) ? problems[problem].late : problems[problem].early;
}

const char *queue_result_problem(enum queue_problem problem)
{
	MUST(problem < QUEUE_PROBLEMS);
	return problems[problem].noun;
}

/* ---- replies ---- */

/* What a code says when no status came with it; of two rows the first that fits. [RFC 5321 4.2] */
static const struct {
	uint16_t code;
	bool only_rcpt;
	uint8_t subject, detail;
} defaults[] = {
    {421, false, 3, 2},
    {450, false, 2, 0},
    {451, false, 3, 0},
    {452, false, 3, 1},
    {454, false, 7, 0},
    {500, false, 5, 2},
    {501, false, 5, 4},
    {502, false, 5, 1},
    {503, false, 5, 1},
    {504, false, 5, 4},
    {521, false, 3, 2},
    {530, false, 7, 0},
    {535, false, 7, 8},
    {550, true, 1, 0},
    {551, true, 1, 6},
    {552, true, 2, 2},
    {552, false, 3, 4},
    {553, true, 1, 3},
    {555, false, 5, 4},
    {556, false, 1, 10},
};

/* The reply's own subject and detail, if its class is that of the code. */
static struct queue_status status_of(const struct queue_attempt *a, uint8_t class)
{
	if (a->status.class != 0 && a->status.class == a->code / 100)
		return (struct queue_status){class, a->status.subject, a->status.detail};
	for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
		if (defaults[i].code == a->code &&
		    (!defaults[i].only_rcpt || a->stage == QUEUE_STAGE_RCPT))
			return (struct queue_status){
			    class, defaults[i].subject, defaults[i].detail};
	return (struct queue_status){class, 0, 0};
}

static struct queue_result retry(
    const struct queue_attempt *a, enum queue_outcome outcome, enum queue_event event)
{
	return (struct queue_result){outcome, event, status_of(a, 4)};
}

/* Too many recipients, which may come as 452, 552 [RFC 5321 4.5.3.1.10] or with x.5.3. */
static bool is_too_many(const struct queue_attempt *a)
{
	if (a->stage != QUEUE_STAGE_RCPT || a->accepted == 0)
		return false;
	if (a->status.class != 0)
		return a->status.subject == 5 && a->status.detail == 3;
	return a->code == 452 || a->code == 552;
}

/* 4xx */
static struct queue_result of_temporary(const struct queue_attempt *a)
{
	if (is_late(a->stage))
		return retry(
		    a, QUEUE_RETRY, a->code == 421 ? QUEUE_EVENT_BUSY : QUEUE_EVENT_ANSWERED);
	return retry(a, QUEUE_RETRY_HOST,
	    a->code == 421 || a->stage <= QUEUE_STAGE_GREETING ? QUEUE_EVENT_TURNED_AWAY
							       : QUEUE_EVENT_FAILED);
}

/*
 * A greeting that is no welcome is about our address or the server's state, and about no recipient: lists
 * of addresses change within hours. Only who says that it never takes mail is believed for good
 * [RFC 7504 3, 4].
 */
static bool is_of_today(const struct queue_attempt *a)
{
	return a->stage <= QUEUE_STAGE_GREETING && a->code != 521 && a->code != 556;
}

/* 5xx */
static struct queue_result of_permanent(const struct queue_attempt *a)
{
	if (is_of_today(a))
		return retry(a, QUEUE_RETRY_HOST, QUEUE_EVENT_TURNED_AWAY);
	if (a->stage == QUEUE_STAGE_TLS || a->stage == QUEUE_STAGE_AUTH)
		return retry(a, QUEUE_RETRY_HOST, QUEUE_EVENT_FAILED);
	return (struct queue_result){QUEUE_FAILED, QUEUE_EVENT_ANSWERED, status_of(a, 5)};
}

struct queue_result queue_result_of(const struct queue_attempt *a)
{
	MUST(a->stage < QUEUE_STAGES && a->problem < QUEUE_PROBLEMS);
	if (a->problem != QUEUE_PROBLEM_NONE)
		return of_problem(a->problem, a->stage);
	if (is_too_many(a))
		return retry(a, QUEUE_RETRY_NOW, QUEUE_EVENT_ANSWERED);
	if (a->code / 100 == 4)
		return of_temporary(a);
	if (a->code / 100 == 5)
		return of_permanent(a);
	if (a->code / 100 == 2 && a->stage == QUEUE_STAGE_BODY)
		return (struct queue_result){QUEUE_DELIVERED, QUEUE_EVENT_SUCCESS, status_of(a, 2)};
	return of_problem(QUEUE_PROBLEM_GARBAGE, a->stage);
}

static bool is_of_tls_or_login(const struct queue_attempt *a)
{
	return a->stage == QUEUE_STAGE_TLS || a->stage == QUEUE_STAGE_AUTH ||
	       a->problem == QUEUE_PROBLEM_TLS || a->problem == QUEUE_PROBLEM_NO_TLS ||
	       a->problem == QUEUE_PROBLEM_NO_AUTH;
}

bool queue_result_is_of_host(const struct queue_attempt *a, bool asked)
{
	return a->problem != QUEUE_PROBLEM_BRIEF && (asked || !is_of_tls_or_login(a));
}

/* ---- text ---- */

void queue_result_put_status(struct buf *b, struct queue_status s)
{
	buf_u64(b, s.class);
	buf_byte(b, '.');
	buf_u64(b, s.subject);
	buf_byte(b, '.');
	buf_u64(b, s.detail);
}

void queue_result_put_reply(struct buf *b, const struct queue_attempt *a, struct str text)
{
	size_t start = b->n;

	text = str_trim(text);
	if (a->problem == QUEUE_PROBLEM_NONE) {
		buf_u64_pad(b, a->code, 3);
		if (a->status.class != 0) {
			buf_byte(b, ' ');
			queue_result_put_status(b, a->status);
		}
	} else {
		struct str noun = str_of_c(queue_result_problem(a->problem));

		buf_str(b, noun);
		if (str_eq_i(text, noun))
			return; /* the kernel often has the same words */
	}
	if (text.n == 0)
		return;
	buf_str(b, a->problem == QUEUE_PROBLEM_NONE ? STR(" ") : STR(": "));
	queue_text_clean(b, text, LIMIT_QUEUE_REPLY - (b->n - start), true);
}

bool queue_result_is_reply(struct str last_reply)
{
	if (last_reply.n < 3 || (last_reply.n > 3 && last_reply.p[3] != ' '))
		return false;
	return last_reply.p[0] >= '2' && last_reply.p[0] <= '5' &&
	       ascii_is_digit(last_reply.p[1]) && ascii_is_digit(last_reply.p[2]);
}
