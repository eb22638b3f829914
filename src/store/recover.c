/* Recovery: the database's own log first (SQLite does that when it opens), then the packs. */
#include "store/recover.h"

#include "base/mem.h"
#include "store/pack_format.h"

#define SEQUENCE_MAX (INT64_MAX / 2) /* none is as high, but in a damaged row */

struct rows {
	struct blob_point *v;
	size_t n, cap;
	int64_t sequence; /* highest */
	int64_t *dropped;
	size_t ndropped;
};

static void add_row(struct rows *rows, struct db_query *q)
{
	int64_t sequence = db_col_int(q, 4);

	rows->v = mem_grow(rows->v, rows->n, &rows->cap, sizeof *rows->v);
	rows->v[rows->n++] = (struct blob_point){.pack = db_col_int(q, 0),
	    .generation = db_col_int(q, 1),
	    .single = db_col_int(q, 2) != 0,
	    .end = db_col_int(q, 3)};
	if (sequence > rows->sequence && sequence < SEQUENCE_MAX)
		rows->sequence = sequence;
}

static enum db_code read_rows(struct db *db, struct rows *rows)
{
	struct db_query *q = db_begin_query(db, SQL_PACK_LIST, DB_NO_ARGS);

	while (db_step(q) == DB_ROW)
		add_row(rows, q);
	return db_end(q);
}

bool recover_knows_content(struct db *db)
{
	struct rows rows = {0};
	bool knows = read_rows(db, &rows) != DB_OK;

	for (size_t i = 0; i < rows.n; i++)
		knows |= rows.v[i].end > (int64_t)PACK_HEAD;
	mem_free(rows.v);
	return knows;
}

static enum db_code read_dropped(struct db *db, struct rows *rows)
{
	struct db_query *q = db_begin_query(db, SQL_DROPPED_LIST, DB_NO_ARGS);

	while (db_step(q) == DB_ROW) {
		rows->dropped = mem_resize(
		    rows->dropped, (rows->ndropped + 1) * sizeof *rows->dropped);
		rows->dropped[rows->ndropped++] = db_col_int(q, 0);
	}
	return db_end(q);
}

enum db_code recover_put_point(struct db *db, const struct blob_point *point, int64_t sequence)
{
	return db_exec(db, SQL_PACK_PUT,
	    DB_ARGS(db_int(point->pack), db_int(point->generation), db_int(point->single),
		db_int(point->end), db_int(sequence)),
	    NULL);
}

static enum db_code commit_point(struct db *db, const struct blob_point *point, int64_t sequence)
{
	enum db_code code = db_begin(db);

	if (code == DB_OK)
		code = recover_put_point(db, point, sequence);
	if (code == DB_OK) /* taken in again by a repair */
		code = db_exec(db, SQL_DROPPED_KNOWN, DB_NO_ARGS, NULL);
	if (code == DB_OK)
		code = db_commit(db);
	if (code != DB_OK)
		(void)db_rollback(db);
	return code;
}

static bool is_named(void *ctx, int64_t pack)
{
	int64_t blob;

	return db_get_int(ctx, SQL_BLOB_OF_PACK, DB_ARGS(db_int(pack)), &blob) != DB_OK;
}

/* What cannot be read may lie anywhere. */
static bool last_in(void *ctx, int64_t pack, struct blob_pos *pos_r)
{
	struct db_query *q = db_begin_query(ctx, SQL_PACK_LAST, DB_ARGS(db_int(pack)));
	bool found = db_step(q) == DB_ROW;

	if (found)
		*pos_r = (struct blob_pos){pack, db_col_int(q, 0), db_col_int(q, 1)};
	if (db_end(q) == DB_OK)
		return found;
	*pos_r = (struct blob_pos){pack, INT64_MAX, 0};
	return true;
}

/* Of what went wrong with the packs. */
static enum db_code code_of(enum blob_code code)
{
	return code == BLOB_FULL ? DB_FULL : DB_IO;
}

enum db_code recover_packs(struct db *db, const struct pack_config *config,
    struct blob_store **blobs_r, int64_t *sequence_r, struct err *e)
{
	struct rows rows = {0};
	struct blob_store *blobs = NULL;
	struct blob_point point;
	enum db_code code = read_rows(db, &rows);
	struct pack_config with = *config;
	enum blob_code opened = BLOB_IO;

	if (code == DB_OK)
		code = read_dropped(db, &rows);
	with.dropped = rows.dropped;
	with.ndropped = rows.ndropped;
	with.is_named = is_named;
	with.last_in = last_in;
	with.ctx = db;
	if (code == DB_OK)
		opened = pack_open(&with, rows.v, rows.n, &blobs, &point, e);
	mem_free(rows.v);
	mem_free(rows.dropped);
	if (opened == BLOB_OK)
		code = commit_point(db, &point, rows.sequence);
	if (code != DB_OK) {
		err_set(e, "%s%s", db_error(db), db_cure(db));
		blob_store_free(&blobs);
		return code;
	}
	if (opened != BLOB_OK)
		return code_of(opened);
	*blobs_r = blobs;
	*sequence_r = rows.sequence;
	return DB_OK;
}
