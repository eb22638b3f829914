/* Each message has its writer and, below it, its reader. Readers check everything, answers included. */
#include "ipc/relay_resolver.h"

#include "base/cur.h"
#include "base/wire.h"

#define LOOKUP_MAX  (LIMIT_DNS_NAME + 8)
#define ANSWERS_MAX (LIMIT_DNS_ANSWERS * (LIMIT_DNS_ANSWER + 8))
#define REPLY_MAX   (ANSWERS_MAX + LIMIT_DNS_NAME + LIMIT_DNS_WHY + 64)

static const struct ipc_type types[RR_TYPES] = {
    [RR_LOOKUP] = {"lookup", IPC_BY_ASKER, 0, LOOKUP_MAX, REPLY_MAX},
};

const struct ipc_edge rr_edge = {"relay-resolver", types, RR_TYPES};

void rr_lookup_put(struct buf *b, const struct rr_lookup *m)
{
	wire_u8(b, (uint8_t)m->type);
	wire_str(b, m->name);
}

bool rr_lookup_get(struct str payload, struct rr_lookup *m_r)
{
	struct cur c = cur_of(payload);
	struct rr_lookup m = {0};

	m.type = (enum dns_type)cur_enum(&c, DNS_TYPES);
	m.name = cur_str(&c, LIMIT_DNS_NAME);
	if (!cur_done(&c) || !dns_name_is_valid(m.name))
		return false;
	*m_r = m;
	return true;
}

/* ---- one answer: by its type an address, a host or bytes ---- */
static void put_answer(struct buf *b, enum dns_type type, const struct dns_answer *a)
{
	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		buf_add(b, a->ip.b, sizeof a->ip.b);
		break;
	case DNS_MX:
		wire_u16(b, a->preference);
		wire_str(b, a->host);
		break;
	case DNS_PTR:
		wire_str(b, a->host);
		break;
	case DNS_TLSA:
		wire_u8(b, a->usage);
		wire_u8(b, a->selector);
		wire_u8(b, a->matching);
		wire_str(b, a->bytes);
		break;
	default:
		wire_str(b, a->bytes);
	}
}

static struct ip get_ip(struct cur *c, bool v4)
{
	struct ip ip = {{0}};
	struct str s = cur_take(c, sizeof ip.b);

	if (s.n)
		memcpy(ip.b, s.p, sizeof ip.b);
	if (v4 && !ip_is_v4(&ip))
		cur_fail(c);
	return ip;
}

/* A host is a name; that of an MX may be the root. */
static struct str get_host(struct cur *c, bool may_be_root)
{
	struct str host = cur_str(c, LIMIT_DNS_NAME);

	if (!dns_name_is_valid(host) && !(may_be_root && host.n == 0))
		cur_fail(c);
	return host;
}

static struct dns_answer get_answer(struct cur *c, enum dns_type type)
{
	struct dns_answer a = {0};

	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		a.ip = get_ip(c, type == DNS_A);
		break;
	case DNS_MX:
		a.preference = cur_u16(c);
		a.host = get_host(c, true);
		break;
	case DNS_PTR:
		a.host = get_host(c, false);
		break;
	case DNS_TLSA:
		a.usage = cur_u8(c);
		a.selector = cur_u8(c);
		a.matching = cur_u8(c);
		a.bytes = cur_str(c, LIMIT_DNS_ANSWER);
		break;
	default:
		a.bytes = cur_str(c, LIMIT_DNS_ANSWER);
	}
	return a;
}

/* ---- the reply ---- */
static bool fits(const struct dns_answer *a)
{
	return a->host.n <= LIMIT_DNS_NAME && a->bytes.n <= LIMIT_DNS_ANSWER;
}

void rr_reply_put(struct buf *b, enum dns_type type, const struct dns_result *m)
{
	const struct dns_answer *chosen[LIMIT_DNS_ANSWERS];
	size_t count = 0;

	for (size_t i = 0; i < m->count && count < LIMIT_DNS_ANSWERS; i++)
		if (fits(&m->answers[i]))
			chosen[count++] = &m->answers[i];
	wire_u8(b, (uint8_t)(m->status == DNS_OK && count == 0 ? DNS_BAD : m->status));
	wire_bool(b, m->secure);
	wire_u32(b, m->ttl);
	wire_str(b, str_sub(m->canonical, 0, LIMIT_DNS_NAME));
	wire_str(b, str_sub(m->why, 0, LIMIT_DNS_WHY));
	wire_u32(b, (uint32_t)(m->dropped + m->count - count));
	wire_u8(b, (uint8_t)count);
	for (size_t i = 0; i < count; i++)
		put_answer(b, type, chosen[i]);
}

static void get_answers(struct cur *c, enum dns_type type, struct arena *a, struct dns_result *m)
{
	struct dns_answer *list;

	m->count = cur_u8(c);
	if (m->count > LIMIT_DNS_ANSWERS || (m->count > 0) != (m->status == DNS_OK))
		cur_fail(c);
	if (c->bad)
		return;
	list = arena_array(a, m->count, sizeof *list);
	for (size_t i = 0; i < m->count; i++)
		list[i] = get_answer(c, type);
	m->answers = list;
}

bool rr_reply_get(struct str payload, enum dns_type type, struct arena *a, struct dns_result *m_r)
{
	struct dns_result m = {0};
	struct cur c;

	if (payload.n > REPLY_MAX)
		return false;
	c = cur_of(arena_str(a, payload));
	m.status = (enum dns_status)cur_enum(&c, DNS_STATUSES);
	m.secure = cur_bool(&c);
	m.ttl = cur_u32(&c);
	m.canonical = cur_str(&c, LIMIT_DNS_NAME);
	m.why = cur_str(&c, LIMIT_DNS_WHY);
	m.dropped = cur_u32(&c);
	get_answers(&c, type, a, &m);
	if (!cur_done(&c) || (m.canonical.n && !dns_name_is_valid(m.canonical)))
		return false;
	*m_r = m;
	return true;
}
