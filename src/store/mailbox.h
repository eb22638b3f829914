/*
 * Mailboxes: snapshots, entries, contents, and taking messages out (keywords: mailbox_keywords.h).
 * docs/invariants/mailbox.md.
 *
 * A snapshot is (highest uid, modseq): the rows with uid <= it that were not expunged at that modseq.
 * It holds no transaction and no lock; two at once on a mailbox know nothing of each other. A
 * message's number is its place in the snapshot, from 1, and never changes in it.
 */
#ifndef STORE_MAILBOX_H
#define STORE_MAILBOX_H

#include "base/arena.h"
#include "base/ranges.h"
#include "store/blob.h"
#include "store/lane.h"

/* Ids of the mailboxes every account is born with; `role` has the same values. */
enum mailbox_role {
	MAILBOX_NO_ROLE = 0,
	MAILBOX_INBOX = 1,
	MAILBOX_DRAFTS,
	MAILBOX_SENT,
	MAILBOX_JUNK,
	MAILBOX_TRASH,
	MAILBOX_ARCHIVE,
	MAILBOX_ROLES
};

/* The name a mailbox of this role is made with: "INBOX", "Drafts" ... */
const char *mailbox_role_name(enum mailbox_role role);

struct mailbox_snapshot {
	int64_t account;
	int64_t mailbox;
	int64_t uid_limit; /* highest uid it may hold */
	int64_t modseq;
	int64_t counted; /* messages, by the mailbox's counter, when it was begun */
	int64_t octets;  /* of the messages scanned so far; of all when complete */
	int64_t scanned; /* uids up to this one are in `uids` */
	bool complete;
	struct ranges uids; /* the n-th member is message n */
};

/*
 * Begins a snapshot of a mailbox as it is now. DB_ROW and *s_r; DB_OK, untouched, when the account
 * has no such mailbox; else the failure. mailbox_snapshot_scan() must follow until it is complete.
 */
enum db_code mailbox_snapshot_begin(
    struct db *db, int64_t account, int64_t mailbox, struct mailbox_snapshot *s_r);

/* Reads up to max_rows further rows; in any number of transactions, whatever happens between them. */
enum db_code mailbox_snapshot_scan(struct db *db, struct mailbox_snapshot *s, int64_t max_rows);

struct mailbox_short {
	int64_t counted; /* messages, by the mailbox's counter */
	int64_t found;
};

/*
 * Whether a complete snapshot has fewer messages than its mailbox counts, for rows are lost: pages of the database
 * may hide them without an error. DB_ROW and *short_r; DB_OK, untouched, when it has them all; else the failure.
 * Where fewer were found, perhaps for some were purged meanwhile, all are counted again, in this read transaction.
 */
enum db_code mailbox_snapshot_short(
    struct db *db, const struct mailbox_snapshot *s, struct mailbox_short *short_r);

/* Frees its memory. */
void mailbox_snapshot_fini(struct mailbox_snapshot *s);

/* Messages in a complete snapshot. */
static inline int64_t mailbox_snapshot_count(const struct mailbox_snapshot *s)
{
	return s->uids.count;
}

/*
 * Adds the uids of message numbers of a complete snapshot, all behind those that are there. False, nothing
 * added, when one is no message of it.
 */
bool mailbox_snapshot_uids(
    const struct mailbox_snapshot *s, const struct ranges *numbers, struct ranges *uids);

struct mailbox_entry {
	int64_t number;
	int64_t uid;
	int64_t email; /* POP3's unique-id, IMAP's EMAILID, JMAP's id */
	int64_t size;  /* octets of prefix and blob */
};

/* Entries of messages first, first + 1, ...: at most max of them; *n_r = 0 behind the last. */
enum db_code mailbox_entries(struct db *db, const struct mailbox_snapshot *s, int64_t first,
    struct mailbox_entry *v, size_t max, size_t *n_r);

