/*
 * Explanations: three steps, each from the same picture and the same schedule that the scheduler
 * uses: why it waits, what is next, how it ends. Invariant: no sentence says more than the
 * schedule promises.
 */
#include "queue/queue_explain.h"

#include "base/limits.h"
#include "base/mem.h"
#include "queue/queue_routing.h"
#include "queue/queue_text.h"

#define PIECE (LIMIT_SMTP_PATH + LIMIT_QUEUE_REPLY) /* octets of one text that is put in */

/* What is said, with the texts that are put in. */
struct telling {
	const struct queue_explain *x;
	struct buf *out;
	struct queue_entry entry; /* settled, as the next is */
	struct queue_destination destination;
	struct queue_schedule schedule;
	enum queue_hold hold;
	struct buf recipient, sender, domain, reply, count, when, host;
	struct buf target; /* where it goes: the host of a route, or the domain */
	struct buf where;  /* the same, and of a host whose mail goes there */
	size_t start;
};

static struct buf cleaned(struct str s, size_t max)
{
	struct buf b;

	buf_init(&b, PIECE);
	queue_text_clean(&b, s, max, true);
	return b;
}

static bool is_host_down(const struct telling *t)
{
	return queue_destination_is_failing(&t->x->host_state);
}

/*
 * Where its own time and a later one of the destination both hold it back, the destination is what will
 * tell; unless its own time comes too late whatever that tells.
 */
static enum queue_hold longest(const struct telling *t)
{
	const struct queue_destination *d = &t->destination;
	int64_t own = t->entry.not_before;
	enum queue_hold hold = queue_destination_hold(d, t->x->active, own, t->x->now);

	if (hold != QUEUE_HOLD_OWN || own >= t->schedule.expires)
		return hold;
	if (d->waits > t->x->now && d->waits >= own)
		return QUEUE_HOLD_HOST;
	if (queue_destination_is_failing(d) && d->next_probe >= own)
		return t->x->active > 0 ? QUEUE_HOLD_PROBE : QUEUE_HOLD_PROBE_TIME;
	return hold;
}

/* One that fails and is in the line of a host that is up again has its turn there. */
static enum queue_hold hold_of(const struct telling *t)
{
	enum queue_hold hold = longest(t);

	if (hold == QUEUE_HOLD_PROBE_TIME && t->x->hosts > 0 && !is_host_down(t))
		return QUEUE_HOLD_HOST;
	return hold;
}

/* "the server smart.test through which mail for a.test is sent" */
static void put_route(const struct telling *t, struct buf *b, struct str host)
{
	queue_phrase_put(b, t->x->lang, QUEUE_PHRASE_ROUTE, QUEUE_ARGS(host, buf_view(&t->domain)));
}

/* The host that it waits for is that of the route. */
static bool is_of_route(const struct telling *t)
{
	return queue_routing_is_host(t->x->host, t->x->route);
}

static void find_way(struct telling *t)
{
	bool routed = t->x->route.n > 0;
	struct str server = is_of_route(t) ? t->x->host : t->x->route; /* with its port, if known */

	t->target = cleaned(routed ? server : t->x->domain, LIMIT_SMTP_PATH);
	buf_init(&t->where, 2 * PIECE);
	if (routed)
		put_route(t, &t->where, buf_view(&t->target));
	else
		buf_str(&t->where, buf_view(&t->domain));
}

static void begin(struct telling *t, const struct queue_explain *x, struct buf *out)
{
	*t = (struct telling){
	    .x = x,
	    .out = out,
	    .entry = x->entry,
	    .destination = x->destination,
	    .recipient = cleaned(x->recipient, LIMIT_SMTP_PATH),
	    .sender = cleaned(x->sender, LIMIT_SMTP_PATH),
	    .domain = cleaned(x->domain, LIMIT_SMTP_PATH),
	    .start = out->n,
	};
	buf_init(&t->reply, PIECE);
	buf_init(&t->count, PIECE);
	buf_init(&t->when, PIECE);
	buf_init(&t->host, 2 * PIECE);
	find_way(t);
	if (!x->held)
		queue_schedule_settle(&t->entry, x->now);
	queue_destination_settle(&t->destination, x->now);
	t->schedule = queue_schedule_of(x->policy, &t->entry, &t->destination, x->started);
	t->hold = hold_of(t);
}

