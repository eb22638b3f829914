/* What senders ask for: later, before others, in time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_test.h"

#include "store/queue_change.h"

static int setup(void **state)
{
	queue_test_setup(state);
	rig_account(&q.rig, "bob@a.test");
	return 0;
}

/* How many recipients a verb changed. */
static int64_t change(enum queue_change_verb verb, int64_t message)
{
	struct queue_change c = {.verb = verb, .filter = {.message = message}, .who = STR("root")};

	queue_change_init(&c);
	qrig_run(&q, &c.op);
	assert_false(c.more);
	return c.changed;
}

/* He has it, and his sender has no room for the report of it. */
static void told_later_of_success(void **state)
{
	int64_t id;

	q.world = all_well;
	fill_anns_mailbox();
	id = qrig_send(
	    &q, "ann@a.test", QUEUE_NOTIFY_SUCCESS, (const char *const[]){"bob@b.test", NULL});
	qrig_work(&q);
	assert_true(has(explained(id), "bob@b.test was taken by the next server (250"));
	assert_true(has(explained(id), "The report of it to ann@a.test could not be delivered yet; "
				       "it is tried again at "));
	id = qrig_send(
	    &q, "ann@a.test", QUEUE_NOTIFY_SUCCESS, (const char *const[]){"bob@a.test", NULL});
	qrig_work(&q);
	assert_true(has(explained(id), "bob@a.test was delivered into the mailbox. The report"));
	q.world = unknown;
	id = qrig_send_one(&q, "ann@a.test", "eve@b.test");
	qrig_work(&q);
	assert_true(has(
	    explained(id), "eve@b.test cannot be delivered (550 5.1.1 no such user). The report"));
}

/* Nobody has tried his domain: the server that is named for its mail is what is down. */
static void told_of_the_route(void **state)
{
	static const struct queue_via vias[] = {
	    {STR_INIT("*"), STR_INIT(""), STR_INIT("smart.test")},
	    {STR_INIT("*"), STR_INIT("ann@a.test"), STR_INIT("anns.test")}};
	int64_t id;

	q.cfg.routing = (struct queue_routing){.vias = vias, .n_vias = 2};
	q.world = refused;
	id = qrig_send_one(&q, "bob@a.test", "x@b.test");
	qrig_work(&q);
	assert_true(has(explained(id), "x@b.test waits because the server smart.test through which "
				       "mail for b.test is sent could not be reached ("));
	assert_true(
	    has(explained(qrig_send_one(&q, "ann@a.test", "x@b.test")), "anns.test can be tried"));
}

/* ---- later ---- */

static void held_until_its_time(void **state)
{
	int64_t start = q.rig.now, release = start + 30 * DAY_MS, id;

	q.world = all_well;
	q.wish.hold_until = release;
	id = qrig_send_one(&q, "ann@a.test", "carl@b.test");
	assert_true(has(explained(id), "wants it to be sent on "));
	assert_true(qrig_wake(&q) >= release);
	qrig_live(&q, release - 1);
	assert_int_equal(q.jobs, 0);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	qrig_live(&q, release);
	assert_int_equal(q.jobs, 1);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_RELAYED);
	assert_int_equal(q.reports + q.warnings, 0);
}

/* A front that is taken over asks for more than there is. */
static void held_no_longer_than_may_be(void **state)
{
	int64_t start = q.rig.now, id;

	q.world = all_well;
	q.wish.hold_until = INT64_MAX;
	id = qrig_send_one(&q, "ann@a.test", "carl@b.test");
	qrig_live(&q, start + QUEUE_HOLD_MAX - 1);
	assert_int_equal(q.jobs, 0);
	qrig_live(&q, start + QUEUE_HOLD_MAX + MINUTE_MS);
	assert_int_equal(q.jobs, 1);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_RELAYED);
}

