/*
 * The table of commands: in which states and roles each is allowed, and its handler. What the table
 * refuses no handler sees. Order of the checks: known at all, allowed in this role, allowed now,
 * well-formed, authenticated.
 */
#include "base/clock.h"
#include "smtp/smtp_session.h"

#define ROLE(r) (1u << (r))
#define ANY_ROLE                                                                                   \
	(ROLE(SMTP_ROLE_MX) | ROLE(SMTP_ROLE_SUBMISSION) | ROLE(SMTP_ROLE_LMTP) |                  \
	    ROLE(SMTP_ROLE_LOCAL))
#define SMTP_ROLES (ANY_ROLE & ~ROLE(SMTP_ROLE_LMTP))
#define AT_ANY     (AT_START | AT_READY | AT_MAIL | AT_CHUNKS)

enum {
	COUNTED = 1, /* brings no message nearer by itself: max_commands */
	USERS = 2,   /* on submission only after AUTH */
};

struct row {
	unsigned states;
	unsigned roles;
	unsigned flags;
	enum flow (*handle)(struct smtp_server *s, const struct smtp_command *cmd);
};

/* Whose mail may wait here for a time that he sets: users', who are known at MAIL. */
static bool may_hold(const struct smtp_server *s)
{
	return s->cfg->role == SMTP_ROLE_SUBMISSION || s->cfg->role == SMTP_ROLE_LOCAL;
}

/* For how long and until when, at most [RFC 4865 4.1]. */
static void put_future_release(const struct smtp_server *s, struct buf *b)
{
	buf_lit(b, "\nFUTURERELEASE ");
	buf_u64(b, SMTP_HOLD_LIMIT);
	buf_byte(b, ' ');
	clock_put_iso(b, s->wall + s->now + SMTP_HOLD_LIMIT * SECOND_MS);
}

/* The keywords of EHLO, a line each [RFC 5321 4.1.1.1]. */
static void put_keywords(const struct smtp_server *s, struct buf *b)
{
	buf_lit(b, "\nPIPELINING\nSIZE ");
	buf_u64(b, session_size_limit(s));
	buf_lit(b, "\n8BITMIME\nCHUNKING\nSMTPUTF8\nENHANCEDSTATUSCODES\nDSN\nLIMITS RCPTMAX=");
	buf_u64(b, s->cfg->rcpt_max);
	buf_lit(b, "\nMT-PRIORITY\nDELIVERBY");
	if (may_hold(s))
		put_future_release(s, b);
	if (s->cfg->starttls && !s->tls)
		buf_lit(b, "\nSTARTTLS");
	if (smtp_session_may_auth(s)) {
		buf_lit(b, "\nAUTH ");
		buf_str(b, sasl_server_mechanisms());
	}
}

/* The transaction is dropped; now the answer to EHLO, LHLO or HELO. */
static enum flow greet(struct smtp_server *s)
{
	struct smtp_reply r = {.code = 250};
	struct buf text;

	smtp_session_end_transaction(s);
	s->state = AT_READY;
	buf_init(&text, SMTP_REPLY_MAX);
	buf_str(&text, s->cfg->hostname);
	if (s->ip.n > 0) {
		buf_lit(&text, " greets ");
		buf_str(&text, buf_view(&s->ip));
	}
	if (s->extended)
		put_keywords(s, &text);
	r.text = buf_view(&text);
	smtp_session_reply(s, &r);
	buf_fini(&text);
	return FLOW_DONE;
}

static enum flow do_helo(struct smtp_server *s, const struct smtp_command *cmd)
{
	buf_clear(&s->helo);
	buf_str(&s->helo, cmd->helo);
	s->extended = cmd->verb != SMTP_HELO;
	return smtp_session_abort(s, greet);
}

static enum flow mail_resume(struct smtp_server *s, const struct smtp_result *r)
{
	if (session_is_refused(r)) {
		smtp_session_reply(s, &r->reply);
		smtp_session_end_transaction(s);
		return FLOW_DONE;
	}
	s->tx_open = true;
	s->state = AT_MAIL;
	if (s->lowered) /* [RFC 6710 4.1] */
		smtp_session_reply(
		    s, &SMTP_REPLY(250, 2, 3, 6,
			   "0 is the priority of this message, only users may raise it"));
	else
		smtp_session_reply_or(s, r, SMTP_REPLY(250, 2, 1, 0, "Sender OK"));
	return FLOW_DONE;
}

/* What is wrong with the times that a sender sets; code 0: nothing. */
static struct smtp_reply wrong_times(const struct smtp_server *s, const struct smtp_mail_params *p)
{
	int64_t now = s->wall + s->now, hold = p->hold_for * SECOND_MS;
	int64_t by = p->by_time * SECOND_MS;

