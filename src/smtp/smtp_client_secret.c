/*
 * Servers that repeat what they do not understand repeat the response of AUTH too. What was said is kept
 * while its exchange lasts, and looked for in each line of the answers. One that repeats only the beginning
 * is found by as many octets as a group of base 64 has; the password itself, as some server may have decoded it,
 * as a whole.
 */
#include "base/ascii.h"
#include "smtp/smtp_client_priv.h"

#define SECRETS_MAX (2 * LIMIT_SMTP_AUTH_LINE)
#define FOUND_MIN   4

void smtp_client_secret_keep(struct smtp_client *c, struct str response)
{
	if (c->secrets.max == 0)
		buf_init(&c->secrets, SECRETS_MAX);
	if (c->secrets.n == 0) /* at once: no copy stays in memory given back */
		MUST(buf_reserve(&c->secrets, SECRETS_MAX));
	buf_str(&c->secrets, response);
	buf_byte(&c->secrets, '\n');
	MUST(!c->secrets.overflow);
}

void smtp_client_secret_forget(struct smtp_client *c)
{
	buf_wipe(&c->secrets);
}

static size_t common(struct str a, struct str b)
{
	size_t n = 0;

	while (n < a.n && n < b.n && ascii_lower(a.p[n]) == ascii_lower(b.p[n]))
		n++;
	return n;
}

/* How many octets at the beginning of the text are to be hidden. */
static size_t secret_at(const struct smtp_client *c, struct str text)
{
	struct str rest = buf_view(&c->secrets), password = c->cfg->password;
	size_t most = 0;

	if (password.n >= FOUND_MIN && str_has_prefix(text, password))
		most = password.n;
	while (rest.n) {
		size_t n = common(str_split(rest, '\n', &rest), text);

		if (n >= FOUND_MIN && n > most)
			most = n;
	}
	return most;
}

struct str smtp_client_secret_hide(const struct smtp_client *c, struct str line, struct buf *b)
{
	size_t n;

	if (c->secrets.n == 0)
		return line;
	for (size_t i = 0; i < line.n; i += n ? n : 1) {
		n = secret_at(c, str_from(line, i));
		if (n)
			buf_lit(b, SMTP_CLIENT_SECRET);
		else
			buf_byte(b, line.p[i]);
	}
	MUST(!b->overflow);
	return buf_view(b);
}
