/* Rows that are counted: no statement changes their number unnoticed; what is undone is not counted. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rig.h"

#include <string.h>

static struct rig rig;

static int setup(void **state)
{
	rig_open(&rig);
	rig_domain(&rig, "a.test");
	rig_account(&rig, "ann@a.test");
	return 0;
}

static int teardown(void **state)
{
	rig_close(&rig);
	return 0;
}

/* The statement begins with the words and the name of the table. */
static bool is_of(const char *text, const char *words, struct str name)
{
	size_t n = strlen(words);

	return strncmp(text, words, n) == 0 &&
	       strncmp(text + n, (const char *)name.p, name.n) == 0 && text[n + name.n] == ' ';
}

static void each_statement_is_known(void **state)
{
	int64_t known = 0;

	for (enum sql_id id = 0; id < SQL_COUNT; id++) {
		const struct sql_statement *s = sql_statement(id);
		enum rows_table said = ROWS_TABLES;
		int effect = rows_effect(id, &said), want = 0;
		enum rows_table of = ROWS_TABLES;

		for (enum rows_table t = 0; t < ROWS_TABLES; t++) {
			struct str name = str_from(rows_name(t), strlen("rows_"));

			if (is_of(s->sqlite, "INSERT INTO ", name))
				want = 1;
			else if (is_of(s->sqlite, "DELETE FROM ", name))
				want = -1;
			else
				continue;
			of = t;
		}
		if (effect != want || said != of)
			fail_msg("%s changes the number of rows otherwise than store/rows.c says",
			    s->name);
		/* sqlite3_changes() would count an update of a row that is there */
		if (effect > 0 && strstr(s->sqlite, "DO UPDATE"))
			fail_msg("%s inserts or updates", s->name);
		known += effect != 0;
	}
	assert_true(known > 20);
}

static int64_t counted(enum rows_table table)
{
	int64_t value = -1;

	assert_int_equal(
	    db_get_int(rig.db, SQL_META_GET, DB_ARGS(db_text(rows_name(table))), &value), DB_ROW);
	return value;
}

static void must_be_counted(void)
{
	for (enum rows_table t = 0; t < ROWS_TABLES; t++) {
		int64_t there = -1, should = -2;

		assert_int_equal(rows_count(rig.db, t, &there, &should), DB_OK);
		assert_int_equal(should, counted(t));
		if (there != should)
			fail_msg("%s: %lld, should be %lld", rows_text(t), (long long)there,
			    (long long)should);
	}
}

static enum db_code add(const char *local)
{
	return db_exec(rig.db, SQL_ALIAS_ADD,
	    DB_ARGS(db_text(STR("a.test")), db_text(str_of_c(local)), db_text(STR("b.test")),
		db_text(STR("x")), db_int(1)),
	    NULL);
}

static enum db_code drop_all(const char *local)
{
	return db_exec(rig.db, SQL_ALIAS_DELETE_ALL,
	    DB_ARGS(db_text(STR("a.test")), db_text(str_of_c(local))), NULL);
}

static void what_is_undone_is_not_counted(void **state)
{
	assert_int_equal(db_begin(rig.db), DB_OK);
	assert_int_equal(add("one"), DB_OK);
	assert_int_equal(add("one"), DB_OK); /* it is there */
	assert_int_equal(db_savepoint(rig.db), DB_OK);
	assert_int_equal(add("two"), DB_OK);
	assert_int_equal(drop_all("one"), DB_OK);
	assert_int_equal(db_rollback_to(rig.db), DB_OK);
	assert_int_equal(db_savepoint(rig.db), DB_OK);
	assert_int_equal(add("three"), DB_OK);
	assert_int_equal(drop_all("nobody"), DB_OK);
	assert_int_equal(db_release(rig.db), DB_OK);
	assert_int_equal(db_commit(rig.db), DB_OK);
	assert_int_equal(counted(ROWS_ALIAS), 2);
	must_be_counted();

	assert_int_equal(db_begin(rig.db), DB_OK);
	assert_int_equal(add("four"), DB_OK);
	assert_int_equal(db_rollback(rig.db), DB_OK);
	assert_int_equal(db_begin(rig.db), DB_OK);
	assert_int_equal(drop_all("one"), DB_OK);
	assert_int_equal(db_commit(rig.db), DB_OK);
	assert_int_equal(counted(ROWS_ALIAS), 1);
	must_be_counted();
}

/* Of everything that has a number of rows: mail in and out, deletion, history that goes. */
static void a_life_is_counted(void **state)
{
	int64_t ann = rig_account(&rig, "bob@a.test");
	struct deliver *d = rig_message(&rig, "ann@a.test", "Message-ID: <1@x>\r\n\r\ntext\r\n");
	struct mailbox_snapshot s;

	rig_alias(&rig, "x@a.test", "bob@a.test");
	d->may_relay = true;
	d->wish.priority = 3;
	rig_to(d, "x@a.test");
	rig_to(d, "x@else.test")->action = PLAN_RELAY;
	assert_true(rig_run(&rig, d));
	deliver_free(&d);
	must_be_counted();
	assert_int_equal(counted(ROWS_MESSAGE), 1);
	assert_int_equal(counted(ROWS_TRACE), 1);
	rig_maintain(&rig, 14 * DAY_MS, 90 * DAY_MS);
	must_be_counted();
	assert_true(counted(ROWS_TRACE_INDEX) >= 3);
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	assert_int_equal(rig_expunge(&rig, &s, 1, 1), 1);
	mailbox_snapshot_fini(&s);
	must_be_counted();
	assert_true(counted(ROWS_CHANGE) >= 2);
	rig_sql(&rig, "DELETE FROM queue; UPDATE ledger SET state = 1 WHERE state = 4;"
		      "UPDATE blob SET refs = refs - 1");
	assert_string_equal(rig_change(&rig, DIRECTORY_ALIAS_REMOVE, "x@a.test", NULL), "");
	assert_string_equal(rig_change(&rig, DIRECTORY_ACCOUNT_REMOVE, "bob@a.test", NULL), "");
	rig.now += 100 * DAY_MS;
	rig_maintain(&rig, 14 * DAY_MS, 90 * DAY_MS);
	must_be_counted();
	assert_int_equal(counted(ROWS_MESSAGE) + counted(ROWS_TRACE) + counted(ROWS_TRACE_INDEX) +
			     counted(ROWS_ALIAS) + counted(ROWS_ADMIN_LOG),
	    0);
	rig_must_balance(&rig);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(each_statement_is_known),
	    T(what_is_undone_is_not_counted),
	    T(a_life_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
