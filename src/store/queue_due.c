/*
 * Rows of one class, (tier, bounce, warnings done with), have the same time from acceptance to what is next:
 * so an index over acceptance finds what is due without a time in each row, whatever the policy is
 * now.
 */
#include "store/queue_due.h"

#include "base/mem.h"

#define SCAN_ROWS 1000
/* Nobody was accepted then: the row is damaged, and its time never comes. */
#define ENDLESS (QUEUE_NEVER / 2)
/* After a scan that was cut: attempts that were missed while nobody ran come first. */
#define SCAN_AGAIN (10 * SECOND_MS)
/* An attempt may go on for hours. Most end within this, and say more than a warning could. */
#define PATIENCE_MS (15 * MINUTE_MS)

struct finding {
	struct db *db;
	const struct queue_config *cfg;
	int64_t now;
	struct arena *arena;
	struct queue_due_list list;
	struct queue_place place; /* of the row before */
	bool has_place;
	enum db_code code;
};

static bool failed(struct finding *f, enum db_code code)
{
	if (code != DB_OK && code != DB_ROW && f->code == DB_OK)
		f->code = code;
	return f->code != DB_OK;
}

static void wake_at(struct finding *f, int64_t when)
{
	if (when < f->list.wake)
		f->list.wake = when;
}

static bool is_full(const struct finding *f)
{
	return f->list.n == QUEUE_DUE_MAX || f->code != DB_OK;
}

static void add(struct finding *f, int64_t message)
{
	for (size_t i = 0; i < f->list.n; i++) {
		if (f->list.messages[i] == message)
			return;
	}
	if (f->list.n < QUEUE_DUE_MAX)
		f->list.messages[f->list.n++] = message;
}

/* When the sender of a recipient who is being tried is warned; the attempt may still be the last. */
static int64_t warning_meanwhile(const struct queue_schedule *s)
{
	return s->next_warning < s->expires - PATIENCE_MS ? s->next_warning + PATIENCE_MS
							  : QUEUE_NEVER;
}

/* His not_before is never behind what is next of him (store/queue_here.c). */
static enum queue_due due_here(
    const struct queue_config *cfg, const struct queue_row *row, int64_t now)
{
	struct queue_schedule s = queue_row_schedule(cfg, row, NULL);
	enum queue_due due = queue_schedule_due(&s, now);

	if (due == QUEUE_DUE_WARNING && row->entry.attempts == 0)
		return QUEUE_DUE_PLACE; /* of what need not be late nobody is warned */
	return due == QUEUE_DUE_RETURN || due == QUEUE_DUE_WARNING ? due : QUEUE_DUE_PLACE;
}

enum queue_due queue_row_due(const struct queue_config *cfg, const struct queue_row *row,
    const struct queue_place *place, int64_t now)
{
	struct queue_schedule s;

	if (row->held)
		return QUEUE_DUE_NOTHING;
	if (row->report != QUEUE_REPORT_NONE && row->entry.not_before > now)
		return QUEUE_DUE_NOTHING;
	if (row->report == QUEUE_REPORT_HERE)
		return due_here(cfg, row, now);
	if (row->report != QUEUE_REPORT_NONE)
		return QUEUE_DUE_RETURN;
	s = queue_row_schedule(cfg, row, place);
	if (row->token == 0)
		return queue_schedule_due(&s, now);
	return warning_meanwhile(&s) <= now && now < s.expires ? QUEUE_DUE_WARNING
							       : QUEUE_DUE_NOTHING;
}

/* ---- reports that wait ---- */

static void find_reports(struct finding *f)
{
	struct queue_rows rows = {NULL, 0};
	int64_t first = QUEUE_NEVER;

	if (failed(f, queue_first(f->db, STR(""), &first)))
		return;
	if (first > f->now)
		wake_at(f, first);
	if (first > f->now || failed(f, queue_rows_get(f->db, f->arena, f->now, SQL_QUEUE_READY,
					    DB_ARGS(db_int(QUEUE_SHARD), db_text(STR("")),
						db_int(0), db_int(f->now), db_int(SCAN_ROWS)),
					    &rows)))
		return;
	/* of none that can be read although its index, which is damaged, says so */
	wake_at(f, rows.n ? first : f->now + SCAN_AGAIN);
	for (size_t i = 0; i < rows.n; i++)
		add(f, rows.v[i].message);
}

/* ---- returns and warnings ---- */

static const struct queue_place *place_of(struct finding *f, struct str name)
{
	enum db_code code;

	if (f->has_place && str_eq(f->place.name, name))
		return &f->place;
	code = queue_place_get(f->db, f->arena, f->now, name, &f->place);
	failed(f, code);
	f->has_place = code == DB_ROW;
	return f->has_place ? &f->place : NULL;
}

static void look_at(struct finding *f, const struct queue_row *row)
{
	const struct queue_place *place = place_of(f, row->destination);
	enum queue_due due = queue_row_due(f->cfg, row, place, f->now);
	struct queue_schedule s;

	if (due == QUEUE_DUE_RETURN || due == QUEUE_DUE_WARNING) {
		add(f, row->message);
		return;
	}
	s = queue_row_schedule(f->cfg, row, place);
	if (row->token)
		wake_at(f, warning_meanwhile(&s) > f->now ? warning_meanwhile(&s) : QUEUE_NEVER);
	else
		wake_at(f, s.expires < s.next_warning ? s.expires : s.next_warning);
}

