#include "queue_sim.h"

#include "base/mem.h"

struct sim *sim_new(uint64_t seed)
{
	struct sim *s = mem_new(struct sim);

	queue_policy_init(&s->policy);
	queue_destination_init(&s->destination, seed * 31 + 7);
	s->entry = (struct queue_entry){.accepted = SIM_START, .warn = true, .seed = seed};
	s->time = SIM_START;
	s->answer = sim_refused;
	return s;
}

void sim_free(struct sim **s)
{
	mem_free(*s);
	*s = NULL;
}

struct queue_attempt sim_refused(const struct sim *s)
{
	return (struct queue_attempt){
	    .stage = QUEUE_STAGE_CONNECT, .problem = QUEUE_PROBLEM_REFUSED};
}

struct queue_attempt sim_greylisted(const struct sim *s)
{
	return (struct queue_attempt){.stage = QUEUE_STAGE_RCPT, .code = 450, .status = {4, 2, 0}};
}

struct queue_attempt sim_taken(const struct sim *s)
{
	return (struct queue_attempt){.stage = QUEUE_STAGE_BODY, .code = 250};
}

static void attempt(struct sim *s)
{
	struct queue_attempt a = s->answer(s);
	struct queue_result r = queue_result_of(&a);

	assert_int_equal(
	    queue_destination_hold(&s->destination, 0, s->entry.not_before, sim_now(s)),
	    QUEUE_HOLD_NONE);
	assert_true(s->n_attempts < SIM_EVENTS);
	s->attempts[s->n_attempts++] = s->time;
	queue_destination_apply(&s->destination, &s->policy, r.event, 0,
	    a.code ? STR("450 4.2.0 come back") : STR("connection refused"), sim_now(s));
	if (r.outcome == QUEUE_RETRY)
		queue_schedule_refused(&s->entry, &s->policy, sim_now(s));
	if (r.outcome == QUEUE_DELIVERED)
		s->delivered = s->time;
	if (r.outcome == QUEUE_FAILED)
		s->returned = s->time;
}

static void happen(struct sim *s, enum queue_due due)
{
	if (due == QUEUE_DUE_RETURN)
		s->returned = s->time;
	if (due == QUEUE_DUE_WARNING) {
		assert_true(s->n_warnings < SIM_EVENTS);
		s->warnings[s->n_warnings++] = s->time;
		queue_schedule_warned(&s->entry, &s->policy, sim_now(s));
	}
	if (due == QUEUE_DUE_ATTEMPT)
		attempt(s);
}

void sim_run(struct sim *s, int64_t until)
{
	while (!s->returned && !s->delivered) {
		struct queue_schedule plan;
		int64_t wake;

		if (s->on_step)
			s->on_step(s);
		queue_schedule_settle(&s->entry, sim_now(s));
		queue_destination_settle(&s->destination, sim_now(s));
		plan = queue_schedule_of(&s->policy, &s->entry, &s->destination, s->started);
		wake = queue_schedule_wake(&plan) - s->offset;
		if (wake > until) {
			s->time = until;
			return;
		}
		if (wake > s->time)
			s->time = wake;
		happen(s, queue_schedule_due(&plan, sim_now(s)));
	}
}
