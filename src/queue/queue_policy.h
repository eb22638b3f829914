/*
 * How long mail is tried and how often: the configuration's `queue = { retry = ["5m", "15m",
 * "30m"]; lifetime = "5d"; delay_warning = ["4h"]; };`. Each destination may have one of its own.
 * [RFC 5321 4.5.4.1]
 */
#ifndef QUEUE_POLICY_H
#define QUEUE_POLICY_H

#include "base/clock.h"
#include "base/limits.h"

/* Bounds of a step of the retry list, of a lifetime and of a warning, in milliseconds. */
#define QUEUE_STEP_MIN     SECOND_MS
#define QUEUE_STEP_MAX     DAY_MS
#define QUEUE_LIFETIME_MIN SECOND_MS
#define QUEUE_LIFETIME_MAX (60 * DAY_MS)

/* All times in milliseconds. */
struct queue_policy {
	int64_t retry[LIMIT_QUEUE_STEPS]; /* waits after the first, second ... failure */
	size_t n_retry;                   /* 1 or more; the last step repeats */
	int64_t lifetime;                 /* from acceptance to the return to the sender */
	int64_t bounce_lifetime;          /* of mail with the null reverse-path */
	int64_t warn[LIMIT_QUEUE_STEPS];  /* from acceptance to each delay warning */
	size_t n_warn;                    /* 0: none */
};

/* The defaults: 5, 15, then every 30 minutes; 5 days, bounces 2; one warning after 4 hours. */
void queue_policy_init(struct queue_policy *p);

enum queue_policy_status {
	QUEUE_POLICY_OK,
	QUEUE_POLICY_NO_RETRY,
	QUEUE_POLICY_RETRY_COUNT,
	QUEUE_POLICY_RETRY_RANGE,
	QUEUE_POLICY_RETRY_ORDER,
	QUEUE_POLICY_LIFETIME,
	QUEUE_POLICY_BOUNCE_LIFETIME,
	QUEUE_POLICY_TOO_SHORT,
	QUEUE_POLICY_WARN_COUNT,
	QUEUE_POLICY_WARN_RANGE,
	QUEUE_POLICY_WARN_ORDER,
	QUEUE_POLICY_STATUSES
};

/*
 * The first thing wrong with it: an empty or overlong list, a value out of bounds, steps that get
 * shorter, warnings that do not rise, a lifetime that ends before the first retry. Warnings behind
 * the lifetime are allowed: they are never due.
 */
enum queue_policy_status queue_policy_check(const struct queue_policy *p);

/* That in a sentence that names the cure; "" for OK. Static. */
const char *queue_policy_text(enum queue_policy_status status);

/* The lifetime that applies: mail with the null reverse-path never lives longer than other mail. */
int64_t queue_policy_lifetime(const struct queue_policy *p, bool bounce);

/*
 * The wait after the failures-th failure in a row, 1 or more (aborts on 0): its step, with up to a
 * tenth more or less so that what failed together does not come back together, but never less than
 * the first step, which greylisting servers count on. The same seed and count give the same wait.
 */
int64_t queue_policy_delay(const struct queue_policy *p, uint32_t failures, uint64_t seed);

#endif
