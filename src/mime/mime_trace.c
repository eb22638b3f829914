/*
 * Trace fields. Every text from outside passes one of two filters, so that no field can be begun or
 * ended by a peer: put_name() for what stands where the grammar wants a domain or token, put_path()
 * for addresses. Each text is cut at its limit; with the folds below no line exceeds 998 octets.
 */
#include "mime/mime_trace.h"

#include "base/ascii.h"
#include "base/limits.h"
#include "base/utf8.h"
#include "mime/mime_date.h"

#define TOKEN_MAX ((size_t)64)  /* protocol words, ids, names of ciphers */
#define PATH_MAX  ((size_t)512) /* a local part, every octet escaped, and a domain are less */

static bool is_name(uint8_t c)
{
	return ascii_is_alnum(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '[' ||
	       c == ']';
}

/* At most max octets of s, not ending within a UTF-8 character. */
static struct str cut(struct str s, size_t max)
{
	size_t n = s.n < max ? s.n : max;

	if (n < s.n)
		while (n > 0 && (s.p[n] & 0xc0) == 0x80)
			n--;
	return str_sub(s, 0, n);
}

/* What no domain or token may hold becomes "?"; UTF-8 passes if the caller says so. */
static void put_name(struct buf *b, struct str s, size_t max, bool utf8)
{
	s = cut(s, max);
	utf8 = utf8 && utf8_is_valid(s);
	for (size_t i = 0; i < s.n; i++)
		buf_byte(b, is_name(s.p[i]) || (utf8 && s.p[i] >= 0x80) ? s.p[i] : '?');
}

/* An address as it stands in a path: all but control characters, and octets that are no UTF-8. */
static void put_path(struct buf *b, struct str s)
{
	bool utf8;

	s = cut(s, PATH_MAX);
	utf8 = utf8_is_valid(s);
	for (size_t i = 0; i < s.n; i++) {
		bool bad = ascii_is_cntrl(s.p[i]) || (s.p[i] >= 0x80 && !utf8);

		buf_byte(b, bad ? '?' : s.p[i]);
	}
}

/* From-domain [RFC 5321 4.4]: the name given, and the address where there is one. */
static void put_from(struct buf *b, const struct mime_trace_received *t, bool utf8)
{
	buf_lit(b, "Received: from ");
	if (t->helo.n)
		put_name(b, t->helo, LIMIT_SMTP_DOMAIN, utf8);
	else
		buf_lit(b, "unknown");
	if (!t->ip.n)
		return;
	buf_lit(b, " ([");
	if (str_find(t->ip, ':') < t->ip.n)
		buf_lit(b, "IPv6:");
	put_name(b, t->ip, TOKEN_MAX, false);
	buf_lit(b, "])");
}

/* TLS facts as a comment: "(TLSv1.3 TLS_AES_256_GCM_SHA384)". */
static void put_tls(struct buf *b, const struct mime_trace_received *t)
{
	if (!t->tls.n)
		return;
	buf_lit(b, " (");
	put_name(b, t->tls, TOKEN_MAX, false);
	if (t->cipher.n)
		buf_byte(b, ' ');
	put_name(b, t->cipher, TOKEN_MAX, false);
	buf_byte(b, ')');
}

void mime_trace_received(struct buf *b, const struct mime_trace_received *t)
{
	bool utf8 = str_has_prefix_i(t->protocol, STR("UTF8"));

	put_from(b, t, utf8);
	buf_lit(b, "\r\n\tby ");
	put_name(b, t->hostname, LIMIT_SMTP_DOMAIN, utf8);
	buf_lit(b, " with ");
	put_name(b, t->protocol, TOKEN_MAX, false);
	put_tls(b, t);
	buf_lit(b, "\r\n\tid ");
	put_name(b, t->id, TOKEN_MAX, false);
	if (t->for_path.n) {
		buf_lit(b, "\r\n\tfor <");
		put_path(b, t->for_path);
		buf_byte(b, '>');
	}
	if (t->has_priority) {
		buf_lit(b, "\r\n\tpriority ");
		buf_i64(b, t->priority);
	}
	buf_lit(b, ";\r\n\t");
	mime_date_put(b, t->date);
	buf_lit(b, "\r\n");
}

/* The field with its CRLF, without what follows it. */
static struct str first_field(struct str head)
{
	size_t end = 0;

	while (end + 2 < head.n && !(head.p[end] == '\r' && head.p[end + 1] == '\n' &&
				       head.p[end + 2] != '\t' && head.p[end + 2] != ' '))
		end++;
	return str_sub(head, 0, end);
}

struct str mime_trace_for(struct str head, struct str id)
{
	struct str rest = first_field(head), line, path = STR("");
	bool ours = false;

	if (!str_has_prefix(rest, STR("Received: from ")))
		return STR("");
	while (rest.n > 0) {
		line = str_split(rest, '\n', &rest);
		if (str_has_prefix(line, STR("\tid ")))
			ours = str_eq(str_sub(line, 4, id.n), id);
		if (str_has_prefix(line, STR("\tfor <")))
			path = str_sub(line, 6, str_rfind(line, '>') - 6);
	}
	return ours ? path : STR("");
}

void mime_trace_delivered(struct buf *b, struct str delivered_to)
{
	buf_lit(b, "Delivered-To: ");
	put_path(b, delivered_to);
	buf_lit(b, "\r\n");
}

void mime_trace_prefix(struct buf *b, struct str reverse_path, struct str delivered_to)
{
	buf_lit(b, "Return-Path: <");
	put_path(b, reverse_path);
	buf_lit(b, ">\r\n");
	mime_trace_delivered(b, delivered_to);
}
