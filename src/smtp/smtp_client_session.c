/* From the greeting to the first READY, and the end: one function for each reply. */
#include "smtp/smtp_client_priv.h"

static void say_helo(struct smtp_client *c, const char *verb, enum client_state state)
{
	struct buf line;

	buf_init(&line, LIMIT_SMTP_REPLY_LINE);
	buf_c(&line, verb);
	buf_str(&line, c->cfg->helo);
	smtp_client_command(c, buf_view(&line), false);
	buf_fini(&line);
	c->state = state;
}

static void say_ehlo(struct smtp_client *c)
{
	say_helo(c, c->cfg->lmtp ? "LHLO " : "EHLO ", ON_EHLO);
}

/*
 * A refusal that ends the session, or a reply that is none to what was said: whose the next ones would be
 * nobody knows.
 */
static void refused(struct smtp_client *c, const struct smtp_reply *r)
{
	struct smtp_verdict v = smtp_client_verdict(c->arena, smtp_client_stage(c), r);

	smtp_client_fail(c, &v, true);
}

/* Of those that are no refusal only 220 is one [RFC 5321 4.3.2]. */
void smtp_client_on_greeting(struct smtp_client *c, const struct smtp_reply *r)
{
	if (r->code != 220) {
		refused(c, r);
		return;
	}
	c->facts.greeting = arena_str(c->arena, r->text);
	say_ehlo(c);
}

static void learn_size(struct smtp_server_facts *f, struct str value)
{
	f->extensions |= SMTP_EXT_SIZE;
	str_to_u64(value, UINT64_MAX, &f->size_limit);
}

/* "MAILMAX=10 RCPTMAX=100" among others [RFC 9422 4] */
static void learn_limits(struct smtp_server_facts *f, struct str value)
{
	while (value.n) {
		struct str word = str_split(value, ' ', &value);
		uint64_t n;

		if (str_has_prefix_i(word, STR("RCPTMAX=")) &&
		    str_to_u64(str_from(word, 8), LIMIT_SMTP_RCPT_MAX, &n))
			f->rcpt_max = (size_t)n;
		if (str_has_prefix_i(word, STR("MAILMAX=")) &&
		    str_to_u64(str_from(word, 8), UINT32_MAX, &n))
			f->mail_max = (size_t)n;
	}
}

/* One line of the answer to EHLO: keyword and parameters. */
static void learn(struct smtp_client *c, struct str line)
{
	static const struct {
		struct str keyword;
		unsigned extension;
	} known[] = {
	    {STR_INIT("PIPELINING"), SMTP_EXT_PIPELINING},
	    {STR_INIT("8BITMIME"), SMTP_EXT_8BITMIME},
	    {STR_INIT("SMTPUTF8"), SMTP_EXT_SMTPUTF8},
	    {STR_INIT("STARTTLS"), SMTP_EXT_STARTTLS},
	    {STR_INIT("DSN"), SMTP_EXT_DSN},
	    {STR_INIT("CHUNKING"), SMTP_EXT_CHUNKING},
	    {STR_INIT("ENHANCEDSTATUSCODES"), SMTP_EXT_ENHANCED},
	    {STR_INIT("FUTURERELEASE"), SMTP_EXT_FUTURERELEASE},
	    {STR_INIT("MT-PRIORITY"), SMTP_EXT_PRIORITY},
	    {STR_INIT("DELIVERBY"), SMTP_EXT_DELIVERBY},
	};
	struct smtp_server_facts *f = &c->facts;
	struct str value;
	struct str keyword = str_split(line, ' ', &value);

	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (str_eq_i(keyword, known[i].keyword))
			f->extensions |= known[i].extension;
	if (str_eq_i(keyword, STR("SIZE")))
		learn_size(f, value);
	if (str_eq_i(keyword, STR("DELIVERBY")))
		str_to_u64(str_split(value, ' ', &value), SMTP_BY_MAX, &f->by_min);
	if (str_eq_i(keyword, STR("LIMITS")))
		learn_limits(f, value);
	if (str_eq_i(keyword, STR("AUTH"))) {
		f->extensions |= SMTP_EXT_AUTH;
		f->auth = arena_str(c->arena, value);
	}
}

static void say_auth(struct smtp_client *c)
{
	struct buf line;

	buf_init(&line, 2 * LIMIT_SMTP_AUTH_LINE);
	buf_reserve(&line, 2 * LIMIT_SMTP_AUTH_LINE); /* no copy stays in memory given back */
	buf_lit(&line, "AUTH ");
	buf_str(&line, sasl_client_mechanism(&c->sasl));
	if (sasl_client_has_initial(&c->sasl)) {
		size_t at;

		buf_byte(&line, ' ');
		at = line.n;
		sasl_client_next(&c->sasl, &line);
		smtp_client_secret_keep(c, str_from(buf_view(&line), at));
	}
	smtp_client_command(c, buf_view(&line), true);
	buf_wipe(&line);
	c->state = ON_AUTH;
}

static void auth_impossible(struct smtp_client *c, struct str why)
{
	c->state = ON_AUTH;
	smtp_client_fail_own(c, SMTP_OUTCOME_PERMANENT, (struct smtp_status){5, 7, 0}, why);
}

