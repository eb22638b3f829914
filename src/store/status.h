/* The counts that `godwit status` shows of the database. */
#ifndef STORE_STATUS_H
#define STORE_STATUS_H

#include "store/db.h"

struct status {
	int64_t domains;
	int64_t accounts; /* without removed ones */
	int64_t aliases;
	int64_t mailbox_messages; /* over all mailboxes */
	int64_t mailbox_octets;
	int64_t queue_recipients;
	int64_t queue_oldest; /* accepted at, milliseconds; 0: empty queue */
	int64_t destinations; /* with something queued for them */
	int64_t blobs;
	int64_t blob_octets;
	int64_t messages; /* with history */
	int64_t days;     /* folded into sums */
};

/* All in one go: a few scans of counters, no mail is read. *s_r untouched on failure. */
enum db_code status_read(struct db *db, struct status *s_r);

#endif
