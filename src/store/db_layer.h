/*
 * What layers over SQLite's own unix files have in common: a file of theirs has the unix one behind it, and what
 * a layer does not do itself is passed on. Names are taken as they are, for the process has its working directory
 * in the data directory and may see no more.
 */
#ifndef STORE_DB_LAYER_H
#define STORE_DB_LAYER_H

#include <sqlite3.h>
#include <stddef.h>

/* The first member of a layer's file. */
struct db_layer_file {
	sqlite3_file base;
	sqlite3_file *real; /* within the same allocation; NULL: none, ours is empty */
};

/*
 * Makes *vfs a layer of that name, not yet registered, whose files have size bytes before the unix one, and
 * *methods those of its files. The layer fills in xOpen and xDelete, and of a file how it is read, written, cut
 * and synced, and its shared memory. Name and methods live as long as the layer. Aborts without a unix layer.
 */
void db_layer_init(sqlite3_vfs *vfs, sqlite3_io_methods *methods, const char *name, size_t size);

/* The unix layer below one of ours. */
sqlite3_vfs *db_layer_unix(const sqlite3_vfs *vfs);

/* Closes the unix file: for a layer that has something of its own to close. */
int db_layer_close(sqlite3_file *f);

#endif
