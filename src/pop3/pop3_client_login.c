/*
 * From the greeting to POP3_CLIENT_READY. Each expect_* takes the reply to what the function above it has
 * said. The password leaves only over TLS, or where the configuration allows it without; what a
 * server offered before TLS is forgotten after it [RFC 2595 2.2].
 */
#include "base/limits.h"
#include "base/mem.h"
#include "pop3/pop3_client_state.h"

#define CAPA_LINES_MAX   100
#define AUTH_COMMAND_MAX ((size_t)255) /* with its initial response [RFC 5034 4] */

static void ask_capa(struct pop3_client *c);
static void log_in(struct pop3_client *c);

static void refused(struct pop3_client *c, const struct pop3_reply *r, const char *what)
{
	pop3_client_fail(c, r->code, what, r->text);
}

void pop3_client_expect_greeting(struct pop3_client *c, const struct pop3_reply *r)
{
	if (r->status == POP3_REPLY_OK)
		ask_capa(c);
	else
		refused(c, r, "the server refuses the connection");
}

static const struct {
	struct str tag;
	size_t field;
} capa_tags[] = {
    {STR_INIT("TOP"), offsetof(struct pop3_capa, top)},
    {STR_INIT("UIDL"), offsetof(struct pop3_capa, uidl)},
    {STR_INIT("USER"), offsetof(struct pop3_capa, user)},
    {STR_INIT("STLS"), offsetof(struct pop3_capa, stls)},
    {STR_INIT("PIPELINING"), offsetof(struct pop3_capa, pipelining)},
    {STR_INIT("RESP-CODES"), offsetof(struct pop3_capa, resp_codes)},
};

/* "SASL PLAIN LOGIN ..." [RFC 2449 6.3] */
static void take_mechanisms(struct pop3_client *c, struct str list)
{
	buf_clear(&c->mechanisms);
	buf_str(&c->mechanisms, list);
	while (list.n) {
		struct str name = str_split(list, ' ', &list);

		c->capa.sasl_plain |= str_eq_i(name, STR("PLAIN"));
		c->capa.sasl_login |= str_eq_i(name, STR("LOGIN"));
	}
}

static void capa_line(struct pop3_client *c, struct str line)
{
	struct str args;
	struct str tag = str_split(line, ' ', &args);

	if (++c->capa_lines > CAPA_LINES_MAX) {
		pop3_client_fail(
		    c, POP3_CODE_NONE, "the server's list of capabilities does not end", STR(""));
		return;
	}
	if (str_eq_i(tag, STR("SASL")))
		take_mechanisms(c, args);
	if (str_eq_i(tag, STR("EXPIRE")))
		c->capa.expire_never = str_eq_i(str_trim(args), STR("NEVER"));
	for (size_t i = 0; i < sizeof capa_tags / sizeof capa_tags[0]; i++)
		if (str_eq_i(tag, capa_tags[i].tag))
			*(bool *)((char *)&c->capa + capa_tags[i].field) = true;
}

static void after_stls(struct pop3_client *c)
{
	c->tls = true;
	ask_capa(c);
}

static void expect_stls(struct pop3_client *c, const struct pop3_reply *r)
{
	if (r->status == POP3_REPLY_OK)
		pop3_client_emit(c, POP3_CLIENT_STLS, after_stls);
	else if (c->cfg->tls_policy == POP3_TLS_REQUIRE)
		refused(c, r, "the server refuses STLS, and TLS is required");
	else
		log_in(c);
}

/* TLS first, if it is wanted and can be had. */
static void after_capa(struct pop3_client *c)
{
	bool required = c->cfg->tls_policy == POP3_TLS_REQUIRE;

	if (c->tls || c->cfg->tls_policy == POP3_TLS_NONE)
		log_in(c);
	else if (c->capa.stls || (required && !c->capa.known))
		pop3_client_say(c, STR("STLS"), expect_stls);
	else if (required)
		pop3_client_fail(c, POP3_CODE_NONE,
		    "the server does not offer STLS, and TLS is required", STR(""));
	else
		log_in(c);
}

