/*
 * What version 1 wrote is brought up to date, once, with a copy kept; and the schema of a fresh database
 * is what the migrations make of it: so neither changes without the other.
 */
#include "scratch.h"

#include "base/buf.h"
#include "base/limits.h"
#include "store/db_look.h"
#include "store/migrate.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct buf fixture; /* SQL of a database of version 1 */
static struct err e;

static int setup(void **state)
{
	sqlite3 *raw = NULL;

	e = (struct err){""};
	scratch_enter();
	assert_int_equal(sqlite3_open("store.db", &raw), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(
		raw, "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL", NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_exec(raw, buf_cstr(&fixture), NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(raw);
	return 0;
}

static int teardown(void **state)
{
	scratch_leave();
	return 0;
}

/* The one integer, of any database file. */
static int64_t number(const char *file, const char *sql)
{
	sqlite3 *raw = NULL;
	sqlite3_stmt *stmt = NULL;
	int64_t n;

	assert_int_equal(sqlite3_open(file, &raw), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(raw, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(raw);
	return n;
}

static enum db_code run(const struct migrations *all, int version)
{
	struct db *db = NULL;
	enum db_code code;

	assert_int_equal(db_open("store.db", DB_WRITER, &db, &e), DB_OK);
	code = migrate(db, "store.db", all, version, &e);
	assert_false(db_in_transaction(db));
	db_close(&db);
	return code;
}

static const struct sql_object to_2[] = {
    {"CREATE TABLE extra (id bigint NOT NULL PRIMARY KEY)", true},
    {"INSERT INTO extra SELECT id FROM email", false},
};
static const struct sql_object to_3[] = {
    {"ALTER TABLE extra ADD COLUMN more bigint NOT NULL DEFAULT 7", false},
};
static const struct migration steps[] = {{2, to_2, 2}, {3, to_3, 1}};
static const struct migrations good = {steps, 2};

static void goes_up_in_one_step(void **state)
{
	int64_t emails = number("store.db", "SELECT count(*) FROM email");

	assert_true(emails > 0);
	assert_int_equal(run(&good, 3), DB_OK);
	assert_int_equal(number("store.db", "PRAGMA user_version"), 3);
	assert_int_equal(number("store.db", "SELECT sum(more) FROM extra"), 7 * emails);
	assert_int_equal(number("store.db" MIGRATE_KEPT "1", "PRAGMA user_version"), 1);
	assert_int_equal(number("store.db" MIGRATE_KEPT "1", "SELECT count(*) FROM email"), emails);
}

static void nothing_to_do(void **state)
{
	assert_int_equal(run(&good, 1), DB_OK);
	assert_int_not_equal(access("store.db" MIGRATE_KEPT "1", F_OK), 0);
}

static void one_that_fails_changes_nothing(void **state)
{
	static const struct sql_object bad[] = {{"ALTER TABLE extra ADD COLUMN id bigint", false}};
	static const struct migration with_bad[] = {{2, to_2, 2}, {3, bad, 1}};
	static const struct migrations all = {with_bad, 2};

	assert_int_equal(run(&all, 3), DB_ERROR);
	assert_non_null(strstr(e.text, "from version 1 to 3"));
	assert_non_null(strstr(e.text, "it is as it was"));
	assert_int_equal(number("store.db", "PRAGMA user_version"), 1);
	assert_int_equal(
	    number("store.db", "SELECT count(*) FROM sqlite_schema WHERE name = 'extra'"), 0);
	assert_int_equal(run(&good, 3), DB_OK); /* the copy of the attempt is replaced */
}

static void without_a_copy_nothing_is_changed(void **state)
{
	assert_int_equal(mkdir("store.db" MIGRATE_KEPT "1", 0700), 0);
	assert_int_not_equal(run(&good, 3), DB_OK);
	assert_non_null(strstr(e.text, "cannot be copied before"));
	assert_int_equal(number("store.db", "PRAGMA user_version"), 1);
}

static void before_version_1(void **state)
{
	struct db *db = NULL;

	assert_int_equal(db_open("store.db", DB_WRITER, &db, &e), DB_OK);
	assert_int_equal(db_script(db, "CREATE TABLE before (x bigint)"), DB_OK);
	assert_int_equal(db_set_version(db, 0), DB_OK);
	db_close(&db);
	assert_int_equal(run(&good, 1), DB_ERROR);
	assert_non_null(strstr(e.text, "export its mail"));
}

/* Which one is there its tables tell too, for its number may be damaged. */
static void each_version_is_known_by_its_tables(void **state)
{
	sqlite3 *raw = NULL;

	assert_int_equal(db_look_open("store.db", &raw), SQLITE_OK);
	assert_int_equal(db_look_version(raw), 1);
	sqlite3_close(raw);
	assert_int_equal(run(migrations(), sql_schema()->version), DB_OK);
	assert_int_equal(db_look_open("store.db", &raw), SQLITE_OK);
	assert_int_equal(db_look_version(raw), sql_schema()->version);
	sqlite3_close(raw);
	assert_int_equal(sqlite3_open("store.db", &raw), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(raw, "ALTER TABLE domain ADD COLUMN more integer", NULL, NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(db_look_version(raw), 0);
	sqlite3_close(raw);
}

/* ---- the schema ---- */

static void put_schema(struct buf *b, const char *file)
{
	sqlite3 *raw = NULL;
	sqlite3_stmt *stmt = NULL;

	assert_int_equal(sqlite3_open(file, &raw), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(raw,
		"SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name", -1,
		&stmt, NULL),
	    SQLITE_OK);
	while (sqlite3_step(stmt) == SQLITE_ROW)
		buf_printf(b, "%s;\n", (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	sqlite3_close(raw);
}

static void is_what_a_fresh_one_has(void **state)
{
	struct buf fresh, old;
	struct db *db;

	buf_init(&fresh, MIB);
	buf_init(&old, MIB);
	assert_int_equal(run(migrations(), sql_schema()->version), DB_OK);
	put_schema(&old, "store.db");
	assert_int_equal(rename("store.db", "old.db"), 0);
	db = scratch_db();
	db_close(&db);
	put_schema(&fresh, "store.db");
	if (!str_eq(buf_view(&fresh), buf_view(&old)))
		fail_msg("the schema changed: number it and add its migration (store/migrate.c); "
			 "what a database of version 1 becomes is\n%s\na fresh one is\n%s",
		    buf_cstr(&old), buf_cstr(&fresh));
	buf_fini(&fresh);
	buf_fini(&old);
}

/* ---- names, of which version 1 knew the case of ASCII letters alone ---- */

#define DECOMPOSED "'jo\u0308rg'"
#define CAPITAL    "'J\u00d6rg'"
#define FORM       "'j\u00f6rg'"

static void by_hand(const char *sql)
{
	sqlite3 *raw = NULL;

	assert_int_equal(sqlite3_open("store.db", &raw), SQLITE_OK);
	assert_int_equal(sqlite3_exec(raw, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(raw);
}

static void names_get_their_form(void **state)
{
	by_hand("UPDATE account SET local = " DECOMPOSED " WHERE local = 'bob';"
		"INSERT INTO alias VALUES ('example.test', " DECOMPOSED ", 'else.test', 'x', 1),"
		" ('example.test', 'two', 'example.test', " DECOMPOSED ", 1),"
		" ('example.test', 'two', 'example.test', " CAPITAL ", 1),"
		" ('example.test', 'out', 'else.test', " CAPITAL ", 1)");
	assert_int_equal(run(migrations(), sql_schema()->version), DB_OK);
	assert_int_equal(number("store.db", "SELECT count(*) FROM account WHERE local = " FORM), 1);
	assert_int_equal(number("store.db", "SELECT count(*) FROM alias WHERE local = " FORM), 1);
	assert_int_equal(number("store.db", "SELECT count(*) FROM alias WHERE local = 'two'"
					    " AND target_local = " FORM),
	    1);
	assert_int_equal(number("store.db", "SELECT count(*) FROM alias WHERE local = 'two'"), 1);
	assert_int_equal(
	    number("store.db", "SELECT count(*) FROM alias WHERE target_local = " CAPITAL), 1);
	assert_int_equal(number("store.db", "SELECT value FROM meta WHERE name = 'rows_alias'"),
	    number("store.db", "SELECT count(*) FROM alias"));
}

/* Whose mail that would be is not for a program to say. */
static void two_that_would_be_one_stay(void **state)
{
	by_hand("UPDATE account SET local = " DECOMPOSED " WHERE local = 'bob';"
		"INSERT INTO alias VALUES ('example.test', " FORM ", 'else.test', 'x', 1)");
	assert_int_equal(run(migrations(), sql_schema()->version), DB_CONSTRAINT);
	assert_non_null(
	    strstr(e.text, "jo\u0308rg@example.test and j\u00f6rg@example.test are one name now"));
	assert_non_null(strstr(e.text, "remove such a name with the program it was written by"));
	assert_int_equal(number("store.db", "PRAGMA user_version"), 1);
}

#define QA   "\u0958" /* 3 octets, in its form 6 */
#define QA_3 QA QA QA
#define QA_9 QA_3 QA_3 QA_3

/* Nobody could name it any more: no path is that long. */
static void a_name_that_becomes_too_long_stays(void **state)
{
	by_hand("UPDATE account SET local = '" QA_9 QA "' WHERE local = 'bob'");
	assert_int_equal(run(migrations(), sql_schema()->version), DB_OK);
	teardown(state);
	setup(state);
	by_hand("UPDATE account SET local = '" QA_9 QA QA "' WHERE local = 'bob'");
	assert_int_equal(run(migrations(), sql_schema()->version), DB_CONSTRAINT);
	assert_non_null(
	    strstr(e.text, QA "@example.test would be longer than 64 octets, in the form"));
	assert_non_null(strstr(e.text, "remove such a name with the program it was written by"));
	assert_int_equal(number("store.db", "PRAGMA user_version"), 1);
}

/* One that leads there led to nobody before, and does so still. */
static void a_target_that_becomes_too_long_stays(void **state)
{
	by_hand(
	    "INSERT INTO alias VALUES ('example.test', 'x', 'example.test', '" QA_9 QA QA "', 1)");
	assert_int_equal(run(migrations(), sql_schema()->version), DB_OK);
	assert_int_equal(
	    number("store.db", "SELECT count(*) FROM alias WHERE target_local = '" QA_9 QA QA "'"),
	    1);
}

/* ---- mailboxes that a repair made, which in version 1 had not the moment of their making ---- */

/* How many rows a rule finds. */
static int64_t rule_finds(enum sql_id rule)
{
	struct db *db = NULL;
	struct db_query *q;
	int64_t n = 0;

	assert_int_equal(db_open("store.db", DB_READER, &db, &e), DB_OK);
	for (q = db_begin_query(db, rule, DB_NO_ARGS); db_step(q) == DB_ROW;)
		n++;
	assert_int_equal(db_end(q), DB_OK);
	db_close(&db);
	return n;
}

/* Clients know their uidvalidity, which stays. */
static void what_a_repair_made_is_no_damage(void **state)
{
	by_hand("UPDATE mailbox SET uidvalidity = 1895878979 WHERE account = 1 AND id = 1;"
		"UPDATE mailbox SET uidvalidity = 1895878979, name = 'Recovered 3', role = 0,"
		" created = 1795878979500 WHERE account = 2 AND id = 3");
	assert_int_equal(run(migrations(), sql_schema()->version), DB_OK);
	assert_int_equal(rule_finds(SQL_VERIFY_MAILBOX_VALIDITY), 0);
	assert_int_equal(rule_finds(SQL_VERIFY_MAILBOX_ROLE), 0);
	assert_int_equal(
	    number("store.db", "SELECT count(*) FROM mailbox WHERE uidvalidity = 1895878979"), 2);
	assert_int_equal(
	    number("store.db", "SELECT count(*) FROM mailbox WHERE uidvalidity = 1795878979"
			       " AND created % 1000 <> 0"),
	    10);
}

/* No repair gives a uidvalidity of before the mailbox was made, or one that no client reads. */
static void what_no_repair_made_is_damage_still(void **state)
{
	by_hand("UPDATE mailbox SET uidvalidity = 1795878978 WHERE account = 1 AND id = 2;"
		"UPDATE mailbox SET uidvalidity = 4294967296 WHERE account = 1 AND id = 3");
	assert_int_equal(run(migrations(), sql_schema()->version), DB_OK);
	assert_int_equal(rule_finds(SQL_VERIFY_MAILBOX_VALIDITY), 2);
}

static void read_fixture(const char *path)
{
	uint8_t bytes[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	buf_init(&fixture, MIB);
	while (fd >= 0 && (n = read(fd, bytes, sizeof bytes)) > 0)
		buf_str(&fixture, str_of(bytes, (size_t)n));
	close(fd);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    T(goes_up_in_one_step),
	    T(nothing_to_do),
	    T(one_that_fails_changes_nothing),
	    T(without_a_copy_nothing_is_changed),
	    T(before_version_1),
	    T(each_version_is_known_by_its_tables),
	    T(is_what_a_fresh_one_has),
	    T(names_get_their_form),
	    T(two_that_would_be_one_stay),
	    T(a_name_that_becomes_too_long_stays),
	    T(a_target_that_becomes_too_long_stays),
	    T(what_a_repair_made_is_no_damage),
	    T(what_no_repair_made_is_damage_still),
	};
	int failed;

	if (argc != 2)
		return 2;
	read_fixture(argv[1]);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	buf_fini(&fixture);
	return failed;
}
