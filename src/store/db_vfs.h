/*
 * The layer between SQLite and the files: its own "unix" layer, but names are taken as they are
 * (relative to the data directory) and every call can be watched or made to fail, for tests.
 */
#ifndef STORE_DB_VFS_H
#define STORE_DB_VFS_H

#include <stdint.h>

enum db_io_kind {
	DB_IO_OPEN,
	DB_IO_READ,
	DB_IO_WRITE,
	DB_IO_TRUNCATE,
	DB_IO_SYNC,
	DB_IO_DELETE,
	DB_IO_SHM, /* the index of the log grows */
	DB_IO_KINDS
};

struct db_io {
	enum db_io_kind kind;
	const char *name; /* of the file: "store.db", "store.db-wal" */
	const void *data; /* DB_IO_WRITE: the bytes */
	int64_t n;        /* bytes read or written; the new size for DB_IO_TRUNCATE */
	int64_t off;
};

/*
 * Called before each call: 0 lets it happen, an SQLite error code is its result instead, with the errno that the
 * hook sets, if it sets one.
 */
typedef int db_io_hook(void *ctx, const struct db_io *io);

/* The name for sqlite3_open_v2; registers the layer and initialises SQLite at the first call. */
const char *db_vfs_name(void);

/*
 * What the system said of the first call of this thread for a file that failed since db_vfs_forget(), 0 for none:
 * SQLite has one code for all of it.
 */
int db_vfs_errno(void);
void db_vfs_forget(void);

/* Sets the hook of the whole process, NULL for none; while no connection is in use elsewhere. */
void db_vfs_hook(db_io_hook *hook, void *ctx);

#endif
