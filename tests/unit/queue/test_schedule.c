/* Weeks of a queue in microseconds. */
#include "queue_sim.h"

#include "base/hash.h"

#define SEEDS 200

/* A step with its tenth, as far as the first step allows. */
static int64_t low_of(const struct queue_policy *p, size_t failures)
{
	int64_t step = p->retry[failures < p->n_retry ? failures - 1 : p->n_retry - 1];
	int64_t low = step - step / 10;

	return low < p->retry[0] ? p->retry[0] : low;
}

static int64_t high_of(const struct queue_policy *p, size_t failures)
{
	int64_t step = p->retry[failures < p->n_retry ? failures - 1 : p->n_retry - 1];

	return step + step / 10;
}

/* Every gap is its step, and none is at or past the end. */
static void expect_steps(const struct sim *s, int64_t lifetime)
{
	for (size_t i = 1; i < s->n_attempts; i++) {
		int64_t gap = s->attempts[i] - s->attempts[i - 1];

		assert_in_range(gap, low_of(&s->policy, i), high_of(&s->policy, i));
	}
	assert_true(s->attempts[s->n_attempts - 1] < SIM_START + lifetime);
	assert_true(s->attempts[s->n_attempts - 1] + high_of(&s->policy, s->n_attempts) >=
		    SIM_START + lifetime);
}

static void expect_dead_week(uint64_t seed, bool bounce, int64_t lifetime, size_t warnings,
    struct queue_attempt (*answer)(const struct sim *s))
{
	struct sim *s = sim_new(seed);

	s->entry.bounce = bounce;
	s->answer = answer;
	sim_run(s, SIM_START + 30 * DAY_MS);
	assert_int_equal(s->returned, SIM_START + lifetime);
	assert_int_equal(s->attempts[0], SIM_START);
	assert_in_range(s->attempts[1] - SIM_START, 5 * MINUTE_MS, 5 * MINUTE_MS + 30 * SECOND_MS);
	assert_in_range(s->attempts[2] - SIM_START, 18 * MINUTE_MS, 22 * MINUTE_MS);
	assert_in_range(s->attempts[3] - SIM_START, 45 * MINUTE_MS, 55 * MINUTE_MS);
	assert_in_range(s->attempts[4] - SIM_START, 72 * MINUTE_MS, 88 * MINUTE_MS);
	expect_steps(s, lifetime);
	assert_int_equal(s->n_warnings, warnings);
	if (warnings)
		assert_int_equal(s->warnings[0], SIM_START + 4 * HOUR_MS);
	sim_free(&s);
}

static void test_dead_week(void **state)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		expect_dead_week(seed, false, 5 * DAY_MS, 1, sim_refused);
		expect_dead_week(seed, false, 5 * DAY_MS, 1, sim_greylisted);
		expect_dead_week(seed, true, 2 * DAY_MS, 0, sim_refused);
	}
}

static void test_no_warning_wanted(void **state)
{
	struct sim *s = sim_new(1);

	s->entry.warn = false;
	sim_run(s, SIM_START + 30 * DAY_MS);
	assert_int_equal(s->n_warnings, 0);
	assert_int_equal(s->returned, SIM_START + 5 * DAY_MS);
	sim_free(&s);
}

static struct queue_attempt down_three_days(const struct sim *s)
{
	return s->time < SIM_START + 3 * DAY_MS + 4 * HOUR_MS ? sim_refused(s) : sim_taken(s);
}

static void test_down_three_days(void **state)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct sim *s = sim_new(seed);
		int64_t up = SIM_START + 3 * DAY_MS + 4 * HOUR_MS;

		s->answer = down_three_days;
		sim_run(s, SIM_START + 30 * DAY_MS);
		assert_in_range(s->delivered, up, up + 33 * MINUTE_MS);
		assert_int_equal(s->n_warnings, 1);
		assert_int_equal(s->returned, 0);
		sim_free(&s);
	}
}

