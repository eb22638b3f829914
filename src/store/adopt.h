/*
 * Messages whose content the packs hold and that have lost their rows. Where a mailbox or the ledger still
 * says who has one, it has its row again; else it comes to the mailbox ADOPT_MAILBOX of him for whom it was
 * taken, as far as it tells that itself, or of one account that is named.
 */
#ifndef STORE_ADOPT_H
#define STORE_ADOPT_H

#include "store/store.h"

#define ADOPT_MAILBOX "recovered"

struct adopt {
	int64_t account;    /* that gets what nothing tells the owner of */
	struct str address; /* of it */
	/* the answer */
	int64_t remade; /* copies that have their row again */
	int64_t taken;  /* copies in such mailboxes */
	int64_t owned;  /* of these, in accounts of those who had them */
	struct err err;
};

/*
 * Copies that have lost their row, in the course of a repair: links, references, and what is in mailboxes it
 * puts right afterwards. False with err set.
 */
bool adopt_rows(struct adopt *a, struct store *s);

/*
 * What nobody holds, behind that (struct repair: recover), when references are counted. The first Received
 * field, when it is ours, tells whose it is. What the ledger knows to be over, and dialogues, are left. False
 * with err set: what is not taken yet is taken by the next attempt.
 */
bool adopt_run(struct adopt *a, struct store *s);

#endif
