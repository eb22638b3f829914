/*
 * Giving out jobs and taking them back.
 *
 * 1. A queue row bears a token exactly while the lease with that token is there, and the lease's
 *    message and destination are the row's.
 * 2. Destinations take turns: the one that has been due for longest goes next; what still has work
 *    after its job is due now, behind the others.
 * 3. Each step of the loop gives out a job or moves a destination behind now: it ends.
 * 4. Of the attempts under way only a share goes to destinations that have never been tried, and to
 *    those that fail: where nobody answers, an attempt lasts for minutes. The last of them are for who has
 *    none: a hundred servers that were well and are slow now would have all of them, five each. Where no
 *    more than half the share of those never tried, or of those that fail, may be added, they are brief: who is silent
 *    is not waited for, or a thousand such servers had their probes later than the schedule says. Each second probe of
 *    one waits for it all the same: he may only be slow, or have another host behind one that is silent.
 * 5. A lease counts at the host that its destination went to last, until it is known to go elsewhere
 *    (store/queue_way.h). Where that has as many as it may, the destination gets in line for it.
 */
#include "store/queue_lease.h"

#include "base/mem.h"
#include "store/forward.h"
#include "store/queue_host.h"
#include "store/queue_way.h"

#define LEASE        STR("lease") /* the counter of tokens */
#define FIRST_ROWS   4            /* most often the first row is the job */
#define LINED_UP_MAX 100          /* in one commit: others want to write too */
#define SCAN_ROWS    (2 * QUEUE_JOB_RECIPIENTS)
#define KEPT         (QUEUE_JOBS_MAX / 5) /* attempts, for destinations that have none */
#define PATIENT      2                    /* of so many probes one waits for who may only be slow */
#define HOLD_MS      SECOND_MS            /* until what has expired was returned */
#define SHARE_MS     (5 * SECOND_MS)      /* until one that has its share is looked at again */
#define MISSING_MS   HOUR_MS              /* a message that cannot be read is looked at again */

/* One run of the request. */
struct leasing {
	struct queue_lease *l;
	struct db *db;
	int64_t now;
	struct queue_place place;
	size_t
	    room[QUEUE_STANDINGS]; /* attempts that may be added, by what is known of the place */
	size_t all;                /* the same, whatever is known */
	size_t lined_up;           /* destinations that were sent to the line of their host */
	enum db_code code;
};

static bool failed(struct leasing *g, enum db_code code)
{
	if (code != DB_OK && code != DB_ROW && g->code == DB_OK)
		g->code = code;
	return g->code != DB_OK;
}

/* ---- choosing ---- */

static bool may_go(const struct leasing *g, const struct queue_row *row)
{
	struct queue_schedule s = queue_row_schedule(&g->l->cfg, row, &g->place);

	return row->report == QUEUE_REPORT_NONE && s.next_attempt <= g->now && g->now < s.expires;
}

/*
 * Of rows in the order of their turn: the first that may go, and those of its message behind it that go
 * through the same alias, for what is sent differs.
 */
static struct queue_rows choose(const struct leasing *g, struct queue_rows rows)
{
	struct queue_rows chosen = {NULL, 0};
	size_t i = 0;

	while (i < rows.n && !may_go(g, &rows.v[i]))
		i++;
	if (i < rows.n)
		chosen.v = &rows.v[i];
	while (i < rows.n && chosen.n < QUEUE_JOB_RECIPIENTS && may_go(g, &rows.v[i]) &&
	       rows.v[i].message == chosen.v[0].message) {
		if (str_eq(rows.v[i].forwarder, chosen.v[0].forwarder))
			chosen.v[chosen.n++] = rows.v[i];
		i++;
	}
	return chosen;
}

static bool read_ready(struct leasing *g, int64_t priority, int64_t max, struct queue_rows *rows_r)
{
	return !failed(g, queue_rows_get(g->db, g->l->arena, g->now, SQL_QUEUE_READY,
			      DB_ARGS(db_int(QUEUE_SHARD), db_text(g->place.name), db_int(priority),
				  db_int(g->now), db_int(max)),
			      rows_r));
}

