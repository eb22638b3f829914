/*
 * The schedule. The attempts that count for a recipient are his own refusals and the probes of his
 * destination; whichever lets him wait longer decides. Invariant: next_attempt is QUEUE_NEVER or
 * before expires.
 */
#include "queue/queue_schedule.h"

#include "base/clock.h"

#define SOON_MS MINUTE_MS /* and up to as much again, so that many do not come together */
#define NEAR_MS                                                                                    \
	(5 * MINUTE_MS) /* a start is near; a warning that was missed comes so soon at the latest */

static int64_t min_of(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/*
 * For two attempts, of which the first may come before this machine has its network again: until the first, which may
 * take a third of a step, and the longest wait behind it.
 */
static int64_t grace_of(const struct queue_policy *p)
{
	int64_t last = p->retry[p->n_retry - 1];

	return p->retry[0] + last / 3 + last + last / 10;
}

/* A life that ends no farther than this from a start ends with it. */
static int64_t near_of(const struct queue_policy *p, int64_t life)
{
	return min_of(min_of(NEAR_MS, p->retry[0]), min_of(p->retry[p->n_retry - 1], life) / 2);
}

/*
 * When he is returned whose life ends at a time:
 *
 *   well behind the start       then
 *   not long before or after    a last step later; mostly it was a restart, and he was tried until then
 *   before it                   a grace behind the start, as long as his life at most
 */
static int64_t returned_at(const struct queue_policy *p, int64_t life, int64_t end, int64_t started)
{
	int64_t last = p->retry[p->n_retry - 1];
	int64_t near = near_of(p, life);

	if (end > started + near)
		return end;
	if (end >= started - near)
		return end + min_of(last, life);
	return started + min_of(grace_of(p), life);
}

bool queue_schedule_is_spared(const struct queue_policy *p, bool bounce, int64_t accepted,
    int64_t started, int64_t *until_r, int64_t *last_r)
{
	int64_t life = queue_policy_lifetime(p, bounce), near = near_of(p, life);
	int64_t end = accepted + life;

	*until_r = returned_at(p, life, end, started);
	*last_r = (end < started - near ? started - near - 1 : started + near) - life;
	return *until_r != end;
}

int64_t queue_schedule_end(
    const struct queue_policy *p, const struct queue_entry *e, int64_t started)
{
	int64_t life = queue_policy_lifetime(p, e->bounce);
	int64_t end = returned_at(p, life, e->accepted + life, started);

	return e->by == QUEUE_BY_RETURN && e->by_time < end ? e->by_time : end;
}

/*
 * A warning whose time passed meanwhile waits for a moment, so that what could not be tried is; of a life that
 * ended meanwhile, or ends with the start, there is none: what becomes of it is told soon enough.
 */
static int64_t next_warning(
    const struct queue_policy *p, const struct queue_entry *e, int64_t started)
{
	int64_t life = queue_policy_lifetime(p, e->bounce), when = QUEUE_NEVER;

	if (!e->bounce && e->warn && e->warnings < p->n_warn &&
	    e->accepted + life > started + near_of(p, life))
		when = e->accepted + p->warn[e->warnings];
	if (when <= started)
		when = started + min_of(p->retry[0], NEAR_MS);
	return e->by == QUEUE_BY_NOTIFY ? min_of(when, e->by_time) : when;
}

static int64_t max_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

struct queue_schedule queue_schedule_of(const struct queue_policy *p, const struct queue_entry *e,
    const struct queue_destination *d, int64_t started)
{
	struct queue_schedule s;

	s.expires = queue_schedule_end(p, e, started);
	s.next_attempt = max_of(max_of(e->not_before, e->accepted), d->waits);
	if (queue_destination_is_failing(d))
		s.next_attempt = max_of(s.next_attempt, d->next_probe);
	if (s.next_attempt >= s.expires)
		s.next_attempt = QUEUE_NEVER;
	s.next_warning = next_warning(p, e, started);
	if (s.next_warning >= s.expires)
		s.next_warning = QUEUE_NEVER;
	return s;
}

enum queue_due queue_schedule_due(const struct queue_schedule *s, int64_t now)
{
	if (now >= s->expires)
		return QUEUE_DUE_RETURN;
	if (now >= s->next_warning)
		return QUEUE_DUE_WARNING;
	return now >= s->next_attempt ? QUEUE_DUE_ATTEMPT : QUEUE_DUE_NOTHING;
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
