/*
 * Commands before login: USER and PASS [RFC 1939 7], AUTH [RFC 5034], STLS [RFC 2595 4], and CAPA
 * [RFC 2449 5], whose table says what holds when. A wrong password and an unknown name are told in the
 * same words, and credentials are forgotten as soon as the driver has judged them.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "pop3/pop3_session.h"

#define DEFAULT_AUTH_FAILURES 3u

bool pop3_takes_passwords(const struct pop3_server *s)
{
	return s->tls || s->plaintext_auth;
}

void pop3_forget_credentials(struct pop3_server *s)
{
	buf_wipe(&s->user);
	buf_wipe(&s->password);
	sasl_server_reset(&s->sasl);
	s->in_sasl = false;
	line_in_reset(&s->auth_line);
}

static enum pop3_step refuse_plaintext(struct pop3_server *s)
{
	if (s->cfg->stls)
		return pop3_err(s, POP3_CODE_NONE,
		    STR("passwords are taken over TLS only: send STLS first, or use port 995"));
	return pop3_err(s, POP3_CODE_NONE, STR("passwords are taken over TLS only: use port 995"));
}

static enum pop3_step wrong_credentials(struct pop3_server *s)
{
	unsigned max = s->cfg->max_auth_failures ? s->cfg->max_auth_failures
						 : DEFAULT_AUTH_FAILURES;

	pop3_err(s, POP3_CODE_AUTH, STR("wrong user name or password"));
	if (++s->auth_failures < max)
		return POP3_STEP_DONE;
	return pop3_end(s, "too many failed logins");
}

/* The end of PASS and AUTH. */
static enum pop3_step resume_login(struct pop3_server *s, const struct pop3_result *r)
{
	struct buf text;

	pop3_forget_credentials(s);
	if (r->outcome == POP3_FAILED)
		return wrong_credentials(s);
	if (r->outcome != POP3_OK)
		return pop3_err_result(s, r, STR(""));
	s->state = POP3_TRANSACTION;
	s->count = r->count;
	s->octets = r->octets;
	buf_init(&text, POP3_REPLY_MAX);
	buf_lit(&text, "logged in, messages: ");
	buf_u64(&text, s->count);
	pop3_ok(s, buf_view(&text));
	buf_fini(&text);
	return POP3_STEP_DONE;
}

enum pop3_step pop3_cmd_user(struct pop3_server *s, const struct pop3_args *args)
{
	if (!pop3_takes_passwords(s))
		return refuse_plaintext(s);
	buf_wipe(&s->user);
	buf_str(&s->user, args->text);
	return pop3_ok(s, STR("now send PASS"));
}

enum pop3_step pop3_cmd_pass(struct pop3_server *s, const struct pop3_args *args)
{
	if (!pop3_takes_passwords(s))
		return refuse_plaintext(s);
	if (s->user.n == 0)
		return pop3_fail(s, STR("send USER first"));
	buf_wipe(&s->password);
	buf_str(&s->password, args->text);
	s->effect.u.auth.mechanism = STR("USER");
	s->effect.u.auth.authzid = STR("");
	s->effect.u.auth.authcid = buf_view(&s->user);
	s->effect.u.auth.password = buf_view(&s->password);
	return pop3_emit(s, POP3_AUTH, resume_login);
}

/* The credentials are complete. */
static enum pop3_step check_sasl(struct pop3_server *s)
{
	const struct sasl_credentials *c = sasl_server_credentials(&s->sasl);

	s->in_sasl = false;
	s->effect.u.auth.mechanism = c->mechanism;
	s->effect.u.auth.authzid = c->authzid;
	s->effect.u.auth.authcid = c->authcid;
	s->effect.u.auth.password = c->password;
	return pop3_emit(s, POP3_AUTH, resume_login);
}

static enum pop3_step challenge(struct pop3_server *s)
{
	s->in_sasl = true;
	buf_lit(&s->out, "+ ");
	buf_str(&s->out, sasl_server_challenge(&s->sasl));
	buf_lit(&s->out, "\r\n");
	return POP3_STEP_MORE;
}