static void end(struct telling *t)
{
	buf_fini(&t->recipient);
	buf_fini(&t->sender);
	buf_fini(&t->domain);
	buf_fini(&t->reply);
	buf_fini(&t->count);
	buf_fini(&t->when);
	buf_fini(&t->host);
	buf_fini(&t->target);
	buf_fini(&t->where);
}

static void join(struct telling *t)
{
	if (t->out->n > t->start)
		queue_phrase_join(t->out, t->x->lang);
}

static struct str when(struct telling *t, int64_t ms)
{
	buf_clear(&t->when);
	queue_phrase_put_time(&t->when, t->x->lang, ms, t->x->now, &t->x->zone);
	return buf_view(&t->when);
}

/* ---- why it waits ---- */

/* where: who holds it up. */
static void put_wait_for(
    struct telling *t, enum queue_phrase phrase, struct str where, struct str reply, int64_t time)
{
	queue_text_clean(&t->reply, reply, LIMIT_QUEUE_REPLY, true);
	queue_phrase_put(t->out, t->x->lang, phrase,
	    QUEUE_ARGS(buf_view(&t->recipient), where, buf_view(&t->reply), buf_view(&t->count),
		when(t, time)));
}

static void put_wait(struct telling *t, enum queue_phrase phrase, struct str reply, int64_t time)
{
	put_wait_for(t, phrase, buf_view(&t->domain), reply, time);
}

static void count(struct telling *t, enum queue_phrase one, int64_t n)
{
	queue_phrase_put_count(&t->count, t->x->lang, one, n);
}

/* Somebody was there, and nothing could be sent to him. */
static bool is_unusable(struct str last_reply)
{
	static const enum queue_problem problems[] = {
	    QUEUE_PROBLEM_GARBAGE, QUEUE_PROBLEM_TLS, QUEUE_PROBLEM_NO_TLS, QUEUE_PROBLEM_NO_AUTH};

	for (size_t i = 0; i < sizeof problems / sizeof *problems; i++)
		if (str_has_prefix(last_reply, str_of_c(queue_result_problem(problems[i]))))
			return true;
	return false;
}

/* first: that it could not be reached; behind it, not be used, and that it takes no mail. */
static enum queue_phrase why_down(struct str last_reply, enum queue_phrase first)
{
	if (queue_result_is_reply(last_reply))
		return (enum queue_phrase)((int)first + 2);
	return is_unusable(last_reply) ? (enum queue_phrase)((int)first + 1) : first;
}

static void why_host(struct telling *t);

/* Where all mail for it goes through one server, what is known of that is what is told. */
static void why_failing(struct telling *t)
{
	const struct queue_destination *d = &t->destination;

	if (is_of_route(t) && is_host_down(t)) {
		why_host(t);
		return;
	}

	count(t, QUEUE_PHRASE_ATTEMPT, d->failures);
	put_wait_for(t, why_down(d->last_reply, QUEUE_PHRASE_WAIT_UNREACHABLE), buf_view(&t->where),
	    d->last_reply, d->last_try);
}

static void why_own(struct telling *t)
{
	const struct queue_entry *e = &t->entry;

	if (queue_schedule_is_held(e, t->x->now)) {
		put_wait(t, QUEUE_PHRASE_WAIT_RELEASE, STR(""), e->hold_until);
		return;
	}
	if (t->x->postponed) {
		put_wait_for(t, QUEUE_PHRASE_WAIT_NO_RESOLVER, buf_view(&t->target), STR(""),
		    e->last_attempt);
		return;
	}
	if (e->attempts == 0) {
		put_wait(t, QUEUE_PHRASE_WAIT_HELD, STR(""), t->x->now);
		return;
	}
	count(t, QUEUE_PHRASE_ATTEMPT, e->attempts);
	put_wait_for(t,
	    queue_result_is_reply(t->x->last_reply) ? QUEUE_PHRASE_WAIT_REFUSED
						    : QUEUE_PHRASE_WAIT_BROKEN,
	    buf_view(&t->where), t->x->last_reply, e->last_attempt);
}