/* The time it is tried for, and the warning, count from its release. */
static void life_begins_at_release(void **state)
{
	int64_t start = q.rig.now, release = start + 10 * DAY_MS, id;

	q.world = refused;
	q.wish.hold_for = 10 * DAY_MS;
	id = qrig_send_one(&q, "ann@a.test", "carl@b.test");
	qrig_live(&q, release + 4 * HOUR_MS - 1);
	assert_int_equal(q.warnings, 0);
	qrig_live(&q, release + 4 * HOUR_MS);
	assert_int_equal(q.warnings, 1);
	qrig_live(&q, release + 5 * DAY_MS - 1);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	qrig_live(&q, release + 5 * DAY_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_true(has(qrig_mail(&q, arena), "\r\nFuture-Release-Request: for;864000\r\n"));
	assert_true(has(qrig_mail(&q, arena), "It was tried for 5 days"));
}

/* Into mailboxes here too, with what is asked to be reported. */
static void held_for_a_mailbox_here(void **state)
{
	int64_t start = q.rig.now, release = start + DAY_MS, id;

	q.wish.hold_for = DAY_MS;
	rig_alias(&q.rig, "team@a.test", "bob@a.test");
	rig_alias(&q.rig, "team@a.test", "ann@a.test");
	id = qrig_send(
	    &q, "ann@a.test", QUEUE_NOTIFY_SUCCESS, (const char *const[]){"bob@a.test", NULL});
	assert_true(has(explained(id), "then it goes into the mailbox"));
	qrig_send_one(&q, "ann@a.test", "team@a.test");
	qrig_live(&q, release - 1);
	assert_int_equal(qrig_count(&q, "email"), 0);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	qrig_live(&q, release);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_MAILBOX);
	assert_int_equal(qrig_count(&q, "membership WHERE account = 2"), 2);
	assert_int_equal(qrig_count(&q, "queue"), 0);
	assert_int_equal(q.reports, 1);
	assert_true(has(qrig_mail(&q, arena), "Action: delivered"));
	assert_true(has(qrig_mail(&q, arena), "Final-Recipient: rfc822; bob@a.test"));
}

/* The mailbox is full at that time: later; the account is gone: it comes back. */
static void mailbox_that_does_not_take_it(void **state)
{
	int64_t start = q.rig.now, full, gone;

	qrig_send_one(&q, "ann@a.test", "bob@a.test"); /* one that fills it */
	q.wish.hold_for = DAY_MS;
	full = qrig_send_one(&q, "ann@a.test", "bob@a.test");
	rig_quota(&q.rig, "bob@a.test", 0, 1);
	qrig_live(&q, start + DAY_MS + HOUR_MS);
	assert_int_equal(qrig_state(&q, full, 0), LEDGER_QUEUED);
	assert_true(has(explained(full), "the mailbox does not take the message (452 4.2.2"));
	rig_quota(&q.rig, "bob@a.test", -1, -1);
	qrig_live(&q, start + DAY_MS + 2 * HOUR_MS);
	assert_int_equal(qrig_state(&q, full, 0), LEDGER_MAILBOX);
	full = qrig_send_one(&q, "ann@a.test", "bob@a.test");
	gone = qrig_send_one(&q, "ann@a.test", "bob@a.test");
	rig_quota(&q.rig, "bob@a.test", 0, 1);
	assert_int_equal(change(QUEUE_CHANGE_RELEASE, gone), 1);
	qrig_live(&q, q.rig.now + 6 * DAY_MS + HOUR_MS);
	assert_int_equal(qrig_state(&q, full, 0), LEDGER_BOUNCED);
	assert_int_equal(qrig_state(&q, gone, 0), LEDGER_BOUNCED);
	rig_quota(&q.rig, "bob@a.test", -1, -1);
	gone = qrig_send_one(&q, "ann@a.test", "bob@a.test");
	rig_sql(&q.rig, "UPDATE account SET state = 1 WHERE local = 'bob'");
	qrig_live(&q, q.rig.now + DAY_MS);
	assert_int_equal(qrig_state(&q, gone, 0), LEDGER_BOUNCED);
	assert_true(has(qrig_mail(&q, arena), "Action: failed"));
}

/* By two addresses into one mailbox, which has room for one. */
static void one_copy_needs_room_once(void **state)
{
	int64_t release = q.rig.now + DAY_MS, id;

	q.wish.hold_for = DAY_MS;
	rig_alias(&q.rig, "info@a.test", "bob@a.test");
	rig_quota(&q.rig, "bob@a.test", 0, 1);
	id = qrig_send(
	    &q, "ann@a.test", 0, (const char *const[]){"bob@a.test", "info@a.test", NULL});
	qrig_live(&q, release);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_MAILBOX);
	assert_int_equal(qrig_state(&q, id, 1), LEDGER_MAILBOX);
	assert_int_equal(qrig_count(&q, "membership WHERE account = 2"), 1);
	assert_int_equal(qrig_count(&q, "queue"), 0);
}

