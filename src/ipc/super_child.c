#include "ipc/super_child.h"

#include "base/limits.h"
#include "base/wire.h"

#define PEM_MAX     (128 * KIB)
#define CONFIG_MAX  (256 * KIB)
#define TICKETS_MAX ((size_t)1024)
#define OWN_MAX     (LIMIT_OWN_ADDRESSES * sizeof(struct ip))
#define START_MAX   (CONFIG_MAX + 2 * PEM_MAX + 4 * KIB)

#define SUPER IPC_BY_ASKER
#define CHILD IPC_BY_ANSWERER

static const struct ipc_type types[SC_TYPES] = {
    [SC_START] = {"start", SUPER, IPC_IS_EVENT, START_MAX, 0},
    [SC_CONFIG] = {"config", SUPER, IPC_IS_EVENT, START_MAX, 0},
    [SC_LISTENER] = {"listener", SUPER, IPC_IS_EVENT | IPC_FD, 1, 0},
    [SC_STORE] = {"store", SUPER, IPC_IS_EVENT | IPC_FD, 0, 0},
    [SC_RESOLVER] = {"resolver", SUPER, IPC_IS_EVENT | IPC_FD, 0, 0},
    [SC_PEER] = {"peer", SUPER, IPC_IS_EVENT | IPC_FD, 3, 0},
    [SC_OWN] = {"own", SUPER, IPC_IS_EVENT, OWN_MAX, 0},
    [SC_PROCESSES] = {"processes", SUPER, IPC_IS_EVENT, 64 * KIB, 0},
    [SC_GO] = {"go", SUPER, IPC_IS_EVENT, 0, 0},
    [SC_DRAIN] = {"drain", SUPER, IPC_IS_EVENT, 0, 0},
    [SC_PING] = {"ping", SUPER, IPC_IS_EVENT, 0, 0},
    [SC_READY] = {"ready", CHILD, IPC_IS_EVENT, 0, 0},
    [SC_FAILED] = {"failed", CHILD, IPC_IS_EVENT, 1 * KIB, 0},
    [SC_PONG] = {"pong", CHILD, IPC_IS_EVENT, 0, 0},
    [SC_BAD_PEER] = {"bad_peer", CHILD, IPC_IS_EVENT, 3, 0},
};

const struct ipc_edge sc_edge = {"supervisor-child", types, SC_TYPES};

const char *sc_role_name(enum sc_role role)
{
	static const char *const names[SC_ROLES] = {"store", "mx", "user", "resolver", "relay"};

	return names[role];
}

void sc_start_put(struct buf *b, const struct sc_start *m)
{
	wire_u8(b, (uint8_t)m->role);
	wire_u16(b, m->node);
	wire_u64(b, m->number);
	wire_str(b, m->snapshot);
	wire_str(b, m->certificate);
	wire_str(b, m->key);
	wire_str(b, m->tickets);
}

bool sc_start_get(struct str payload, struct sc_start *m_r)
{
	struct cur c = cur_of(payload);
	struct sc_start m = {0};

	m.role = (enum sc_role)cur_enum(&c, SC_ROLES);
	m.node = cur_u16(&c);
	m.number = cur_u64(&c);
	m.snapshot = cur_str(&c, CONFIG_MAX);
	m.certificate = cur_str(&c, PEM_MAX);
	m.key = cur_str(&c, PEM_MAX);
	m.tickets = cur_str(&c, TICKETS_MAX);
	if (!cur_done(&c))
		return false;
	*m_r = m;
	return true;
}

void sc_listener_put(struct buf *b, uint8_t listener)
{
	wire_u8(b, listener);
}

bool sc_listener_get(struct str payload, uint8_t *listener_r)
{
	struct cur c = cur_of(payload);
	uint8_t listener = cur_enum(&c, SC_LISTENER_ADMIN + 1);

	if (!cur_done(&c))
		return false;
	*listener_r = listener;
	return true;
}

void sc_peer_put(struct buf *b, enum sc_role role, uint16_t node)
{
	wire_u8(b, (uint8_t)role);
	wire_u16(b, node);
}

bool sc_peer_get(struct str payload, enum sc_role *role_r, uint16_t *node_r)
{
	struct cur c = cur_of(payload);
	enum sc_role role = (enum sc_role)cur_enum(&c, SC_ROLES);
	uint16_t node = cur_u16(&c);

	if (!cur_done(&c))
		return false;
	*role_r = role;
	*node_r = node;
	return true;
}

void sc_own_put(struct buf *b, const struct ip *ip)
{
	buf_add(b, ip->b, sizeof ip->b);
}

bool sc_own_next(struct cur *c, struct ip *ip_r)
{
	struct str bytes = cur_take(c, sizeof ip_r->b);

	if (c->bad)
		return false;
	memcpy(ip_r->b, bytes.p, sizeof ip_r->b);
	return true;
}

void sc_process_put(struct buf *b, const struct sc_process *p)
{
	wire_u8(b, (uint8_t)p->role);
	wire_u16(b, p->node);
	wire_u32(b, p->pid);
	wire_u32(b, p->restarts);
	wire_i64(b, p->started);
}

bool sc_process_next(struct cur *c, struct sc_process *p_r)
{
	struct sc_process p = {0};

	p.role = (enum sc_role)cur_enum(c, SC_ROLES);
	p.node = cur_u16(c);
	p.pid = cur_u32(c);
	p.restarts = cur_u32(c);
	p.started = cur_i64(c);
	if (c->bad)
		return false;
	*p_r = p;
	return true;
}
