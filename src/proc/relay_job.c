/*
 * Jobs of the relay: from the lease to the report. A report is kept and said again until store has
 * answered it: only then is it durable, and the lease ended.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "proc/log.h"
#include "proc/path_ascii.h"
#include "proc/relay.h"

static void job_free(struct relay_job *j)
{
	struct relay *r = j->relay;

	ipc_call_cancel(&j->call);
	list_remove(&j->link);
	list_remove(&j->result);
	buf_fini(&j->report);
	arena_reset(j->arena, j->job.route.password.n > 0);
	arena_free(&j->arena);
	if (j->callout)
		r->callout_count--;
	else
		r->job_count--;
	mem_free(j);
	relay_want_jobs(r);
}

void relay_job_abandon(struct relay_job *job)
{
	job_free(job);
}

/* "rfc822;address" as the parameter's two halves. */
static void take_orcpt(struct arena *a, struct str orcpt, struct smtp_rcpt_params *p)
{
	struct str address, type = str_split(orcpt, ';', &address);

	p->orcpt_type = arena_str(a, type);
	p->orcpt = arena_str(a, address);
}

static bool read_recipients(struct relay_job *j)
{
	struct cur c = cur_of(j->job.recipients);

	j->recipients = arena_array(j->arena, j->job.recipient_count, sizeof *j->recipients);
	for (size_t i = 0; i < j->job.recipient_count; i++)
		if (!rs_recipient_next(&c, &j->recipients[i]))
			return false;
	return true;
}

static bool take_mailbox(struct arena *a, struct str address, struct smtp_path *path_r)
{
	if (smtp_mailbox_parse(address, true, a, path_r) != SMTP_PATH_OK)
		return false;
	path_ascii_make(a, path_r);
	return true;
}

static bool take_recipients(struct relay_job *j)
{
	j->rcpts = arena_array(j->arena, j->job.recipient_count, sizeof *j->rcpts);
	for (size_t i = 0; i < j->job.recipient_count; i++) {
		struct rs_recipient *r = &j->recipients[i];

		if (!take_mailbox(j->arena, r->address, &j->rcpts[i].path))
			return false;
		j->rcpts[i].params.notify = r->notify;
		take_orcpt(j->arena, r->orcpt, &j->rcpts[i].params);
	}
	return true;
}

/* Rounded down: a server that takes it later has less [RFC 2852 4.1.4]. */
void relay_job_set_time(struct relay_job *job)
{
	struct smtp_mail_params *p = &job->message.params;
	int64_t left = (job->job.by_time - clock_now()) / SECOND_MS;

	if (p->by == SMTP_BY_NONE)
		return;
	if (left < -SMTP_BY_MAX)
		left = -SMTP_BY_MAX;
	p->by_time = (int32_t)(left > SMTP_BY_MAX ? SMTP_BY_MAX : left);
}

static bool take_message(struct relay_job *j, const struct rs_job *job)
{
	static const enum smtp_by by[QUEUE_BY_KINDS] = {
	    [QUEUE_BY_NONE] = SMTP_BY_NONE,
	    [QUEUE_BY_RETURN] = SMTP_BY_RETURN,
	    [QUEUE_BY_NOTIFY] = SMTP_BY_NOTIFY,
	    [QUEUE_BY_TOLD] = SMTP_BY_NOTIFY,
	};
	struct smtp_client_message *m = &j->message;

	if (job->reverse_path.n == 0)
		m->reverse.is_null = true;
	else if (!take_mailbox(j->arena, job->reverse_path, &m->reverse))
		return false;
	m->params.size = job->size;
	m->params.body = job->eightbit ? SMTP_BODY_8BITMIME : SMTP_BODY_7BIT;
	m->params.smtputf8 = job->utf8;
	m->params.ret = (enum smtp_ret)job->ret;
	m->params.envid = arena_str(j->arena, job->envid);
	m->params.priority = job->priority;
	m->params.has_priority = true; /* that of most is 0, and is said too [RFC 6758 3.2] */
	m->params.by = by[job->by];
	m->params.by_trace = job->by_trace;
	m->rcpts = j->rcpts;
	m->rcpt_count = job->recipient_count;
	return true;
}

