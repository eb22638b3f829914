/*
 * Recipients of relay domains in the store process: strangers' RCPT is answered from what is known
 * (store/callout.h), or waits for a moment while a relay asks the domain's own server. Each recipient is asked
 * for once at a time, however many wait for the answer; how much is asked is bounded for each domain and for
 * the network that it is asked for, so that nobody can make us trouble that server.
 */
#ifndef PROC_STORE_CALLOUT_H
#define PROC_STORE_CALLOUT_H

#include "proc/store_front.h"
#include "proc/store_relay.h"

struct store_callouts;

/* For sp->callouts, when the store is open. */
struct store_callouts *store_callouts_new(struct store_process *sp);

/* Nothing is being kept. Takes NULL, sets NULL. */
void store_callouts_free(struct store_callouts **c);

/* Answers a request FS_RCPT for a recipient of a relay domain whose recipients are verified, now or later. */
void store_callouts_rcpt(struct store_front *f, struct ipc_request *r, const struct fs_rcpt *m);

/* Ends such a request. said: of ACCEPT_REFUSED. */
void store_callouts_reply(struct ipc_request *r, enum accept_class class, struct str said);

/* A relay's answer. False: it was not asked. */
bool store_callouts_called(
    struct store_callouts *c, struct store_relay *relay, const struct rs_called *m);

/* A relay has come, or gone. */
void store_callouts_greeted(struct store_callouts *c);
void store_callouts_gone(struct store_callouts *c, struct store_relay *relay);

/* Nobody waits any longer. */
void store_callouts_drain(struct store_callouts *c);

/* What was said is being kept. */
bool store_callouts_busy(const struct store_callouts *c);

#endif
