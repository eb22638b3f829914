/*
 * Reverse paths of mail that is sent on (sender rewriting scheme): an address of ours in the place of the
 * sender's, so that the next server asks our domain, not his, whether we may send (SPF), and from which
 * a report finds the way back.
 *
 *   SRS0=HHHHHHHH=TT=his.domain=his.local@ours    the sender himself stands in it
 *   SRS0=HHHHHHHH=TT==message@ours                he stands in our message: whoever does not fit in
 *                                                 64 octets, or needs quotes or more than ASCII
 *   SRS1=HHHHHHHHTT=first==rest@ours              of an SRS0 or SRS1 of others: SRS0=rest@first
 *
 * H: 40 bits of a keyed hash over what follows, base 32. T: the day, modulo 1024, base 32. That of an SRS1
 * bounds for how long we are a way to somebody who may see to no day himself; it stands in the field
 * that every server passes over up to its "=", so that whoever sends it on further leaves it out. Letters
 * count in either case, as servers on the way may fold them.
 */
#ifndef QUEUE_SRS_H
#define QUEUE_SRS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"

#define QUEUE_SRS_DAYS 21 /* that an address is valid for, behind its own */

/* Of addresses: 256 octets with <> [RFC 5321 4.5.3.1.3]. */
#define QUEUE_SRS_PATH_MAX ((size_t)254)

/*
 * Appends the address at `domain` (A-label form) in the place of the sender `reverse_path` (as in an
 * SMTP path, not null) of the message, made at `time`. False, with nothing appended: it would be longer
 * than QUEUE_SRS_PATH_MAX because of the domain, and the sender stays as he is.
 */
bool queue_srs_put(struct buf *b, const struct hash_key *key, struct str reverse_path,
    int64_t message, struct str domain, int64_t time);

enum queue_srs_status {
	QUEUE_SRS_NONE,    /* does not begin like one */
	QUEUE_SRS_BAD,     /* not made with this key */
	QUEUE_SRS_EXPIRED, /* too long ago */
	QUEUE_SRS_ADDRESS, /* local and domain are the sender's, or the first forwarder's */
	QUEUE_SRS_MESSAGE, /* he is the sender of `message` */
};

struct queue_srs_origin {
	struct str local, domain; /* domain in lower case, in the arena */
	int64_t message;
};

/* Whom a local part leads to. *origin_r is set for ADDRESS and MESSAGE only. */
enum queue_srs_status queue_srs_read(const struct hash_key *key, struct str local, int64_t now,
    struct arena *a, struct queue_srs_origin *origin_r);

#endif