static void why_sessions(struct telling *t)
{
	count(t, QUEUE_PHRASE_CONNECTION, (int64_t)t->x->active);
	put_wait(t, QUEUE_PHRASE_WAIT_SESSIONS, STR(""), t->x->now);
}

static void why_turn(struct telling *t)
{
	int full = (int)t->x->full - (int)QUEUE_EXPLAIN_FULL;

	put_wait_for(t,
	    full < 0 ? QUEUE_PHRASE_WAIT_TURN
		     : (enum queue_phrase)((int)QUEUE_PHRASE_WAIT_FULL + full),
	    buf_view(&t->target), STR(""), t->x->now);
}

/* "mx.example.net, which also serves a.test," */
static struct str host(struct telling *t)
{
	struct buf name = cleaned(t->x->host, LIMIT_SMTP_PATH);
	struct buf other = cleaned(t->x->host_serves, LIMIT_SMTP_PATH);

	buf_clear(&t->host);
	if (is_of_route(t))
		put_route(t, &t->host, buf_view(&name));
	else if (other.n)
		queue_phrase_put(&t->host, t->x->lang, QUEUE_PHRASE_HOST_SERVES,
		    QUEUE_ARGS(buf_view(&name), buf_view(&other)));
	else
		buf_str(&t->host, buf_view(&name));
	buf_fini(&name);
	buf_fini(&other);
	return buf_view(&t->host);
}

static void why_host(struct telling *t)
{
	const struct queue_destination *d = &t->x->host_state;

	if (t->x->host.n == 0) {
		why_turn(t);
		return;
	}
	if (is_host_down(t)) {
		count(t, QUEUE_PHRASE_ATTEMPT, d->failures);
		put_wait_for(t,
		    why_down(d->last_reply, is_of_route(t) ? QUEUE_PHRASE_WAIT_UNREACHABLE
							   : QUEUE_PHRASE_WAIT_HOST_UNREACHABLE),
		    host(t), d->last_reply, d->last_try);
		return;
	}
	count(t, QUEUE_PHRASE_CONNECTION, (int64_t)t->x->host_active);
	put_wait_for(t,
	    is_of_route(t) ? QUEUE_PHRASE_WAIT_SESSIONS : QUEUE_PHRASE_WAIT_HOST_SESSIONS, host(t),
	    STR(""), t->x->now);
}

static void why_here(struct telling *t)
{
	put_wait(t, QUEUE_PHRASE_HERE_REFUSED, t->x->last_reply, t->x->now);
}

static void why(struct telling *t)
{
	static void (*const reasons[])(struct telling * t) = {
	    [QUEUE_HOLD_NONE] = why_turn,
	    [QUEUE_HOLD_OWN] = why_own,
	    [QUEUE_HOLD_PROBE_TIME] = why_failing,
	    [QUEUE_HOLD_PROBE] = why_failing,
	    [QUEUE_HOLD_SESSIONS] = why_sessions,
	    [QUEUE_HOLD_HOST] = why_host,
	};

	if (t->x->here)
		why_here(t);
	else if (t->hold == QUEUE_HOLD_NONE && queue_destination_is_failing(&t->destination))
		why_failing(t);
	else
		reasons[t->hold](t);
}

/* ---- what is next ---- */

static void put_next(struct telling *t, enum queue_phrase phrase, int64_t time)
{
	join(t);
	queue_phrase_put(t->out, t->x->lang, phrase,
	    QUEUE_ARGS(buf_view(&t->recipient), buf_view(&t->target), when(t, time)));
}

