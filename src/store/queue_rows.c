/*
 * Rows of the queue, read and written. What is read is settled: after the clock was set back, times
 * that lie ahead read as what is left of the wait. Writing a destination computes when it is due:
 *
 *   due = never, while nobody waits unleased or there is no room for a session;
 *   else the first not_before that waits, not before the next probe, nor before the end of its wait
 *   for a host, and not before now;
 *   but QUEUE_FRESH_MS before now where nobody has been waiting for more than QUEUE_YOUNG_MS.
 */
#include "base/hash.h"
#include "base/mem.h"
#include "mime/mime_local.h"
#include "mime/mime_trace.h"
#include "store/deliver.h"
#include "store/queue.h"

#define PROBLEM_LIMIT ((int64_t)QUEUE_PROBLEMS)

const struct queue_policy *queue_config_policy(const struct queue_config *cfg, struct str name)
{
	const struct queue_special *s = queue_routing_special(&cfg->routing, name);

	return s ? &s->policy : &cfg->policy;
}

int64_t queue_status_number(struct queue_status s)
{
	return s.class * INT64_C(1000000) + s.subject * INT64_C(1000) + s.detail;
}

struct queue_status queue_status_of(int64_t number)
{
	return (struct queue_status){(uint8_t)(number / 1000000), (uint16_t)(number / 1000 % 1000),
	    (uint16_t)(number % 1000)};
}

/* Recipients of one message for one destination wait alike, so that they go together. */
static uint64_t seed_of(int64_t message, struct str destination)
{
	struct hash_key key = {(uint64_t)message, 0x7175657565};

	return hash_bytes(&key, destination);
}

uint64_t queue_name_seed(struct str name)
{
	return seed_of(0, name);
}

struct queue_last queue_last_get(struct db_query *q, struct arena *a, int col)
{
	int64_t problem = db_col_int(q, col);

	return (struct queue_last){
	    .problem = problem > 0 && problem < PROBLEM_LIMIT ? (enum queue_problem)problem
							      : QUEUE_PROBLEM_NONE,
	    .status = queue_status_of(db_col_int(q, col + 1)),
	    .reply = arena_str(a, db_col_str(q, col + 2)),
	};
}

static struct queue_last get_last(struct db_query *q, struct arena *a, int col)
{
	struct queue_last last = queue_last_get(q, a, col);

	last.remote = arena_str(a, db_col_str(q, col + 3));
	return last;
}

/* ---- recipients ---- */

static struct queue_entry get_entry(struct db_query *q, unsigned notify)
{
	return (struct queue_entry){
	    .accepted = db_col_int(q, 4),
	    .not_before = db_col_int(q, 5),
	    .bounce = db_col_int(q, 7) != 0,
	    .warnings = (uint32_t)db_col_int(q, 9),
	    .warn = notify == 0 || (notify & QUEUE_NOTIFY_DELAY),
	    .attempts = (uint32_t)db_col_int(q, 12),
	    .last_attempt = db_col_int(q, 13),
	    .hold_until = db_col_int(q, 20),
	    .by = (enum queue_by)db_col_word(q, 21, QUEUE_BY_KINDS, 0),
	    .by_time = db_col_int(q, 22),
	};
}

/* Who was never tried may go from his acceptance on, wherever that is moved to. */
static void settle(struct queue_entry *e, int64_t now)
{
	bool at_once = e->not_before <= e->accepted;

	queue_schedule_settle(e, now);
	if (at_once && e->not_before > e->accepted)
		e->not_before = e->accepted;
}

/* columns as QUEUE_COLUMNS */
static struct queue_row get_row(struct db_query *q, struct arena *a, int64_t now)
{
	struct queue_row row = {
	    .message = db_col_int(q, 0),
	    .recipient = db_col_int(q, 1),
	    .destination = arena_str(a, db_col_str(q, 2)),
	    .address = arena_str(a, db_col_str(q, 3)),
	    .token = db_col_int(q, 6),
	    .report = (enum queue_report_kind)db_col_word(
		q, 8, QUEUE_REPORT_KINDS, QUEUE_REPORT_NONE),
	    .notify = (unsigned)db_col_int(q, 10),
	    .orcpt = arena_str(a, db_col_str(q, 11)),
	    .last = get_last(q, a, 14),
	    .held = db_col_int(q, 18),
	    .priority = db_col_int(q, 19),
	    .by_trace = db_col_int(q, 23) != 0,
	    .forwarder = arena_str(a, db_col_str(q, 24)),
	};

