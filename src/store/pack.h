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
};

/*
 * Opens the packs of dir. committed: the n rows of the table pack, by rising pack; what lies behind
 * them is forgotten, files of uncommitted packs are removed. On success *point_r is what must be
 * committed (PACK_PUT) before the first append: the pack appended to, with a risen generation, or
 * pack 0 when there is none yet. BLOB_DAMAGED when a committed file is missing or too short.
 */
enum blob_code pack_open(const struct pack_config *config, const struct blob_point *committed,
    size_t n, struct blob_store **store_r, struct blob_point *point_r, struct err *e);

#endif
