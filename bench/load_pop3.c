/*
 * A client that reads a mailbox as mail programs do, one command a round trip: USER, PASS, STAT, UIDL,
 * RETR of every message (and DELE, when asked for), QUIT. A unit is a session, from connecting to the +OK
 * of QUIT; a step is one RETR. Slot and round choose the account: with as many accounts as a
 * multiple of the connections, no two connections read one mailbox at a time.
 */
#include "bench/load.h"

#include "base/cur.h"

enum state {
	GREETING,
	USER,
	PASS,
	STAT,
	UIDL,
	UIDL_LINES,
	RETR,
	RETR_LINES,
	DELE,
	QUIT
};

static enum load_step ask(struct load_conn *c, enum state state, struct str command)
{
	buf_str(&c->out, command);
	c->state = state;
	return LOAD_GO;
}

static enum load_step ask_number(struct load_conn *c, enum state state, struct str command)
{
	buf_str(&c->out, command);
	buf_u64(&c->out, c->rounds);
	return ask(c, state, STR("\r\n"));
}

/* rounds: the message at hand; awaited: how many there are. */
static enum load_step next_message(struct load_conn *c)
{
	if (c->rounds++ == c->awaited)
		return ask(c, QUIT, STR("QUIT\r\n"));
	c->step_us = load_now();
	return ask_number(c, RETR, STR("RETR "));
}

static enum load_step on_greeting(struct load_conn *c, struct str line)
{
	buf_lit(&c->out, "USER ");
	load_put_name(&c->out, &c->load->user, c->account);
	return ask(c, USER, STR("\r\n"));
}

static enum load_step on_user(struct load_conn *c, struct str line)
{
	buf_lit(&c->out, "PASS ");
	buf_c(&c->out, c->load->settings->password);
	return ask(c, PASS, STR("\r\n"));
}

static enum load_step on_pass(struct load_conn *c, struct str line)
{
	return c->load->settings->hold ? LOAD_HOLD : ask(c, STAT, STR("STAT\r\n"));
}

static enum load_step on_stat(struct load_conn *c, struct str line)
{
	struct cur cur = cur_of(line);

	cur_lit(&cur, STR("+OK "));
	c->awaited = cur_number(&cur, UINT32_MAX);
	c->rounds = 0;
	return cur.bad ? LOAD_REFUSED : ask(c, UIDL, STR("UIDL\r\n"));
}

static enum load_step on_uidl(struct load_conn *c, struct str line)
{
	c->state = UIDL_LINES;
	return LOAD_GO;
}

static enum load_step on_uidl_line(struct load_conn *c, struct str line)
{
	return str_eq(line, STR(".")) ? next_message(c) : LOAD_GO;
}

static enum load_step on_retr(struct load_conn *c, struct str line)
{
	c->state = RETR_LINES;
	return LOAD_GO;
}

static enum load_step on_retr_line(struct load_conn *c, struct str line)
{
	if (!str_eq(line, STR(".")))
		return LOAD_GO;
	load_step_done(c, c->step_us);
	if (c->load->settings->delete_after)
		return ask_number(c, DELE, STR("DELE "));
	return next_message(c);
}

static enum load_step on_dele(struct load_conn *c, struct str line)
{
	return next_message(c);
}

static enum load_step on_bye(struct load_conn *c, struct str line)
{
	load_unit_done(c, c->unit_us);
	return LOAD_END;
}

static const struct {
	enum load_step (*handler)(struct load_conn *c, struct str line);
	bool any; /* content, no status line */
} rows[] = {
    [GREETING] = {on_greeting, false},
    [USER] = {on_user, false},
    [PASS] = {on_pass, false},
    [STAT] = {on_stat, false},
    [UIDL] = {on_uidl, false},
    [UIDL_LINES] = {on_uidl_line, true},
    [RETR] = {on_retr, false},
    [RETR_LINES] = {on_retr_line, true},
    [DELE] = {on_dele, false},
    [QUIT] = {on_bye, false},
};

static void opened(struct load_conn *c)
{
	const struct load_settings *s = c->load->settings;

	c->state = GREETING;
	c->account = (c->slot + s->connections * c->sessions++) % s->accounts;
}

static enum load_step on_line(struct load_conn *c, struct str line)
{
	if (!rows[c->state].any && !str_has_prefix(line, STR("+OK")))
		return LOAD_REFUSED;
	return rows[c->state].handler(c, line);
}

const struct load_protocol load_pop3 = {
    .unit = "session", .step = "retr", .opened = opened, .line = on_line};
