/*
 * The whole store opened: data directory, database, packs, writer lane, readers, passwords, limits,
 * sessions. The same calls serve the server (threads, answers by callback from store_reap) and offline
 * commands (no threads: everything is done, and its callback called, before the call returns).
 *
 * One thread, the owner's loop, calls all of this.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <pthread.h>

#include "store/admit.h"
#include "store/datadir.h"
#include "store/directory.h"
#include "store/lane_thread.h"
#include "store/mailbox.h"
#include "store/maintain.h"
#include "store/password.h"
#include "store/quota.h"
#include "store/reader.h"
#include "store/session.h"

enum store_mode {
	STORE_SERVER,
	STORE_OFFLINE,
};

struct store_config {
	enum store_mode mode;
	const char *name; /* of the directory in sentences; NULL: its path */
	pid_t holder;     /* whom those who find the directory locked are told to stop */
	struct directory_config directory; /* strings borrowed while the store is open */
	struct admit_config admit;         /* its networks borrowed likewise */
	size_t sessions_max;
	unsigned readers; /* threads */
	struct quota_defaults quota;
	int64_t undelete_ms;          /* how long deleted mail is kept */
	int64_t min_free;             /* bytes of disk below which no mail is taken */
	int64_t pack_size;            /* 0: the default of store/pack.h */
	void (*wake)(void *wake_ctx); /* any thread: call store_reap() soon */
	void *wake_ctx;
};

struct store {
	struct store_config cfg;
	struct datadir dir;
	pthread_mutex_t room_lock; /* of dir's reserve: the lane's thread gives it back */
	enum accept_class room;
	int64_t room_checked; /* when, by the steady clock */
	struct db *db;        /* the writer; the lane's thread uses it in a server */
	struct blob_store *blobs;
	struct admit *admit;
	struct session_table sessions;
	bool backing_up;       /* one backup at a time */
	struct list importing; /* jobs that put mail into accounts: one at a time for each */
	/* server */
	struct lane_thread *lane_thread;
	struct reader_pool *readers;
	struct password *passwords;
	/* offline */
	struct lane *lane;
};

/* The defaults of every limit; for the server mode set wake, for offline nothing more. */
struct store_config store_defaults(enum store_mode mode);

/*
 * Makes a data directory with an empty store in it, or completes one, as its owner; an existing store stays as
 * it is, and packs/ is not made anew where the database knows of mail in it. The codes, modes and sentences of
 * datadir_create(). The working directory stays.
 */
enum datadir_code store_create(const char *path, struct err *e);

/*
 * Opens the store at path, which becomes the working directory: takes the lock, recovers, starts the
 * threads. NULL with *code_r and e set; e names the cure.
 */
struct store *store_open(
    const char *path, const struct store_config *cfg, enum datadir_code *code_r, struct err *e);

/* Answers all that waits, ends the threads, closes all. Takes NULL, sets NULL. */
void store_close(struct store **s);

/* Hands a request to the writer lane; op->done is called from store_reap(), or here when offline. */
void store_write(struct store *s, struct lane_op *op);

/* Hands a request to the readers, likewise. */
void store_read(struct store *s, struct reader_op *op);

/* Hashes or verifies, likewise (offline at once). True: answered already and done is not called. */
bool store_password(struct store *s, struct password_job *job);

/* Calls done for all that is finished; the owner calls it after wake. */
void store_reap(struct store *s);

/*
 * Whether new mail may be taken: ACCEPT_LOCAL, or ACCEPT_NO_ROOM below min_free, or ACCEPT_CLOSED after a
 * failure of the disk. Looks at most once a second.
 */
enum accept_class store_room(struct store *s);
bool store_is_accepting(struct store *s);

/* Octets on the disk. */
struct store_sizes {
	int64_t database;
	int64_t log;   /* the database's write-ahead log */
	int64_t packs; /* committed content of messages */
	int64_t pack_files;
};

/* Asks the file system; 0 for what cannot be found out. */
void store_sizes(struct store *s, struct store_sizes *sizes_r);

/* The counters of the lane. */
void store_lane_stats(struct store *s, struct lane_stats *stats_r);

#endif
