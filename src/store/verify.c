/*
 * The stages in order. Of a pack first every octet is read (pack_walk), then each row that lies in it is
 * held against the header there: so nothing is missed that a row names, nor what none names.
 */
#include "store/verify.h"

#include "base/mem.h"
#include "mime/mime_summary.h"
#include "store/db_check.h"
#include "store/trace.h"

#define ROWS_A_STEP INT64_C(256)

/* ---- findings ---- */

static struct str first_text(const struct mime_message *m, enum mime_text_field field)
{
	return m->n_parts && m->parts[0].envelope ? m->parts[0].envelope->text[field] : STR("");
}

/* Subject and Message-ID as the message itself has them. */
static void add_summary(struct verify *v, struct verify_finding *f, struct str summary)
{
	struct mime_message m;

	if (summary.n == 0 || mime_summary_read(v->arena, summary, &m) != MIME_SUMMARY_OK)
		return;
	f->subject = first_text(&m, MIME_SUBJECT);
	f->header_id = trace_bare_id(first_text(&m, MIME_MESSAGE_ID));
}

static void add_account(
    struct verify *v, struct verify_finding *f, struct str local, struct str domain)
{
	struct buf b;

	buf_init(&b, KIB);
	buf_str(&b, local);
	buf_byte(&b, '@');
	buf_str(&b, domain);
	if (domain.n)
		f->account = arena_str(v->arena, buf_view(&b));
	buf_fini(&b);
}

static void name_account(struct verify *v, struct verify_finding *f, int64_t account)
{
	struct db_query *q = db_begin_query(
	    v->db, SQL_VERIFY_ACCOUNT_NAME, DB_ARGS(db_int(account)));

	if (db_step(q) == DB_ROW)
		add_account(v, f, db_col_str(q, 0), db_col_str(q, 1));
	(void)db_end(q); /* a finding without a name is one too */
}

static void name_message(struct verify *v, struct verify_finding *f, int64_t account)
{
	struct db_query *q = db_begin_query(
	    v->db, SQL_VERIFY_EMAIL, DB_ARGS(db_int(account), db_int(f->message)));

	if (db_step(q) == DB_ROW)
		add_summary(v, f, arena_str(v->arena, db_col_str(q, 0)));
	(void)db_end(q);
	if (f->header_id.n)
		return;
	q = db_begin_query(v->db, SQL_VERIFY_MESSAGE, DB_ARGS(db_int(f->message)));
	if (db_step(q) == DB_ROW)
		f->header_id = arena_str(v->arena, db_col_str(q, 0));
	(void)db_end(q);
}

static void report(struct verify *v, const struct verify_finding *f)
{
	v->findings++;
	if (v->on_finding)
		v->on_finding(v->ctx, f);
	arena_reset(v->arena, false);
}

void verify_found(struct verify *v, struct verify_finding f, int64_t account)
{
	if (account)
		name_account(v, &f, account);
	if (f.message)
		name_message(v, &f, account);
	report(v, &f);
}

/* A blob: one finding for each account that has it, or one for all. */
static void found_blob(struct verify *v, const struct verify_finding *f)
{
	struct db_query *q = db_begin_query(
	    v->db, SQL_VERIFY_BLOB_EMAILS, DB_ARGS(db_int(f->message)));
	int64_t accounts = 0;

	for (; db_step(q) == DB_ROW; accounts++) {
		struct verify_finding one = *f;

		add_account(v, &one, db_col_str(q, 3), db_col_str(q, 4));
		add_summary(v, &one, arena_str(v->arena, db_col_str(q, 2)));
		report(v, &one);
	}
	(void)db_end(q);
	if (accounts == 0)
		verify_found(v, *f, 0);
}

/* ---- the database ---- */

static void on_bad(void *ctx, enum db_bad kind, const char *text)
{
	struct verify *v = ctx;

	v->beyond += kind == DB_BAD_PAGES;
	v->indexes += kind == DB_BAD_INDEX;
	report(v, &(struct verify_finding){
		      .what = kind == DB_BAD_INDEX
				  ? "the database is damaged, an index differs from its table"
				  : "the database is damaged",
		      .detail = str_of_c(text)});
}

static enum db_code check_database(struct verify *v)
{
	bool more = false;
	enum db_code code = db_check_part(v->db, v->at++, on_bad, v, &more);

	if (!more) {
		v->stage = VERIFY_ROWS;
		v->at = 0;
	}
	return code;
}

