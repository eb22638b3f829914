/*
 * One message's envelope and verdicts. With PIPELINING [RFC 2920] commands of the envelope are sent
 * ahead as room permits, else one by one; either way the replies come in the order of the steps, so
 * `sent` and `got` say all.
 *
 * Invariants:
 * - A recipient's verdict is written once, when it becomes RCPT_DECIDED or RCPT_SKIPPED.
 * - `accepted` counts those in RCPT_ACCEPTED; content is sent only while there is one.
 * - After the end of data nothing but its reply decides; without it the outcome is UNSURE.
 */
#include "smtp/smtp_client_priv.h"

/* An envelope command with all its parameters is shorter. */
#define COMMAND_MAX (8 * KIB)

static size_t step_data(const struct smtp_client *c)
{
	return STEP_RCPT + c->msg.m->rcpt_count;
}

/* Behind the last step of the envelope. */
static size_t step_end(const struct smtp_client *c)
{
	return step_data(c) + !(c->msg.chunked || c->msg.m->no_content);
}

void smtp_client_decide(struct smtp_client *c, size_t i, const struct smtp_verdict *v)
{
	struct client_message *g = &c->msg;

	if (g->rcpts[i] >= RCPT_DECIDED)
		return;
	if (g->rcpts[i] == RCPT_ACCEPTED)
		g->accepted--;
	g->rcpts[i] = RCPT_DECIDED;
	g->verdicts[i] = *v;
}

void smtp_client_decide_all(struct smtp_client *c, const struct smtp_verdict *v)
{
	for (size_t i = 0; i < c->msg.m->rcpt_count; i++)
		smtp_client_decide(c, i, v);
}

void smtp_client_message_report(struct smtp_client *c)
{
	struct client_message *g = &c->msg;

	for (size_t i = 0; i < g->m->rcpt_count; i++)
		MUST(g->rcpts[i] >= RCPT_DECIDED);
	c->effect.verdicts = g->verdicts;
	c->effect.verdict_count = g->m->rcpt_count;
	c->state = ON_IDLE;
	smtp_client_wait(c, SMTP_CLIENT_REPORT);
}

void smtp_client_message_end(struct smtp_client *c)
{
	arena_free(&c->msg.arena);
	buf_fini(&c->msg.chunk);
	c->msg = (struct client_message){0};
}

/* Those behind the end of data may have been delivered. */
void smtp_client_message_fail(struct smtp_client *c, const struct smtp_verdict *why)
{
	struct smtp_verdict unsure = *why;

	unsure.outcome = SMTP_OUTCOME_UNSURE;
	for (size_t i = 0; i < c->msg.m->rcpt_count; i++) {
		bool sent = c->state == ON_END && c->msg.rcpts[i] == RCPT_ACCEPTED &&
			    why->reply.code == 0;

		smtp_client_decide(c, i, sent ? &unsure : why);
	}
	smtp_client_message_report(c);
}

static struct smtp_verdict impossible(struct smtp_status status, struct str text)
{
	return (struct smtp_verdict){
	    SMTP_OUTCOME_PERMANENT, SMTP_STAGE_MAIL, {.status = status, .text = text}};
}

/*
 * What is to come back rather than late goes only to servers that know of that, and that have as much
 * time as they want [RFC 2852 4.1.4.1].
 */
static void check_by(struct smtp_client *c)
{
	const struct smtp_mail_params *p = &c->msg.m->params;
	struct smtp_verdict over = impossible((struct smtp_status){5, 4, 7},
	    STR("the time is over by which the sender wanted the message to be delivered"));
	struct smtp_verdict unknown = impossible((struct smtp_status){5, 3, 3},
	    STR("the next server cannot be told by when to deliver the message, or else to return it "
		"(DELIVERBY)"));
	struct smtp_verdict short_of = impossible((struct smtp_status){5, 4, 7},
	    STR("the next server wants more time for the message (DELIVERBY) than is left"));

	if (p->by != SMTP_BY_RETURN)
		return;
	if (p->by_time <= 0)
		smtp_client_decide_all(c, &over);
	else if (!(c->facts.extensions & SMTP_EXT_DELIVERBY))
		smtp_client_decide_all(c, &unknown);
	else if ((uint64_t)p->by_time < c->facts.by_min)
		smtp_client_decide_all(c, &short_of);
}

