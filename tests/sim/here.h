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
	    until; /* mono: it takes no reports; since 0: it does, until INT64_MAX: it does not yet */
	bool gone;   /* for it was removed: the postmaster is told in its place */
	bool unsure; /* it is being changed at this moment */
};
const struct sim_shut *sim_shut(void);

/* The end of a week: his mailbox has the message once, if he got it. */
void sim_here_check(const struct sim_rcpt *r);

#endif