	row.entry = get_entry(q, row.notify);
	row.entry.seed = seed_of(row.message, row.destination);
	if (!row.held)
		settle(&row.entry, now);
	return row;
}

enum db_code queue_rows_get(struct db *db, struct arena *a, int64_t now, enum sql_id id,
    const struct db_value *args, size_t n, struct queue_rows *rows_r)
{
	struct db_query *q = db_begin_query(db, id, args, n);
	struct queue_rows rows = {NULL, 0};
	size_t room = 0;
	enum db_code code;

	while (db_step(q) == DB_ROW) {
		rows.v = arena_grow(a, rows.v, rows.n, &room, sizeof *rows.v);
		rows.v[rows.n++] = get_row(q, a, now);
	}
	code = db_end(q);
	if (code == DB_OK)
		*rows_r = rows;
	return code;
}

struct str queue_row_domain(struct arena *a, const struct queue_row *row)
{
	struct str address;

	if (row->destination.n)
		return queue_routing_domain(row->destination);
	address = mime_local_address_key(a, row->address);
	return str_from(address, str_rfind(address, '@') + 1);
}

void queue_row_finish(struct queue_row *row, enum queue_report_kind report)
{
	if (row->report == QUEUE_REPORT_HERE) /* it names who may have it here */
		row->forwarder = STR("");
	row->destination = STR("");
	row->report = report;
	row->token = 0;
	row->held = 0;
	row->entry.not_before = 0;
	row->entry.attempts = 0;
	row->priority = 0;
}

void queue_row_hold(struct queue_row *row, int64_t now)
{
	row->held = now;
	row->entry.not_before = QUEUE_NEVER;
}

void queue_row_let_go(struct queue_row *row, int64_t now)
{
	int64_t since = row->held > row->entry.accepted ? row->held : row->entry.accepted;

	if (now > since) /* of his life, which may be to begin later */
		row->entry.accepted += now - since;
	row->entry.not_before = row->entry.accepted;
	row->held = 0;
	settle(&row->entry, now); /* nobody did so while it was held */
}

void queue_row_send_now(struct queue_row *row, int64_t now)
{
	row->entry.hold_until = 0;
	row->entry.accepted = row->entry.not_before = now;
}

enum db_code queue_row_set(struct db *db, const struct queue_row *r)
{
	return db_exec(db, SQL_QUEUE_SET,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(r->message), db_int(r->recipient),
		db_text(r->destination), db_int(r->entry.accepted), db_int(r->entry.not_before),
		db_int(r->token), db_int(r->report), db_int(r->entry.warnings),
		db_int(r->entry.attempts), db_int(r->entry.last_attempt), db_int(r->last.problem),
		db_int(queue_status_number(r->last.status)), db_text(r->last.reply),
		db_text(r->last.remote), db_int(r->held), db_int(r->entry.hold_until),
		db_int(r->entry.by), db_int(r->priority), db_text(r->forwarder)),
	    NULL);
}

enum db_code queue_row_delete(struct db *db, const struct queue_row *row, int64_t blob)
{
	int64_t refs, changes = 0;
	enum db_code code = db_exec(db, SQL_QUEUE_DELETE,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(row->message), db_int(row->recipient)), &changes);

	if (code == DB_OK && changes == 0) /* the content would go, and the row stay */
		return db_damaged(db, "a row of the queue is not where it should be");
	if (code != DB_OK)
		return code;
	code = db_get_int(db, SQL_BLOB_UNREF, DB_ARGS(db_int(blob)), &refs);
	if (code == DB_OK)
		return db_damaged(db, "a message that is queued has no content");
	return code == DB_ROW ? DB_OK : code;
}

