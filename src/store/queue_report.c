/*
 * Reports and ends.
 *
 * 1. A recipient's end (ledger, queue row) and the report that tells of it are one commit; so are a
 *    warning and the mark that it was given.
 * 2. What was read is compared in the lane: if it changed in between, nothing is done.
 * 3. A report that is refused for now is tried again; one that is refused for good, or for too long,
 *    is given up: the recipients end without it, and the trace says so.
 * 4. What failed for lack of the destination is told with that of its last attempt; else a recipient is told
 *    of with what was said in an attempt that had him, or there was none.
 */
#include "store/queue_report.h"

#include "base/id.h"
#include "base/mem.h"
#include "store/ledger.h"
#include "store/queue_due.h"
#include "store/queue_here.h"
#include "store/queue_tell.h"
#include "store/trace.h"

/* ---- reading ---- */

struct reading {
	struct queue_report *r;
	struct db *db;
	struct queue_place place; /* of the row before */
	struct queue_host host;   /* that it waits for, or did until its turn came */
	bool has_place;
	enum db_code code;
};

static const struct queue_place *place_of(struct reading *g, struct str name)
{
	enum db_code code;

	if (g->has_place && str_eq(g->place.name, name))
		return &g->place;
	code = queue_place_get(g->db, g->r->arena, g->r->now, name, &g->place);
	g->has_place = code == DB_ROW;
	if (g->has_place)
		g->host = queue_host_waited_for(g->db, g->r->arena, &g->place, g->r->now);
	if (code != DB_OK && code != DB_ROW)
		g->code = code;
	return g->has_place ? &g->place : NULL;
}

/* Invariant 4. */
static void complete(const struct reading *g, struct queue_row *row)
{
	struct queue_down down;

	if (!g->has_place || !queue_place_is_down(&g->place, &g->host, &down))
		return;
	row->last = down.last;
	row->entry.last_attempt = down.last_try;
}

/* It ends because of the time that its sender set, not because its lifetime is over. */
static bool is_late(const struct queue_report *r, const struct queue_row *row)
{
	return row->entry.by == QUEUE_BY_RETURN && row->entry.by_time <= r->now;
}

/* What became of him is not known yet, wherever his mailbox is. */
static bool is_waiting(const struct queue_row *row)
{
	return row->report == QUEUE_REPORT_NONE || row->report == QUEUE_REPORT_HERE;
}

/* He waits for a mailbox here, and it was never tried: it is kept in words, for a report that is put off. */
static bool is_of_mailbox(const struct queue_row *row)
{
	return row->report == QUEUE_REPORT_HERE && row->entry.attempts == 0;
}

/* Keeps the rows for which `want` is due, at most as many as a report holds. */
static void keep_due(struct reading *g, const struct queue_rows *all, enum queue_due want)
{
	struct queue_report *r = g->r;

	r->rows = (struct queue_rows){
	    arena_array(r->arena, QUEUE_REPORT_RECIPIENTS, sizeof *r->rows.v), 0};
	for (size_t i = 0; i < all->n && r->rows.n < QUEUE_REPORT_RECIPIENTS; i++) {
		struct queue_row row = all->v[i];
		const struct queue_place *place = place_of(g, row.destination);

		if (queue_row_due(&r->cfg, &row, place, r->now) != want)
			continue;
		if (row.report == QUEUE_REPORT_NONE)
			complete(g, &row);
		if (want != QUEUE_DUE_PLACE && is_of_mailbox(&row))
			row.last.problem = QUEUE_PROBLEM_OFF;
		if (is_waiting(&row) && want == QUEUE_DUE_RETURN)
			row.report = is_late(r, &row) ? QUEUE_REPORT_LATE : QUEUE_REPORT_EXPIRED;
		r->rows.v[r->rows.n++] = row;
	}
}

/* Those to be put into mailboxes are a request of their own, before all others. */
static enum db_code read_rows(struct queue_report *r, struct db *db)
{
	struct reading g = {.r = r, .db = db, .code = DB_OK};
	struct queue_rows all = {NULL, 0};

