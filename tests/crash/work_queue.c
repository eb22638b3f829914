/* What becomes of mail to others. */
#include "work.h"

#include "base/mem.h"
#include "store/queue_change.h"
#include "store/queue_way.h"

#define OWNER 77

struct qrig_answer work_world(const struct queue_job *job, const struct queue_row *row)
{
	switch (chance_pick(4)) {
	case 0:
		return qrig_reply(QUEUE_STAGE_BODY, 450, "4.2.0 later");
	case 1:
		return qrig_reply(QUEUE_STAGE_RCPT, 550, "5.1.1 nobody");
	default:
		return qrig_ok();
	}
}

void work_lease(void)
{
	work_say("ask lease\n");
	qrig_lease(&work, OWNER, 1 + chance_pick(3));
	work_say("ok lease\n");
}

/* What was answered for each recipient: a result that was told stays. */
static void settle(const struct queue_job *job)
{
	work_say("ask settle\n");
	if (!qrig_settle(&work, OWNER, job))
		return;
	work_say("ok settle\n");
	for (size_t i = 0; i < job->rows.n; i++)
		work_say("state %lld %lld %d\n", (long long)job->message.id,
		    (long long)job->rows.v[i].recipient,
		    qrig_state(&work, job->message.id, job->rows.v[i].recipient));
}

void work_settle(void)
{
	if (!work.leased)
		work_lease();
	for (size_t i = 0; i < work.lease.n; i++)
		settle(&work.lease.jobs[i]);
}

/* A relay asks where to go: at first, or when one of the two servers of every domain was silent. */
static void ask_way(const struct queue_job *job)
{
	static const struct queue_way_host hosts[] = {
	    {STR_INIT("mx0.test"), 0}, {STR_INIT("mx1.test"), 1}};
	struct queue_way *w = queue_way_new();
	size_t failed = chance_pick(3); /* the first ones; 0: none */

	w->cfg = work.cfg;
	w->owner = OWNER;
	w->message = job->message.id;
	w->token = job->token;
	if (failed) {
		w->failed = hosts[failed - 1].name;
		w->attempt = (struct queue_attempt){
		    .stage = QUEUE_STAGE_CONNECT, .problem = QUEUE_PROBLEM_TIMEOUT};
	}
	w->hosts = hosts + failed;
	w->n = 2 - failed;
	queue_way_prepare(w);
	work_say("ask way\n");
	if (work_run(&w->op))
		work_say("ok way\n");
	queue_way_free(&w);
}

void work_way(void)
{
	work_lease();
	for (size_t i = 0; i < work.lease.n; i++)
		ask_way(&work.lease.jobs[i]);
}

void work_reports(void)
{
	work_say("ask reports\n");
	qrig_tend(&work);
	work_say("ok reports\n");
}

void work_release(void)
{
	work_say("ask release\n");
	qrig_release(&work, NULL, 0);
	work_say("ok release\n");
}

static void change(enum queue_change_verb verb, struct str domain)
{
	struct queue_change c = {.verb = verb, .filter.text = domain, .who = STR("root")};

	work_say("ask queue\n");
	queue_change_init(&c);
	qrig_run(&work, &c.op);
	work_say("ok queue\n");
}

/* An administrator, about all that waits for a domain. */
void work_change_queue(void)
{
	change((enum queue_change_verb)chance_pick(QUEUE_CHANGE_VERBS),
	    chance_pick(2) ? STR("d0.test") : STR("d1.test"));
}

/* All that was to go later. */
void work_cancel(void)
{
	change(QUEUE_CHANGE_CANCEL, STR(""));
}
