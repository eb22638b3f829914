/* Snapshots that know nothing of each other, listings, reading, and taking messages out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ann.h"

#include "base/mem.h"

/* "number:uid number:uid ..." of the entries from first on, read max at a time. */
static const char *entries(const struct mailbox_snapshot *s, int64_t first, size_t max)
{
	static struct buf b;
	struct mailbox_entry v[16];
	size_t n;

	MUST(max <= 16);
	buf_fini(&b);
	buf_init(&b, KIB);
	do {
		assert_int_equal(mailbox_entries(rig.db, s, first, v, max, &n), DB_OK);
		for (size_t i = 0; i < n; i++)
			buf_printf(&b, " %lld:%lld", (long long)v[i].number, (long long)v[i].uid);
		first = n ? v[n - 1].number + 1 : first;
	} while (n > 0);
	return buf_cstr(&b);
}

static void numbers_and_uids(void **state)
{
	struct mailbox_snapshot s;

	ann_send(5);
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	for (size_t max = 1; max < 7; max++)
		assert_string_equal(entries(&s, 1, max), " 1:1 2:2 3:3 4:4 5:5");
	assert_int_equal(rig_expunge(&rig, &s, 2, 3), 2);
	mailbox_snapshot_fini(&s);
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	for (size_t max = 1; max < 7; max++)
		assert_string_equal(entries(&s, 1, max), " 1:1 2:4 3:5");
	assert_string_equal(entries(&s, 3, 2), " 3:5");
	assert_string_equal(entries(&s, 4, 2), "");
	mailbox_snapshot_fini(&s);
}

static void an_empty_mailbox(void **state)
{
	struct mailbox_snapshot s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	struct mailbox_message m;

	assert_int_equal(mailbox_snapshot_count(&s), 0);
	assert_string_equal(entries(&s, 1, 4), "");
	assert_int_equal(mailbox_message(rig.db, arena, &s, 1, &m), DB_OK);
	mailbox_snapshot_fini(&s);
	assert_int_equal(mailbox_snapshot_begin(rig.db, ann, 77, &s), DB_OK);
	assert_int_equal(mailbox_snapshot_begin(rig.db, 77, MAILBOX_INBOX, &s), DB_OK);
}

static void two_snapshots_at_once(void **state)
{
	struct mailbox_snapshot one, two;

	ann_send(4);
	one = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	ann_send(1);
	two = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	assert_int_equal(mailbox_snapshot_count(&one), 4);
	assert_int_equal(mailbox_snapshot_count(&two), 5);
	assert_int_equal(rig_expunge(&rig, &one, 2, 3), 2);
	assert_string_equal(entries(&two, 1, 3), " 1:1 2:2 3:3 4:4 5:5");
	assert_int_equal(rig_read(&rig, arena, &two, 2).n, rig_read(&rig, arena, &two, 5).n);
	/* those that the other took out already are fine, and counted once */
	assert_int_equal(rig_expunge(&rig, &two, 3, 5), 2);
	assert_int_equal(rig_expunge(&rig, &two, 1, 5), 1);
	assert_int_equal(rig_expunge(&rig, &two, 1, 5), 0);
	assert_string_equal(entries(&one, 1, 3), " 1:1 2:2 3:3 4:4");
	mailbox_snapshot_fini(&one);
	mailbox_snapshot_fini(&two);
}

/* A scan that goes on after others delivered and expunged sees the mailbox as it was. */
static void a_scan_in_pieces_is_one_moment(void **state)
{
	struct mailbox_snapshot slow, fast;

	ann_send(6);
	fast = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	rig_expunge(&rig, &fast, 2, 2);
	assert_int_equal(mailbox_snapshot_begin(rig.db, ann, MAILBOX_INBOX, &slow), DB_ROW);
	assert_int_equal(mailbox_snapshot_scan(rig.db, &slow, 2), DB_OK);
	assert_false(slow.complete);
	rig_expunge(&rig, &fast, 5, 5);
	rig_expunge(&rig, &fast, 1, 1);
	ann_send(1);
	while (!slow.complete)
		assert_int_equal(mailbox_snapshot_scan(rig.db, &slow, 2), DB_OK);
	assert_string_equal(entries(&slow, 1, 2), " 1:1 2:3 3:4 4:5 5:6");
	assert_int_equal(slow.octets, fast.octets / 6 * 5);
	mailbox_snapshot_fini(&slow);
	mailbox_snapshot_fini(&fast);
}

/* ---- messages that cannot be found ---- */

static void scan_to_the_end(struct mailbox_snapshot *s)
{
	while (!s->complete)
		assert_int_equal(mailbox_snapshot_scan(rig.db, s, 2), DB_OK);
}

/* A scan of her 6 messages, two of which it has read. */
static struct mailbox_snapshot begun_scan(void)
{
	struct mailbox_snapshot s;

