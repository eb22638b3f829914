/* A mailbox as it was at a moment, as far back as the undelete window reaches. */
#ifndef STORE_MAILBOX_AT_H
#define STORE_MAILBOX_AT_H

#include "store/mailbox.h"

#define MAILBOX_NOW INT64_MAX /* the moment that is now */

struct mailbox_at_row {
	int64_t uid;
	int64_t received;
	struct str keywords;
	struct str summary;
	bool lost;                      /* its email or blob has no row: message says only which */
	struct mailbox_message message; /* email, size, prefix, blob, pos */
};

/*
 * The first row behind uid `after` of what was in the mailbox at the moment, its strings in the arena.
 * DB_ROW; DB_OK behind the last.
 */
enum db_code mailbox_at_next(struct db *db, struct arena *a, int64_t account, int64_t mailbox,
    int64_t after, int64_t moment, struct mailbox_at_row *row_r);

#endif
