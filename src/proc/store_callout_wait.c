/*
 * Answers to requests. One that waits is answered once: when its question is decided, when it has waited for
 * long enough, or when its session goes; until then it holds its front.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "proc/store_callout_priv.h"

/* A request that waits. */
struct store_callout_waiter {
	struct list link;
	struct store_callouts *callouts;
	struct store_front *front;
	struct ipc_request *request;
	int64_t until;
};

void store_callouts_reply(struct ipc_request *r, enum accept_class class, struct str said)
{
	struct fs_rcpt_reply reply = {.class = class, .said = said};
	struct buf b;

	buf_init(&b, 1024);
	fs_rcpt_reply_put(&b, &reply);
	ipc_request_end(r, buf_view(&b));
	buf_fini(&b);
}

/* Nothing was said; what is known from before still holds where it was for good. */
void store_callout_reply_unsure(
    struct store_callouts *c, struct ipc_request *r, const struct callout *known, bool may_be_taken)
{
	bool taken = may_be_taken && c->sp->config->callout.unverified == CONFIG_UNVERIFIED_ACCEPT;

	if (known->verdict == CALLOUT_REFUSED)
		store_callouts_reply(r, ACCEPT_REFUSED, known->reply);
	else
		store_callouts_reply(r, taken ? ACCEPT_BACKUP : ACCEPT_UNVERIFIED, STR(""));
}

void store_callout_reply_known(
    struct store_callouts *c, struct ipc_request *r, const struct callout *known)
{
	if (known->verdict == CALLOUT_GOOD)
		store_callouts_reply(r, ACCEPT_BACKUP, STR(""));
	else
		store_callout_reply_unsure(c, r, known, true);
}

void store_callout_reply_decided(struct ipc_request *r, const struct store_callout_question *q)
{
	struct callout known = {.verdict = q->lesson.verdict, .reply = q->reply};

	if (q->lesson.unrouted)
		store_callouts_reply(r, ACCEPT_UNROUTED, STR(""));
	else
		store_callout_reply_known(
		    q->callouts, r, known.verdict == CALLOUT_UNSURE ? &q->known : &known);
}

/* Before or behind its answer. */
static void waiter_free(struct store_callout_waiter *w)
{
	struct store_front *f = w->front;

	w->callouts->waiter_count--;
	list_remove(&w->link);
	mem_free(w);
	store_front_unhold(f);
}

static void waiter_cancelled(struct ipc_request *r)
{
	struct store_callout_waiter *w = r->user;

	store_callouts_reply(r, ACCEPT_UNVERIFIED, STR(""));
	waiter_free(w);
}

void store_callout_answer(struct store_callout_question *q)
{
	LIST_FOREACH(&q->waiters, it)
	{
		struct store_callout_waiter *w = LIST_ENTRY(it, struct store_callout_waiter, link);

		store_callout_reply_decided(w->request, q);
		waiter_free(w);
	}
}

/* Those who have waited for long enough. all: whoever waits. */
void store_callout_answer_late(struct store_callout_question *q, bool all)
{
	LIST_FOREACH(&q->waiters, it)
	{
		struct store_callout_waiter *w = LIST_ENTRY(it, struct store_callout_waiter, link);

		if (!all && clock_mono() < w->until)
			continue;
		store_callout_reply_unsure(q->callouts, w->request, &q->known, !all);
		waiter_free(w);
	}
}

void store_callout_wait(
    struct store_callout_question *q, struct store_front *f, struct ipc_request *r)
{
	struct store_callouts *c = q->callouts;
	struct store_callout_waiter *w = mem_new(struct store_callout_waiter);

	w->callouts = c;
	w->front = f;
	w->request = r;
	w->until = clock_mono() + c->sp->config->callout.wait;
	r->user = w;
	r->on_cancel = waiter_cancelled;
	list_push(&q->waiters, &w->link);
	c->waiter_count++;
	store_front_hold(f);
}
