/*
 * What every process that the supervisor starts has in common: the link on descriptor 3, the first
 * event with its configuration, death with the supervisor, the drop of privileges.
 */
#ifndef PROC_CHILD_H
#define PROC_CHILD_H

#include <uv.h>

#include "base/err.h"
#include "ipc/super_child.h"
#include "proc/peer.h"

#define CHILD_LINK_FD 3

/* What a role does with the supervisor's events. ctx is what start() set. */
struct child_role {
	const char *title; /* of the process, in the log and in ps */
	bool stays;        /* in the data directory; the others work in "/" from ready() on */

	/* The first event: 0, or -1 with the reason in *e. Runs before privileges are dropped;
	 * *user_r: name of the system user to become when started as root, NULL to stay. */
	int (*start)(void *ctx, const struct sc_start *start, const char **user_r, struct err *e);

	/* Privileges are dropped; everything that must exist before the first outside byte is made
	 * here. 0, or -1. */
	int (*ready)(void *ctx, struct err *e);

	/* Every further event. */
	void (*event)(void *ctx, uint16_t type, struct str payload, int fd);
};

/* Runs the loop until child_exit(); gives the exit status. ctx: the role's own state. */
int child_run(const struct child_role *role, void *ctx, uv_loop_t *loop);

/* Tells the supervisor something. */
void child_tell(uint16_t type, struct str payload);

/* Ends the loop in this turn; child_run() returns status. */
void child_exit(int status);

/*
 * Ends the process now, with nothing put in order: one that it depends on breaks the protocol between them.
 * The supervisor starts it again, with links that are new. To be logged before.
 */
void child_abandon(void) __attribute__((noreturn));

/*
 * Becomes the system user of this name for good: groups, group, user; checks that there is no way
 * back. Does nothing when not root. 0, or -1 with a sentence that names the cure.
 */
int child_drop_to(const char *user, struct err *e);

#endif
