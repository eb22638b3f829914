/*
 * Hosts and who waits for them.
 *
 * 1. A line has only destinations that fail, wait or were turned away; who is given out anew leaves all lines.
 * 2. Nobody is woken for a host that is down: its next attempt is that of whoever comes first behind its
 *    next probe.
 * 3. Waking is bounded by the room that there is, and by WAKE_MAX rows that turn out to have nothing to
 *    send: no commit grows with the line.
 */
#include "store/queue_host.h"

#include "base/mem.h"

#define WAKE_MAX 100

/* A row that says nothing new is written no more often. */
#define FRESH_MS MINUTE_MS

/* columns as HOST_GET */
static struct queue_host get_host(struct db_query *q, struct arena *a, struct queue_host h)
{
	int64_t sessions = db_col_int(q, 0);

	if (sessions >= 1 && sessions <= QUEUE_SESSIONS_MAX)
		h.state.limit = (uint32_t)sessions;
	h.state.failures = (uint32_t)db_col_int(q, 1);
	h.state.failing_since = db_col_int(q, 2);
	h.state.next_probe = db_col_int(q, 3);
	h.state.last_try = db_col_int(q, 4);
	h.last = queue_last_get(q, a, 5);
	h.state.last_reply = h.last.reply;
	h.tried_for = arena_str(a, db_col_str(q, 8));
	return h;
}

enum db_code queue_host_get(
    struct db *db, struct arena *a, int64_t now, struct str name, struct queue_host *host_r)
{
	struct queue_host host = {.name = name, .last = {.reply = STR("")}, .tried_for = STR("")};
	struct db_query *q = db_begin_query(
	    db, SQL_HOST_GET, DB_ARGS(db_int(QUEUE_SHARD), db_text(name)));
	enum db_code code;

	queue_destination_init(&host.state, queue_name_seed(name));
	host.state.last_reply = host.last.reply;
	if (db_step(q) == DB_ROW)
		host = get_host(q, a, host);
	code = db_end(q);
	queue_destination_settle(&host.state, now);
	if (code == DB_OK)
		*host_r = host;
	return code;
}

enum db_code queue_host_set(struct db *db, const struct queue_host *host)
{
	const struct queue_destination *d = &host->state;

	return db_exec(db, SQL_HOST_SET,
	    DB_ARGS(db_int(QUEUE_SHARD), db_text(host->name), db_int(d->limit), db_int(d->failures),
		db_int(d->failing_since), db_int(d->next_probe), db_int(d->last_try),
		db_int(host->last.problem), db_int(queue_status_number(host->last.status)),
		db_text(host->last.reply), db_text(host->tried_for)),
	    NULL);
}

enum db_code queue_host_active(struct db *db, struct str name, int64_t *active_r)
{
	enum db_code code = db_get_int(
	    db, SQL_LEASE_COUNT_HOST, DB_ARGS(db_int(QUEUE_SHARD), db_text(name)), active_r);

	return code == DB_ROW ? DB_OK : code;
}

enum db_code queue_host_waits(
    struct db *db, struct arena *a, struct str destination, struct str *hosts_r, size_t *n_r)
{
	struct db_query *q = db_begin_query(db, SQL_HOST_WAIT_OF,
	    DB_ARGS(db_int(QUEUE_SHARD), db_text(destination), db_int(LIMIT_QUEUE_HOSTS)));

	*n_r = 0;
	while (db_step(q) == DB_ROW)
		hosts_r[(*n_r)++] = arena_str(a, db_col_str(q, 0));
	return db_end(q);
}

enum db_code queue_host_serves(struct db *db, struct arena *a, const struct queue_host *host,
    struct str destination, struct str *other_r)
{
	struct db_query *q;

	*other_r = STR("");
	if (queue_destination_is_failing(&host->state) && !str_eq(host->tried_for, destination)) {
		*other_r = host->tried_for;
		return DB_OK;
	}
	q = db_begin_query(db, SQL_HOST_SERVES,
	    DB_ARGS(db_int(QUEUE_SHARD), db_text(host->name), db_text(destination)));
	if (db_step(q) == DB_ROW)
		*other_r = arena_str(a, db_col_str(q, 0));
	return db_end(q);
}

/* ---- learning ---- */

static bool is_news(const struct queue_host *was, const struct queue_host *is)
{
	return was->state.failures != is->state.failures || was->state.limit != is->state.limit ||
	       queue_destination_is_failing(&is->state) ||
	       is->state.last_try - was->state.last_try >= FRESH_MS;
}

/* A domain that wants to wait longer does so by itself; the host is there for others too. */
static const struct queue_policy *sooner(
    const struct queue_host *h, const struct queue_host_lesson *l)
{
	uint32_t failures = h->state.failures + (h->state.failures < UINT32_MAX);
	uint64_t seed = h->state.seed;

	return queue_policy_delay(l->policy, failures, seed) <
		       queue_policy_delay(l->common, failures, seed)
		   ? l->policy
		   : l->common;
}

