/* One process that the supervisor starts: program image, link, exit. */
#ifndef PROC_SPAWN_H
#define PROC_SPAWN_H

#include <uv.h>

#include "base/err.h"
#include "ipc/super_child.h"
#include "proc/peer.h"
#include "proc/watchdog.h"

struct spawn {
	uv_process_t process;
	struct peer *link; /* NULL once it is down */
	enum sc_role role;
	uint16_t node;
	bool running;
	bool ready;      /* it said SC_READY */
	bool draining;   /* it was told SC_DRAIN */
	bool failed;     /* it said SC_FAILED */
	bool mistrusted; /* it said what it may not: its end is under way */
	struct watch watch;
	uint32_t restarts;
	unsigned hasty;  /* times in a row that it lived for a short time only */
	int64_t started; /* wall clock */
	int64_t started_mono;
	int64_t exit_status; /* of the process that ended, until on_exit */
	int exit_signal;
	void *owner;

	/* It has ended, and may be started again from here. */
	void (*on_exit)(struct spawn *s, int64_t status, int signal);
};

/*
 * Starts this program again as `process ROLE` with a link on descriptor 3; nothing else is inherited
 * but standard error. config: of the link. 0, or -1 with the reason.
 */
int spawn_start(struct spawn *s, uv_loop_t *loop, const struct peer_config *config, struct err *e);

/* Sends an event over its link; fd (or -1) is owned from here on. Does nothing when the link is down. */
void spawn_tell(struct spawn *s, uint16_t type, struct str payload, int fd);

/* Ends it at once; on_exit follows. */
void spawn_kill(struct spawn *s);

#endif