/* The first rows tell all unless they might have more of the same message behind them. */
static bool tells_all(const struct queue_rows *rows, const struct queue_rows *chosen)
{
	return rows->n < FIRST_ROWS || (chosen->n > 0 && chosen->v + chosen->n < rows->v + rows->n);
}

/* The rows of the next job of a priority; adds to *ready_r how many wait, though none may go. */
static struct queue_rows choose_of(struct leasing *g, int64_t priority, size_t *ready_r)
{
	struct queue_rows rows = {NULL, 0}, chosen = {NULL, 0};

	if (read_ready(g, priority, FIRST_ROWS, &rows))
		chosen = choose(g, rows);
	if (g->code == DB_OK && !tells_all(&rows, &chosen) &&
	    read_ready(g, priority, SCAN_ROWS, &rows))
		chosen = choose(g, rows);
	*ready_r += rows.n;
	return chosen;
}

/* The rows of the next job: of the highest priority of which any may go. */
static struct queue_rows choose_job(struct leasing *g, size_t *ready_r)
{
	struct queue_rows chosen = {NULL, 0};
	int64_t priority = INT64_MAX;

	*ready_r = 0;
	while (chosen.n == 0 && g->code == DB_OK) {
		enum db_code code = db_get_int(g->db, SQL_QUEUE_PRIORITY,
		    DB_ARGS(db_int(QUEUE_SHARD), db_text(g->place.name), db_int(priority)),
		    &priority);

		if (failed(g, code) || code != DB_ROW)
			break;
		chosen = choose_of(g, priority, ready_r);
	}
	return chosen;
}

/* ---- writing ---- */

/* One that a damaged database does not find by its key stays out: it would be given out again and again. */
static void take_rows(struct leasing *g, struct queue_rows *rows, int64_t token)
{
	size_t n = 0;

	for (size_t i = 0; i < rows->n && g->code == DB_OK; i++) {
		struct queue_row row = rows->v[i];
		int64_t taken = 0;

		row.token = token;
		failed(g, db_exec(g->db, SQL_QUEUE_TAKE,
			      DB_ARGS(db_int(QUEUE_SHARD), db_int(row.message),
				  db_int(row.recipient), db_int(token)),
			      &taken));
		if (taken)
			rows->v[n++] = row;
	}
	rows->n = n;
}

enum db_code queue_lease_token(struct db *db, int64_t *token_r)
{
	enum db_code code = db_get_int(db, SQL_META_NEXT, DB_ARGS(db_text(LEASE)), token_r);

	if (code == DB_OK)
		code = db_damaged(db, "the counter of leases is not there");
	return code == DB_ROW ? DB_OK : code;
}

enum db_code queue_lease_last(struct db *db, int64_t *token_r)
{
	enum db_code code = db_get_int(db, SQL_META_GET, DB_ARGS(db_text(LEASE)), token_r);

	return code == DB_ROW ? DB_OK : code;
}

static size_t text_of(const struct queue_job *job)
{
	size_t n = job->reverse_path.n + job->message.envid.n + job->destination.n + 256;

	for (size_t i = 0; i < job->rows.n; i++)
		n += job->rows.v[i].address.n + job->rows.v[i].orcpt.n + 32;
	return n;
}

/* What the job goes with instead of the sender's own reverse path, empty for that. */
static struct str other_path(struct leasing *g, const struct queue_job *job)
{
	const struct directory_config *d = g->l->cfg.directory;
	struct forward_mail mail = {job->message.id, job->message.reverse_path,
	    job->rows.v[0].forwarder, job->rows.v[0].entry.accepted};
	struct str path = STR("");

	if (d && d->srs)
		failed(g, forward_path(g->db, d->hostname, g->l->arena, &mail, g->now, &path));
	return path;
}

/* It finds out anew what it is to wait for. */
static void leave_lines(struct leasing *g)
{
	if (g->place.state.waits == 0 && !queue_destination_is_failing(&g->place.state))
		return;
	g->place.state.waits = 0;
	failed(g, queue_host_leave(g->db, g->place.name));
}

