/* Bringing expunged messages back: same content and email id, new uid, charged, never twice. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ann.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/trace.h"
#include "store/undelete.h"

/* All slices; the messages that came back. */
static int64_t undelete(struct undelete u)
{
	int64_t restored = 0, left = 0;

	u.account = ann;
	undelete_init(&u);
	u.op.done = rig_nothing;
	do {
		lane_run_one(rig.lane, &u.op, rig.now);
		assert_int_equal(u.op.result, LANE_DONE);
		restored += u.restored;
		left += u.left;
		u.after = u.next;
	} while (u.more);
	return left ? -restored - left : restored;
}

static void comes_back_as_it_was(void **state)
{
	struct mailbox_snapshot before, after;
	struct mailbox_entry was, is;
	struct str text;
	size_t n;

	ann_send(3);
	before = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	text = rig_read(&rig, arena, &before, 2);
	assert_int_equal(mailbox_entries(rig.db, &before, 2, &was, 1, &n), DB_OK);
	ann_expunge(2, 2);
	assert_int_equal(undelete((struct undelete){0}), 1);
	rig_must_balance(&rig);
	after = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	assert_int_equal(mailbox_snapshot_count(&after), 3);
	assert_int_equal(mailbox_entries(rig.db, &after, 3, &is, 1, &n), DB_OK);
	assert_int_equal(is.email, was.email);
	assert_int_equal(was.uid, 2);
	assert_int_equal(is.uid, 4);
	assert_true(str_eq(rig_read(&rig, arena, &after, 3), text));
	/* the older session reads its message 2 as before */
	assert_true(str_eq(rig_read(&rig, arena, &before, 2), text));
	assert_int_equal(mailbox_snapshot_count(&before), 3);
	mailbox_snapshot_fini(&before);
	mailbox_snapshot_fini(&after);
}

#define DELETED "0 deleted by ann@a.test, by POP3\n"
#define BACK    "0 brought back into the mailbox of ann@a.test\n"

static void put_notice(void *ctx, const struct trace_event *e)
{
	if (e->kind == TRACE_NOTICE)
		buf_printf(ctx, "%lld %.*s\n", (long long)(e->time - rig.now), STR_FMT(e->text));
}

/* What is deleted in a long interval and what is deleted alone; one without history is told nowhere. */
static void its_trace_says_so(void **state)
{
	struct mailbox_entry v[40];
	struct mailbox_snapshot s;
	struct buf b;
	size_t n;

	ann_send(40);
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	assert_int_equal(mailbox_entries(rig.db, &s, 1, v, 40, &n), DB_OK);
	assert_int_equal(n, 40);
	assert_int_equal(rig_expunge(&rig, &s, 2, 38), 37);
	assert_int_equal(rig_expunge(&rig, &s, 40, 40), 1);
	assert_int_equal(undelete((struct undelete){.email = v[1].email}), 1);
	assert_int_equal(undelete((struct undelete){.email = v[39].email}), 1);
	rig_must_balance(&rig);
	buf_init(&b, 4 * KIB);
	for (size_t i = 0; i < 40; i++) {
		buf_clear(&b);
		assert_int_equal(trace_message(rig.db, v[i].email, put_notice, &b), DB_ROW);
		assert_string_equal(buf_cstr(&b), i == 0 || i == 38   ? ""
						  : i == 1 || i == 39 ? DELETED BACK
								      : DELETED);
	}
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM trace"), 40);
	rig.now += 2 * DAY_MS;
	rig_maintain(&rig, 90 * DAY_MS, DAY_MS); /* the history goes, the mail stays */
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM trace"), 0);
	assert_int_equal(rig_expunge(&rig, &s, 1, 1), 1);
	assert_int_equal(undelete((struct undelete){.email = v[0].email}), 1);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM trace"), 0);
	rig_must_balance(&rig);
	buf_fini(&b);
	mailbox_snapshot_fini(&s);
}

static void comes_back_once(void **state)
{
	ann_send(130); /* several slices */
	ann_expunge(1, 130);
	assert_int_equal(ann_live(), 0);
	assert_int_equal(undelete((struct undelete){0}), 130);
	assert_int_equal(undelete((struct undelete){0}), 0);
	assert_int_equal(ann_live(), 130);
	ann_expunge(5, 6);
	assert_int_equal(undelete((struct undelete){0}), 2);
	assert_int_equal(ann_live(), 130);
}

