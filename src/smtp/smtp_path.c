/*
 * The functions in the first half follow the ABNF of [RFC 5321 4.1.2] by name, over a sticky
 * cursor. Octets above 127 pass as letters first; the spans that hold them are then checked to be
 * UTF-8 without control characters. A quoted local part is unquoted at once, so that `"bob"@x.org`
 * and `bob@x.org` are one address everywhere else in the program.
 */
#include "smtp/smtp_path.h"

#include "base/ascii.h"
#include "base/limits.h"
#include "base/utf8.h"

#define LABEL_MAX ((size_t)63) /* [RFC 1035 2.3.4] */

static bool is_atext(uint8_t c)
{
	static const char specials[] = "!#$%&'*+-/=?^_`{|}~";

	return c > 127 || ascii_is_alnum(c) || (c && memchr(specials, c, sizeof specials - 1));
}

static bool is_ldh(uint8_t c)
{
	return c > 127 || ascii_is_alnum(c) || c == '-';
}

static bool is_dcontent(uint8_t c)
{
	return ascii_is_vchar(c) && c != '[' && c != ']' && c != '\\';
}

/* UTF-8 without the control characters U+0080 to U+009F. */
static bool is_clean_utf8(struct str s)
{
	for (size_t i = 0; i + 1 < s.n; i++)
		if (s.p[i] == 0xc2 && s.p[i + 1] < 0xa0)
			return false;
	return utf8_is_valid(s);
}

/* Dot-string = Atom *("." Atom) */
static struct str dot_string(struct cur *c)
{
	const uint8_t *start = c->p;

	do {
		if (cur_while(c, is_atext).n == 0)
			cur_fail(c);
	} while (cur_try(c, '.'));
	return str_of(start, (size_t)(c->p - start));
}

