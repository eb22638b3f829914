/* The audit: what is taken balances, and whatever is removed by hand is named. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rig.h"

#include "base/clock.h"

static struct rig rig;

static int setup(void **state)
{
	struct deliver *d;

	rig_open(&rig);
	rig_domain(&rig, "a.test");
	rig_account(&rig, "ann@a.test");
	rig_account(&rig, "bob@a.test");
	rig_alias(&rig, "alias@a.test", "bob@a.test");
	for (int i = 0; i < 3; i++) {
		d = rig_message(&rig, "ann@a.test", "text\r\n");
		d->may_relay = true;
		d->wish.priority = 1; /* told in the trace */
		rig_to(d, "bob@a.test");
		rig_to(d, "x@else.test")->action = PLAN_RELAY;
		assert_true(rig_run(&rig, d));
		deliver_free(&d);
		rig.now += DAY_MS;
	}
	return 0;
}

static int teardown(void **state)
{
	rig_close(&rig);
	return 0;
}

static void what_was_taken_balances(void **state)
{
	int64_t faults[LEDGER_FAULTS];
	struct ledger_day total = rig_audit(&rig, faults);

	rig_must_balance(&rig);
	assert_int_equal(total.messages, 3);
	assert_int_equal(total.accepted, 6);
	assert_int_equal(total.in[LEDGER_MAILBOX], 3);
	assert_int_equal(total.in[LEDGER_QUEUED], 3);
}