static struct relay_job *job_copy(struct relay *relay, const struct rs_job *job, int64_t callout)
{
	struct relay_job *j = mem_new(struct relay_job);

	j->relay = relay;
	j->callout = callout;
	j->arena = arena_new();
	list_init(&j->result);
	list_push(callout ? &relay->callouts : &relay->jobs, &j->link);
	buf_init(&j->report, LIMIT_IPC_PAYLOAD);
	if (callout)
		relay->callout_count++;
	else
		relay->job_count++;
	j->job = *job;
	j->job.destination = arena_str(j->arena, job->destination);
	j->job.host = arena_str(j->arena, job->host);
	j->job.route.host = arena_str(j->arena, job->route.host);
	j->job.route.user = arena_str(j->arena, job->route.user);
	j->job.route.password = arena_str(j->arena, job->route.password);
	j->job.reverse_path = arena_str(j->arena, job->reverse_path);
	j->job.recipients = arena_str(j->arena, job->recipients);
	return j;
}

struct relay_job *relay_job_new(struct relay *relay, const struct rs_job *job)
{
	static const struct relay_remote nobody;
	struct relay_job *j = job_copy(relay, job, 0);
	bool known = read_recipients(j);

	if (known && take_recipients(j) && take_message(j, &j->job))
		return j;
	log_open(LOG_ERROR, "job-malformed");
	log_id("id", job->lease.message);
	log_close();
	if (!known) {
		job_free(j);
		return NULL;
	}
	relay_job_fail(j, &nobody,
	    &(struct queue_attempt){.stage = QUEUE_STAGE_LOOKUP, .problem = QUEUE_PROBLEM_LOCAL},
	    STR("an address of this message cannot be written as SMTP has it"));
	return NULL;
}

/* ---- callouts ---- */

/* The answer; of its recipient there is one outcome. Without a link nobody waits for it. */
static void send_called(struct relay_job *j, const struct rs_outcome *o)
{
	struct rs_called m = {j->callout, o->attempt, o->text};
	struct ipc_link *link = relay_link(j->relay->store);
	struct buf b;

	buf_init(&b, RS_TEXT_MAX + 64);
	rs_called_put(&b, &m);
	if (link && !j->forgotten)
		ipc_event(link, RS_CALLED, buf_view(&b), -1);
	buf_fini(&b);
	job_free(j);
}

static struct relay_job *callout_new(struct relay *relay, const struct rs_callout *callout)
{
	struct rs_recipient r = {.address = callout->address};
	struct rs_job job = {.lease = {0, callout->number},
	    .destination = callout->destination,
	    .route = callout->route,
	    .recipient_count = 1};
	struct relay_job *j;
	struct buf b;

	buf_init(&b, LIMIT_SMTP_PATH + 64);
	rs_recipient_put(&b, &r);
	job.recipients = buf_view(&b);
	j = job_copy(relay, &job, callout->number);
	buf_fini(&b);
	return j;
}

void relay_job_callout(struct relay *relay, const struct rs_callout *callout)
{
	struct relay_job *j = callout_new(relay, callout);

	j->message.no_content = true;
	if (relay->callout_count <= RS_CALLOUTS_MAX && !relay->draining && read_recipients(j) &&
	    take_recipients(j) && take_message(j, &j->job))
		relay_session_take(relay, j);
	else
		send_called(j, &(struct rs_outcome){.attempt = {.stage = QUEUE_STAGE_LOOKUP,
							.problem = QUEUE_PROBLEM_LOCAL}});
}