	g.code = queue_rows_get(db, r->arena, r->now, SQL_QUEUE_OF_MESSAGE,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(r->message), db_int(-1), db_int(INT64_MAX)), &all);
	if (g.code == DB_OK)
		keep_due(&g, &all, QUEUE_DUE_PLACE);
	r->is_here = r->rows.n > 0;
	if (g.code == DB_OK && !r->is_here)
		keep_due(&g, &all, QUEUE_DUE_RETURN);
	r->is_warning = r->rows.n == 0;
	if (g.code == DB_OK && r->is_warning)
		keep_due(&g, &all, QUEUE_DUE_WARNING);
	if (r->is_warning)
		r->untold = false; /* what failed was taken out in between */
	r->nothing = r->rows.n == 0;
	return g.code;
}

/* What the account of the sender has set: of the one that logged in, else of the one he names. */
static enum db_code read_language(struct queue_report *r, struct db *db)
{
	struct directory_answer answer = {.count = 0};
	int64_t account = r->about.account;
	struct deliver_recipient sender;
	enum db_code code = DB_OK;

	if (!account && queue_report_address(r->arena, r->about.reverse_path, &sender))
		code = directory_resolve(db, r->cfg.directory, r->arena, sender.local,
		    sender.domain, 0, r->now, &answer);
	if (!account && answer.count == 1)
		account = answer.targets[0].account;
	if (code == DB_OK && account)
		code = directory_language(db, account, &r->lang, &r->has_lang);
	return code;
}

static enum db_code report_read(struct reader_op *op, struct db *db)
{
	struct queue_report *r = LIST_ENTRY(op, struct queue_report, read);
	enum db_code code = queue_message_get(db, r->arena, r->message, &r->about);

	if (code == DB_OK)
		r->nothing = true;
	if (code != DB_ROW)
		return code;
	code = read_rows(r, db);
	if (code == DB_OK && !r->nothing)
		code = read_language(r, db);
	if (code != DB_OK || r->nothing || r->is_here)
		return code;
	queue_report_compose(r);
	if (r->deliver) {
		r->op.blobs = r->deliver->op.blobs;
		r->op.nblobs = r->deliver->op.nblobs;
	}
	return DB_OK;
}

/* ---- writing ---- */

/* One run of the request. */
struct reporting {
	struct queue_report *r;
	struct db *db;
	int64_t now;
	enum db_code code;
};

static bool failed(struct reporting *g, enum db_code code)
{
	if (code != DB_OK && code != DB_ROW && g->code == DB_OK)
		g->code = code;
	return g->code != DB_OK;
}

/* Invariant 2. */
static bool is_as_read(struct reporting *g, const struct queue_row *row)
{
	struct db_query *q = db_begin_query(g->db, SQL_QUEUE_STATE,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(row->message), db_int(row->recipient)));
	bool same = db_step(q) == DB_ROW && db_col_int(q, 0) == row->token &&
		    db_col_int(q, 2) == (int64_t)row->entry.warnings &&
		    db_col_int(q, 3) == (int64_t)row->entry.by;

	if (same && db_col_int(q, 1) != (int64_t)row->report)
		same = (db_col_int(q, 1) == QUEUE_REPORT_NONE ||
			   db_col_int(q, 1) == QUEUE_REPORT_HERE) &&
		       (row->report == QUEUE_REPORT_EXPIRED || row->report == QUEUE_REPORT_LATE);
	failed(g, db_end(q));
	return same && g->code == DB_OK;
}

static bool all_as_read(struct reporting *g)
{
	for (size_t i = 0; i < g->r->rows.n; i++) {
		if (!is_as_read(g, &g->r->rows.v[i]))
			return false;
	}
	return true;
}

/* -1: of the message as a whole. */
static void note_of(struct reporting *g, int64_t recipient, const char *words, struct str more)
{
	struct trace_event event = {.message = g->r->message,
	    .time = g->now,
	    .kind = TRACE_NOTICE,
	    .recipient = recipient,
	    .address = g->r->about.reverse_path};
	struct buf b;

	if (g->code != DB_OK)
		return;
	buf_init(&b, LIMIT_TRACE_TEXT);
	buf_c(&b, words);
	buf_str(&b, more);
	event.text = buf_view(&b);
	failed(g, trace_append(g->db, &event));
	buf_fini(&b);
}

static void note(struct reporting *g, const char *words, struct str more)
{
	note_of(g, -1, words, more);
}

/* A row that only tells has no number in the ledger. */
static void note_untold(struct reporting *g, const struct queue_row *row, struct str why)
{
	note_of(g, queue_row_only_tells(row) ? -1 : row->recipient, "nobody is told: ", why);
}