/*
 * Decides what the server's extensions rule out: size, times, and addresses or header in UTF-8
 * [RFC 6531 3.2].
 */
static void check_extensions(struct smtp_client *c)
{
	const struct smtp_client_message *m = c->msg.m;
	bool utf8 = c->facts.extensions & SMTP_EXT_SMTPUTF8;
	struct smtp_verdict large = impossible((struct smtp_status){5, 3, 4},
	    STR("the message is larger than the next server allows"));
	struct smtp_verdict foreign = impossible((struct smtp_status){5, 6, 7},
	    STR("the next server cannot take internationalised addresses (SMTPUTF8)"));

	struct smtp_verdict later = impossible((struct smtp_status){5, 3, 3},
	    STR("the server cannot send a message later (FUTURERELEASE)"));

	c->msg.utf8 = m->params.smtputf8 || m->reverse.needs_utf8;
	if ((m->params.hold_for || m->params.hold_until) &&
	    !(c->facts.extensions & SMTP_EXT_FUTURERELEASE))
		smtp_client_decide_all(c, &later);
	check_by(c);
	if (c->facts.size_limit && m->params.size > c->facts.size_limit)
		smtp_client_decide_all(c, &large);
	if (c->msg.utf8 && !utf8)
		smtp_client_decide_all(c, &foreign);
	for (size_t i = 0; i < m->rcpt_count; i++) {
		if (!m->rcpts[i].path.needs_utf8)
			continue;
		if (utf8)
			c->msg.utf8 = true;
		else
			smtp_client_decide(c, i, &foreign);
	}
}

/* No more recipients in a transaction than the server takes [RFC 9422 4]. */
static void check_count(struct smtp_client *c)
{
	const struct smtp_verdict later = {SMTP_OUTCOME_TEMPORARY, SMTP_STAGE_RCPT,
	    {.status = {4, 5, 3},
		.text = STR("the server takes no more recipients in one transaction (RCPTMAX)")}};
	size_t n = 0;

	for (size_t i = 0; i < c->msg.m->rcpt_count && c->facts.rcpt_max; i++)
		if (c->msg.rcpts[i] == RCPT_OPEN && ++n > c->facts.rcpt_max)
			smtp_client_decide(c, i, &later);
}

/* Those that are decided before the envelope are no part of it. */
static void skip_decided(struct smtp_client *c)
{
	for (size_t i = 0; i < c->msg.m->rcpt_count; i++)
		if (c->msg.rcpts[i] == RCPT_DECIDED)
			c->msg.rcpts[i] = RCPT_SKIPPED;
}

/* The step behind this one. */
static size_t next_step(const struct smtp_client *c, size_t step)
{
	do
		step++;
	while (step >= STEP_RCPT && step < step_data(c) &&
	       c->msg.rcpts[step - STEP_RCPT] == RCPT_SKIPPED);
	return step;
}

void smtp_client_message_begin(struct smtp_client *c, const struct smtp_client_message *m)
{
	struct client_message *g = &c->msg;

	MUST(m->rcpt_count > 0);
	g->m = m;
	g->until = m->time ? c->now + m->time : SMTP_NEVER;
	g->arena = arena_new();
	g->verdicts = arena_array(g->arena, m->rcpt_count, sizeof *g->verdicts);
	g->rcpts = arena_array(g->arena, m->rcpt_count, sizeof *g->rcpts);
	g->sent = g->got = c->dirty ? STEP_RSET : STEP_MAIL;
	g->chunked = c->facts.extensions & SMTP_EXT_CHUNKING && c->cfg->chunk > 0;
	buf_init(&g->chunk, c->cfg->chunk + LIMIT_BODY_CHUNK + 2); /* CRLF may be added */
	check_extensions(c);
	check_count(c);
	skip_decided(c);
	if (next_step(c, STEP_MAIL) == step_data(c)) {
		smtp_client_message_report(c);
		return;
	}
	c->state = ON_ENVELOPE;
	smtp_client_message_pump(c);
}

