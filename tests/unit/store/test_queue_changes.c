/* What an administrator does with the queue by hand. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_test.h"

#include "store/queue_change.h"

static int64_t change(enum queue_change_verb verb, const char *to, const char *from, int64_t before)
{
	struct queue_change c = {.verb = verb,
	    .filter = {.recipient = str_of_c(to), .sender = str_of_c(from), .before = before},
	    .who = STR("root")};

	queue_change_init(&c);
	qrig_run(&q, &c.op);
	assert_false(c.more);
	return c.changed;
}

/* What the clock says of mail that is held is settled when it is released: it goes at once. */
static void released_after_the_clock_was_set_back(void **state)
{
	struct queue_clock c;

	q.world = greylisted;
	(void)qrig_send_one(&q, "ann@a.test", "bob@b.test");
	assert_int_equal(change(QUEUE_CHANGE_HOLD, "", "", 0), 1);
	q.rig.now -= 10 * HOUR_MS;
	queue_clock_init(&c);
	qrig_run(&q, &c.op);
	queue_clock_fini(&c);
	assert_int_equal(change(QUEUE_CHANGE_RELEASE, "", "", 0), 1);
	qrig_live(&q, q.rig.now + MINUTE_MS);
	assert_int_equal(q.jobs, 1);
}

/* Held for ten days it is neither tried nor returned; these days do not count. */
static void held_and_released(void **state)
{
	int64_t id, start = q.rig.now;

	q.world = greylisted;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_live(&q, start + HOUR_MS);
	assert_int_equal(change(QUEUE_CHANGE_RELEASE, "", "", 0), 0);
	assert_int_equal(change(QUEUE_CHANGE_HOLD, "bob@b.test", "", 0), 1);
	assert_int_equal(change(QUEUE_CHANGE_HOLD, "bob@b.test", "", 0), 0);
	assert_int_equal(change(QUEUE_CHANGE_RETRY, "", "", 0), 0);
	assert_int_equal(qrig_wake(&q), QUEUE_NEVER);
	qrig_restart(&q);
	qrig_live(&q, start + 10 * DAY_MS);
	assert_int_equal(qrig_mails(&q), 0);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	assert_int_equal(change(QUEUE_CHANGE_RELEASE, "", "", 0), 1);
	qrig_live(&q, start + 10 * DAY_MS + 3 * HOUR_MS - 1);
	assert_int_equal(q.warnings, 0);
	qrig_live(&q, start + 10 * DAY_MS + 3 * HOUR_MS);
	assert_int_equal(q.warnings, 1);
	qrig_live(&q, start + 15 * DAY_MS - HOUR_MS - 1);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_QUEUED);
	qrig_live(&q, start + 15 * DAY_MS - HOUR_MS);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
}

static void returned_by_hand(void **state)
{
	int64_t id, held;

	q.world = greylisted;
	id = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	held = qrig_send_one(&q, "ann@a.test", "carl@b.test");
	qrig_work(&q);
	change(QUEUE_CHANGE_HOLD, "carl@b.test", "", 0);
	assert_int_equal(change(QUEUE_CHANGE_BOUNCE, "b.test", "", 0), 2);
	assert_int_equal(change(QUEUE_CHANGE_BOUNCE, "b.test", "", 0), 0);
	qrig_work(&q);
	assert_int_equal(qrig_state(&q, id, 0), LEDGER_BOUNCED);
	assert_int_equal(qrig_state(&q, held, 0), LEDGER_BOUNCED);
	assert_int_equal(qrig_mails(&q), 2);
	assert_true(has(qrig_mail(&q, arena), "An administrator of this mail server has ended"));
	assert_true(has(qrig_mail(&q, arena), "Status: 5.0.0"));
}

/* What its sender wants to go later is not let go with what was held, but by its id. */
static void scheduled_is_not_let_go_with_others(void **state)
{
	struct queue_change c = {.verb = QUEUE_CHANGE_RELEASE, .who = STR("root")};
	int64_t start = q.rig.now;

	q.world = greylisted;
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	q.wish.hold_for = DAY_MS;
	c.filter.message = qrig_send_one(&q, "ann@a.test", "carl@b.test");
	assert_int_equal(change(QUEUE_CHANGE_HOLD, "bob@b.test", "", 0), 1);
	assert_int_equal(change(QUEUE_CHANGE_RELEASE, "", "", 0), 1);
	assert_int_equal(change(QUEUE_CHANGE_RELEASE, "carl@b.test", "", 0), 0);
	assert_int_equal(change(QUEUE_CHANGE_RELEASE, "b.test", "", 0), 0);
	assert_int_equal(change(QUEUE_CHANGE_RELEASE, "", "ann@a.test", start + DAY_MS), 0);
	/* held, then let go, it waits for its time as before */
	assert_int_equal(change(QUEUE_CHANGE_HOLD, "", "ann@a.test", 0), 2);
	assert_int_equal(change(QUEUE_CHANGE_RELEASE, "", "", 0), 2);
	assert_int_equal(change(QUEUE_CHANGE_RELEASE, "", "", 0), 0);
	assert_int_equal(change(QUEUE_CHANGE_CANCEL, "nobody@b.test", "", 0), 0);
	queue_change_init(&c);
	qrig_run(&q, &c.op);
	assert_int_equal(c.changed, 1);
	assert_int_equal(change(QUEUE_CHANGE_CANCEL, "carl@b.test", "", 0), 0);
}

