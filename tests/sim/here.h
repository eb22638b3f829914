/*
 * Mailboxes of ours that scheduled mail is put into at its time: well, full for a while, or gone by then. And the
 * sender whose mailbox takes no reports: full for days, or gone for good.
 */
#ifndef SIM_HERE_H
#define SIM_HERE_H

#include "world.h"

/* Some weeks have such; with a chance of their own, so that the other weeks stay as they are. */
void sim_here_begin(uint64_t seed);
void sim_here_make(void);
void sim_here_plan(void);

static inline bool sim_is_here(const struct sim_dest *d)
{
	return d->example == SIM_X_HERE;
}

/* Who writes a message that this one was to write: now and then the sender whose mailbox is shut. */
int sim_here_sender(int sender);

/* How long the sender wants a message to a mailbox here to be held back. Milliseconds. */
int64_t sim_here_hold(void);

/* He is about to be written to: his mailbox is made, and what is to become of it. */
void sim_here_expect(struct sim_rcpt *r);

/* The mailbox of that sender. */
struct sim_shut {
	int64_t since,
	    until; /* mono: it is full; until it has room, or is gone. since 0: it never was, until INT64_MAX: yet */
	int64_t full_wall, room_wall; /* the same by the wall, as far as it is sure */
	bool gone;                    /* it was removed: the postmaster is told of what fails */
	bool unsure;                  /* it is being changed at this moment */
};
const struct sim_shut *sim_shut(void);

/* Nothing is told to his sender any more. */
static inline bool sim_sender_refuses(const struct sim_rcpt *r)
{
	return r->sender == SIM_SHUT && sim_shut()->gone;
}

/* The end of a week: his mailbox has the message once, if he got it. */
void sim_here_check(const struct sim_rcpt *r);

#endif
