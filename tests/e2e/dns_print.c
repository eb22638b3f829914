#include "dns_print.h"

#include "base/ascii.h"

static void put_text(struct buf *b, const char *key, struct str s)
{
	buf_printf(b, "\"%s\": \"", key);
	for (size_t i = 0; i < s.n; i++)
		if (ascii_is_vchar(s.p[i]) && s.p[i] != '"' && s.p[i] != '\\')
			buf_byte(b, s.p[i]);
		else
			buf_printf(b, "\\u%04x", s.p[i]);
	buf_lit(b, "\", ");
}

static void put_answer(struct buf *b, enum dns_type type, const struct dns_answer *a)
{
	buf_byte(b, '{');
	put_text(b, "host", a->host);
	put_text(b, "bytes", a->bytes);
	if (type == DNS_A || type == DNS_AAAA) {
		buf_lit(b, "\"ip\": \"");
		ip_put(b, &a->ip);
		buf_lit(b, "\", ");
	}
	buf_printf(b, "\"preference\": %u, \"tlsa\": [%u, %u, %u]}", a->preference, a->usage,
	    a->selector, a->matching);
}

void dns_print(struct str name, enum dns_type type, const struct dns_result *result)
{
	struct buf b;

	buf_init(&b, 4 * MIB);
	buf_byte(&b, '{');
	put_text(&b, "name", name);
	put_text(&b, "type", str_of_c(dns_type_name(type)));
	put_text(&b, "status", str_of_c(dns_status_name(result->status)));
	put_text(&b, "canonical", result->canonical);
	put_text(&b, "why", result->why);
	buf_printf(&b, "\"secure\": %s, \"ttl\": %u, \"dropped\": %zu, \"answers\": [",
	    result->secure ? "true" : "false", result->ttl, result->dropped);
	for (size_t i = 0; i < result->count; i++) {
		buf_c(&b, i ? ", " : "");
		put_answer(&b, type, &result->answers[i]);
	}
	buf_lit(&b, "]}");
	puts(buf_cstr(&b));
	fflush(stdout);
	buf_fini(&b);
}
