/*
 * The conservation law: every accepted recipient is at any time in exactly one of {mailbox, relayed,
 * bounced, discarded with a reason, queued}. The ledger has one row for each; the audit proves it.
 */
#ifndef STORE_LEDGER_H
#define STORE_LEDGER_H

#include "store/rows.h"

enum ledger_state {
	LEDGER_MAILBOX,
	LEDGER_RELAYED,
	LEDGER_BOUNCED,
	LEDGER_DISCARDED,
	LEDGER_QUEUED,
	LEDGER_STATES
};

/* "mailbox", "relayed" ... */
const char *ledger_state_name(enum ledger_state state);

struct ledger_row {
	int64_t message;
	int64_t recipient; /* number, from 0; those an alias added come behind the accepted ones */
	struct str address;
	enum ledger_state state;
	int64_t account;   /* LEDGER_MAILBOX: whose */
	struct str detail; /* mailbox (empty: that of another recipient's copy), next hop, reason */
	int64_t time;
};

/* A new row; DB_CONSTRAINT when there is one for the recipient. Only in the writer lane. */
enum db_code ledger_add(struct db *db, const struct ledger_row *row);

/*
 * From LEDGER_QUEUED to a final state. *changed_r: false when the row is not queued (a result that
 * came twice): nothing was done. Only in the writer lane.
 */
enum db_code ledger_settle(struct db *db, const struct ledger_row *row, bool *changed_r);

struct ledger_day {
	int64_t day; /* its first millisecond, UTC */
	int64_t messages;
	int64_t accepted; /* recipients, by the message rows */
	int64_t in[LEDGER_STATES];
};

enum ledger_fault {
	LEDGER_COUNT,          /* ledger rows are missing or too many */
	LEDGER_NO_MESSAGE,     /* ledger rows without a message row */
	LEDGER_NO_EMAIL,       /* in a mailbox, says the ledger; the copy is not there */
	LEDGER_NO_QUEUE,       /* queued, says the ledger; no queue row */
	LEDGER_TWO_STATES,     /* final, says the ledger; still in the queue */
	LEDGER_NO_BLOB,        /* its copy or queue row has no blob */
	LEDGER_MAILBOX_COUNTS, /* a mailbox's counters differ from its rows; account is set */
	LEDGER_ACCOUNT_COUNTS, /* an account's usage differs from its mail; account is set */
	LEDGER_DAY,            /* a day's sums do not hold; day is set */
	LEDGER_DAYS_LOST,      /* days are missing */
	LEDGER_DOMAIN_COUNTS,  /* a domain's usage differs from its accounts'; domain is set */
	LEDGER_LINKS,          /* not in as many mailboxes as it should be; account is set */
	LEDGER_GONE,           /* taken, and neither message nor ledger have a row of it */
	LEDGER_NO_CREDENTIAL,  /* nobody can log in to the account; account is set */
	LEDGER_NO_ACCOUNT,     /* mailboxes of an account without a row; account is set */
	LEDGER_NO_DESTINATION, /* the queue row's destination has no row; recipient is set */
	LEDGER_NO_PACK,        /* its blob lies in a pack without a row; pack is set */
	LEDGER_NO_FILE,        /* its blob lies in a pack whose file is gone; pack is set */
	LEDGER_REFERENCES,  /* what refers to a blob is gone, or more does; there, should are set */
	LEDGER_NO_LEASE,    /* the queue row's lease has no row; recipient is set */
	LEDGER_NO_COUNTERS, /* rows of meta are gone; there, should are set */
	LEDGER_NO_GIVEN,    /* what meta was given once is gone, or was made anew */
	LEDGER_ROWS,        /* + enum rows_table: has not as many rows as it should */
	LEDGER_FAULTS = LEDGER_ROWS + ROWS_TABLES
};

/* Of LEDGER_NO_GIVEN. */
#define LEDGER_TEXT_GIVEN                                                                                     \
	"the store's identity, its key of return addresses, the moment up to which deleted mail is gone, or " \
	"the count of its backups is missing, or was made anew"

/* The fault in a sentence, to follow the message's or account's name. */
const char *ledger_fault_text(enum ledger_fault fault);

/* One that store/verify.h's own rules find too. */
bool ledger_fault_is_of_rows(enum ledger_fault fault);

/* Ids from *first_r on: of no such message the history was folded. */
enum db_code ledger_unfolded(struct db *db, int64_t *first_r);

struct ledger_finding {
	enum ledger_fault fault;
	int64_t message;   /* 0 for the faults of accounts */
	int64_t recipient; /* -1: the message as a whole */
	int64_t account;
	struct str domain;     /* valid in the call */
	int64_t day;           /* its first millisecond, 0: none */
	int64_t pack;          /* 0: none */
	int64_t there, should; /* LEDGER_ROWS, LEDGER_NO_COUNTERS, LEDGER_REFERENCES: how many */
};

/*
 * An audit reads all there is, in pieces, each one read transaction: a message with all its rows is in
 * one piece. Zero it, set the callbacks, step until complete.
 */
struct ledger_audit {
	void (*on_day)(void *ctx, const struct ledger_day *day); /* or NULL; days in order */
	void (*on_finding)(void *ctx, const struct ledger_finding *finding); /* or NULL */
	bool (*has_file)(
	    void *ctx, int64_t pack); /* of a pack that has a row; or NULL: not looked at */
	void *ctx;
	/* the answer */
	struct ledger_day total;
	int64_t findings;
	int64_t no_credential; /* of them, LEDGER_NO_CREDENTIAL: no repair gives a password */
	bool complete;
	/* ledger.c's own */
	int stage;
	int64_t message, account;   /* read up to here */
	int64_t waiting, recipient; /* of the queue */
	int64_t pack, pos;          /* of the index; a pack is at hand when `lost` */
	bool lost;                  /* its row or its file, */
	int fault;                  /* and which of them */
	int64_t folded;             /* recipients in days */
	int table;                  /* the next that is counted */
	struct ledger_day day;      /* the one being summed */
};

/* Reads up to max further messages or accounts. */
enum db_code ledger_audit_step(struct db *db, struct ledger_audit *audit, int64_t max);

#endif