/* Invariant 4. */
static bool is_brief(const struct leasing *g, enum queue_standing standing)
{
	if (g->room[standing] > queue_standing_share(standing, QUEUE_JOBS_MAX) / 2)
		return false;
	return standing == QUEUE_STANDING_UNKNOWN ||
	       (standing == QUEUE_STANDING_FAILING &&
		   (g->place.state.failures + g->place.state.seed) % PATIENT != 0);
}

/* Mostly there are few, and room for hundreds. */
static void add_job(struct queue_lease *l, const struct queue_job *job)
{
	l->jobs = arena_grow(l->arena, l->jobs, l->n, &l->jobs_room, sizeof *l->jobs);
	l->jobs[l->n++] = *job;
}

static void give_out(struct leasing *g, struct queue_job job)
{
	struct str path = other_path(g, &job);
	enum queue_standing standing = queue_destination_standing(&g->place.state);

	failed(g, queue_lease_token(g->db, &job.token));
	job.brief = is_brief(g, standing);
	job.attempts = g->place.state.failures + job.rows.v[0].entry.attempts;
	job.reverse_path = path.n ? path : job.message.reverse_path;
	take_rows(g, &job.rows, job.token);
	if (job.rows.n == 0)
		g->place.hold = g->now + HOLD_MS;
	if (g->code != DB_OK || job.rows.n == 0 ||
	    failed(g, db_exec(g->db, SQL_LEASE_ADD,
			  DB_ARGS(db_int(QUEUE_SHARD), db_int(job.token), db_int(g->l->owner),
			      db_int(job.message.id), db_text(job.destination), db_int(g->now),
			      db_int(g->now + QUEUE_LEASE_MS), db_int(standing), db_text(path),
			      db_text(job.host)),
			  NULL)))
		return;
	leave_lines(g);
	g->room[standing]--;
	g->place.turn = job.token;
	g->l->used += text_of(&job);
	add_job(g->l, &job);
}

/* Never so by the invariants; but one message may not hold up all others. */
static void postpone(struct leasing *g, const struct queue_rows *rows)
{
	for (size_t i = 0; i < rows->n && g->code == DB_OK; i++) {
		rows->v[i].entry.not_before = g->now + MISSING_MS;
		failed(g, queue_row_set(g->db, &rows->v[i]));
	}
	g->place.hold = g->now + HOLD_MS;
}

/* What it learned may be more than it is allowed. */
static void limit_sessions(struct leasing *g)
{
	const struct queue_special *s = queue_routing_special(&g->l->cfg.routing, g->place.name);

	if (s && g->place.state.limit > s->sessions)
		g->place.state.limit = s->sessions;
}

static enum queue_hold host_hold(struct leasing *g, struct queue_host *host)
{
	int64_t active = 0;

	if (failed(g, queue_host_get(g->db, g->l->arena, g->now, g->place.host, host)) ||
	    failed(g, queue_host_active(g->db, g->place.host, &active)))
		return QUEUE_HOLD_PROBE;
	return queue_destination_hold(&host->state, (size_t)active, 0, g->now);
}

/*
 * At which host the job counts: where it most likely goes to, if that is up and has room. Without room it
 * waits for some: true.
 */
static bool is_in_line(struct leasing *g, struct str *host_r)
{
	const struct queue_policy *policy = queue_config_policy(&g->l->cfg, g->place.name);
	struct queue_destination *d = &g->place.state;
	enum queue_hold hold;
	struct queue_host host;

	*host_r = STR("");
	if (g->place.host.n == 0 || queue_destination_is_failing(d))
		return false;
	if (d->waits != 0 && d->waits <= g->now)
		return false; /* it has waited out its time, not been woken: it may have other hosts */
	hold = host_hold(g, &host);
	if (hold == QUEUE_HOLD_NONE && !queue_destination_is_failing(&host.state))
		*host_r = g->place.host;
	if (hold != QUEUE_HOLD_SESSIONS)
		return false;
	queue_destination_wait(d, queue_way_until(&host.state, policy, d->seed, g->now), false);
	failed(g, queue_host_line_up(g->db, g->place.host, &g->place, g->now));
	g->lined_up++;
	return true;
}

