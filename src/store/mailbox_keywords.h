/*
 * Changing keywords (IMAP's flags and keywords, JMAP's keywords) of messages in a mailbox: one request to
 * the writer lane, in slices as deletions are. docs/invariants/mailbox.md.
 *
 * Keywords belong to the email: what is changed in one mailbox is changed in all that it is in. They
 * have the form of mime/mime_keywords.h; \Seen is "$seen" [RFC 8621 4.1.1].
 */
#ifndef STORE_MAILBOX_KEYWORDS_H
#define STORE_MAILBOX_KEYWORDS_H

#include "store/admin_log.h"
#include "store/mailbox.h"

#define MAILBOX_KEYWORDS_SLICE 500 /* messages looked at in one commit */

/*
 * Adds and removes keywords of uids, a slice each time it is submitted. After LANE_DONE look at the
 * slice's answer, then mailbox_keywords_go_on() says whether to submit it again. Each slice is durable
 * as a whole or has no effect. A uid that is not in the mailbox is passed over, a message that has the
 * keywords already stays as it is, and a slice that changes nothing writes nothing.
 */
struct mailbox_keywords {
	struct lane_op op;
	int64_t account;
	int64_t mailbox;
	struct ranges uids; /* owned: mailbox_keywords_fini() */
	/* ---- what to do: as mime_keywords_put() writes them, borrowed until the last done ---- */
	bool replace;      /* all that are there are removed */
	struct str remove; /* else these */
	struct str add;
	bool conditional; /* only where nothing changed since: UNCHANGEDSINCE [RFC 7162 3.1.3] */
	int64_t unchanged_since;         /* modseq */
	struct mailbox_expunge *expunge; /* NULL, or mailbox_keywords_after()'s */
	struct admin_tally
	    *tally; /* the record of it, where there is no expunge, borrowed; NULL: none */

	/* ---- the answer, of one slice ---- */
	bool missing;               /* the account or mailbox is gone: nothing was done */
	int64_t modseq;             /* of the messages changed; 0: none was */
	struct ranges changed;      /* uids */
	struct ranges modified;     /* left as they are: changed since unchanged_since */
	struct ranges full;         /* left as they are: they would have too many keywords */
	struct mailbox_named named; /* of those changed */
	/* ---- of all slices that were committed ---- */
	int64_t total; /* messages changed */

	/* ---- mailbox_keywords.c's own: where the slice begins and ends ---- */
	size_t at, next_at;
	int64_t uid, next_uid;
};

/* Zeroes the rest, sets op.exec. op.done is the caller's. */
void mailbox_keywords_init(struct mailbox_keywords *k, int64_t account, int64_t mailbox);
void mailbox_keywords_fini(struct mailbox_keywords *k);

/*
 * What a session deletes as it ends, at least one uid, is done before in the same requests: its last
 * slice and the first one of keywords are one commit. x is borrowed until the last done and not
 * submitted itself.
 */
void mailbox_keywords_after(struct mailbox_keywords *k, struct mailbox_expunge *x);

/* After each slice that was committed, those of `expunge` too. True: there is another, submit it again. */
bool mailbox_keywords_go_on(struct mailbox_keywords *k);

/* ---- what there is ---- */

struct mailbox_keywords_row {
	int64_t uid, email;
	int64_t received;
	int64_t size;
	struct str keywords;
};

/*
 * The first live message behind uid `after`, with its keywords in the arena. email: only this one, 0: any.
 * DB_ROW; DB_OK behind the last.
 */
enum db_code mailbox_keywords_next(struct db *db, struct arena *a, int64_t account, int64_t mailbox,
    int64_t after, int64_t email, struct mailbox_keywords_row *row_r);

#endif
