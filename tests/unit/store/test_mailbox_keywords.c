/* Keywords: what is changed, what is left alone, in which commits, and what the change feed says. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ann.h"

#include "base/mem.h"
#include "mime/mime_keywords.h"
#include "rules.h"
#include "store/mailbox_keywords.h"
#include "store/undelete.h"

static struct mailbox_keywords k;

static int setup(void **state)
{
	return ann_setup(state);
}

static int teardown(void **state)
{
	struct err e;

	if (!rules_hold(rig.db, &e))
		fail_msg("%s", e.text);
	return ann_teardown(state);
}

/* A request for uids first to last of the inbox, to be completed by the test. */
static void begin(int64_t first, int64_t last, const char *remove, const char *add)
{
	mailbox_keywords_init(&k, ann, MAILBOX_INBOX);
	ranges_add_range(&k.uids, first, last);
	k.remove = str_of_c(remove);
	k.add = str_of_c(add);
	k.op.done = rig_nothing;
}

/* One slice; whether there is another. */
static bool run(void)
{
	lane_run_one(rig.lane, &k.op, rig.now);
	assert_int_equal(k.op.result, LANE_DONE);
	return mailbox_keywords_go_on(&k);
}

/* All slices; the messages changed. */
static int64_t change(int64_t first, int64_t last, const char *remove, const char *add)
{
	int64_t total;

	begin(first, last, remove, add);
	while (run())
		;
	total = k.total;
	mailbox_keywords_fini(&k);
	return total;
}

/* The keywords of a live message of the inbox; "gone" when it is none. Valid until the next call. */
static const char *keywords(int64_t uid)
{
	static struct buf b;
	struct db_query *q = db_begin_query(rig.db, SQL_KEYWORDS_LIST,
	    DB_ARGS(db_int(ann), db_int(MAILBOX_INBOX), db_int(uid), db_int(uid), db_int(1)));

	buf_fini(&b);
	buf_init(&b, MIME_KEYWORDS_OUT + KIB);
	if (db_step(q) == DB_ROW)
		buf_str(&b, db_col_str(q, 4));
	else
		buf_lit(&b, "gone");
	assert_int_equal(db_end(q), DB_OK);
	return buf_cstr(&b);
}

static int64_t modseq(void)
{
	return rig_number(&rig, "SELECT modseq FROM account");
}

static void adds_removes_replaces(void **state)
{
	ann_send(3);
	assert_int_equal(change(1, 2, "", "$seen"), 2);
	assert_int_equal(change(2, 3, "", "$flagged work"), 2);
	assert_string_equal(keywords(1), "$seen");
	assert_string_equal(keywords(2), "$flagged $seen work");
	assert_string_equal(keywords(3), "$flagged work");
	assert_int_equal(change(1, 3, "$flagged", "a"), 3);
	assert_string_equal(keywords(2), "$seen a work");
	begin(1, 3, "ignored", "$seen");
	k.replace = true;
	assert_false(run());
	assert_int_equal(k.total, 3);
	mailbox_keywords_fini(&k);
	for (int64_t uid = 1; uid <= 3; uid++)
		assert_string_equal(keywords(uid), "$seen");
	rig_restart(&rig);
	assert_string_equal(keywords(3), "$seen");
}

/* One modseq a commit: of the messages, the mailbox, the account and the feed. */
static void tells_of_it(void **state)
{
	int64_t before;

	ann_send(4);
	assert_int_equal(change(2, 2, "", "$seen"), 1);
	before = modseq();
	begin(1, 4, "", "$seen");
	assert_false(run());
	assert_int_equal(k.modseq, before + 1);
	assert_int_equal(modseq(), before + 1);
	assert_int_equal(k.changed.count, 3);
	assert_true(ranges_has(&k.changed, 1) && ranges_has(&k.changed, 4));
	assert_false(ranges_has(&k.changed, 2));
	mailbox_keywords_fini(&k);
	assert_int_equal(rig_number(&rig, "SELECT modseq FROM mailbox WHERE id = 1"), before + 1);
	assert_int_equal(
	    rig_number(&rig, "SELECT count(*) FROM mailbox WHERE id > 1 AND modseq > 1"), 0);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM email WHERE modseq = 7"), 3);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM change WHERE op = 2 AND type = 1"
					  " AND modseq = 7 AND account = 1"),
	    3);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM change WHERE op = 2"), 4);
}