static void put_mail(const struct smtp_client *c, struct buf *line)
{
	const struct smtp_mail_params *p = &c->msg.m->params;
	unsigned ext = c->facts.extensions;

	buf_lit(line, "MAIL FROM:");
	smtp_path_put_angle(line, &c->msg.m->reverse);
	if (ext & SMTP_EXT_SIZE && p->size) {
		buf_lit(line, " SIZE=");
		buf_u64(line, p->size);
	}
	if (ext & SMTP_EXT_8BITMIME && p->body == SMTP_BODY_8BITMIME)
		buf_lit(line, " BODY=8BITMIME");
	if (c->msg.utf8)
		buf_lit(line, " SMTPUTF8");
	if (ext & SMTP_EXT_DSN)
		smtp_param_put_dsn(line, p);
	smtp_param_put_hold(line, p);
	if (ext & SMTP_EXT_PRIORITY)
		smtp_param_put_priority(line, p);
	if (ext & SMTP_EXT_DELIVERBY)
		smtp_param_put_by(line, p);
}

/* A server that does not know by when to deliver is at least to tell of delays [RFC 2852 4.1.4.2]. */
static uint8_t notify_of(const struct smtp_client *c, uint8_t notify)
{
	if (c->msg.m->params.by != SMTP_BY_NOTIFY || c->facts.extensions & SMTP_EXT_DELIVERBY ||
	    notify & SMTP_NOTIFY_NEVER)
		return notify;
	return (notify ? notify : SMTP_NOTIFY_FAILURE) | SMTP_NOTIFY_DELAY;
}

static void put_rcpt(const struct smtp_client *c, size_t i, struct buf *line)
{
	const struct smtp_client_rcpt *r = &c->msg.m->rcpts[i];
	struct smtp_rcpt_params params = r->params;

	buf_lit(line, "RCPT TO:");
	smtp_path_put_angle(line, &r->path);
	params.notify = notify_of(c, params.notify);
	if (c->facts.extensions & SMTP_EXT_DSN)
		smtp_param_put_rcpt(line, &params);
}

static void send_step(struct smtp_client *c, size_t step)
{
	struct buf line;

	buf_init(&line, COMMAND_MAX);
	if (step == STEP_RSET)
		buf_lit(&line, "RSET");
	else if (step == STEP_MAIL)
		put_mail(c, &line);
	else if (step < step_data(c))
		put_rcpt(c, step - STEP_RCPT, &line);
	else
		buf_lit(&line, "DATA");
	MUST(!line.overflow);
	smtp_client_command(c, buf_view(&line), false);
	buf_fini(&line);
	c->dirty = true;
}

/* The next step may be sent now. */
static bool may_send(const struct smtp_client *c)
{
	const struct client_message *g = &c->msg;
	bool pipelining = c->facts.extensions & SMTP_EXT_PIPELINING;

	if (g->stopped || g->sent >= step_end(c) || c->out.n + COMMAND_MAX + 2 > LIMIT_SMTP_OUT)
		return false;
	if (g->sent == g->got)
		return g->sent < step_data(c) || g->accepted > 0;
	return pipelining;
}

/* The envelope is over without content: every recipient has been refused. */
static bool is_over(const struct smtp_client *c)
{
	const struct client_message *g = &c->msg;

	return g->sent == g->got && (g->stopped || (g->sent >= step_data(c) && g->accepted == 0));
}

