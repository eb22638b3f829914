/*
 * Leases without a message.
 *
 * 1. One that goes has begun > 0; one that waits has begun 0 and a host; one that counts nowhere has neither.
 * 2. At a host and for a destination no more go, with the messages, than may.
 * 3. At most QUEUE_CALLOUTS_MAX go or wait there, and fewer than may go in all: the rest is left to messages. Where
 *    only one may go, one waits while a message goes, and none while a callout does: they take turns.
 */
#include "store/queue_callout.h"

#include "base/mem.h"

/* ---- how many ---- */

struct counts {
	int64_t going;    /* messages too */
	int64_t callouts; /* that go or wait */
};

static enum db_code count(struct db *db, enum sql_id id, const struct queue_lease_row *lease,
    struct str name, struct counts *counts_r)
{
	struct db_query *q = db_begin_query(
	    db, id, DB_ARGS(db_int(QUEUE_SHARD), db_text(name), db_int(lease->token)));

	*counts_r = (struct counts){0};
	if (db_step(q) == DB_ROW)
		*counts_r = (struct counts){db_col_int(q, 0), db_col_int(q, 1)};
	return db_end(q);
}

static int64_t share(int64_t limit)
{
	int64_t left = limit > 1 ? limit - 1 : limit;

	return left > QUEUE_CALLOUTS_MAX ? QUEUE_CALLOUTS_MAX : left;
}

static struct queue_callout_room room_of(const struct counts *n, int64_t limit)
{
	bool has_share = n->callouts < share(limit);

	return (struct queue_callout_room){
	    .goes = has_share && n->going < limit,
	    .waits = has_share && (limit > 1 || n->going > 0),
	};
}

/* At one that is down, where nobody waits with mail, which would find out whether it is up again. */
static enum db_code room_of_failing(struct db *db, struct arena *a, const struct queue_host *host,
    int64_t now, struct queue_callout_room *room_r)
{
	bool awaited = true;
	int64_t active = 0;
	enum db_code code = queue_host_active(db, host->name, &active);

	if (code == DB_OK)
		code = queue_host_is_awaited(db, a, host->name, &awaited);
	*room_r = (struct queue_callout_room){
	    .goes = !awaited && queue_destination_room(&host->state, (size_t)active, now) > 0};
	return code;
}

static enum db_code room_at(struct db *db, struct arena *a, const struct queue_lease_row *lease,
    const struct queue_host *host, int64_t now, struct queue_callout_room *room_r)
{
	struct counts n;
	enum db_code code;

	if (queue_destination_is_failing(&host->state))
		return room_of_failing(db, a, host, now, room_r);
	code = count(db, SQL_LEASE_CALLOUTS_HOST, lease, host->name, &n);
	*room_r = room_of(&n, host->state.limit);
	return code;
}

/* One without a row has never had mail: its server has. None for one that fails, and has mail that will find out. */
static enum db_code destination_limit(struct db *db, struct arena *a,
    const struct queue_config *cfg, struct str name, int64_t now, int64_t *limit_r)
{
	const struct queue_special *special = queue_routing_special(&cfg->routing, name);
	struct queue_place place;
	enum db_code code = queue_place_get(db, a, now, name, &place);

	*limit_r = code == DB_ROW ? (int64_t)place.state.limit : QUEUE_SESSIONS_MAX;
	if (code == DB_ROW && place.due != QUEUE_NEVER &&
	    queue_destination_is_failing(&place.state))
		*limit_r = 0;
	if (special && *limit_r > (int64_t)special->sessions)
		*limit_r = (int64_t)special->sessions;
	return code == DB_ROW ? DB_OK : code;
}

enum db_code queue_callout_room(struct db *db, struct arena *a, const struct queue_config *cfg,
    const struct queue_lease_row *lease, const struct queue_host *host, int64_t now,
    struct queue_callout_room *room_r)
{
	struct queue_callout_room here, there;
	struct counts n;
	int64_t limit;
	enum db_code code = room_at(db, a, lease, host, now, &here);

