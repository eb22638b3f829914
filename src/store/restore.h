/*
 * From the files of a backup to a data directory: what must be different there from what was copied, and
 * the mark that it is complete. docs/invariants/backup.md.
 */
#ifndef STORE_RESTORE_H
#define STORE_RESTORE_H

#include <stdint.h>

#include "base/err.h"
#include "store/db.h"

/* Lies in a directory from the first to the last step of a restore. */
#define RESTORE_MARK "restoring"

/*
 * The directory, which sentences call name, has store.db and packs/ as they were in the backup of the store
 * `source`. Makes it the working directory of the process. As its owner, where root is called: gives what is in
 * it an identity of its own, that knows whose ids it has up to now; then makes what belongs in a data
 * directory, the lock last, and takes the mark away. who: for the record of what administrators did. 0, or
 * -1 with e set: doing it again is right. No other thread runs.
 */
int restore_complete(
    int dirfd, const char *name, int64_t source, struct str who, int64_t now, struct err *e);

/* That identity, in a transaction of its own. libsodium is initialised. */
enum db_code restore_identity(struct db *db, int64_t source, int64_t now);

#endif