	if ((p->hold_for || p->hold_until) && !may_hold(s))
		return SMTP_REPLY(555, 5, 5, 4, "Messages are sent later only for users");
	if (p->hold_until)
		hold = p->hold_until - now;
	if (hold > SMTP_HOLD_LIMIT * SECOND_MS)
		return SMTP_REPLY(501, 5, 5, 4, "A message can wait for 60 days at most");
	if (p->by != SMTP_BY_NONE && hold > 0 && hold - (p->by == SMTP_BY_NOTIFY) >= by)
		return SMTP_REPLY(/* [RFC 4865 5.2.2] */
		    501, 5, 5, 4, "A message cannot be delivered by a time before it is released");
	return (struct smtp_reply){0};
}

/* Who is not known may not have his mail go before that of others. */
static void lower_priority(struct smtp_server *s)
{
	s->lowered = s->tx.params.priority > 0 && !s->trusted && s->account.n == 0;
	if (s->lowered)
		s->tx.params.priority = 0;
}

static enum flow do_mail(struct smtp_server *s, const struct smtp_command *cmd)
{
	const struct smtp_mail_params *p = &cmd->mail.params;
	struct smtp_reply wrong;

	if (cmd->has_8bit && !p->smtputf8)
		return smtp_session_refuse(
		    s, SMTP_REPLY(553, 5, 6, 7,
			   "An address that is not ASCII needs the parameter SMTPUTF8"));
	wrong = wrong_times(s, p);
	if (wrong.code)
		return smtp_session_refuse(s, wrong);
	if (p->size > session_size_limit(s)) {
		struct smtp_reply large = session_too_large();

		smtp_session_reply(s, &large);
		return FLOW_DONE;
	}
	s->tx.reverse = smtp_path_copy(s->arena, &cmd->mail.path);
	s->tx.params = *p;
	s->tx.params.auth = arena_str(s->arena, p->auth);
	s->tx.params.envid = arena_str(s->arena, p->envid);
	lower_priority(s);
	s->tx_begun = true;
	return smtp_session_wait(s, SMTP_EFFECT_MAIL, mail_resume);
}

/* The accepted recipient joins the transaction; the array doubles, so copying stays linear. */
static void add_rcpt(struct smtp_server *s)
{
	struct smtp_rcpt *at;

	if (s->tx.rcpt_count == s->rcpt_cap) {
		size_t cap = s->rcpt_cap ? 2 * s->rcpt_cap : 4;
		struct smtp_rcpt *grown = arena_array(s->arena, cap, sizeof *grown);

		if (s->tx.rcpt_count)
			memcpy(grown, s->rcpts, s->tx.rcpt_count * sizeof *grown);
		s->tx.rcpts = s->rcpts = grown;
		s->rcpt_cap = cap;
	}
	at = &s->rcpts[s->tx.rcpt_count++];
	at->path = smtp_path_copy(s->arena, &s->rcpt.path);
	at->params = s->rcpt.params;
	at->params.orcpt_type = arena_str(s->arena, s->rcpt.params.orcpt_type);
	at->params.orcpt = arena_str(s->arena, s->rcpt.params.orcpt);
}

static enum flow rcpt_resume(struct smtp_server *s, const struct smtp_result *r)
{
	bool stranger = !s->trusted && s->account.n == 0;

	if (!session_is_refused(r)) {
		add_rcpt(s);
		smtp_session_reply_or(s, r, SMTP_REPLY(250, 2, 1, 5, "Recipient OK"));
		return FLOW_DONE;
	}
	s->rcpt_refused = true;
	smtp_session_reply(s, &r->reply);
	if (r->reply.code >= 500 && stranger && s->cfg->max_refused &&
	    ++s->refused >= s->cfg->max_refused)
		return smtp_session_close(
		    s, SMTP_REPLY(
			   421, 4, 7, 0, "Too many refused recipients, closing the connection"));
	return FLOW_DONE;
}

static enum flow do_rcpt(struct smtp_server *s, const struct smtp_command *cmd)
{
	if (cmd->has_8bit && !s->tx.params.smtputf8)
		return smtp_session_refuse(
		    s, SMTP_REPLY(
			   553, 5, 6, 7, "An address that is not ASCII needs SMTPUTF8 at MAIL"));
	if (s->tx.rcpt_count >= s->cfg->rcpt_max) {
		smtp_session_reply(
		    s, &SMTP_REPLY(452, 4, 5, 3,
			   "Too many recipients, send the message again to the others"));
		return FLOW_DONE;
	}
	s->rcpt = (struct smtp_rcpt){cmd->rcpt.path, cmd->rcpt.params};
	s->effect.rcpt = &s->rcpt;
	return smtp_session_wait(s, SMTP_EFFECT_RCPT, rcpt_resume);
}