/* ---- destinations ---- */

/* columns as DESTINATION_GET */
static struct queue_place get_place(
    struct db_query *q, struct arena *a, int64_t now, struct str name)
{
	int64_t sessions = db_col_int(q, 2);
	struct queue_place p = {
	    .name = name,
	    .due = db_col_int(q, 0),
	    .turn = db_col_int(q, 1),
	    .last = get_last(q, a, 7),
	    .host = arena_str(a, db_col_str(q, 11)),
	};

	queue_destination_init(&p.state, queue_name_seed(name));
	p.state.waits = db_col_int(q, 12);
	if (sessions >= 1 && sessions <= QUEUE_SESSIONS_MAX)
		p.state.limit = (uint32_t)sessions;
	p.state.failures = (uint32_t)db_col_int(q, 3);
	p.state.failing_since = db_col_int(q, 4);
	p.state.next_probe = db_col_int(q, 5);
	p.state.last_try = db_col_int(q, 6);
	p.state.last_reply = p.last.reply;
	queue_destination_settle(&p.state, now);
	return p;
}

enum db_code queue_place_get(
    struct db *db, struct arena *a, int64_t now, struct str name, struct queue_place *place_r)
{
	struct db_query *q = db_begin_query(
	    db, SQL_DESTINATION_GET, DB_ARGS(db_int(QUEUE_SHARD), db_text(name)));
	enum db_code found = db_step(q), code;

	if (found == DB_ROW)
		*place_r = get_place(q, a, now, name);
	code = db_end(q);
	return code == DB_OK ? found : code;
}

enum db_code queue_place_active(struct db *db, struct str name, int64_t *active_r)
{
	enum db_code code = db_get_int(
	    db, SQL_LEASE_COUNT, DB_ARGS(db_int(QUEUE_SHARD), db_text(name)), active_r);

	return code == DB_ROW ? DB_OK : code;
}