/*
 * No row could be read. Where a damaged index says that one may go all the same, the turn of the destination
 * would come again at once, for ever.
 */
static bool is_due_all_the_same(struct leasing *g)
{
	int64_t first = QUEUE_NEVER;

	return !failed(g, queue_first(g->db, g->place.name, &first)) && first <= g->now;
}

/* Callouts are not what it has to share. */
static enum db_code count_messages(struct db *db, struct str destination, size_t *n_r)
{
	int64_t n = 0;
	enum db_code code = db_get_int(
	    db, SQL_LEASE_COUNT_MESSAGES, DB_ARGS(db_int(QUEUE_SHARD), db_text(destination)), &n);

	*n_r = (size_t)n;
	return code == DB_ROW ? DB_OK : code;
}

/* Invariant 4. What it has may last for long: somebody else's is not taken for more. */
static bool has_its_share(struct leasing *g, size_t active)
{
	size_t messages = 0;

	if (active == 0 || g->all - g->l->n > KEPT)
		return false;
	failed(g, count_messages(g->db, g->place.name, &messages));
	return messages > 0;
}

/* A job for the destination whose turn it is, if one may go. */
static void serve(struct leasing *g)
{
	struct queue_job job = {.destination = g->place.name};
	enum db_code code;
	int64_t active;
	size_t ready;

	limit_sessions(g);
	if (failed(g, queue_place_active(g->db, g->place.name, &active)) ||
	    queue_destination_room(&g->place.state, (size_t)active, g->now) == 0)
		return;
	if (has_its_share(g, (size_t)active)) {
		g->place.hold = g->now + SHARE_MS;
		return;
	}
	job.rows = choose_job(g, &ready);
	if (g->code != DB_OK || (job.rows.n > 0 && is_in_line(g, &job.host)))
		return;
	if (job.rows.n == 0) {
		g->place.hold = ready || is_due_all_the_same(g) ? g->now + HOLD_MS : 0;
		return;
	}
	code = queue_message_get(g->db, g->l->arena, job.rows.v[0].message, &job.message);
	if (code == DB_ROW)
		give_out(g, job);
	else if (!failed(g, code))
		postpone(g, &job.rows);
}

/* One whose turn it may be. */
struct candidate {
	struct str name; /* empty: none */
	int64_t due, turn;
};

static bool is_before(const struct candidate *a, const struct candidate *b)
{
	return b->name.n == 0 || a->due < b->due || (a->due == b->due && a->turn < b->turn);
}

/* The first of a standing, if it goes before the one that is there. */
static void offer(struct leasing *g, enum queue_standing standing, struct candidate *c)
{
	struct db_query *q = db_begin_query(g->db, SQL_DESTINATION_READY,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(standing), db_int(g->now)));

	if (db_step(q) == DB_ROW) {
		struct candidate other = {db_col_str(q, 0), db_col_int(q, 1), db_col_int(q, 2)};

		if (is_before(&other, c)) {
			other.name = arena_str(g->l->arena, other.name);
			*c = other;
		}
	}
	failed(g, db_end(q));
}

/* The name of the destination whose turn it is; empty: none is due that there is room for. */
static struct str next_name(struct leasing *g)
{
	struct candidate c = {.name = STR("")};

	for (int i = 0; i < QUEUE_STANDINGS && g->code == DB_OK; i++) {
		if (g->room[i] > 0)
			offer(g, (enum queue_standing)i, &c);
	}
	return c.name;
}

/* False: none is due, or the database failed. */
static bool serve_next(struct leasing *g)
{
	struct str name = next_name(g);
	enum db_code code;

	if (g->code != DB_OK || name.n == 0)
		return false;
	code = queue_place_get(g->db, g->l->arena, g->now, name, &g->place);
	if (code == DB_OK)
		code = db_damaged(g->db, "a destination is in its index only");
	if (failed(g, code))
		return false;
	serve(g);
	if (g->code == DB_OK)
		failed(g, queue_place_set(g->db, &g->place, g->now));
	return g->code == DB_OK;
}