static void expect_capa(struct pop3_client *c, const struct pop3_reply *r)
{
	if (r->status != POP3_REPLY_OK) {
		c->capa.user = true;
		after_capa(c);
		return;
	}
	c->capa.known = true;
	c->reading = POP3_READ_LINES;
	c->on_line = capa_line;
	c->on_end = after_capa;
}

static void ask_capa(struct pop3_client *c)
{
	c->capa = (struct pop3_capa){0};
	c->capa_lines = 0;
	buf_clear(&c->mechanisms);
	pop3_client_say(c, STR("CAPA"), expect_capa);
}

static void logged_in(struct pop3_client *c)
{
	c->ready = true;
	c->expect = NULL;
	pop3_client_emit(c, POP3_CLIENT_READY, pop3_client_send_open);
}

static void expect_login(struct pop3_client *c, const struct pop3_reply *r)
{
	if (r->status == POP3_REPLY_OK)
		logged_in(c);
	else
		refused(c, r, "the server refuses the login");
}

/* "verb argument" */
static void say_with(
    struct pop3_client *c, const char *verb, struct str argument, pop3_on_reply *expect)
{
	buf_c(&c->out, verb);
	buf_byte(&c->out, ' ');
	pop3_client_say(c, argument, expect);
}

static void expect_user(struct pop3_client *c, const struct pop3_reply *r)
{
	if (r->status == POP3_REPLY_OK)
		say_with(c, "PASS", c->cfg->password, expect_login);
	else
		refused(c, r, "the server refuses the user name");
}

/* The reply to AUTH, or to a response within it: another challenge, or the end. */
static void expect_auth(struct pop3_client *c, const struct pop3_reply *r)
{
	struct buf response;

	if (r->status != POP3_REPLY_MORE) {
		expect_login(c, r);
		return;
	}
	buf_init(&response, LIMIT_POP3_AUTH_LINE);
	if (sasl_client_next(&c->sasl, &response) == SASL_CLIENT_OK)
		pop3_client_say(c, buf_view(&response), expect_auth);
	else
		pop3_client_say(c, STR("*"), expect_login);
	buf_wipe(&response);
}

static void begin_auth(struct pop3_client *c)
{
	struct buf line;
	size_t bare;

	buf_init(&line, LIMIT_POP3_AUTH_LINE);
	buf_lit(&line, "AUTH ");
	buf_str(&line, sasl_client_mechanism(&c->sasl));
	bare = line.n;
	if (sasl_client_has_initial(&c->sasl)) {
		struct sasl_client trial = c->sasl;

		buf_byte(&line, ' ');
		sasl_client_next(&trial, &line);
		if (line.n + 2 <= AUTH_COMMAND_MAX)
			c->sasl = trial;
		else
			line.n = bare;
	}
	pop3_client_say(c, buf_view(&line), expect_auth);
	buf_wipe(&line);
}

/* USER and PASS carry them to the end of a line: what cannot stand there must not be sent. */
static bool fits_line(struct str s, size_t max)
{
	return s.n >= 1 && s.n <= max && str_find(s, '\r') == s.n && str_find(s, '\n') == s.n &&
	       str_find(s, 0) == s.n;
}

static void log_in(struct pop3_client *c)
{
	struct str user = c->cfg->user, password = c->cfg->password;

	if (!c->tls && !c->cfg->plaintext_auth)
		pop3_client_fail(c, POP3_CODE_NONE,
		    "there is no TLS, and the password is not sent without it", STR(""));
	else if (!fits_line(user, LIMIT_USER_NAME) || !fits_line(password, LIMIT_PASSWORD))
		pop3_client_fail(c, POP3_CODE_NONE,
		    "user name or password is empty, too long or has a line end", STR(""));
	else if (sasl_client_init(&c->sasl, buf_view(&c->mechanisms), user, password) ==
		 SASL_CLIENT_OK)
		begin_auth(c);
	else if (c->capa.user)
		say_with(c, "USER", user, expect_user);
	else
		pop3_client_fail(
		    c, POP3_CODE_NONE, "the server offers no way to log in that we know", STR(""));
}
