/* The database's own check: whatever page is damaged, it is told, and a sound one is sound. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "scratch.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/db_check.h"

#define PAGE 4096

static int64_t bad;

static void on_bad(void *ctx, const char *text)
{
	assert_true(strlen(text) > 0);
	bad++;
}

/* Things found in all tables; a database that cannot be opened is one. */
static int64_t check(void)
{
	struct err e = {""};
	struct db *db = NULL;
	bool more = true;

	bad = 0;
	if (db_open("store.db", DB_READER, &db, &e) != DB_OK)
		return 1;
	for (size_t i = 0; more; i++)
		assert_int_equal(db_check_table(db, i, on_bad, NULL, &more), DB_OK);
	db_close(&db);
	return bad;
}

static int setup(void **state)
{
	struct db *db;
	bool all;

	scratch_enter();
	db = scratch_db();
	assert_int_equal(
	    db_script(db,
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
		" WHERE i < 400) INSERT INTO email SELECT 1, i, i, x'', 0, 0, 100, '', 1, 1,"
		" zeroblob(100), 0 FROM n;"
		"INSERT INTO blob SELECT id, 1, id, 100, 1 FROM email;"
		"INSERT INTO change SELECT 1, id, 1, id, 1 FROM email;"),
	    DB_OK);
	assert_int_equal(db_checkpoint(db, &all), DB_OK);
	db_close(&db);
	return 0;
}

static int teardown(void **state)
{
	scratch_leave();
	return 0;
}

static void a_sound_one(void **state)
{
	assert_int_equal(check(), 0);
}

static int count_pages(void)
{
	int fd = open("store.db", O_RDONLY | O_CLOEXEC);
	off_t size = lseek(fd, 0, SEEK_END);

	close(fd);
	return (int)(size / PAGE);
}

static void change_page(int page, uint8_t with[PAGE], uint8_t before[PAGE])
{
	int fd = open("store.db", O_RDWR | O_CLOEXEC);

	assert_int_equal(pread(fd, before, PAGE, (off_t)(page - 1) * PAGE), PAGE);
	assert_int_equal(pwrite(fd, with, PAGE, (off_t)(page - 1) * PAGE), PAGE);
	close(fd);
}

/* Page 2 maps pages to their parents; it is looked at when pages move, not by this check. */
static void each_page(void **state)
{
	uint8_t garbage[PAGE], before[PAGE];
	int pages = count_pages();

	memset(garbage, 0xa5, sizeof garbage);
	assert_true(pages > 30);
	for (int page = 1; page <= pages; page++) {
		if (page == 2)
			continue;
		change_page(page, garbage, before);
		if (check() == 0)
			fail_msg("page %d of %d", page, pages);
		change_page(page, before, garbage);
		memset(garbage, 0xa5, sizeof garbage);
	}
	assert_int_equal(check(), 0);
}

static void raw(const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open("store.db", &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* Each page is sound; a row that an index does not have, and then an entry without a row. */
static void an_index_that_differs(void **state)
{
	raw("PRAGMA writable_schema = 1; CREATE TABLE kept AS SELECT rowid AS id, * FROM sqlite_schema"
	    " WHERE name = 'blob_pack'; DELETE FROM sqlite_schema WHERE name = 'blob_pack'");
	raw("INSERT INTO blob VALUES (4711, 1, 4711, 1, 1)");
	raw("PRAGMA writable_schema = 1; INSERT INTO sqlite_schema SELECT type, name, tbl_name, rootpage,"
	    " sql FROM kept; DROP TABLE kept");
	assert_int_equal(check(), 2); /* the row, and that their numbers differ */
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_sound_one),
	    T(each_page),
	    T(an_index_that_differs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
