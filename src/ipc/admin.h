/*
 * The edge between the command line and store: DATA/run/admin.sock, or the same request executed
 * in-process while no server runs. One request, a stream of records, one reply.
 *
 * A record is a list of named, typed fields, so that the command line prints tables and JSON without
 * knowing what they mean. The store checks who asks (SO_PEERCRED): root, the store's own user, or
 * the owner of the data directory.
 */
#ifndef IPC_ADMIN_H
#define IPC_ADMIN_H

#include "base/buf.h"
#include "base/cur.h"
#include "base/limits.h"
#include "ipc/link.h"

enum admin_command {
	ADMIN_STATUS,      /* ()                                            1 record + processes */
	ADMIN_DOMAIN_ADD,  /* (domain, kind: "local", "relay" or "relay-unverified") */
	ADMIN_DOMAIN_KIND, /* (domain, kind) */
	ADMIN_DOMAIN_LIST, /* () */
	ADMIN_DOMAIN_REMOVE,   /* (domain) */
	ADMIN_ACCOUNT_ADD,     /* (address, password, flags: "" or "send-only") */
	ADMIN_ACCOUNT_LIST,    /* (domain or "") */
	ADMIN_ACCOUNT_PASSWD,  /* (address, password) */
	ADMIN_ACCOUNT_DISABLE, /* (address) */
	ADMIN_ACCOUNT_ENABLE,  /* (address) */
	ADMIN_ACCOUNT_REMOVE,  /* (address) */
	ADMIN_ALIAS_ADD,       /* (address or @domain, target) */
	ADMIN_ALIAS_LIST,      /* (domain or "") */
	ADMIN_ALIAS_REMOVE,    /* (address, target or "" for all of them) */
	ADMIN_TRACE,           /* (message id, address, Message-ID, or "" for the newest; limit;
	                        * "dialogue" or "") */
	ADMIN_AUDIT,           /* () */
	ADMIN_TEST_DELIVERY, /* (from, to, ip, header of the message, size, "json" or "", "bare-cr": it
	                        * has one, or "") */
	ADMIN_QUEUE_LIST, /* (message id, address or domain; recipient or his domain; sender or his
	                   * domain or "<>"; age: "" for any; so the next six) */
	ADMIN_QUEUE_EXPLAIN,
	ADMIN_QUEUE_RETRY,
	ADMIN_QUEUE_HOLD,
	ADMIN_QUEUE_RELEASE,
	ADMIN_QUEUE_REMOVE,
	ADMIN_QUEUE_CANCEL,
	ADMIN_QUEUE_BOUNCE,
	ADMIN_QUEUE_SUMMARY, /* () */
	ADMIN_QUEUE_SHOW,    /* (as ADMIN_QUEUE_LIST): of each message 1 record + recipients */
	ADMIN_UNDELETE, /* (address, message id or Message-ID or "", expunged since when or "") */
	ADMIN_EXPORT,   /* (address, path of a mailbox or "" for all, as of when or "" for now):
	               * records "mailbox", "message", "data", "end" */
	ADMIN_IMPORT, /* (address, store the ids are of or "", and to make the account: hash or "",
	               * "send-only" or "", quota as of ADMIN_ACCOUNT_QUOTA, language or "", "disabled" or
	               * ""), a feed of frames as below: a record for each message */
	ADMIN_BACKUP, /* (store that the asker has packs of, or "", and the mark of their moment, or 0), a feed of
	               * pairs (pack, place): from the first place of a pack on he wants it, up to the second,
	               * and so on: records "progress", "store", "data" of the database, then for each pack
	               * "pack", "data" and "hole" of what he wants, "seek" where that goes on elsewhere, "end" */
	ADMIN_ACCOUNT_QUOTA, /* (address, octets or "none", "default", "" as it is; messages likewise) */
	ADMIN_DOMAIN_QUOTA,     /* (domain, likewise) */
	ADMIN_ACCOUNT_LANGUAGE, /* (address, a language tag or "auto") */
	ADMIN_LEDGER,           /* (limit): what administrators changed, the newest first */
	ADMIN_VERIFY, /* (octets of packs to read a second, 0: as fast as it goes): records "progress",
	               * "finding" */
	ADMIN_REPAIR,  /* (), only without a server: a record for each message given up */
	ADMIN_SALVAGE, /* (address), likewise: who gets the messages whose owner nothing tells */
	ADMIN_ACCOUNT_SEND_ONLY, /* (address, "on" or "off") */
	ADMIN_ACCOUNT_CHECK, /* (address, "add" or "passwd"): would this be refused? Nothing is changed */
	ADMIN_FLAGS, /* (address, path of a mailbox or "" for all, message id or Message-ID or "", keywords
	              * to remove, to add): lists them where there are none to remove or add */
	ADMIN_ASIDE,   /* (): a record for each pack that is set aside */
	ADMIN_DISCARD, /* (number of such a pack or "all") */
	ADMIN_COMMANDS
};