enum db_code queue_host_teach(
    struct db *db, struct arena *a, const struct queue_host_lesson *l, int64_t now)
{
	struct queue_host host, was;
	int64_t others = 0;
	enum db_code code;

	if (l->name.n == 0 || l->event == QUEUE_EVENT_NONE)
		return DB_OK;
	code = queue_host_get(db, a, now, l->name, &host);
	if (code == DB_OK)
		code = queue_host_active(db, l->name, &others);
	if (code != DB_OK)
		return code;
	was = host;
	host.last = l->last;
	host.tried_for = l->destination;
	queue_destination_apply(
	    &host.state, sooner(&was, l), l->event, (size_t)others, l->last.reply, now);
	return is_news(&was, &host) ? queue_host_set(db, &host) : DB_OK;
}

/* ---- the line ---- */

enum db_code queue_host_line_up(
    struct db *db, struct str host, const struct queue_place *place, int64_t now)
{
	int64_t first = now;
	enum db_code code = queue_first(db, place->name, &first);

	if (code != DB_OK && code != DB_ROW)
		return code;
	return db_exec(db, SQL_HOST_WAIT_ADD,
	    DB_ARGS(db_int(QUEUE_SHARD), db_text(host), db_int(first < now ? first : now),
		db_text(place->name)),
	    NULL);
}

enum db_code queue_host_leave(struct db *db, struct str destination)
{
	return db_exec(
	    db, SQL_HOST_WAIT_LEAVE, DB_ARGS(db_int(QUEUE_SHARD), db_text(destination)), NULL);
}

/* DB_ROW and the destination whose turn it is; DB_OK: nobody waits. */
static enum db_code first_in_line(
    struct db *db, struct arena *a, struct str host, struct str *destination_r)
{
	struct db_query *q = db_begin_query(
	    db, SQL_HOST_WAIT_FIRST, DB_ARGS(db_int(QUEUE_SHARD), db_text(host)));
	enum db_code found = db_step(q), code;

	if (found == DB_ROW)
		*destination_r = arena_str(a, db_col_str(q, 0));
	code = db_end(q);
	return code == DB_OK ? found : code;
}

enum db_code queue_host_is_awaited(struct db *db, struct arena *a, struct str name, bool *awaited_r)
{
	struct str destination;
	enum db_code code = first_in_line(db, a, name, &destination);

	*awaited_r = code == DB_ROW;
	return code == DB_ROW ? DB_OK : code;
}

/* *goes_r: it has something to send now. */
static enum db_code wake_one(
    struct db *db, struct arena *a, struct str name, int64_t now, bool *goes_r)
{
	struct queue_place place;
	enum db_code code = queue_host_leave(db, name);

	*goes_r = false;
	if (code == DB_OK)
		code = queue_place_get(db, a, now, name, &place);
	if (code != DB_ROW)
		return code;
	queue_destination_wake(&place.state);
	code = queue_place_set(db, &place, now);
	*goes_r = place.due <= now;
	return code;
}

enum db_code queue_host_wake(struct db *db, struct arena *a, struct str name, int64_t now)
{
	struct queue_host host;
	struct str destination;
	int64_t active = 0;
	size_t room, tries = 0;
	bool goes;
	enum db_code code = first_in_line(db, a, name, &destination);

	if (code != DB_ROW)
		return code;
	code = queue_host_get(db, a, now, name, &host);
	if (code == DB_OK)
		code = queue_host_active(db, name, &active);
	if (code != DB_OK || queue_destination_is_failing(&host.state))
		return code;
	room = queue_destination_room(&host.state, (size_t)active, now);
	while (room > 0 && tries++ < WAKE_MAX &&
	       (code = first_in_line(db, a, name, &destination)) == DB_ROW) {
		code = wake_one(db, a, destination, now, &goes);
		if (code != DB_OK)
			return code;
		room -= goes;
	}
	return code == DB_ROW ? DB_OK : code;
}

/* ---- what is done to all ---- */

enum db_code queue_host_retry(struct db *db, struct arena *a, struct str destination, int64_t now)
{
	struct str names[LIMIT_QUEUE_HOSTS];
	size_t n = 0;
	enum db_code code = queue_host_waits(db, a, destination, names, &n);

	for (size_t i = 0; i < n && code == DB_OK; i++) {
		struct queue_host host;

		code = queue_host_get(db, a, now, names[i], &host);
		if (code != DB_OK || host.state.next_probe <= now)
			continue;
		host.state.next_probe = now;
		code = queue_host_set(db, &host);
	}
	return code;
}
