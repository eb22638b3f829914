/* Addresses as administrators write them, and what may be one here. */
#include "store/directory.h"

#include "base/ascii.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "mime/mime_local.h"

static bool is_domain_octet(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '.';
}

bool directory_is_domain(struct str s)
{
	struct str rest = s, label = {NULL, 0};
	uint64_t n;

	if (s.n == 0 || s.n > LIMIT_SMTP_DOMAIN || s.p[s.n - 1] == '.')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!is_domain_octet(s.p[i]))
			return false;
	}
	while (rest.n) {
		label = str_split(rest, '.', &rest);
		if (label.n == 0 || label.n > 63 || label.p[0] == '-' ||
		    label.p[label.n - 1] == '-')
			return false;
	}
	return !str_to_u64(label, UINT64_MAX, &n);
}

/* What may stand in a path without quotes: atoms and dots [RFC 5321 4.1.2; RFC 6531 3.3]. */
static bool is_plain_local(struct str s)
{
	static const struct str special = STR_INIT(" \"(),:;<>@[\\]");

	if (str_has_cntrl(s) || str_find_str(s, STR("..")) < s.n)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (str_find(special, s.p[i]) < special.n)
			return false;
	}
	return s.n == 0 || (s.p[0] != '.' && s.p[s.n - 1] != '.');
}

bool directory_address(struct arena *a, struct str text, bool catch_all, struct str *local_r,
    struct str *domain_r, struct err *e)
{
	size_t at = str_rfind(text, '@');
	struct str local = str_sub(text, 0, at), domain = str_from(text, at + 1),
		   key = mime_local_key(a, local);

	if (at == text.n)
		err_set(
		    e, "%s%.*s%s is no address; write it like bob@example.org", ERR_QUOTED(text));
	else if (local.n == 0 && !catch_all)
		err_set(e, "%s%.*s%s has nothing before the @; write it like bob@example.org",
		    ERR_QUOTED(text));
	else if (!utf8_is_valid(local))
		err_set(e, "the part before the @ is not in UTF-8; write it in the encoding UTF-8");
	else if (local.n > LIMIT_SMTP_LOCAL_PART || key.n > LIMIT_SMTP_LOCAL_PART)
		err_set(e, "the part before the @ is longer than %zu octets; choose a shorter one",
		    LIMIT_SMTP_LOCAL_PART);
	else if (!is_plain_local(local) || !is_plain_local(key)) /* U+037E is a ";" */
		err_set(e,
		    "%s%.*s%s cannot stand before the @ of an address; write it like bob@example.org",
		    ERR_QUOTED(local));
	else if (!directory_is_domain(domain))
		err_set(
		    e, "%s%.*s%s is no domain name; write it like example.org", ERR_QUOTED(domain));
	else {
		*local_r = key;
		*domain_r = arena_lower(a, domain);
		return true;
	}
	return false;
}

struct str directory_text(struct arena *a, struct str local, struct str domain)
{
	struct buf b;
	struct str text;

	buf_init(&b, local.n + 1 + domain.n);
	buf_str(&b, local);
	buf_byte(&b, '@');
	buf_str(&b, domain);
	text = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return text;
}
