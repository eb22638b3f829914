/*
 * Recipients first, then hosts, then destinations, which then know what is due; slice by slice, so that no
 * commit grows with the queue. Destinations that were tried in what is now the future are the last: as long
 * as one is left, whoever starts anew begins all this again. Moving on is not: what is left of it when the
 * process ends has its attempt, as after each start, and ends then.
 */
#include "store/queue_clock.h"

#include "base/mem.h"
#include "store/queue_host.h"

static enum db_code first_of(struct db *db, enum sql_id id, struct str after, int64_t since,
    struct arena *a, struct str *name_r)
{
	struct db_query *q = db_begin_query(
	    db, id, DB_ARGS(db_int(QUEUE_SHARD), db_text(after), db_int(since)));
	enum db_code found = db_step(q), code;

	if (found == DB_ROW)
		*name_r = arena_str(a, db_col_str(q, 0));
	code = db_end(q);
	return code == DB_OK ? found : code;
}

enum db_code queue_clock_is_ahead(struct db *db, int64_t now, bool *ahead_r)
{
	struct arena *a = arena_new();
	struct str name;
	enum db_code code = first_of(db, SQL_DESTINATION_AHEAD, STR(""), now, a, &name);
	int64_t newest = 0;

	arena_free(&a);
	*ahead_r = code == DB_ROW;
	if (code == DB_OK)
		code = db_get_int(
		    db, SQL_QUEUE_NEWEST_AHEAD, DB_ARGS(db_int(QUEUE_SHARD), db_int(now)), &newest);
	*ahead_r = *ahead_r || newest > 0;
	return code == DB_ROW ? DB_OK : code;
}

static enum db_code set_rows(struct queue_clock *c, struct db *db, const struct queue_rows *rows)
{
	enum db_code code = DB_OK;

	for (size_t i = 0; i < rows->n && code == DB_OK; i++) {
		code = queue_row_set(db, &rows->v[i]);
		c->next.message = rows->v[i].message;
		c->next.recipient = rows->v[i].recipient;
	}
	c->moved += rows->n;
	return code;
}

/* What is read is settled already. */
static enum db_code settle_rows(struct queue_clock *c, struct db *db, struct arena *a, int64_t now)
{
	struct queue_rows rows = {NULL, 0};
	struct queue_clock_at *at = &c->next;
	enum db_code code = queue_rows_get(db, a, now, SQL_QUEUE_AHEAD,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(at->message), db_int(at->recipient), db_int(now),
		db_int(LIMIT_SLICE_ROWS)),
	    &rows);

	if (rows.n < LIMIT_SLICE_ROWS)
		at->part++;
	return code == DB_OK ? set_rows(c, db, &rows) : code;
}

static void move_on(const struct queue_clock *c, struct queue_entry *e, int64_t now)
{
	for (const struct queue_clock_late *l = c->late; l < c->late + c->nlate; l++)
		if (e->accepted >= l->from && e->accepted <= l->until)
			queue_schedule_move_on(e, l->by, now);
}

/* All that may move. */
static struct queue_clock_late span_of(const struct queue_clock *c)
{
	struct queue_clock_late span = c->late[0];

	for (const struct queue_clock_late *l = c->late; l < c->late + c->nlate; l++) {
		span.from = l->from < span.from ? l->from : span.from;
		span.until = l->until > span.until ? l->until : span.until;
	}
	return span;
}

static enum db_code move_rows_on(struct queue_clock *c, struct db *db, struct arena *a, int64_t now)
{
	struct queue_rows rows = {NULL, 0};
	struct queue_clock_at *at = &c->next;
	struct queue_clock_late span = span_of(c);
	enum db_code code = queue_rows_get(db, a, now, SQL_QUEUE_BETWEEN,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(at->message), db_int(at->recipient),
		db_int(span.from), db_int(span.until), db_int(LIMIT_SLICE_ROWS)),
	    &rows);

	for (size_t i = 0; i < rows.n; i++)
		move_on(c, &rows.v[i].entry, now);
	if (rows.n < LIMIT_SLICE_ROWS)
		at->part = QUEUE_CLOCK_PARTS;
	return code == DB_OK ? set_rows(c, db, &rows) : code;
}

