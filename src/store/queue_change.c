/* Walks over the queue by its key, slice by slice, so that a filter that fits little holds up nobody. */
#include "store/queue_change.h"

#include "base/id.h"
#include "base/ip.h"
#include "base/limits.h"
#include "base/mem.h"
#include "mime/mime_idn.h"
#include "mime/mime_local.h"
#include "queue/queue_text.h"
#include "store/admin_log.h"
#include "store/ledger.h"
#include "store/queue_host.h"

/* ---- filters ---- */

/* The filter has A-labels; an address stands as its sender wrote it. */
static bool is_name(struct str filter, struct str domain)
{
	struct buf b;
	bool same = str_eq_i(filter, domain);

	if (same || !str_has_8bit(domain))
		return same;
	buf_init(&b, LIMIT_SMTP_DOMAIN);
	same = mime_idn_to_ascii(&b, domain) == MIME_IDN_OK && !b.overflow &&
	       str_eq_i(filter, buf_view(&b));
	buf_fini(&b);
	return same;
}

/* A literal is the same with its tag and without: destinations have none. */
static bool is_domain(struct str filter, struct str domain)
{
	struct ip wanted, ip;

	if (ip_parse_literal(filter, &wanted) && ip_parse_literal(domain, &ip))
		return ip_eq(&wanted, &ip);
	return is_name(filter, domain);
}

/*
 * However it is spelt, though elsewhere two spellings may be two mailboxes: an administrator types what he
 * was told, is told what was chosen, and chooses exactly by the id.
 */
static bool is_about(struct str filter, struct str address)
{
	if (str_find(filter, '@') < filter.n)
		return mime_local_address_eq(filter, address);
	return is_domain(filter, queue_text_domain(address));
}

/* To where it goes, or to the address here that it was written to. */
static bool is_to(struct str filter, const struct queue_row *row)
{
	return str_eq(filter, row->destination) || is_about(filter, row->address) ||
	       is_about(filter, row->forwarder);
}

static bool is_from(struct str filter, struct str sender)
{
	return str_eq(filter, STR("<>")) ? sender.n == 0 : is_about(filter, sender);
}

bool queue_filter_fits(const struct queue_filter *f, const struct queue_row *row, struct str sender)
{
	if ((f->message && f->message != row->message) ||
	    (f->before && f->before < row->entry.accepted))
		return false;
	if (f->recipient.n && !is_to(f->recipient, row))
		return false;
	if (f->sender.n && !is_from(f->sender, sender))
		return false;
	return f->text.n == 0 || is_to(f->text, row) || is_about(f->text, sender);
}

struct queue_at queue_filter_start(const struct queue_filter *f)
{
	return f->message ? (struct queue_at){f->message, -1} : (struct queue_at){0, -1};
}

/* ---- walking ---- */

struct walk {
	struct db *db;
	struct arena *arena;
	int64_t now;
	struct queue_message message; /* of the row before */
	/* destinations of rows that were changed, each once */
	struct str *places;
	size_t nplaces;
};

/* The message of a row. */
static enum db_code message_of(struct walk *w, int64_t id)
{
	enum db_code code;

	if (w->message.id == id)
		return DB_OK;
	code = queue_message_get(w->db, w->arena, id, &w->message);
	if (code == DB_OK)
		return db_damaged(w->db, "a message that is queued is not there");
	return code == DB_ROW ? DB_OK : code;
}

/* The rows behind *at that a slice looks at; *at moves behind them. */
static enum db_code next_rows(struct walk *w, const struct queue_filter *f, size_t max,
    struct queue_at *at, struct queue_rows *rows_r, bool *more_r)
{
	enum db_code code = queue_rows_get(w->db, w->arena, w->now, SQL_QUEUE_ALL,
	    DB_ARGS(db_int(QUEUE_SHARD), db_int(at->message), db_int(at->recipient),
		db_int((int64_t)max)),
	    rows_r);

	if (code != DB_OK)
		return code;
	*more_r = rows_r->n == max;
	if (rows_r->n > 0) {
		const struct queue_row *last = &rows_r->v[rows_r->n - 1];

		*at = (struct queue_at){last->message, last->recipient};
		*more_r = *more_r && (f->message == 0 || last->message == f->message);
	}
	return DB_OK;
}

enum db_code queue_list(struct db *db, const struct queue_filter *f, int64_t now, size_t max,
    struct queue_at *at, bool *more_r, queue_row_fn *fn, void *ctx)
{
	struct walk w = {.db = db, .arena = arena_new(), .now = now};
	struct queue_rows rows = {NULL, 0};
	bool nested = db_in_transaction(db);
	enum db_code code = nested ? DB_OK : db_begin(db);

