/* What is known of a recipient that waits, at one moment, and that in sentences. */
#ifndef STORE_QUEUE_TELL_H
#define STORE_QUEUE_TELL_H

#include "store/queue_host.h"

/* What is down, and what its last attempt came to. */
struct queue_down {
	struct queue_last last; /* before MAIL: no word of it was said to a recipient */
	int64_t last_try;
};

struct queue_picture {
	struct arena *arena;
	struct queue_place place;
	bool has_place;
	int64_t active;     /* sessions to his destination */
	int64_t under_way;  /* since when he is being tried; 0: he is not */
	struct str sent_as; /* the reverse path in the place of the sender's; empty: his own */
	/* The destination waits for a host; its name is empty otherwise. */
	struct queue_host host;
	size_t hosts; /* in whose lines it is */
	int64_t
	    hosts_due; /* all of these are down: when the first of them may be tried again; else 0 */
	struct str host_serves; /* another domain; empty: none is known */
	int64_t host_active;    /* sessions to it */
};

/*
 * Is a destination down, which waits for its own next probe, or else the host that it waits for (empty name:
 * none)? Then all mail for it can be told of so: *down_r, borrowed from them. What a destination that is up
 * said last it said to one recipient, and it is nobody else's.
 */
bool queue_place_is_down(
    const struct queue_place *place, const struct queue_host *host, struct queue_down *down_r);

/* The same of his destination. */
bool queue_picture_is_down(const struct queue_picture *p, struct queue_down *down_r);

/*
 * The host that a destination waits for, with its place's arena: of several one that only has no room,
 * else the one that was tried last. Empty name: it waits for none, or that cannot be read.
 */
struct queue_host queue_host_of_place(
    struct db *db, struct arena *a, const struct queue_place *place, int64_t now);

/* The same, and the one that it waited for until its turn came, as long as it has not gone to any since. */
struct queue_host queue_host_waited_for(
    struct db *db, struct arena *a, const struct queue_place *place, int64_t now);

/* When the first of the hosts that it waits for may be tried again, if all are down; 0: one is up, or there is none. */
int64_t queue_hosts_due(
    struct db *db, struct arena *a, const struct queue_place *place, int64_t now);

/* What cannot be read is left out. */
struct queue_picture queue_picture_of(struct db *db, const struct queue_config *cfg,
    const struct queue_row *row, const struct queue_message *m, int64_t now);
void queue_picture_fini(struct queue_picture *p);

/* Appends why he waits and what will happen when, as queue_explain_put() has it. m: his message. */
void queue_tell(struct buf *out, struct db *db, const struct queue_config *cfg,
    const struct queue_row *row, const struct queue_message *m, int64_t now);

#endif
