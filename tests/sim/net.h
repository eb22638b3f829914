/*
 * The network: connections from our relay to simulated hosts. net.c is net/net_stream.h for the relay,
 * host.c the other side. Packets take their time and come in order.
 */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "base/ip.h"
#include "loop.h"

struct net_stream;
struct sim_host;
struct sim_session;

struct sim_conn {
	struct net_stream *stream;   /* ours; NULL: it has gone */
	struct sim_session *session; /* the host's; NULL: it has gone */
	struct sim_host *host;       /* NULL: nobody is at the address */
	int64_t delay;               /* of a packet, one way */
	int64_t last;                /* when the last packet to us arrives */
	bool killed;                 /* ours died with its process */
};

/* ---- net.c: to us. More delay than that of the network may be asked for ---- */

void sim_net_send(struct sim_conn *c, struct str bytes, int64_t delay);
void sim_net_end(struct sim_conn *c, int64_t delay); /* the host sends no more */
void sim_net_reset(struct sim_conn *c, int64_t delay);

/* The relay has died: its connections end. */
void sim_net_kill(const struct sim_process *process);

/* The most connections that we have had at once, in all; and to a host, at this moment. */
size_t sim_net_most(void);
size_t sim_net_count(const struct sim_host *host);

/* ---- host.c: to the host ---- */

enum sim_welcome {
	SIM_ACCEPT,
	SIM_REFUSE,
	SIM_NO_ANSWER,
	SIM_NO_ROUTE,
};

/* Is anybody at the address? When accepted, c->session is set and what it says follows. */
enum sim_welcome sim_host_connect(struct sim_conn *c, const struct ip *to);
void sim_host_feed(struct sim_conn *c, struct str bytes);

/* We end the connection, or it is broken. */
void sim_host_end(struct sim_conn *c);

/* STARTTLS was answered: does the handshake succeed? */
bool sim_host_handshake(struct sim_conn *c);

#endif
