/*
 * Compaction: a mostly dead pack is read whole, so that nothing goes with it that lies nowhere else; what
 * still lives of it is copied to the current one, in slices; then the pack goes. Each round is one request
 * to the readers, which looks for a pack, examines a part of it or reads a slice of it, and one to the
 * writer lane, which moves it. docs/invariants/pack.md has the rules.
 */
#ifndef STORE_COMPACT_H
#define STORE_COMPACT_H

#include "store/lane.h"
#include "store/pack_walk.h"
#include "store/reader.h"

#define COMPACT_BLOBS ((size_t)64) /* of one slice */
#define COMPACT_BYTES                                                                              \
	((int64_t)256 * 1024)      /* of one slice; one larger blob is a slice of its own */
#define COMPACT_DROPS ((size_t)64) /* packs that wait to be removed */
#define COMPACT_STAYS ((size_t)64) /* packs that are known to stay */
#define COMPACT_EXAMINED                                                                           \
	((int64_t)4 * 1024 * 1024) /* octets at most that are read of one at a time */

/* A reader that found a blob's place before it was moved has opened it by then. */
#define COMPACT_GRACE_MS ((int64_t)60 * 1000)

struct compact {
	struct reader_op read; /* its done is the caller's, who then hands on write if has_work */
	struct lane_op write;  /* likewise; then compact_written() */
	struct blob_store *blobs;
	int64_t
	    room; /* the caller's: packs are left alone of which more than this would be copied */
	/* the answers of read */
	bool has_work;
	bool complete;  /* every pack was looked at; the next read begins anew */
	int64_t walked; /* octets that were read to examine a pack */
	/* of read: a pack that stays until a repair, 0: none; and what lies nowhere else, 0: it cannot be read */
	int64_t stays, needed;
	bool unread; /* a blob of the pack could not be read */
	/* of write */
	int64_t bytes; /* that the slice copies */
	/* of all of them */
	int64_t moved;   /* octets */
	int64_t removed; /* packs */
	int64_t kept;    /* blobs that could not be read and so were left where they are */
	int64_t
	    dead; /* octets in shared packs that nothing refers to, when all were looked at last */
	/* compact.c's own */
	int64_t pack, end, at; /* the pack at hand, 0: none; its blobs up to at were seen */
	int64_t after;         /* packs up to it were looked at */
	int64_t dead_so_far;   /* octets in them that nothing refers to */
	struct pack_walk walk; /* through the pack at hand */
	bool examines;         /* ... before anything of it is moved */
	struct db *db;         /* while a read runs, with how that went */
	enum db_code code;
	bool doubtful; /* something could not be read for a reason that passes */
	int64_t staying[COMPACT_STAYS];
	size_t nstaying;
	bool last;  /* of this pack nothing is left to be read */
	bool drops; /* the commit at hand ends it */
	size_t n;
	struct blob_in in[COMPACT_BLOBS];
	struct iovec iov[COMPACT_BLOBS];
	int64_t from[COMPACT_BLOBS];
	uint8_t *data;
	struct {
		int64_t pack, when;
	} drop[COMPACT_DROPS];
	size_t ndrops;
};

void compact_init(struct compact *c, struct blob_store *blobs);
void compact_fini(struct compact *c);

/*
 * The next rounds empty this pack, however much of it lives, without examining it; not the one that is
 * appended to.
 */
void compact_choose(struct compact *c, int64_t pack);

/* After write's done, in the same thread. now: any steady clock, as for compact_tend. */
void compact_written(struct compact *c, int64_t now);

/* Removes the files whose time has come; INT64_MAX: all of them. */
void compact_tend(struct compact *c, int64_t now);

#endif