/* Goes on as the exchange says. */
static enum pop3_step auth_step(struct pop3_server *s, enum sasl_status status)
{
	if (status == SASL_CREDENTIALS)
		return check_sasl(s);
	if (status == SASL_CHALLENGE)
		return challenge(s);
	pop3_forget_credentials(s);
	if (status == SASL_CANCELLED)
		return pop3_err(s, POP3_CODE_NONE, STR("cancelled"));
	if (status == SASL_UNKNOWN)
		return pop3_fail(s, STR("unknown mechanism, CAPA lists them"));
	return pop3_fail(s, STR("malformed response"));
}

enum pop3_step pop3_cmd_auth(struct pop3_server *s, const struct pop3_args *args)
{
	const struct str *initial = args->has_initial ? &args->initial : NULL;

	if (!pop3_takes_passwords(s))
		return refuse_plaintext(s);
	return auth_step(s, sasl_server_begin(&s->sasl, args->text, initial));
}

enum pop3_step pop3_auth_line(struct pop3_server *s, struct str line)
{
	return auth_step(s, sasl_server_feed(&s->sasl, line));
}

static enum pop3_step resume_stls(struct pop3_server *s, const struct pop3_result *r)
{
	if (r->outcome != POP3_OK)
		return pop3_end(s, "TLS handshake failed");
	s->tls = true;
	s->met = s->heard;
	return POP3_STEP_DONE;
}

/* As after connecting: what was said without TLS is forgotten [RFC 2595 4]. */
enum pop3_step pop3_cmd_stls(struct pop3_server *s, const struct pop3_args *args)
{
	if (s->tls)
		return pop3_fail(s, STR("TLS is already active"));
	if (!s->cfg->stls)
		return pop3_fail(s, STR("this server has no certificate"));
	pop3_forget_credentials(s);
	pop3_ok(s, STR("begin TLS"));
	return pop3_emit(s, POP3_STLS, resume_stls);
}

static bool has_implementation(const struct pop3_server *s)
{
	return s->cfg->implementation.n > 0;
}

static bool offers_stls(const struct pop3_server *s)
{
	return s->cfg->stls && !s->tls && s->state == POP3_AUTHORIZATION;
}

static bool always(const struct pop3_server *s)
{
	return true;
}

static struct str implementation(const struct pop3_server *s)
{
	return str_sub(s->cfg->implementation, 0, POP3_REPLY_MAX / 2);
}

static struct str mechanisms(const struct pop3_server *s)
{
	return sasl_server_mechanisms();
}

/* A capability: when it is there, and the text behind its tag, if any. */
static const struct {
	struct str tag;
	bool (*holds)(const struct pop3_server *s);
	struct str (*args)(const struct pop3_server *s);
} capabilities[] = {
    {STR_INIT("TOP"), always, NULL},
    {STR_INIT("UIDL"), always, NULL},
    {STR_INIT("RESP-CODES"), always, NULL},
    {STR_INIT("AUTH-RESP-CODE"), always, NULL},
    {STR_INIT("PIPELINING"), always, NULL},
    {STR_INIT("EXPIRE NEVER"), always, NULL},
    {STR_INIT("STLS"), offers_stls, NULL},
    {STR_INIT("USER"), pop3_takes_passwords, NULL},
    {STR_INIT("SASL"), pop3_takes_passwords, mechanisms},
    {STR_INIT("IMPLEMENTATION"), has_implementation, implementation},
};

enum pop3_step pop3_cmd_capa(struct pop3_server *s, const struct pop3_args *args)
{
	pop3_ok(s, STR("capabilities follow"));
	for (size_t i = 0; i < sizeof capabilities / sizeof capabilities[0]; i++) {
		if (!capabilities[i].holds(s))
			continue;
		buf_str(&s->out, capabilities[i].tag);
		if (capabilities[i].args) {
			buf_byte(&s->out, ' ');
			buf_str(&s->out, capabilities[i].args(s));
		}
		buf_lit(&s->out, "\r\n");
	}
	buf_lit(&s->out, ".\r\n");
	return POP3_STEP_DONE;
}
