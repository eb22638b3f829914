#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "day.h"

#include "store/compact.h"
#include "store/mailbox_keywords.h"

#define TEXT     "text of a message\r\n"
#define STREAMED 2
#define MARKED   3 /* uid */

static void nothing(struct lane_op *op)
{
}

int64_t day_account(struct rig *r)
{
	rig_domain(r, "a.test");
	return rig_account(r, "ann@a.test");
}

/* As a large message comes: written and synced before it is handed in. */
static bool stream(struct rig *r, struct deliver *m)
{
	struct blob_upload *u = NULL;
	enum blob_code code = blob_upload_begin(r->blobs, m->message_id, BLOB_PLAIN, &u, NULL);

	if (code == BLOB_OK)
		code = blob_upload_write(r->blobs, u, STR(TEXT), NULL);
	if (code == BLOB_OK)
		code = blob_upload_finish(r->blobs, u, &m->upload_pos, NULL);
	if (code != BLOB_OK)
		blob_upload_free(r->blobs, &u);
	m->upload = u;
	m->data = (struct str){NULL, 0};
	return code == BLOB_OK;
}

static void send_mail(struct day *d, struct rig *r, int i)
{
	struct deliver *m = rig_message(r, "x@else.test", TEXT);

	rig_to(m, "ann@a.test");
	m->op.done = nothing;
	d->ids[i] = m->message_id;
	if (i == STREAMED && !stream(r, m)) {
		d->refused[i] = true;
		deliver_free(&m);
		return;
	}
	assert_true(deliver_prepare(m));
	lane_run_one(r->lane, &m->op, r->now);
	d->sent[i] = m->op.result == LANE_DONE && m->accepted;
	d->refused[i] = m->op.result == LANE_FULL || m->op.result == LANE_FAILED;
	if (m->upload)
		blob_upload_free(r->blobs, &m->upload);
	deliver_free(&m);
}

/* Deletes the first two of his mails, by their uids. */
static void delete_mails(struct day *d, struct rig *r, int64_t account)
{
	struct mailbox_expunge x;

	mailbox_expunge_init(&x, account, MAILBOX_INBOX, "POP3");
	ranges_add(&x.uids, 1);
	ranges_add(&x.uids, 2);
	x.op.done = nothing;
	d->deleting = true;
	lane_run_one(r->lane, &x.op, r->now);
	d->deleted = x.op.result == LANE_DONE;
	d->deleting = x.op.result == LANE_CLOSED;
	mailbox_expunge_fini(&x);
}

static void mark_mail(struct day *d, struct rig *r, int64_t account)
{
	struct mailbox_keywords k;

	mailbox_keywords_init(&k, account, MAILBOX_INBOX);
	ranges_add(&k.uids, MARKED);
	k.add = STR("$flagged $seen");
	k.op.done = nothing;
	d->marking = true;
	lane_run_one(r->lane, &k.op, r->now);
	d->marked = k.op.result == LANE_DONE && k.changed.count ? MARKED : 0;
	d->marking = k.op.result == LANE_CLOSED;
	mailbox_keywords_fini(&k);
}

/* Whole or not at all, and as it was answered. */
static void check_mark(const struct day *d, struct rig *r, int64_t account)
{
	struct db_query *q = db_begin_query(r->db, SQL_KEYWORDS_LIST,
	    DB_ARGS(db_int(account), db_int(MAILBOX_INBOX), db_int(1), db_int(100), db_int(100)));

	while (db_step(q) == DB_ROW) {
		bool marked = str_eq(db_col_str(q, 4), STR("$flagged $seen"));

		if (!marked && db_col_str(q, 4).n > 0)
			fail_msg("half a mark");
		if (marked && (db_col_int(q, 0) != MARKED || !(d->marked || d->marking)))
			fail_msg("uid %lld has a mark nobody set", (long long)db_col_int(q, 0));
		if (!marked && db_col_int(q, 0) == d->marked)
			fail_msg("a mark is lost");
	}
	assert_int_equal(db_end(q), DB_OK);
}

static void tend(struct rig *r)
{
	struct maintain_config cfg = {0, INT64_MAX / 2, r->blobs};
	static struct maintain m;

	maintain_init(&m, &cfg);
	m.op.done = nothing;
	r->now++;
	for (int i = 0; i < 3; i++)
		lane_run_one(r->lane, &m.op, r->now);
	lane_tend(r->lane, true);
}

/* The pack of the streamed one is emptied, and goes. */
static void compact(struct day *d, struct rig *r)
{
	static struct compact c;
	int64_t pack;

	if (db_get_int(r->db, SQL_BLOB_GET, DB_ARGS(db_int(d->ids[STREAMED])), &pack) != DB_ROW)
		return;
	compact_init(&c, r->blobs);
	c.write.done = nothing;
	compact_choose(&c, pack);
	reader_run(&c.read, r->db);
	if (c.has_work) {
		lane_run_one(r->lane, &c.write, r->now);
		compact_written(&c, r->now);
		compact_tend(&c, INT64_MAX);
	}
	d->compacted = c.removed == 1;
	compact_fini(&c);
}

void day_live(struct day *d, struct rig *r, int64_t account)
{
	send_mail(d, r, 0);
	send_mail(d, r, 1);
	delete_mails(d, r, account);
	send_mail(d, r, STREAMED);
	send_mail(d, r, 3);
	mark_mail(d, r, account);
	tend(r);
	compact(d, r);
	send_mail(d, r, 4);
}

static bool is_there(struct rig *r, const struct mailbox_snapshot *s, int64_t id)
{
	struct mailbox_entry v[DAY_MAILS];
	size_t n;

	assert_int_equal(mailbox_entries(r->db, s, 1, v, DAY_MAILS, &n), DB_OK);
	for (size_t i = 0; i < n; i++) {
		if (v[i].email == id)
			return true;
	}
	return false;
}

void day_check(const struct day *d, struct rig *r, int64_t account)
{
	struct mailbox_snapshot s = rig_snapshot(r, account, MAILBOX_INBOX);
	struct arena *a = arena_new();

	rig_must_balance(r);
	for (int i = 0; i < DAY_MAILS; i++) {
		bool there = is_there(r, &s, d->ids[i]);
		bool may_be_deleted = i < 2 && (d->deleted || d->deleting);

		if (d->sent[i] && !there && !may_be_deleted)
			fail_msg("mail %d was taken and is lost", i);
		if (there && i < 2 && d->deleted && d->sent[0] && d->sent[1])
			fail_msg("mail %d was deleted and is back", i);
		if (there && d->refused[i])
			fail_msg("mail %d was refused and is there", i);
	}
	check_mark(d, r, account);
	for (int64_t n = 1; n <= mailbox_snapshot_count(&s); n++)
		assert_true(str_has_suffix_i(rig_read(r, a, &s, n), STR(TEXT)));
	arena_free(&a);
	mailbox_snapshot_fini(&s);
}

bool day_was_good(const struct day *d)
{
	for (int i = 0; i < DAY_MAILS; i++)
		if (!d->sent[i])
			return false;
	return d->deleted && d->marked && d->compacted;
}