/* For bob, whose mailbox is full; released in a day. by_time: from then on. */
static int64_t released_into_a_full_mailbox(enum queue_by by, int64_t by_time)
{
	int64_t id;

	qrig_send_one(&q, "ann@a.test", "bob@a.test"); /* one that fills it */
	q.wish = (struct queue_wish){
	    .hold_for = DAY_MS, .by = by, .by_time = by ? DAY_MS + by_time : 0};
	id = qrig_send_one(&q, "ann@a.test", "bob@a.test");
	rig_quota(&q.rig, "bob@a.test", 0, 1);
	return id;
}

/* Not a moment behind the time that its sender set, though there is room by then. */
static void full_mailbox_returns_it_when_late(void **state)
{
	int64_t release = q.rig.now + DAY_MS, late = release + 100 * MINUTE_MS;
	int64_t id = released_into_a_full_mailbox(QUEUE_BY_RETURN, 100 * MINUTE_MS);

	qrig_live(&q, release + HOUR_MS);
	assert_true(has(explained(id), "the mailbox does not take the message (452 4.2.2"));
	assert_true(has(explained(id), "it will be returned to ann@a.test "));
	assert_true(has(explained(id), "wants it to be returned if it is not delivered by then"));
	qrig_live(&q, late - 1);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	assert_true(has(explained(id), "No further attempt is planned"));
	assert_int_equal(qrig_wake(&q), late);
	rig_quota(&q.rig, "bob@a.test", -1, -1);
	qrig_live(&q, late);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_int_equal(q.reports, 1);
	assert_int_equal(q.warnings, 0);
	assert_int_equal(qrig_count(&q, "queue"), 0);
	assert_true(has(qrig_mail(&q, arena), "Action: failed\r\nStatus: 5.4.7\r\n"));
	assert_true(has(qrig_mail(&q, arena), "\r\nDeliver-By-Date: "));
	assert_true(has(qrig_mail(&q, arena), "It was to be delivered"));
}

/* There is room, but its time comes between the reading of the row and the writer lane. */
static void late_while_it_is_placed(void **state)
{
	int64_t release = q.rig.now + DAY_MS, late = release + 100 * MINUTE_MS;
	int64_t id = released_into_a_full_mailbox(QUEUE_BY_RETURN, 100 * MINUTE_MS);
	struct queue_report *r = queue_report_new();

	qrig_live(&q, release);
	rig_quota(&q.rig, "bob@a.test", -1, -1);
	q.rig.now = late - 1;
	r->cfg = q.cfg;
	r->message = id;
	r->now = q.rig.now;
	queue_report_prepare(r);
	reader_run(&r->read, q.rig.db);
	assert_int_equal(r->read.result, DB_OK);
	assert_false(r->nothing);
	q.rig.now = late;
	qrig_run(&q, &r->op);
	assert_int_equal(r->placed, 0);
	queue_report_free(&r);
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
}

static void full_mailbox_tells_when_late(void **state)
{
	int64_t release = q.rig.now + DAY_MS, late = release + 100 * MINUTE_MS;
	int64_t id = released_into_a_full_mailbox(QUEUE_BY_NOTIFY, 100 * MINUTE_MS);

	qrig_live(&q, late - 1);
	assert_true(has(explained(id), "wants to be told if it is not delivered by then"));
	assert_int_equal(q.warnings, 0);
	qrig_live(&q, late);
	assert_int_equal(q.warnings, 1);
	assert_true(has(qrig_mail(&q, arena), "Action: delayed\r\nStatus: 4.4.7\r\n"));
	assert_true(has(qrig_mail(&q, arena), "\r\nDeliver-By-Date: "));
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	rig_quota(&q.rig, "bob@a.test", -1, -1);
	qrig_live(&q, late + HOUR_MS);
	assert_int_equal(q.warnings, 1);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_MAILBOX);
}