/* The first SCAN_ROWS of those whose time has come. */
static void look_at_all(struct finding *f, const struct queue_rows *rows)
{
	for (size_t i = 0; i < rows->n && !is_full(f); i++)
		look_at(f, &rows->v[i]);
	if (rows->n == SCAN_ROWS)
		wake_at(f, f->now + SCAN_AGAIN);
}

/* The time from acceptance to what is next for a class. */
static int64_t wait_of(const struct queue_policy *p, bool bounce, uint32_t warned)
{
	int64_t lifetime = queue_policy_lifetime(p, bounce);

	return !bounce && warned < p->n_warn && p->warn[warned] < lifetime ? p->warn[warned]
									   : lifetime;
}

/* Rows that are looked for together. */
struct class
{
	int64_t tier, bounce, warned;
};

/* A tier that the settings do not know (any more) is looked at row by row as if it were common. */
static const struct queue_policy *policy_of(const struct finding *f, int64_t tier)
{
	const struct queue_special *s = queue_routing_of_tier(&f->cfg->routing, tier);

	return s ? &s->policy : &f->cfg->policy;
}

/* When the first of it that was accepted later than that was accepted, if there is any. */
static bool next_in_class(
    struct finding *f, const struct class *c, int64_t after, int64_t *accepted_r)
{
	enum db_code code = db_get_int(f->db, SQL_QUEUE_ACCEPTED_NEXT,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(c->tier), db_int(c->bounce), db_int(c->warned),
		db_int(after)),
	    accepted_r);

	return !failed(f, code) && code == DB_ROW && *accepted_r < ENDLESS;
}

/* Those whose time a start has put off are not looked at before it comes: they may be any number. */
static bool skip_spared(struct finding *f, const struct class *c, int64_t *first)
{
	const struct queue_policy *p = policy_of(f, c->tier);
	int64_t until, last;

	while (queue_schedule_is_spared(p, c->bounce, *first, f->cfg->started, &until, &last) &&
	       f->now < until) {
		wake_at(f, until);
		if (!next_in_class(f, c, last, first))
			return false;
	}
	return true;
}

/* first: the time at which the first of it was accepted. */
static void find_in_class(struct finding *f, struct class c, int64_t first)
{
	int64_t wait = wait_of(policy_of(f, c.tier), c.bounce, (uint32_t)c.warned);
	struct queue_rows rows = {NULL, 0};

	if (first >= ENDLESS || !skip_spared(f, &c, &first))
		return;
	if (first <= f->now - wait) {
		if (failed(f, queue_rows_get(f->db, f->arena, f->now, SQL_QUEUE_ACCEPTED,
				  DB_ARGS(db_int(QUEUE_SHARD), db_int(c.tier), db_int(c.bounce),
				      db_int(c.warned), db_int(first), db_int(f->now - wait),
				      db_int(SCAN_ROWS)),
				  &rows)))
			return;
		look_at_all(f, &rows);
		if (!next_in_class(f, &c, f->now - wait, &first))
			return;
	}
	wake_at(f, first + wait);
}

/* The class behind *c, if there is any. */
static bool next_class(struct finding *f, struct class *c, int64_t *first_r)
{
	struct db_query *q = db_begin_query(f->db, SQL_QUEUE_CLASS_NEXT,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(c->tier), db_int(c->bounce), db_int(c->warned),
		db_int(INT64_MAX)));
	bool found = db_step(q) == DB_ROW;

	if (found) {
		*c = (struct class){db_col_int(q, 0), db_col_int(q, 1), db_col_int(q, 2)};
		*first_r = db_col_int(q, 3);
	}
	return !failed(f, db_end(q)) && found;
}

static void find_in_classes(struct finding *f)
{
	struct class c = {-1, 0, 0};
	int64_t first;

	while (!is_full(f) && next_class(f, &c, &first))
		find_in_class(f, c, first);
}

/* ---- times that senders set ---- */

static bool next_by(struct finding *f, int64_t after, int64_t *next_r)
{
	enum db_code code = db_get_int(
	    f->db, SQL_QUEUE_BY_NEXT, DB_ARGS(db_int(QUEUE_SHARD), db_int(after)), next_r);

	return !failed(f, code) && code == DB_ROW;
}

static void find_by(struct finding *f)
{
	struct queue_rows rows = {NULL, 0};
	int64_t next;

	if (!next_by(f, INT64_MIN, &next))
		return;
	if (next <= f->now) {
		if (failed(f, queue_rows_get(f->db, f->arena, f->now, SQL_QUEUE_BY,
				  DB_ARGS(db_int(QUEUE_SHARD), db_int(f->now), db_int(SCAN_ROWS)),
				  &rows)))
			return;
		look_at_all(f, &rows);
		if (!next_by(f, f->now, &next))
			return;
	}
	wake_at(f, next);
}

enum db_code queue_due_find(struct db *db, const struct queue_config *cfg, int64_t now,
    bool reports, struct queue_due_list *list_r)
{
	struct finding f = {
	    .db = db, .cfg = cfg, .now = now, .arena = arena_new(), .list = {.wake = QUEUE_NEVER}};

	find_reports(&f);
	if (!reports && !is_full(&f))
		find_by(&f);
	if (!reports)
		find_in_classes(&f);
	arena_free(&f.arena);
	if (f.code == DB_OK)
		*list_r = f.list;
	return f.code;
}
