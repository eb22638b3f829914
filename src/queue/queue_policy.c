/*
 * The policy and its waits. A wait lies between low and high, both derived from its step; where in
 * between, a hash of seed and count decides. Invariant: first step <= wait <= 11/10 of the step.
 */
#include "queue/queue_policy.h"

#include "base/hash.h"
#include "base/mem.h"

void queue_policy_init(struct queue_policy *p)
{
	*p = (struct queue_policy){
	    .retry = {5 * MINUTE_MS, 15 * MINUTE_MS, 30 * MINUTE_MS},
	    .n_retry = 3,
	    .lifetime = 5 * DAY_MS,
	    .bounce_lifetime = 2 * DAY_MS,
	    .warn = {4 * HOUR_MS},
	    .n_warn = 1,
	};
}

static bool in_range(int64_t v, int64_t min, int64_t max)
{
	return v >= min && v <= max;
}

static enum queue_policy_status check_retry(const struct queue_policy *p)
{
	if (p->n_retry == 0)
		return QUEUE_POLICY_NO_RETRY;
	if (p->n_retry > LIMIT_QUEUE_STEPS)
		return QUEUE_POLICY_RETRY_COUNT;
	for (size_t i = 0; i < p->n_retry; i++) {
		if (!in_range(p->retry[i], QUEUE_STEP_MIN, QUEUE_STEP_MAX))
			return QUEUE_POLICY_RETRY_RANGE;
		if (i > 0 && p->retry[i] < p->retry[i - 1])
			return QUEUE_POLICY_RETRY_ORDER;
	}
	return QUEUE_POLICY_OK;
}

static enum queue_policy_status check_lifetimes(const struct queue_policy *p)
{
	if (!in_range(p->lifetime, QUEUE_LIFETIME_MIN, QUEUE_LIFETIME_MAX))
		return QUEUE_POLICY_LIFETIME;
	if (!in_range(p->bounce_lifetime, QUEUE_LIFETIME_MIN, QUEUE_LIFETIME_MAX))
		return QUEUE_POLICY_BOUNCE_LIFETIME;
	return p->lifetime < p->retry[0] ? QUEUE_POLICY_TOO_SHORT : QUEUE_POLICY_OK;
}

static enum queue_policy_status check_warnings(const struct queue_policy *p)
{
	if (p->n_warn > LIMIT_QUEUE_STEPS)
		return QUEUE_POLICY_WARN_COUNT;
	for (size_t i = 0; i < p->n_warn; i++) {
		if (!in_range(p->warn[i], QUEUE_LIFETIME_MIN, QUEUE_LIFETIME_MAX))
			return QUEUE_POLICY_WARN_RANGE;
		if (i > 0 && p->warn[i] <= p->warn[i - 1])
			return QUEUE_POLICY_WARN_ORDER;
	}
	return QUEUE_POLICY_OK;
}

enum queue_policy_status queue_policy_check(const struct queue_policy *p)
{
	enum queue_policy_status status = check_retry(p);

	if (status == QUEUE_POLICY_OK)
		status = check_lifetimes(p);
	if (status == QUEUE_POLICY_OK)
		status = check_warnings(p);
	return status;
}

const char *queue_policy_text(enum queue_policy_status status)
{
	static const char *const texts[QUEUE_POLICY_STATUSES] = {
	    [QUEUE_POLICY_OK] = "",
	    [QUEUE_POLICY_NO_RETRY] =
		"queue.retry is empty: give at least one time, like [\"30m\"]",
	    [QUEUE_POLICY_RETRY_COUNT] =
		"queue.retry has more than 32 times: the last one repeats, "
		"so leave out those behind it",
	    [QUEUE_POLICY_RETRY_RANGE] = "a time of queue.retry must be from 1s to 1d",
	    [QUEUE_POLICY_RETRY_ORDER] =
		"the times of queue.retry must not get shorter: put the shortest first",
	    [QUEUE_POLICY_LIFETIME] = "queue.lifetime must be from 1s to 60d",
	    [QUEUE_POLICY_BOUNCE_LIFETIME] = "queue.bounce_lifetime must be from 1s to 60d",
	    [QUEUE_POLICY_TOO_SHORT] = "queue.lifetime is over before the first time of "
				       "queue.retry: make it longer, or that time shorter",
	    [QUEUE_POLICY_WARN_COUNT] = "queue.delay_warning has more than 32 times: give fewer",
	    [QUEUE_POLICY_WARN_RANGE] = "a time of queue.delay_warning must be from 1s to 60d",
	    [QUEUE_POLICY_WARN_ORDER] =
		"each time of queue.delay_warning must be longer than the one before it",
	};

	return texts[status];
}

int64_t queue_policy_lifetime(const struct queue_policy *p, bool bounce)
{
	return bounce && p->bounce_lifetime < p->lifetime ? p->bounce_lifetime : p->lifetime;
}

/* A number from 0 to max, always the same for the same seed and count. */
static int64_t pick(uint64_t seed, uint32_t count, int64_t max)
{
	struct hash_key key = {seed, count};

	return (int64_t)(hash_bytes(&key, STR("retry")) % ((uint64_t)max + 1));
}

int64_t queue_policy_delay(const struct queue_policy *p, uint32_t failures, uint64_t seed)
{
	int64_t step, low, high;

	MUST(failures > 0 && p->n_retry > 0);
	step = p->retry[failures < p->n_retry ? failures - 1 : p->n_retry - 1];
	high = step + step / 10;
	low = step - step / 10;
	if (low < p->retry[0])
		low = p->retry[0];
	return low + pick(seed, failures, high - low);
}