/* AUTH if there is a user, else the session is ready. */
static void authenticate(struct smtp_client *c)
{
	if (c->cfg->user.n == 0) {
		c->state = ON_IDLE;
		smtp_client_wait(c, SMTP_CLIENT_READY);
	} else if (!c->tls && !c->cfg->plaintext_auth) {
		auth_impossible(c, STR("the password is not sent over a connection without TLS"));
	} else if (!(c->facts.extensions & SMTP_EXT_AUTH)) {
		auth_impossible(c, STR("the server offers no authentication"));
	} else if (sasl_client_init(&c->sasl, c->facts.auth, c->cfg->user, c->cfg->password) !=
		   SASL_CLIENT_OK) {
		auth_impossible(c, STR("the server offers neither PLAIN nor LOGIN"));
	} else {
		say_auth(c);
	}
}

/* Behind EHLO: TLS if the policy wants it, else on to AUTH. */
static void secure(struct smtp_client *c)
{
	bool offered = c->facts.extensions & SMTP_EXT_STARTTLS;

	if (c->tls || c->cfg->tls == SMTP_TLS_NONE || (c->cfg->tls == SMTP_TLS_MAY && !offered)) {
		authenticate(c);
		return;
	}
	c->state = ON_STARTTLS;
	if (offered)
		smtp_client_command(c, STR("STARTTLS"), false);
	else
		smtp_client_fail_own(c, SMTP_OUTCOME_TEMPORARY, (struct smtp_status){4, 7, 10},
		    STR("the server does not offer STARTTLS, and TLS is required"));
}

/* Only 250 is the answer: 220 may be a second greeting, behind which each reply would be taken for the next. */
void smtp_client_on_ehlo(struct smtp_client *c, const struct smtp_reply *r)
{
	struct str first;
	struct str rest;

	if (r->code / 100 == 5 && !c->cfg->lmtp) {
		say_helo(c, "HELO ", ON_HELO);
		return;
	}
	if (r->code != 250) {
		refused(c, r);
		return;
	}
	first = str_split(r->text, '\n', &rest);
	if (c->facts.greeting.n == 0)
		c->facts.greeting = arena_str(c->arena, first);
	while (rest.n)
		learn(c, str_split(rest, '\n', &rest));
	secure(c);
}

void smtp_client_on_helo(struct smtp_client *c, const struct smtp_reply *r)
{
	if (r->code != 250) {
		refused(c, r);
		return;
	}
	secure(c);
}

void smtp_client_on_starttls(struct smtp_client *c, const struct smtp_reply *r)
{
	if (r->code == 220)
		smtp_client_wait(c, SMTP_CLIENT_STARTTLS);
	else if (c->cfg->tls == SMTP_TLS_REQUIRE)
		refused(c, r);
	else
		authenticate(c);
}

/* All that was learnt without TLS is forgotten [RFC 3207 4.2]. */
void smtp_client_tls_done(struct smtp_client *c, const struct smtp_client_result *r)
{
	if (r->failed) {
		smtp_client_fail_own(c, SMTP_OUTCOME_TEMPORARY, (struct smtp_status){4, 7, 0},
		    r->text.n ? r->text : STR("the TLS handshake failed"));
		return;
	}
	c->tls = true;
	c->facts = (struct smtp_server_facts){0};
	say_ehlo(c);
}

/* The response to a challenge; to one too many "*", which the server answers with 501 [RFC 4954 4]. */
static void answer_challenge(struct smtp_client *c)
{
	struct buf line;

	buf_init(&line, 2 * LIMIT_SMTP_AUTH_LINE);
	buf_reserve(&line, 2 * LIMIT_SMTP_AUTH_LINE);
	c->auth_cancelled = sasl_client_next(&c->sasl, &line) != SASL_CLIENT_OK;
	if (c->auth_cancelled)
		buf_lit(&line, "*");
	else
		smtp_client_secret_keep(c, buf_view(&line));
	smtp_client_command(c, buf_view(&line), true);
	buf_wipe(&line);
}

void smtp_client_on_auth(struct smtp_client *c, const struct smtp_reply *r)
{
	if (c->out.n == 0)
		buf_wipe(&c->out);
	if (r->code == 235) {
		c->authenticated = true;
		c->state = ON_IDLE;
		smtp_client_wait(c, SMTP_CLIENT_READY);
		return;
	}
	if (r->code != 334)
		refused(c, r);
	else if (c->auth_cancelled)
		smtp_client_fail_own(c, SMTP_OUTCOME_TEMPORARY, (struct smtp_status){4, 5, 0},
		    STR("the server goes on with AUTH although it was cancelled"));
	else
		answer_challenge(c);
}

void smtp_client_quit(struct smtp_client *c)
{
	smtp_client_command(c, STR("QUIT"), false);
	c->state = ON_QUIT;
	c->end = (struct smtp_verdict){.outcome = SMTP_OUTCOME_ACCEPTED, .stage = SMTP_STAGE_QUIT};
}

/* Whatever it says, it is the end. */
void smtp_client_on_quit(struct smtp_client *c, const struct smtp_reply *r)
{
	c->end.reply = smtp_reply_copy(c->arena, r);
	c->state = ON_NOTHING;
	smtp_client_wait(c, SMTP_CLIENT_CLOSED);
}
