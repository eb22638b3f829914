/*
 * Mail that an alias sends on: the reverse path that it goes with, and the way back from there
 * (queue/queue_srs.h). The key of those addresses stands in meta, as two numbers, and goes with the
 * database wherever that is copied to.
 */
#ifndef STORE_FORWARD_H
#define STORE_FORWARD_H

#include "base/arena.h"
#include "queue/queue_srs.h"
#include "store/db.h"

/* Makes a key if there is none. In a transaction of the writer. */
enum db_code forward_key_make(struct db *db);

/* A message on its way to somebody behind an alias. */
struct forward_mail {
	int64_t message;
	struct str reverse_path; /* as it came; empty: null */
	struct str forwarder;    /* the alias: "local@domain", the domain one of ours */
	int64_t accepted;        /* when its time in the queue began */
};

/*
 * The reverse path that it goes with, in the arena; empty: the one it came with. That stays when it is null
 * or of a domain of ours (or at `hostname`), for whose mail we are asked anyway. It is the same for all
 * attempts of a week, as servers that greylist want it.
 */
enum db_code forward_path(struct db *db, struct str hostname, struct arena *a,
    const struct forward_mail *mail, int64_t now, struct str *path_r);

/*
 * Whom a local part at a domain of ours leads back to: NONE, BAD, EXPIRED (also when the message that knew
 * it was forgotten), or ADDRESS with local, as in an SMTP path, and domain in A-label form or a literal.
 */
enum db_code forward_origin(struct db *db, struct arena *a, struct str local, int64_t now,
    enum queue_srs_status *status_r, struct queue_srs_origin *origin_r);

#endif
