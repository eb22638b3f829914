/*
 * Taking in a message that is no delivery: from a file of another server, or out of a backup. One
 * request to the writer lane; it is charged like a delivery and has its rows in message and ledger, so
 * that the audit balances. docs/invariants/mailbox.md and message.md.
 */
#ifndef STORE_IMPORT_H
#define STORE_IMPORT_H

#include "base/arena.h"
#include "base/hash.h"
#include "store/lane.h"
#include "store/mailbox.h"

enum import_result {
	IMPORT_TAKEN,
	IMPORT_THERE,   /* the mailbox, or with an id of old the account, has it */
	IMPORT_NO_ROOM, /* the account does not take it: quota, disabled, send-only */
	IMPORT_ID_USED, /* by other content: take a new id */
	IMPORT_GONE,    /* the account or mailbox is gone */
	IMPORT_RESULTS
};

struct import {
	struct lane_op op; /* done is the caller's */
	struct arena *arena;
	void *user;

	/* ---- inputs, in the arena ---- */
	int64_t account, mailbox;
	int64_t id;     /* of message, email and blob */
	bool old;       /* the id is one that this store gave out before: see import_prepare() */
	int64_t origin; /* old: uid of the expunged row to bring back, 0: none is known */
	struct str address;  /* of the account, for the ledger */
	struct str name;     /* of the mailbox, for the ledger */
	struct str protocol; /* "import", "restore" */
	struct str
	    back; /* how the trace of a message that is there calls it: "restored"; or empty: not at all */
	struct str prefix;
	int64_t received;
	struct str keywords;
	struct str summary;
	struct str data;            /* the content, when there is no upload */
	struct blob_upload *upload; /* finished, or NULL; freed by the owner after done */
	struct blob_pos upload_pos;
	bool stored;   /* old: the content is the blob of that id, of upload_pos.length octets */
	bool no_quota; /* whatever the quota */
	bool closed;   /* also when the account takes no mail */

	/* ---- the answer, after LANE_DONE ---- */
	enum import_result result;

	/* ---- import.c's own ---- */
	int64_t thread;
	struct str header_id;
	struct blob_in blob;
	struct iovec iov;
};

struct import *import_new(void);
void import_free(struct import **im); /* takes NULL, sets NULL; the upload is not touched */

/*
 * Makes ready to submit. With `old`, what is still there of the message is used: its email if the account
 * has it, its blob if anybody has it, its rows of history; the id then comes back with the same content
 * or not at all.
 */
void import_prepare(struct import *im);

/* ---- what a mailbox has, to recognise what comes again ---- */

struct import_known {
	struct hash_table
	    by_size; /* of struct import_entry, to be compared: those without a digest */
	struct hash_table by_digest; /* those with one */
	struct hash_table by_email;  /* all */
	int64_t account, mailbox;
	int64_t uid; /* read up to here */
	bool complete;
};

#define IMPORT_DIGEST  ((size_t)16)
#define IMPORT_DIGESTS 200 /* computed in one go */

struct import_entry {
	struct hash_node node; /* in by_size or by_digest */
	struct hash_node email_node;
	int64_t uid, email, size;
	bool expunged; /* and not brought back yet */
	enum {
		IMPORT_APART, /* in neither: not compared, or unreadable */
		IMPORT_BY_SIZE,
		IMPORT_BY_DIGEST
	} place;
	uint8_t digest[IMPORT_DIGEST];
};

void import_known_init(struct import_known *k, int64_t account, int64_t mailbox);
void import_known_fini(struct import_known *k);

/* Reads some further rows; any thread, one at a time. */
enum db_code import_known_scan(struct db *db, struct import_known *k);

/* Whether there are some of that size to be compared whose digest is not known. */
bool import_known_lacks(const struct import_known *k, int64_t size);

/* Computes some of those from their content; in a reader's thread. What cannot be read is like nothing. */
enum db_code import_known_digest(
    struct import_known *k, struct db *db, struct blob_store *blobs, int64_t size);

/* One of that size and digest, a live one if there is any; NULL when there is none. */
struct import_entry *import_known_alike(
    const struct import_known *k, int64_t size, const uint8_t digest[IMPORT_DIGEST]);

/* The entry of an email, NULL when there is none. */
struct import_entry *import_known_email(const struct import_known *k, int64_t email);

/* Adds what was taken. */
void import_known_add(
    struct import_known *k, int64_t email, int64_t size, const uint8_t digest[IMPORT_DIGEST]);

/* The digest of a content, in pieces. */
struct import_hash;
struct import_hash *import_hash_new(void);
void import_hash_feed(struct import_hash *h, struct str bytes);
void import_hash_end(struct import_hash **h, uint8_t digest_r[IMPORT_DIGEST]); /* frees it */

#endif