/* It goes earlier, should one of its hosts answer for another domain. */
static bool is_woken_by_host(const struct telling *t)
{
	return t->x->hosts > 0 && is_host_down(t) &&
	       (t->hold == QUEUE_HOLD_HOST || t->hold == QUEUE_HOLD_PROBE_TIME);
}

/* It goes with what happens elsewhere, whenever that is. */
static bool is_woken(const struct telling *t)
{
	return t->hold == QUEUE_HOLD_PROBE || is_woken_by_host(t) ||
	       (t->hold == QUEUE_HOLD_HOST && !is_host_down(t));
}

/*
 * Somebody else has found its hosts to be down since: when it has its turn none of them may be tried. If that is by a
 * moment only, it goes that much later.
 */
static bool is_turn_only(const struct telling *t)
{
	return t->schedule.next_attempt != QUEUE_NEVER &&
	       t->x->hosts_due > t->schedule.next_attempt + MINUTE_MS;
}

static void put_turn(struct telling *t)
{
	struct buf first;

	buf_init(&first, PIECE);
	buf_str(&first, when(t, t->schedule.next_attempt));
	join(t);
	queue_phrase_put(t->out, t->x->lang, QUEUE_PHRASE_NEXT_TURN,
	    QUEUE_ARGS(buf_view(&t->recipient), buf_view(&t->target), buf_view(&first),
		when(t, t->x->hosts_due)));
	buf_fini(&first);
}

static enum queue_phrase next_by_host(const struct telling *t)
{
	/* the sentence before has named it, and it is the only one */
	bool that = t->x->hosts == 1 && (t->hold == QUEUE_HOLD_HOST || is_of_route(t));

	if (t->schedule.next_attempt == QUEUE_NEVER)
		return that ? QUEUE_PHRASE_NONE_BUT_HOST : QUEUE_PHRASE_NONE_BUT_HOSTS;
	if (!that)
		return QUEUE_PHRASE_NEXT_REACH_HOSTS;
	return t->hold == QUEUE_HOLD_HOST ? QUEUE_PHRASE_NEXT_HOST : QUEUE_PHRASE_NEXT_REACH_HOST;
}

static enum queue_phrase next_of_own(const struct telling *t)
{
	if (queue_destination_is_failing(&t->destination))
		return QUEUE_PHRASE_NEXT_IF_UP;
	if (queue_destination_room(&t->destination, t->x->active, t->x->now) == 0)
		return QUEUE_PHRASE_NEXT_IF_FREE;
	return QUEUE_PHRASE_NEXT;
}

static void next(struct telling *t)
{
	static const enum queue_phrase phrases[] = {
	    [QUEUE_HOLD_NONE] = QUEUE_PHRASE_NEXT_NOW,
	    [QUEUE_HOLD_PROBE_TIME] = QUEUE_PHRASE_NEXT_REACH,
	    [QUEUE_HOLD_PROBE] = QUEUE_PHRASE_NEXT_PROBE,
	    [QUEUE_HOLD_SESSIONS] = QUEUE_PHRASE_NEXT_FREE,
	    [QUEUE_HOLD_HOST] = QUEUE_PHRASE_NEXT_FREE,
	};
	enum queue_phrase phrase = phrases[t->hold];

	if (t->schedule.next_attempt == QUEUE_NEVER && !is_woken(t))
		return;
	if (is_woken_by_host(t))
		phrase = next_by_host(t);
	else if (t->hold == QUEUE_HOLD_OWN)
		phrase = next_of_own(t);
	else if (t->hold == QUEUE_HOLD_NONE && t->x->full != QUEUE_EXPLAIN_ROOM)
		phrase = QUEUE_PHRASE_NEXT_ROOM;
	if (is_woken_by_host(t) && is_turn_only(t))
		put_turn(t);
	else
		put_next(t, phrase, t->schedule.next_attempt);
	if (t->hold == QUEUE_HOLD_HOST && is_woken_by_host(t) && t->x->active > 0)
		put_next(t, QUEUE_PHRASE_NEXT_PROBE, 0); /* at another of its hosts */
	if (is_woken(t) && t->entry.not_before > t->x->now)
		put_next(t, QUEUE_PHRASE_NOT_BEFORE, t->entry.not_before);
}

