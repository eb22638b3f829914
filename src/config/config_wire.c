/*
 * A snapshot as bytes for another process of the same program: the options in the table's order, each
 * value by its type. The reader checks what the file's reader would.
 */
#include "base/cur.h"
#include "base/mem.h"
#include "base/wire.h"
#include "config/config_priv.h"

static void put_single(const struct option *o, const void *at, struct buf *out)
{
	union option_value v;

	option_value_load(o->type, at, &v);
	switch (o->type) {
	case OPTION_STRING:
	case OPTION_FILE:
	case OPTION_HOST:
	case OPTION_DOMAIN:
	case OPTION_TARGET:
	case OPTION_SENDER:
	case OPTION_ADDRESS:
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
	default:
		wire_i64(out, v.number);
	}
}

static void put_at(const struct option *o, const void *at, struct buf *out);

static void put_element(const struct option *o, const void *at, struct buf *out)
{
	if (o->type != OPTION_GROUP) {
		put_single(o, at, out);
		return;
	}
	for (size_t i = 0; i < o->group->count; i++)
		put_at(&o->group->members[i], (const char *)at + o->group->members[i].offset, out);
}

static void put_at(const struct option *o, const void *at, struct buf *out)
{
	const struct config_list *list = at;

	if (!o->list) {
		put_element(o, at, out);
		return;
	}
	wire_u32(out, (uint32_t)list->n);
	for (size_t i = 0; i < list->n; i++)
		put_element(o, (const char *)list->v + i * option_value_size(o), out);
}

void config_encode(const struct config_snapshot *c, struct buf *out)
{
	wire_u16(out, (uint16_t)options_count);
	wire_u64(out, c->number);
	wire_str(out, c->dir);
	for (size_t i = 0; i < options_count; i++)
		put_at(&options[i], config_at_const(c, &options[i]), out);
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

static void get_single(const struct option *o, struct cur *c, struct arena *a, void *at)
{
	union option_value v = {0};

	switch (o->type) {
	case OPTION_STRING:
	case OPTION_FILE:
	case OPTION_HOST:
	case OPTION_DOMAIN:
	case OPTION_TARGET:
	case OPTION_SENDER:
	case OPTION_ADDRESS:
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
	default:
		v.number = cur_i64(c);
		if (v.number < o->min || v.number > o->max)
			cur_fail(c);
	}
	option_value_store(o->type, at, &v);
}

static void get_at(const struct option *o, struct cur *c, struct arena *a, void *at);

static void get_element(const struct option *o, struct cur *c, struct arena *a, void *at)
{
	if (o->type != OPTION_GROUP) {
		get_single(o, c, a, at);
		return;
	}
	for (size_t i = 0; i < o->group->count && !c->bad; i++)
		get_at(&o->group->members[i], c, a, (char *)at + o->group->members[i].offset);
	if (!c->bad && o->group->check(at))
		cur_fail(c);
}

static void get_at(const struct option *o, struct cur *c, struct arena *a, void *at)
{
	struct config_list list = {0};

	if (!o->list) {
		get_element(o, c, a, at);
		return;
	}
	list.n = cur_u32(c);
	if ((int64_t)list.n < o->least || (int64_t)list.n > o->most) {
		cur_fail(c);
		return;
	}
	list.v = arena_array(a, list.n, option_value_size(o));
	for (size_t i = 0; i < list.n && !c->bad; i++)
		get_element(o, c, a, (char *)list.v + i * option_value_size(o));
	memcpy(at, &list, sizeof list);
}

int config_decode(struct str bytes, struct config_snapshot **snapshot_r)
{
	struct cur c = cur_of(bytes);
	struct config_box *box = config_box_new("", 0);

	if (cur_u16(&c) != options_count)
		cur_fail(&c);
	box->c.number = cur_u64(&c);
	box->c.dir = get_text(&c, box->arena);
	for (size_t i = 0; i < options_count && !c.bad; i++)
		get_at(&options[i], &c, box->arena, config_at(&box->c, &options[i]));
	if (!cur_done(&c)) {
		config_box_free(&box);
		return -1;
	}
	*snapshot_r = &box->c;
	return 0;
}
