/*
 * One warning at a time, each begun by the end of the one before or by the housekeeping's timer: what is
 * due stands in the database, so nothing is forgotten.
 */
#include "proc/store_quota.h"

#include "base/clock.h"
#include "proc/log.h"
#include "proc/store_queue.h"

struct quota_defaults store_quota_defaults(const struct config_snapshot *c)
{
	return (struct quota_defaults){c->quota.account_bytes, c->quota.account_messages,
	    c->quota.domain_bytes, c->quota.domain_messages};
}

/* ---- a new configuration ---- */

static void change_done(struct lane_op *op)
{
	struct store_quota *q = LIST_ENTRY(op, struct store_quota, change.op);

	if (op->result != LANE_DONE) {
		log_open(LOG_ERROR, "quota-not-changed");
		log_text("why", op->err.text);
		log_text("cure", "the limits before are in force; restart the server");
		log_close();
	}
	q->changing = false;
	if (q->again && !q->sp->draining)
		store_quota_configure(q);
}

void store_quota_configure(struct store_quota *q)
{
	struct quota_defaults defaults = store_quota_defaults(q->sp->config);

	q->again = q->changing;
	if (q->changing)
		return;
	quota_change_init(&q->change, &defaults);
	q->change.op.done = change_done;
	q->changing = true;
	store_write(q->sp->store, &q->change.op);
}

/* ---- warnings ---- */

static void log_warning(const struct quota_warning *w)
{
	bool failed = w->op.result != LANE_DONE;

	log_open(w->told ? LOG_INFO : LOG_WARN, w->told ? "quota-warning" : "quota-not-warned");
	if (w->told)
		log_id("id", w->message_id);
	log_str("account", w->address);
	if (!w->told)
		log_text("why", failed ? w->op.err.text : w->why.text);
	log_close();
}

/* One that could not be placed now comes again with a later turn, behind all others. */
static void warning_done(struct lane_op *op)
{
	struct quota_warning *w = LIST_ENTRY(op, struct quota_warning, op);
	struct store_quota *q = w->user;
	bool done = op->result == LANE_DONE && !w->temporary;

	log_warning(w);
	if (w->told)
		store_queue_kick(q->sp->queue); /* an alias may have sent it elsewhere */
	quota_warning_free(&w);
	q->warning = false;
	if (done && !q->sp->draining)
		store_quota_turn(q);
}

void store_quota_turn(struct store_quota *q)
{
	struct store_process *sp = q->sp;
	struct queue_config cfg;
	struct quota_warning *w = NULL;
	int64_t now = clock_now();
	enum db_code code;

	if (q->warning)
		return;
	cfg = store_queue_settings(
	    sp->config, &sp->directory, &sp->routing, queue_run_since(&sp->queue->run));
	code = quota_warning_next(sp->db, &cfg, q->after, id_make(&sp->queue->ids, now), now, &w);
	if (code != DB_ROW) {
		q->after = 0; /* from the first one again, next time */
		return;
	}
	q->warning = true;
	q->after = w->account;
	w->user = q;
	w->op.done = warning_done;
	store_write(sp->store, &w->op);
}

void store_quota_init(struct store_quota *q, struct store_process *sp)
{
	*q = (struct store_quota){.sp = sp};
}

bool store_quota_busy(const struct store_quota *q)
{
	return q->warning || q->changing;
}
