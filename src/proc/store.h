/*
 * Inside of the store process: what its files share. It alone sees the data directory; it has no
 * network. One loop; the lane, the readers and the password thread call back into it.
 */
#ifndef PROC_STORE_H
#define PROC_STORE_H

#include <uv.h>

#include "config/config.h"
#include "ipc/super_child.h"
#include "net/net_listen.h"
#include "proc/own_list.h"
#include "proc/peer.h"
#include "proc/store_admin.h"
#include "proc/store_quota.h"
#include "store/store.h"

#define STORE_PROCESSES 64

/* What a person does when nothing is written any more. */
#define STORE_CURE_CLOSED                                                                          \
	"mail is refused for now and mailboxes stay readable; see to the disk, then "              \
	"restart the server"

/* ... and when the clock was set. */
#define STORE_CURE_CLOCK                                                                                   \
	"if the clock is wrong now, put it right soon, before mail in the queue is returned for its age, " \
	"and before the server is started again"

struct store_process {
	uv_loop_t *loop;
	struct config_snapshot *config;
	struct store *store;
	struct db *db; /* read-only, of this thread: short look-ups */
	struct directory_config directory;
	struct own_list own;
	struct arena *arena; /* of routing */
	struct queue_routing routing;
	struct list fronts;   /* of struct store_front */
	struct list delivers; /* of struct lane_op: messages that came in this turn of the loop */
	uv_prepare_t submit;  /* hands them to the lane */
	struct store_queue *queue;
	struct store_callouts *callouts; /* NULL while the store is not open */
	struct store_quota quota;
	struct list admins; /* of struct store_admin_link */
	struct id_maker import_ids;
	uint64_t next_link;
	uv_async_t wake;
	uv_timer_t tend;
	struct {
		int64_t ahead; /* the clock, of the steady one, when it was last looked at */
		int64_t until; /* by the steady one: it went ahead, and nothing goes for its age */
	} clock;
	uv_check_t finish; /* looks for the end of a drain in each turn */
	struct net_acceptor *admin_socket;
	bool tending;
	bool lane_closed; /* and that it was said */
	bool full;        /* likewise */
	struct maintain maintain;
	struct err tend_trouble; /* that was said */
	bool purged;             /* since the packs were looked at */
	struct store_compact *compact;
	struct sc_process processes[STORE_PROCESSES];
	size_t process_count;
	int64_t started;
	bool draining;
};

/* Ends the account's sessions, and tells their fronts. */
void store_front_end_logins(struct store_process *sp, int64_t account);

/* A link to a front has come. */
void store_front_new(struct store_process *sp, enum sc_role role, uint16_t node, int fd);

/* Requests of fronts that are not answered yet. */
size_t store_front_busy(const struct store_process *sp);

/* A connection on the admin socket has come. */
void store_admin_link_new(struct store_process *sp, int fd);

/* Ends the admin commands that hold something open; true while there are any. */
bool store_admin_busy(struct store_process *sp);

/* The store as the admin commands see it. */
struct admin_context store_admin_context(struct store_process *sp);

#endif