/* ---- contents: prefix and blob as one ---- */

struct mailbox_message {
	int64_t email;
	int64_t size;
	struct str prefix; /* in the arena it was read into */
	int64_t blob;
	struct blob_pos pos;
	bool changed; /* its rows are not what was written: it is not handed out */
};

/* Where message `number` lies. DB_ROW; DB_OK, *m_r untouched, when it is not there (any more). */
enum db_code mailbox_message(struct db *db, struct arena *a, const struct mailbox_snapshot *s,
    int64_t number, struct mailbox_message *m_r);

struct mailbox_source;

/*
 * Opens a message for reading from `offset` (0 to its size); its blob stays until the close. m's
 * prefix is borrowed until then. BLOB_GONE and BLOB_DAMAGED as blob_open(); BLOB_DAMAGED also when its rows
 * are not what was written.
 */
enum blob_code mailbox_source_open(struct blob_store *blobs, const struct mailbox_message *m,
    int64_t offset, struct mailbox_source **source_r, struct err *e);

/* The next at most n octets; *got_r = 0 at the end. Any thread, one at a time. As blob_read(). */
enum blob_code mailbox_source_read(struct mailbox_source *s, void *p, size_t n, size_t *got_r);

/* Takes NULL, sets NULL. */
void mailbox_source_close(struct mailbox_source **s);

/* ---- taking messages out ---- */

#define MAILBOX_EXPUNGE_SLICE 2000 /* messages in one commit */
#define MAILBOX_NAMED         100  /* of them, those that the log names */

/* Messages of a slice, for the log: the first ones, and whose they are. */
struct mailbox_named {
	size_t n;
	int64_t ids[MAILBOX_NAMED];
	uint8_t address[LIMIT_ADDRESS];
	size_t address_len;
};

void mailbox_name(struct mailbox_named *named, int64_t email);

/* Reads the address of the account. */
enum db_code mailbox_name_owner(struct db *db, int64_t account, struct mailbox_named *named);

static inline struct str mailbox_named_address(const struct mailbox_named *named)
{
	return str_of(named->address, named->address_len);
}

/*
 * Expunges uids, a slice each time it is submitted, so that nobody waits for a large one: up to
 * MAILBOX_EXPUNGE_SLICE all or nothing. After LANE_DONE mailbox_expunge_go_on() says whether to submit
 * it again. One that is expunged already, by another session, is fine. The rows keep their blobs
 * until `undelete` has passed. The trace of each message that still has one says who deleted it, and how.
 */
struct mailbox_expunge {
	struct lane_op op;
	int64_t account;
	int64_t mailbox;
	const char *protocol; /* by which the user deletes: "POP3" */
	struct ranges uids;   /* owned: mailbox_expunge_fini() */
	/* the answer */
	bool missing;               /* the account or mailbox is gone: nothing was done */
	int64_t expunged;           /* taken out by this request, all slices */
	struct mailbox_named named; /* of the last slice */
	/* mailbox_expunge.c's own: where the slice begins, and what it did */
	size_t at;
	int64_t uid;
	size_t next_at;
	int64_t next_uid;
	int64_t slice;
};

/* Zeroes the rest, sets op.exec. op.done is the caller's; protocol is borrowed. */
void mailbox_expunge_init(
    struct mailbox_expunge *x, int64_t account, int64_t mailbox, const char *protocol);
void mailbox_expunge_fini(struct mailbox_expunge *x);

/* After each slice that was committed. True: there is another, submit it again. */
bool mailbox_expunge_go_on(struct mailbox_expunge *x);

/* After its exec: nothing is left behind the slice that it did. */
bool mailbox_expunge_is_last(const struct mailbox_expunge *x);

/* ---- for store/directory.c and store/deliver.c ---- */

/* Makes the mailboxes every account has. uidvalidity: from now. */
enum db_code mailbox_create_all(struct db *db, int64_t account, int64_t now);

#endif