static enum db_code check_rows(struct verify *v)
{
	bool more = false;
	enum db_code code = verify_rule(v, v->at++, &more);

	if (!more) {
		v->stage = VERIFY_SEALS;
		v->account = v->email = INT64_MIN;
	}
	return code;
}

static void on_ledger(void *ctx, const struct ledger_finding *l)
{
	struct verify *v = ctx;

	if (ledger_fault_is_of_rows(l->fault))
		return; /* the rules have told */
	verify_found(v,
	    (struct verify_finding){.what = ledger_fault_text(l->fault), .message = l->message},
	    l->account);
}

static enum db_code begin_packs(struct verify *v)
{
	struct db_query *q;

	(void)db_rollback(v->db); /* from here on each step sees what is there now */
	v->stage = VERIFY_PACKS;
	q = db_begin_query(v->db, SQL_VERIFY_PACK_SUM, DB_NO_ARGS);
	if (db_step(q) == DB_ROW) {
		v->packs_all = db_col_int(q, 0);
		v->octets_all = db_col_int(q, 1);
	}
	return db_end(q);
}

static enum db_code check_ledger(struct verify *v)
{
	enum db_code code = ledger_audit_step(v->db, &v->audit, ROWS_A_STEP);

	return code == DB_OK && v->audit.complete ? begin_packs(v) : code;
}

/* ---- packs ---- */

/* Where the database has a blob now; DB_OK: nowhere. */
static enum db_code place_of(struct verify *v, int64_t id, struct blob_pos *pos_r)
{
	struct db_query *q = db_begin_query(v->db, SQL_BLOB_GET, DB_ARGS(db_int(id)));
	bool found = db_step(q) == DB_ROW;
	enum db_code code;

	if (found)
		*pos_r = (struct blob_pos){db_col_int(q, 0), db_col_int(q, 1), db_col_int(q, 2)};
	code = db_end(q);
	return code == DB_OK && found ? DB_ROW : code;
}

static void on_record(void *ctx, const struct pack_record *r, bool good)
{
	struct verify *v = ctx;
	struct blob_pos pos = {0};
	struct verify_finding f = {.what = "its content is damaged",
	    .message = r->id,
	    .pack = r->pack,
	    .offset = r->offset};

	if (good)
		return;
	if (place_of(v, r->id, &pos) == DB_ROW && pos.pack == r->pack && pos.offset == r->offset) {
		found_blob(v, &f);
		return;
	}
	f.what = "a record that no message needs any more is damaged";
	f.message = 0;
	report(v, &f);
}

static void on_damage(void *ctx, int64_t pack, int64_t from, int64_t to, const char *why)
{
	report(ctx, &(struct verify_finding){.what = "a pack is damaged",
			.detail = str_of_c(why),
			.pack = pack,
			.offset = from});
}

/* Still in the table? Compaction may have removed it. */
static bool is_there(struct verify *v, int64_t pack)
{
	struct db_query *q = db_begin_query(v->db, SQL_VERIFY_PACK_NEXT, DB_ARGS(db_int(pack - 1)));
	bool there = db_step(q) == DB_ROW && db_col_int(q, 0) == pack;

	(void)db_end(q);
	return there;
}

static enum db_code next_pack(struct verify *v)
{
	struct db_query *q = db_begin_query(
	    v->db, SQL_VERIFY_PACK_NEXT, DB_ARGS(db_int(v->walk.pack)));
	bool found = db_step(q) == DB_ROW;

	if (found) {
		v->pack = db_col_int(q, 0);
		pack_walk_begin(&v->walk, v->pack, db_col_int(q, 1));
		v->walked = 0;
	}
	v->complete = !found;
	return db_end(q);
}

static void begin_pack_rows(struct verify *v)
{
	v->octets += v->walk.end - v->walked;
	v->rows_next = true;
	v->row_at = INT64_MIN;
}

static enum db_code read_pack(struct verify *v, int64_t octets)
{
	struct err e = {""};
	bool done = false;
	enum blob_code code = pack_walk_step(&v->walk, octets, &done, &e);

	v->octets += v->walk.at - v->walked;
	v->walked = v->walk.at;
	if (code != BLOB_OK && is_there(v, v->pack))
		report(v, &(struct verify_finding){.what = "a pack cannot be read",
			      .detail = str_of_c(e.text),
			      .pack = v->pack,
			      .offset = v->walk.at});
	if (code != BLOB_OK || done)
		begin_pack_rows(v);
	return DB_OK;
}