static struct queue_attempt five_minutes(const struct sim *s)
{
	return s->time < SIM_START + 5 * MINUTE_MS ? sim_greylisted(s) : sim_taken(s);
}

/* The second attempt is never too early for a server that asks for the first step. */
static void test_greylisting(void **state)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		struct sim *s = sim_new(seed);

		s->answer = five_minutes;
		sim_run(s, SIM_START + DAY_MS);
		assert_int_equal(s->n_attempts, 2);
		assert_true(s->delivered > 0);
		sim_free(&s);
	}
}

/* What failed together does not come back together. */
static void test_jitter_spreads(void **state)
{
	int buckets[7] = {0}; /* of a minute, from 27 to 33 */
	struct queue_policy p;

	queue_policy_init(&p);
	for (uint64_t seed = 0; seed < 1000; seed++) {
		int64_t delay = queue_policy_delay(&p, 7, seed);

		assert_int_equal(delay, queue_policy_delay(&p, 7, seed));
		assert_in_range(delay, 27 * MINUTE_MS, 33 * MINUTE_MS);
		buckets[(delay - 27 * MINUTE_MS) / MINUTE_MS]++;
	}
	for (size_t i = 0; i < 6; i++)
		assert_in_range(buckets[i], 100, 240);
}

/* ---- any policy ---- */

static int64_t random_of(uint64_t seed, uint64_t n, int64_t max)
{
	struct hash_key key = {seed, n};

	return (int64_t)(hash_bytes(&key, STR("test")) % (uint64_t)max);
}

static struct queue_policy random_policy(uint64_t seed)
{
	struct queue_policy p = {.n_retry = (size_t)random_of(seed, 0, 5) + 1};
	int64_t step = SECOND_MS;

	for (size_t i = 0; i < p.n_retry; i++)
		p.retry[i] = step += random_of(seed, i + 1, HOUR_MS);
	p.lifetime = p.retry[0] + random_of(seed, 10, 9 * DAY_MS);
	p.bounce_lifetime = SECOND_MS + random_of(seed, 11, 9 * DAY_MS);
	p.n_warn = (size_t)random_of(seed, 12, 4);
	for (size_t i = 0, at = 0; i < p.n_warn; i++)
		p.warn[i] = (int64_t)(at += SECOND_MS + (size_t)random_of(seed, 20 + i, DAY_MS));
	assert_int_equal(queue_policy_check(&p), QUEUE_POLICY_OK);
	return p;
}

static void test_any_policy(void **state)
{
	for (uint64_t seed = 0; seed < 300; seed++) {
		struct sim *s = sim_new(seed);
		size_t due = 0;

		s->policy = random_policy(seed);
		s->policy.retry[0] += MINUTE_MS; /* bounds the number of attempts */
		for (size_t i = 1; i < s->policy.n_retry; i++)
			s->policy.retry[i] += MINUTE_MS;
		s->policy.lifetime += MINUTE_MS;
		s->answer = seed % 2 ? sim_greylisted : sim_refused;
		sim_run(s, SIM_START + 30 * DAY_MS);
		assert_int_equal(s->returned, SIM_START + s->policy.lifetime);
		expect_steps(s, s->policy.lifetime);
		for (size_t i = 0; i < s->policy.n_warn; i++)
			due += s->policy.warn[i] < s->policy.lifetime;
		assert_int_equal(s->n_warnings, due);
		for (size_t i = 0; i < due; i++)
			assert_int_equal(s->warnings[i], SIM_START + s->policy.warn[i]);
		sim_free(&s);
	}
}

/* ---- clocks and pauses ---- */

static void set_back_after_a_day(struct sim *s)
{
	if (s->time > SIM_START + DAY_MS)
		s->offset = -DAY_MS;
}

