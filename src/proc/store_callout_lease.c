/* The leases of questions: one is begun before a relay hears of its question, and ends with that. */
#include "base/mem.h"
#include "proc/log.h"
#include "proc/store_callout_priv.h"
#include "store/queue_callout.h"

struct store_callout_begin {
	struct queue_callout lease;
	struct store_callouts *callouts;
	struct store_callout_question *question; /* NULL: it is not out any more */
	struct store_relay *relay;
	struct arena *arena;
};

struct ending {
	struct queue_callout_end end;
	struct store_callouts *callouts;
};

static void done_with(struct store_callouts *c, const struct lane_op *op)
{
	if (op->result == LANE_FAILED)
		log_note(LOG_WARN, "callout-lease-failed", op->err.text);
	c->settling--;
}

/* ---- the end ---- */

static void ended(struct lane_op *op)
{
	struct ending *t = LIST_ENTRY(op, struct ending, end.op);

	done_with(t->callouts, op);
	store_queue_kick(t->callouts->sp->queue); /* there is room */
	mem_free(t);
}

/* Of those that are out at the end of the process the next one takes them back. */
static void end(struct store_callouts *c, int64_t token)
{
	struct ending *t;

	if (token == 0 || c->draining)
		return;
	t = mem_new(struct ending);
	t->callouts = c;
	t->end.token = token;
	queue_callout_end_init(&t->end);
	t->end.op.done = ended;
	c->settling++;
	store_write(c->sp->store, &t->end.op);
}

void store_callout_lease_end(struct store_callout_question *q)
{
	if (q->begin)
		q->begin->question = NULL; /* it ends as soon as it is there */
	else
		end(q->callouts, q->number);
	q->begin = NULL;
	q->number = 0;
}

/* ---- the beginning ---- */

static void begun(struct lane_op *op)
{
	struct store_callout_begin *t = LIST_ENTRY(op, struct store_callout_begin, lease.op);
	struct store_callouts *c = t->callouts;
	struct store_callout_question *q = t->question;
	int64_t token = op->result == LANE_DONE ? t->lease.token : 0;

	if (q) {
		q->begin = NULL;
		q->number = token;
		store_callout_begun(q, op->result == LANE_DONE);
	} else {
		end(c, token);
	}
	store_relay_unhold(t->relay);
	arena_free(&t->arena);
	done_with(c, op);
	mem_free(t);
}

void store_callout_lease_begin(struct store_callout_question *q)
{
	struct store_callout_begin *t = mem_new(struct store_callout_begin);

	t->callouts = q->callouts;
	t->question = q;
	t->relay = q->relay;
	t->arena = arena_new();
	t->lease.owner = q->relay->owner;
	t->lease.destination = arena_str(t->arena, q->place->name);
	queue_callout_init(&t->lease);
	t->lease.op.done = begun;
	q->begin = t;
	q->callouts->settling++;
	store_relay_hold(q->relay);
	store_write(q->callouts->sp->store, &t->lease.op);
}