/* The row that was brought back is purged in its time, what it became stays. */
static void outlives_the_window_of_its_origin(void **state)
{
	struct mailbox_snapshot s;

	ann_send(1);
	ann_expunge(1, 1);
	assert_int_equal(undelete((struct undelete){0}), 1);
	rig.now += 2 * DAY_MS;
	rig_maintain(&rig, DAY_MS, 90 * DAY_MS);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM membership"), 1);
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	assert_true(rig_read(&rig, arena, &s, 1).n > 0);
	mailbox_snapshot_fini(&s);
	ann_expunge(1, 1);
	rig.now += 2 * DAY_MS;
	rig_maintain(&rig, DAY_MS, 90 * DAY_MS);
	assert_int_equal(undelete((struct undelete){0}), 0);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM email"), 0);
}

static void chooses(void **state)
{
	int64_t first, third, deleted;

	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "1\r\n", &first));
	ann_send(1);
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "3\r\n", &third));
	rig_sql(&rig,
	    "UPDATE message SET header_id = 'Three@X' WHERE id = (SELECT max(id) FROM message)");
	ann_expunge(1, 1);
	rig.now += HOUR_MS;
	deleted = rig.now;
	ann_expunge(1, 2);
	assert_int_equal(undelete((struct undelete){.since = rig.now + 1}), 0);
	assert_int_equal(undelete((struct undelete){.email = 4711}), 0);
	assert_int_equal(undelete((struct undelete){.header_id = STR("nobody@x")}), 0);
	assert_int_equal(undelete((struct undelete){.header_id = STR("three@x")}), 1);
	assert_int_equal(undelete((struct undelete){.email = third}), 0);
	assert_int_equal(undelete((struct undelete){.since = deleted}), 1);
	assert_int_equal(undelete((struct undelete){.email = first}), 1);
	assert_int_equal(ann_live(), 3);
}

static void send_with_summary(const char *text)
{
	struct deliver *d = rig_message(&rig, "x@else.test", text);

	rig_add_summary(d);
	rig_to(d, "ann@a.test");
	assert_true(rig_run(&rig, d));
	deliver_free(&d);
}

/* By what the message itself says: its history goes before it, or says less since a repair. */
static void chooses_without_a_history(void **state)
{
	send_with_summary("Message-ID: <One@X>\r\n\r\n");
	send_with_summary("Message-ID: <two@x>\r\n\r\n");
	rig_sql(&rig, "UPDATE message SET header_id = ''");
	ann_expunge(1, 2);
	assert_int_equal(undelete((struct undelete){.header_id = STR("three@x")}), 0);
	assert_int_equal(undelete((struct undelete){.header_id = STR("two@X")}), 1);
	rig.now += 2 * DAY_MS;
	rig_maintain(&rig, 90 * DAY_MS, DAY_MS);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM message"), 0);
	assert_int_equal(undelete((struct undelete){.header_id = STR("two@x")}), 0);
	assert_int_equal(undelete((struct undelete){.header_id = STR("one@x")}), 1);
	assert_int_equal(ann_live(), 2);
}

/* Slices in which nothing fits are passed over. */
static void chooses_among_many(void **state)
{
	ann_send(2 * UNDELETE_SLICE);
	send_with_summary("Message-ID: <one@x>\r\n\r\n");
	ann_expunge(1, 2 * UNDELETE_SLICE + 1);
	assert_int_equal(undelete((struct undelete){.header_id = STR("one@x")}), 1);
	assert_int_equal(ann_live(), 1);
}

static void one_slice(struct undelete *u)
{
	lane_run_one(rig.lane, &u->op, rig.now);
	u->after = u->next;
}

static int64_t records(const char *what)
{
	char select[200];

	snprintf(select, sizeof select,
	    "SELECT count(*) FROM admin_log WHERE who = 'root' AND what LIKE '%s'", what);
	return rig_number(&rig, select);
}

