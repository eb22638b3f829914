/* By the index; of what has lost its row, by the ledger and the queue, which find it with one look each. */
#include "store/needed.h"

/* Of a blob whose row names that place. */
static enum needed is_held_at(struct blob_store *blobs, int64_t id, struct blob_pos pos)
{
	struct blob_reader *r = NULL;
	enum blob_code code = blob_open(blobs, id, pos, &r, NULL);

	blob_close(blobs, &r);
	if (code == BLOB_FULL || code == BLOB_IO)
		return NEEDED_UNKNOWN;
	return code == BLOB_OK ? NEEDED_NOT : NEEDED_YES;
}

enum db_code needed_record(struct db *db, struct blob_store *blobs,
    const struct pack_record *record, enum needed *needed_r)
{
	struct db_query *q = db_begin_query(db, SQL_BLOB_GET, DB_ARGS(db_int(record->id)));
	bool has_row = db_step(q) == DB_ROW;
	struct blob_pos pos = {0};
	int64_t message;
	enum db_code code;

	if (has_row)
		pos = (struct blob_pos){db_col_int(q, 0), db_col_int(q, 1), db_col_int(q, 2)};
	code = db_end(q);
	if (code == DB_OK && !has_row)
		code = db_get_int(
		    db, SQL_NEEDED_WITHOUT_ROW, DB_ARGS(db_int(record->id)), &message);
	if (code != DB_OK && code != DB_ROW)
		return code;
	if (!has_row)
		*needed_r = code == DB_ROW ? NEEDED_YES : NEEDED_NOT;
	else if (pos.pack == record->pack && pos.offset == record->offset)
		*needed_r = NEEDED_NOT;
	else
		*needed_r = is_held_at(blobs, record->id, pos);
	return DB_OK;
}