/* An attempt just before the jump has its whole wait behind it, and no more than that. */
static void expect_set_back(uint64_t seed, struct queue_attempt (*answer)(const struct sim *s))
{
	struct sim *s = sim_new(seed);

	s->answer = answer;
	s->on_step = set_back_after_a_day;
	sim_run(s, SIM_START + 30 * DAY_MS);
	for (size_t i = 1; i < s->n_attempts; i++) {
		assert_true(s->attempts[i] - s->attempts[i - 1] >= low_of(&s->policy, i));
		assert_true(s->attempts[i] - s->attempts[i - 1] <= high_of(&s->policy, i));
	}
	assert_in_range(s->returned, SIM_START + 5 * DAY_MS, SIM_START + 6 * DAY_MS);
	assert_int_equal(s->n_warnings, 1);
	sim_free(&s);
}

static void test_clock_set_back(void **state)
{
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		expect_set_back(seed, sim_refused);
		expect_set_back(seed, sim_greylisted);
	}
}

static void year_2036(struct sim *s)
{
	s->offset = 0; /* it was ahead when the message was taken */
}

/* A message from a future that never was ends all the same. */
static void test_accepted_in_future(void **state)
{
	struct sim *s = sim_new(3);

	s->entry.accepted = SIM_START + 3650 * DAY_MS;
	s->on_step = year_2036;
	sim_run(s, SIM_START + 30 * DAY_MS);
	assert_int_equal(s->attempts[0], SIM_START);
	assert_int_equal(s->returned, SIM_START + 5 * DAY_MS);
	sim_free(&s);
}

/* Runs for an hour, is off until back, runs on. */
static struct sim *paused(
    uint64_t seed, int64_t back, struct queue_attempt (*then)(const struct sim *s))
{
	struct sim *s = sim_new(seed);

	sim_run(s, SIM_START + HOUR_MS);
	s->time = s->started = SIM_START + back;
	s->answer = then;
	return s;
}

/* What it would be now, was it started at a time. */
static struct queue_schedule plan_of(const struct sim *s, int64_t started)
{
	return queue_schedule_of(&s->policy, &s->entry, &s->destination, started);
}

/* The first step, a third of the last for an attempt, and the last with its tenth. */
#define GRACE_MS (48 * MINUTE_MS)

static void test_off_beyond_lifetime(void **state)
{
	struct sim *s = paused(5, 6 * DAY_MS, sim_taken);

	sim_run(s, SIM_START + 30 * DAY_MS);
	assert_int_equal(s->delivered, SIM_START + 6 * DAY_MS);
	assert_int_equal(s->n_warnings, 0);
	sim_free(&s);
}

/* At once, and when this machine has its network again, whatever chance adds to a step. */
static void test_off_beyond_lifetime_and_refused(void **state)
{
	static const size_t steps[] = {3, 1};

	for (uint64_t seed = 0; seed < 2 * SEEDS; seed++) {
		struct sim *s = paused(
		    seed, 6 * DAY_MS, seed / 2 % 2 ? sim_refused : sim_greylisted);
		size_t before = s->n_attempts;
		int64_t last = s->policy.retry[2], first;

		s->policy.n_retry = steps[seed % 2];
		s->policy.retry[0] = first = seed % 2 ? last : s->policy.retry[0];
		sim_run(s, SIM_START + 30 * DAY_MS);
		assert_in_range(s->n_attempts - before, 2, 4);
		assert_int_equal(s->attempts[before], SIM_START + 6 * DAY_MS);
		assert_int_equal(s->returned, s->started + first + last / 3 + last + last / 10);
		assert_int_equal(s->n_warnings, 0);
		sim_free(&s);
	}
}

/* Nobody has time for it: it is returned all the same. */
static void test_off_and_starved(void **state)
{
	struct sim *s = paused(5, 6 * DAY_MS, sim_refused);
	struct queue_schedule plan = plan_of(s, s->started);

	assert_int_equal(plan.expires, s->started + GRACE_MS);
	assert_int_equal(plan.next_warning, QUEUE_NEVER);
	assert_int_equal(queue_schedule_due(&plan, s->started), QUEUE_DUE_ATTEMPT);
	assert_int_equal(queue_schedule_due(&plan, plan.expires - 1), QUEUE_DUE_ATTEMPT);
	assert_int_equal(queue_schedule_due(&plan, plan.expires), QUEUE_DUE_RETURN);
	sim_free(&s);
}

