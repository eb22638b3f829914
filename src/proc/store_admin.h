/*
 * The administrator's commands on an open store: one job a request, carried out in steps that each
 * read or change a bounded piece. The store process runs them for the admin socket; the same code
 * runs inside the command line while no server does.
 */
#ifndef PROC_STORE_ADMIN_H
#define PROC_STORE_ADMIN_H

#include "base/arena.h"
#include "base/id.h"
#include "config/config.h"
#include "ipc/admin.h"
#include "ipc/super_child.h"
#include "proc/own_list.h"
#include "store/queue.h"
#include "store/salvage.h"
#include "store/store.h"

#define ADMIN_NODE 1022 /* of the ids of what is imported */

/* What a job works on; outlives it. */
struct admin_context {
	struct store *store;
	struct db *db; /* read-only */
	const struct directory_config *directory;
	struct str hostname;
	const struct own_list *own;
	const struct config_nets *trusted;
	uint64_t size_limit; /* of a message */
	bool normalize;      /* a bare CR or LF of one who may relay becomes CRLF */
	struct queue_config queue;
	struct id_maker *ids;              /* of what is imported */
	void (*queue_changed)(void *user); /* more may be due; or NULL */
	/* what was open with the account's password is over; or NULL */
	void (*logins_over)(void *user, int64_t account);
	void *user;
	struct str who;                 /* offline: the administrator */
	const struct salvage *salvaged; /* the database was made anew before; or NULL */
	bool online;                    /* a server: processes and started are known */
	int64_t started;
	const struct sc_process *processes;
	size_t process_count;
	int64_t dead; /* octets in packs that nothing refers to; below 0: not known */
};

enum admin_step {
	ADMIN_STEP_MORE, /* there may be records in out; call again */
	ADMIN_STEP_WAIT, /* the job's woken() will be called */
	ADMIN_STEP_DONE, /* reply is set; out may hold the last records */
};

struct admin_job;

/*
 * A job for an encoded request. who: the administrator, for the record of changes. woken: called
 * (never from inside a step) when a waiting job can go on. NULL for a malformed request.
 */
struct admin_job *admin_job_new(const struct admin_context *ctx, struct str request, struct str who,
    void (*woken)(void *user), void *user);

/* Not while it waits. Takes NULL, sets NULL. */
void admin_job_free(struct admin_job **job);

enum admin_step admin_job_step(struct admin_job *job);

/* Octets of the stream that goes up; last: nothing follows. At most LIMIT_IPC_CREDIT not taken yet. */
void admin_job_feed(struct admin_job *job, struct str bytes, bool last);

/* Octets of it that were taken since this was asked last: as much more may come. */
size_t admin_job_taken(struct admin_job *job);

/*
 * Nobody wants its answer any more. True: it may be freed now. False: it waits for what it began, woken()
 * comes, ask again then; it must not be stepped.
 */
bool admin_job_abandon(struct admin_job *job);

/* It holds something open between steps, so that the store must not be closed before it is freed. */
bool admin_job_is_stream(const struct admin_job *job);

/* Records since the last step, to be cleared by the caller. */
struct buf *admin_job_out(struct admin_job *job);

/* After ADMIN_STEP_DONE. */
struct admin_reply admin_job_reply(const struct admin_job *job);

#endif
