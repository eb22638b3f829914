/*
 * Packs that a start has set aside (packs/NUMBER.pack.orphan, docs/invariants/pack.md 11): what they hold, and
 * their ways back and out. Nobody else reads them.
 */
#ifndef STORE_ASIDE_H
#define STORE_ASIDE_H

#include "store/db.h"
#include "store/fsio.h"
#include "store/pack_format.h"

struct aside_pack {
	int64_t pack;        /* its number */
	int64_t size;        /* octets of the file; 0: it could not be opened */
	int64_t records;     /* with a sound header, up to where older ones follow */
	int64_t first, last; /* ids of the first and the last of them; 0: it has none */
	/* Of them, those that rows of the database name and that are in no other pack: a repair takes it in again. */
	int64_t missed;
	/*
	 * Why not all of it is known: it cannot be read, or octets are no record while something is missed; empty: all
	 * is. Then it is doubtful when something is missed at all: that may be what lies there.
	 */
	struct err unread;
	int error; /* negative errno of what cannot be read; -EIO: the disk does not give all octets; 0 */
	bool doubtful;
};

/*
 * Looks into each pack that lies aside, by rising number: the headers of all their records are read, so in a reader's
 * thread, a step at a time. What is missed is as of the beginning. DB_IO with e set when the directory cannot be
 * read; else what the database says. fs and ctx are borrowed until the end.
 */
struct aside;
enum db_code aside_begin(struct fsio *fs, struct db *db,
    void (*on_pack)(void *ctx, const struct aside_pack *p), void *ctx, struct aside **a_r,
    struct err *e);

/* Some reads more, of some KB each; on_pack for one that is through. False when all are. */
bool aside_step(struct aside *a);

/* At any time. Takes NULL, sets NULL. */
void aside_end(struct aside **a_p);

/* All at once, for whoever has the data directory alone. As aside_begin(). */
enum db_code aside_each(struct fsio *fs, struct db *db,
    void (*on_pack)(void *ctx, const struct aside_pack *p), void *ctx, struct err *e);

/* How many there are, and the octets of their files. Reads the directory, so in a reader's thread. False with e set. */
bool aside_count(struct fsio *fs, int64_t *packs_r, int64_t *octets_r, struct err *e);

/*
 * Gives it the name of a pack again, on the disk when it returns: 0; -EEXIST when that is taken; another negative
 * errno. Only for whoever holds the lock of the data directory.
 */
int aside_return(struct fsio *fs, int64_t pack);

/* Removes it. False with e set. */
bool aside_discard(struct fsio *fs, int64_t pack, struct err *e);

#endif
