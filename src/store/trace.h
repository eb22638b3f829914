/*
 * What happened to a message: a timeline made of its message row, its ledger and the events of its
 * queue attempts. An ordinary delivery writes no event of its own; what it did follows from the rows
 * that it wrote anyway.
 */
#ifndef STORE_TRACE_H
#define STORE_TRACE_H

#include "base/arena.h"
#include "store/db.h"

enum trace_kind {
	TRACE_RECEIVED, /* from the message row */
	TRACE_MAILBOX,  /* from the ledger: these four */
	TRACE_RELAYED,
	TRACE_BOUNCED,
	TRACE_DISCARDED,
	TRACE_QUEUED,  /* from the ledger, while it waits */
	TRACE_ATTEMPT, /* written: a delivery attempt and what it came to */
	TRACE_NOTICE,  /* written: anything else */
	TRACE_SENT_ON, /* written: the address that his alias was written to as */
	TRACE_KINDS
};

/* "received", "mailbox" ... */
const char *trace_kind_name(enum trace_kind kind);

struct trace_event {
	int64_t message;
	int64_t time;
	enum trace_kind kind;
	int64_t recipient;  /* its number, -1: the message as a whole */
	struct str address; /* of the recipient, or the reverse-path */
	struct str text;    /* a sentence; of one to append that is SENT_ON: the address alone */
	int64_t dialogue;   /* blob of the SMTP dialogue, 0: none */
};

/* Strings are valid in the call. */
typedef void trace_fn(void *ctx, const struct trace_event *event);

/* Appends an event; only in the writer lane. text is cut at LIMIT_TRACE_TEXT. */
enum db_code trace_append(struct db *db, const struct trace_event *event);

/* The timeline of one message, in order of time. DB_ROW; DB_OK when there is no such message. */
enum db_code trace_message(struct db *db, int64_t message, trace_fn *fn, void *ctx);

/* A Message-ID without blanks and <> around it. */
struct str trace_bare_id(struct str id);

/*
 * A message as an administrator names it: *id_r, else *header_id_r without <>; of an empty `which`, for any, neither. False
 * with neither: it is blank, and names none. *header_id_r is a view of it.
 */
bool trace_choose(struct str which, int64_t *id_r, struct str *header_id_r);

/*
 * Ids of the newest messages that match, newest first, at most max: a message id (13 characters), an
 * address (of the sender, a recipient, or an alias that leads to him, in any spelling: mime/mime_local.h), a
 * Message-ID with or without <>; empty: any.
 */
enum db_code trace_find(struct db *db, struct str what, int64_t *ids, size_t max, size_t *n_r);

/*
 * Makes messages of the lane's past findable by address and Message-ID, some LIMIT_SLICE_ROWS index
 * rows a call (a message is done whole); until then trace_find() reads them one by one. Only in the
 * writer lane. *rows_r: index rows written.
 */
enum db_code trace_index_slice(struct db *db, int64_t *rows_r, bool *more_r);

/* Takes a message out of the index; before its rows go. *rows grows by the rows looked for. */
enum db_code trace_index_drop(struct db *db, int64_t message, int64_t *rows);

/* The same for one address of its recipients. */
enum db_code trace_index_forget(struct db *db, int64_t message, struct str address, int64_t *rows);

/* For the migration from version 1, whose index knew the case of ASCII letters alone. */
enum db_code trace_index_fold(struct db *db);

/* A message whose id lies behind the index's mark is indexed with its delivery or import. */
enum db_code trace_index_late(struct db *db, int64_t message);

/* The same for one recipient more of a message that is there. */
enum db_code trace_index_recipient(struct db *db, int64_t message, struct str address);

#endif
