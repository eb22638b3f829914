/*
 * Bringing back what was expunged and not yet purged: each message gets a new uid in the mailbox it
 * was in and keeps its email id, because the id stands for content and that never changed.
 * docs/invariants/mailbox.md.
 */
#ifndef STORE_UNDELETE_H
#define STORE_UNDELETE_H

#include "store/admin_log.h"

#define UNDELETE_SLICE 50 /* messages looked at in one commit */

/*
 * A slice as a request to the writer lane. Zero it, set the inputs, then undelete_init(); while more,
 * set after = next, tell the tally, and submit it again. What was brought back is not brought back again.
 */
struct undelete {
	struct lane_op op;
	int64_t account;
	int64_t since;             /* expunged at this moment or later */
	int64_t email;             /* only this one; 0: any */
	struct str header_id;      /* only of this Message-ID, without <>; empty: any */
	struct admin_tally *tally; /* the record of it, borrowed until the last done; NULL: none */
	struct undelete_at {
		int64_t mailbox, uid;
	} after; /* zero: from the first */
	/* the answer */
	bool more;
	struct undelete_at next;
	int64_t restored, left; /* left: its quota, or it is disabled or send-only */
};

/* Sets op.exec; op.done is the caller's. */
void undelete_init(struct undelete *u);

#endif
