#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rig.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "mime/mime_scan.h"
#include "mime/mime_summary.h"
#include "scratch.h"
#include "store/datadir.h"
#include "store/db_internal.h"
#include "store/log_rewrite.h"
#include "store/migrate.h"
#include "store/pack.h"
#include "store/recover.h"

#define NOON INT64_C(1795435200000) /* 2026-11-23 12:00:00 UTC */

/* In the order of store.c. */
static void open_store(struct rig *r)
{
	struct fsio *fs = r->fault ? &r->fault->fs : &r->fs;
	struct pack_config packs = {.fs = fs, .dir = "packs", .pack_size = r->pack_size};
	struct lane_config lane = {0};
	struct err e = {""};
	int64_t sequence;

	if (log_rewrite(&r->fs, DATADIR_DB "-wal", &e) < 0)
		fail_msg("%s", e.text);
	r->db = scratch_db();
	if (migrate(r->db, "store.db", migrations(), sql_schema()->version, &e) != DB_OK)
		fail_msg("%s", e.text);
	if (recover_packs(r->db, &packs, &r->blobs, &sequence, &e) != DB_OK)
		fail_msg("%s", e.text);
	lane.db = r->db;
	lane.blobs = r->blobs;
	lane.sequence = sequence;
	r->lane = lane_new(&lane);
}

static void close_store(struct rig *r)
{
	lane_free(&r->lane);
	blob_store_free(&r->blobs);
	db_close(&r->db);
}

void rig_begin(struct rig *r, struct fsio fs)
{
	*r = (struct rig){.directory = {.separator = '+'},
	    .now = NOON,
	    .fs = fs,
	    .pack_size = r->pack_size ? r->pack_size : (int64_t)MIB};
	id_maker_init(&r->ids, 1, 0);
	(void)r->fs.ops->make_dir(&r->fs, "packs", 0700);
	open_store(r);
}

void rig_end(struct rig *r)
{
	close_store(r);
}