/* Of those who are in no report: their sender wants none, also if he has one of others. */
static void note_silent(struct reporting *g)
{
	struct str why = g->r->about.reverse_path.n ? STR("its sender asked for no report")
						    : STR("it has no sender");

	for (size_t i = 0; i < g->r->rows.n && !g->r->untold; i++)
		if (!queue_report_tells(g->r, &g->r->rows.v[i]))
			note_untold(g, &g->r->rows.v[i], why);
}

static const char *words_of(const struct queue_report *r)
{
	if (r->is_warning)
		return "the sender is told of the delay by message ";
	if (!r->to_postmaster)
		return "the sender is told by message ";
	return r->untold || queue_message_is_report(&r->about)
		   ? "the report could not be delivered; the postmaster is told by message "
		   : "it has no sender; the postmaster is told by message ";
}

static void note_told(struct reporting *g)
{
	uint8_t text[ID_TEXT_LEN + 1];
	struct buf id = {.p = text, .cap = sizeof text, .max = ID_TEXT_LEN};

	id_put(&id, g->r->report_id);
	note(g, words_of(g->r), buf_view(&id));
}

/* ---- the report ---- */

enum placed {
	PLACED,
	NOT_NOW,
	NOT_EVER, /* or there is none */
};

static enum placed judge(struct queue_report *r)
{
	struct deliver *d = r->deliver;

	err_set(&r->why, "the report to %s was refused: %.*s",
	    r->to_postmaster ? "the postmaster" : "its sender", STR_FMT(d->refusal.text));
	return d->duplicate || d->refusal.code < 500 ? NOT_NOW : NOT_EVER;
}

/* A refusal of its only recipient has written nothing. */
static enum placed place_report(struct reporting *g)
{
	struct queue_report *r = g->r;
	struct deliver *d = r->deliver;

	if (!d)
		return NOT_EVER;
	if (d->op.exec(&d->op, g->db, g->now) == LANE_BROKEN) {
		failed(g, db_error_code(g->db) == DB_OK ? DB_ERROR : db_error_code(g->db));
		return NOT_NOW;
	}
	r->told = d->accepted;
	return d->accepted ? PLACED : judge(r);
}

/* ---- the ends ---- */

static struct str detail_of(const struct queue_row *row, struct buf *b)
{
	buf_clear(b);
	if (row->report == QUEUE_REPORT_EXPIRED)
		buf_lit(b, "its time in the queue is over");
	else if (row->report == QUEUE_REPORT_LATE)
		buf_lit(b, "the time that its sender set for it is over");
	else if (row->report == QUEUE_REPORT_RELAYED)
		buf_str(b, row->last.remote);
	if (row->last.reply.n && b->n)
		buf_lit(b, ": ");
	buf_str(b, row->last.reply);
	return buf_view(b);
}

static void end_row(struct reporting *g, const struct queue_row *row, struct buf *b)
{
	bool relayed = row->report == QUEUE_REPORT_RELAYED, changed;
	struct ledger_row settled = {.message = row->message,
	    .recipient = row->recipient,
	    .state = relayed ? LEDGER_RELAYED : LEDGER_BOUNCED,
	    .detail = detail_of(row, b),
	    .time = g->now};

	if (g->code == DB_OK && !queue_row_only_tells(row))
		failed(g, ledger_settle(g->db, &settled, &changed));
	if (g->code == DB_OK)
		failed(g, queue_row_delete(g->db, row, g->r->about.blob));
	g->r->ended++;
}

static void end_rows(struct reporting *g)
{
	struct buf b;

	buf_init(&b, 2 * LIMIT_QUEUE_REPLY);
	for (size_t i = 0; i < g->r->rows.n; i++)
		end_row(g, &g->r->rows.v[i], &b);
	buf_fini(&b);
}

/* When the time of the last of them began: later than the message came if it was held back. */
static int64_t begun(const struct reporting *g)
{
	int64_t last = g->r->about.accepted;

	for (size_t i = 0; i < g->r->rows.n; i++) {
		int64_t since = g->r->rows.v[i].entry.accepted;

		if (last < since && since <= g->now)
			last = since;
	}
	return last;
}

/* Invariant 3: as long as a report itself may live, behind the end of the message's time. */
static bool may_put_off(const struct reporting *g)
{
	const struct queue_config *cfg = &g->r->cfg;
	int64_t lifetime = cfg->policy.lifetime;

	for (size_t i = 0; i < cfg->routing.n_specials; i++)
		if (lifetime < cfg->routing.specials[i].policy.lifetime)
			lifetime = cfg->routing.specials[i].policy.lifetime;
	return g->now < begun(g) + lifetime + cfg->policy.bounce_lifetime;
}