/* Each row of some kind, removed or changed by hand, is one finding of its kind. */
static void whatever_is_removed_is_named(void **state)
{
	static const struct {
		const char *sql;
		int64_t want[LEDGER_FAULTS];
	} rows[] = {
	    {"DELETE FROM email WHERE id = (SELECT min(id) FROM email)",
		{[LEDGER_NO_EMAIL] = 1, [LEDGER_REFERENCES] = 1}},
	    {"DELETE FROM queue WHERE message = (SELECT max(id) FROM message)",
		{[LEDGER_NO_QUEUE] = 1, [LEDGER_REFERENCES] = 1}},
	    {"UPDATE blob SET refs = refs + 1 WHERE id = (SELECT max(id) FROM message)",
		{[LEDGER_REFERENCES] = 1}},
	    {"UPDATE queue SET token = 4711 WHERE message = (SELECT max(id) FROM message)",
		{[LEDGER_NO_LEASE] = 1}},
	    {"DELETE FROM blob WHERE id = (SELECT min(id) FROM blob)", {[LEDGER_NO_BLOB] = 2}},
	    {"DELETE FROM ledger WHERE message = (SELECT min(id) FROM message) AND recipient = 0",
		{[LEDGER_COUNT] = 1, [LEDGER_REFERENCES] = 1}},
	    {"DELETE FROM message WHERE id = (SELECT min(id) FROM message)",
		{[LEDGER_NO_MESSAGE] = 1, [LEDGER_ROWS + ROWS_MESSAGE] = 1}},
	    {"DELETE FROM message WHERE id = (SELECT max(id) FROM message)",
		{[LEDGER_NO_MESSAGE] = 1, [LEDGER_ROWS + ROWS_MESSAGE] = 1}},
	    {"UPDATE ledger SET state = 1 WHERE state = 4 AND message = (SELECT min(id) FROM message)",
		{[LEDGER_TWO_STATES] = 1}},
	    {"DELETE FROM membership WHERE uid = 2",
		{[LEDGER_MAILBOX_COUNTS] = 1, [LEDGER_ACCOUNT_COUNTS] = 1, [LEDGER_LINKS] = 1}},
	    {"UPDATE account SET used_bytes = used_bytes + 1 WHERE local = 'ann'",
		{[LEDGER_ACCOUNT_COUNTS] = 1, [LEDGER_DOMAIN_COUNTS] = 1}},
	    {"DELETE FROM account WHERE local = 'ann'", {[LEDGER_NO_ACCOUNT] = 1}},
	    {"UPDATE domain SET used_messages = used_messages + 1", {[LEDGER_DOMAIN_COUNTS] = 1}},
	    {"UPDATE mailbox SET messages = 2 WHERE account = 1 AND id = 3",
		{[LEDGER_MAILBOX_COUNTS] = 1}},
	    {"DELETE FROM ledger WHERE message = (SELECT max(id) FROM message);"
	     "DELETE FROM message WHERE id = (SELECT max(id) FROM message)",
		{[LEDGER_GONE] = 1, [LEDGER_ROWS + ROWS_MESSAGE] = 1}},
	    {"DELETE FROM alias", {[LEDGER_ROWS + ROWS_ALIAS] = 1}},
	    {"INSERT INTO alias VALUES ('a.test', 'b', 'b.test', 'b', 0)",
		{[LEDGER_ROWS + ROWS_ALIAS] = 1}},
	    {"DELETE FROM trace WHERE message = (SELECT max(id) FROM message)",
		{[LEDGER_ROWS + ROWS_TRACE] = 1}},
	    {"DELETE FROM trace_index WHERE message = (SELECT max(id) FROM message)",
		{[LEDGER_ROWS + ROWS_TRACE_INDEX] = 1}},
	    {"DELETE FROM admin_log WHERE id = 1", {[LEDGER_ROWS + ROWS_ADMIN_LOG] = 1}},
	    {"DELETE FROM admin_log WHERE id = (SELECT max(id) FROM admin_log)",
		{[LEDGER_ROWS + ROWS_ADMIN_LOG] = 1}},
	    {"DELETE FROM mailbox WHERE account = 1 AND id = 4",
		{[LEDGER_ROWS + ROWS_MAILBOX] = 1}},
	    {"INSERT INTO domain (name, created, used_bytes, used_messages, quota_bytes,"
	     " quota_messages) VALUES ('b.test', 0, 0, 0, 0, 0)",
		{[LEDGER_ROWS + ROWS_DOMAIN] = 1}},
	    {"DELETE FROM change WHERE account = 2 AND modseq = (SELECT max(modseq) FROM change)",
		{[LEDGER_ROWS + ROWS_CHANGE] = 1}},
	};
	int64_t faults[LEDGER_FAULTS];

	rig_maintain(&rig, INT64_MAX / 2, INT64_MAX / 2); /* the trace has its index */
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_int_equal(db_begin(rig.db), DB_OK);
		rig_sql(&rig, rows[i].sql);
		rig_audit(&rig, faults);
		assert_int_equal(db_rollback(rig.db), DB_OK);
		for (int f = 0; f < LEDGER_FAULTS; f++) {
			if (faults[f] != rows[i].want[f])
				fail_msg("%s: %lld times: %s", rows[i].sql, (long long)faults[f],
				    ledger_fault_text(f));
		}
	}
	rig_must_balance(&rig);
}

/* One that had copies nowhere, and was not in the index yet, is missed all the same. */
static void one_that_was_discarded_is_missed(void **state)
{
	struct deliver *d = rig_message(&rig, "", "text\r\n");
	struct plan_item *item = rig_to(d, "bob@a.test");
	int64_t faults[LEDGER_FAULTS];

	item->action = PLAN_DISCARD;
	item->u.reason = STR("nobody wants it");
	assert_true(rig_run(&rig, d));
	deliver_free(&d);
	rig_must_balance(&rig);
	rig_sql(&rig, "DELETE FROM ledger WHERE message = (SELECT max(id) FROM message);"
		      "DELETE FROM message WHERE id = (SELECT max(id) FROM message)");
	rig_audit(&rig, faults);
	for (int f = 0; f < LEDGER_FAULTS; f++)
		assert_int_equal(faults[f], f == LEDGER_ROWS + ROWS_MESSAGE);
}

