/*
 * The schedule. The attempts that count for a recipient are his own refusals and the probes of his
 * destination; whichever lets him wait longer decides. Invariant: next_attempt is QUEUE_NEVER or
 * before expires.
 */
#include "queue/queue_schedule.h"

#include "base/clock.h"

#define SOON_MS MINUTE_MS /* and up to as much again, so that many do not come together */

/*
 * When he is warned who is to be at a time: then, or, if that passed while the scheduler was not running or as
 * the clock went ahead, and an attempt was due before it, a first step after that.
 */
static int64_t unless_missed(
    const struct queue_policy *p, int64_t due, int64_t attempt, int64_t started)
{
	return attempt < due && due <= started ? started + p->retry[0] : due;
}

/*
 * When it is returned whose time is over: then, or, if that passed meanwhile, a step later, and if so did that, a
 * whole step after that, however often it is tried in it: the first attempt may come before this machine has its
 * network again.
 */
static int64_t end_of(const struct queue_policy *p, int64_t end, int64_t started)
{
	int64_t step = p->retry[p->n_retry - 1];

	if (end > started)
		return end;
	return (end + step > started ? end : started) + step;
}

static int64_t next_warning(
    const struct queue_policy *p, const struct queue_entry *e, int64_t attempt, int64_t started)
{
	int64_t when = QUEUE_NEVER;

	if (!e->bounce && e->warn && e->warnings < p->n_warn)
		when = unless_missed(p, e->accepted + p->warn[e->warnings], attempt, started);
	return e->by == QUEUE_BY_NOTIFY && e->by_time < when ? e->by_time : when;
}

static int64_t max_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

struct queue_schedule queue_schedule_of(const struct queue_policy *p, const struct queue_entry *e,
    const struct queue_destination *d, int64_t started)
{
	int64_t end = e->accepted + queue_policy_lifetime(p, e->bounce);
	int64_t attempt = max_of(e->not_before, e->accepted);
	struct queue_schedule s;

	if (queue_destination_is_failing(d))
		attempt = max_of(attempt, d->next_probe);
	s.expires = end_of(p, end, started);
	if (e->by == QUEUE_BY_RETURN && e->by_time < s.expires)
		s.expires = e->by_time;
	s.next_attempt = max_of(attempt, d->waits); /* its turn is to come yet: none was made */
	if (s.next_attempt >= s.expires)
		s.next_attempt = QUEUE_NEVER;
	s.next_warning = next_warning(p, e, attempt, started);
	if (s.next_warning >= s.expires)
		s.next_warning = QUEUE_NEVER;
	return s;
}

int64_t queue_schedule_end(const struct queue_policy *p, const struct queue_entry *e)
{
	int64_t end = e->accepted + queue_policy_lifetime(p, e->bounce);

	return e->by == QUEUE_BY_RETURN && e->by_time < end ? e->by_time : end;
}

enum queue_due queue_schedule_due(const struct queue_schedule *s, int64_t now)
{
	if (now >= s->expires)
		return QUEUE_DUE_RETURN;
	if (now >= s->next_warning)
		return QUEUE_DUE_WARNING;
	return now >= s->next_attempt ? QUEUE_DUE_ATTEMPT : QUEUE_DUE_NOTHING;
}

static int64_t min_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t queue_schedule_wake(const struct queue_schedule *s)
{
	return min_of(s->expires, min_of(s->next_warning, s->next_attempt));
}

void queue_schedule_refused(struct queue_entry *e, const struct queue_policy *p, int64_t now)
{
	if (e->attempts < UINT32_MAX)
		e->attempts++;
	e->last_attempt = now;
	e->not_before = now + queue_policy_delay(p, e->attempts, e->seed);
}

static int64_t soon(const struct queue_entry *e, int64_t now)
{
	return now + SOON_MS + (int64_t)(e->seed % SOON_MS);
}

void queue_schedule_interrupted(struct queue_entry *e, const struct queue_policy *p, int64_t now)
{
	queue_schedule_refused(e, p, now);
	e->not_before = min_of(e->not_before, soon(e, now));
}

void queue_schedule_postponed(struct queue_entry *e, int64_t now)
{
	e->last_attempt = now;
	e->not_before = soon(e, now);
}

void queue_schedule_warned(struct queue_entry *e, const struct queue_policy *p, int64_t now)
{
	while (e->warnings < p->n_warn && e->accepted + p->warn[e->warnings] <= now)
		e->warnings++;
	if (e->by == QUEUE_BY_NOTIFY && e->by_time <= now)
		e->by = QUEUE_BY_TOLD;
}

bool queue_schedule_is_held(const struct queue_entry *e, int64_t now)
{
	return e->hold_until > now && e->accepted == e->hold_until && e->last_attempt <= now;
}

void queue_schedule_move_on(struct queue_entry *e, int64_t by, int64_t now)
{
	if (e->accepted < now)
		e->accepted = min_of(e->accepted + by, now);
}

bool queue_schedule_settle(struct queue_entry *e, int64_t now)
{
	int64_t ahead = e->last_attempt - now;

	if (ahead <= 0 && (e->accepted <= now || queue_schedule_is_held(e, now)))
		return false;
	if (ahead > 0) {
		e->last_attempt = now;
		e->not_before -= ahead;
	}
	if (e->accepted > now)
		e->accepted = now;
	return true;
}