/* As of any that waits; both count from the release on. */
static void full_mailbox_warns_and_ends(void **state)
{
	int64_t release = q.rig.now + DAY_MS;
	int64_t id = released_into_a_full_mailbox(QUEUE_BY_NONE, 0);

	qrig_live(&q, release + 4 * HOUR_MS - 1);
	assert_true(has(explained(id), "it will be returned to ann@a.test "));
	assert_true(has(explained(id), "ann@a.test is told of the delay"));
	assert_int_equal(q.warnings, 0);
	qrig_live(&q, release + 4 * HOUR_MS);
	assert_int_equal(q.warnings, 1);
	assert_true(has(qrig_mail(&q, arena), "Action: delayed\r\nStatus: 4.2.2\r\n"));
	assert_false(has(explained(id), "is told of the delay"));
	qrig_live(&q, release + 5 * DAY_MS - 1);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	assert_int_equal(qrig_wake(&q), release + 5 * DAY_MS);
	qrig_live(&q, release + 5 * DAY_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_int_equal(q.warnings, 1);
	assert_int_equal(q.reports, 2);
	assert_true(has(qrig_mail(&q, arena), "Action: failed\r\n"));
	assert_true(has(qrig_mail(&q, arena), "The mailbox bob@a.test is full."));
}

/* Its time ended then: two attempts more, as of any. */
static void full_mailbox_while_the_server_was_off(void **state)
{
	int64_t release = q.rig.now + DAY_MS;
	int64_t full = released_into_a_full_mailbox(QUEUE_BY_NONE, 0), room;

	q.rig.now = release + 6 * DAY_MS;
	qrig_restart(&q);
	qrig_live(&q, q.rig.now + 48 * MINUTE_MS - 1);
	assert_int_equal(qrig_state(&q, full, 0), LEDGER_QUEUED);
	qrig_live(&q, q.rig.now + 1);
	assert_int_equal(qrig_state(&q, full, 0), LEDGER_BOUNCED);
	rig_quota(&q.rig, "bob@a.test", -1, -1);
	room = qrig_send_one(&q, "ann@a.test", "bob@a.test");
	q.rig.now += 7 * DAY_MS;
	qrig_restart(&q);
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, room, 0), LEDGER_MAILBOX);
}

static int64_t holder(int64_t message)
{
	char select[100];

	snprintf(select, sizeof select,
	    "SELECT account FROM membership WHERE email = %lld AND expunged_modseq = 0",
	    (long long)message);
	return rig_number(&q.rig, select);
}

/* Who has his mail is no alias that it was sent on for. */
static void postmaster_bounced(void **state)
{
	int64_t id;

	q.wish.hold_for = DAY_MS;
	id = qrig_send_one(&q, "ann@a.test", "postmaster@a.test");
	assert_int_equal(change(QUEUE_CHANGE_BOUNCE, id), 1);
	qrig_tend(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_true(has(qrig_mail(&q, arena), "Action: failed\r\n"));
	assert_false(has(qrig_mail(&q, arena), "sends its"));
}

/* His is kept whatever became of the account since: by who has his mail now, full or disabled. */
static void postmaster_never_refuses_it(void **state)
{
	int64_t ann, full, closed, alias, bare;

	ann = rig_number(&q.rig, "SELECT id FROM account WHERE local = 'ann'");
	q.wish.hold_for = DAY_MS;
	rig_alias(&q.rig, "postmaster@a.test", "bob@a.test");
	alias = qrig_send_one(&q, "ann@a.test", "postmaster@a.test");
	rig_sql(&q.rig, "UPDATE account SET state = 1 WHERE local = 'bob'");
	qrig_live(&q, q.rig.now + DAY_MS);
	assert_int_equal(qrig_state(&q, alias, 0), LEDGER_MAILBOX);
	assert_int_equal(holder(alias), ann); /* stands in */
	rig_change(&q.rig, DIRECTORY_ALIAS_REMOVE, "postmaster@a.test", NULL);
	full = qrig_send_one(&q, "ann@a.test", "postmaster@a.test");
	bare = qrig_send_one(&q, "ann@a.test", "postmaster@");
	rig_quota(&q.rig, "ann@a.test", 0, 1);
	qrig_live(&q, q.rig.now + DAY_MS);
	assert_int_equal(holder(full), ann);
	assert_int_equal(holder(bare), ann);
	closed = qrig_send_one(&q, "ann@a.test", "postmaster@a.test");
	rig_sql(&q.rig, "UPDATE account SET state = 1");
	rig_sql(&q.rig, "UPDATE account SET state = 0, send_only = 1 WHERE local = 'bob'");
	qrig_live(&q, q.rig.now + DAY_MS);
	assert_int_equal(qrig_state(&q, closed, 0), LEDGER_MAILBOX);
	assert_int_equal(holder(closed), ann);
	assert_int_equal(qrig_count(&q, "queue"), 0);
	assert_int_equal(q.reports + q.warnings, 0);
	rig_sql(&q.rig, "UPDATE account SET state = 0, send_only = 0");
	rig_must_balance(&q.rig);
}

static void cancelled_and_released(void **state)
{
	static const char *const to[] = {"carl@b.test", "bob@a.test", NULL};
	int64_t id, other;

	q.world = all_well;
	q.wish.hold_for = DAY_MS;
	id = qrig_send(&q, "ann@a.test", 0, to);
	assert_int_equal(change(QUEUE_CHANGE_RETRY, id), 0);
	assert_int_equal(change(QUEUE_CHANGE_CANCEL, id), 2);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_DISCARDED);
	assert_int_equal(
	    qrig_count(&q, "ledger WHERE detail = 'cancelled before its time by root'"), 2);
	id = qrig_send(&q, "ann@a.test", 0, to);
	assert_int_equal(change(QUEUE_CHANGE_RELEASE, id), 2);
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_RELAYED);
	assert_int_equal(qrig_state(&q, id, 1), LEDGER_MAILBOX);
	other = qrig_send(&q, "ann@a.test", 0, to);
	assert_int_equal(change(QUEUE_CHANGE_BOUNCE, other), 2);
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, other, 0), LEDGER_BOUNCED);
	assert_int_equal(qrig_state(&q, other, 1), LEDGER_BOUNCED);
	q.wish = (struct queue_wish){0};
	q.world = refused;
	other = qrig_send_one(&q, "ann@a.test", "carl@b.test");
	assert_int_equal(change(QUEUE_CHANGE_CANCEL, other), 0);
	assert_int_equal(change(QUEUE_CHANGE_RELEASE, other), 0);
}

