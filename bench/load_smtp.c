/*
 * A client that submits or transfers mail as Postfix does: EHLO; MAIL, RCPT and DATA in one packet when the
 * server offers PIPELINING; content and final dot, with QUIT behind the last one. A unit is a message, from
 * MAIL (for a connection's first message: from connecting) to the 250 after its dot; a step is the wait
 * for that 250 after the last octet was given to the kernel.
 */
#include "bench/load.h"

enum state {
	GREETING,
	HELLO,
	ENVELOPE,
	CONTENT,
	QUIT
};

/* ---- commands ---- */
/* Command number i of a transaction: MAIL, each RCPT, DATA. */
static void put_command(struct load_conn *c, uint64_t i)
{
	const struct load_settings *s = c->load->settings;

	if (i == 0) {
		buf_lit(&c->out, "MAIL FROM:<");
		load_put_name(&c->out, &c->load->from, c->account);
		buf_lit(&c->out, ">\r\n");
	} else if (i <= s->recipients) {
		buf_lit(&c->out, "RCPT TO:<");
		load_put_name(&c->out, &c->load->rcpt, (c->account + i - 1) % s->accounts);
		buf_lit(&c->out, ">\r\n");
	} else {
		buf_lit(&c->out, "DATA\r\n");
	}
}

/* A unit has been taken. */
static void begin_message(struct load_conn *c)
{
	uint64_t commands = c->load->settings->recipients + 2;

	c->account = c->unit % c->load->settings->accounts;
	c->state = ENVELOPE;
	c->awaited = commands;
	for (uint64_t i = 0; i < (c->pipelining ? commands : 1); i++)
		put_command(c, i);
}

static bool is_last(const struct load_conn *c)
{
	return c->rounds + 1 >= c->load->settings->messages;
}

/* The Date field's text, made once a second by each thread. */
static struct str date_now(struct load_worker *w)
{
	time_t now = time(NULL);
	char date[64];
	struct tm tm;

	if (now != w->date_at) {
		gmtime_r(&now, &tm);
		strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S +0000", &tm);
		buf_clear(&w->date);
		buf_c(&w->date, date);
		w->date_at = now;
	}
	return buf_view(&w->date);
}

static void put_header(struct load_conn *c)
{
	buf_lit(&c->out, "Date: ");
	buf_str(&c->out, date_now(c->worker));
	buf_lit(&c->out, "\r\nFrom: <");
	load_put_name(&c->out, &c->load->from, c->account);
	buf_lit(&c->out, ">\r\nTo: <");
	load_put_name(&c->out, &c->load->rcpt, c->account);
	buf_lit(&c->out, ">\r\nMessage-ID: <");
	buf_u64(&c->out, c->unit);
	buf_byte(&c->out, '.');
	buf_i64(&c->out, c->unit_us);
	buf_lit(&c->out, "@load.test>\r\nSubject: message ");
	buf_u64(&c->out, c->unit);
	buf_lit(&c->out, "\r\n\r\n");
}

/* The end of the filler that makes the message as long as asked for; it ends with CRLF. */
static struct str body_of(const struct load_conn *c)
{
	struct str text = buf_view(&c->load->filler);
	size_t want = c->load->settings->size;
	size_t n = want > c->out.n + 2 ? want - c->out.n : 0;

	text = str_from(text, text.n - n);
	return n && text.p[0] == '\n' ? str_from(text, 1) : text;
}

static void put_content(struct load_conn *c)
{
	put_header(c);
	c->body = body_of(c);
	c->tail = is_last(c) && c->pipelining ? STR(".\r\nQUIT\r\n") : STR(".\r\n");
	c->state = CONTENT;
	c->step_us = load_now();
}

/* ---- replies ---- */
static enum load_step on_greeting(struct load_conn *c)
{
	buf_lit(&c->out, "EHLO client.load.test\r\n");
	c->state = HELLO;
	return LOAD_GO;
}

static enum load_step on_hello(struct load_conn *c)
{
	if (c->load->settings->hold)
		return LOAD_HOLD;
	begin_message(c);
	return LOAD_GO;
}

static enum load_step on_envelope(struct load_conn *c)
{
	c->awaited--;
	if (c->awaited == 0)
		put_content(c);
	else if (!c->pipelining)
		put_command(c, c->load->settings->recipients + 2 - c->awaited);
	return LOAD_GO;
}

static enum load_step on_accepted(struct load_conn *c)
{
	load_unit_done(c, c->unit_us);
	load_step_done(c, c->step_us);
	if (!is_last(c) && load_take(c)) {
		c->rounds++;
		c->unit_us = load_now();
		begin_message(c);
		return LOAD_GO;
	}
	if (!is_last(c) || !c->pipelining)
		buf_lit(&c->out, "QUIT\r\n");
	c->state = QUIT;
	return LOAD_GO;
}

static enum load_step on_bye(struct load_conn *c)
{
	return LOAD_END;
}

static enum load_step (*const handlers[])(struct load_conn *) = {
    [GREETING] = on_greeting,
    [HELLO] = on_hello,
    [ENVELOPE] = on_envelope,
    [CONTENT] = on_accepted,
    [QUIT] = on_bye,
};

static void opened(struct load_conn *c)
{
	c->state = GREETING;
	c->pipelining = false;
	c->rounds = 0;
}

static enum load_step on_line(struct load_conn *c, struct str line)
{
	uint8_t want = c->state == ENVELOPE && c->awaited == 1 ? '3' : '2'; /* DATA's is 354 */

	if (line.n < 3 || line.p[0] != want)
		return LOAD_REFUSED;
	if (c->state == HELLO && str_eq_i(str_from(line, 4), STR("PIPELINING")))
		c->pipelining = !c->load->settings->no_pipelining;
	if (line.n > 3 && line.p[3] == '-')
		return LOAD_GO;
	return handlers[c->state](c);
}

const struct load_protocol load_smtp = {
    .unit = "message", .step = "commit", .opened = opened, .line = on_line};