/* Each slice with its commit: nobody may be there any more to tell behind the last one. */
static void the_record_has_what_is_committed(void **state)
{
	struct admin_tally tally = {.who = STR("root"),
	    .noun = STR("message"),
	    .whose = STR("ann"),
	    .tail = STR("brought back")};
	struct undelete u = {.account = ann, .tally = &tally};

	ann_send(2 * UNDELETE_SLICE + 1);
	ann_expunge(1, 2 * UNDELETE_SLICE + 1);
	undelete_init(&u);
	u.op.done = rig_nothing;
	one_slice(&u);
	admin_tally_go_on(&tally);
	assert_int_equal(records("50 messages of ann brought back"), 1);
	rig_sql(&rig, "ALTER TABLE email RENAME TO hidden");
	lane_run_one(rig.lane, &u.op, rig.now);
	assert_int_equal(u.op.result, LANE_FAILED);
	rig_sql(&rig, "ALTER TABLE hidden RENAME TO email");
	assert_int_equal(records("50 messages of ann brought back"), 1);
	assert_string_equal(rig_change(&rig, DIRECTORY_ALIAS_ADD, "b@a.test", "ann@a.test"), "");
	one_slice(&u);
	admin_tally_go_on(&tally);
	one_slice(&u);
	admin_tally_go_on(&tally);
	assert_int_equal(tally.count, 2 * UNDELETE_SLICE + 1);
	assert_int_equal(records("101 messages of ann brought back"), 1);
	assert_int_equal(records("%"), 1);
	u.after = (struct undelete_at){0};
	one_slice(&u);
	admin_tally_go_on(&tally);
	assert_int_equal(tally.count, 2 * UNDELETE_SLICE + 1);
}

/* Nothing was done, so nothing is told; a row that is gone is no reason to tell nothing. */
static void the_record_of_little(void **state)
{
	struct admin_tally tally = {.who = STR("root"),
	    .head = STR("all"),
	    .noun = STR("message"),
	    .whose = STR("ann"),
	    .tail = STR("back")};
	struct undelete u = {.account = ann, .tally = &tally};

	undelete_init(&u);
	u.op.done = rig_nothing;
	one_slice(&u);
	admin_tally_go_on(&tally);
	assert_int_equal(records("%"), 0);
	ann_send(2);
	ann_expunge(1, 1);
	one_slice(&u);
	admin_tally_go_on(&tally);
	assert_int_equal(records("all 1 message of ann back"), 1);
	rig_sql(&rig, "UPDATE admin_log SET id = -1 WHERE who = 'root'");
	ann_expunge(1, 1);
	one_slice(&u);
	assert_int_equal(records("all 2 messages of ann back"), 1);
	rig_sql(&rig, "DELETE FROM admin_log WHERE id = -1");
	rig_count_rows(&rig);
}

static void keeps_the_quota(void **state)
{
	ann_send(3);
	ann_expunge(1, 3);
	rig_quota(&rig, "ann@a.test", 0, 2);
	assert_int_equal(undelete((struct undelete){0}), -3); /* two, and no room */
	assert_int_equal(ann_live(), 2);
	rig_quota(&rig, "ann@a.test", 0, 0);
	assert_int_equal(undelete((struct undelete){0}), 1);
	ann_expunge(1, 1);
	assert_string_equal(rig_change(&rig, DIRECTORY_ACCOUNT_DISABLE, "ann@a.test", NULL), "");
	assert_int_equal(undelete((struct undelete){0}), -1);
}

/* One that is too large keeps none back that fits. */
static void goes_on_behind_a_large_one(void **state)
{
	int64_t size;

	ann_send(3);
	size = rig_number(&rig, "SELECT max(size) FROM email");
	ann_expunge(1, 3);
	rig_sql(&rig, "UPDATE membership SET size = 1000000 WHERE uid = 1");
	rig_quota(&rig, "ann@a.test", 10 * size, 0);
	assert_int_equal(undelete((struct undelete){0}), -3);
	assert_int_equal(ann_live(), 2);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, ann_setup, ann_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(comes_back_as_it_was),
	    T(its_trace_says_so),
	    T(comes_back_once),
	    T(outlives_the_window_of_its_origin),
	    T(chooses),
	    T(chooses_without_a_history),
	    T(chooses_among_many),
	    T(the_record_has_what_is_committed),
	    T(the_record_of_little),
	    T(keeps_the_quota),
	    T(goes_on_behind_a_large_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
