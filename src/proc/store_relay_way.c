/* RS_WAY: which of its hosts a job or a callout may go to, and what became of the one before. */
#include "base/mem.h"
#include "proc/log.h"
#include "proc/store_relay_priv.h"
#include "store/queue_way.h"

struct way_task {
	struct store_relay *relay;
	struct ipc_request *request;
};

static void end(struct ipc_request *request, const struct rs_way_answer *answer)
{
	struct buf b;

	buf_init(&b, RS_TEXT_MAX + 64);
	rs_way_answer_put(&b, answer);
	ipc_request_end(request, buf_view(&b));
	buf_fini(&b);
}

static void end_without(struct ipc_request *request, enum rs_way_verdict verdict)
{
	end(request, &(struct rs_way_answer){.verdict = verdict});
}

static void way_done(struct lane_op *op)
{
	static const enum rs_way_verdict verdicts[] = {
	    [QUEUE_WAY_GO] = RS_WAY_GO,
	    [QUEUE_WAY_WAIT] = RS_WAY_WAIT,
	    [QUEUE_WAY_NONE] = RS_WAY_NONE,
	    [QUEUE_WAY_STALE] = RS_WAY_STALE,
	    [QUEUE_WAY_SOON] = RS_WAY_SOON,
	};
	struct queue_way *w = LIST_ENTRY(op, struct queue_way, op);
	struct way_task *t = w->user;
	struct store_queue *q = t->relay->queue;

	if (op->result != LANE_DONE || w->frees)
		store_queue_kick(q);
	if (op->result != LANE_DONE) {
		store_queue_failed(q, "way", op);
		end_without(t->request, RS_WAY_LATER);
	} else {
		end(t->request,
		    &(struct rs_way_answer){verdicts[w->answer], (uint8_t)w->chosen, w->passes,
			(uint8_t)w->passed, w->passed_attempt, w->passed_text});
	}
	queue_way_free(&w);
	store_relay_unhold(t->relay);
	mem_free(t);
}

static bool copy_hosts(struct queue_way *w, const struct rs_way *m)
{
	struct queue_way_host *hosts = arena_array(w->arena, m->count + 1, sizeof *hosts);
	struct cur c = cur_of(m->hosts);

	for (size_t i = 0; i < m->count; i++) {
		struct rs_host h;

		if (!rs_host_next(&c, &h))
			return false;
		hosts[i] = (struct queue_way_host){
		    store_relay_clean(w->arena, h.name, RS_PLACE_MAX), h.level};
		if (hosts[i].name.n == 0)
			return false;
	}
	w->hosts = hosts;
	w->n = m->count;
	return cur_done(&c);
}

/* Everything of the question, copied. False: malformed. */
static bool fill(struct queue_way *w, struct store_relay *r, struct str payload)
{
	struct rs_way m;

	if (!rs_way_get(payload, &m) || !copy_hosts(w, &m))
		return false;
	w->cfg = store_queue_config(r->queue, w->arena);
	w->owner = r->owner;
	w->message = m.lease.message;
	w->token = m.lease.token;
	w->failed = store_relay_clean(w->arena, m.failed, RS_PLACE_MAX);
	w->attempt = m.attempt;
	w->text = arena_str(w->arena, m.text);
	return w->n > 0 || w->failed.n > 0; /* cleaned, a name may be empty */
}

void store_relay_take_way(struct store_relay *r, struct ipc_request *request, struct str payload)
{
	struct queue_way *w = queue_way_new();
	struct way_task *t;

	if (!fill(w, r, payload)) {
		store_relay_log_refused(r, "a way that cannot be read");
		end_without(request, RS_WAY_LATER); /* a result follows, which ends the lease */
		queue_way_free(&w);
		return;
	}
	if (store_relay_is_too_busy(r, "a way, too many at a time")) {
		end_without(request, RS_WAY_LATER);
		queue_way_free(&w);
		return;
	}
	t = mem_new(struct way_task);
	t->relay = r;
	t->request = request;
	w->user = t;
	queue_way_prepare(w);
	w->op.done = way_done;
	store_relay_hold(r);
	store_write(r->sp->store, &w->op);
}
