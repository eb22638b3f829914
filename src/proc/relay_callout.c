/*
 * Callouts beside messages. Store does not know which hosts they go to: so the relay itself sees that few go to
 * one host, whichever domains they are about, and that with the messages there are no more than there may be in all.
 * The others wait, in the order in which they came, for as long as for any step of theirs; then the
 * question has no answer, which says nothing about the host.
 */
#include "base/mem.h"
#include "proc/relay_session_priv.h"

#define AT_HOST_MAX 4

/* Those under way at a host. */
static size_t count_at(const struct relay *relay, struct str place)
{
	size_t n = 0;

	LIST_FOREACH(&relay->sessions, it)
	{
		const struct relay_session *s = LIST_ENTRY(it, struct relay_session, link);

		n += s->callouts && s->drive && !s->idle &&
		     str_eq(s->route.hops[s->hop].place, place);
	}
	return n;
}

/* asked: they may be here the next moment. */
static bool is_full(const struct relay *r)
{
	return r->job_count + r->asked + r->callout_count - r->callouts_waiting >= RELAY_JOBS_MAX;
}

static struct relay_session *next_that_goes(const struct relay *relay)
{
	if (relay->callouts_waiting == 0 || is_full(relay))
		return NULL;
	LIST_FOREACH(&relay->sessions, it)
	{
		struct relay_session *s = LIST_ENTRY(it, struct relay_session, link);

		if (s->waits && count_at(relay, s->route.hops[s->hop].place) < AT_HOST_MAX)
			return s;
	}
	return NULL;
}

static void stop_waiting(struct relay_session *s)
{
	s->waits = false;
	s->relay->callouts_waiting--;
}

static void on_turn(uv_timer_t *timer)
{
	struct relay_session *s;

	while ((s = next_that_goes(timer->data))) {
		stop_waiting(s);
		relay_session_go(s, s->hop);
	}
}

void relay_callout_turn(struct relay *relay)
{
	if (relay->callouts_waiting > 0)
		uv_timer_start(&relay->turn, on_turn, 0, 0);
}

static void on_late(uv_timer_t *timer)
{
	struct relay_session *s = timer->data;

	stop_waiting(s);
	relay_session_pass(s, s->hop,
	    &(struct queue_attempt){.stage = QUEUE_STAGE_CONNECT, .problem = QUEUE_PROBLEM_LOCAL},
	    STR("there are as many questions to it as there may be at a time"));
	relay_session_give_up(s);
}

void relay_callout_go(struct relay_session *s)
{
	s->waits = true;
	s->relay->callouts_waiting++;
	uv_timer_start(&s->timer, on_late, (uint64_t)s->times.connect, 0);
	relay_callout_turn(s->relay);
}