/* Those that are out, by their standing. */
static enum db_code count_leases(struct db *db, size_t counts_r[QUEUE_STANDINGS])
{
	struct db_query *q = db_begin_query(db, SQL_LEASE_STANDINGS, DB_ARGS(db_int(QUEUE_SHARD)));

	for (int i = 0; i < QUEUE_STANDINGS; i++)
		counts_r[i] = 0;
	while (db_step(q) == DB_ROW) {
		int64_t standing = db_col_int(q, 0);

		if (standing < 0 || standing >= QUEUE_STANDINGS)
			standing = QUEUE_STANDING_GOOD; /* damaged: it counts among all */
		counts_r[standing] += (size_t)db_col_int(q, 1);
	}
	return db_end(q);
}

static size_t rest_of(size_t all, size_t n)
{
	return n < all ? all - n : 0;
}

/*
 * How many attempts may be added at destinations of each standing. The good ones have all that there is; so
 * that it is never passed, whatever relays there were.
 */
static enum db_code rooms_of(struct db *db, size_t rooms_r[QUEUE_STANDINGS])
{
	size_t counts[QUEUE_STANDINGS], n = 0, all;
	enum db_code code = count_leases(db, counts);

	for (int i = 0; i < QUEUE_STANDINGS; i++)
		n += counts[i];
	all = rest_of(QUEUE_JOBS_MAX, n);
	for (int i = 0; i < QUEUE_STANDINGS; i++) {
		size_t share = queue_standing_share((enum queue_standing)i, QUEUE_JOBS_MAX);

		rooms_r[i] = all;
		if (i != QUEUE_STANDING_GOOD && rest_of(share, counts[i]) < all)
			rooms_r[i] = rest_of(share, counts[i]);
	}
	return code;
}

enum db_code queue_lease_room(struct db *db, size_t *room_r)
{
	size_t rooms[QUEUE_STANDINGS];
	enum db_code code = rooms_of(db, rooms);

	*room_r = rooms[QUEUE_STANDING_GOOD];
	return code;
}

static enum lane_exec lease_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct queue_lease *l = LIST_ENTRY(op, struct queue_lease, op);
	struct leasing g = {.l = l, .db = db, .now = now};

	arena_reset(l->arena, false);
	l->jobs = NULL;
	l->n = l->jobs_room = l->used = 0;
	failed(&g, rooms_of(db, g.room));
	g.all = g.room[QUEUE_STANDING_GOOD];
	while (g.code == DB_OK && l->n < l->room && l->n < g.all && l->used < l->bytes &&
	       g.lined_up < LINED_UP_MAX && serve_next(&g))
		;
	return g.code == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

void queue_lease_init(struct queue_lease *l)
{
	MUST(l->owner > 0 && l->room > 0);
	list_init(&l->op.link);
	l->op.exec = lease_exec;
	l->arena = arena_new();
}

void queue_lease_fini(struct queue_lease *l)
{
	arena_free(&l->arena);
}

/* ---- reading ---- */

/* columns as LEASE_LIST */
static struct queue_lease_row get_lease(struct db_query *q, struct arena *a)
{
	return (struct queue_lease_row){
	    .token = db_col_int(q, 0),
	    .owner = db_col_int(q, 1),
	    .message = db_col_int(q, 2),
	    .destination = arena_str(a, db_col_str(q, 3)),
	    .begun = db_col_int(q, 4),
	    .expiry = db_col_int(q, 5),
	    .reverse_path = arena_str(a, db_col_str(q, 6)),
	    .host = arena_str(a, db_col_str(q, 7)),
	};
}

enum db_code queue_lease_get(
    struct db *db, struct arena *a, int64_t token, struct queue_lease_row *row_r)
{
	struct db_query *q = db_begin_query(
	    db, SQL_LEASE_GET, DB_ARGS(db_int(QUEUE_SHARD), db_int(token)));
	enum db_code found = db_step(q), code;

