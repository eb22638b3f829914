/*
 * What is known of recipients of relay domains.
 *
 * 1. A verdict that is for good is replaced only by another one, or ends with its time.
 * 2. Of each domain and verdict at most so many rows are kept (+ 1), whatever strangers ask for: those
 *    that were asked first go. A refused one never takes the place of one that was taken.
 * 3. Beyond ASCII each spelling is a recipient of its own: whether its server takes two for one is not known,
 *    and a stranger could have one refused to keep mail from the other.
 */
#include "store/callout.h"

#include "base/clock.h"
#include "base/mem.h"
#include "queue/queue_reason.h"

static const struct {
	int64_t refresh, expires; /* how long after it was asked */
	int64_t max;              /* rows of a domain */
} keeping[CALLOUT_VERDICTS] = {
    [CALLOUT_GOOD] = {7 * DAY_MS, 31 * DAY_MS, CALLOUT_GOOD_MAX},
    [CALLOUT_REFUSED] = {3 * HOUR_MS, 3 * DAY_MS, CALLOUT_OTHER_MAX},
    [CALLOUT_UNSURE] = {MINUTE_MS, HOUR_MS, CALLOUT_OTHER_MAX},
};

/* What is known for good, and was asked about in vain, is asked about again after that time. */
#define LATER_MS (15 * MINUTE_MS)

enum db_code callout_get(struct db *db, struct arena *a, struct str domain, struct str local,
    int64_t now, struct callout *known_r)
{
	struct db_query *q = db_begin_query(
	    db, SQL_CALLOUT_GET, DB_ARGS(db_text(domain), db_text(arena_lower(a, local))));
	struct callout known = {.verdict = CALLOUT_NOTHING};
	enum db_code code;

	if (db_step(q) == DB_ROW && db_col_int(q, 4) > now)
		known = (struct callout){
		    .verdict = (enum callout_verdict)db_col_word(
			q, 0, CALLOUT_VERDICTS, CALLOUT_NOTHING),
		    .reply = arena_str(a, db_col_str(q, 1)),
		    .asked = db_col_int(q, 2),
		    .refresh = db_col_int(q, 3),
		};
	code = db_end(q);
	if (code == DB_OK)
		*known_r = known;
	return code;
}

/* Also what was asked in what is now the future: the clock was set back. */
bool callout_is_due(const struct callout *known, int64_t now)
{
	return known->verdict == CALLOUT_NOTHING || now >= known->refresh || known->asked > now;
}

/* No server can be found, and that is no trouble of the moment. */
static bool is_unrouted(enum queue_problem problem)
{
	return problem == QUEUE_PROBLEM_NXDOMAIN || problem == QUEUE_PROBLEM_NO_ADDRESS ||
	       problem == QUEUE_PROBLEM_NULL_MX || problem == QUEUE_PROBLEM_FORBIDDEN ||
	       problem == QUEUE_PROBLEM_LOOP;
}

/* Whatever the code: these can be about the recipient only. */
static bool names_unknown(struct str text)
{
	static const char *const words[] = {"user unknown", "unknown user", "no such user",
	    "no such recipient", "recipient not found", "recipientnotfound", "user not found",
	    "no such mailbox"};

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		for (struct str s = text; s.n; s = str_from(s, 1))
			if (str_has_prefix_i(s, str_of_c(words[i])))
				return true;
	return false;
}

/* By its words it is about us, the moment, the sender or the size of his mailbox; a bare 550 is that too. */
static bool is_of_another(enum queue_phrase why)
{
	static const enum queue_phrase others[] = {QUEUE_PHRASE_WHY_TOO_MUCH,
	    QUEUE_PHRASE_WHY_BLOCKLISTED, QUEUE_PHRASE_WHY_UNPROVEN, QUEUE_PHRASE_WHY_IDENTITY,
	    QUEUE_PHRASE_WHY_GREYLISTED, QUEUE_PHRASE_WHY_TLS, QUEUE_PHRASE_WHY_NO_RELAY,
	    QUEUE_PHRASE_WHY_MAILBOX_FULL, QUEUE_PHRASE_WHY_SPAM, QUEUE_PHRASE_WHY_TOO_LARGE,
	    QUEUE_PHRASE_WHY_RESTRICTED, QUEUE_PHRASE_WHY_SENDER_ADDRESS};

	for (size_t i = 0; i < sizeof others / sizeof *others; i++)
		if (why == others[i])
			return true;
	return false;
}

/* What Microsoft says of those it does not know: 5.4.1 and 5.5.0. */
static bool is_vague(const struct queue_status *s)
{
	return (s->subject == 4 && s->detail == 1) || (s->subject == 5 && s->detail == 0);
}

/*
 * A refusal of the recipient [RFC 3463 3.2, 3.3]. Large providers say it with other codes, as 5.4.1 and 5.7.1: then
 * it is the words that tell, and only such as say nothing else, for it is kept for days.
 */