/* One QcontentSMTP; -1 and failure if there is none. */
static int qcontent(struct cur *c)
{
	bool pair = cur_try(c, '\\');
	uint8_t octet = cur_u8(c);

	if (c->bad || ascii_is_cntrl(octet) || (pair && octet > 127)) {
		cur_fail(c);
		return -1;
	}
	return octet;
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE, unquoted. */
static struct str quoted_string(struct cur *c, struct arena *a)
{
	uint8_t *text = arena_alloc(a, cur_left(c));
	size_t n = 0;

	cur_byte(c, '"');
	while (!c->bad && !cur_try(c, '"')) {
		int octet = qcontent(c);

		if (octet >= 0)
			text[n++] = (uint8_t)octet;
	}
	return str_of(text, n);
}

static struct str local_part(struct cur *c, struct arena *a)
{
	struct str s = cur_peek(c) == '"' ? quoted_string(c, a) : dot_string(c);

	if (!is_clean_utf8(s))
		cur_fail(c);
	return s;
}

/* sub-domain = Let-dig [Ldh-str], or a U-label */
static void sub_domain(struct cur *c)
{
	struct str label = cur_while(c, is_ldh);

	if (label.n == 0 || label.p[0] == '-' || label.p[label.n - 1] == '-')
		cur_fail(c);
	else if (label.n > LABEL_MAX && !str_has_8bit(label))
		cur_fail(c);
}

/* Domain = sub-domain *("." sub-domain) */
static struct str domain(struct cur *c)
{
	const uint8_t *start = c->p;
	struct str s;

	do
		sub_domain(c);
	while (cur_try(c, '.'));
	s = str_of(start, (size_t)(c->p - start));
	if (!is_clean_utf8(s))
		cur_fail(c);
	return s;
}

/* Snum = 1*3DIGIT, of at most 255 */
static uint8_t snum(struct cur *c)
{
	struct str digits = cur_while(c, ascii_is_digit);
	uint64_t n = 0;

	if (digits.n > 3 || !str_to_u64(digits, UINT8_MAX, &n))
		cur_fail(c);
	return (uint8_t)n;
}

/* IPv4-address-literal = Snum 3("." Snum) */
static void ipv4(struct cur *c, uint8_t *to)
{
	for (size_t i = 0; i < 4; i++) {
		if (i > 0)
			cur_byte(c, '.');
		to[i] = snum(c);
	}
}

static bool is_hex(uint8_t c)
{
	return ascii_hex(c) >= 0;
}

/* IPv6-hex = 1*4HEXDIG */
static void ipv6_hex(struct cur *c, uint8_t *to)
{
	struct str digits = cur_while(c, is_hex);
	unsigned n = 0;

	if (digits.n == 0 || digits.n > 4) {
		cur_fail(c);
		return;
	}
	for (size_t i = 0; i < digits.n; i++)
		n = n << 4 | (unsigned)ascii_hex(digits.p[i]);
	to[0] = (uint8_t)(n >> 8);
	to[1] = (uint8_t)n;
}

static bool is_ipv4_next(struct cur c)
{
	cur_while(&c, ascii_is_digit);
	return cur_peek(&c) == '.';
}

static bool is_gap_next(struct cur c)
{
	return cur_try_lit_i(&c, STR("::"));
}

/*
 * IPv6-hex *(":" IPv6-hex), up to a "::" or the end; what stands last at the end may be an IPv4
 * address. Gives the number of octets, at most max.
 */
static size_t ipv6_groups(struct cur *c, uint8_t *to, size_t max)
{
	size_t n = 0;

	do {
		bool v4 = is_ipv4_next(*c);
		size_t octets = v4 ? 4 : 2;

		if (n + octets > max) {
			cur_fail(c);
			return n;
		}
		if (v4) {
			ipv4(c, to + n);
			cur_end(c);
		} else {
			ipv6_hex(c, to + n);
		}
		n += octets;
	} while (!is_gap_next(*c) && cur_try(c, ':'));
	return n;
}

/*
 * IPv6-full / IPv6-comp / IPv6v4-full / IPv6v4-comp. The "::" stands for two groups at least, which
 * is why inet_pton() takes more than this.
 */
static void ipv6(struct cur *c, uint8_t *to)
{
	const size_t all = 16, gap = 4;
	uint8_t tail[16] = {0};
	size_t head_n = is_gap_next(*c) ? 0 : ipv6_groups(c, to, all);
	size_t tail_n = 0;

	if (!cur_try_lit_i(c, STR("::"))) {
		if (head_n != all)
			cur_fail(c);
		return;
	}
	if (head_n + gap > all)
		cur_fail(c);
	else if (cur_left(c))
		tail_n = ipv6_groups(c, tail, all - gap - head_n);
	memcpy(to + all - tail_n, tail, tail_n);
}

/* Told apart from the IPv4 address that it may be mapped from: mail goes back to what was said. */
static struct str ip_text(struct arena *a, const struct ip *ip, bool v6)
{
	struct buf b;
	struct str s;

	buf_init(&b, LIMIT_SMTP_DOMAIN);
	if (v6 && ip_is_v4(ip))
		buf_lit(&b, "::ffff:");
	ip_put(&b, ip);
	s = arena_str(a, buf_view(&b));
	buf_fini(&b);
	return s;
}

/*
 * address-literal = "[" ( IPv4 / "IPv6:" IPv6 ) "]". A General-address-literal is refused: no tag
 * but IPv6 is registered [RFC 5321 4.1.3], so no such address can be ours or be reached.
 */
static void literal(struct cur *c, struct arena *a, struct smtp_path *path)
{
	struct ip ip = {.b = {[10] = 0xff, [11] = 0xff}};
	struct cur text;
	bool v6;

	cur_byte(c, '[');
	text = cur_of(cur_while(c, is_dcontent));
	cur_byte(c, ']');
	v6 = cur_try_lit_i(&text, STR("IPv6:"));
	if (v6) {
		ip = (struct ip){0};
		ipv6(&text, ip.b);
	} else {
		ipv4(&text, ip.b + 12);
	}
	if (!cur_end(&text)) {
		cur_fail(c);
		return;
	}
	path->is_literal = true;
	path->ip = ip;
	path->domain = ip_text(a, &ip, v6);
}

/* Domain / address-literal */
static void domain_or_literal(struct cur *c, struct arena *a, struct smtp_path *path)
{
	if (cur_peek(c) == '[')
		literal(c, a, path);
	else
		path->domain = arena_lower(a, domain(c));
}

/* A-d-l ":", checked and dropped. */
static void source_route(struct cur *c)
{
	if (cur_peek(c) != '@')
		return;
	do {
		cur_byte(c, '@');
		domain(c);
	} while (cur_try(c, ','));
	cur_byte(c, ':');
}

/* Mailbox = Local-part "@" ( Domain / address-literal ) */
static void mailbox(struct cur *c, struct arena *a, struct smtp_path *path)
{
	path->local = local_part(c, a);
	cur_byte(c, '@');
	domain_or_literal(c, a, path);
	if (!c->bad)
		path->local = arena_str(a, path->local);
}

/* The verdict over what was parsed; takes it over when it is good. */
static enum smtp_path_status settle(struct cur *c, bool utf8, size_t length, size_t local_max,
    struct smtp_path *path, struct smtp_path *path_r)
{
	enum smtp_path_status status = SMTP_PATH_OK;

	path->needs_utf8 = str_has_8bit(path->local) || str_has_8bit(path->domain);
	if (c->bad)
		status = SMTP_PATH_BAD;
	else if (length > LIMIT_SMTP_PATH || path->local.n > local_max ||
		 path->domain.n > LIMIT_SMTP_DOMAIN ||
		 path->local.n + 1 + path->domain.n > LIMIT_ADDRESS)
		status = SMTP_PATH_TOO_LONG;
	else if (path->needs_utf8 && !utf8)
		status = SMTP_PATH_UTF8;
	if (status == SMTP_PATH_OK)
		*path_r = *path;
	else
		cur_fail(c);
	return status;
}

/* "<" [ A-d-l ":" ] Mailbox ">" */
static enum smtp_path_status angle_path(
    struct cur *c, bool utf8, size_t local_max, struct arena *a, struct smtp_path *path_r)
{
	const uint8_t *start = c->p;
	struct smtp_path path = {0};

	cur_byte(c, '<');
	source_route(c);
	mailbox(c, a, &path);
	cur_byte(c, '>');
	return settle(c, utf8, (size_t)(c->p - start), local_max, &path, path_r);
}

enum smtp_path_status smtp_path_reverse(
    struct cur *c, bool utf8, struct arena *a, struct smtp_path *path_r)
{
	if (cur_try_lit_i(c, STR("<>"))) {
		*path_r = (struct smtp_path){.is_null = true};
		return SMTP_PATH_OK;
	}
	return angle_path(c, utf8, LIMIT_ADDRESS, a, path_r);
}

enum smtp_path_status smtp_path_forward(
    struct cur *c, bool utf8, struct arena *a, struct smtp_path *path_r)
{
	if (cur_try_lit_i(c, STR("<postmaster>"))) {
		*path_r = (struct smtp_path){.local = STR("postmaster")};
		return SMTP_PATH_OK;
	}
	return angle_path(c, utf8, LIMIT_SMTP_LOCAL_PART, a, path_r);
}

enum smtp_path_status smtp_mailbox_parse(
    struct str s, bool utf8, struct arena *a, struct smtp_path *path_r)
{
	struct smtp_path path = {0};
	struct cur c = cur_of(s);

	mailbox(&c, a, &path);
	cur_end(&c);
	return settle(&c, utf8, s.n, LIMIT_ADDRESS, &path, path_r);
}

enum smtp_path_status smtp_domain_parse(
    struct str s, bool utf8, struct arena *a, struct smtp_path *path_r)
{
	struct smtp_path path = {0};
	struct cur c = cur_of(s);

	domain_or_literal(&c, a, &path);
	cur_end(&c);
	return settle(&c, utf8, s.n, 0, &path, path_r);
}

static bool is_dot_string(struct str s)
{
	struct cur c = cur_of(s);

	dot_string(&c);
	return cur_done(&c);
}

void smtp_local_put(struct buf *out, struct str local)
{
	if (is_dot_string(local)) {
		buf_str(out, local);
		return;
	}
	buf_byte(out, '"');
	for (size_t i = 0; i < local.n; i++) {
		if (local.p[i] == '"' || local.p[i] == '\\')
			buf_byte(out, '\\');
		buf_byte(out, local.p[i]);
	}
	buf_byte(out, '"');
}

void smtp_path_put(struct buf *out, const struct smtp_path *path)
{
	if (path->is_null)
		return;
	smtp_local_put(out, path->local);
	if (path->domain.n == 0)
		return;
	buf_byte(out, '@');
	if (path->is_literal)
		buf_c(out, str_find(path->domain, ':') < path->domain.n ? "[IPv6:" : "[");
	buf_str(out, path->domain);
	if (path->is_literal)
		buf_byte(out, ']');
}

void smtp_path_put_angle(struct buf *out, const struct smtp_path *path)
{
	buf_byte(out, '<');
	smtp_path_put(out, path);
	buf_byte(out, '>');
}

struct smtp_path smtp_path_copy(struct arena *a, const struct smtp_path *path)
{
	struct smtp_path copy = *path;

	copy.local = arena_str(a, path->local);
	copy.domain = arena_str(a, path->domain);
	return copy;
}

bool smtp_path_eq(const struct smtp_path *a, const struct smtp_path *b)
{
	return a->is_null == b->is_null && a->is_literal == b->is_literal &&
	       str_eq(a->local, b->local) && str_eq_i(a->domain, b->domain);
}

bool smtp_path_is_postmaster(const struct smtp_path *path)
{
	return str_eq_i(path->local, STR("postmaster"));
}
