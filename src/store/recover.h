/* From the database and the files to packs that may be appended to, at every start. */
#ifndef STORE_RECOVER_H
#define STORE_RECOVER_H

#include "store/db.h"
#include "store/pack.h"

/*
 * Reads the committed ends of the packs from the writer's database, opens the packs and commits
 * the risen generation. *sequence_r: for struct lane_config. On failure e is set, and DB_FULL is for packs too; on
 * success e is empty or warns of missing packs.
 */
enum db_code recover_packs(struct db *db, const struct pack_config *config,
    struct blob_store **blobs_r, int64_t *sequence_r, struct err *e);

/* Does the database know of content in packs? Also when it cannot tell. */
bool recover_knows_content(struct db *db);

/* Stores a point in the open transaction. */
enum db_code recover_put_point(struct db *db, const struct blob_point *point, int64_t sequence);

#endif
