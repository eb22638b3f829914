/* Our processes in the simulation: started, linked to each other, killed. */
#ifndef SIM_STORE_H
#define SIM_STORE_H

#include "loop.h"
#include "proc/store.h"

/* A data directory with the domain and accounts in it, once; then a copy of it for each seed. */
void sim_store_template(const char *dir);

/* The store at the working directory of the seed. */
void sim_store_start(void);
void sim_store_kill(void);
struct store_process *sim_store(void); /* NULL: it is down */

void sim_relay_start(void);
/* silent: the store does not learn of it, as of one that is cut off. */
void sim_relay_kill(bool silent);

/* It does nothing any more, and its connections and links stand; until the watchdog ends it. */
void sim_relay_hang(void);
void sim_relay_hang_ends(void);

/* At last the store does learn of it. */
void sim_relay_lost_ends(void *ctx);
bool sim_store_is_up(void);
bool sim_relay_is_up(void);
bool sim_relay_has(int64_t message); /* under a lease */

void sim_resolver_kill(void);
void sim_resolver_start(void);
bool sim_resolver_is_up(void);

/* Links the two, once both are up. */
void sim_link(void);

/*
 * A connection that only looks, as the one before left it, or a new one; NULL: e says why. Given back it must have
 * nothing under way.
 */
struct db *sim_reader_take(struct err *e);
void sim_reader_give(struct db **db);

/* A request of an outsider, that ends well or with the store. */
void sim_write(struct lane_op *op);

#endif