void smtp_client_message_pump(struct smtp_client *c)
{
	struct client_message *g = &c->msg;

	if (c->state != ON_ENVELOPE) {
		smtp_client_content_pump(c);
		return;
	}
	while (may_send(c)) {
		send_step(c, g->sent);
		g->sent = next_step(c, g->sent);
	}
	if (is_over(c))
		smtp_client_message_report(c);
	else if (g->chunked && g->got == step_end(c))
		smtp_client_content_begin(c);
}

/* It says nothing about the message: with this connection there is no way to begin another. */
static void on_rset(struct smtp_client *c, const struct smtp_reply *r)
{
	if (r->code / 100 != 2)
		smtp_client_fail_own(c, SMTP_OUTCOME_TEMPORARY, (struct smtp_status){4, 4, 2},
		    STR("the server does not end a transaction (RSET)"));
}

/*
 * A reply to MAIL or RCPT that neither takes nor refuses [RFC 5321 4.3.2]: with it the server has lost the
 * thread, and would get a message without content for the 354 that may follow. Behind DATA nothing is said
 * any more, it would be content.
 */
static bool is_astray(struct smtp_client *c, const struct smtp_verdict *v)
{
	if (v->reply.code / 100 != 3)
		return false;
	smtp_client_fail(c, v, c->msg.sent <= step_data(c));
	return true;
}

static void on_mail(struct smtp_client *c, const struct smtp_reply *r)
{
	struct smtp_verdict v = smtp_client_verdict(c->msg.arena, SMTP_STAGE_MAIL, r);

	if (is_astray(c, &v) || v.outcome == SMTP_OUTCOME_ACCEPTED)
		return;
	smtp_client_decide_all(c, &v);
	c->msg.stopped = true;
}

/* 552 without a status of its own means too many recipients: later [RFC 5321 4.5.3.1.10]. */
static void on_rcpt(struct smtp_client *c, size_t i, const struct smtp_reply *r)
{
	struct smtp_verdict v = smtp_client_verdict(c->msg.arena, SMTP_STAGE_RCPT, r);

	if (is_astray(c, &v))
		return;
	if (r->code == 552 && (r->status.class == 0 || r->status.subject == 5))
		v.outcome = SMTP_OUTCOME_TEMPORARY;
	if (v.outcome != SMTP_OUTCOME_ACCEPTED || c->msg.m->no_content) {
		smtp_client_decide(c, i, &v);
	} else if (c->msg.rcpts[i] == RCPT_OPEN) {
		c->msg.rcpts[i] = RCPT_ACCEPTED;
		c->msg.accepted++;
	}
}

/* 354: content, or a lone dot if there is nobody to send it to [RFC 2920 3.1]. */
static void on_data(struct smtp_client *c, const struct smtp_reply *r)
{
	struct smtp_verdict v = smtp_client_verdict(c->msg.arena, SMTP_STAGE_DATA, r);

	if (r->code == 354 && c->msg.accepted > 0) {
		smtp_client_content_begin(c);
		return;
	}
	if (r->code == 354 && c->cfg->lmtp) { /* it would not answer the dot [RFC 2033 4.2] */
		smtp_client_fail_own(c, SMTP_OUTCOME_TEMPORARY, (struct smtp_status){4, 5, 0},
		    STR("the server wants content although it refused every recipient"));
		return;
	}
	if (r->code == 354) {
		smtp_client_command(c, STR("."), false);
		c->state = ON_EMPTY_END;
		return;
	}
	if (v.outcome == SMTP_OUTCOME_ACCEPTED)
		v.outcome = SMTP_OUTCOME_TEMPORARY; /* a positive reply that is not 354 */
	smtp_client_decide_all(c, &v);
}

void smtp_client_on_envelope(struct smtp_client *c, const struct smtp_reply *r)
{
	struct client_message *g = &c->msg;
	size_t step = g->got;

	g->got = next_step(c, step);
	if (step == STEP_RSET)
		on_rset(c, r);
	else if (step == STEP_MAIL)
		on_mail(c, r);
	else if (step < step_data(c))
		on_rcpt(c, step - STEP_RCPT, r);
	else
		on_data(c, r);
	smtp_client_message_pump(c);
}
