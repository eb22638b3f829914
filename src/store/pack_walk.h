/*
 * Reads a whole pack as it lies in its file, without asking the database what is in it: every record
 * with its checksum, and what lies between. So that each octet that changed is found, also one that
 * belongs to no message any more.
 */
#ifndef STORE_PACK_WALK_H
#define STORE_PACK_WALK_H

#include <xxhash.h>

#include "store/pack_format.h"

#define PACK_WALK_READ  ((size_t)64 * 1024)
#define PACK_WALK_BLOCK ((size_t)4096) /* what a disk that fails is asked for at a time */

struct pack_walk {
	/* A record whose header is sound; good: the content too. */
	void (*on_record)(void *ctx, const struct pack_record *record, bool good);
	/*
	 * Octets that are no record, padding that is not zero, a head that is none, the first block of
	 * those in a row that the disk does not give; why: in words.
	 */
	void (*on_damage)(void *ctx, int64_t pack, int64_t from, int64_t to, const char *why);
	void *ctx;
	struct blob_store *blobs; /* borrowed */
	int64_t pack;
	int64_t end; /* as committed */
	/* pack_walk.c's own */
	int64_t at;                /* of the record at hand, or of the next octet to look at */
	int64_t lost;              /* since where no header was found; 0: none is missed */
	struct pack_record record; /* the one at hand, when length is left */
	int64_t left;       /* octets of content and padding still to read; 0: between records */
	bool spoiled;       /* not all of the record at hand could be read */
	int64_t unread_end; /* behind the last block that could not be read */
	XXH3_state_t *hash;
	uint8_t header[PACK_RECORD];
	uint8_t bytes[PACK_WALK_READ];
};

/* Begins at the head of a pack; what was set stays. */
void pack_walk_begin(struct pack_walk *w, int64_t pack, int64_t end);

/*
 * Reads on, about so many octets, and past blocks that the disk does not give: as damage. BLOB_OK: *done_r
 * tells whether the pack has ended. BLOB_GONE, BLOB_DAMAGED (its file ends too early), BLOB_IO, BLOB_FULL:
 * the file cannot be read for a reason that says nothing of its octets, e says why.
 */
enum blob_code pack_walk_step(struct pack_walk *w, int64_t octets, bool *done_r, struct err *e);

void pack_walk_fini(struct pack_walk *w);

#endif