static void nothing_changes_nothing_is_written(void **state)
{
	int64_t before, log;

	ann_send(2);
	change(1, 2, "", "$seen");
	before = modseq();
	lane_tend(rig.lane, true);
	log = db_wal_bytes(rig.db);
	assert_int_equal(change(1, 2, "", "$seen"), 0);
	assert_int_equal(change(1, 2, "$flagged", ""), 0);
	assert_int_equal(change(3, 900, "", "$flagged"), 0);
	assert_int_equal(change(1, 2, "", ""), 0);
	assert_int_equal(modseq(), before);
	assert_int_equal(db_wal_bytes(rig.db), log);
}

static void passes_over_what_is_not_there(void **state)
{
	ann_send(5);
	ann_expunge(2, 3);
	assert_int_equal(change(1, 4000000000, "", "$seen"), 3);
	assert_string_equal(keywords(2), "gone");
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM email WHERE keywords = ''"), 2);
}

static void only_where_nothing_changed_since(void **state)
{
	int64_t then;

	ann_send(3);
	then = modseq();
	assert_int_equal(change(2, 2, "", "$flagged"), 1);
	ann_send(1);
	begin(1, 4, "", "$seen");
	k.conditional = true;
	k.unchanged_since = then;
	assert_false(run());
	assert_int_equal(k.changed.count, 2);
	assert_int_equal(k.modified.count, 2);
	assert_true(ranges_has(&k.modified, 2) && ranges_has(&k.modified, 4));
	mailbox_keywords_fini(&k);
	assert_string_equal(keywords(1), "$seen");
	assert_string_equal(keywords(2), "$flagged");
	assert_string_equal(keywords(3), "$seen");
	assert_string_equal(keywords(4), "");
	/* at that modseq itself it is unchanged; 0 is none that any message has */
	begin(2, 2, "", "$seen");
	k.conditional = true;
	k.unchanged_since = 0;
	assert_false(run());
	assert_int_equal(k.total, 0);
	mailbox_keywords_fini(&k);
	begin(2, 2, "", "$seen");
	k.conditional = true;
	k.unchanged_since = then + 1;
	assert_false(run());
	assert_int_equal(k.total, 1);
	mailbox_keywords_fini(&k);
}

static void as_many_as_there_may_be(void **state)
{
	struct buf b;

	ann_send(2);
	buf_init(&b, MIME_KEYWORDS_OUT);
	for (int i = 0; i < MIME_KEYWORDS_MAX; i++)
		buf_printf(&b, "%sk%02d", i ? " " : "", i);
	assert_int_equal(change(1, 1, "", buf_cstr(&b)), 1);
	begin(1, 2, "", "$seen");
	assert_false(run());
	assert_int_equal(k.changed.count, 1);
	assert_true(k.full.count == 1 && ranges_has(&k.full, 1));
	mailbox_keywords_fini(&k);
	assert_string_equal(keywords(1), buf_cstr(&b));
	assert_string_equal(keywords(2), "$seen");
	assert_int_equal(change(1, 1, "k00", "$seen"), 1);
	buf_fini(&b);
}

#define ARCHIVE_MODSEQ "SELECT modseq FROM mailbox WHERE id = 6"

#define MANY (2 * MAILBOX_KEYWORDS_SLICE + 100)

/* Messages whose contents lie at one place. */
static void fill(void)
{
	ann_send(1);
	rig_sql(&rig,
	    "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n LIMIT 1099)"
	    " INSERT INTO email SELECT account, i, i, prefix, thread, received, size, keywords, 1,"
	    " 1, summary, 0 FROM email, n;"
	    "INSERT INTO membership SELECT 1, 1, e.id, e.id, size, 1, 0, 0, 0, 0 FROM email e"
	    " WHERE e.id < 5000;"
	    "INSERT INTO change SELECT 1, 1, 1, id, 1 FROM email WHERE id < 5000;"
	    "INSERT INTO blob SELECT e.id, b.pack, b.pos, b.length, 1 FROM email e, blob b"
	    " WHERE e.id < 5000;"
	    "UPDATE mailbox SET uidnext = 1101, messages = 1100, octets = octets * 1100 WHERE id = 1;"
	    "UPDATE account SET used_bytes = used_bytes * 1100, used_messages = 1100;"
	    "UPDATE domain SET used_bytes = used_bytes * 1100, used_messages = 1100");
	rig_count_rows(&rig);
}

