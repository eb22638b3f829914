/*
 * The timeline of a message and the index that finds messages by address or Message-ID.
 *
 * The index has a mark (meta 'trace_index'): every message with an id up to it is in the index, none
 * above it is. Messages may commit in another order than their ids; one that comes late, below the
 * mark, is indexed with its delivery, and a recipient that it gets later as he is added.
 */
#include "store/trace.h"

#include "base/ascii.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/mem.h"
#include "mime/mime_local.h"
#include "store/ledger.h"

#define MARK STR("trace_index")

static const char *const kind_names[TRACE_KINDS] = {
    [TRACE_RECEIVED] = "received",
    [TRACE_MAILBOX] = "mailbox",
    [TRACE_RELAYED] = "relayed",
    [TRACE_BOUNCED] = "bounced",
    [TRACE_DISCARDED] = "discarded",
    [TRACE_QUEUED] = "queued",
    [TRACE_ATTEMPT] = "attempt",
    [TRACE_NOTICE] = "notice",
    [TRACE_SENT_ON] = "sent-on",
};

/* What a ledger row tells as an event; its detail follows the words. */
static const struct {
	enum trace_kind kind;
	const char *words;
} ledger_events[LEDGER_STATES] = {
    [LEDGER_MAILBOX] = {TRACE_MAILBOX, "delivered to the mailbox "},
    [LEDGER_RELAYED] = {TRACE_RELAYED, "handed over to "},
    [LEDGER_BOUNCED] = {TRACE_BOUNCED, "could not be delivered: "},
    [LEDGER_DISCARDED] = {TRACE_DISCARDED, "discarded: "},
    [LEDGER_QUEUED] = {TRACE_QUEUED, "in the queue, for "},
};

_Static_assert(
    TRACE_ATTEMPT == 6 && TRACE_SENT_ON == 8 && LEDGER_QUEUED == 4, "statements name them so");

const char *trace_kind_name(enum trace_kind kind)
{
	MUST((size_t)kind < TRACE_KINDS);
	return kind_names[kind];
}

/* At most max octets, not ending within a character. */
static struct str cut(struct str s, size_t max)
{
	if (s.n <= max)
		return s;
	while (max > 0 && (s.p[max] & 0xc0) == 0x80)
		max--;
	return str_sub(s, 0, max);
}

enum db_code trace_append(struct db *db, const struct trace_event *e)
{
	return db_exec(db, SQL_TRACE_ADD,
	    DB_ARGS(db_int(e->message), db_int(e->time), db_int(e->recipient), db_int(e->kind),
		db_text(cut(e->text, LIMIT_TRACE_TEXT)), db_int(e->dialogue)),
	    NULL);
}

/* ---- the timeline ---- */

/* columns as MESSAGE_GET. What an administrator brought came from nobody (store/import.h). */
static void put_origin(struct buf *b, struct db_query *q)
{
	struct str protocol = db_col_str(q, 4);

	if (str_eq(protocol, STR("import"))) {
		buf_lit(b, "imported by an administrator");
		return;
	}
	if (str_eq(protocol, STR("restore"))) {
		buf_lit(b, "restored from a backup");
		return;
	}
	buf_lit(b, "received from ");
	buf_str(b, db_col_str(q, 3));
	if (db_col_str(q, 3).n)
		buf_byte(b, ' ');
	buf_byte(b, '[');
	buf_str(b, db_col_str(q, 2));
	buf_lit(b, "] with ");
	buf_str(b, protocol);
}

static void put_received(struct buf *b, struct db_query *q)
{
	struct str header_id = db_col_str(q, 8);
	int64_t recipients = db_col_int(q, 7);

	put_origin(b, q);
	buf_lit(b, ", ");
	buf_i64(b, db_col_int(q, 6));
	buf_lit(b, " octets, for ");
	buf_i64(b, recipients);
	buf_c(b, recipients == 1 ? " recipient" : " recipients");
	if (db_col_int(q, 5)) { /* not in the Received field, which all recipients read */
		buf_lit(b, ", of the account ");
		if (db_col_str(q, 9).n)
			buf_str(b, db_col_str(q, 9));
		else
			buf_lit(b, "that was removed since");
	}
	if (header_id.n) {
		buf_lit(b, ", Message-ID <");
		buf_str(b, header_id);
		buf_byte(b, '>');
	}
}

static enum db_code tell_received(
    struct db *db, int64_t message, struct buf *b, trace_fn *fn, void *ctx)
{
	struct db_query *q = db_begin_query(db, SQL_MESSAGE_GET, DB_ARGS(db_int(message)));
	enum db_code found = db_step(q), code;

