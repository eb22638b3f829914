/*
 * Passwords: argon2id (19 MiB, two passes), one hashing thread, a queue that is fair per network, and
 * a cache of logins verified lately.
 *
 * A flood of wrong passwords from one network delays only that network: each network (/24, /56) has
 * its own bounded queue and the thread serves them in turn. An unknown user costs the same hash as a
 * known one. Who waits beside others with the login that was found right just now is answered with it. The cache is
 * keyed with HMAC(boot key, account, stored hash, password): a changed
 * credential misses by itself, and nothing in memory tells a password.
 */
#ifndef STORE_PASSWORD_H
#define STORE_PASSWORD_H

#include "base/buf.h"
#include "base/ip.h"
#include "base/limits.h"
#include "base/list.h"

#define PASSWORD_HASH_MAX ((size_t)128) /* text of a stored hash, with its NUL */

struct password_config {
	size_t queue_total;       /* jobs waiting in all */
	size_t queue_per_network; /* jobs waiting of one network */
	size_t cache_entries;
	int64_t cache_ms;        /* how long after a full verification the cache answers */
	void (*wake)(void *ctx); /* called from the hashing thread: password_collect() has work */
	void *wake_ctx;
};

enum password_result {
	PASSWORD_GOOD,
	PASSWORD_BAD,
	PASSWORD_BUSY, /* queue full or thread stopping: a temporary failure */
};

enum password_kind {
	PASSWORD_VERIFY, /* password against hash; an empty hash (unknown user) is always BAD */
	PASSWORD_HASH,   /* makes a hash of password */
};

/* One request; the caller owns it until done is called. */
struct password_job {
	struct list link;
	enum password_kind kind;
	struct ip ip;    /* whose network it is counted to; loopback for administrators */
	int64_t account; /* VERIFY: 0 for an unknown user */
	char hash[PASSWORD_HASH_MAX]; /* VERIFY: in; HASH: out */
	uint8_t password[LIMIT_PASSWORD];
	size_t password_n;
	enum password_result result;
	void (*done)(struct password_job *job); /* on the thread that collects */
	void *ctx;
};

struct password;

/* Starts the hashing thread. NULL when there is none to be had. */
struct password *password_new(const struct password_config *cfg);

/* Lets the job at hand finish, answers all that wait with PASSWORD_BUSY (their done is called here),
 * ends the thread, wipes everything. Takes NULL, sets NULL. */
void password_free(struct password **p);

/*
 * True: answered at once (the cache, or PASSWORD_BUSY): job->result is set and done is not called.
 * False: queued; password_collect() will call done, with the password already wiped.
 * now: a steady clock's milliseconds.
 */
bool password_submit(struct password *p, struct password_job *job, int64_t now);

/* Calls done for each finished job; good verifications enter the cache. How many there were. */
size_t password_collect(struct password *p, int64_t now);

/* Drops the account's verified logins: after a change of its credential, or when it is disabled. */
void password_forget(struct password *p, int64_t account);

/*
 * The same work on the caller's thread, for offline commands. Makes a hash; false only when memory
 * for it is missing.
 */
bool password_hash(struct str password, char hash_r[PASSWORD_HASH_MAX]);
bool password_verify(const char *hash, struct str password);

/* Overwrites a job's password. */
void password_job_wipe(struct password_job *job);

#endif
