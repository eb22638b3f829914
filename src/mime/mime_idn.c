/*
 * Domain names between their two forms. Most are ASCII and never meet the library; for those the
 * rules are those of host names, with "_" for the names that DNS itself made. A name of mixed form
 * (A-labels beside U-labels) is mapped as a whole.
 */
#include "mime/mime_idn.h"

#include <idn2.h>

#include "base/ascii.h"
#include "base/limits.h"
#include "base/utf8.h"

#define LABEL_MAX 63
#define NAME_MAX  253 /* without the trailing dot [RFC 1035 2.3.4] */

static bool is_ldh(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

/* 1 to 63 letters, digits, hyphens inside [RFC 1123 2.1]. */
static bool is_label(struct str s)
{
	if (s.n == 0 || s.n > LABEL_MAX || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_ldh(s.p[i]))
			return false;
	return true;
}

static bool is_ascii_name(struct str s)
{
	if (s.n == 0 || s.n > NAME_MAX)
		return false;
	for (;;) {
		size_t dot = str_find(s, '.');

		if (!is_label(str_sub(s, 0, dot)))
			return false;
		if (dot == s.n)
			return true;
		s = str_from(s, dot + 1);
	}
}

static struct str without_dot(struct str s)
{
	return s.n && s.p[s.n - 1] == '.' ? str_sub(s, 0, s.n - 1) : s;
}

/* What libidn2 makes of the name, to be freed with idn2_free(); NULL: it refused. */
static char *convert(struct str domain, int (*to)(const char *, char **, int), int flags)
{
	struct buf in;
	char *out = NULL;

	if (domain.n > LIMIT_SMTP_PATH || str_has_cntrl(domain) || !utf8_is_valid(domain))
		return NULL;
	buf_init(&in, LIMIT_SMTP_PATH);
	buf_str(&in, domain);
	if (to(buf_cstr(&in), &out, flags) != IDN2_OK)
		out = NULL;
	buf_fini(&in);
	return out;
}

enum mime_idn_status mime_idn_to_ascii(struct buf *b, struct str domain)
{
	enum mime_idn_status st = MIME_IDN_BAD;
	char *mapped = NULL;
	struct str name = without_dot(domain);

	if (str_has_8bit(name)) {
		mapped = convert(name, idn2_to_ascii_8z, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
		name = without_dot(str_of_c(mapped));
	}
	if (is_ascii_name(name)) {
		buf_lower(b, name);
		st = MIME_IDN_OK;
	}
	idn2_free(mapped);
	return st;
}

enum mime_idn_status mime_idn_to_unicode(struct buf *b, struct str domain)
{
	struct buf ascii, back;
	enum mime_idn_status st;
	char *shown = NULL;

	buf_init(&ascii, NAME_MAX);
	buf_init(&back, NAME_MAX);
	st = mime_idn_to_ascii(&ascii, domain);
	if (st == MIME_IDN_OK) {
		shown = convert(buf_view(&ascii), idn2_to_unicode_8z8z, 0);
		bool same = shown && mime_idn_to_ascii(&back, str_of_c(shown)) == MIME_IDN_OK &&
			    str_eq(buf_view(&ascii), buf_view(&back));

		buf_str(b, same ? str_of_c(shown) : buf_view(&ascii));
	}
	idn2_free(shown);
	buf_fini(&ascii);
	buf_fini(&back);
	return st;
}