	if (found == DB_ROW)
		*row_r = get_lease(q, a);
	code = db_end(q);
	return code == DB_OK ? found : code;
}

static enum db_code wake_of(
    struct db *db, enum sql_id id, const struct db_value *args, size_t n, int64_t *when_r)
{
	int64_t when = QUEUE_NEVER;
	enum db_code code = db_get_int(db, id, args, n, &when);

	if (code != DB_OK && code != DB_ROW)
		return code;
	*when_r = when;
	return DB_OK;
}

enum db_code queue_lease_wake(struct db *db, int64_t *when_r)
{
	return wake_of(db, SQL_LEASE_WAKE, DB_ARGS(db_int(QUEUE_SHARD)), when_r);
}

/* Where there is no room, the end of an attempt makes some: then it is asked again. */
enum db_code queue_attempt_wake(struct db *db, int64_t *when_r)
{
	int64_t first = QUEUE_NEVER, when;
	size_t rooms[QUEUE_STANDINGS];
	enum db_code code = rooms_of(db, rooms);

	for (int i = 0; i < QUEUE_STANDINGS && code == DB_OK; i++) {
		if (rooms[i] == 0)
			continue;
		code = wake_of(
		    db, SQL_DESTINATION_WAKE, DB_ARGS(db_int(QUEUE_SHARD), db_int(i)), &when);
		if (code == DB_OK && when < first)
			first = when;
	}
	if (code == DB_OK)
		*when_r = first;
	return code;
}

/* Of each standing, as far as there is room for it, how many have their turn before. */
static enum db_code count_before(struct db *db, const struct queue_place *place,
    const size_t rooms[QUEUE_STANDINGS], int64_t now, size_t counts_r[QUEUE_STANDINGS])
{
	/* some of them in a moment, as it may be itself */
	int64_t until = place->due <= now + SHARE_MS ? place->due : now;
	enum db_code code = DB_ROW;

	for (int i = 0; i < QUEUE_STANDINGS && code == DB_ROW; i++) {
		int64_t n = 0;

		if (rooms[i] > 0)
			code = db_get_int(db, SQL_DESTINATION_BEFORE,
			    DB_ARGS(db_int(QUEUE_SHARD), db_int(i), db_int(until),
				db_int(place->due), db_int(place->turn), db_text(place->name),
				db_int((int64_t)rooms[i])),
			    &n);
		counts_r[i] = (size_t)n;
	}
	return code == DB_ROW ? DB_OK : code;
}

enum db_code queue_attempt_full(struct db *db, const struct queue_place *place, size_t active,
    int64_t now, enum queue_explain_full *full_r)
{
	static const enum queue_explain_full whose[QUEUE_STANDINGS] = {
	    [QUEUE_STANDING_GOOD] = QUEUE_EXPLAIN_FULL,
	    [QUEUE_STANDING_UNKNOWN] = QUEUE_EXPLAIN_FULL_UNKNOWN,
	    [QUEUE_STANDING_FAILING] = QUEUE_EXPLAIN_FULL, /* it is told as what it is */
	};
	enum queue_standing standing = queue_destination_standing(&place->state);
	size_t rooms[QUEUE_STANDINGS], counts[QUEUE_STANDINGS] = {0}, all, before = 0;
	enum db_code code = rooms_of(db, rooms);

	if (code == DB_OK && active > 0)
		code = count_messages(db, place->name, &active);
	if (code == DB_OK)
		code = count_before(db, place, rooms, now, counts);
	for (int i = 0; i < QUEUE_STANDINGS; i++)
		before += counts[i];
	all = rooms[QUEUE_STANDING_GOOD];
	*full_r = QUEUE_EXPLAIN_ROOM;
	if (all == 0)
		*full_r = QUEUE_EXPLAIN_FULL;
	else if (rooms[standing] == 0)
		*full_r = whose[standing];
	else if (active > 0 && all <= KEPT)
		*full_r = QUEUE_EXPLAIN_FULL_KEPT;
	else if (before >= all || counts[standing] >= rooms[standing] ||
		 (active > 0 && all - before <= KEPT))
		*full_r = QUEUE_EXPLAIN_FULL_BEHIND;
	return code;
}