/* ---- how it ends ---- */

enum ending {
	ENDING_IF,
	ENDING_THEN,
	ENDING_NOW,
	ENDING_LATE
};

static void put_ending(struct telling *t, enum ending ending)
{
	enum queue_phrase first = QUEUE_PHRASE_RETURN_IF;

	if (t->x->postmaster)
		first = QUEUE_PHRASE_POSTMASTER_IF;
	else if (t->entry.bounce)
		first = QUEUE_PHRASE_NULL_IF;
	else if (!t->x->notify_failure)
		first = QUEUE_PHRASE_SILENT_IF;
	else if (t->x->sender_refuses)
		first = QUEUE_PHRASE_REFUSES_IF;
	join(t);
	queue_phrase_put(t->out, t->x->lang, (enum queue_phrase)((int)first + (int)ending),
	    QUEUE_ARGS(buf_view(&t->sender), when(t, t->schedule.expires)));
}

/* Its time is over, and yet it has not expired: it could not be tried while the server was off. */
static bool is_late(const struct telling *t)
{
	int64_t end = t->entry.accepted + queue_policy_lifetime(t->x->policy, t->entry.bounce);

	return t->x->now >= end && t->x->started >= end;
}

static void how(struct telling *t)
{
	if (t->schedule.next_attempt == QUEUE_NEVER && !is_woken(t))
		put_ending(t, ENDING_THEN);
	else if (is_late(t))
		put_ending(t, ENDING_LATE);
	else
		put_ending(t, ENDING_IF);
}

/* Behind the sentence that says when: because the sender set that time. */
static void by(struct telling *t, enum queue_by kind, int64_t when, enum queue_phrase phrase)
{
	if (t->entry.by != kind || t->entry.by_time != when)
		return;
	join(t);
	queue_phrase_put(t->out, t->x->lang, phrase, NULL, 0);
}

static void warning(struct telling *t)
{
	if (t->schedule.next_warning == QUEUE_NEVER || t->schedule.next_warning <= t->x->now ||
	    t->x->sender_refuses)
		return;
	join(t);
	queue_phrase_put(t->out, t->x->lang, QUEUE_PHRASE_WARNING,
	    QUEUE_ARGS(buf_view(&t->sender), when(t, t->schedule.next_warning)));
	by(t, QUEUE_BY_NOTIFY, t->schedule.next_warning, QUEUE_PHRASE_BY_NOTIFY);
}

static void backup(struct telling *t)
{
	if (!t->x->backup)
		return;
	join(t);
	put_wait(t, QUEUE_PHRASE_BACKUP, STR(""), t->x->now);
}

/* ---- what became of him ---- */

static void put_fate(struct telling *t)
{
	static const enum queue_phrase phrases[] = {
	    [QUEUE_EXPLAIN_FAILED] = QUEUE_PHRASE_REFUSED_FOR_GOOD,
	    [QUEUE_EXPLAIN_EXPIRED] = QUEUE_PHRASE_GIVEN_UP,
	    [QUEUE_EXPLAIN_RELAYED] = QUEUE_PHRASE_TAKEN,
	    [QUEUE_EXPLAIN_DELIVERED] = QUEUE_PHRASE_DELIVERED,
	    [QUEUE_EXPLAIN_EXPANDED] = QUEUE_PHRASE_EXPANDED,
	};
	struct buf reply = cleaned(t->x->last_reply, LIMIT_QUEUE_REPLY);

	if (reply.n)
		queue_phrase_put(
		    &t->reply, t->x->lang, QUEUE_PHRASE_IN_BRACKETS, QUEUE_ARGS(buf_view(&reply)));
	queue_phrase_put(t->out, t->x->lang, phrases[t->x->end],
	    QUEUE_ARGS(buf_view(&t->recipient), buf_view(&t->reply)));
	buf_fini(&reply);
}