	if (found == DB_ROW) {
		put_received(b, q);
		struct trace_event event = {.message = message,
		    .time = db_col_int(q, 0),
		    .kind = TRACE_RECEIVED,
		    .recipient = -1,
		    .address = db_col_str(q, 1),
		    .text = buf_view(b)};

		fn(ctx, &event);
	}
	code = db_end(q);
	return code == DB_OK ? found : code;
}

/* columns as TRACE_TIMELINE */
static void tell_row(struct db_query *q, int64_t message, struct buf *b, trace_fn *fn, void *ctx)
{
	bool of_ledger = db_col_int(q, 1) == 0;
	int64_t kind = db_col_int(q, 4);
	struct trace_event event = {.message = message,
	    .time = db_col_int(q, 0),
	    .recipient = db_col_int(q, 3),
	    .address = db_col_str(q, 5),
	    .dialogue = db_col_int(q, 7)};

	buf_clear(b);
	if (of_ledger && kind == LEDGER_MAILBOX && db_col_str(q, 6).n == 0) {
		event.kind = TRACE_MAILBOX;
		buf_lit(b, "has the copy that was delivered for another recipient");
	} else if (of_ledger && kind >= 0 && kind < LEDGER_STATES) {
		event.kind = ledger_events[kind].kind;
		buf_c(b, ledger_events[kind].words);
	} else {
		event.kind = kind >= 0 && kind < TRACE_KINDS ? (enum trace_kind)kind : TRACE_NOTICE;
		if (event.kind == TRACE_SENT_ON)
			buf_lit(b, "sent on for ");
	}
	buf_str(b, db_col_str(q, 6));
	event.text = buf_view(b);
	fn(ctx, &event);
}

enum db_code trace_message(struct db *db, int64_t message, trace_fn *fn, void *ctx)
{
	struct db_query *q;
	struct buf b;
	enum db_code found, code;

	buf_init(&b, LIMIT_SMTP_LINE + 2 * LIMIT_TRACE_TEXT);
	found = tell_received(db, message, &b, fn, ctx);
	if (found == DB_ROW) {
		q = db_begin_query(db, SQL_TRACE_TIMELINE, DB_ARGS(db_int(message)));
		while (db_step(q) == DB_ROW)
			tell_row(q, message, &b, fn, ctx);
		code = db_end(q);
		found = code == DB_OK ? found : code;
	}
	buf_fini(&b);
	return found;
}

/* ---- the index ---- */

struct str trace_bare_id(struct str id)
{
	id = str_trim(id);
	if (id.n > 2 && id.p[0] == '<' && id.p[id.n - 1] == '>')
		return str_sub(id, 1, id.n - 2);
	return id;
}

bool trace_choose(struct str which, int64_t *id_r, struct str *header_id_r)
{
	*id_r = 0;
	*header_id_r = STR("");
	if (!id_parse(str_trim(which), id_r))
		*header_id_r = trace_bare_id(which);
	return which.n == 0 || *id_r || header_id_r->n;
}

static int64_t key_hash(struct str key)
{
	/* stored: the same for ever */
	static const struct hash_key fixed = {0x74726163655f6b65, 0x79206f66206d7367};

	return (int64_t)(hash_bytes(&fixed, key) & INT64_MAX);
}

static int64_t day_of(int64_t message)
{
	return id_time(message) / DAY_MS;
}

/* Writes (or deletes) the index rows of one message. */
struct indexing {
	struct db *db;
	struct arena *arena;
	enum sql_id what; /* TRACE_INDEX_ADD or TRACE_INDEX_DELETE */
	int64_t message;
	int64_t rows;
};

static enum db_code index_row(struct indexing *x, struct str key)
{
	x->rows++;
	return db_exec(x->db, x->what,
	    DB_ARGS(db_int(day_of(x->message)), db_int(key_hash(key)), db_int(x->message)), NULL);
}

static enum db_code index_text(struct indexing *x, struct str text)
{
	return text.n ? index_row(x, mime_local_address_key(x->arena, text)) : DB_OK;
}

/* Every column of every row of a query is a key. */
static enum db_code index_rows(struct indexing *x, enum sql_id id, int columns)
{
	struct db_query *q = db_begin_query(x->db, id, DB_ARGS(db_int(x->message)));
	enum db_code code = DB_OK, end;

	while (code == DB_OK && db_step(q) == DB_ROW) {
		for (int i = 0; i < columns && code == DB_OK; i++)
			code = index_text(x, db_col_str(q, i));
	}
	end = db_end(q);
	return code == DB_OK ? end : code;
}

static enum db_code index_message(struct db *db, enum sql_id what, int64_t message, int64_t *rows_r)
{
	struct indexing x = {.db = db, .arena = arena_new(), .what = what, .message = message};
	enum db_code code = index_rows(&x, SQL_MESSAGE_KEYS, 2);