static enum flow reset_done(struct smtp_server *s)
{
	smtp_session_end_transaction(s);
	smtp_session_reply(s, &SMTP_REPLY(250, 2, 0, 0, "OK"));
	return FLOW_DONE;
}

static enum flow do_rset(struct smtp_server *s, const struct smtp_command *cmd)
{
	return smtp_session_abort(s, reset_done);
}

static enum flow do_noop(struct smtp_server *s, const struct smtp_command *cmd)
{
	smtp_session_reply(s, &SMTP_REPLY(250, 2, 0, 0, "OK"));
	return FLOW_DONE;
}

static enum flow do_quit(struct smtp_server *s, const struct smtp_command *cmd)
{
	return smtp_session_close(s, SMTP_REPLY(221, 2, 0, 0, "Goodbye"));
}

/* [RFC 5321 3.5.3, 7.3]: addresses are not disclosed. */
static enum flow do_vrfy(struct smtp_server *s, const struct smtp_command *cmd)
{
	smtp_session_reply(
	    s, &SMTP_REPLY(252, 2, 0, 0, "Not verified here, send the message to find out"));
	return FLOW_DONE;
}

static enum flow do_expn(struct smtp_server *s, const struct smtp_command *cmd)
{
	return smtp_session_refuse(s, SMTP_REPLY(502, 5, 5, 1, "Lists are not expanded here"));
}

static enum flow do_help(struct smtp_server *s, const struct smtp_command *cmd)
{
	struct smtp_reply reply = {214, {2, 0, 0}, {NULL, 0}};
	struct buf text;

	buf_init(&text, LIMIT_SMTP_REPLY_LINE);
	buf_lit(&text, "Commands: ");
	buf_c(&text, s->cfg->role == SMTP_ROLE_LMTP ? "LHLO" : "EHLO HELO");
	buf_lit(&text, " MAIL RCPT DATA BDAT RSET NOOP\nQUIT VRFY HELP");
	if (s->cfg->starttls)
		buf_lit(&text, " STARTTLS");
	if (s->cfg->role == SMTP_ROLE_SUBMISSION)
		buf_lit(&text, " AUTH");
	buf_lit(&text, "\nTrouble? Write to postmaster");
	reply.text = buf_view(&text);
	smtp_session_reply(s, &reply);
	buf_fini(&text);
	return FLOW_DONE;
}

/*
 * As after the connection, but for TLS: what was said before may have been said by another
 * [RFC 3207 4.2].
 */
static enum flow starttls_resume(struct smtp_server *s, const struct smtp_result *r)
{
	if (session_is_refused(r))
		return smtp_session_close(s, (struct smtp_reply){0});
	s->tls = true;
	s->state = AT_START;
	s->extended = false;
	buf_clear(&s->helo);
	if (s->cfg->role == SMTP_ROLE_SUBMISSION)
		buf_clear(&s->account);
	return FLOW_DONE;
}

static enum flow do_starttls(struct smtp_server *s, const struct smtp_command *cmd)
{
	if (s->tls)
		return smtp_session_refuse(s, SMTP_REPLY(503, 5, 5, 1, "TLS is active already"));
	if (!s->cfg->starttls)
		return smtp_session_refuse(
		    s, SMTP_REPLY(502, 5, 5, 1, "TLS is not available here"));
	smtp_session_reply(s, &SMTP_REPLY(220, 2, 0, 0, "Go ahead with TLS"));
	return smtp_session_wait(s, SMTP_EFFECT_STARTTLS, starttls_resume);
}

static const struct row rows[SMTP_VERBS] = {
    [SMTP_EHLO] = {AT_ANY, SMTP_ROLES, COUNTED, do_helo},
    [SMTP_HELO] = {AT_ANY, SMTP_ROLES, COUNTED, do_helo},
    [SMTP_LHLO] = {AT_ANY, ROLE(SMTP_ROLE_LMTP), COUNTED, do_helo},
    [SMTP_MAIL] = {AT_READY, ANY_ROLE, COUNTED | USERS, do_mail},
    [SMTP_RCPT] = {AT_MAIL, ANY_ROLE, 0, do_rcpt},
    [SMTP_DATA] = {AT_MAIL, ANY_ROLE, 0, smtp_session_data},
    [SMTP_BDAT] = {AT_ANY | AT_REFUSED, ANY_ROLE, 0, smtp_session_bdat}, /* has octets to swallow */
    [SMTP_RSET] = {AT_ANY, ANY_ROLE, COUNTED, do_rset},
    [SMTP_NOOP] = {AT_ANY, ANY_ROLE, COUNTED, do_noop},
    [SMTP_QUIT] = {AT_ANY | AT_REFUSED, ANY_ROLE, 0, do_quit},
    [SMTP_VRFY] = {AT_ANY, ANY_ROLE, COUNTED, do_vrfy},
    [SMTP_EXPN] = {AT_ANY, ANY_ROLE, COUNTED, do_expn},
    [SMTP_HELP] = {AT_ANY, ANY_ROLE, COUNTED, do_help},
    [SMTP_STARTTLS] = {AT_START | AT_READY, ANY_ROLE, COUNTED, do_starttls},
    [SMTP_AUTH] = {AT_READY, ROLE(SMTP_ROLE_SUBMISSION), COUNTED, smtp_session_auth},
};

