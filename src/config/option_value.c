#include "config/option_value.h"

#include "base/ascii.h"
#include "base/clock.h"
#include "base/utf8.h"

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first; numbers are written in the largest that fits exactly. */
static const struct unit sizes[] = {{"T", INT64_C(1) << 40}, {"G", INT64_C(1) << 30},
    {"M", INT64_C(1) << 20}, {"K", 1024}, {"", 1}};
static const struct unit durations[] = {
    {"d", DAY_MS}, {"h", HOUR_MS}, {"m", MINUTE_MS}, {"s", SECOND_MS}, {"ms", 1}};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- numbers with units ---- */
static bool parse_units(
    struct str s, const struct unit *units, size_t count, bool any_case, int64_t *n_r)
{
	size_t digits = 0;
	uint64_t n;

	while (digits < s.n && ascii_is_digit(s.p[digits]))
		digits++;
	for (size_t i = 0; i < count; i++) {
		struct str name = str_of_c(units[i].name), unit = str_from(s, digits);

		if (!(any_case ? str_eq_i(unit, name) : str_eq(unit, name)))
			continue;
		if (!str_to_u64(str_sub(s, 0, digits), (uint64_t)(INT64_MAX / units[i].factor), &n))
			return false;
		*n_r = (int64_t)n * units[i].factor;
		return true;
	}
	return false;
}

static void put_units(int64_t n, const struct unit *units, size_t count, struct buf *out)
{
	size_t i = 0;

	while (i + 1 < count && (n == 0 || n % units[i].factor != 0))
		i++;
	buf_i64(out, n / units[i].factor);
	buf_c(out, n ? units[i].name : "");
}

/* "0" needs no unit. */
static bool parse_duration(struct str s, int64_t *n_r)
{
	if (str_eq(s, STR("0"))) {
		*n_r = 0;
		return true;
	}
	return parse_units(s, durations, COUNT(durations), false, n_r);
}

/* ---- texts ---- */
static bool in_range(const struct option *o, int64_t n)
{
	return n >= o->min && n <= o->max;
}

static bool text_is_good(const struct option *o, struct str s)
{
	if (!o->list && !in_range(o, (int64_t)s.n))
		return false;
	for (size_t i = 0; o->chars && i < s.n; i++)
		if (str_find(str_of_c(o->chars), s.p[i]) == strlen(o->chars))
			return false;
	return !str_has_cntrl(s) && utf8_is_valid(s);
}

static bool is_label(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_alnum(s.p[i]) && s.p[i] != '-')
			return false;
	return s.n > 0 && s.n <= 63 && s.p[0] != '-' && s.p[s.n - 1] != '-';
}

/* A host name [RFC 1123 2.1]; one whose last label is a number would be an address. */
static bool is_host(struct str s)
{
	struct str label = {NULL, 0};
	uint64_t n;

	if (s.n == 0 || s.n > 253 || s.p[s.n - 1] == '.')
		return false;
	while (s.n) {
		label = str_split(s, '.', &s);
		if (!is_label(label))
			return false;
	}
	return !str_to_u64(label, UINT64_MAX, &n);
}

/* "192.0.2.1", "2001:db8::1@5353" */
static bool is_server(struct str s)
{
	struct str port, address = str_split(s, '@', &port);
	struct ip ip;
	uint64_t n;

	return ip_parse(address, &ip) &&
	       (address.n == s.n || (str_to_u64(port, 65535, &n) && n > 0));
}

static struct str lower_copy(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		p[i] = (char)ascii_lower(s.p[i]);
	return str_of(p, s.n);
}

bool option_find_word(const char *const *words, struct str s, int *word_r)
{
	for (int i = 0; words[i]; i++)
		if (str_eq(s, str_of_c(words[i]))) {
			*word_r = i;
			return true;
		}
	return false;
}

/* ---- one element ---- */
bool option_parse_text(
    const struct option *o, struct str s, struct arena *a, union option_value *v_r)
{
	union option_value v = {0};
	bool ok = false;

	switch (o->type) {
	case OPTION_SIZE:
		ok = parse_units(s, sizes, COUNT(sizes), true, &v.number) && in_range(o, v.number);
		break;
	case OPTION_DURATION:
		ok = parse_duration(s, &v.number) && in_range(o, v.number);
		break;
	case OPTION_STRING:
	case OPTION_FILE:
		ok = text_is_good(o, s);
		if (ok)
			v.text = str_of(arena_cstr(a, s), s.n);
		break;
	case OPTION_HOST:
		ok = is_host(s);
		if (ok)
			v.text = lower_copy(a, s);
		break;
	case OPTION_SERVER:
		ok = s.n == 0 || is_server(s);
		if (ok)
			v.text = lower_copy(a, s);
		break;
	case OPTION_ENUM:
		ok = option_find_word(o->words, s, &v.word);
		break;
	case OPTION_IP:
		ok = ip_parse(s, &v.ip);
		break;
	case OPTION_NETWORK:
		ok = ip_net_parse(s, &v.net);
		break;
	default:
		break;
	}
	if (ok)
		*v_r = v;
	return ok;
}

/* A size may be a number of octets; a time without a unit would be a guess. */
bool option_parse_number(const struct option *o, int64_t n, union option_value *v_r)
{
	if ((o->type != OPTION_NUMBER && o->type != OPTION_SIZE) || !in_range(o, n))
		return false;
	v_r->number = n;
	return true;
}

bool option_parse_bool(const struct option *o, bool b, union option_value *v_r)
{
	if (o->type != OPTION_BOOL)
		return false;
	v_r->word = b;
	return true;
}