	if (code == DB_OK)
		code = count(db, SQL_LEASE_CALLOUTS, lease, lease->destination, &n);
	if (code == DB_OK)
		code = destination_limit(db, a, cfg, lease->destination, now, &limit);
	if (code != DB_OK)
		return code;
	there = room_of(&n, limit);
	*room_r = (struct queue_callout_room){here.goes && there.goes, here.waits && there.waits};
	return DB_OK;
}

static enum db_code open_of(
    struct db *db, enum sql_id id, struct str name, int64_t limit, int64_t *active_r)
{
	int64_t waiting = 0;
	enum db_code code;

	if (*active_r <= limit)
		return DB_OK;
	code = db_get_int(db, id, DB_ARGS(db_int(QUEUE_SHARD), db_text(name)), &waiting);
	*active_r -= waiting;
	if (*active_r < limit)
		*active_r = limit;
	return code == DB_ROW ? DB_OK : code;
}

enum db_code queue_callout_open_for(
    struct db *db, struct str destination, int64_t limit, int64_t *active_r)
{
	return open_of(db, SQL_LEASE_WAITING, destination, limit, active_r);
}

enum db_code queue_callout_open_at(struct db *db, struct str host, int64_t limit, int64_t *active_r)
{
	return open_of(db, SQL_LEASE_WAITING_HOST, host, limit, active_r);
}

/* ---- where ---- */

/* It has more room, or less. */
static enum db_code tell_place(struct db *db, struct arena *a, struct str name, int64_t now)
{
	struct queue_place place;
	enum db_code code = queue_place_get(db, a, now, name, &place);

	return code == DB_ROW ? queue_place_set(db, &place, now) : code;
}

enum db_code queue_callout_move(struct db *db, struct arena *a, const struct queue_lease_row *lease,
    struct str host, bool goes, int64_t now)
{
	enum db_code code = DB_OK;

	if (str_eq(lease->host, host) && (lease->begun > 0) == goes)
		return DB_OK;
	code = db_exec(db, SQL_LEASE_CALLOUT_MOVE,
	    DB_ARGS(
		db_int(QUEUE_SHARD), db_int(lease->token), db_text(host), db_int(goes ? now : 0)),
	    NULL);
	return code == DB_OK ? tell_place(db, a, lease->destination, now) : code;
}

/* ---- the beginning and the end ---- */

static enum db_code add(struct db *db, const struct queue_callout *c, int64_t token, int64_t now)
{
	return db_exec(db, SQL_LEASE_ADD,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(token), db_int(c->owner), db_int(0),
		db_text(c->destination), db_int(0), db_int(now + QUEUE_LEASE_MS),
		db_int(QUEUE_STANDING_GOOD), db_text(STR("")), db_text(STR(""))),
	    NULL);
}

static enum lane_exec begin_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct queue_callout *c = LIST_ENTRY(op, struct queue_callout, op);
	int64_t token = 0;
	size_t room = 0;
	enum db_code code = queue_lease_room(db, &room);

	c->token = 0;
	if (code == DB_OK && room > 0) {
		code = queue_lease_token(db, &token);
		if (code == DB_OK)
			code = add(db, c, token, now);
		c->token = token;
	}
	return code == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

void queue_callout_init(struct queue_callout *c)
{
	MUST(c->owner > 0);
	list_init(&c->op.link);
	c->op.exec = begin_exec;
}

static enum lane_exec end_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct queue_callout_end *c = LIST_ENTRY(op, struct queue_callout_end, op);
	struct arena *a = arena_new();
	struct queue_lease_row lease;
	enum db_code code = queue_lease_get(db, a, c->token, &lease);

	if (code == DB_ROW)
		code = lease.message == 0 ? queue_lease_end(db, a, &lease, now) : DB_OK;
	arena_free(&a);
	return code == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

void queue_callout_end_init(struct queue_callout_end *c)
{
	list_init(&c->op.link);
	c->op.exec = end_exec;
	c->op.frees = true; /* whom it keeps from a host need no disk */
}