/* What is wrong with a line, in the parser's order. */
static struct smtp_reply complaint(enum smtp_syntax syntax, enum smtp_verb verb)
{
	bool mail = verb == SMTP_MAIL;

	switch (syntax) {
	case SMTP_SYNTAX_OCTETS:
		return SMTP_REPLY(500, 5, 5, 2, "The command has octets that no command may have");
	case SMTP_SYNTAX_PATH:
		return mail ? SMTP_REPLY(
				  501, 5, 1, 7, "Malformed sender, write <local-part@domain> or <>")
			    : SMTP_REPLY(
				  501, 5, 1, 3, "Malformed recipient, write <local-part@domain>");
	case SMTP_SYNTAX_PATH_LONG:
		return mail ? SMTP_REPLY(501, 5, 1, 7, "The sender's address is too long")
			    : SMTP_REPLY(501, 5, 1, 3, "The recipient's address is too long");
	case SMTP_SYNTAX_PARAM_UNKNOWN:
		return SMTP_REPLY(555, 5, 5, 4, "A parameter is not implemented here");
	case SMTP_SYNTAX_PARAM:
		return SMTP_REPLY(501, 5, 5, 4, "A parameter has a wrong value or stands twice");
	default:
		return SMTP_REPLY(501, 5, 5, 4, "Wrong arguments");
	}
}

/* Why a command may not come now. */
static struct smtp_reply untimely(enum session_state state)
{
	switch (state) {
	case AT_REFUSED:
		return SMTP_REPLY(503, 5, 5, 1, "No service for you here, say QUIT");
	case AT_START:
		return SMTP_REPLY(503, 5, 5, 1, "Say EHLO first (LHLO with LMTP)");
	case AT_READY:
		return SMTP_REPLY(503, 5, 5, 1, "Say MAIL first");
	case AT_CHUNKS:
		return SMTP_REPLY(503, 5, 5, 1, "Go on with BDAT, or say RSET");
	default:
		return SMTP_REPLY(503, 5, 5, 1, "Not within a transaction, say RSET first");
	}
}

/* 530: says what is missing [RFC 4954 6, 3207 4]. */
static struct smtp_reply unauthenticated(const struct smtp_server *s)
{
	return smtp_session_may_auth(s)
		   ? SMTP_REPLY(530, 5, 7, 0, "Authentication required, say AUTH first")
		   : SMTP_REPLY(530, 5, 7, 0, "Say STARTTLS first, then AUTH");
}

/* The first thing that is wrong with a command here and now; code 0: nothing. */
static struct smtp_reply objection(
    const struct smtp_server *s, enum smtp_syntax syntax, const struct smtp_command *cmd)
{
	const struct row *row = &rows[cmd->verb];

	if (syntax == SMTP_SYNTAX_VERB)
		return SMTP_REPLY(500, 5, 5, 2, "Command not recognized");
	if (row->handle && !(row->roles & ROLE(s->cfg->role)))
		return SMTP_REPLY(502, 5, 5, 1, "This command does not exist in this service");
	if (row->handle && !(row->states & s->state))
		return untimely(s->state);
	if (syntax != SMTP_SYNTAX_OK)
		return complaint(syntax, cmd->verb);
	if (row->flags & USERS && s->cfg->role == SMTP_ROLE_SUBMISSION && s->account.n == 0)
		return unauthenticated(s);
	return (struct smtp_reply){0};
}

enum flow smtp_session_command(struct smtp_server *s, struct str line)
{
	struct smtp_command cmd;
	enum smtp_syntax syntax;
	struct smtp_reply wrong;

	arena_reset(s->command, false);
	syntax = smtp_command_parse(line, s->command, &cmd);
	wrong = objection(s, syntax, &cmd);
	if (cmd.verb == SMTP_BDAT && syntax != SMTP_SYNTAX_OK)
		return smtp_session_close(s, wrong); /* nobody knows how many octets to swallow */
	if (wrong.code)
		return smtp_session_refuse(s, wrong);
	if (rows[cmd.verb].flags & COUNTED && s->cfg->max_commands &&
	    ++s->commands > s->cfg->max_commands)
		return smtp_session_close(
		    s, SMTP_REPLY(421, 4, 7, 0,
			   "Too many commands without a message, closing the connection"));
	return rows[cmd.verb].handle(s, &cmd);
}