static enum db_code settle_host(struct db *db, struct arena *a, int64_t now, struct str name)
{
	struct queue_host host;
	enum db_code code = queue_host_get(db, a, now, name, &host);

	return code == DB_OK ? queue_host_set(db, &host) : code;
}

/*
 * What it waits for its hosts may have been found out in what is now the future, without an attempt of its own: for
 * how long there is no telling. They have their own times, which have moved along.
 */
static enum db_code ask_again(
    struct db *db, struct arena *a, struct queue_place *place, int64_t now)
{
	struct str names[LIMIT_QUEUE_HOSTS];
	size_t n = 0;
	enum db_code code = queue_host_waits(db, a, place->name, names, &n);

	place->state.waits = 0;
	if (n > 0 && queue_destination_is_failing(&place->state) && place->state.next_probe > now)
		place->state.next_probe = now;
	return code;
}

static enum db_code settle_place(struct db *db, struct arena *a, int64_t now, struct str name)
{
	struct queue_place place;
	enum db_code code = queue_place_get(db, a, now, name, &place);

	if (code != DB_ROW)
		return code;
	code = ask_again(db, a, &place, now);
	return code == DB_OK ? queue_place_set(db, &place, now) : code;
}

static const struct {
	enum sql_id next; /* of shard, name, time: the name behind that one */
	enum db_code (*settle)(struct db *db, struct arena *a, int64_t now, struct str name);
} parts[QUEUE_CLOCK_PARTS] = {
    [QUEUE_CLOCK_HOSTS] = {SQL_HOST_AHEAD, settle_host},
    [QUEUE_CLOCK_PLACES] = {SQL_DESTINATION_BEHIND, settle_place},
    [QUEUE_CLOCK_PLACES_AHEAD] = {SQL_DESTINATION_AHEAD, settle_place},
};

/* One host or destination, or the end of its part. */
static enum db_code settle_one(struct queue_clock *c, struct db *db, struct arena *a, int64_t now)
{
	struct queue_clock_at *at = &c->next;
	enum db_code code = first_of(db, parts[at->part].next, at->name, at->since, a, &at->name);

	if (code == DB_ROW) {
		c->moved++;
		return parts[at->part].settle(db, a, now, at->name);
	}
	at->part++;
	at->name = STR("");
	return code;
}

static enum lane_exec clock_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct queue_clock *c = LIST_ENTRY(op, struct queue_clock, op);
	struct arena *a = arena_new();
	enum db_code code = DB_OK;

	c->next = c->at;
	c->moved = 0;
	if (c->next.since == 0)
		c->next.since = now;
	if (c->nlate)
		code = move_rows_on(c, db, a, now);
	else if (c->next.part == QUEUE_CLOCK_ROWS)
		code = settle_rows(c, db, a, now);
	while (code == DB_OK && c->next.part < QUEUE_CLOCK_PARTS && c->moved < LIMIT_SLICE_ROWS)
		code = settle_one(c, db, a, now);
	c->next.name = arena_str(c->arena, c->next.name);
	c->more = c->next.part < QUEUE_CLOCK_PARTS;
	arena_free(&a);
	return code == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

void queue_clock_init(struct queue_clock *c)
{
	*c = (struct queue_clock){.op.exec = clock_exec, .arena = arena_new()};
	list_init(&c->op.link);
	c->at.message = c->at.recipient = -1;
}

void queue_clock_go_on(struct queue_clock *c)
{
	c->at = c->next;
}

void queue_clock_fini(struct queue_clock *c)
{
	arena_free(&c->arena);
}