	if (code == DB_OK)
		code = next_rows(&w, f, max, at, &rows, more_r);
	for (size_t i = 0; i < rows.n && code == DB_OK; i++) {
		if (f->message && rows.v[i].message != f->message)
			break;
		code = message_of(&w, rows.v[i].message);
		if (code == DB_OK && queue_filter_fits(f, &rows.v[i], w.message.reverse_path))
			fn(ctx, &rows.v[i], &w.message);
	}
	if (!nested)
		(void)db_rollback(db);
	arena_free(&w.arena);
	return code;
}

/* ---- changes ---- */

/* Told once in a slice, however many of its rows change. There is room for a slice's. */
static void note_place(struct walk *w, struct str name)
{
	for (size_t i = w->nplaces; i > 0; i--) {
		if (str_eq(w->places[i - 1], name))
			return;
	}
	w->places[w->nplaces++] = name;
}

/* The destination knows who waits; probe: and is tried as soon as there is room. */
static enum db_code tell_place(struct walk *w, struct str name, bool probe)
{
	struct queue_place place;
	enum db_code code = queue_place_get(w->db, w->arena, w->now, name, &place);

	if (code != DB_ROW)
		return code;
	if (probe && queue_destination_is_failing(&place.state) && place.state.next_probe > w->now)
		place.state.next_probe = w->now;
	if (probe) {
		place.state.waits = 0;
		code = queue_host_retry(w->db, w->arena, name, w->now);
		if (code != DB_OK)
			return code;
	}
	return queue_place_set(w->db, &place, w->now);
}

static enum db_code retry(struct walk *w, struct queue_change *c, struct queue_row *row)
{
	if (row->entry.not_before <= w->now)
		return DB_OK; /* it waits for its destination only */
	row->entry.not_before = row->entry.accepted;
	return queue_row_set(w->db, row);
}

static enum db_code discard(struct walk *w, struct queue_change *c, struct queue_row *row)
{
	struct ledger_row settled = {.message = row->message,
	    .recipient = row->recipient,
	    .state = LEDGER_DISCARDED,
	    .time = w->now};
	struct buf b;
	bool changed;
	enum db_code code;

	buf_init(&b, LIMIT_TRACE_TEXT);
	buf_c(&b, c->verb == QUEUE_CHANGE_CANCEL ? "cancelled before its time by "
						 : "taken out of the queue by ");
	buf_str(&b, str_sub(c->who, 0, LIMIT_LOG_VALUE));
	settled.detail = buf_view(&b);
	if (row->report ==
	    QUEUE_REPORT_RELAYED) { /* it has arrived: what is taken out is the report of it */
		settled.state = LEDGER_RELAYED;
		settled.detail = row->last.remote;
	}
	code = queue_row_only_tells(row) ? DB_OK : ledger_settle(w->db, &settled, &changed);
	buf_fini(&b);
	return code == DB_OK ? queue_row_delete(w->db, row, w->message.blob) : code;
}

static enum db_code hold(struct walk *w, struct queue_change *c, struct queue_row *row)
{
	queue_row_hold(row, w->now);
	return queue_row_set(w->db, row);
}

static enum db_code let_go(struct walk *w, struct queue_change *c, struct queue_row *row)
{
	if (row->held)
		queue_row_let_go(row, w->now);
	else
		queue_row_send_now(row, w->now);
	return queue_row_set(w->db, row);
}

static enum db_code bounce(struct walk *w, struct queue_change *c, struct queue_row *row)
{
	struct queue_attempt ended = {.problem = QUEUE_PROBLEM_ENDED};
	struct buf reply;
	enum db_code code;

	queue_row_finish(row, QUEUE_REPORT_FAILED);
	buf_init(&reply, LIMIT_QUEUE_REPLY);
	queue_result_put_reply(&reply, &ended, STR(""));
	row->last = (struct queue_last){
	    ended.problem, queue_result_of(&ended).status, buf_view(&reply), STR("")};
	code = queue_row_set(w->db, row);
	buf_fini(&reply);
	return code;
}

/* Of rows that are held or not, whose attempts are over or not: which does a verb concern? */
static const struct {
	enum db_code (*run)(struct walk *w, struct queue_change *c, struct queue_row *row);
	bool of_held, of_others, of_over;
	const char *done; /* for the record */
} verbs[QUEUE_CHANGE_VERBS] = {
    [QUEUE_CHANGE_RETRY] = {retry, false, true, true, "tried again"},
    [QUEUE_CHANGE_HOLD] = {hold, false, true, false, "held"},
    [QUEUE_CHANGE_RELEASE] = {let_go, true, false, false, "released"},
    [QUEUE_CHANGE_REMOVE] = {discard, true, true, true, "removed"},
    [QUEUE_CHANGE_CANCEL] = {discard, true, false, false, "cancelled"},
    [QUEUE_CHANGE_BOUNCE] = {bounce, true, true, false, "given up"},
};