	ann_send(6);
	assert_int_equal(mailbox_snapshot_begin(rig.db, ann, MAILBOX_INBOX, &s), DB_ROW);
	assert_int_equal(mailbox_snapshot_scan(rig.db, &s, 2), DB_OK);
	assert_int_equal(s.counted, 6);
	return s;
}

static void hide(const char *where)
{
	char sql[256];

	snprintf(sql, sizeof sql,
	    "CREATE TABLE hidden AS SELECT * FROM membership WHERE %s;"
	    "DELETE FROM membership WHERE %s",
	    where, where);
	rig_sql(&rig, sql);
}

static void show(void)
{
	rig_sql(&rig, "INSERT INTO membership SELECT * FROM hidden; DROP TABLE hidden");
}

static void others_at_work_are_no_loss(void **state)
{
	struct mailbox_snapshot s = begun_scan();
	struct mailbox_short lack;

	ann_expunge(4, 5);
	ann_expunge(1, 1);
	ann_send(2);
	scan_to_the_end(&s);
	assert_int_equal(mailbox_snapshot_count(&s), 6);
	assert_int_equal(mailbox_snapshot_short(rig.db, &s, &lack), DB_OK);
	mailbox_snapshot_fini(&s);
}

static void what_is_purged_during_a_scan_is_no_loss(void **state)
{
	struct mailbox_snapshot s = begun_scan();
	struct mailbox_short lack;

	ann_expunge(4, 5);
	rig.now += 2;
	rig_maintain(&rig, 0, INT64_MAX / 2);
	scan_to_the_end(&s);
	assert_int_equal(mailbox_snapshot_count(&s), 4);
	assert_int_equal(mailbox_snapshot_short(rig.db, &s, &lack), DB_OK);
	mailbox_snapshot_fini(&s);
}

/* The mail of a removed account goes in slices, before the account does. */
static void a_removed_account_is_no_loss(void **state)
{
	struct mailbox_snapshot s = begun_scan();
	struct mailbox_short lack;

	rig_change(&rig, DIRECTORY_ACCOUNT_REMOVE, "ann@a.test", NULL);
	hide("uid = 4");
	scan_to_the_end(&s);
	assert_int_equal(mailbox_snapshot_count(&s), 5);
	assert_int_equal(mailbox_snapshot_short(rig.db, &s, &lack), DB_OK);
	show();
	mailbox_snapshot_fini(&s);
}

static void lost_rows_are_a_loss(void **state)
{
	struct mailbox_snapshot s = begun_scan();
	struct mailbox_short lack;

	hide("uid > 3 AND uid < 6");
	scan_to_the_end(&s);
	assert_int_equal(mailbox_snapshot_short(rig.db, &s, &lack), DB_ROW);
	assert_int_equal(lack.counted, 6);
	assert_int_equal(lack.found, 4);
	mailbox_snapshot_fini(&s);
	ann_send(1);
	ann_expunge(1, 2);
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	assert_int_equal(mailbox_snapshot_short(rig.db, &s, &lack), DB_ROW);
	assert_int_equal(lack.counted, 5);
	assert_int_equal(lack.found, 3);
	mailbox_snapshot_fini(&s);
	show();
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	assert_int_equal(mailbox_snapshot_short(rig.db, &s, &lack), DB_OK);
	mailbox_snapshot_fini(&s);
}

/* ---- contents ---- */

static void reads_from_any_offset(void **state)
{
	struct mailbox_snapshot s;
	struct mailbox_message m;
	struct mailbox_source *source = NULL;
	struct err e;
	struct str whole;
	uint8_t p[256];
	size_t n;

	ann_send(1);
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	whole = rig_read(&rig, arena, &s, 1);
	assert_int_equal(mailbox_message(rig.db, arena, &s, 1, &m), DB_ROW);
	for (int64_t off = 0; off <= m.size; off++) {
		size_t got = 1, all = 0;

		assert_int_equal(mailbox_source_open(rig.blobs, &m, off, &source, &e), BLOB_OK);
		for (n = 0; got > 0; n += got) {
			assert_int_equal(
			    mailbox_source_read(source, p + n, sizeof p - n, &got), BLOB_OK);
			all += got;
		}
		assert_true(str_eq(str_of(p, all), str_from(whole, (size_t)off)));
		mailbox_source_close(&source);
	}
	mailbox_snapshot_fini(&s);
}

