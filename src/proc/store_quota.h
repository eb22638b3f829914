/* Warnings to owners of mailboxes that are nearly full, in the store process. */
#ifndef PROC_STORE_QUOTA_H
#define PROC_STORE_QUOTA_H

#include "config/config.h"
#include "store/quota.h"

struct store_process;

struct store_quota {
	struct store_process *sp;
	int64_t after;              /* accounts up to here have been looked at */
	bool warning;               /* the lane has one */
	struct quota_change change; /* of the defaults */
	bool changing, again;
};

/* The store and its queue are open. */
void store_quota_init(struct store_quota *q, struct store_process *sp);

/* Sends the next warning that is due, if there is one. */
void store_quota_turn(struct store_quota *q);

/* Puts the limits of the present configuration in force. */
void store_quota_configure(struct store_quota *q);

/* The lane has a request of it. */
bool store_quota_busy(const struct store_quota *q);

/* The limits of a configuration. */
struct quota_defaults store_quota_defaults(const struct config_snapshot *c);

#endif
