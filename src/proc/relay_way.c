/*
 * Which of its hosts a session may go to: store is asked, which knows what all sessions for all
 * destinations have found out. A host is asked about once, with all its addresses. What a store that has
 * gone did not answer is asked again: had it ended the lease, the next one says so.
 *
 * A callout for which there is no room asks again, for as long as for any step of its; then the question has no
 * answer, which says nothing about the host.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "proc/relay_session_priv.h"

#define SOON_MS 100 /* until a callout asks again */

/* What is kept is about a host that could not be looked up. */
static bool is_of_no_hop(const struct relay_session *s)
{
	return s->kept.hop >= s->route.nhops;
}

static void ask(struct relay_session *s);

/* Our own trouble, whatever a host before has said: none is taken for down. */
static void give_up_without(struct relay_session *s, enum queue_stage stage, struct str why)
{
	relay_talk_remember(
	    s, &(struct queue_attempt){.stage = stage, .problem = QUEUE_PROBLEM_LOCAL}, why);
	s->kept = s->last;
	relay_session_give_up(s);
}

static void on_soon(uv_timer_t *timer)
{
	struct relay_session *s = timer->data;

	s->asks = true;
	s->tells = false; /* it was told */
	ask(s);
}

static void wait_for_room(struct relay_session *s)
{
	if (clock_mono() >= s->patience)
		give_up_without(s, QUEUE_STAGE_CONNECT,
		    STR("there are as many connections to it as there may be at a time"));
	else
		uv_timer_start(&s->timer, on_soon, SOON_MS, 0);
}

static void lose(struct relay_session *s)
{
	if (s->callouts) /* store waits for its answer */
		give_up_without(s, QUEUE_STAGE_CONNECT, STR("it may not be asked any more"));
	else
		relay_session_let_go(s);
}

static void got_answer(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct relay_session *s = LIST_ENTRY(call, struct relay_session, way);
	struct rs_way_answer a = {.verdict = RS_WAY_LATER};

	if (end != IPC_REPLIED)
		return; /* asked again at the next store */
	s->asks = false;
	rs_way_answer_get(payload, &a);
	if (a.passes && (a.verdict == RS_WAY_GO || a.verdict == RS_WAY_NONE))
		relay_session_pass(s, s->asked[a.passed], &a.attempt, a.text);
	switch (a.verdict) {
	case RS_WAY_GO:
		relay_session_go(s, s->asked[a.chosen]);
		break;
	case RS_WAY_SOON:
		wait_for_room(s);
		break;
	case RS_WAY_WAIT:
	case RS_WAY_STALE:
		lose(s);
		break;
	default:
		if (!s->has_kept || (a.verdict == RS_WAY_LATER && (s->callouts || is_of_no_hop(s))))
			give_up_without(s, QUEUE_STAGE_LOOKUP,
			    STR("our store cannot tell which server to go to"));
		else
			relay_session_give_up(s);
	}
}

/* The hosts of the hops from `from` on, each once. */
static uint32_t put_hosts(struct relay_session *s, size_t from, struct buf *b)
{
	const struct relay_hop *hops = s->route.hops;
	uint32_t n = 0;

	for (size_t i = from; i < s->route.nhops && n < RS_HOSTS_MAX; i++) {
		if (i > from && str_eq(hops[i].place, hops[i - 1].place))
			continue;
		s->asked[n++] = i;
		rs_host_put(b, &(struct rs_host){hops[i].place, hops[i].level});
	}
	for (size_t i = n; i < RS_HOSTS_MAX; i++)
		s->asked[i] = from;
	return n;
}

static void ask(struct relay_session *s)
{
	struct ipc_link *link = relay_link(s->relay->store);
	struct rs_way way = {.lease = s->job->job.lease};
	struct buf hosts, payload;

	if (!link)
		return; /* relay_way_again() follows */
	if (s->tells) {
		way.failed = s->route.hops[s->hop].place;
		way.attempt = s->last.attempt;
		way.text = str_of_c(s->last.text);
	}
	buf_init(&hosts, LIMIT_IPC_PAYLOAD);
	way.count = put_hosts(s, s->from, &hosts);
	way.hosts = buf_view(&hosts);
	buf_init(&payload, LIMIT_IPC_PAYLOAD);
	rs_way_put(&payload, &way);
	s->way = (struct ipc_call){.on_end = got_answer};
	ipc_call_start(link, &s->way, RS_WAY, buf_view(&payload), -1);
	buf_fini(&payload);
	buf_fini(&hosts);
}

void relay_way_ask(struct relay_session *s, size_t from, bool told)
{
	uv_timer_stop(&s->timer);
	s->patience = clock_mono() + s->times.connect;
	s->asks = true;
	s->from = from;
	s->tells = told;
	ask(s);
}

void relay_way_again(struct relay *relay)
{
	LIST_FOREACH(&relay->sessions, it)
	{
		struct relay_session *s = LIST_ENTRY(it, struct relay_session, link);

		if (!s->asks)
			continue;
		ipc_call_cancel(&s->way);
		ask(s);
	}
}