/* Behind the first step, in which he may have been tried. */
static void test_off_beyond_warning(void **state)
{
	struct sim *s = paused(5, 30 * HOUR_MS, sim_refused);

	s->policy.n_warn = 3;
	s->policy.warn[1] = 24 * HOUR_MS;
	s->policy.warn[2] = 48 * HOUR_MS;
	sim_run(s, SIM_START + 30 * DAY_MS);
	assert_int_equal(s->entry.warnings, 3);
	assert_int_equal(s->attempts[4], SIM_START + 30 * HOUR_MS);
	assert_int_equal(s->n_warnings, 2);
	assert_int_equal(s->warnings[0], SIM_START + 30 * HOUR_MS + 5 * MINUTE_MS);
	assert_int_equal(s->warnings[1], SIM_START + 48 * HOUR_MS);
	sim_free(&s);
}

/* Near a start he has a last step more, and no more than that if it is started once more in it. */
static void test_due_at_start(void **state)
{
	struct sim *s = paused(5, 5 * DAY_MS, sim_refused);
	int64_t end = SIM_START + 5 * DAY_MS, near = 5 * MINUTE_MS;

	assert_int_equal(plan_of(s, end - near - 1).expires, end);
	assert_int_equal(plan_of(s, end - near).expires, end + 30 * MINUTE_MS);
	assert_int_equal(plan_of(s, end + near).expires, end + 30 * MINUTE_MS);
	assert_int_equal(plan_of(s, end + near + 1).expires, end + near + 1 + GRACE_MS);
	assert_int_equal(plan_of(s, end + 29 * MINUTE_MS).expires, end + 29 * MINUTE_MS + GRACE_MS);
	s->entry.warnings = 0; /* and his sender is told once */
	assert_int_equal(plan_of(s, end - near - 1).next_warning, end - 1);
	assert_int_equal(plan_of(s, end - near).next_warning, QUEUE_NEVER);
	sim_free(&s);
}

/* What waits for days between attempts, and lives for hours, does not live for days behind a start. */
static void test_grace_of_a_short_life(void **state)
{
	struct sim *s = paused(5, 2 * DAY_MS, sim_refused);

	s->policy.lifetime = 2 * HOUR_MS;
	s->policy.retry[2] = DAY_MS;
	assert_int_equal(plan_of(s, s->started).expires, s->started + 2 * HOUR_MS);
	s->policy.lifetime = 2 * DAY_MS - MINUTE_MS;
	assert_int_equal(plan_of(s, s->started).expires, s->started + DAY_MS - MINUTE_MS);
	s->policy.lifetime = 2 * MINUTE_MS; /* nor is he returned at it */
	assert_true(plan_of(s, SIM_START + 4 * MINUTE_MS).expires > SIM_START + 4 * MINUTE_MS);
	sim_free(&s);
}

/* Nor does he who waits for a host yet lose the attempt. */
static void test_missed_and_in_line(void **state)
{
	struct sim *s = paused(5, 6 * DAY_MS, sim_refused);
	struct queue_schedule plan;

	s->destination.failures = 0;
	s->destination.waits = s->started + MINUTE_MS;
	plan = plan_of(s, s->started);
	assert_int_equal(plan.next_attempt, s->started + MINUTE_MS);
	assert_int_equal(plan.expires, s->started + GRACE_MS);
	s->destination.waits = s->started + GRACE_MS;
	plan = plan_of(s, s->started);
	assert_int_equal(plan.next_attempt, QUEUE_NEVER);
	assert_int_equal(plan.expires, s->started + GRACE_MS);
	sim_free(&s);
}

static void test_move_on(void **state)
{
	struct queue_entry e = {.accepted = 1000};

	queue_schedule_move_on(&e, 500, 2000);
	assert_int_equal(e.accepted, 1500);
	queue_schedule_move_on(&e, 600, 2000);
	assert_int_equal(e.accepted, 2000);
	e.accepted = 3000; /* as its sender wishes */
	queue_schedule_move_on(&e, 600, 2000);
	assert_int_equal(e.accepted, 3000);
}

