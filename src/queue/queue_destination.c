/*
 * Destinations.
 *
 * 1. failures > 0 exactly while failing_since and next_probe are set.
 * 2. limit is from 1 to QUEUE_SESSIONS_MAX.
 * 3. failures rises by one for each probe, whatever else was under way.
 * 4. waits > 0 only while it is not failing: then next_probe says the same.
 */
#include "queue/queue_destination.h"

#include "base/mem.h"

void queue_destination_init(struct queue_destination *d, uint64_t seed)
{
	*d = (struct queue_destination){.limit = QUEUE_SESSIONS_START, .seed = seed};
}

/* ---- what an attempt taught ---- */

static void halve(struct queue_destination *d)
{
	d->limit = d->limit > 1 ? d->limit / 2 : 1;
}

/* True: it was failing. */
static bool wake(struct queue_destination *d)
{
	bool was = d->failures > 0;

	d->failures = 0;
	d->failing_since = d->next_probe = d->waits = 0;
	return was;
}

struct lesson {
	const struct queue_policy *policy;
	size_t others;
	int64_t now;
};

static bool on_success(struct queue_destination *d, const struct lesson *l)
{
	if (d->limit < QUEUE_SESSIONS_MAX)
		d->limit++;
	return wake(d);
}

static bool on_answered(struct queue_destination *d, const struct lesson *l)
{
	return wake(d);
}

static bool on_busy(struct queue_destination *d, const struct lesson *l)
{
	halve(d);
	return wake(d);
}

static bool on_failed(struct queue_destination *d, const struct lesson *l)
{
	if (d->failures > 0 && l->now < d->next_probe)
		return false; /* it began before the destination was known to fail */
	if (d->failures == 0)
		d->failing_since = l->now;
	d->waits = 0;
	if (d->failures < UINT32_MAX)
		d->failures++;
	d->next_probe = l->now + queue_policy_delay(l->policy, d->failures, d->seed);
	halve(d);
	return false;
}

static bool on_turned_away(struct queue_destination *d, const struct lesson *l)
{
	if (l->others == 0 || d->failures > 0)
		return on_failed(d, l);
	halve(d);
	if (d->limit > l->others)
		d->limit = (uint32_t)l->others;
	return false;
}

static bool (*const lessons[QUEUE_EVENTS])(struct queue_destination *d, const struct lesson *l) = {
    [QUEUE_EVENT_SUCCESS] = on_success,
    [QUEUE_EVENT_ANSWERED] = on_answered,
    [QUEUE_EVENT_BUSY] = on_busy,
    [QUEUE_EVENT_TURNED_AWAY] = on_turned_away,
    [QUEUE_EVENT_FAILED] = on_failed,
};

bool queue_destination_apply(struct queue_destination *d, const struct queue_policy *p,
    enum queue_event event, size_t others, struct str reply, int64_t now)
{
	struct lesson l = {p, others, now};

	MUST(event < QUEUE_EVENTS && d->limit >= 1);
	if (event == QUEUE_EVENT_NONE)
		return false;
	d->last_try = now;
	d->last_reply = reply;
	return lessons[event](d, &l);
}

/* ---- who may go ---- */

enum queue_standing queue_destination_standing(const struct queue_destination *d)
{
	if (queue_destination_is_failing(d))
		return QUEUE_STANDING_FAILING;
	return d->last_try ? QUEUE_STANDING_GOOD : QUEUE_STANDING_UNKNOWN;
}

/* In fifths. A server that is silent holds an attempt for minutes: a fifth is always left for the good. */
static const size_t shares[QUEUE_STANDINGS] = {
    [QUEUE_STANDING_GOOD] = 5,
    [QUEUE_STANDING_UNKNOWN] = 2,
    [QUEUE_STANDING_FAILING] = 2,
};

size_t queue_standing_share(enum queue_standing standing, size_t total)
{
	MUST((size_t)standing < QUEUE_STANDINGS);
	return total * shares[standing] / 5;
}

size_t queue_destination_room(const struct queue_destination *d, size_t active, int64_t now)
{
	if (queue_destination_is_failing(d))
		return active == 0 && d->next_probe <= now;
	if (d->waits > now)
		return 0;
	return active < d->limit ? d->limit - active : 0;
}

enum queue_hold queue_destination_hold(
    const struct queue_destination *d, size_t active, int64_t not_before, int64_t now)
{
	if (not_before > now)
		return QUEUE_HOLD_OWN;
	if (queue_destination_room(d, active, now) > 0)
		return QUEUE_HOLD_NONE;
	if (!queue_destination_is_failing(d))
		return d->waits > now ? QUEUE_HOLD_HOST : QUEUE_HOLD_SESSIONS;
	return active > 0 ? QUEUE_HOLD_PROBE : QUEUE_HOLD_PROBE_TIME;
}

void queue_destination_wait(struct queue_destination *d, int64_t until, bool down)
{
	if (!down)
		wake(d);
	if (queue_destination_is_failing(d))
		d->next_probe = until;
	else
		d->waits = until;
}

void queue_destination_wake(struct queue_destination *d)
{
	wake(d);
}

bool queue_destination_settle(struct queue_destination *d, int64_t now)
{
	int64_t ahead = d->last_try - now;

	if (ahead <= 0)
		return false;
	d->last_try = now;
	if (d->waits)
		d->waits -= ahead;
	if (queue_destination_is_failing(d)) {
		d->next_probe -= ahead;
		if (d->failing_since > now)
			d->failing_since = now;
	}
	return true;
}