static void chosen_by_filters(void **state)
{
	int64_t start = q.rig.now;

	q.world = greylisted;
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_send_one(&q, "", "bob@c.test");
	qrig_live(&q, start + 5 * HOUR_MS);
	qrig_send_one(&q, "Ann@A.test", "carl@b.test");
	assert_int_equal(change(QUEUE_CHANGE_RETRY, "b.test", "", 0), 2);
	assert_int_equal(change(QUEUE_CHANGE_RETRY, "", "a.test", 0), 2);
	assert_int_equal(change(QUEUE_CHANGE_RETRY, "", "ann@a.test", start + HOUR_MS), 1);
	assert_int_equal(change(QUEUE_CHANGE_RETRY, "bob@b.test", "a.test", 0), 1);
	assert_int_equal(change(QUEUE_CHANGE_RETRY, "", "<>", 0), 1);
	assert_int_equal(change(QUEUE_CHANGE_RETRY, "", "", start - 1), 0);
	assert_int_equal(change(QUEUE_CHANGE_RETRY, "nobody@b.test", "", 0), 0);
}

static bool fits(const char *domain, const char *address, const char *sender)
{
	const struct queue_filter f = {.text = str_of_c(domain)};
	const struct queue_row row = {.destination = STR("x.test"), .address = str_of_c(address)};

	return queue_filter_fits(&f, &row, str_of_c(sender));
}

/* Addresses stand as they were written; a filter's domain has A-labels. */
static void a_domain_is_one_in_both_spellings(void **state)
{
	assert_true(fits("xn--bcher-kva.example", "bob@b.test", "ann@bücher.example"));
	assert_true(fits("xn--bcher-kva.example", "bob@BÜCHER.Example", "ann@a.test"));
	assert_true(fits("xn--bcher-kva.example", "bob@XN--bcher-kva.example", "ann@a.test"));
	assert_false(fits("xn--bcher-kva.example", "bob@bücher.test", "ann@a.test"));
	assert_false(fits("xn--bcher-kva.example",
	    "bob@b\xfc"
	    "cher.example",
	    "ann@a.test"));
	assert_true(fits("a.test", "bob@bücher.example", "ann@A.test"));
}

/* Whose names there is room for are named, whether or not they are still there. */
static void changed_by_name(void **state)
{
	struct queue_changed list[3] = {{0}};
	struct queue_change c = {.verb = QUEUE_CHANGE_REMOVE,
	    .filter.recipient = STR("b.test"),
	    .who = STR("root"),
	    .list = list,
	    .room = 2,
	    .arena = arena};
	int64_t first, second;

	q.world = greylisted;
	first = qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_send_one(&q, "ann@a.test", "bob@c.test");
	second = qrig_send_one(&q, "ann@a.test", "carl@b.test");
	qrig_send_one(&q, "ann@a.test", "dora@b.test");
	queue_change_init(&c);
	qrig_run(&q, &c.op);
	assert_int_equal(c.changed, 3);
	assert_int_equal(c.listed, 2);
	assert_int_equal(list[0].message, first);
	assert_true(str_eq(list[0].address, STR("bob@b.test")));
	assert_int_equal(list[1].message, second);
	assert_true(str_eq(list[1].address, STR("carl@b.test")));
	assert_int_equal(list[2].message, 0);
	c.verb = QUEUE_CHANGE_RETRY;
	queue_change_init(&c);
	qrig_run(&q, &c.op);
	assert_int_equal(c.listed, 0);
}

/* The record has the age as it was asked for. */
static void recorded_with_its_age(void **state)
{
	struct queue_change c = {.verb = QUEUE_CHANGE_HOLD,
	    .filter = {.sender = STR("a.test"), .age = STR("4d")},
	    .who = STR("root")};

	q.world = greylisted;
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	c.filter.before = q.rig.now;
	queue_change_init(&c);
	qrig_run(&q, &c.op);
	assert_int_equal(
	    rig_number(&q.rig, "SELECT count(*) FROM admin_log WHERE what ="
			       " 'queue: 1 recipient held: from a.test, waiting for 4d or longer'"),
	    1);
}

/* What is listed goes while it is being listed, with all that was kept for it. */
static void take_away(void *ctx, const struct queue_row *row, const struct queue_message *m)
{
	int *listed = ctx;

	change(QUEUE_CHANGE_REMOVE, "b.test", "", 0);
	rig_maintain(&q.rig, 0, DAY_MS);
	++*listed;
}

static void listed_as_of_one_moment(void **state)
{
	struct queue_filter all = {0};
	struct queue_at at = queue_filter_start(&all);
	struct err e = {""};
	struct db *db = NULL;
	bool more;
	int listed = 0;

	q.world = greylisted;
	qrig_send_one(&q, "ann@a.test", "bob@b.test");
	qrig_send_one(&q, "ann@a.test", "carl@b.test");
	assert_int_equal(db_open("store.db", DB_READER, &db, &e), DB_OK);
	assert_int_equal(
	    queue_list(db, &all, q.rig.now, 10, &at, &more, take_away, &listed), DB_OK);
	assert_int_equal(listed, 2);
	assert_int_equal(qrig_count(&q, "queue"), 0);
	assert_int_equal(qrig_count(&q, "blob"), 0);
	db_close(&db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(released_after_the_clock_was_set_back),
	    T(held_and_released),
	    T(returned_by_hand),
	    T(scheduled_is_not_let_go_with_others),
	    T(chosen_by_filters),
	    T(a_domain_is_one_in_both_spellings),
	    T(changed_by_name),
	    T(recorded_with_its_age),
	    T(listed_as_of_one_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
