/* The rows of a database taken over into a new one, however many there are. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "damage.h"

#include "base/mem.h"
#include "scratch.h"
#include "store/salvage_rows.h"

static struct rig rig;

static int setup(void **state)
{
	rig_open(&rig);
	rig_domain(&rig, "a.test");
	(void)rig_account(&rig, "ann@a.test");
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "text\r\n", NULL));
	return 0;
}

static int teardown(void **state)
{
	rig_close(&rig);
	return 0;
}

/* The rig's database becomes old.db, and what can be read of it the rig's new one. */
static void take_over(struct salvage_rows *r)
{
	rig_pause(&rig);
	assert_int_equal(rename("store.db", "old.db"), 0);
	*r = (struct salvage_rows){0};
	assert_true(salvage_rows_open(r, "old.db"));
	rig.db = scratch_db();
	if (salvage_rows_copy(r, rig.db) != DB_OK)
		fail_msg("%s", r->err.text);
	db_close(&rig.db);
	salvage_rows_close(r);
	rig_resume(&rig);
}

/* Several commits of them, each with a checkpoint. */
static void more_rows_than_a_commit_has(void **state)
{
	struct salvage_rows r;
	int64_t changes;

	flip_change(&rig,
	    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)"
	    " INSERT INTO change (account, modseq, type, id, op)"
	    " SELECT 1, 1000 + i, 1, i, 2 FROM n");
	changes = rig_number(&rig, "SELECT count(*) FROM change");
	assert_true(changes > 50000);
	take_over(&r);
	assert_int_equal(r.tables, 0);
	assert_true(r.rows > changes);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM change"), changes);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM email"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(more_rows_than_a_commit_has, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
