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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(those_of_its_own, setup, teardown),
	    cmocka_unit_test_setup_teardown(the_last_ones, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