/* An administrator holds what waits for its time, past that time: then what is left of neither counts. */
static void held_by_both(void **state)
{
	static const char *const to[] = {"carl@b.test", "bob@a.test", NULL};
	int64_t start = q.rig.now, id;

	q.world = refused;
	q.wish.hold_for = DAY_MS;
	id = qrig_send(&q, "ann@a.test", 0, to);
	assert_int_equal(change(QUEUE_CHANGE_HOLD, id), 2);
	q.rig.now += HOUR_MS;
	assert_int_equal(change(QUEUE_CHANGE_RELEASE, id), 2);
	assert_int_equal(qrig_wake(&q), start + DAY_MS);
	assert_int_equal(change(QUEUE_CHANGE_HOLD, id), 2);
	qrig_live(&q, start + 3 * DAY_MS);
	assert_int_equal(q.jobs, 0);
	assert_int_equal(change(QUEUE_CHANGE_RELEASE, id), 2);
	qrig_live(&q, start + 3 * DAY_MS + 5 * DAY_MS - 1);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	assert_int_equal(qrig_state(&q, id, 1), LEDGER_MAILBOX);
	qrig_live(&q, start + 3 * DAY_MS + 5 * DAY_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
}

static void survives_a_crash(void **state)
{
	static const char *const to[] = {"carl@b.test", "bob@a.test", NULL};
	int64_t start = q.rig.now, id;

	q.world = all_well;
	q.wish.hold_for = DAY_MS;
	id = qrig_send(&q, "ann@a.test", 0, to);
	qrig_restart(&q);
	qrig_live(&q, start + DAY_MS - 1);
	assert_int_equal(qrig_state(&q, id, 1), LEDGER_QUEUED);
	qrig_restart(&q);
	qrig_live(&q, start + DAY_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_RELAYED);
	assert_int_equal(qrig_state(&q, id, 1), LEDGER_MAILBOX);
}

/* ---- before others ---- */

static int64_t order[10];
static size_t ordered;

static void keep_order(const struct queue_job *job)
{
	order[ordered++] = job->message.id;
}

static void higher_priority_goes_first(void **state)
{
	static const int8_t priorities[] = {0, -9, 9, 0, 3, -1};
	static const size_t want[] = {2, 4, 0, 3, 5, 1};
	int64_t ids[6];

	ordered = 0;
	q.world = all_well;
	q.on_job = keep_order;
	for (size_t i = 0; i < 6; i++) {
		q.wish.priority = priorities[i];
		ids[i] = qrig_send_one(&q, "ann@a.test", "carl@b.test");
	}
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(qrig_lease(&q, 1, 1), 1);
		assert_int_equal(q.lease.jobs[0].message.id, ids[want[i]]);
		assert_int_equal(q.lease.jobs[0].rows.v[0].priority, priorities[want[i]]);
		assert_true(qrig_settle(&q, 1, &q.lease.jobs[0]));
	}
}

