/*
 * The edge between the supervisor and each process it starts: events both ways, no requests. The
 * supervisor is the asker's side of the table. Descriptors travel with them: listeners, links.
 */
#ifndef IPC_SUPER_CHILD_H
#define IPC_SUPER_CHILD_H

#include "base/cur.h"
#include "base/ip.h"
#include "ipc/front_store.h"
#include "ipc/link.h"

enum sc_type {
	SC_START,  /* who you are, your configuration; the first event */
	SC_CONFIG, /* a new configuration snapshot; open connections keep theirs */
	SC_LISTENER, /* + descriptor: a listening socket to accept from (front), or the admin's (store) */
	SC_STORE,    /* + descriptor: a link to store; the one before it is void */
	SC_RESOLVER, /* + descriptor: a link to the resolver; the one before it is void */
	SC_PEER,     /* + descriptor, to store or resolver: a link to one who asks */
	SC_OWN, /* but to the resolver: the addresses of this server, instead of those before */
	SC_PROCESSES, /* to store: what runs, for status */
	SC_GO,        /* all is handed over: begin to serve */
	SC_DRAIN,     /* finish what is in flight, then exit */
	SC_PING,      /* do you still answer? Only after SC_READY, one at a time */
	SC_READY,     /* child: serving */
	SC_FAILED,    /* child: cannot start; the text says why and names the cure */
	SC_PONG,      /* child: the answer to SC_PING */
	SC_BAD_PEER,  /* store: the front of this node broke the protocol: restart it */
	SC_TYPES
};

extern const struct ipc_edge sc_edge;

enum sc_role {
	SC_ROLE_STORE,
	SC_ROLE_MX,
	SC_ROLE_USER,
	SC_ROLE_RESOLVER,
	SC_ROLE_RELAY,
	SC_ROLES
};

#define SC_LISTENER_ADMIN ((uint8_t)FS_LISTENERS)

const char *sc_role_name(enum sc_role role);

/* SC_START and SC_CONFIG. */
struct sc_start {
	enum sc_role role;
	uint16_t node;               /* number of this process; part of the message ids it makes */
	uint64_t number;             /* of the snapshot */
	struct str snapshot;         /* config/config.h */
	struct str certificate, key; /* PEM; empty for store */
	struct str tickets;          /* keys of TLS session tickets, shared by all fronts */
};

struct sc_process {
	enum sc_role role;
	uint16_t node;
	uint32_t pid;
	uint32_t restarts;
	int64_t started;
};

void sc_start_put(struct buf *b, const struct sc_start *m);
bool sc_start_get(struct str payload, struct sc_start *m_r);

/* One octet: enum fs_listener, or SC_LISTENER_ADMIN. */
void sc_listener_put(struct buf *b, uint8_t listener);
bool sc_listener_get(struct str payload, uint8_t *listener_r);

/* SC_PEER; SC_BAD_PEER uses the node only. */
void sc_peer_put(struct buf *b, enum sc_role role, uint16_t node);
bool sc_peer_get(struct str payload, enum sc_role *role_r, uint16_t *node_r);

/* A list of addresses, read one by one; at most LIMIT_OWN_ADDRESSES. */
void sc_own_put(struct buf *b, const struct ip *ip);
bool sc_own_next(struct cur *c, struct ip *ip_r);

/* A list of processes, read one by one. */
void sc_process_put(struct buf *b, const struct sc_process *p);
bool sc_process_next(struct cur *c, struct sc_process *p_r);

#endif
