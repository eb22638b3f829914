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
};

/*
 * No table of mail is read; accounts, aliases and the queue are counted, so it is work for a reader's
 * thread. *s_r untouched on failure.
 */
enum db_code status_read(struct db *db, struct status *s_r);

#endif
