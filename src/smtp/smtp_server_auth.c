/* AUTH [RFC 4954]: carries the lines of src/sasl, asks the driver about what comes out. */
#include "smtp/smtp_session.h"

bool smtp_session_may_auth(const struct smtp_server *s)
{
	return s->cfg->role == SMTP_ROLE_SUBMISSION && (s->tls || s->plaintext_auth);
}

/* The exchange is over: no secret stays. */
static void forget(struct smtp_server *s)
{
	s->expect = EXPECT_COMMAND;
	s->effect = (struct smtp_effect){0};
	sasl_server_reset(&s->sasl);
	line_in_reset(&s->line);
}

static enum flow auth_resume(struct smtp_server *s, const struct smtp_result *r)
{
	unsigned max = s->cfg->max_auth_failures;

	if (!session_is_refused(r)) {
		buf_clear(&s->account);
		buf_str(&s->account, str_sub(r->account, 0, LIMIT_USER_NAME));
		if (s->account.n == 0)
			buf_str(&s->account, s->effect.auth.authcid);
		forget(s);
		smtp_session_reply_or(s, r, SMTP_REPLY(235, 2, 7, 0, "Authentication succeeded"));
		return FLOW_DONE;
	}
	forget(s);
	smtp_session_reply(s, &r->reply);
	if (max && ++s->auth_failures >= max)
		return smtp_session_close(
		    s, SMTP_REPLY(421, 4, 7, 0, "Too many failed logins, closing the connection"));
	return FLOW_DONE;
}

static enum flow ask(struct smtp_server *s)
{
	const struct sasl_credentials *c = sasl_server_credentials(&s->sasl);

	s->effect.auth.mechanism = c->mechanism;
	s->effect.auth.authzid = c->authzid;
	s->effect.auth.authcid = c->authcid;
	s->effect.auth.password = c->password;
	return smtp_session_wait(s, SMTP_EFFECT_AUTH, auth_resume);
}

enum flow smtp_session_auth_fail(struct smtp_server *s, struct smtp_reply reply)
{
	forget(s);
	return smtp_session_refuse(s, reply);
}

static enum flow advance(struct smtp_server *s, enum sasl_status status)
{
	struct smtp_reply challenge = {.code = 334};

	switch (status) {
	case SASL_CHALLENGE:
		challenge.text = sasl_server_challenge(&s->sasl);
		smtp_session_reply(s, &challenge);
		s->expect = EXPECT_RESPONSE;
		return FLOW_DONE;
	case SASL_CREDENTIALS:
		return ask(s);
	case SASL_CANCELLED:
		return smtp_session_auth_fail(
		    s, SMTP_REPLY(501, 5, 7, 0, "Authentication cancelled"));
	case SASL_UNKNOWN:
		return smtp_session_auth_fail(
		    s, SMTP_REPLY(504, 5, 5, 4, "Mechanism not supported, use PLAIN or LOGIN"));
	default:
		return smtp_session_auth_fail(
		    s, SMTP_REPLY(501, 5, 5, 2, "Malformed authentication response"));
	}
}

enum flow smtp_session_auth(struct smtp_server *s, const struct smtp_command *cmd)
{
	if (s->account.n > 0)
		return smtp_session_refuse(
		    s, SMTP_REPLY(503, 5, 5, 1, "You are authenticated already"));
	if (!smtp_session_may_auth(s))
		return smtp_session_refuse(
		    s, SMTP_REPLY(538, 5, 7, 11, "Encryption required, say STARTTLS first"));
	return advance(s, sasl_server_begin(&s->sasl, cmd->auth.mechanism,
			      cmd->auth.has_initial ? &cmd->auth.initial : NULL));
}

enum flow smtp_session_auth_response(struct smtp_server *s, struct str line)
{
	return advance(s, sasl_server_feed(&s->sasl, line));
}
