/*
 * A snapshot as bytes for another process of the same program: the options in the table's order, each
 * value by its type. The reader checks what the file's reader would.
 */
#include "base/cur.h"
#include "base/mem.h"
#include "base/wire.h"
#include "config/config_priv.h"

static void put_element(const struct option *o, const void *at, struct buf *out)
{
	union option_value v;

	option_value_load(o->type, at, &v);
	switch (o->type) {
	case OPTION_STRING:
	case OPTION_FILE:
	case OPTION_HOST:
	case OPTION_SERVER:
		wire_str(out, v.text);
		break;
	case OPTION_ENUM:
		wire_u8(out, (uint8_t)v.word);
		break;
	case OPTION_IP:
		buf_add(out, v.ip.b, sizeof v.ip.b);
		break;
	case OPTION_NETWORK:
		buf_add(out, v.net.addr.b, sizeof v.net.addr.b);
		wire_u8(out, v.net.bits);
		break;
	case OPTION_BOOL:
		wire_bool(out, v.word);
		break;
	case OPTION_ROUTE:
		wire_str(out, v.route.domain);
		wire_str(out, v.route.host);
		wire_u16(out, (uint16_t)v.route.port);
		wire_u8(out, (uint8_t)v.route.tls);
		wire_str(out, v.route.user);
		wire_str(out, v.route.password_file);
		break;
	default:
		wire_i64(out, v.number);
	}
}

void config_encode(const struct config_snapshot *c, struct buf *out)
{
	wire_u16(out, (uint16_t)options_count);
	wire_u64(out, c->number);
	wire_str(out, c->dir);
	for (size_t i = 0; i < options_count; i++) {
		const struct option *o = &options[i];
		const struct config_list *list = config_at_const(c, o);

		if (!o->list) {
			put_element(o, config_at_const(c, o), out);
			continue;
		}
		wire_u32(out, (uint32_t)list->n);
		for (size_t k = 0; k < list->n; k++)
			put_element(o, (const char *)list->v + k * option_value_size(o->type), out);
	}
}

static uint8_t word_count(const struct option *o)
{
	uint8_t n = 0;

	while (o->words[n])
		n++;
	return n;
}

static struct str get_text(struct cur *c, struct arena *a)
{
	struct str s = cur_str(c, LIMIT_CONFIG_STRING);

	return str_of(arena_cstr(a, s), s.n);
}

static void get_ip(struct cur *c, struct ip *ip)
{
	struct str bytes = cur_take(c, sizeof ip->b);

	if (bytes.n)
		memcpy(ip->b, bytes.p, sizeof ip->b);
}

static void get_route(struct cur *c, struct arena *a, union option_value *v)
{
	struct config_route raw = {.domain = cur_str(c, LIMIT_CONFIG_STRING)};

	raw.host = cur_str(c, LIMIT_CONFIG_STRING);
	raw.port = cur_u16(c);
	raw.tls = cur_enum(c, CONFIG_ROUTE_TLS_WORDS);
	raw.user = cur_str(c, LIMIT_CONFIG_STRING);
	raw.password_file = cur_str(c, LIMIT_CONFIG_STRING);
	if (!option_parse_route(&raw, a, v))
		cur_fail(c);
}

static void get_element(const struct option *o, struct cur *c, struct arena *a, void *at)
{
	union option_value v = {0};

	switch (o->type) {
	case OPTION_STRING:
	case OPTION_FILE:
	case OPTION_HOST:
	case OPTION_SERVER:
		v.text = get_text(c, a);
		break;
	case OPTION_ENUM:
		v.word = cur_enum(c, word_count(o));
		break;
	case OPTION_IP:
		get_ip(c, &v.ip);
		break;
	case OPTION_NETWORK:
		get_ip(c, &v.net.addr);
		v.net.bits = cur_enum(c, 129);
		break;
	case OPTION_BOOL:
		v.word = cur_bool(c);
		break;
	case OPTION_ROUTE:
		get_route(c, a, &v);
		break;
	default:
		v.number = cur_i64(c);
		if (v.number < o->min || v.number > o->max)
			cur_fail(c);
	}
	option_value_store(o->type, at, &v);
}

static void get_list(const struct option *o, struct cur *c, struct config_box *box)
{
	size_t size = option_value_size(o->type);
	struct config_list list = {.n = cur_u32(c)};

	if ((int64_t)list.n < o->least || (int64_t)list.n > o->most) {
		cur_fail(c);
		return;
	}
	list.v = arena_array(box->arena, list.n, size);
	for (size_t i = 0; i < list.n; i++)
		get_element(o, c, box->arena, (char *)list.v + i * size);
	memcpy(config_at(&box->c, o), &list, sizeof list);
}

int config_decode(struct str bytes, struct config_snapshot **snapshot_r)
{
	struct cur c = cur_of(bytes);
	struct config_box *box = config_box_new("", 0);

	if (cur_u16(&c) != options_count)
		cur_fail(&c);
	box->c.number = cur_u64(&c);
	box->c.dir = get_text(&c, box->arena);
	for (size_t i = 0; i < options_count && !c.bad; i++) {
		const struct option *o = &options[i];

		if (o->list)
			get_list(o, &c, box);
		else
			get_element(o, &c, box->arena, config_at(&box->c, o));
	}
	if (!cur_done(&c)) {
		config_box_free(&box);
		return -1;
	}
	*snapshot_r = &box->c;
	return 0;
}
