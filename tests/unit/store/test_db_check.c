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

static int64_t bad, bad_indexes;

static void on_bad(void *ctx, enum db_bad kind, const char *text)
{
	assert_true(strlen(text) > 0);
	assert_null(strstr(text, "(null)"));
	bad++;
	bad_indexes += kind == DB_BAD_INDEX;
}

/* Things found in all parts; a database that cannot be opened is one. */
static int64_t check(void)
{
	struct err e = {""};
	struct db *db = NULL;
	bool more = true;

	bad = bad_indexes = 0;
	if (db_open("store.db", DB_READER, &db, &e) != DB_OK)
		return 1;
	for (size_t i = 0; more; i++)
		assert_int_equal(db_check_part(db, i, on_bad, NULL, &more), DB_OK);
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

static void mend(void)
{
	struct err e = {""};
	struct db *db = NULL;
	bool more = true;

	assert_int_equal(db_open("store.db", DB_WRITER, &db, &e), DB_OK);
	assert_int_equal(db_sort_on_disk(db, true), DB_OK);
	for (size_t i = 1; more; i++) {
		int64_t before = bad;

		assert_int_equal(db_check_part(db, i, on_bad, NULL, &more), DB_OK);
		if (bad == before)
			continue;
		assert_int_equal(db_begin(db), DB_OK);
		assert_int_equal(db_check_mend(db, i), DB_OK);
		assert_int_equal(db_commit(db), DB_OK);
	}
	db_close(&db);
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
	assert_int_equal(bad_indexes, 2);
	mend();
	assert_int_equal(check(), 0);
}

/* A bit of the list of unused pages: of their number, and of one of them. */
static void the_list_of_unused_pages(void **state)
{
	uint8_t page[PAGE], before[PAGE];
	int fd, trunk;

	raw("CREATE TABLE some (text); INSERT INTO some SELECT zeroblob(50000); DROP TABLE some");
	assert_int_equal(check(), 0);
	fd = open("store.db", O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, page, PAGE, 0), PAGE);
	page[39] ^= 1;
	trunk = page[34] << 8 | page[35];
	assert_true(trunk > 2);
	change_page(1, page, before);
	assert_int_equal(check(), 1);
	assert_int_equal(bad_indexes, 0);
	change_page(1, before, page);
	assert_int_equal(pread(fd, page, PAGE, (off_t)(trunk - 1) * PAGE), PAGE);
	close(fd);
	page[11] ^= 8; /* the first one in it */
	change_page(trunk, page, before);
	assert_true(check() > 0);
	change_page(trunk, before, page);
	assert_int_equal(check(), 0);
}

/*
 * Whatever of it reads otherwise than what this program makes; tables beside it, and indexes that refuse nothing, are
 * nobody's concern.
 */
static void a_schema_that_differs(void **state)
{
	static const char *const changes[] = {
	    "UPDATE sqlite_schema SET sql = replace(sql, 'refs = 0', 'refs = 1')"
	    " WHERE name = 'blob_unused'",
	    "UPDATE sqlite_schema SET sql = replace(sql, 'DEFAULT 1', 'DEFAULT 3')"
	    " WHERE name = 'destination'",
	    "DELETE FROM sqlite_schema WHERE name = 'blob_pack'",
	    "CREATE UNIQUE INDEX more ON email (id)",
	    "CREATE TRIGGER more AFTER INSERT ON email BEGIN DELETE FROM blob; END",
	};

	raw("CREATE TABLE beside (a PRIMARY KEY); CREATE INDEX more ON email (thread)");
	assert_int_equal(check(), 0);
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		char sql[300];

		snprintf(sql, sizeof sql, "PRAGMA writable_schema = 1; %s", changes[i]);
		raw(sql);
		if (check() == 0)
			fail_msg("%s: nothing is found", changes[i]);
		teardown(state);
		setup(state);
	}
}

/* SQLite opens no such database; this one is open when it becomes one. */
static void a_row_of_the_schema_without_a_name(void **state)
{
	struct err e = {""};
	struct db *db = NULL;
	int64_t version;
	bool more;

	assert_int_equal(db_open("store.db", DB_READER, &db, &e), DB_OK);
	assert_int_equal(db_version(db, &version), DB_OK);
	bad = 0;
	raw("PRAGMA writable_schema = 1;"
	    "INSERT INTO sqlite_schema VALUES ('trigger', NULL, 'email', 0, 'CREATE TRIGGER')");
	assert_int_equal(db_check_part(db, 0, on_bad, NULL, &more), DB_OK);
	assert_int_equal(bad, 1);
	db_close(&db);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_sound_one),
	    T(each_page),
	    T(an_index_that_differs),
	    T(the_list_of_unused_pages),
	    T(a_schema_that_differs),
	    T(a_row_of_the_schema_without_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