/* The header at the place that a row names. */
static void check_place(struct verify *v, int64_t id, struct blob_pos pos)
{
	struct blob_reader *r = NULL;
	struct err e = {""};
	struct blob_pos now = {0};
	enum blob_code code = blob_open(v->blobs, id, pos, &r, &e);

	blob_close(v->blobs, &r);
	if (code == BLOB_OK || place_of(v, id, &now) != DB_ROW || now.pack != pos.pack ||
	    now.offset != pos.offset)
		return;
	found_blob(v, &(struct verify_finding){.what = "its content is not where it should be",
			  .detail = str_of_c(e.text),
			  .message = id,
			  .pack = pos.pack,
			  .offset = pos.offset});
}

static void end_pack(struct verify *v)
{
	v->packs += v->pack != 0;
	v->rows_next = false;
	v->pack = 0;
}

static enum db_code check_pack_rows(struct verify *v)
{
	struct {
		int64_t id;
		struct blob_pos pos;
	} rows[ROWS_A_STEP];
	struct db_query *q = db_begin_query(v->db, SQL_VERIFY_PACK_BLOBS,
	    DB_ARGS(db_int(v->pack), db_int(v->row_at), db_int(INT64_MAX)));
	size_t n = 0;
	enum db_code code;

	for (; n < ROWS_A_STEP && db_step(q) == DB_ROW; n++) {
		rows[n].id = db_col_int(q, 0);
		rows[n].pos = (struct blob_pos){v->pack, db_col_int(q, 1), db_col_int(q, 2)};
	}
	code = db_end(q);
	for (size_t i = 0; i < n; i++)
		check_place(v, rows[i].id, rows[i].pos);
	if (n)
		v->row_at = rows[n - 1].pos.offset + 1;
	if (n < ROWS_A_STEP && code == DB_OK)
		end_pack(v);
	return code;
}

static enum db_code check_packs(struct verify *v, int64_t octets)
{
	if (v->pack == 0)
		return next_pack(v);
	return v->rows_next ? check_pack_rows(v) : read_pack(v, octets);
}

/* ---- steps ---- */

bool verify_begin(struct verify *v, struct blob_store *blobs, const char *db_name)
{
	memset(v, 0, sizeof *v);
	v->blobs = blobs;
	v->arena = arena_new();
	v->audit.on_finding = on_ledger;
	v->audit.ctx = v;
	v->walk.blobs = blobs;
	v->walk.on_record = on_record;
	v->walk.on_damage = on_damage;
	v->walk.ctx = v;
	if (db_open(db_name, DB_READER, &v->db, &v->err) != DB_OK)
		return false;
	if (db_begin(v->db) == DB_OK)
		return true;
	err_set(&v->err, "%s", db_error(v->db));
	return false;
}

/* Rows that cannot be read; an index that leads to rows that are not there has been told. */
static enum db_code pass_over(struct verify *v, enum verify_stage stage)
{
	v->beyond += v->indexes == 0;
	report(v, &(struct verify_finding){
		      .what = "rows cannot be read", .detail = str_of_c(db_error(v->db))});
	if (stage == VERIFY_SEALS)
		v->stage = VERIFY_LEDGER;
	if (stage == VERIFY_PACKS)
		end_pack(v);
	return stage == VERIFY_LEDGER ? begin_packs(v) : DB_OK;
}

enum db_code verify_step(struct verify *v, int64_t octets)
{
	enum verify_stage stage = v->stage;
	enum db_code code = DB_ERROR;

	switch (stage) {
	case VERIFY_DATABASE:
		code = check_database(v);
		break;
	case VERIFY_ROWS:
		code = check_rows(v);
		break;
	case VERIFY_SEALS:
		code = verify_seals(v, ROWS_A_STEP);
		break;
	case VERIFY_LEDGER:
		code = check_ledger(v);
		break;
	case VERIFY_PACKS:
		code = check_packs(v, octets);
		break;
	case VERIFY_STAGES:
		break;
	}
	if (code == DB_CORRUPT)
		code = pass_over(v, stage);
	if (code != DB_OK)
		err_set(&v->err, "%s", db_error(v->db));
	return code;
}

void verify_end(struct verify *v)
{
	if (v->db)
		(void)db_rollback(v->db);
	db_close(&v->db);
	pack_walk_fini(&v->walk);
	arena_free(&v->arena);
}
