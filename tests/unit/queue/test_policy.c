/* What a policy may be. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "queue/queue_policy.h"

static void test_default(void **state)
{
	struct queue_policy p;

	queue_policy_init(&p);
	assert_int_equal(queue_policy_check(&p), QUEUE_POLICY_OK);
	assert_int_equal(p.n_retry, 3);
	assert_int_equal(p.retry[0], 300000);
	assert_int_equal(p.retry[1], 900000);
	assert_int_equal(p.retry[2], 1800000);
	assert_int_equal(queue_policy_lifetime(&p, false), 5 * DAY_MS);
	assert_int_equal(queue_policy_lifetime(&p, true), 2 * DAY_MS);
	p.lifetime = DAY_MS;
	assert_int_equal(queue_policy_lifetime(&p, true), DAY_MS);
	assert_int_equal(p.n_warn, 1);
	assert_int_equal(p.warn[0], 4 * HOUR_MS);
}

static void break_count(struct queue_policy *p)
{
	p->n_retry = LIMIT_QUEUE_STEPS + 1;
}

static void break_empty(struct queue_policy *p)
{
	p->n_retry = 0;
}

static void break_small(struct queue_policy *p)
{
	p->retry[0] = 999;
}

static void break_large(struct queue_policy *p)
{
	p->retry[2] = DAY_MS + 1;
}

static void break_order(struct queue_policy *p)
{
	p->retry[1] = p->retry[0] - 1;
}

static void break_lifetime(struct queue_policy *p)
{
	p->lifetime = 60 * DAY_MS + 1;
}

static void break_bounce_lifetime(struct queue_policy *p)
{
	p->bounce_lifetime = 0;
}

static void break_short(struct queue_policy *p)
{
	p->lifetime = p->retry[0] - 1;
}

static void break_warn_count(struct queue_policy *p)
{
	p->n_warn = LIMIT_QUEUE_STEPS + 1;
}

static void break_warn(struct queue_policy *p)
{
	p->warn[0] = -1;
}

static void break_warn_order(struct queue_policy *p)
{
	p->n_warn = 2;
	p->warn[1] = p->warn[0];
}

static void same_steps(struct queue_policy *p)
{
	p->retry[1] = p->retry[2] = p->retry[0];
}

static void no_warning(struct queue_policy *p)
{
	p->n_warn = 0;
}

static void late_warning(struct queue_policy *p)
{
	p->warn[0] = 30 * DAY_MS;
}

static void longest(struct queue_policy *p)
{
	p->n_retry = p->n_warn = LIMIT_QUEUE_STEPS;
	for (size_t i = 0; i < LIMIT_QUEUE_STEPS; i++) {
		p->retry[i] = DAY_MS;
		p->warn[i] = 60 * DAY_MS - (int64_t)(LIMIT_QUEUE_STEPS - 1 - i);
	}
	p->lifetime = p->bounce_lifetime = 60 * DAY_MS;
}

static void shortest(struct queue_policy *p)
{
	p->n_retry = 1;
	p->retry[0] = p->lifetime = p->bounce_lifetime = SECOND_MS;
}

static const struct {
	void (*change)(struct queue_policy *p);
	enum queue_policy_status want;
} cases[] = {
    {break_count, QUEUE_POLICY_RETRY_COUNT},
    {break_empty, QUEUE_POLICY_NO_RETRY},
    {break_small, QUEUE_POLICY_RETRY_RANGE},
    {break_large, QUEUE_POLICY_RETRY_RANGE},
    {break_order, QUEUE_POLICY_RETRY_ORDER},
    {break_lifetime, QUEUE_POLICY_LIFETIME},
    {break_bounce_lifetime, QUEUE_POLICY_BOUNCE_LIFETIME},
    {break_short, QUEUE_POLICY_TOO_SHORT},
    {break_warn_count, QUEUE_POLICY_WARN_COUNT},
    {break_warn, QUEUE_POLICY_WARN_RANGE},
    {break_warn_order, QUEUE_POLICY_WARN_ORDER},
    {same_steps, QUEUE_POLICY_OK},
    {no_warning, QUEUE_POLICY_OK},
    {late_warning, QUEUE_POLICY_OK},
    {longest, QUEUE_POLICY_OK},
    {shortest, QUEUE_POLICY_OK},
};

static void test_check(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct queue_policy p;

		queue_policy_init(&p);
		cases[i].change(&p);
		assert_int_equal(queue_policy_check(&p), cases[i].want);
	}
}

static void test_texts(void **state)
{
	for (int i = 0; i < QUEUE_POLICY_STATUSES; i++) {
		const char *text = queue_policy_text((enum queue_policy_status)i);

		assert_non_null(text);
		assert_int_equal(text[0] == 0, i == QUEUE_POLICY_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_default),
	    cmocka_unit_test(test_check),
	    cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