static bool is_unknown(const struct queue_attempt *a, enum queue_phrase why, struct str text)
{
	const struct queue_status *s = &a->status;

	if (is_of_another(why))
		return false;
	if (s->class == 5 && (s->subject == 1 || (s->subject == 2 && s->detail == 1)))
		return true;
	if (s->class != 4 && names_unknown(text))
		return true;
	if (s->class == 5)
		return why == QUEUE_PHRASE_WHY_NO_MAILBOX && is_vague(s);
	return a->code == 550 || a->code == 551 || a->code == 553;
}

/* It does not want us. Of words about him or his group that is not said. */
static bool is_of_us(const struct queue_attempt *a, enum queue_phrase why)
{
	return a->status.class == 5 && a->status.subject == 7 &&
	       why != QUEUE_PHRASE_WHY_NO_MAILBOX && why != QUEUE_PHRASE_WHY_RESTRICTED;
}

/* A refusal for good of what RCPT named, or of who asked. */
static void judge_refusal(
    struct callout_lesson *lesson, const struct queue_attempt *a, struct str text)
{
	enum queue_phrase why = queue_reason_of(a->problem, a->status, text).why;

	if (is_unknown(a, why, text))
		lesson->verdict = CALLOUT_REFUSED;
	else
		lesson->host = is_of_us(a, why);
}

/*
 * Only the reply to RCPT is about the recipient: what is said to us before it, as to the empty
 * reverse-path, is not; 421 is not either, whatever it answers.
 */
struct callout_lesson callout_judge(const struct queue_attempt *a, struct str text)
{
	struct callout_lesson lesson = {.verdict = CALLOUT_UNSURE};

	if (a->problem == QUEUE_PROBLEM_NO_SMTPUTF8) {
		lesson.verdict = CALLOUT_REFUSED;
	} else if (a->problem != QUEUE_PROBLEM_NONE) {
		lesson.host = a->problem != QUEUE_PROBLEM_LOCAL &&
			      a->problem != QUEUE_PROBLEM_NO_RESOLVER;
		lesson.unrouted = is_unrouted(a->problem);
	} else if (a->stage != QUEUE_STAGE_RCPT || a->code == 421) {
		lesson.host = true;
	} else if (a->code / 100 == 2) {
		lesson.verdict = CALLOUT_GOOD;
	} else if (a->code / 100 == 5) {
		judge_refusal(&lesson, a, text);
	}
	return lesson;
}

void callout_put(struct buf *b, const struct callout *known, bool verified)
{
	static const struct str what[CALLOUT_VERDICTS] = {
	    [CALLOUT_NOTHING] = STR_INIT("nothing is known of this recipient from its server"),
	    [CALLOUT_GOOD] = STR_INIT("its server took this recipient when it was asked at "),
	    [CALLOUT_REFUSED] = STR_INIT("its server refused this recipient when it was asked at "),
	    [CALLOUT_UNSURE] = STR_INIT("its server did not say yes or no when it was asked at "),
	};

	buf_lit(b, "relay domain: ");
	if (!verified) {
		buf_lit(b, "its server is not asked for recipients");
		return;
	}
	buf_str(b, what[known->verdict]);
	if (known->verdict == CALLOUT_NOTHING)
		return;
	clock_put_iso(b, known->asked);
	buf_lit(b, ": ");
	buf_str(b, known->reply);
}

/* ---- keeping ---- */

static bool is_for_good(enum callout_verdict verdict)
{
	return verdict == CALLOUT_GOOD || verdict == CALLOUT_REFUSED;
}

static enum db_code keep(
    struct db *db, const struct callout_settle *s, struct str local, int64_t now)
{
	enum db_code code = db_exec(db, SQL_CALLOUT_SET,
	    DB_ARGS(db_text(s->domain), db_text(local), db_int(s->verdict), db_text(s->reply),
		db_int(now), db_int(now + keeping[s->verdict].refresh),
		db_int(now + keeping[s->verdict].expires)),
	    NULL);

	if (code == DB_OK)
		code = db_exec(db, SQL_CALLOUT_EVICT,
		    DB_ARGS(
			db_text(s->domain), db_int(s->verdict), db_int(keeping[s->verdict].max)),
		    NULL);
	return code;
}

static enum lane_exec settle_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct callout_settle *s = LIST_ENTRY(op, struct callout_settle, op);
	struct arena *a = arena_new();
	struct str local = arena_lower(a, s->local);
	struct callout known;
	enum db_code code = callout_get(db, a, s->domain, local, now, &known);

	if (code == DB_OK && s->verdict == CALLOUT_UNSURE && is_for_good(known.verdict))
		code = db_exec(db, SQL_CALLOUT_LATER,
		    DB_ARGS(db_text(s->domain), db_text(local), db_int(now + LATER_MS)), NULL);
	else if (code == DB_OK)
		code = keep(db, s, local, now);
	arena_free(&a);
	return code == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

void callout_settle_init(struct callout_settle *s)
{
	MUST(s->verdict > CALLOUT_NOTHING && s->verdict < CALLOUT_VERDICTS);
	list_init(&s->op.link);
	s->op.exec = settle_exec;
}