static void expunging_is_all_or_nothing(void **state)
{
	struct mailbox_expunge x;
	struct mailbox_snapshot s;
	struct ranges numbers;

	ann_send(3);
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	ranges_init(&numbers);
	ranges_add(&numbers, 2);
	ranges_add(&numbers, 4);
	mailbox_expunge_init(&x, ann, MAILBOX_INBOX, "POP3");
	assert_false(mailbox_snapshot_uids(&s, &numbers, &x.uids));
	assert_int_equal(x.uids.count, 0);
	mailbox_expunge_fini(&x);
	ranges_fini(&numbers);
	rig_change(&rig, DIRECTORY_ACCOUNT_REMOVE, "ann@a.test", NULL);
	rig_maintain(&rig, 0, INT64_MAX / 2);
	assert_int_equal(rig_expunge(&rig, &s, 1, 3), -1); /* the account is gone */
	mailbox_snapshot_fini(&s);
}

static void every_change_has_its_modseq(void **state)
{
	struct mailbox_snapshot s;

	ann_send(3);
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	rig_expunge(&rig, &s, 1, 2);
	assert_int_equal(s.modseq, 4);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM change"), 5);
	assert_int_equal(rig_number(&rig, "SELECT count(DISTINCT modseq) FROM change"), 4);
	assert_int_equal(
	    rig_number(&rig, "SELECT count(*) FROM change WHERE op = 3 AND modseq = 5"), 2);
	assert_int_equal(rig_number(&rig, "SELECT modseq FROM account"), 5);
	mailbox_snapshot_fini(&s);
}

static void ignore(struct lane_op *op)
{
}

/* A large mailbox with holes: opened, listed, emptied in two steps. */
static void a_large_mailbox(void **state)
{
	struct mailbox_snapshot s;
	struct mailbox_entry v[100];
	struct mailbox_expunge x;
	struct ranges odd;
	int64_t next = 1, slices = 0;
	size_t n;

	rig_sql(&rig,
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 30000)"
	    " INSERT INTO membership SELECT 1, 1, i, i, 10, 1, 0, 0, 0, 0 FROM n WHERE i % 100;"
	    "UPDATE mailbox SET uidnext = 30001, messages = 29700, octets = 297000"
	    " WHERE account = 1 AND id = 1;"
	    "UPDATE account SET used_bytes = 297000, used_messages = 29700;"
	    "UPDATE domain SET used_bytes = 297000, used_messages = 29700");
	assert_int_equal(mailbox_snapshot_begin(rig.db, ann, MAILBOX_INBOX, &s), DB_ROW);
	while (!s.complete)
		assert_int_equal(mailbox_snapshot_scan(rig.db, &s, 1000), DB_OK);
	assert_int_equal(mailbox_snapshot_count(&s), 29700);
	assert_int_equal(s.octets, 297000);
	assert_int_equal(s.uids.n, 300); /* intervals, not messages, cost memory */
	do {
		assert_int_equal(mailbox_entries(rig.db, &s, next, v, 100, &n), DB_OK);
		for (size_t i = 0; i < n; i++, next++) {
			assert_int_equal(v[i].number, next);
			assert_int_equal(v[i].uid, ranges_nth(&s.uids, next));
		}
	} while (n > 0);
	assert_int_equal(next, 29701);
	ranges_init(&odd);
	for (int64_t i = 1; i <= 29700; i += 2)
		ranges_add(&odd, i);
	mailbox_expunge_init(&x, ann, MAILBOX_INBOX, "POP3");
	assert_true(mailbox_snapshot_uids(&s, &odd, &x.uids));
	assert_int_equal(x.uids.count, 14850);
	for (int64_t i = 1; i <= 29700; i += 997)
		assert_int_equal(ranges_has(&x.uids, ranges_nth(&s.uids, i)), i % 2);
	x.op.done = ignore;
	do {
		lane_run_one(rig.lane, &x.op, rig.now);
		assert_int_equal(x.op.result, LANE_DONE);
		assert_in_range(x.slice, 0, MAILBOX_EXPUNGE_SLICE);
		slices++;
	} while (mailbox_expunge_go_on(&x));
	assert_int_equal(slices, 8); /* and nobody waits for all of it */
	assert_int_equal(x.expunged, 14850);
	assert_int_equal(rig_expunge(&rig, &s, 1, 29700), 14850); /* in long intervals */
	assert_int_equal(rig_number(&rig, "SELECT count(DISTINCT id) FROM change"), 29700);
	assert_int_equal(rig_number(&rig, "SELECT used_bytes + used_messages FROM account"), 0);
	ranges_fini(&odd);
	mailbox_expunge_fini(&x);
	mailbox_snapshot_fini(&s);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, ann_setup, ann_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(numbers_and_uids),
	    T(an_empty_mailbox),
	    T(two_snapshots_at_once),
	    T(a_scan_in_pieces_is_one_moment),
	    T(others_at_work_are_no_loss),
	    T(what_is_purged_during_a_scan_is_no_loss),
	    T(a_removed_account_is_no_loss),
	    T(lost_rows_are_a_loss),
	    T(reads_from_any_offset),
	    T(expunging_is_all_or_nothing),
	    T(every_change_has_its_modseq),
	    T(a_large_mailbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