static void settles_once(void **state)
{
	struct ledger_row row = {.message = rig_number(&rig, "SELECT min(id) FROM message"),
	    .recipient = 1,
	    .state = LEDGER_RELAYED,
	    .detail = STR("mx.else.test"),
	    .time = rig.now};
	bool changed = false;
	int64_t faults[LEDGER_FAULTS];

	assert_int_equal(ledger_settle(rig.db, &row, &changed), DB_OK);
	assert_true(changed);
	rig_sql(&rig, "DELETE FROM queue WHERE message = (SELECT min(id) FROM message);"
		      "UPDATE blob SET refs = refs - 1 WHERE id = (SELECT min(id) FROM message)");
	row.state = LEDGER_BOUNCED;
	assert_int_equal(ledger_settle(rig.db, &row, &changed), DB_OK);
	assert_false(changed);
	assert_int_equal(rig_audit(&rig, faults).in[LEDGER_RELAYED], 1);
	rig_must_balance(&rig);
	assert_int_equal(ledger_add(rig.db, &row), DB_CONSTRAINT);
}

/* One finding of this kind and no other, for the time of the change. */
static void expect_fault(const char *sql, enum ledger_fault fault)
{
	int64_t faults[LEDGER_FAULTS];

	assert_int_equal(db_begin(rig.db), DB_OK);
	rig_sql(&rig, sql);
	rig_audit(&rig, faults);
	assert_int_equal(db_rollback(rig.db), DB_OK);
	for (enum ledger_fault f = 0; f < LEDGER_FAULTS; f++)
		assert_int_equal(faults[f], f == fault);
}

static void put_day(void *ctx, const struct ledger_day *day)
{
	buf_printf(ctx, "%lld:%lld/%lld ", (long long)(day->day / DAY_MS), (long long)day->messages,
	    (long long)day->accepted);
}

/* Folding history does not change the sums, nor what each day says. */
static void days_stay_when_their_rows_go(void **state)
{
	struct buf before, after;
	struct ledger_audit a = {.on_day = put_day, .ctx = &before};

	buf_init(&before, KIB);
	buf_init(&after, KIB);
	rig_sql(&rig, "UPDATE ledger SET state = 1 WHERE state = 4; DELETE FROM queue;"
		      "UPDATE blob SET refs = 1");
	while (!a.complete)
		assert_int_equal(ledger_audit_step(rig.db, &a, 1), DB_OK);
	rig_maintain(&rig, INT64_MAX / 2, 2 * DAY_MS);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM message"), 2);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM ledger"), 4);
	a = (struct ledger_audit){.on_day = put_day, .ctx = &after};
	while (!a.complete)
		assert_int_equal(ledger_audit_step(rig.db, &a, 1), DB_OK);
	assert_string_equal(buf_cstr(&after), buf_cstr(&before));
	assert_int_equal(a.total.in[LEDGER_RELAYED], 3);
	rig_must_balance(&rig);
	expect_fault("DELETE FROM ledger_day", LEDGER_DAYS_LOST);
	expect_fault("UPDATE ledger_day SET relayed = relayed + 1", LEDGER_DAY);
	expect_fault("UPDATE meta SET value = value - 1 WHERE name = 'folded'", LEDGER_DAYS_LOST);
	rig_must_balance(&rig);
	buf_fini(&before);
	buf_fini(&after);
}

struct looked {
	bool gone; /* the packs' files are not there */
	int64_t faults[LEDGER_FAULTS];
};

static bool has_file(void *ctx, int64_t pack)
{
	struct looked *l = ctx;

	l->gone = true;
	return false;
}

static void count(void *ctx, const struct ledger_finding *f)
{
	struct looked *l = ctx;

	l->faults[f->fault]++;
}

/* What is given up while it is looked at is not lost: its rows go before its file. */
static void a_pack_that_goes_meanwhile_is_not_missed(void **state)
{
	struct looked l = {0};
	struct ledger_audit a = {.on_finding = count, .has_file = has_file, .ctx = &l};

	while (!a.complete) {
		assert_int_equal(ledger_audit_step(rig.db, &a, 2), DB_OK);
		if (l.gone) /* by the next step nothing of it is needed any more */
			rig_sql(&rig, "UPDATE blob SET refs = 0");
	}
	assert_true(l.gone);
	assert_int_equal(l.faults[LEDGER_NO_FILE], 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(what_was_taken_balances),
	    T(whatever_is_removed_is_named),
	    T(one_that_was_discarded_is_missed),
	    T(settles_once),
	    T(days_stay_when_their_rows_go),
	    T(a_pack_that_goes_meanwhile_is_not_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
