/*
 * A mailbox as it was at a moment, as far back as the undelete window reaches: message by message, in any number
 * of transactions, and past whatever is damaged.
 */
#ifndef STORE_MAILBOX_AT_H
#define STORE_MAILBOX_AT_H

#include "store/mailbox.h"

#define MAILBOX_NOW INT64_MAX /* the moment that is now */

#define MAILBOX_AT_PAGE 100 /* rows that are read at a time */

enum mailbox_at_kind {
	MAILBOX_AT_MESSAGE,
	MAILBOX_AT_DAMAGE, /* messages that cannot be named are missing: `why` says it */
	MAILBOX_AT_PAUSE,  /* nothing yet: others may have their turn */
};

struct mailbox_at_row {
	enum mailbox_at_kind kind;
	int64_t missing; /* with MAILBOX_AT_DAMAGE: how many; 0: not known */
	int64_t received;
	struct str keywords;
	struct str summary;
	struct str why; /* it cannot be given, or what is missing; empty: it can be */
	struct mailbox_message
	    message; /* email, size, prefix, blob, pos; with `why` the first two */
};

/* A row of the mailbox, as it lies there. */
struct mailbox_at_member {
	int64_t uid, email, size, modseq, created, expunged_modseq, expunged_at;
};

struct mailbox_at {
	int64_t account, mailbox, moment;
	/* mailbox_at.c's own */
	struct mailbox_at_member rows[MAILBOX_AT_PAGE + 2]; /* a page, its neighbours */
	size_t at, n;                                       /* of them: the next one, all */
	bool full;                                          /* others may follow behind them */
	struct mailbox_at_member last, expected; /* the one taken last, the one behind it */
	bool expects;                            /* `expected` is known */
	int64_t base, place; /* the last one is number `place` (from 1) behind uid `base` */
	int64_t live;        /* rows taken that are not expunged */
	int64_t limit;       /* uids of the mailbox are lower; 0: not read yet */
	int64_t reach;       /* the highest of such uids so far */
	bool torn;           /* pages could not be read */
	bool astray;         /* a uid led back to rows that were taken */
	bool stepped;        /* nothing was read yet behind the beginning, or a step */
	int steps;           /* places that were stepped over */
	bool at_end, told;   /* nothing more is found; that some are missing was said */
};

/* Begins at the first message. */
void mailbox_at_begin(struct mailbox_at *w, int64_t account, int64_t mailbox, int64_t moment);

/* Another transaction has begun: rows that were read ahead count no more. */
void mailbox_at_turn(struct mailbox_at *w);

/*
 * What comes next, its strings in the arena: DB_ROW; DB_OK behind the last. Pages of the database that cannot be
 * read are told in rows; DB_BUSY and the like end it.
 */
enum db_code mailbox_at_next(
    struct db *db, struct arena *a, struct mailbox_at *w, struct mailbox_at_row *row_r);

#endif
