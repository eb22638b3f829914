/*
 * Whether content would be lost with a record: what a pack that is about to go is asked. A row of the index may be
 * damaged, and then what lies here looks dead. docs/invariants/pack.md, 13.
 */
#ifndef STORE_NEEDED_H
#define STORE_NEEDED_H

#include "store/db.h"
#include "store/pack_format.h"

enum needed {
	NEEDED_NOT, /* it lies elsewhere, or nobody has it; or its row names this place, which keeps the pack */
	NEEDED_YES, /* its row names a place that does not hold it; or it has no row and somebody has it */
	NEEDED_UNKNOWN, /* its place cannot be read for a reason that passes */
};

/* DB_OK with *needed_r; any thread, with its own connection. */
enum db_code needed_record(struct db *db, struct blob_store *blobs,
    const struct pack_record *record, enum needed *needed_r);

#endif
