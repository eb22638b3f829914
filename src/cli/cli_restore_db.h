/* The database of a backup, opened for reading; one of an earlier version through a copy. */
#ifndef CLI_CLI_RESTORE_DB_H
#define CLI_CLI_RESTORE_DB_H

#include "base/buf.h"
#include "base/err.h"
#include "store/db.h"

struct cli_restore_db {
	struct db *db;
	struct buf copy; /* directory of the copy, empty: none */
};

/*
 * Opens it; the backup stays as it is. What an earlier version wrote is copied below TMPDIR (/var/tmp without
 * it) and brought up to date there. 0, or -1 with e set; close it in both cases.
 */
int cli_restore_db_open(struct cli_restore_db *r, const char *name, struct err *e);

/* The copy goes with it. */
void cli_restore_db_close(struct cli_restore_db *r);

#endif