/* One that waits for a time of its own lets lower ones go, and a due time is found among all of them. */
static void priority_that_waits_holds_up_nobody(void **state)
{
	int64_t high, low, start = q.rig.now;

	q.wish.priority = 5;
	q.world = greylisted;
	high = qrig_send_one(&q, "ann@a.test", "carl@b.test");
	qrig_work(&q);
	q.world = all_well;
	q.wish.priority = -5;
	low = qrig_send_one(&q, "ann@a.test", "carl@b.test");
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, high, 0), LEDGER_QUEUED);
	assert_int_equal(qrig_state(&q, low, 0), LEDGER_RELAYED);
	qrig_live(&q, start + 10 * MINUTE_MS);
	assert_int_equal(qrig_state(&q, high, 0), LEDGER_RELAYED);
}

/* ---- in time ---- */

static void returned_when_late(void **state)
{
	int64_t start = q.rig.now, id;

	q.world = refused;
	q.wish = (struct queue_wish){.by = QUEUE_BY_RETURN, .by_time = 2 * HOUR_MS};
	id = qrig_send_one(&q, "ann@a.test", "carl@b.test");
	qrig_live(&q, start + HOUR_MS);
	assert_true(has(explained(id), "wants it to be returned if it is not delivered by then"));
	qrig_live(&q, start + 2 * HOUR_MS - 1);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	qrig_live(&q, start + 2 * HOUR_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_int_equal(q.reports, 1);
	assert_int_equal(q.warnings, 0);
	assert_true(has(qrig_mail(&q, arena), "Action: failed\r\nStatus: 5.4.7\r\n"));
	assert_true(has(qrig_mail(&q, arena), "\r\nDeliver-By-Date: "));
	assert_true(has(qrig_mail(&q, arena), "It was to be delivered"));
}

/* A warning names the end that its sender set, not that of the schedule. */
static void warned_of_the_end_that_is_set(void **state)
{
	int64_t start = q.rig.now;
	struct str mail, until, arrival;

	q.world = refused;
	q.wish = (struct queue_wish){.by = QUEUE_BY_RETURN, .by_time = 6 * HOUR_MS};
	qrig_send_one(&q, "ann@a.test", "carl@b.test");
	qrig_live(&q, start + 5 * HOUR_MS);
	assert_int_equal(q.warnings, 1);
	mail = qrig_mail(&q, arena);
	until = str_from(mail, str_find_str(mail, STR("Will-Retry-Until: ")) + 18);
	arrival = str_from(mail, str_find_str(mail, STR("Arrival-Date: ")) + 14);
	assert_true(str_eq(str_sub(until, 0, 17), str_sub(arrival, 0, 17))); /* the same day */
	assert_true(str_has_prefix(str_from(until, 17), STR("18:00:00")));   /* from noon on */
}

/* Who wants to hear of delays [RFC 2852 4.1.3]. */
static void told_when_late(void **state)
{
	static const char *const to[] = {"carl@b.test", NULL};
	int64_t start = q.rig.now, id;

	q.world = greylisted;
	q.wish = (struct queue_wish){.by = QUEUE_BY_NOTIFY, .by_time = 2 * HOUR_MS};
	id = qrig_send_one(&q, "ann@a.test", "carl@b.test");
	qrig_send(&q, "ann@a.test", QUEUE_NOTIFY_NEVER, to);
	qrig_send(&q, "ann@a.test", QUEUE_NOTIFY_FAILURE, to);
	qrig_send_one(&q, "", "carl@b.test");
	assert_true(has(explained(id), "wants to be told if it is not delivered by then"));
	qrig_live(&q, start + 2 * HOUR_MS - 1);
	assert_int_equal(q.warnings, 0);
	qrig_live(&q, start + 2 * HOUR_MS);
	assert_int_equal(q.warnings, 1);
	assert_true(has(qrig_mail(&q, arena), "Action: delayed\r\nStatus: 4.4.7\r\n"));
	assert_true(has(qrig_mail(&q, arena), "\r\nDeliver-By-Date: "));
	qrig_live(&q, start + 4 * HOUR_MS - 1);
	assert_int_equal(q.warnings, 1);
	qrig_live(&q, start + 4 * DAY_MS);
	assert_int_equal(q.warnings, 2); /* and of the delay, as for all mail */
	assert_false(has(qrig_mail(&q, arena), "Status: 4.4.7"));
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
}

/* It goes all the same, and nobody is told that it was in time. */
static void passed_on_when_late(void **state)
{
	q.world = greylisted;
	q.wish = (struct queue_wish){.by = QUEUE_BY_NOTIFY, .by_time = HOUR_MS};
	(void)qrig_send_one(&q, "ann@a.test", "carl@b.test");
	qrig_live(&q, q.rig.now + 2 * HOUR_MS);
	q.world = all_well;
	q.dsn = true;
	qrig_live(&q, q.rig.now + HOUR_MS);
	assert_true(has(qrig_mail(&q, arena), "Action: relayed"));
	assert_true(has(qrig_mail(&q, arena), "It was passed on after the time"));
}

/* Who wants to hear of delays alone is promised no return. */
static void told_of_the_delay_alone(void **state)
{
	static const char *const to[] = {"carl@b.test", NULL};

	q.world = greylisted;
	q.wish = (struct queue_wish){.by = QUEUE_BY_RETURN, .by_time = 20 * HOUR_MS};
	assert_true(has(explained(qrig_send(&q, "ann@a.test", QUEUE_NOTIFY_DELAY, to)),
	    "Its sender wants it not to be sent later than that."));
	qrig_live(&q, q.rig.now + 5 * HOUR_MS);
	assert_int_equal(q.warnings, 1);
	assert_true(has(qrig_mail(&q, arena), "you asked not"));
	assert_false(has(qrig_mail(&q, arena), "returned"));
}

/* A day off: nothing is sent behind the time, what was to be returned is. */
static void late_while_the_server_was_off(void **state)
{
	int64_t id;

	q.world = all_well;
	q.wish = (struct queue_wish){.by = QUEUE_BY_RETURN, .by_time = HOUR_MS};
	id = qrig_send_one(&q, "ann@a.test", "carl@b.test");
	q.rig.now += DAY_MS;
	qrig_restart(&q);
	qrig_work(&q);
	assert_int_equal(q.jobs, 0);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
}

/* The reason is kept with a report that finds no room. */
static void reports_of_the_untried_that_are_put_off(void **state)
{
	static const struct {
		const char *to, *says;
	} rows[] = {{"carl@b.test", "has not had its turn yet"},
	    {"bob@a.test", "The message was not put into the mailbox in time: "}};

	q.world = all_well;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int64_t id;

		fill_anns_mailbox();
		q.wish = (struct queue_wish){
		    .hold_for = i ? HOUR_MS / 2 : 0, .by = QUEUE_BY_RETURN, .by_time = HOUR_MS};
		id = qrig_send_one(&q, "ann@a.test", rows[i].to);
		q.wish = (struct queue_wish){0};
		q.rig.now += DAY_MS;
		qrig_restart(&q);
		qrig_work(&q);
		assert_int_not_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
		rig_quota(&q.rig, "ann@a.test", 0, 0);
		qrig_live(&q, q.rig.now + DAY_MS);
		assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
		assert_true(has(qrig_mail(&q, arena), rows[i].says));
	}
}