static void test_settle(void **state)
{
	struct queue_entry e = {.accepted = 1000, .last_attempt = 2000, .not_before = 2500};

	assert_false(queue_schedule_settle(&e, 2000));
	assert_int_equal(e.not_before, 2500);
	assert_true(queue_schedule_settle(&e, 1500));
	assert_int_equal(e.accepted, 1000);
	assert_int_equal(e.last_attempt, 1500);
	assert_int_equal(e.not_before, 2000);
	assert_false(queue_schedule_settle(&e, 1500));
	assert_true(queue_schedule_settle(&e, 900));
	assert_int_equal(e.accepted, 900);
	assert_int_equal(e.last_attempt, 900);
	assert_int_equal(e.not_before, 1400);
	e = (struct queue_entry){.accepted = 1000};
	assert_false(queue_schedule_settle(&e, 1000));
	assert_true(queue_schedule_settle(&e, 999));
	assert_int_equal(e.not_before, 0);
}

/* It wakes with its destination, but not before its own time. */
static void test_own_time_and_probe(void **state)
{
	struct sim *s = sim_new(9);
	struct queue_schedule plan;

	s->entry.not_before = SIM_START + HOUR_MS;
	queue_destination_apply(
	    &s->destination, &s->policy, QUEUE_EVENT_FAILED, 0, STR("x"), SIM_START);
	plan = queue_schedule_of(&s->policy, &s->entry, &s->destination, 0);
	assert_int_equal(plan.next_attempt, SIM_START + HOUR_MS);
	s->entry.not_before = 0;
	plan = queue_schedule_of(&s->policy, &s->entry, &s->destination, 0);
	assert_int_equal(plan.next_attempt, s->destination.next_probe);
	s->destination.next_probe = SIM_START + 5 * DAY_MS;
	plan = queue_schedule_of(&s->policy, &s->entry, &s->destination, 0);
	assert_true(plan.next_attempt == QUEUE_NEVER);
	assert_int_equal(queue_schedule_wake(&plan), SIM_START + 4 * HOUR_MS);
	queue_destination_apply(
	    &s->destination, &s->policy, QUEUE_EVENT_SUCCESS, 0, STR("250"), SIM_START + 1);
	plan = queue_schedule_of(&s->policy, &s->entry, &s->destination, 0);
	assert_int_equal(plan.next_attempt, SIM_START);
	sim_free(&s);
}

/* ---- times that the sender sets ---- */

static struct queue_schedule schedule_of(const struct queue_entry *e)
{
	struct queue_policy policy;
	struct queue_destination d;

	queue_policy_init(&policy);
	queue_destination_init(&d, 0);
	return queue_schedule_of(&policy, e, &d, SIM_START);
}

/* Returned at that time, not before and not behind; nothing is tried behind it. */
static void test_by_return(void **state)
{
	struct queue_entry e = {.accepted = SIM_START,
	    .warn = true,
	    .by = QUEUE_BY_RETURN,
	    .by_time = SIM_START + HOUR_MS};
	struct queue_schedule s = schedule_of(&e);
	struct sim *sim = sim_new(3);

	assert_true(s.expires == SIM_START + HOUR_MS && s.next_warning == QUEUE_NEVER);
	assert_true(queue_schedule_wake(&s) == SIM_START);
	e.not_before = e.by_time - 1;
	assert_true(schedule_of(&e).next_attempt == e.by_time - 1);
	e.not_before = e.by_time;
	assert_true(schedule_of(&e).next_attempt == QUEUE_NEVER);
	e.by_time = SIM_START + 9 * DAY_MS; /* behind the lifetime it says nothing */
	e.not_before = 0;
	assert_true(schedule_of(&e).expires == SIM_START + 5 * DAY_MS);
	sim->answer = sim_refused;
	sim->entry.by = QUEUE_BY_RETURN;
	sim->entry.by_time = SIM_START + 90 * MINUTE_MS;
	sim_run(sim, SIM_START + 30 * DAY_MS);
	assert_int_equal(sim->returned, SIM_START + 90 * MINUTE_MS);
	assert_true(sim->n_attempts >= 4 && sim->n_warnings == 0);
	sim_free(&sim);
}

