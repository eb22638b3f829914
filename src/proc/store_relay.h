/* The link to one relay. It may be taken over: it sees and settles only what it holds leases for. */
#ifndef PROC_STORE_RELAY_H
#define PROC_STORE_RELAY_H

#include "ipc/relay_store.h"
#include "proc/store_flow.h"
#include "proc/store_queue.h"

struct store_relay {
	struct list link; /* in the queue's list */
	struct store_process *sp;
	struct store_queue *queue;
	struct peer *peer; /* NULL once the link is down; the object stays until nothing is busy */
	uint16_t node;
	int64_t owner;               /* 0: it has not greeted yet */
	struct ipc_request *waiting; /* RS_LEASE that was not answered yet */
	uint32_t room;               /* jobs it takes */
	bool leasing;                /* a lease for it is under way */
	size_t callouts;             /* that it has not answered yet */
	size_t busy;                 /* requests handed to other threads */
	size_t reading;              /* RS_READ that are open */
	struct store_flow flow;      /* mail on its way out */
};

/* A link to a relay has come. */
void store_relay_new(struct store_process *sp, uint16_t node, int fd);

/* It waits for jobs, and none are being looked for. */
bool store_relay_is_waiting(const struct store_relay *r);

/* Looks for jobs for a relay that waits. */
void store_relay_give(struct store_relay *r);

/*
 * The way that mail to a destination goes. sender: the reverse path that it came with (empty: null), whatever
 * it goes with. password: for at most LIMIT_PASSWORD + 1 octets, which the answer borrows, as it does from config.
 */
struct rs_route store_relay_route(const struct config_snapshot *config, struct str destination,
    struct str sender, struct buf *password);

#endif