/* What an administrator held behind its time is told as what it is. */
static void held_here_behind_its_time(void **state)
{
	int64_t id;

	q.world = all_well;
	q.wish = (struct queue_wish){
	    .hold_for = HOUR_MS, .by = QUEUE_BY_RETURN, .by_time = 2 * HOUR_MS};
	id = qrig_send_one(&q, "ann@a.test", "bob@a.test");
	q.wish = (struct queue_wish){0};
	assert_true(has(explained(id), "at the earliest; then it goes into the mailbox"));
	assert_int_equal(change(QUEUE_CHANGE_HOLD, id), 1);
	qrig_live(&q, q.rig.now + 3 * HOUR_MS);
	assert_int_equal(change(QUEUE_CHANGE_RELEASE, id), 1);
	assert_true(has(explained(id), "could not be delivered in time"));
	qrig_live(&q, q.rig.now + HOUR_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_true(has(qrig_mail(&q, arena), "an administrator held the message back"));
}

/* Nobody is told that it is late when it is in time. */
static void told_by_the_time_of_its_release(void **state)
{
	int64_t id;

	q.world = all_well;
	q.wish = (struct queue_wish){
	    .hold_for = HOUR_MS, .by = QUEUE_BY_NOTIFY, .by_time = HOUR_MS};
	id = qrig_send_one(&q, "ann@a.test", "bob@a.test");
	q.wish = (struct queue_wish){0};
	qrig_live(&q, q.rig.now + 2 * HOUR_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_MAILBOX);
	assert_int_equal(q.reports, 0);
}

/* Of mail for a mailbox here no other server is blamed. */
static void late_before_its_release_was_seen(void **state)
{
	int64_t id;

	q.dsn = true;
	q.wish = (struct queue_wish){
	    .hold_for = HOUR_MS, .by = QUEUE_BY_RETURN, .by_time = 2 * HOUR_MS};
	id = qrig_send_one(&q, "ann@a.test", "bob@a.test");
	q.rig.now += DAY_MS;
	qrig_restart(&q);
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_true(
	    has(qrig_mail(&q, arena), "The message was not put into the mailbox in time: "));
}

/* Passed on to who does not know of the time, or with a trace: told; NEVER: not. */
static void relaying_is_told(void **state)
{
	static const char *const to[] = {"carl@b.test", NULL};

	q.world = all_well;
	q.dsn = true;
	q.wish = (struct queue_wish){.by = QUEUE_BY_NOTIFY, .by_time = HOUR_MS};
	qrig_send(&q, "ann@a.test", 0, to);
	qrig_work(&q);
	assert_int_equal(q.reports, 1);
	assert_true(has(qrig_mail(&q, arena), "Action: relayed"));
	assert_true(has(qrig_mail(&q, arena), "\r\nDeliver-By-Date: "));
	qrig_send(&q, "ann@a.test", QUEUE_NOTIFY_NEVER, to);
	qrig_work(&q);
	assert_int_equal(q.reports, 1);
	q.by = true;
	qrig_send(&q, "ann@a.test", 0, to);
	qrig_work(&q);
	assert_int_equal(q.reports, 1);
	q.wish.by_trace = true;
	qrig_send(&q, "ann@a.test", 0, to);
	qrig_work(&q);
	assert_int_equal(q.reports, 2);
}

/* ---- who may ---- */

/* Whatever a front claims for a stranger. */
static void strangers_may_not(void **state)
{
	static const struct queue_wish wishes[] = {
	    {.hold_for = HOUR_MS}, {.hold_until = 1}, {.priority = 1}};
	static const struct queue_wish nonsense[] = {{.hold_for = QUEUE_HOLD_MAX + 1},
	    {.hold_for = -1}, {.hold_for = 1, .hold_until = 1}, {.priority = 10}, {.priority = -10},
	    {.by = QUEUE_BY_TOLD}, {.by = QUEUE_BY_RETURN},
	    {.by = QUEUE_BY_NOTIFY, .by_time = INT64_MAX}};

	for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
		struct deliver *d = rig_message(&q.rig, "x@y.test", "S: x\r\n\r\n");

		rig_to(d, "bob@a.test");
		d->wish = wishes[i];
		assert_false(deliver_prepare(d));
		d->may_relay = true;
		assert_true(deliver_prepare(d));
		deliver_free(&d);
	}
	for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
		struct deliver *d = rig_message(&q.rig, "x@y.test", "S: x\r\n\r\n");

		rig_to(d, "bob@a.test");
		d->may_relay = true;
		d->wish = nonsense[i];
		assert_false(deliver_prepare(d));
		deliver_free(&d);
	}
}

