/*
 * Takes over the rows of a damaged database that can still be read. Whatever page is damaged, the rows in
 * the others are found: each table is read from both ends, then in between.
 */
#ifndef STORE_SALVAGE_ROWS_H
#define STORE_SALVAGE_ROWS_H

#include <sqlite3.h>

#include "base/arena.h"
#include "store/db.h"

struct salvage_rows {
	sqlite3 *old; /* NULL: nothing of it can be read */
	int64_t version;
	/* the answer */
	int64_t rows;   /* taken over */
	int64_t tables; /* that could not be read in full */
	bool has_index; /* that of blobs was read in full */
	struct err err;
};

/*
 * Opens the old database; one that is missing, empty or cannot be read at all is no failure. False with
 * err set for one that a newer program wrote.
 */
bool salvage_rows_open(struct salvage_rows *r, const char *name);

/*
 * Appends the script that makes the schema the old one has, to be migrated later; this program's own when
 * the old one has that, or none that can be read.
 */
void salvage_rows_schema(struct salvage_rows *r, struct buf *script, int64_t *version_r);

/*
 * Copies into the new database, whose schema is made, all tables but that of packs. DB_OK, or what failed
 * in the new one: err says it.
 */
enum db_code salvage_rows_copy(struct salvage_rows *r, struct db *to);

/* The committed end and generation of a pack, 0 when no row tells. */
void salvage_rows_pack(
    struct salvage_rows *r, int64_t pack, int64_t *end_r, int64_t *generation_r, bool *single_r);

void salvage_rows_close(struct salvage_rows *r);

#endif