/* Told once at that time, beside the warnings of the policy; then it goes on. */
static void test_by_notify(void **state)
{
	struct queue_entry e = {
	    .accepted = SIM_START, .by = QUEUE_BY_NOTIFY, .by_time = SIM_START + HOUR_MS};
	struct queue_policy policy;
	struct sim *sim = sim_new(3);

	queue_policy_init(&policy);
	assert_true(schedule_of(&e).next_warning == e.by_time);
	queue_schedule_warned(&e, &policy, e.by_time - 1);
	assert_int_equal(e.by, QUEUE_BY_NOTIFY);
	queue_schedule_warned(&e, &policy, e.by_time);
	assert_int_equal(e.by, QUEUE_BY_TOLD);
	assert_true(schedule_of(&e).next_warning == QUEUE_NEVER);
	sim->answer = sim_refused;
	sim->entry.by = QUEUE_BY_NOTIFY;
	sim->entry.by_time = SIM_START + HOUR_MS;
	sim_run(sim, SIM_START + 30 * DAY_MS);
	assert_int_equal(sim->n_warnings, 2);
	assert_int_equal(sim->warnings[0], SIM_START + HOUR_MS);
	assert_int_equal(sim->warnings[1], SIM_START + 4 * HOUR_MS);
	assert_int_equal(sim->returned, SIM_START + 5 * DAY_MS);
	sim_free(&sim);
}

/* His life begins at the time that is set, and that is no clock that was set back. */
static void test_hold(void **state)
{
	int64_t release = SIM_START + 10 * DAY_MS;
	struct queue_entry e = {
	    .accepted = release, .hold_until = release, .not_before = release, .warn = true};
	struct queue_schedule s = schedule_of(&e);

	assert_true(queue_schedule_is_held(&e, SIM_START) && !queue_schedule_is_held(&e, release));
	assert_true(s.next_attempt == release && s.expires == release + 5 * DAY_MS);
	assert_true(s.next_warning == release + 4 * HOUR_MS);
	assert_false(queue_schedule_settle(&e, SIM_START));
	assert_true(e.accepted == release && e.not_before == release);
	e.last_attempt = release +
			 HOUR_MS; /* it was released and tried, then the clock goes back */
	e.not_before = release + 2 * HOUR_MS;
	assert_true(queue_schedule_settle(&e, SIM_START));
	assert_true(e.accepted == SIM_START && e.not_before == SIM_START + HOUR_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_by_return),
	    cmocka_unit_test(test_by_notify),
	    cmocka_unit_test(test_hold),
	    cmocka_unit_test(test_dead_week),
	    cmocka_unit_test(test_no_warning_wanted),
	    cmocka_unit_test(test_down_three_days),
	    cmocka_unit_test(test_greylisting),
	    cmocka_unit_test(test_jitter_spreads),
	    cmocka_unit_test(test_any_policy),
	    cmocka_unit_test(test_clock_set_back),
	    cmocka_unit_test(test_accepted_in_future),
	    cmocka_unit_test(test_off_beyond_lifetime),
	    cmocka_unit_test(test_off_beyond_lifetime_and_refused),
	    cmocka_unit_test(test_grace_of_a_short_life),
	    cmocka_unit_test(test_off_and_starved),
	    cmocka_unit_test(test_off_beyond_warning),
	    cmocka_unit_test(test_due_at_start),
	    cmocka_unit_test(test_settle),
	    cmocka_unit_test(test_missed_and_in_line),
	    cmocka_unit_test(test_move_on),
	    cmocka_unit_test(test_own_time_and_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
