/*
 * A day of one account while things fail, and the books of what its owner was told: what was answered is
 * there after a restart, what was not is there whole or not at all, and the audit balances.
 */
#ifndef TESTS_DAY_H
#define TESTS_DAY_H

#include "rig.h"

#define DAY_MAILS 5 /* the third is streamed, and a pack of its own */

struct day {
	int64_t ids[DAY_MAILS]; /* 0: not tried */
	bool sent[DAY_MAILS];   /* 250 */
	bool refused[DAY_MAILS];
	bool deleted;   /* the first two: +OK to his QUIT */
	bool deleting;  /* ... or no answer that he could trust */
	int64_t marked; /* uid of a mail that he has marked, 0: none */
	bool marking;   /* no answer to that that he could trust */
	bool compacted; /* the streamed one's pack is gone */
};

/* Makes the account in a new store; its number. */
int64_t day_account(struct rig *r);

/* The books are kept up to date at each moment: it may not return. */
void day_live(struct day *d, struct rig *r, int64_t account);

/* Compares what is there with the books; fails the test. */
void day_check(const struct day *d, struct rig *r, int64_t account);

/* All was answered well. */
bool day_was_good(const struct day *d);

#endif