#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, setup, queue_test_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(told_later_of_success),
	    T(told_of_the_route),
	    T(held_until_its_time),
	    T(held_no_longer_than_may_be),
	    T(life_begins_at_release),
	    T(held_for_a_mailbox_here),
	    T(one_copy_needs_room_once),
	    T(mailbox_that_does_not_take_it),
	    T(full_mailbox_returns_it_when_late),
	    T(late_while_it_is_placed),
	    T(full_mailbox_tells_when_late),
	    T(full_mailbox_warns_and_ends),
	    T(full_mailbox_while_the_server_was_off),
	    T(postmaster_bounced),
	    T(postmaster_never_refuses_it),
	    T(cancelled_and_released),
	    T(held_by_both),
	    T(survives_a_crash),
	    T(higher_priority_goes_first),
	    T(priority_that_waits_holds_up_nobody),
	    T(returned_when_late),
	    T(warned_of_the_end_that_is_set),
	    T(told_when_late),
	    T(passed_on_when_late),
	    T(told_of_the_delay_alone),
	    T(late_while_the_server_was_off),
	    T(late_before_its_release_was_seen),
	    T(told_by_the_time_of_its_release),
	    T(reports_of_the_untried_that_are_put_off),
	    T(held_here_behind_its_time),
	    T(relaying_is_told),
	    T(strangers_may_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
