/* Recipients whose mail is put into a mailbox here later than it was accepted, as its sender wishes. */
#ifndef STORE_QUEUE_HERE_H
#define STORE_QUEUE_HERE_H

#include "store/queue_report.h"

/*
 * Puts the message into the mailbox of each of r->rows, in the writer lane: the recipient's ledger row
 * is settled and his queue row gone, or only tells; one who cannot have it now is tried again by the
 * policy, his not_before being no later than his next warning and his end; one who cannot have it at all
 * waits for his report.
 */
enum db_code queue_here_place(struct queue_report *r, struct db *db, int64_t now);

#endif