const char *const option_route_tls[] = {"may", "require", "verify", "none", NULL};

/* A password goes over TLS only, and to nobody else: the name of the server must be checked. */
static bool login_is_good(const struct config_route *r)
{
	static const struct option user = {.max = LIMIT_USER_NAME, .min = 1};
	static const struct option file = {.max = 1024, .min = 1};

	if (r->user.n == 0 || r->password_file.n == 0)
		return r->user.n == r->password_file.n;
	return r->tls == CONFIG_ROUTE_VERIFY && text_is_good(&user, r->user) &&
	       text_is_good(&file, r->password_file);
}

bool option_parse_route(const struct config_route *raw, struct arena *a, union option_value *v_r)
{
	struct ip ip;

	if (!str_eq(raw->domain, STR("*")) && !is_host(raw->domain))
		return false;
	if (!is_host(raw->host) && !ip_parse(raw->host, &ip))
		return false;
	if (raw->port < 1 || raw->port > 65535 || !login_is_good(raw))
		return false;
	v_r->route = *raw;
	v_r->route.domain = lower_copy(a, raw->domain);
	v_r->route.host = lower_copy(a, raw->host);
	v_r->route.user = arena_str(a, raw->user);
	v_r->route.password_file = str_of(arena_cstr(a, raw->password_file), raw->password_file.n);
	return true;
}

static void put_net(const struct ip_net *net, struct buf *out)
{
	unsigned skipped = ip_is_v4(&net->addr) ? 96 : 0;

	ip_put(out, &net->addr);
	buf_byte(out, '/');
	buf_u64(out, net->bits - skipped);
}

void option_put_plain(enum option_type type, const union option_value *v, struct buf *out)
{
	switch (type) {
	case OPTION_SIZE:
		put_units(v->number, sizes, COUNT(sizes), out);
		break;
	case OPTION_DURATION:
		put_units(v->number, durations, COUNT(durations), out);
		break;
	case OPTION_STRING:
	case OPTION_FILE:
	case OPTION_HOST:
	case OPTION_SERVER:
		buf_str(out, v->text);
		break;
	case OPTION_IP:
		ip_put(out, &v->ip);
		break;
	case OPTION_NETWORK:
		put_net(&v->net, out);
		break;
	default:
		buf_i64(out, v->number);
	}
}

/* Quotes and backslashes are escaped; control characters are in no value. */
static void put_quoted(struct str s, struct buf *out)
{
	buf_byte(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_byte(out, '\\');
		buf_byte(out, s.p[i]);
	}
	buf_byte(out, '"');
}

/* { domain = "x.test"; host = "127.0.0.1"; port = 2526; } */
static void put_route(const struct config_route *r, struct buf *out)
{
	buf_lit(out, "{ domain = ");
	put_quoted(r->domain, out);
	buf_lit(out, "; host = ");
	put_quoted(r->host, out);
	buf_lit(out, "; port = ");
	buf_i64(out, r->port);
	if (r->tls != CONFIG_ROUTE_MAY) {
		buf_lit(out, "; tls = ");
		put_quoted(str_of_c(option_route_tls[r->tls]), out);
	}
	if (r->user.n) {
		buf_lit(out, "; user = ");
		put_quoted(r->user, out);
		buf_lit(out, "; password_file = ");
		put_quoted(r->password_file, out);
	}
	buf_lit(out, "; }");
}

static void put_unquoted(enum option_type type, const union option_value *v, struct buf *out)
{
	if (type == OPTION_ROUTE)
		put_route(&v->route, out);
	else if (type == OPTION_BOOL)
		buf_c(out, v->word ? "true" : "false");
	else
		buf_i64(out, v->number);
}

void option_put_value(const struct option *o, const union option_value *v, struct buf *out)
{
	struct buf plain;

	if (o->type == OPTION_NUMBER || o->type == OPTION_BOOL || o->type == OPTION_ROUTE) {
		put_unquoted(o->type, v, out);
		return;
	}
	buf_init(&plain, out->max);
	if (o->type == OPTION_ENUM)
		buf_c(&plain, o->words[v->word]);
	else
		option_put_plain(o->type, v, &plain);
	put_quoted(buf_view(&plain), out);
	buf_fini(&plain);
}

/* ---- places ---- */
size_t option_value_size(enum option_type type)
{
	static const size_t size[OPTION_TYPES] = {
	    [OPTION_NUMBER] = sizeof(int64_t),
	    [OPTION_SIZE] = sizeof(int64_t),
	    [OPTION_DURATION] = sizeof(int64_t),
	    [OPTION_STRING] = sizeof(struct str),
	    [OPTION_FILE] = sizeof(struct str),
	    [OPTION_HOST] = sizeof(struct str),
	    [OPTION_SERVER] = sizeof(struct str),
	    [OPTION_ENUM] = sizeof(int),
	    [OPTION_BOOL] = sizeof(int),
	    [OPTION_IP] = sizeof(struct ip),
	    [OPTION_NETWORK] = sizeof(struct ip_net),
	    [OPTION_ROUTE] = sizeof(struct config_route),
	};

	return size[type];
}

/* All members of a union begin where it begins. */
void option_value_store(enum option_type type, void *at, const union option_value *v)
{
	memcpy(at, v, option_value_size(type));
}

void option_value_load(enum option_type type, const void *at, union option_value *v_r)
{
	memset(v_r, 0, sizeof *v_r);
	memcpy(v_r, at, option_value_size(type));
}