static int64_t max_of(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

enum db_code queue_first(struct db *db, struct str destination, int64_t *first_r)
{
	int64_t priority = INT64_MIN, found = QUEUE_NEVER;
	bool any = false, more = true;
	enum db_code code = DB_OK;

	while (more && code == DB_OK) { /* the first of each priority */
		struct db_query *q = db_begin_query(db, SQL_QUEUE_FIRST,
		    DB_ARGS(db_int(QUEUE_SHARD), db_text(destination), db_int(priority),
			db_int(INT64_MAX)));

		more = db_step(q) == DB_ROW;
		if (more) {
			priority = db_col_int(q, 0);
			found = db_col_int(q, 1) < found ? db_col_int(q, 1) : found;
		}
		any |= more;
		code = db_end(q);
	}
	if (code == DB_OK && any)
		*first_r = found;
	return code == DB_OK && any ? DB_ROW : code;
}

/* Since when it counts as due, of one that may go now or later. */
static int64_t due_since(const struct queue_place *p, int64_t first, int64_t now)
{
	bool young = first <= now && first > now - QUEUE_YOUNG_MS;
	int64_t from = max_of(p->hold, p->state.waits);

	if (from <= now && young && !queue_destination_is_failing(&p->state))
		return now - QUEUE_FRESH_MS;
	return max_of(max_of(now, from), first);
}

static enum db_code compute_due(struct db *db, struct queue_place *p, int64_t now)
{
	const struct queue_destination *d = &p->state;
	int64_t active, first = QUEUE_NEVER;
	enum db_code code = queue_place_active(db, p->name, &active);

	if (code == DB_OK)
		code = queue_first(db, p->name, &first);
	if (code != DB_OK && code != DB_ROW)
		return code;
	p->due = QUEUE_NEVER;
	if (first == QUEUE_NEVER || p->name.n == 0)
		return DB_OK;
	if (queue_destination_is_failing(d) && active == 0)
		p->due = max_of(due_since(p, first, now), d->next_probe);
	else if (d->waits > now || queue_destination_room(d, (size_t)active, now) > 0)
		p->due = due_since(p, first, now);
	return DB_OK;
}

enum db_code queue_place_set(struct db *db, struct queue_place *p, int64_t now)
{
	const struct queue_destination *d = &p->state;
	enum db_code code = compute_due(db, p, now);

	if (code != DB_OK)
		return code;
	return db_exec(db, SQL_DESTINATION_SET,
	    DB_ARGS(db_int(QUEUE_SHARD), db_text(p->name), db_int(p->due), db_int(p->turn),
		db_int(d->limit), db_int(d->failures), db_int(d->failing_since),
		db_int(d->next_probe), db_int(d->last_try), db_int(p->last.problem),
		db_int(queue_status_number(p->last.status)), db_text(p->last.reply),
		db_text(p->last.remote), db_int(queue_destination_standing(d)), db_text(p->host),
		db_int(d->waits)),
	    NULL);
}

/* ---- messages ---- */

/* Whatever a damaged row holds is none beyond the range. */
static int8_t priority_of(int64_t flags)
{
	int64_t n = ((flags & DELIVER_PRIORITY_MASK) >> DELIVER_PRIORITY_SHIFT) +
		    QUEUE_PRIORITY_LAST;

	if (!(flags & DELIVER_PRIORITY))
		return 0;
	return (int8_t)(n < QUEUE_PRIORITY_MOST ? n : QUEUE_PRIORITY_MOST);
}

/* columns as QUEUE_MESSAGE */
static struct queue_message get_message(struct db_query *q, struct arena *a, int64_t id)
{
	int64_t flags = db_col_int(q, 5);

	return (struct queue_message){
	    .id = id,
	    .accepted = db_col_int(q, 0),
	    .reverse_path = arena_str(a, db_col_str(q, 1)),
	    .size = db_col_int(q, 2),
	    .envid = arena_str(a, db_col_str(q, 3)),
	    .ret = (uint8_t)db_col_int(q, 4),
	    .utf8 = flags & DELIVER_UTF8,
	    .eightbit = flags & DELIVER_EIGHTBIT,
	    .has_priority = flags & DELIVER_PRIORITY,
	    .priority = priority_of(flags),
	    .hold_for = flags & DELIVER_HOLD_FOR,
	    .header_id = arena_str(a, db_col_str(q, 6)),
	    .blob = db_col_int(q, 7),
	    .pos = {db_col_int(q, 8), db_col_int(q, 9), db_col_int(q, 10)},
	    .protocol = arena_str(a, db_col_str(q, 11)),
	    .account = db_col_int(q, 12),
	};
}

enum db_code queue_message_get(
    struct db *db, struct arena *a, int64_t id, struct queue_message *m_r)
{
	struct db_query *q = db_begin_query(db, SQL_QUEUE_MESSAGE, DB_ARGS(db_int(id)));
	enum db_code found = db_step(q), code;

	if (found == DB_ROW)
		*m_r = get_message(q, a, id);
	code = db_end(q);
	return code == DB_OK ? found : code;
}

void queue_forward_put_prefix(struct buf *b, struct str forwarder)
{
	if (forwarder.n)
		mime_trace_delivered(b, forwarder);
}

bool queue_message_is_report(const struct queue_message *m)
{
	static const struct str report = QUEUE_PROTOCOL_REPORT;

	return m->reverse_path.n == 0 && str_eq(m->protocol, report);
}

int64_t queue_row_end(const struct queue_config *cfg, struct arena *a, const struct queue_row *row)
{
	bool runs = !row->held && (row->destination.n || row->report == QUEUE_REPORT_HERE);

	return queue_schedule_end(queue_config_policy(cfg, queue_row_domain(a, row)), &row->entry,
	    runs ? cfg->started : 0);
}

struct queue_schedule queue_row_schedule(
    const struct queue_config *cfg, const struct queue_row *row, const struct queue_place *place)
{
	struct queue_destination unknown;

	queue_destination_init(&unknown, 0);
	return queue_schedule_of(queue_config_policy(cfg, row->destination), &row->entry,
	    place ? &place->state : &unknown, cfg->started);
}