/* ---- taking back ---- */

bool queue_is_among(const int64_t *v, size_t n, int64_t x)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i] == x)
			return true;
	}
	return false;
}

static bool is_over(const struct queue_release *r, const struct queue_lease_row *lease, int64_t now)
{
	if (lease->expiry <= now && !r->spare)
		return true;
	if (queue_is_among(r->tokens, r->ntokens, lease->token))
		return true;
	if (queue_is_among(r->owners, r->nowners, lease->owner) &&
	    (lease->token > r->old || queue_is_among(r->kept, r->nkept, lease->token)))
		return false;
	return r->others;
}

enum db_code queue_lease_end(
    struct db *db, struct arena *a, const struct queue_lease_row *lease, int64_t now)
{
	struct queue_place place;
	enum db_code code = db_exec(db, SQL_QUEUE_FREE,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(lease->message), db_int(lease->token)), NULL);

	if (code == DB_OK)
		code = db_exec(
		    db, SQL_LEASE_DELETE, DB_ARGS(db_int(QUEUE_SHARD), db_int(lease->token)), NULL);
	if (code == DB_OK)
		code = queue_place_get(db, a, now, lease->destination, &place);
	if (code == DB_ROW)
		code = queue_place_set(db, &place, now);
	if (code == DB_OK && lease->host.n)
		code = queue_host_wake(db, a, lease->host, now);
	return code;
}

/* Begun while the clock was ahead: it lives no longer than one begun now. */
static enum db_code shorten(struct db *db, const struct queue_lease_row *lease, int64_t now)
{
	return db_exec(db, SQL_LEASE_EXTEND,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(lease->token), db_int(lease->owner),
		db_int(now + QUEUE_LEASE_MS), db_int(lease->message)),
	    NULL);
}

/* A page of leases behind r->after. */
static enum db_code list_leases(struct db *db, struct arena *a, const struct queue_release *r,
    struct queue_lease_row *rows, size_t *n_r)
{
	struct db_query *q = db_begin_query(db, SQL_LEASE_LIST,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(r->after), db_int(LIMIT_SLICE_ROWS)));

	*n_r = 0;
	while (db_step(q) == DB_ROW)
		rows[(*n_r)++] = get_lease(q, a);
	return db_end(q);
}

static enum lane_exec release_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct queue_release *r = LIST_ENTRY(op, struct queue_release, op);
	struct arena *a = arena_new();
	struct queue_lease_row *rows = arena_array(a, LIMIT_SLICE_ROWS, sizeof *rows);
	size_t n;
	enum db_code code = list_leases(db, a, r, rows, &n);

	r->released = 0;
	r->more = n == LIMIT_SLICE_ROWS;
	for (size_t i = 0; i < n && code == DB_OK; i++) {
		if (is_over(r, &rows[i], now)) {
			code = queue_lease_end(db, a, &rows[i], now);
			r->released++;
		} else if (rows[i].expiry > now + QUEUE_LEASE_MS) {
			code = shorten(db, &rows[i], now);
		}
	}
	if (n > 0)
		r->next = rows[n - 1].token;
	arena_free(&a);
	return code == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

void queue_release_init(struct queue_release *r)
{
	MUST(r->nowners <= QUEUE_OWNERS_MAX);
	list_init(&r->op.link);
	r->op.exec = release_exec;
}

/* ---- keeping ---- */

static enum lane_exec extend_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct queue_extend *x = LIST_ENTRY(op, struct queue_extend, op);
	enum db_code code = db_exec(db, SQL_LEASE_EXTEND,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(x->token), db_int(x->owner),
		db_int(now + QUEUE_LEASE_MS), db_int(x->message)),
	    NULL);

	return code == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

void queue_extend_init(struct queue_extend *x)
{
	list_init(&x->op.link);
	x->op.exec = extend_exec;
}
