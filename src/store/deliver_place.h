/* Inside of a delivery: the rows of one copy, one queue entry, one ledger entry. For deliver.c. */
#ifndef STORE_DELIVER_PLACE_H
#define STORE_DELIVER_PLACE_H

#include "store/deliver.h"
#include "store/ledger.h"
#include "store/queue.h"

/* One run of the request; begun anew when the lane runs it again. */
struct placing {
	struct deliver *d;
	struct db *db;
	int64_t now;
	int64_t length;         /* octets of the blob */
	int64_t release;        /* when it may go, as its sender wishes; 0: now */
	struct buf prefix;      /* of the recipient at hand */
	int64_t rows;           /* ledger rows written */
	int64_t extra;          /* numbers given behind those of the recipients */
	int64_t refs;           /* emails and queue rows that hold the blob */
	struct str destination; /* of the last queue row: its destination row is there */
	struct str sender; /* as routes by senders are compared; made when it is first needed */
	enum db_code code; /* the first failure of the database; every step after it does nothing */
};

/* Remembers the failure; true when there is one by now. */
bool placing_failed(struct placing *p, enum db_code code);

/*
 * The copy of an account (t, not one elsewhere), in the mailbox that item (PLAN_MAILBOX; NULL: INBOX)
 * names; nothing when the account has one already. *mailbox_r: the name of the new copy's mailbox, empty
 * without one.
 */
void placing_copy(struct placing *p, const struct directory_target *t, const struct plan_item *item,
    struct str *mailbox_r);

/*
 * A queue row for recipient number: waiting for domain or, refused for good, to be returned. forwarder:
 * the alias that leads to him, which the trace then tells; empty: none.
 */
void placing_queue(struct placing *p, int64_t number, struct str domain, struct str address,
    struct str forwarder, const struct deliver_recipient *from, const struct plan_reject *refused);

/*
 * A queue row of a recipient who is put into the mailbox of the account `address` at p->release. postmaster:
 * his address (directory_target.postmaster) when it is his mail, which is never refused; else empty.
 */
void placing_here(struct placing *p, int64_t number, struct str address, struct str postmaster,
    const struct deliver_recipient *from);

/*
 * A row that tells the sender what became of recipient i, if he wants to hear of success: that the
 * message is in a mailbox, or was sent on to all addresses behind his.
 */
void placing_tell(struct placing *p, size_t i, enum queue_report_kind report);

/* Says in the trace why recipient i, of a relay domain, was taken. */
void placing_note_backup(struct placing *p, size_t i, const struct directory_answer *answer);

/* A ledger row. */
void placing_ledger(struct placing *p, int64_t number, struct str address, enum ledger_state state,
    int64_t account, struct str detail);

/* The message, its blob, and what makes it findable. The last rows. */
void placing_message(struct placing *p);

#endif
