/*
 * A connection to a database that is only looked at: no file is changed or made, not even the log's index, which
 * is kept in memory, and no checkpoint. For what may be another program's, or a newer one's, or is damaged.
 * Whoever looks knows that nobody writes to it meanwhile.
 */
#ifndef STORE_DB_LOOK_H
#define STORE_DB_LOOK_H

#include <sqlite3.h>
#include <stdint.h>

/* Opens it; SQLite's code, and *sqlite_r, to be closed whatever the code is. */
int db_look_open(const char *name, sqlite3 **sqlite_r);

/*
 * The version of this program's schema that is there, word for word: the number of it in the database may be
 * damaged. 0: it is none of them, or cannot be read. docs/invariants/versions.md.
 */
int64_t db_look_version(sqlite3 *sqlite);

#endif