static void put_off(struct reporting *g)
{
	for (size_t i = 0; i < g->r->rows.n && g->code == DB_OK; i++) {
		struct queue_row row = g->r->rows.v[i];
		uint32_t attempts = row.destination.n ? 0 : row.entry.attempts;
		int64_t last = row.entry.last_attempt;

		queue_row_finish(&row, row.report);
		row.entry.attempts = attempts;
		queue_schedule_refused(&row.entry, &g->r->cfg.policy, g->now);
		row.entry.last_attempt = last; /* the attempt to deliver, for the report */
		failed(g, queue_row_set(g->db, &row));
	}
	g->r->put_off = true;
	note(g, "", str_of_c(g->r->why.text));
}

/* Of what failed somebody is to know: there was to be a report, and nobody has it [RFC 5321 6.1]. */
static bool is_for_postmaster(const struct queue_report *r)
{
	if (r->to_postmaster || (!r->deliver && !r->unsendable))
		return false;
	for (size_t i = 0; i < r->rows.n; i++)
		if (r->rows.v[i].report != QUEUE_REPORT_RELAYED &&
		    !queue_row_only_tells(&r->rows.v[i]))
			return true;
	return false;
}

static void end_all(struct reporting *g)
{
	enum placed placed = place_report(g);

	if (g->code != DB_OK)
		return;
	if (placed == NOT_NOW && may_put_off(g)) {
		put_off(g);
		return;
	}
	g->r->refused = placed != PLACED && is_for_postmaster(g->r);
	if (g->r->refused)
		return;
	if (placed == PLACED) {
		note_told(g);
		note_silent(g);
	}
	for (size_t i = 0; i < g->r->rows.n && placed != PLACED; i++)
		note_untold(g, &g->r->rows.v[i], str_of_c(g->r->why.text));
	end_rows(g);
}

/* ---- warnings: given once, whatever becomes of them ---- */

static void warn_all(struct reporting *g)
{
	enum placed placed = place_report(g);

	for (size_t i = 0; i < g->r->rows.n && g->code == DB_OK; i++) {
		struct queue_row *row = &g->r->rows.v[i];
		struct queue_entry before = row->entry;

		queue_schedule_warned(
		    &row->entry, queue_config_policy(&g->r->cfg, row->destination), g->now);
		failed(g,
		    db_exec(g->db, SQL_QUEUE_WARNED,
			DB_ARGS(db_int(QUEUE_SHARD), db_int(row->message), db_int(row->recipient),
			    db_int(row->entry.warnings), db_int(row->entry.by)),
			NULL));
		row->entry = before; /* the request may run again */
	}
	g->r->warned = (int64_t)g->r->rows.n;
	if (placed == PLACED)
		note_told(g);
	else
		note(g, "nobody is told of the delay: ", str_of_c(g->r->why.text));
}

static enum lane_exec report_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct queue_report *r = LIST_ENTRY(op, struct queue_report, op);
	struct reporting g = {.r = r, .db = db, .now = now};

	r->told = r->put_off = r->refused = false;
	r->ended = r->warned = r->placed = 0;
	r->stale = !all_as_read(&g);
	if (g.code == DB_OK && r->stale)
		return LANE_UNDO;
	if (g.code == DB_OK && r->is_here)
		failed(&g, queue_here_place(r, db, now));
	else if (g.code == DB_OK && r->is_warning)
		warn_all(&g);
	else if (g.code == DB_OK)
		end_all(&g);
	if (g.code == DB_OK && r->refused)
		return LANE_UNDO;
	return g.code == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

/* ---- life ---- */

struct queue_report *queue_report_new(void)
{
	struct queue_report *r = mem_new(struct queue_report);

	r->arena = arena_new();
	list_init(&r->read.link);
	list_init(&r->op.link);
	return r;
}

void queue_report_prepare(struct queue_report *r)
{
	r->read.run = report_read;
	r->op.exec = report_exec;
}

void queue_report_free(struct queue_report **r)
{
	if (!*r)
		return;
	deliver_free(&(*r)->deliver);
	arena_free(&(*r)->arena);
	mem_free(*r);
	*r = NULL;
}
