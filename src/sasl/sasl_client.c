/*
 * The mechanisms from the best to the worst; each is a row with a function that writes response n.
 */
#include "sasl/sasl_client.h"

#include "base/base64.h"
#include "base/limits.h"
#include "base/mem.h"

struct mechanism {
	struct str name;
	bool initial; /* the client speaks first */
	enum sasl_client_status (*next)(const struct sasl_client *c, struct buf *out);
};

void sasl_plain_encode(struct buf *out, struct str authzid, struct str authcid, struct str password)
{
	struct buf raw;

	buf_init(&raw, LIMIT_SASL_RESPONSE);
	buf_reserve(&raw, authzid.n + authcid.n + password.n + 2);
	buf_str(&raw, authzid);
	buf_byte(&raw, '\0');
	buf_str(&raw, authcid);
	buf_byte(&raw, '\0');
	buf_str(&raw, password);
	base64_encode(out, buf_view(&raw));
	buf_wipe(&raw);
}

static enum sasl_client_status plain_next(const struct sasl_client *c, struct buf *out)
{
	if (c->step > 0)
		return SASL_CLIENT_FAIL;
	sasl_plain_encode(out, STR(""), c->user, c->password);
	return SASL_CLIENT_OK;
}

static enum sasl_client_status login_next(const struct sasl_client *c, struct buf *out)
{
	if (c->step > 1)
		return SASL_CLIENT_FAIL;
	base64_encode(out, c->step == 0 ? c->user : c->password);
	return SASL_CLIENT_OK;
}

static const struct mechanism mechanisms[] = {
    {STR_INIT("PLAIN"), true, plain_next},
    {STR_INIT("LOGIN"), false, login_next},
};

static bool is_offered(struct str offered, struct str name)
{
	while (offered.n)
		if (str_eq_i(str_split(offered, ' ', &offered), name))
			return true;
	return false;
}

static bool is_usable(struct str s, size_t max)
{
	return s.n > 0 && s.n <= max && str_find(s, '\0') == s.n;
}

enum sasl_client_status sasl_client_init(
    struct sasl_client *c, struct str offered, struct str user, struct str password)
{
	if (!is_usable(user, LIMIT_USER_NAME) || !is_usable(password, LIMIT_PASSWORD))
		return SASL_CLIENT_FAIL;
	for (unsigned i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++) {
		if (!is_offered(offered, mechanisms[i].name))
			continue;
		*c = (struct sasl_client){.mech = i, .user = user, .password = password};
		return SASL_CLIENT_OK;
	}
	return SASL_CLIENT_FAIL;
}

struct str sasl_client_mechanism(const struct sasl_client *c)
{
	return mechanisms[c->mech].name;
}

bool sasl_client_has_initial(const struct sasl_client *c)
{
	return c->step == 0 && mechanisms[c->mech].initial;
}

enum sasl_client_status sasl_client_next(struct sasl_client *c, struct buf *out)
{
	enum sasl_client_status status = mechanisms[c->mech].next(c, out);

	if (status == SASL_CLIENT_OK)
		c->step++;
	return status;
}
