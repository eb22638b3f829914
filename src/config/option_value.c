#include "config/option_value.h"

#include "base/ascii.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "mime/mime_local.h"

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

/* "alice@example.org"; all else of a local part is written as it is in mail. */
static bool is_address(struct str s)
{
	size_t at = str_rfind(s, '@');

	return at > 0 && at < s.n && s.n <= LIMIT_ADDRESS && !str_has_cntrl(s) &&
	       utf8_is_valid(s) && is_host(str_from(s, at + 1));
}

/* That, or "example.org". */
static bool is_sender(struct str s)
{
	return str_rfind(s, '@') == s.n ? is_host(s) : is_address(s);
}

/* Names and addresses of machines and people, all in lower case. */
static bool name_is_good(const struct option *o, struct str s)
{
	struct ip ip;

	if (s.n == 0)
		return o->min == 0;
	switch (o->type) {
	case OPTION_DOMAIN:
		return is_host(s) || str_eq(s, STR("*"));
	case OPTION_TARGET:
		return is_host(s) || ip_parse(s, &ip);
	case OPTION_SENDER:
		return is_sender(s);
	case OPTION_ADDRESS:
		return is_address(s);
	case OPTION_SERVER:
		return is_server(s);
	default:
		return is_host(s);
	}
}

static struct str lower_copy(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	for (size_t i = 0; i < s.n; i++)
		p[i] = (char)ascii_lower(s.p[i]);
	return str_of(p, s.n);
}

/* As reverse-paths are compared with. */
static struct str sender_key(struct arena *a, struct str s)
{
	struct str key = mime_local_address_key(a, s);

	return str_of(arena_cstr(a, key), key.n);
}

bool option_find_word(const struct option *o, struct str s, int *word_r)
{
	for (int i = 0; o->words[i]; i++)
		if (str_eq(s, str_of_c(o->words[i]))) {
			*word_r = i;
			return true;
		}
	if (!o->synonym || !str_eq(s, str_of_c(o->synonym->word)))
		return false;
	*word_r = o->synonym->means;
	return true;
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
	case OPTION_ADDRESS:
		ok = o->type == OPTION_ADDRESS ? name_is_good(o, s) : text_is_good(o, s);
		if (ok)
			v.text = str_of(arena_cstr(a, s), s.n);
		break;
	case OPTION_HOST:
	case OPTION_DOMAIN:
	case OPTION_TARGET:
	case OPTION_SERVER:
		ok = name_is_good(o, s);
		if (ok)
			v.text = lower_copy(a, s);
		break;
	case OPTION_SENDER:
		ok = name_is_good(o, s);
		if (ok)
			v.text = sender_key(a, s);
		break;
	case OPTION_ENUM:
		ok = option_find_word(o, s, &v.word);
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
	case OPTION_DOMAIN:
	case OPTION_TARGET:
	case OPTION_SENDER:
	case OPTION_ADDRESS:
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

/* ---- in the file's syntax ---- */

static void put_group(const struct option *o, const void *at, struct buf *out)
{
	struct buf value;

	buf_init(&value, LIMIT_CONFIG_SNAPSHOT);
	buf_lit(out, "{ ");
	for (size_t i = 0; i < o->group->count; i++) {
		const struct option *m = &o->group->members[i];

		buf_clear(&value);
		option_put_at(m, (const char *)at + m->offset, &value);
		if (m->initial && str_eq(buf_view(&value), str_of_c(m->initial)))
			continue;
		buf_printf(out, "%s = ", m->name);
		buf_str(out, buf_view(&value));
		buf_lit(out, "; ");
	}
	buf_byte(out, '}');
	buf_fini(&value);
}

static void put_value(const struct option *o, const union option_value *v, struct buf *out)
{
	struct buf plain;

	if (o->type == OPTION_NUMBER) {
		buf_i64(out, v->number);
		return;
	}
	if (o->type == OPTION_BOOL) {
		buf_c(out, v->word ? "true" : "false");
		return;
	}
	buf_init(&plain, LIMIT_CONFIG_STRING);
	if (o->type == OPTION_ENUM)
		buf_c(&plain, o->words[v->word]);
	else
		option_put_plain(o->type, v, &plain);
	put_quoted(buf_view(&plain), out);
	buf_fini(&plain);
}

static void put_element(const struct option *o, const void *at, struct buf *out)
{
	union option_value v;

	if (o->type == OPTION_GROUP) {
		put_group(o, at, out);
		return;
	}
	option_value_load(o->type, at, &v);
	put_value(o, &v, out);
}

void option_put_at(const struct option *o, const void *at, struct buf *out)
{
	const struct config_list *list = at;
	bool groups = o->type == OPTION_GROUP;

	if (!o->list) {
		put_element(o, at, out);
		return;
	}
	buf_byte(out, groups ? '(' : '[');
	for (size_t i = 0; i < list->n; i++) {
		buf_c(out, i ? ", " : "");
		put_element(o, (const char *)list->v + i * option_value_size(o), out);
	}
	buf_byte(out, groups ? ')' : ']');
}

/* ---- places ---- */
static size_t size_of(enum option_type type)
{
	static const size_t size[OPTION_TYPES] = {
	    [OPTION_NUMBER] = sizeof(int64_t),
	    [OPTION_SIZE] = sizeof(int64_t),
	    [OPTION_DURATION] = sizeof(int64_t),
	    [OPTION_STRING] = sizeof(struct str),
	    [OPTION_FILE] = sizeof(struct str),
	    [OPTION_HOST] = sizeof(struct str),
	    [OPTION_DOMAIN] = sizeof(struct str),
	    [OPTION_TARGET] = sizeof(struct str),
	    [OPTION_SENDER] = sizeof(struct str),
	    [OPTION_ADDRESS] = sizeof(struct str),
	    [OPTION_SERVER] = sizeof(struct str),
	    [OPTION_ENUM] = sizeof(int),
	    [OPTION_BOOL] = sizeof(int),
	    [OPTION_IP] = sizeof(struct ip),
	    [OPTION_NETWORK] = sizeof(struct ip_net),
	};

	return size[type];
}

size_t option_value_size(const struct option *o)
{
	return o->type == OPTION_GROUP ? o->group->size : size_of(o->type);
}

/* All members of a union begin where it begins. */
void option_value_store(enum option_type type, void *at, const union option_value *v)
{
	memcpy(at, v, size_of(type));
}

void option_value_load(enum option_type type, const void *at, union option_value *v_r)
{
	memset(v_r, 0, sizeof *v_r);
	memcpy(v_r, at, size_of(type));
}