/* Who breaks off has done the slices before. */
static void many_in_slices(void **state)
{
	int64_t before, slices = 1;

	fill();
	before = modseq();
	begin(1, MANY, "", "$seen");
	assert_true(run());
	mailbox_keywords_fini(&k);
	rig_restart(&rig);
	assert_string_equal(keywords(MAILBOX_KEYWORDS_SLICE), "$seen");
	assert_string_equal(keywords(MAILBOX_KEYWORDS_SLICE + 1), "");
	/* in intervals that end within slices and with them: 3 + 497 + 299 messages */
	mailbox_keywords_init(&k, ann, MAILBOX_INBOX);
	ranges_add_range(&k.uids, 1, 3);
	ranges_add_range(&k.uids, 5, MAILBOX_KEYWORDS_SLICE + 1);
	for (int64_t uid = MAILBOX_KEYWORDS_SLICE + 3; uid <= MANY; uid += 2)
		ranges_add(&k.uids, uid);
	ranges_add_range(&k.uids, MANY + 1, MANY + 10);
	k.add = STR("$flagged");
	k.op.done = rig_nothing;
	for (; run(); slices++)
		assert_int_equal(k.changed.count, MAILBOX_KEYWORDS_SLICE);
	assert_int_equal(slices, 2);
	assert_int_equal(k.total, MAILBOX_KEYWORDS_SLICE + 299);
	assert_int_equal(modseq(), before + 3);
	mailbox_keywords_fini(&k);
	assert_int_equal(
	    rig_number(&rig, "SELECT count(*) FROM email WHERE keywords LIKE '%flag%'"),
	    MAILBOX_KEYWORDS_SLICE + 299);
	assert_string_equal(keywords(4), "$seen");
}

/* Slice by slice, in one row. */
static void the_record_has_what_is_committed(void **state)
{
	struct admin_tally tally = {.who = STR("root"),
	    .head = STR("flags of"),
	    .noun = STR("message"),
	    .whose = STR("ann"),
	    .tail = STR("changed")};

	fill();
	begin(1, 2 * MAILBOX_KEYWORDS_SLICE, "", "$seen");
	k.tally = &tally;
	assert_true(run());
	admin_tally_go_on(&tally);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM admin_log WHERE who = 'root'"
					  " AND what = 'flags of 500 messages of ann changed'"),
	    1);
	assert_false(run());
	admin_tally_go_on(&tally);
	mailbox_keywords_fini(&k);
	begin(1, 1, "", "$seen"); /* as it is already */
	k.tally = &tally;
	assert_false(run());
	admin_tally_go_on(&tally);
	mailbox_keywords_fini(&k);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM admin_log WHERE who = 'root'"
					  " AND what = 'flags of 1000 messages of ann changed'"),
	    1);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM admin_log WHERE who = 'root'"), 1);
}

/* The lane may take a batch back and run its requests again. */
static void done_again_after_it_was_taken_back(void **state)
{
	fill();
	begin(1, 699, "", "$seen");
	ranges_add_range(&k.uids, 701, MANY);
	assert_true(run());
	assert_int_equal(db_begin(rig.db), DB_OK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(db_savepoint(rig.db), DB_OK);
		assert_int_equal(k.op.exec(&k.op, rig.db, rig.now), LANE_KEEP);
		assert_int_equal(k.changed.count, MAILBOX_KEYWORDS_SLICE);
		assert_true(ranges_has(&k.changed, MAILBOX_KEYWORDS_SLICE + 1));
		assert_int_equal(db_rollback_to(rig.db), DB_OK);
	}
	assert_int_equal(db_rollback(rig.db), DB_OK);
	assert_true(run());
	assert_false(run());
	assert_int_equal(k.total, MANY - 1);
	mailbox_keywords_fini(&k);
}

static void bring_back(void)
{
	struct undelete u = {.account = ann};

	undelete_init(&u);
	u.op.done = rig_nothing;
	lane_run_one(rig.lane, &u.op, rig.now);
	assert_int_equal(u.restored, 1);
}

/* The rest of an email's life: keywords stay when it is deleted, brought back, and elsewhere too. */
static void belong_to_the_email(void **state)
{
	ann_send(1);
	change(1, 1, "", "$seen");
	ann_expunge(1, 1);
	bring_back();
	assert_string_equal(keywords(2), "$seen");
	/* also in the archive: its modseq tells that something changed there */
	rig_sql(&rig,
	    "INSERT INTO membership SELECT account, 6, 1, email, size, modseq, created, 0,"
	    " 0, 0 FROM membership WHERE uid = 2;"
	    "UPDATE email SET links = 3;"
	    "UPDATE mailbox SET messages = 1, octets = (SELECT size FROM email), uidnext = 2,"
	    " modseq = (SELECT modseq FROM email) WHERE id = 6;"
	    "UPDATE account SET used_messages = 2, used_bytes = 2 * used_bytes;"
	    "UPDATE domain SET used_messages = 2, used_bytes = 2 * used_bytes");
	assert_int_equal(change(2, 2, "$seen", ""), 1);
	assert_int_equal(rig_number(&rig, ARCHIVE_MODSEQ), modseq());
	/* and when it comes back where it was deleted */
	ann_expunge(1, 1);
	bring_back();
	assert_int_equal(rig_number(&rig, ARCHIVE_MODSEQ), modseq());
}