/* ---- reports ---- */
static void report_ended(struct ipc_call *call, enum ipc_end end, struct str payload)
{
	struct relay_job *j = LIST_ENTRY(call, struct relay_job, call);
	enum rs_verdict verdict = RS_TEMPORARY;

	if (end != IPC_REPLIED)
		return; /* said again on the next link */
	rs_verdict_get(payload, &verdict);
	if (verdict == RS_TEMPORARY || (verdict == RS_CLOSED && !j->relay->draining))
		return; /* said again by the timer */
	if (verdict != RS_DONE) {
		log_open(LOG_WARN, verdict == RS_STALE ? "lease-stale" : "result-lost");
		log_id("id", j->job.lease.message);
		log_close();
	}
	job_free(j);
}

static void send_report(struct relay_job *j)
{
	struct ipc_link *link = relay_link(j->relay->store);

	if (!link || j->call.link)
		return;
	j->call = (struct ipc_call){.on_end = report_ended};
	ipc_call_start(link, &j->call, RS_RESULT, buf_view(&j->report), -1);
}

void relay_job_forget_link(struct relay *relay)
{
	LIST_FOREACH(&relay->results, it)
	ipc_call_cancel(&LIST_ENTRY(it, struct relay_job, result)->call);
}

void relay_job_extend(struct relay *relay)
{
	struct ipc_link *link = relay_link(relay->store);

	LIST_FOREACH(&relay->jobs, it)
	{
		struct relay_job *j = LIST_ENTRY(it, struct relay_job, link);
		struct buf b;

		if (!link)
			return;
		buf_init(&b, 64);
		rs_handle_put(&b, &j->job.lease);
		ipc_event(link, RS_EXTEND, buf_view(&b), -1);
		buf_fini(&b);
	}
}

void relay_job_resend(struct relay *relay)
{
	LIST_FOREACH(&relay->results, it)
	send_report(LIST_ENTRY(it, struct relay_job, result));
}

static void log_outcome(
    const struct relay_job *j, const struct relay_remote *remote, const struct rs_outcome *o)
{
	const struct rs_recipient *r = NULL;
	struct buf reply;

	for (size_t i = 0; i < j->job.recipient_count; i++)
		if (j->recipients[i].number == o->number)
			r = &j->recipients[i];
	buf_init(&reply, LIMIT_LOG_LINE);
	queue_result_put_reply(&reply, &o->attempt, o->text);
	log_open(LOG_INFO,
	    queue_result_of(&o->attempt).outcome == QUEUE_DELIVERED ? "relayed" : "not-relayed");
	log_id("id", j->job.lease.message);
	log_str("to", r ? r->address : (struct str){NULL, 0});
	log_str("host", remote->name);
	log_str("tls", remote->tls);
	log_str("reply", buf_view(&reply));
	log_close();
	buf_fini(&reply);
}

void relay_job_report(struct relay_job *job, const struct relay_remote *remote,
    const struct rs_outcome *outcomes, size_t count)
{
	struct rs_result result = {.lease = job->job.lease,
	    .remote_name = remote->name,
	    .remote_ip = remote->ip,
	    .tls = remote->tls,
	    .dsn = remote->dsn,
	    .by = remote->by,
	    .count = (uint32_t)count,
	    .dialogue = remote->dialogue};
	struct buf encoded;

	if (job->callout) {
		send_called(job, &outcomes[0]);
		return;
	}
	buf_init(&encoded, LIMIT_IPC_PAYLOAD);
	for (size_t i = 0; i < count; i++) {
		rs_outcome_put(&encoded, &outcomes[i]);
		log_outcome(job, remote, &outcomes[i]);
	}
	result.outcomes = buf_view(&encoded);
	rs_result_put(&job->report, &result);
	buf_fini(&encoded);
	list_push(&job->relay->results, &job->result);
	send_report(job);
}

void relay_job_fail(struct relay_job *job, const struct relay_remote *remote,
    const struct queue_attempt *attempt, struct str text)
{
	struct rs_outcome *outcomes = arena_array(
	    job->arena, job->job.recipient_count, sizeof *outcomes);

	for (size_t i = 0; i < job->job.recipient_count; i++)
		outcomes[i] = (struct rs_outcome){job->recipients[i].number, *attempt, text};
	relay_job_report(job, remote, outcomes, job->job.recipient_count);
}
