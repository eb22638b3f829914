/*
 * What a store is given once, in rows of `meta`, and has from then on. One that is missing is made anew when the store is
 * opened, for mail must go on; what that costs is told by the audit until a repair: docs/invariants/rows.md.
 */
#ifndef STORE_GIVEN_H
#define STORE_GIVEN_H

#include <stdbool.h>

#include "store/db.h"

/* Bits of meta.given and meta.lost: what there is stays. */
enum given {
	GIVEN_STORE = 1,   /* `store`: who it is for its backups */
	GIVEN_SRS = 2,     /* `srs_0`, `srs_1`: the key of return addresses */
	GIVEN_PURGED = 4,  /* `purged`: up to when deleted mail is gone */
	GIVEN_BACKUPS = 8, /* `backups`: the place of the last backup's mark */
};

/*
 * In a transaction of the writer, where the row is looked for: is it there? If not the caller makes it. Notes that it is
 * there from now on, and that it was lost if it was there before. Writes nothing where nothing is new.
 */
enum db_code given_note(struct db *db, enum given what, bool there);

#endif