/* ---- with deletions ---- */

static struct mailbox_expunge x;

static void begin_both(int64_t deleted, int64_t marked)
{
	begin(deleted + 1, deleted + marked, "", "$seen");
	mailbox_expunge_init(&x, ann, MAILBOX_INBOX, "POP3");
	ranges_add_range(&x.uids, 1, deleted);
	mailbox_keywords_after(&k, &x);
}

static void end_both(void)
{
	mailbox_keywords_fini(&k);
	mailbox_expunge_fini(&x);
}

static int64_t commits(void)
{
	struct lane_stats s;

	lane_stats(rig.lane, &s);
	return s.commits;
}

static void deletes_and_marks_in_one_commit(void **state)
{
	int64_t before;

	ann_send(5);
	before = commits();
	begin_both(2, 2);
	assert_true(k.op.frees);
	assert_false(run());
	assert_int_equal(commits(), before + 1);
	assert_int_equal(x.expunged, 2);
	assert_int_equal(k.total, 2);
	end_both();
	assert_int_equal(ann_live(), 3);
	assert_string_equal(keywords(3), "$seen");
	assert_string_equal(keywords(5), "");
	/* again: all is as it was */
	begin_both(2, 2);
	assert_false(run());
	assert_int_equal(x.expunged + k.total, 0);
	end_both();
}

/* What is deleted and to be marked is deleted. */
static void what_is_deleted_is_not_marked(void **state)
{
	ann_send(3);
	begin(1, 3, "", "$seen");
	mailbox_expunge_init(&x, ann, MAILBOX_INBOX, "POP3");
	ranges_add(&x.uids, 2);
	mailbox_keywords_after(&k, &x);
	assert_false(run());
	assert_int_equal(k.total, 2);
	end_both();
	assert_string_equal(keywords(2), "gone");
}

/* The deletions come first, slice by slice. */
static void many_with_many_deletions(void **state)
{
	int64_t before;

	fill();
	rig_sql(&rig, "INSERT INTO membership SELECT 1, 1, e.id + 1100, e.id, size, 1, 0, 0, 1, 1"
		      " FROM email e WHERE e.id < 5000 UNION ALL"
		      " SELECT 1, 1, e.id + 2199, e.id, size, 1, 0, 0, 1, 1"
		      " FROM email e WHERE e.id < 5000;"
		      "UPDATE email SET links = 3 WHERE id < 5000;"
		      "UPDATE mailbox SET uidnext = 5000 WHERE id = 1");
	mailbox_expunge_init(&x, ann, MAILBOX_INBOX, "POP3");
	ranges_add_range(&x.uids, 1001, MAILBOX_EXPUNGE_SLICE + 1005);
	begin(1, MAILBOX_KEYWORDS_SLICE + 1, "", "$seen");
	mailbox_keywords_after(&k, &x);
	before = commits();
	assert_true(run());
	assert_int_equal(k.total, 0);
	assert_true(run());
	assert_int_equal(x.expunged, 100);
	assert_int_equal(k.total, MAILBOX_KEYWORDS_SLICE);
	assert_false(run());
	assert_int_equal(k.total, MAILBOX_KEYWORDS_SLICE + 1);
	assert_int_equal(commits(), before + 3);
	end_both();
}

static void is_told_that_the_mailbox_is_gone(void **state)
{
	mailbox_keywords_init(&k, ann, 77);
	ranges_add(&k.uids, 1);
	k.add = STR("$seen");
	k.op.done = rig_nothing;
	assert_false(run());
	assert_true(k.missing);
	mailbox_keywords_fini(&k);
	rig_change(&rig, DIRECTORY_ACCOUNT_REMOVE, "ann@a.test", NULL);
	rig_maintain(&rig, 0, INT64_MAX / 2);
	begin(1, 1, "", "$seen");
	assert_false(run());
	assert_true(k.missing);
	mailbox_keywords_fini(&k);
	begin_both(1, 1);
	assert_false(run());
	assert_true(k.missing && x.missing);
	end_both();
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(adds_removes_replaces),
	    T(tells_of_it),
	    T(nothing_changes_nothing_is_written),
	    T(passes_over_what_is_not_there),
	    T(only_where_nothing_changed_since),
	    T(as_many_as_there_may_be),
	    T(many_in_slices),
	    T(the_record_has_what_is_committed),
	    T(done_again_after_it_was_taken_back),
	    T(belong_to_the_email),
	    T(deletes_and_marks_in_one_commit),
	    T(what_is_deleted_is_not_marked),
	    T(many_with_many_deletions),
	    T(is_told_that_the_mailbox_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
