/*
 * Quota: what the mailboxes of an account, and of all accounts of a domain, may hold, and the mail that
 * warns its owner. What is counted, when, and what becomes of whom: docs/invariants/quota.md.
 */
#ifndef STORE_QUOTA_H
#define STORE_QUOTA_H

#include "store/deliver.h"
#include "store/queue.h"

/* account.quota_* and domain.quota_*: a limit above 0, or one of these. Stored. */
#define QUOTA_DEFAULT ((int64_t)0)
#define QUOTA_NONE    ((int64_t)-1)
#define QUOTA_KEEP    ((int64_t)-2) /* in a change: leave as it is */

/* What is in effect where there is no limit. */
#define QUOTA_INFINITE INT64_MAX

/* account.quota_warned. Stored. */
enum quota_warned {
	QUOTA_ARMED,
	QUOTA_DUE,  /* the usage has passed 90 %, and a warning is to be sent */
	QUOTA_TOLD, /* it was; armed again when the usage falls below 80 % */
};

/* The limits of those that have none of their own; 0: no limit. */
struct quota_defaults {
	int64_t account_bytes, account_messages;
	int64_t domain_bytes, domain_messages;
};

/* A request to the writer lane that puts them in force; they are copied. op.done is the caller's. */
struct quota_change {
	struct lane_op op;
	struct quota_defaults defaults;
};

void quota_change_init(struct quota_change *c, const struct quota_defaults *defaults);

/* The same at once, within the caller's transaction. Only the writer. */
enum db_code quota_set_defaults(struct db *db, const struct quota_defaults *defaults);

/* A warning: a message from the postmaster to the account's address, whatever the quota. */
struct quota_warning {
	struct lane_op op;  /* its done is the caller's */
	void *user;         /* the owner's */
	int64_t account;    /* 0: of a domain, to its postmaster */
	struct str address; /* of the recipient; in the deliver's arena */
	int64_t message_id; /* the warning's own */
	/* the answer */
	bool told;      /* the message was placed */
	struct err why; /* when it was not: it is given up, or comes again when temporary */
	bool temporary;
	/* quota_warning.c's own */
	struct deliver *deliver;
	bool prepared; /* it can be delivered */
};

/*
 * The warning of the next account behind `after` whose is due, or else of a domain, composed and ready for
 * the lane; its id is one of our own that is not in use. DB_ROW with *w_r, DB_OK when there is none, or the failure.
 */
enum db_code quota_warning_next(struct db *db, const struct queue_config *cfg, int64_t after,
    int64_t id, int64_t now, struct quota_warning **w_r);

/* Takes NULL, sets NULL. Not while the lane has it. */
void quota_warning_free(struct quota_warning **w);

#endif
