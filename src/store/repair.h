/*
 * Puts right what store/verify.h finds, in a store that nobody else uses, whose pages are sound. Messages
 * whose content is damaged or lost go out of their mailboxes and the queue, what is left of them into
 * quarantine/; their ledger rows say "discarded: damaged", so that the books balance. All others stay as
 * they are, with their ids and uids. Each change is a commit of its own, and doing all of it again is
 * right.
 */
#ifndef STORE_REPAIR_H
#define STORE_REPAIR_H

#include "base/str.h"
#include "store/store.h"

struct repair {
	/* A message that was given up: its accounts' emails one by one; file: where the rest of it is. */
	void (*on_message)(void *ctx, int64_t message, int64_t account, const char *file);
	/*
	 * May be NULL. Called when what can be held by rows is, and its references are counted, before what is
	 * lost is written off in the ledger: takes in what no row holds. False with err set.
	 */
	bool (*recover)(void *ctx);
	void *ctx;
	struct str who, what; /* the row of the record of administrators, as all this begins */
	int64_t record;       /* its id; before: of one whose place it takes, or 0 */
	/* the answer */
	int64_t damaged;  /* messages given up */
	int64_t indexed;  /* blobs found in the packs whose rows were lost */
	int64_t returned; /* packs that were set aside, hold what is missed, and are in use again */
	int64_t mended;   /* rows of messages that are what was written again */
	int64_t remade;   /* messages in mailboxes whose rows were lost */
	int64_t accounts; /* that lost their row, and have one again */
	int64_t reindexed; /* tables whose indexes were made anew */
	bool beyond;       /* the database itself is damaged: only store/salvage.h helps */
	int64_t moved; /* packs whose sound messages were copied, and that went to quarantine/ */
	struct err err;
};

/* Blocks until all is done. False with err set: run it again when that is cured. */
bool repair_run(struct repair *r, struct store *s);

#endif
