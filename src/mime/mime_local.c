/*
 * Most local parts are ASCII and never meet the library. It gives memory of its own, or none when there
 * is none; for the text is UTF-8 by then.
 */
#include "mime/mime_local.h"

#include <unicase.h>
#include <unictype.h>
#include <unistr.h>

#include "base/ascii.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "mime/mime_idn.h"

/* It stands for a letter; the marks between words and before a detail are ASCII. */
static bool is_in_word(const uint8_t *p, size_t n, size_t at)
{
	return at < n && (p[at] > 127 || ascii_is_alnum(p[at]));
}

/* Folding makes every sigma one that has a letter behind it: at the end of a word it would be misspelt. */
static void end_words(uint8_t *p, size_t n)
{
	for (size_t i = 1; i + 1 < n; i++) {
		if (p[i] == 0xcf && p[i + 1] == 0x83 && is_in_word(p, n, i - 1) &&
		    !is_in_word(p, n, i + 2))
			p[i + 1] = 0x82;
	}
}

struct str mime_local_key(struct arena *a, struct str local)
{
	size_t n = 0;
	uint8_t *folded, *key;

	if (!str_has_8bit(local) || !utf8_is_valid(local))
		return arena_lower(a, local);
	folded = u8_casefold(local.p, local.n, NULL, UNINORM_NFC, NULL, &n);
	MUST(folded);
	key = arena_alloc(a, n);
	memcpy(key, folded, n);
	mem_free(folded);
	end_words(key, n);
	return str_of(key, n);
}

/* local: what stands before the "@" at that place. */
static struct str with_domain(struct arena *a, struct str local, struct str address, size_t at)
{
	struct buf domain, b;
	struct str key;

	if (at == address.n)
		return local;
	buf_init(&domain, LIMIT_SMTP_DOMAIN);
	buf_init(&b, local.n + 1 + LIMIT_SMTP_DOMAIN + address.n);
	if (mime_idn_to_ascii(&domain, str_from(address, at + 1)) != MIME_IDN_OK)
		domain.overflow = true;
	buf_str(&b, local);
	buf_byte(&b, '@');
	if (domain.overflow)
		buf_lower(&b, str_from(address, at + 1));
	else
		buf_str(&b, buf_view(&domain));
	key = arena_str(a, buf_view(&b));
	buf_fini(&domain);
	buf_fini(&b);
	return key;
}

struct str mime_local_address_key(struct arena *a, struct str address)
{
	size_t at = str_rfind(address, '@');

	return with_domain(a, mime_local_key(a, str_sub(address, 0, at)), address, at);
}

struct str mime_local_foreign_key(struct arena *a, struct str address)
{
	size_t at = str_rfind(address, '@');

	return with_domain(a, str_sub(address, 0, at), address, at);
}

bool mime_local_address_eq(struct str a, struct str b)
{
	struct arena *arena;
	bool same = str_eq_i(a, b);

	if (same || (!str_has_8bit(a) && !str_has_8bit(b)))
		return same;
	arena = arena_new();
	same = str_eq(mime_local_address_key(arena, a), mime_local_address_key(arena, b));
	arena_free(&arena);
	return same;
}

enum mime_local_status mime_local_check(struct str local)
{
	if (!utf8_is_valid(local))
		return MIME_LOCAL_NOT_UTF8;
	while (local.n) {
		size_t n = utf8_char(local);
		ucs4_t code = 0;

		if (n > 1 && utf8_is_hidden(str_sub(local, 0, n)))
			return MIME_LOCAL_HIDDEN;
		u8_mbtouc(&code, local.p, n);
		if (uc_is_general_category(code, UC_CATEGORY_Cn))
			return MIME_LOCAL_UNASSIGNED;
		local = str_from(local, n);
	}
	return MIME_LOCAL_OK;
}
