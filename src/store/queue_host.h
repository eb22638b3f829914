/*
 * Hosts in the store: what is known of the servers that destinations are reached by, whichever they
 * serve, and who waits for them. docs/invariants/destination.md.
 *
 * A host has the state of a destination (queue/queue_destination.h). Who learns that one may be gone to
 * again wakes as many of those that wait for it as there is room for; the end of each attempt wakes the
 * next. So ten thousand domains of a host go one after the other, with a few rows in each commit.
 */
#ifndef STORE_QUEUE_HOST_H
#define STORE_QUEUE_HOST_H

#include "store/queue.h"

struct queue_host {
	struct str name;
	struct queue_destination state;
	struct queue_last last; /* its reply is state.last_reply; no remote */
	struct str tried_for;   /* the destination whose attempt told last */
};

/* DB_OK and *host_r, settled at now, texts in the arena; one without a row is as none ever tried. */
enum db_code queue_host_get(
    struct db *db, struct arena *a, int64_t now, struct str name, struct queue_host *host_r);

/* Leases that count at a host. */
enum db_code queue_host_active(struct db *db, struct str name, int64_t *active_r);

/* Is a destination in line for it? */
enum db_code queue_host_is_awaited(
    struct db *db, struct arena *a, struct str name, bool *awaited_r);

/* The destinations' hosts that it waits for, at most LIMIT_QUEUE_HOSTS, texts in the arena. */
enum db_code queue_host_waits(
    struct db *db, struct arena *a, struct str destination, struct str *hosts_r, size_t *n_r);

/* Another destination that a host serves, text in the arena; empty: none is known at this moment. */
enum db_code queue_host_serves(struct db *db, struct arena *a, const struct queue_host *host,
    struct str destination, struct str *other_r);

/* Only in the writer lane, what follows. */

enum db_code queue_host_set(struct db *db, const struct queue_host *host);

/* What an attempt for a destination taught about a host; the attempt does not count there any more. */
struct queue_host_lesson {
	struct str name, destination;
	const struct queue_policy *policy; /* the destination's */
	const struct queue_policy *common; /* of all that have none of their own */
	enum queue_event event;
	struct queue_last last;
};

enum db_code queue_host_teach(
    struct db *db, struct arena *a, const struct queue_host_lesson *lesson, int64_t now);

/* The destination waits for a host; it stands in the line where its oldest mail has it. */
enum db_code queue_host_line_up(
    struct db *db, struct str host, const struct queue_place *place, int64_t now);

/* The destination waits for no host any more. */
enum db_code queue_host_leave(struct db *db, struct str destination);

/* Those that wait for a host may go, as many as it has room for; none while it is down. */
enum db_code queue_host_wake(struct db *db, struct arena *a, struct str name, int64_t now);

/*
 * All that a destination waits for may be tried now, down or not; what it waits for itself is the
 * caller's.
 */
enum db_code queue_host_retry(struct db *db, struct arena *a, struct str destination, int64_t now);

#endif
