/* A domain goes through mime/mime_idn first; then the directory has its say. */
#include "proc/admin_address.h"

#include "base/buf.h"
#include "base/limits.h"
#include "mime/mime_idn.h"
#include "smtp/smtp_path.h"
#include "store/directory.h"

#define SHOWN ((size_t)80) /* octets of what was given, in a sentence */

bool admin_domain_parse(struct arena *a, struct str text, struct str *domain_r, struct err *e)
{
	struct buf b;
	bool good;

	buf_init(&b, LIMIT_SMTP_DOMAIN);
	good = text.n && mime_idn_to_ascii(&b, text) == MIME_IDN_OK &&
	       directory_is_domain(buf_view(&b));
	if (good)
		*domain_r = arena_str(a, buf_view(&b));
	else
		err_set(e, "%s%.*s%s is no domain name; write it like example.org",
		    ERR_QUOTED(str_sub(text, 0, SHOWN)));
	buf_fini(&b);
	return good;
}

bool admin_address_parse(struct arena *a, struct str text, bool catch_all, struct str *local_r,
    struct str *domain_r, struct err *e)
{
	size_t at = str_rfind(text, '@');
	struct str domain;
	struct buf b;
	bool good;

	if (at == text.n) {
		err_set(e, "%s%.*s%s is no address; write it like bob@example.org",
		    ERR_QUOTED(str_sub(text, 0, SHOWN)));
		return false;
	}
	if (!admin_domain_parse(a, str_from(text, at + 1), &domain, e))
		return false;
	buf_init(&b, LIMIT_ADDRESS);
	buf_str(&b, str_sub(text, 0, at + 1));
	buf_str(&b, domain);
	if (b.overflow)
		err_set(e, "the address is too long; write it like bob@example.org");
	good = !b.overflow && directory_address(a, buf_view(&b), catch_all, local_r, domain_r, e);
	buf_fini(&b);
	return good;
}

struct str admin_address_spelt(struct arena *a, struct str text)
{
	struct str bare = str_trim(text), spelt = text;
	struct smtp_path path;
	struct buf b;

	if (bare.n > 2 && bare.p[0] == '<' && bare.p[bare.n - 1] == '>')
		bare = str_sub(bare, 1, bare.n - 2);
	if (smtp_mailbox_parse(bare, true, a, &path) != SMTP_PATH_OK)
		return text;
	buf_init(&b, LIMIT_SMTP_PATH);
	smtp_path_put(&b, &path);
	if (!b.overflow)
		spelt = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return spelt;
}