/* Before the time that its sender set, mail goes only if it was chosen by itself: not with what else is let go. */
static bool concerns(const struct queue_change *c, const struct queue_row *row, int64_t now)
{
	enum queue_change_verb verb = c->verb;
	bool later = queue_row_is_scheduled(row, now);

	if (verb == QUEUE_CHANGE_CANCEL)
		return later;
	if (verb == QUEUE_CHANGE_RELEASE && !row->held)
		return later && c->filter.message;
	if (verb == QUEUE_CHANGE_RETRY && later)
		return false;
	if (row->report != QUEUE_REPORT_NONE && row->report != QUEUE_REPORT_HERE)
		return verbs[verb].of_over;
	return row->held ? verbs[verb].of_held : verbs[verb].of_others;
}

/* Before the verb is run: it may take the row away. */
static void list_changed(struct queue_change *c, const struct queue_row *row)
{
	if (c->listed == c->room)
		return;
	c->list[c->listed++] = (struct queue_changed){
	    row->message, arena_str(c->arena, row->address)};
}

static enum db_code change_row(struct walk *w, struct queue_change *c, struct queue_row *row)
{
	enum db_code code = message_of(w, row->message);

	if (code != DB_OK || !queue_filter_fits(&c->filter, row, w->message.reverse_path))
		return code;
	if (!concerns(c, row, w->now)) {
		c->kept++;
		return DB_OK;
	}
	if (row->token) {
		c->busy++;
		return DB_OK;
	}
	c->changed++;
	list_changed(c, row);
	note_place(w, row->destination); /* before it is another */
	return verbs[c->verb].run(w, c, row);
}

/* Which, as it was asked for. */
static void put_filter(struct buf *b, const struct queue_filter *f)
{
	const struct {
		const char *word;
		struct str value;
	} parts[] = {{"", f->text}, {"to ", f->recipient}, {"from ", f->sender}};
	const char *separator = ": ";

	if (f->message) {
		buf_c(b, separator);
		id_put(b, f->message);
		separator = ", ";
	}
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (parts[i].value.n == 0)
			continue;
		buf_c(b, separator);
		buf_c(b, parts[i].word);
		buf_str(b, parts[i].value);
		separator = ", ";
	}
	if (f->before)
		buf_printf(b, "%swaiting for %.*s or longer", separator, STR_FMT(f->age));
}

/* In the commit that changes them. */
static enum db_code record(struct walk *w, const struct queue_change *c)
{
	struct buf b;
	enum db_code code;

	if (c->changed == 0)
		return DB_OK;
	buf_init(&b, KIB);
	buf_printf(&b, "queue: %lld recipient%s %s", (long long)c->changed,
	    c->changed == 1 ? "" : "s", verbs[c->verb].done);
	put_filter(&b, &c->filter);
	code = admin_log_add(w->db, w->now, c->who, buf_view(&b));
	buf_fini(&b);
	return code;
}

static enum db_code tell_places(struct walk *w, bool probe)
{
	enum db_code code = DB_OK;

	for (size_t i = 0; i < w->nplaces && code == DB_OK; i++)
		code = tell_place(w, w->places[i], probe);
	return code;
}

static enum lane_exec change_exec(struct lane_op *op, struct db *db, int64_t now)
{
	struct queue_change *c = LIST_ENTRY(op, struct queue_change, op);
	struct walk w = {.db = db, .arena = arena_new(), .now = now};
	struct queue_rows rows = {NULL, 0};
	enum db_code code;

	c->next = c->at;
	c->changed = c->busy = c->kept = 0;
	c->listed = 0;
	code = next_rows(&w, &c->filter, LIMIT_SLICE_ROWS, &c->next, &rows, &c->more);
	w.places = arena_array(w.arena, rows.n, sizeof *w.places);
	for (size_t i = 0; i < rows.n && code == DB_OK; i++)
		code = change_row(&w, c, &rows.v[i]);
	if (code == DB_OK)
		code = tell_places(&w, c->verb == QUEUE_CHANGE_RETRY);
	if (code == DB_OK)
		code = record(&w, c);
	arena_free(&w.arena);
	return code == DB_OK ? LANE_KEEP : LANE_BROKEN;
}

void queue_change_init(struct queue_change *c)
{
	list_init(&c->op.link);
	c->op.exec = change_exec;
	c->op.frees = c->verb == QUEUE_CHANGE_REMOVE || c->verb == QUEUE_CHANGE_CANCEL;
	c->at = queue_filter_start(&c->filter);
}