	if (code == DB_OK)
		code = index_rows(&x, SQL_RECIPIENT_KEYS, 1);
	arena_free(&x.arena);
	*rows_r += x.rows;
	return code;
}

static enum db_code index_address(
    struct db *db, enum sql_id what, int64_t message, struct str address, int64_t *rows)
{
	struct indexing x = {.db = db, .arena = arena_new(), .what = what, .message = message};
	enum db_code code = index_text(&x, address);

	arena_free(&x.arena);
	*rows += x.rows;
	return code;
}

enum db_code trace_index_drop(struct db *db, int64_t message, int64_t *rows)
{
	return index_message(db, SQL_TRACE_INDEX_DELETE, message, rows);
}

enum db_code trace_index_forget(struct db *db, int64_t message, struct str address, int64_t *rows)
{
	return index_address(db, SQL_TRACE_INDEX_DELETE, message, address, rows);
}

static enum db_code read_mark(struct db *db, int64_t *mark_r)
{
	enum db_code code = db_get_int(db, SQL_META_GET, DB_ARGS(db_text(MARK)), mark_r);

	if (code == DB_OK)
		return db_damaged(db, "the mark of the index of the trace is not there");
	return code == DB_ROW ? DB_OK : code;
}

enum db_code trace_index_late(struct db *db, int64_t message)
{
	int64_t mark = 0, rows = 0;
	enum db_code code = read_mark(db, &mark);

	if (code != DB_OK || message > mark)
		return code;
	return index_message(db, SQL_TRACE_INDEX_ADD, message, &rows);
}

enum db_code trace_index_recipient(struct db *db, int64_t message, struct str address)
{
	int64_t mark = 0, rows = 0;
	enum db_code code = read_mark(db, &mark);

	if (code != DB_OK || message > mark)
		return code;
	return index_address(db, SQL_TRACE_INDEX_ADD, message, address, &rows);
}

enum db_code trace_index_slice(struct db *db, int64_t *rows_r, bool *more_r)
{
	int64_t mark = 0, rows = 0, first, next = 0;
	enum db_code code = read_mark(db, &mark);

	first = mark;
	while (code == DB_OK && rows < LIMIT_SLICE_ROWS) {
		code = db_get_int(db, SQL_MESSAGE_NEXT, DB_ARGS(db_int(mark)), &next);
		if (code != DB_ROW)
			break;
		mark = next;
		code = index_message(db, SQL_TRACE_INDEX_ADD, mark, &rows);
	}
	if (code == DB_OK && mark > first)
		code = db_exec(db, SQL_META_SET, DB_ARGS(db_text(MARK), db_int(mark)), NULL);
	if (code == DB_OK) {
		*rows_r = rows;
		*more_r = rows >= LIMIT_SLICE_ROWS;
	}
	return code;
}

/* ---- rows of before keys had one form for all spellings ---- */

static enum db_code index_anew(struct indexing *x, struct str text)
{
	struct str key = mime_local_address_key(x->arena, text),
		   before = arena_lower(x->arena, text);
	enum db_code code = DB_OK;

	if (str_eq(key, before))
		return DB_OK;
	x->what = SQL_TRACE_INDEX_DELETE;
	code = index_row(x, before);
	x->what = SQL_TRACE_INDEX_ADD;
	return code == DB_OK ? index_row(x, key) : code;
}

/* Columns: the message, and `columns` keys. */
static enum db_code index_all_anew(struct db *db, enum sql_id id, int64_t mark, int columns)
{
	struct indexing x = {.db = db};
	struct db_query *q = db_begin_query(db, id, DB_ARGS(db_int(mark)));
	enum db_code code = DB_OK, end;

	while (code == DB_OK && db_step(q) == DB_ROW) {
		x.arena = arena_new();
		x.message = db_col_int(q, 0);
		for (int i = 1; i <= columns && code == DB_OK; i++)
			code = index_anew(&x, db_col_str(q, i));
		arena_free(&x.arena);
	}
	end = db_end(q);
	return code == DB_OK ? end : code;
}

enum db_code trace_index_fold(struct db *db)
{
	int64_t mark = 0; /* of what is saved from a damaged database there may be none */
	enum db_code code = db_get_int(db, SQL_META_GET, DB_ARGS(db_text(MARK)), &mark);

	if (code == DB_ROW)
		code = index_all_anew(db, SQL_MESSAGES_KEYS, mark, 2);
	if (code == DB_OK)
		code = index_all_anew(db, SQL_LEDGERS_ADDRESSES, mark, 1);
	return code;
}

/* ---- finding ---- */

