/* An administrator at work: `godwit queue retry|hold|release|remove|bounce` for recipients that wait. */
#include "base/mem.h"
#include "check.h"
#include "proc/store_queue.h"
#include "store.h"
#include "store/queue_change.h"
#include "traffic.h"

#define TOUCHES 12 /* in a week */

static void changed(struct lane_op *op)
{
	struct queue_change *c = LIST_ENTRY(op, struct queue_change, op);

	sim_say("admin  changed %lld, busy %lld, as they are %lld", (long long)c->changed,
	    (long long)c->busy, (long long)c->kept);
	mem_free(c);
	store_queue_kick(sim_store()->queue); /* as store_admin_link.c does */
}

static void change(struct sim_rcpt *r, enum queue_change_verb verb)
{
	struct queue_change *c = mem_new(struct queue_change);

	c->verb = verb;
	c->filter.message = r->message;
	c->filter.recipient = str_of_c(r->address);
	c->who = STR("sim");
	queue_change_init(c);
	c->op.done = changed;
	r->touched = true;
	sim_world.touches++;
	sim_world.touched = clock_mono();
	sim_say("admin  verb %d for %s", (int)verb, r->address);
	sim_write(&c->op);
}

/* Whoever is held is let go at last; if the store is down, when it is back. */
static void let_go(void *ctx)
{
	struct sim_rcpt *r = ctx;

	if (r->state != SIM_S_QUEUED)
		return;
	if (!sim_store()) {
		r->held += HOUR_MS;
		sim_post(HOUR_MS, let_go, r);
		return;
	}
	r->released = clock_mono();
	change(r, QUEUE_CHANGE_RELEASE);
}

static void touch(void *ctx)
{
	enum queue_change_verb verb = (enum queue_change_verb)sim_random(QUEUE_CHANGE_VERBS);
	struct sim_rcpt *r;
	int64_t held;

	if (!sim_store() || list_is_empty(&sim_world.queued))
		return;
	r = LIST_ENTRY(sim_world.queued.next, struct sim_rcpt, link);
	for (uint64_t n = sim_random(8); n > 0 && r->link.next != &sim_world.queued; n--)
		r = LIST_ENTRY(r->link.next, struct sim_rcpt, link);
	change(r, verb);
	if (verb != QUEUE_CHANGE_HOLD)
		return;
	held = sim_between(MINUTE_MS, 8 * HOUR_MS);
	r->held += held;
	sim_post(held, let_go, r);
}

void sim_admin_plan(void)
{
	for (int i = 0; i < TOUCHES; i++)
		sim_post(sim_between(HOUR_MS, 4 * DAY_MS), touch, NULL);
}