/* His report, as far as there is one, goes now, or it did not find room and is tried again. */
static void put_report(struct telling *t)
{
	const struct queue_explain *x = t->x;
	bool good = x->end >= QUEUE_EXPLAIN_RELAYED, later = t->entry.not_before > x->now;
	enum queue_phrase phrase = QUEUE_PHRASE_REPORT_AGAIN;

	if (!later && !good) {
		put_ending(t, ENDING_NOW);
		return;
	}
	if (x->sender_refuses && (good || x->notify_failure))
		phrase = good ? QUEUE_PHRASE_LEAVES : QUEUE_PHRASE_REFUSES_THEN;
	else if (!later)
		phrase = QUEUE_PHRASE_REPORT_NOW;
	else if (x->postmaster)
		phrase = QUEUE_PHRASE_REPORT_AGAIN_POSTMASTER;
	else if (t->entry.bounce || (!good && !x->notify_failure))
		phrase = QUEUE_PHRASE_LEAVES;
	join(t);
	queue_phrase_put(t->out, x->lang, phrase,
	    QUEUE_ARGS(buf_view(&t->sender), when(t, later ? t->entry.not_before : x->now)));
}

/* ---- how it goes ---- */

static void sent_on(struct telling *t)
{
	const struct queue_explain *x = t->x;
	struct buf forwarder, path;

	if (x->forwarder.n == 0 || x->domain.n == 0)
		return;
	forwarder = cleaned(x->forwarder, LIMIT_SMTP_PATH);
	path = cleaned(x->sent_as, LIMIT_SMTP_PATH);
	join(t);
	queue_phrase_put(t->out, x->lang, path.n ? QUEUE_PHRASE_SENT_AS : QUEUE_PHRASE_SENT_ON,
	    QUEUE_ARGS(buf_view(&forwarder), buf_view(&path)));
	buf_fini(&forwarder);
	buf_fini(&path);
}

/* ---- the whole ---- */

static void tell(struct telling *t)
{
	const struct queue_explain *x = t->x;

	if (x->here && !x->held && t->entry.attempts == 0 && x->now < t->schedule.expires) {
		put_wait(t,
		    t->entry.not_before > x->now ? QUEUE_PHRASE_WAIT_HERE
						 : QUEUE_PHRASE_WAIT_HERE_NOW,
		    STR(""), t->entry.not_before);
	} else if (x->end != QUEUE_EXPLAIN_WAITS && !x->held) {
		put_fate(t);
		put_report(t);
	} else if (x->held) {
		put_wait(t, QUEUE_PHRASE_HELD, STR(""), x->held);
	} else if (x->under_way) {
		put_wait(t, QUEUE_PHRASE_UNDER_WAY, STR(""), x->under_way);
		if (x->now < t->schedule.expires)
			put_ending(t, ENDING_IF);
	} else if (x->now >= t->schedule.expires) {
		put_wait(t, QUEUE_PHRASE_GIVEN_UP, STR(""), x->now);
		put_ending(t, ENDING_NOW);
	} else {
		why(t);
		next(t);
		how(t);
		by(t, QUEUE_BY_RETURN, t->schedule.expires,
		    x->notify_failure ? QUEUE_PHRASE_BY_RETURN : QUEUE_PHRASE_BY_END);
		warning(t);
		backup(t);
	}
}

void queue_explain_put(struct buf *b, const struct queue_explain *x)
{
	struct telling t;

	MUST(x->policy && x->destination.limit >= 1);
	begin(&t, x, b);
	tell(&t);
	if (x->held || x->under_way || x->now < t.schedule.expires)
		sent_on(&t);
	end(&t);
}
