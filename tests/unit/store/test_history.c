/* Marks of backups: a store has those that it was given, the last of them, and none of another one's. */
#include "rig.h"

#include "store/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct rig rig;

static int setup(void **state)
{
	rig_open(&rig);
	return 0;
}

static int teardown(void **state)
{
	rig_close(&rig);
	return 0;
}

static bool has(int64_t mark)
{
	bool found = false;

	assert_int_equal(history_has(rig.db, mark, &found), DB_OK);
	return found;
}

static int64_t put(bool keep)
{
	int64_t mark = 0;

	assert_int_equal(db_begin(rig.db), DB_OK);
	assert_int_equal(history_put(rig.db, &mark), DB_OK);
	assert_int_equal(keep ? db_commit(rig.db) : db_rollback(rig.db), DB_OK);
	assert_true(mark > 0);
	return mark;
}

static void those_of_its_own(void **state)
{
	int64_t first = put(true), undone = put(false), second = put(true);

	assert_true(has(first) && has(second));
	assert_false(has(undone));
	assert_int_equal(undone % HISTORY_MARKS, second % HISTORY_MARKS);
	for (int bit = 0; bit < 63; bit++)
		assert_false(has(first ^ INT64_C(1) << bit));
}

static void the_last_ones(void **state)
{
	int64_t first = put(true), second = put(true);

	for (int i = 0; i < HISTORY_MARKS - 2; i++)
		put(true);
	assert_true(has(first));
	put(true);
	assert_false(has(first));
	assert_true(has(second));
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM meta WHERE name LIKE 'backup_%'"),
	    HISTORY_MARKS + 1);
}

static void open_copy(int64_t mark, struct db **db_r)
{
	struct db *reader = NULL;
	struct db_copy *copy;
	struct err e = {""};

	assert_int_equal(db_open("store.db", DB_READER, &reader, &e), DB_OK);
	assert_int_equal(db_begin(reader), DB_OK);
	copy = db_copy_begin(reader, "copy", &e);
	assert_non_null(copy);
	while (db_copy_step(copy, 100, &e) == DB_ROW)
		;
	assert_int_equal(history_put_in_copy(copy, mark, &e), DB_OK);
	db_copy_end(&copy);
	assert_int_equal(db_rollback(reader), DB_OK);
	db_close(&reader);
	assert_int_equal(db_open("copy", DB_WRITER, db_r, &e), DB_OK);
}

/* What is put back to a copy has its mark, and keeps that when it gets others. */
static void of_a_copy(void **state)
{
	int64_t before = put(true), mark = put(false), other;
	bool found[3] = {false};
	struct db *db;

	open_copy(mark, &db);
	assert_int_equal(history_put(db, &other), DB_OK);
	assert_int_equal(history_has(db, before, &found[0]), DB_OK);
	assert_int_equal(history_has(db, mark, &found[1]), DB_OK);
	assert_int_equal(history_has(db, other, &found[2]), DB_OK);
	assert_true(found[0] && found[1] && found[2]);
	db_close(&db);
	assert_false(has(mark));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(those_of_its_own, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_last_ones, setup, teardown),
	    cmocka_unit_test_setup_teardown(of_a_copy, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
