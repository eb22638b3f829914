/*
 * Each mechanism is a row: its challenges in order, and a function that takes one decoded response.
 * Responses lie one behind the other in `secret`, whose memory is taken once at the beginning: the
 * credentials are views into it, and no copy stays behind in memory that was given back.
 */
#include "sasl/sasl_server.h"

#include "base/base64.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"

struct sasl_mechanism {
	struct str name;
	enum sasl_status (*respond)(struct sasl_server *s, struct str response);
	struct str challenges[2]; /* in base 64, for step 0, 1 */
};

static bool is_text(struct str s, size_t max)
{
	return s.n <= max && str_find(s, '\0') == s.n && utf8_is_valid(s);
}

/* The last look at the credentials, whatever the mechanism. */
static enum sasl_status conclude(struct sasl_server *s)
{
	const struct sasl_credentials *c = &s->creds;

	if (c->authcid.n == 0 || c->password.n == 0)
		return SASL_BAD;
	if (!is_text(c->authzid, LIMIT_USER_NAME) || !is_text(c->authcid, LIMIT_USER_NAME) ||
	    !is_text(c->password, LIMIT_PASSWORD))
		return SASL_BAD;
	return SASL_CREDENTIALS;
}

/* authzid NUL authcid NUL password [RFC 4616 2]. */
static enum sasl_status plain_respond(struct sasl_server *s, struct str response)
{
	struct str rest;
	struct str rest2;

	if (str_find(response, '\0') == response.n)
		return SASL_BAD;
	s->creds.authzid = str_split(response, '\0', &rest);
	if (str_find(rest, '\0') == rest.n)
		return SASL_BAD;
	s->creds.authcid = str_split(rest, '\0', &rest2);
	s->creds.password = rest2;
	return conclude(s);
}

/* Name and password, a response each. */
static enum sasl_status login_respond(struct sasl_server *s, struct str response)
{
	if (s->step == 1) {
		s->creds.authcid = response;
		return SASL_CHALLENGE;
	}
	s->creds.password = response;
	return conclude(s);
}

static const struct sasl_mechanism mechanisms[] = {
    {STR_INIT("PLAIN"), plain_respond, {STR_INIT(""), STR_INIT("")}},
    {STR_INIT("LOGIN"), login_respond, {STR_INIT("VXNlcm5hbWU6"), STR_INIT("UGFzc3dvcmQ6")}},
};

struct str sasl_server_mechanisms(void)
{
	return STR("PLAIN LOGIN");
}

static const struct sasl_mechanism *find(struct str name)
{
	for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++)
		if (str_eq_i(name, mechanisms[i].name))
			return &mechanisms[i];
	return NULL;
}

void sasl_server_init(struct sasl_server *s)
{
	*s = (struct sasl_server){0};
	buf_init(&s->secret, LIMIT_SASL_RESPONSE);
}

void sasl_server_reset(struct sasl_server *s)
{
	buf_wipe(&s->secret);
	sasl_server_init(s);
}

/* Ends a failed exchange. */
static enum sasl_status fail(struct sasl_server *s, enum sasl_status status)
{
	sasl_server_reset(s);
	return status;
}

/* One response in base 64. */
static enum sasl_status respond(struct sasl_server *s, struct str encoded)
{
	size_t start = s->secret.n;
	enum sasl_status status;

	if (!base64_decode(&s->secret, encoded))
		return fail(s, SASL_BAD);
	s->step++;
	status = s->mech->respond(s, str_from(buf_view(&s->secret), start));
	return status == SASL_BAD ? fail(s, status) : status;
}

enum sasl_status sasl_server_begin(
    struct sasl_server *s, struct str mechanism, const struct str *initial)
{
	sasl_server_reset(s);
	s->mech = find(mechanism);
	if (!s->mech)
		return SASL_UNKNOWN;
	buf_reserve(&s->secret, LIMIT_SASL_RESPONSE);
	s->creds.mechanism = s->mech->name;
	if (!initial)
		return SASL_CHALLENGE;
	return respond(s, str_eq(*initial, STR("=")) ? STR("") : *initial);
}

enum sasl_status sasl_server_feed(struct sasl_server *s, struct str line)
{
	MUST(s->mech && s->creds.password.n == 0);
	if (str_eq(line, STR("*")))
		return fail(s, SASL_CANCELLED);
	return respond(s, line);
}

struct str sasl_server_challenge(const struct sasl_server *s)
{
	MUST(s->mech && s->step < 2);
	return s->mech->challenges[s->step];
}

const struct sasl_credentials *sasl_server_credentials(const struct sasl_server *s)
{
	MUST(s->mech && s->creds.password.n != 0);
	return &s->creds;
}