#define ADMIN_ARGS_MAX 8
#define ADMIN_ARG_MAX  (64 * KIB)
#define ADMIN_RAW_MAX  (64 * KIB)

/* A request is answered by a stream of records and a reply; to a feed a stream goes up as well. */
enum admin_type {
	ADMIN_CALL,
	ADMIN_FEED,
	ADMIN_TYPES
};

extern const struct ipc_edge admin_edge;

struct admin_request {
	enum admin_command command;
	size_t nargs;
	struct str args[ADMIN_ARGS_MAX]; /* borrowed */
};

void admin_request_put(struct buf *b, const struct admin_request *r);

/* The strings point into payload. False for anything malformed; *r_r untouched. */
bool admin_request_get(struct str payload, struct admin_request *r_r);

/* ---- records ---- */
enum admin_kind {
	ADMIN_TEXT, /* UTF-8, may come from outside: escape before printing */
	ADMIN_INT,
	ADMIN_TIME, /* milliseconds since 1970 UTC */
	ADMIN_BOOL,
	ADMIN_BYTES, /* an amount of storage */
	ADMIN_LINES, /* as ADMIN_TEXT, of several lines: for people it stands below its row */
	ADMIN_RAW,   /* octets of a message or file, never printed */
	ADMIN_KINDS
};

struct admin_field {
	enum admin_kind kind;
	struct str name;
	struct str text; /* ADMIN_TEXT, ADMIN_LINES, ADMIN_RAW */
	int64_t number;  /* all others */
};

/*
 * Writing one record: begin, fields, end (which patches the length). The first field of a record
 * may be "type" when a stream mixes several kinds of records (status: "server", "process").
 */
size_t admin_record_begin(struct buf *b);
void admin_record_text(struct buf *b, const char *name, struct str text);
void admin_record_lines(struct buf *b, const char *name, struct str text);
void admin_record_raw(struct buf *b, const char *name, struct str bytes); /* <= ADMIN_RAW_MAX */
void admin_record_number(struct buf *b, enum admin_kind kind, const char *name, int64_t number);
void admin_record_end(struct buf *b, size_t begin);

/*
 * Reading: takes one record from the front of *stream when it is whole (*record_r is its inside).
 * 1: taken, 0: more bytes needed, -1: malformed.
 */
int admin_record_next(struct str *stream, struct str *record_r);

/* Next field of a record's inside. 1: taken, 0: at its end, -1: malformed. */
int admin_field_next(struct cur *record, struct admin_field *field_r);

/* ---- what ADMIN_IMPORT is fed: frames ---- */
enum admin_feed_kind {
	ADMIN_FEED_BEGIN, /* struct admin_feed_begin */
	ADMIN_FEED_DATA,  /* octets of the content */
	ADMIN_FEED_END,   /* struct admin_feed_end: the message is whole */
	ADMIN_FEED_DROP,  /* it is not wanted after all */
	ADMIN_FEED_KINDS
};

#define ADMIN_FEED_FRAME (48 * KIB) /* of a frame, at most */

struct admin_feed_begin {
	struct str path;   /* of the mailbox */
	int64_t id;        /* that it had in the store named by the command; 0: none */
	int64_t length;    /* of the content of one with an id */
	struct str prefix; /* stands in front of the content */
};

struct admin_feed_end {
	int64_t received;    /* milliseconds since 1970 */
	struct str keywords; /* as mime_keywords_put() writes them */
	struct str summary;
};

void admin_feed_begin_put(struct buf *b, const struct admin_feed_begin *m);
void admin_feed_data_put(struct buf *b, struct str bytes);
void admin_feed_end_put(struct buf *b, const struct admin_feed_end *m);
void admin_feed_drop_put(struct buf *b);

/* Takes a frame from the front of *stream: 1 and its kind and payload, 0: more is needed, -1: malformed. */
int admin_feed_next(struct str *stream, enum admin_feed_kind *kind_r, struct str *payload_r);

bool admin_feed_begin_get(struct str payload, struct admin_feed_begin *m_r);
bool admin_feed_end_get(struct str payload, struct admin_feed_end *m_r);

/* ---- the final reply ---- */
struct admin_reply {
	uint8_t exit_code; /* 0, or one of sysexits.h */
	struct str text;   /* a sentence for a person; borrowed */
};

void admin_reply_put(struct buf *b, const struct admin_reply *r);
bool admin_reply_get(struct str payload, struct admin_reply *r_r);

#endif
