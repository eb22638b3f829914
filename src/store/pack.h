/*
 * Blobs in append-only files, "packs": the implementation of store/blob.h for a file system.
 * docs/invariants/pack.md has the format and the order of syncs.
 */
#ifndef STORE_PACK_H
#define STORE_PACK_H

#include "store/blob.h"
#include "store/fsio.h"

struct pack_config {
	struct fsio *fs;   /* borrowed */
	const char *dir;   /* exists; borrowed */
	int64_t pack_size; /* a new pack is begun when this would be passed; 0: 256 MiB */
	const int64_t
	    *dropped; /* packs whose files go at the opening if no row names them, and whose
		       * numbers are not given again; borrowed */
	size_t ndropped;
	/*
	 * May be NULL: whether blobs of the database lie in a pack that is not among its rows. Such a row was
	 * lost; the file stays as it is, for the repair.
	 */
	bool (*is_named)(void *ctx, int64_t pack);
	/*
	 * May be NULL: where the last blob of a pack lies, by the database; false when it has none in it. Nothing is
	 * appended to a pack whose row ends before that.
	 */
	bool (*last_in)(void *ctx, int64_t pack, struct blob_pos *pos_r);
	void *ctx;
};

/*
 * Opens the packs of dir. committed: the n rows of the table pack, by rising pack; what lies behind
 * their ends is forgotten, and files the rows do not name are removed if they are empty or dropped,
 * else set aside; e tells the number and octets of all that lie aside, whenever that was. On success
 * *point_r must be committed before the first append: the pack to append to, with a generation
 * that no record of an earlier run bears. Committed packs that are missing or too short are
 * counted and told of in e (cleared otherwise); their blobs are BLOB_GONE or BLOB_DAMAGED. So is told
 * of a row of the pack to append to that does not fit what lies there: a new one is begun then.
 * BLOB_DAMAGED when there are packs with content but no row: the database is not theirs.
 */
enum blob_code pack_open(const struct pack_config *config, const struct blob_point *committed,
    size_t n, struct blob_store **store_r, struct blob_point *point_r, struct err *e);

/* Does a pack in this directory, which may be missing, hold a record? Also when that cannot be told. */
bool pack_is_content_in(struct fsio *fs, const char *dir);

/* The packs of a backup, for reading only: nothing is looked for, removed or made. */
struct blob_store *pack_open_reader(const struct pack_config *config);

#endif