void rig_open(struct rig *r)
{
	struct fsio fs;

	*r = (struct rig){0};
	scratch_enter();
	fsio_init(&fs, open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	rig_begin(r, fs);
}

void rig_close(struct rig *r)
{
	rig_end(r);
	close(r->fs.dirfd);
	scratch_leave();
}

void rig_restart(struct rig *r)
{
	close_store(r);
	open_store(r);
}

void rig_pause(struct rig *r)
{
	close_store(r);
}

void rig_resume(struct rig *r)
{
	open_store(r);
}

static void nothing(struct lane_op *op)
{
}

static struct err last_refusal, last_warning;

static void split(struct arena *a, const char *text, struct str *local, struct str *domain)
{
	struct err e = {""};

	if (text && strchr(text, '@')) {
		if (!directory_address(a, str_of_c(text), true, local, domain, &e))
			fail_msg("%s", e.text);
	} else if (text) {
		*domain = str_of_c(text);
	}
}

static struct directory_change change(struct rig *r, enum directory_verb verb)
{
	return (struct directory_change){
	    .verb = verb, .cfg = &r->directory, .who = STR("test"), .hash = "$hash$"};
}

static void run_change(struct rig *r, struct directory_change *c)
{
	directory_change_init(c);
	c->op.done = nothing;
	lane_run_one(r->lane, &c->op, r->now);
	if (c->op.result != LANE_DONE)
		fail_msg("%s", c->op.err.text);
}

const char *rig_change(
    struct rig *r, enum directory_verb verb, const char *address, const char *target)
{
	struct directory_change c = change(r, verb);
	struct arena *a = arena_new();

	split(a, address, &c.local, &c.domain);
	split(a, target, &c.target_local, &c.target_domain);
	if (c.target_local.n) /* as it was given */
		c.target_local = str_sub(str_of_c(target), 0, str_rfind(str_of_c(target), '@'));
	run_change(r, &c);
	arena_free(&a);
	last_refusal = c.why;
	last_warning = c.warning;
	return c.refused ? last_refusal.text : "";
}

const char *rig_warning(void)
{
	return last_warning.text;
}

void rig_domain(struct rig *r, const char *name)
{
	assert_string_equal(rig_change(r, DIRECTORY_DOMAIN_ADD, name, NULL), "");
}

int64_t rig_account(struct rig *r, const char *address)
{
	struct directory_change c = change(r, DIRECTORY_ACCOUNT_ADD);
	struct arena *a = arena_new();

	split(a, address, &c.local, &c.domain);
	run_change(r, &c);
	arena_free(&a);
	if (c.refused)
		fail_msg("%s", c.why.text);
	return c.account;
}

void rig_alias(struct rig *r, const char *address, const char *target)
{
	assert_string_equal(rig_change(r, DIRECTORY_ALIAS_ADD, address, target), "");
}

static void set_quota(
    struct rig *r, enum directory_verb verb, const char *address, int64_t bytes, int64_t messages)
{
	struct directory_change c = change(r, verb);
	struct arena *a = arena_new();

	split(a, address, &c.local, &c.domain);
	c.quota_bytes = bytes;
	c.quota_messages = messages;
	run_change(r, &c);
	arena_free(&a);
	assert_false(c.refused);
}

void rig_quota(struct rig *r, const char *address, int64_t bytes, int64_t messages)
{
	set_quota(r, DIRECTORY_QUOTA, address, bytes, messages);
}

void rig_domain_quota(struct rig *r, const char *domain, int64_t bytes, int64_t messages)
{
	set_quota(r, DIRECTORY_DOMAIN_QUOTA, domain, bytes, messages);
}

struct deliver *rig_message(struct rig *r, const char *from, const char *text)
{
	struct deliver *d = deliver_new();

	d->op.done = nothing;
	d->directory = &r->directory;
	d->message_id = id_make(&r->ids, r->now);
	d->reverse_path = arena_str(d->arena, str_of_c(from));
	d->helo = STR("client.test");
	d->peer = STR("192.0.2.1");
	d->protocol = STR("ESMTP");
	d->recipients = arena_array(d->arena, LIMIT_SMTP_RCPT_MAX, sizeof *d->recipients);
	d->plan = plan_new(d->arena, LIMIT_SMTP_RCPT_MAX);
	d->plan.n = 0;
	d->data = arena_str(d->arena, str_of_c(text));
	return d;
}

struct plan_item *rig_to(struct deliver *d, const char *address)
{
	struct deliver_recipient *to = &d->recipients[d->n++];
	struct str text = arena_str(d->arena, str_of_c(address));
	size_t at = str_rfind(text, '@');

	to->address = text;
	to->local = str_sub(text, 0, at);
	to->domain = str_from(text, at + 1);
	d->plan.items[d->plan.n].recipient = (uint32_t)d->plan.n;
	return &d->plan.items[d->plan.n++];
}

void rig_add_summary(struct deliver *d)
{
	struct mime_scan *scan = mime_scan_new();
	struct buf b;

	buf_init(&b, LIMIT_SUMMARY);
	mime_scan_feed(scan, d->data);
	mime_summary_put(&b, mime_scan_finish(scan), LIMIT_SUMMARY);
	d->summary = arena_str(d->arena, buf_view(&b));
	buf_fini(&b);
	mime_scan_free(&scan);
}

bool rig_run(struct rig *r, struct deliver *d)
{
	if (!deliver_prepare(d))
		return false;
	lane_run_one(r->lane, &d->op, r->now);
	if (d->op.result != LANE_DONE)
		fail_msg("%s", d->op.err.text);
	return d->accepted;
}

bool rig_send(struct rig *r, const char *from, const char *to, const char *text, int64_t *id_r)
{
	struct deliver *d = rig_message(r, from, text);
	bool accepted;

	rig_to(d, to);
	accepted = rig_run(r, d);
	if (id_r)
		*id_r = d->message_id;
	deliver_free(&d);
	return accepted;
}

int64_t rig_send_large(struct rig *r, const char *to)
{
	struct deliver *d = rig_message(r, "x@else.test", "");
	struct blob_upload *u = NULL;
	int64_t pack;

	rig_to(d, to);
	assert_int_equal(blob_upload_begin(r->blobs, d->message_id, BLOB_PLAIN, &u, NULL), BLOB_OK);
	assert_int_equal(blob_upload_write(r->blobs, u, STR("text\r\n"), NULL), BLOB_OK);
	assert_int_equal(blob_upload_finish(r->blobs, u, &d->upload_pos, NULL), BLOB_OK);
	d->upload = u;
	pack = d->upload_pos.pack;
	assert_true(rig_run(r, d));
	blob_upload_free(r->blobs, &u);
	deliver_free(&d);
	return pack;
}

struct mailbox_snapshot rig_snapshot(struct rig *r, int64_t account, int64_t mailbox)
{
	struct mailbox_snapshot s;

	assert_int_equal(mailbox_snapshot_begin(r->db, account, mailbox, &s), DB_ROW);
	while (!s.complete)
		assert_int_equal(mailbox_snapshot_scan(r->db, &s, 3), DB_OK);
	return s;
}

struct str rig_read(
    struct rig *r, struct arena *a, const struct mailbox_snapshot *s, int64_t number)
{
	struct mailbox_message m;
	struct mailbox_source *source = NULL;
	struct err e = {""};
	size_t got, n = 0;
	uint8_t *p;

	assert_int_equal(mailbox_message(r->db, a, s, number, &m), DB_ROW);
	p = arena_alloc(a, (size_t)m.size + 1);
	if (mailbox_source_open(r->blobs, &m, 0, &source, &e) != BLOB_OK)
		fail_msg("%s", e.text);
	do {
		assert_int_equal(mailbox_source_read(source, p + n, 7, &got), BLOB_OK);
		n += got;
	} while (got > 0);
	mailbox_source_close(&source);
	assert_int_equal(n, m.size);
	return str_of(p, n);
}

int64_t rig_expunge(struct rig *r, const struct mailbox_snapshot *s, int64_t first, int64_t last)
{
	struct mailbox_expunge x;
	struct ranges numbers;
	int64_t expunged;

	ranges_init(&numbers);
	for (int64_t n = first; n <= last; n++)
		ranges_add(&numbers, n);
	mailbox_expunge_init(&x, s->account, s->mailbox, "POP3");
	assert_true(mailbox_snapshot_uids(s, &numbers, &x.uids));
	x.op.done = nothing;
	do {
		lane_run_one(r->lane, &x.op, r->now);
		assert_int_equal(x.op.result, LANE_DONE);
	} while (mailbox_expunge_go_on(&x));
	expunged = x.missing ? -1 : x.expunged;
	mailbox_expunge_fini(&x);
	ranges_fini(&numbers);
	return expunged;
}

void rig_expunge_all(struct rig *r, int64_t account)
{
	struct mailbox_snapshot s = rig_snapshot(r, account, MAILBOX_INBOX);

	rig_expunge(r, &s, 1, mailbox_snapshot_count(&s));
	mailbox_snapshot_fini(&s);
}

int rig_maintain(struct rig *r, int64_t undelete_ms, int64_t history_ms)
{
	struct maintain_config cfg = {undelete_ms, history_ms, r->blobs};
	struct maintain *m = mem_new(struct maintain);
	int slices = 0;

	maintain_init(m, &cfg);
	m->op.done = nothing;
	m->full = r->disk_full;
	do {
		lane_run_one(r->lane, &m->op, r->now);
		if (m->op.result != LANE_DONE)
			fail_msg("%s", m->op.err.text);
		slices++;
	} while (m->more);
	mem_free(m);
	return slices;
}

static void count_fault(void *ctx, const struct ledger_finding *f)
{
	int64_t *faults = ctx;

	faults[f->fault]++;
}

struct ledger_day rig_audit(struct rig *r, int64_t faults_r[LEDGER_FAULTS])
{
	struct ledger_audit a = {.on_finding = count_fault, .ctx = faults_r};

	memset(faults_r, 0, LEDGER_FAULTS * sizeof *faults_r);
	while (!a.complete) {
		if (ledger_audit_step(r->db, &a, 2) != DB_OK)
			fail_msg("%s", db_error(r->db));
	}
	return a.total;
}

void rig_must_balance(struct rig *r)
{
	int64_t faults[LEDGER_FAULTS], sum = 0;
	struct ledger_day total = rig_audit(r, faults);

	for (int i = 0; i < LEDGER_FAULTS; i++) {
		if (faults[i])
			fail_msg("%lld times: %s", (long long)faults[i], ledger_fault_text(i));
	}
	for (int i = 0; i < LEDGER_STATES; i++)
		sum += total.in[i];
	assert_int_equal(sum, total.accepted);
}

void rig_sql(struct rig *r, const char *sql)
{
	if (db_script(r->db, sql) != DB_OK)
		fail_msg("%s", db_error(r->db));
}

void rig_count_rows(struct rig *r)
{
	assert_int_equal(db_begin(r->db), DB_OK);
	assert_int_equal(db_exec(r->db, SQL_REPAIR_ROWS, DB_NO_ARGS, NULL), DB_OK);
	assert_int_equal(db_commit(r->db), DB_OK);
}

int64_t rig_number(struct rig *r, const char *select)
{
	sqlite3_stmt *stmt = NULL;
	int64_t n;

	if (sqlite3_prepare_v2(r->db->sqlite, select, -1, &stmt, NULL) != SQLITE_OK ||
	    sqlite3_step(stmt) != SQLITE_ROW)
		fail_msg("%s: %s", select, sqlite3_errmsg(r->db->sqlite));
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

void rig_nothing(struct lane_op *op)
{
}

void rig_run_without(struct rig *r, enum lane_result (*request)(void), const char *const *tables,
    const char *fingerprint)
{
	int64_t before = rig_number(r, fingerprint);
	char sql[80];

	for (; *tables; tables++) {
		snprintf(sql, sizeof sql, "ALTER TABLE %s RENAME TO hidden", *tables);
		rig_sql(r, sql);
		if (request() != LANE_FAILED)
			fail_msg("no %s, and it was done", *tables);
		snprintf(sql, sizeof sql, "ALTER TABLE hidden RENAME TO %s", *tables);
		rig_sql(r, sql);
		if (rig_number(r, fingerprint) != before)
			fail_msg("no %s, and something was done", *tables);
		rig_must_balance(r);
	}
	assert_int_equal(request(), LANE_DONE);
	assert_int_not_equal(rig_number(r, fingerprint), before);
	rig_must_balance(r);
}
