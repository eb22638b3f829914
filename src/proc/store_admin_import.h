/* Inside of the admin command import: the job, and what its files share. */
#ifndef PROC_STORE_ADMIN_IMPORT_H
#define PROC_STORE_ADMIN_IMPORT_H

#include "proc/store_admin_job.h"
#include "store/import.h"
#include "store/mailbox_path.h"

struct importing {
	struct admin_job *job;
	struct store *store;
	struct list link; /* in the store's list */
	int64_t account;
	bool made; /* here, as it was in the backup: it takes its mail, disabled or not */
	struct str address;
	bool restoring; /* ids are those of another store's backup, or of ours */
	bool ours;      /* they are ours up to `until` */
	int64_t until;
	int64_t number; /* messages begun */
	int64_t taken;
	bool noted; /* the record of administrators tells of it */

	/* the mailbox at hand */
	struct arena *arena;
	struct str path;
	bool has_mailbox;
	struct mailbox_make make;
	struct import_known known;

	/* the message at hand */
	struct import *message;
	struct blob_upload *upload;
	struct import_hash *hash;
	struct buf data;
	int64_t size; /* of its content so far */
	uint8_t digest[IMPORT_DIGEST];

	struct reader_op op; /* for what the thread of the loop must not wait for */
	bool busy;           /* that, or `make`, is out: other requests end meanwhile */

	/* on their way through the lane */
	size_t out, out_bytes;
	struct buf results; /* records that go down together */
	bool no_room;
	struct err trouble; /* what ends it */
};

/* ---- store_admin_import.c ---- */

/* The state between frames. */
enum admin_step importing_in(struct admin_job *j);

/* The message at hand is not wanted. */
void importing_drop(struct importing *im);

/* ---- store_admin_import_message.c ---- */

/* Octets of the content of the message at hand; its end. */
enum admin_step importing_data(struct importing *im, struct str bytes);
enum admin_step importing_end(struct importing *im, struct str payload);

/* Does `run` in a reader's thread, then goes on with `next`, which begins with importing_busy(). */
enum admin_step importing_read(struct importing *im,
    enum db_code (*run)(struct reader_op *op, struct db *db),
    enum admin_step (*next)(struct admin_job *j));

/* Until what is out has come back: while im->busy. */
enum admin_step importing_busy(struct admin_job *j);

/* The records of results go down. */
void importing_give(struct importing *im);

/* What is on its way is waited for, then the job ends; with the reason why it ends before its time. */
enum admin_step importing_finish(struct admin_job *j);
enum admin_step importing_fail(struct importing *im, const char *why);

#endif