struct search {
	struct db *db;
	struct str key; /* as the index has it */
	int64_t *ids;
	size_t max, n;
};

/* Takes the ids that a query gives, as far as they fit. */
static enum db_code take_ids(
    struct search *s, enum sql_id id, const struct db_value *args, size_t nargs)
{
	struct db_query *q = db_begin_query(s->db, id, args, nargs);

	while (s->n < s->max && db_step(q) == DB_ROW)
		s->ids[s->n++] = db_col_int(q, 0);
	return db_end(q);
}

static bool fits(const struct search *s, struct str text)
{
	return text.n && mime_local_address_eq(s->key, text);
}

static bool fits_one(const struct search *s, struct db_query *q, int first, int columns)
{
	for (int i = first; i < first + columns; i++)
		if (fits(s, db_col_str(q, i)))
			return true;
	return false;
}

/* One of the keys that a query gives for a message. */
static enum db_code look_at(
    struct search *s, int64_t message, enum sql_id id, int columns, bool *fits_r)
{
	struct db_query *q = db_begin_query(s->db, id, DB_ARGS(db_int(message)));

	while (!*fits_r && db_step(q) == DB_ROW)
		*fits_r = fits_one(s, q, 0, columns);
	return db_end(q);
}

/* Two keys may share a hash: the message itself decides. */
static enum db_code search_message(struct search *s, int64_t message)
{
	bool is_it = false;
	enum db_code code = look_at(s, message, SQL_MESSAGE_KEYS, 2, &is_it);

	if (code == DB_OK)
		code = look_at(s, message, SQL_RECIPIENT_KEYS, 1, &is_it);
	if (code == DB_OK && is_it)
		s->ids[s->n++] = message;
	return code;
}

static enum db_code search_day(struct search *s, int64_t day)
{
	struct db_query *q = db_begin_query(
	    s->db, SQL_TRACE_INDEX_FIND, DB_ARGS(db_int(day), db_int(key_hash(s->key))));
	enum db_code code = DB_OK, end;

	while (code == DB_OK && s->n < s->max && db_step(q) == DB_ROW)
		code = search_message(s, db_col_int(q, 0));
	end = db_end(q);
	return code == DB_OK ? end : code;
}

static enum db_code search_index(struct search *s)
{
	int64_t day = INT64_MAX;
	enum db_code code = DB_OK;

	while (code == DB_OK && s->n < s->max) {
		code = db_get_int(s->db, SQL_TRACE_INDEX_DAY, DB_ARGS(db_int(day)), &day);
		if (code != DB_ROW)
			break;
		code = search_day(s, day);
	}
	return code;
}

/* Those the index does not know yet: a row for each recipient, and for each alias. */
static enum db_code search_late(struct search *s)
{
	int64_t mark = 0;
	enum db_code code = read_mark(s->db, &mark);
	struct db_query *q;

	if (code != DB_OK)
		return code;
	q = db_begin_query(s->db, SQL_MESSAGES_LATE, DB_ARGS(db_int(mark)));
	while (s->n < s->max && db_step(q) == DB_ROW) {
		int64_t message = db_col_int(q, 0);

		if ((s->n == 0 || s->ids[s->n - 1] != message) && fits_one(s, q, 1, 3))
			s->ids[s->n++] = message;
	}
	return db_end(q);
}

static enum db_code search_key(struct search *s)
{
	enum db_code code = search_late(s);

	return code == DB_OK ? search_index(s) : code;
}

static enum db_code search_id(struct search *s, int64_t id)
{
	int64_t accepted;
	enum db_code code = db_get_int(s->db, SQL_MESSAGE_ACCEPTED, DB_ARGS(db_int(id)), &accepted);

	if (code == DB_ROW)
		s->ids[s->n++] = id;
	return code == DB_ROW ? DB_OK : code;
}

enum db_code trace_find(struct db *db, struct str what, int64_t *ids, size_t max, size_t *n_r)
{
	struct search s = {.db = db, .ids = ids, .max = max};
	struct arena *arena = arena_new();
	struct str bare = trace_bare_id(what);
	int64_t id;
	enum db_code code = DB_OK;

	s.key = mime_local_address_key(arena, str_sub(bare, 0, LIMIT_SMTP_LINE));
	if (bare.n > LIMIT_SMTP_LINE || max == 0)
		s.n = 0; /* longer than anything that is kept */
	else if (bare.n == 0)
		code = take_ids(&s, SQL_MESSAGE_NEWEST, DB_ARGS(db_int((int64_t)max)));
	else if (id_parse(s.key, &id))
		code = search_id(&s, id);
	else
		code = search_key(&s);
	arena_free(&arena);
	if (code == DB_OK)
		*n_r = s.n;
	return code;
}
