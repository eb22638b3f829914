/* Recipients first, slice by slice; with the last slice all destinations, which then know what is due. */
#include "store/queue_clock.h"

#include "base/mem.h"
#include "store/queue_host.h"

enum db_code queue_clock_is_ahead(struct db *db, int64_t now, bool *ahead_r)
{
	int64_t when;
	enum db_code code = db_get_int(
	    db, SQL_DESTINATION_AHEAD, DB_ARGS(db_int(QUEUE_SHARD), db_int(now)), &when);

	if (code != DB_OK && code != DB_ROW)
		return code;
	*ahead_r = code == DB_ROW;
	return DB_OK;
}

/* What is read is settled already. */
static enum db_code settle_rows(struct queue_clock *c, struct db *db, struct arena *a, int64_t now)
{
	struct queue_rows rows = {NULL, 0};
	enum db_code code = queue_rows_get(db, a, now, SQL_QUEUE_AHEAD,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(c->message), db_int(c->recipient), db_int(now),
		db_int(LIMIT_SLICE_ROWS)),
	    &rows);

	for (size_t i = 0; i < rows.n && code == DB_OK; i++) {
		code = queue_row_set(db, &rows.v[i]);
		c->next_message = rows.v[i].message;
		c->next_recipient = rows.v[i].recipient;
	}
	c->more = rows.n == LIMIT_SLICE_ROWS;
	return code;
}

/* The name behind `after`, in the arena; DB_OK: there is none. */
static enum db_code next_place(struct db *db, struct arena *a, struct str after, struct str *name_r)
{
	struct db_query *q = db_begin_query(
	    db, SQL_DESTINATION_NEXT, DB_ARGS(db_int(QUEUE_SHARD), db_text(after)));
	enum db_code found = db_step(q), code;

	if (found == DB_ROW)
		*name_r = arena_str(a, db_col_str(q, 0));
	code = db_end(q);
	return code == DB_OK ? found : code;
}

static enum db_code settle_places(struct db *db, struct arena *a, int64_t now)
{
	struct str name = STR("");
	struct queue_place place;
	enum db_code code;

	while ((code = next_place(db, a, name, &name)) == DB_ROW) {
		code = queue_place_get(db, a, now, name, &place);
		if (code != DB_ROW)
			break;
		place.state.waits = 0; /* for how long there is no telling: it asks again */
		code = queue_place_set(db, &place, now);
		if (code != DB_OK)
			break;
	}
	return code;
}

static enum lane_exec clock_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct queue_clock *c = LIST_ENTRY(op, struct queue_clock, op);
	struct arena *a = arena_new();
	enum db_code code = settle_rows(c, db, a, now);

	if (code == DB_OK && !c->more)
		code = queue_host_settle_all(db, a, now);
	if (code == DB_OK && !c->more)
		code = settle_places(db, a, now);
	arena_free(&a);
	return code == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

void queue_clock_init(struct queue_clock *c)
{
	list_init(&c->op.link);
	c->op.exec = clock_exec;
	c->message = c->recipient = -1;
}

void queue_clock_go_on(struct queue_clock *c)
{
	c->message = c->next_message;
	c->recipient = c->next_recipient;
}
