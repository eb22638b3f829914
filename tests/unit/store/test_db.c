/* The database behind its interface: identity, values, classes of failure, log and readers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fault.h"
#include "scratch.h"
#include "store/db.h"

#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct db *writer;

static void must_open(enum db_role role, struct db **db)
{
	struct err e = {""};

	if (db_open("store.db", role, db, &e) != DB_OK)
		fail_msg("%s", e.text);
}

static int setup(void **state)
{
	scratch_enter();
	writer = scratch_db();
	return 0;
}

static int teardown(void **state)
{
	db_close(&writer);
	scratch_leave();
	return 0;
}

static enum db_code add(struct db *db, struct db_value name, struct db_value created)
{
	return db_exec(db, SQL_DOMAIN_ADD, DB_ARGS(name, created, db_int(0)), NULL);
}

/* In a transaction of its own when there is none. */
static enum db_code add_row(struct db *db, struct db_value name, struct db_value created)
{
	enum db_code code;

	if (db_in_transaction(db))
		return add(db, name, created);
	code = db_begin(db);
	if (code == DB_OK)
		code = add(db, name, created);
	if (code == DB_OK)
		code = db_commit(db);
	assert_int_equal(db_rollback(db), DB_OK);
	return code;
}

static enum db_code add_domain(struct db *db, const char *name, int64_t created)
{
	return add_row(db, db_text(str_of_c(name)), db_int(created));
}

/* DB_ROW with *created_r, or DB_OK when there is none. */
static enum db_code get_domain(struct db *db, const char *name, int64_t *created_r)
{
	return db_get_int(db, SQL_DOMAIN_GET, DB_ARGS(db_text(str_of_c(name))), created_r);
}

static void test_every_statement_prepares(void **state)
{
	if (db_prepare_all(writer) != DB_OK)
		fail_msg("%s", db_error(writer));
}

static void test_settings(void **state)
{
	static const struct {
		const char *pragma;
		const char *value;
	} want[] = {
	    {"PRAGMA journal_mode", "wal"},
	    {"PRAGMA auto_vacuum", "2"},
	    {"PRAGMA page_size", "4096"},
	    {"PRAGMA application_id", "1196902740"},
	};
	sqlite3 *raw;

	assert_int_equal(sqlite3_open("store.db", &raw), SQLITE_OK);
	for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
		sqlite3_stmt *s;

		assert_int_equal(sqlite3_prepare_v2(raw, want[i].pragma, -1, &s, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_step(s), SQLITE_ROW);
		assert_string_equal((const char *)sqlite3_column_text(s, 0), want[i].value);
		sqlite3_finalize(s);
	}
	sqlite3_close(raw);
}

/* Nobody else may read mail, in the database or its log. */
static void test_files_are_private(void **state)
{
	static const char *const names[] = {"store.db", "store.db-wal", "store.db-shm"};
	struct stat st;

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(stat(names[i], &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
}

static void test_values(void **state)
{
	int64_t created = 5, pack = 0;
	uint8_t bytes[] = {'a', 0, 'b', 255};
	struct db_query *q;

	assert_int_equal(get_domain(writer, "x.test", &created), DB_OK);
	assert_int_equal(created, 5);
	assert_int_equal(add_domain(writer, "x.test", INT64_MIN), DB_OK);
	assert_int_equal(get_domain(writer, "x.test", &created), DB_ROW);
	assert_true(created == INT64_MIN);
	/* the empty text is no NULL */
	assert_int_equal(add_domain(writer, "", 1), DB_OK);
	assert_int_equal(get_domain(writer, "", &created), DB_ROW);
	/* octets pass unchanged */
	assert_int_equal(db_exec(writer, SQL_PACK_PUT,
			     DB_ARGS(db_int(1), db_int(2), db_int(0), db_int(3), db_int(4)), NULL),
	    DB_OK);
	q = db_begin_query(writer, SQL_PACK_LIST, DB_NO_ARGS);
	assert_int_equal(db_step(q), DB_ROW);
	assert_int_equal(db_col_int(q, 0), 1);
	assert_int_equal(db_col_int(q, 1), 2);
	assert_false(db_col_is_null(q, 1));
	assert_int_equal(db_col_int(q, 3), 3);
	assert_int_equal(db_step(q), DB_OK);
	assert_int_equal(db_step(q), DB_OK); /* and does not begin anew */
	assert_int_equal(db_end(q), DB_OK);
	assert_int_equal(db_get_int(writer, SQL_PACK_LIST, DB_NO_ARGS, &pack), DB_ROW);
	assert_int_equal(pack, 1);
	assert_int_equal(add_row(writer, db_text(str_of(bytes, sizeof bytes)), db_int(1)), DB_OK);
	assert_int_equal(db_get_int(writer, SQL_DOMAIN_GET,
			     DB_ARGS(db_text(str_of(bytes, sizeof bytes))), &created),
	    DB_ROW);
}

/* $2 stands before $1 in some statements: SQLite would number it first. */
static void test_parameters_by_name(void **state)
{
	int64_t changes = 0, value = 0;

	assert_int_equal(
	    db_script(writer, "INSERT INTO account SELECT 1,'d','l',0,0,0,0,0,0,0,0,0,''"), DB_OK);
	assert_int_equal(
	    db_exec(writer, SQL_ACCOUNT_SET_STATE, DB_ARGS(db_int(1), db_int(7)), &changes), DB_OK);
	assert_int_equal(changes, 1);
	assert_int_equal(
	    db_get_int(writer, SQL_ACCOUNT_NEXT_MODSEQ, DB_ARGS(db_int(1)), &value), DB_ROW);
	assert_int_equal(value, 1);
	assert_int_equal(
	    db_get_int(writer, SQL_ACCOUNT_NEXT_MODSEQ, DB_ARGS(db_int(1)), &value), DB_ROW);
	assert_int_equal(value, 2);
}

static void test_constraint(void **state)
{
	assert_int_equal(add_domain(writer, "x.test", 1), DB_OK);
	assert_int_equal(add_domain(writer, "x.test", 2), DB_CONSTRAINT);
	assert_int_equal(db_error_code(writer), DB_CONSTRAINT);
	assert_non_null(strstr(db_error(writer), "DOMAIN_ADD"));
	/* a wrong type: the tables are strict */
	assert_int_equal(
	    add_row(writer, db_text(STR("y.test")), db_text(STR("soon"))), DB_CONSTRAINT);
}

static void test_savepoint(void **state)
{
	int64_t v;

	assert_int_equal(db_begin(writer), DB_OK);
	assert_true(db_in_transaction(writer));
	assert_int_equal(db_savepoint(writer), DB_OK);
	assert_int_equal(add_domain(writer, "kept.test", 1), DB_OK);
	assert_int_equal(db_release(writer), DB_OK);
	assert_int_equal(db_savepoint(writer), DB_OK);
	assert_int_equal(add_domain(writer, "undone.test", 1), DB_OK);
	assert_int_equal(db_rollback_to(writer), DB_OK);
	assert_int_equal(db_commit(writer), DB_OK);
	assert_false(db_in_transaction(writer));
	assert_int_equal(get_domain(writer, "kept.test", &v), DB_ROW);
	assert_int_equal(get_domain(writer, "undone.test", &v), DB_OK);
	assert_int_equal(db_rollback(writer), DB_OK); /* nothing to do is no failure */
}

static void test_reader_sees_one_state(void **state)
{
	struct db *reader = NULL;
	int64_t v;

	must_open(DB_READER, &reader);
	assert_int_equal(db_begin(reader), DB_OK);
	assert_int_equal(get_domain(reader, "x.test", &v), DB_OK);
	assert_int_equal(add_domain(writer, "x.test", 1), DB_OK);
	assert_int_equal(get_domain(reader, "x.test", &v), DB_OK);
	assert_int_equal(db_rollback(reader), DB_OK);
	assert_int_equal(get_domain(reader, "x.test", &v), DB_ROW);
	assert_int_not_equal(add_domain(reader, "y.test", 1), DB_OK);
	db_close(&reader);
}

static int64_t file_size(const char *name)
{
	int64_t n = -1;
	FILE *f = fopen(name, "rb");

	if (f && fseek(f, 0, SEEK_END) == 0)
		n = ftell(f);
	if (f)
		fclose(f);
	return n;
}

static void test_checkpoint(void **state)
{
	struct db *reader = NULL;
	bool all = false;
	int64_t before;

	assert_int_equal(add_domain(writer, "x.test", 1), DB_OK);
	assert_true(db_wal_bytes(writer) > 0);
	must_open(DB_READER, &reader);
	before = file_size("store.db");
	/* a reader that closes copies nothing */
	db_close(&reader);
	assert_int_equal(file_size("store.db"), before);
	assert_int_equal(db_checkpoint(writer, &all), DB_OK);
	assert_true(all);
	assert_int_equal(db_wal_bytes(writer), 0);
	assert_true(file_size("store.db") > before);
	/* the last one out copies the rest and removes the log */
	assert_int_equal(add_domain(writer, "y.test", 1), DB_OK);
	db_close(&writer);
	assert_int_equal(file_size("store.db-wal"), -1);
	must_open(DB_WRITER, &writer);
}

static void test_checkpoint_waits_for_nobody(void **state)
{
	struct db *reader = NULL;
	bool all = true;
	int64_t v;

	assert_int_equal(add_domain(writer, "x.test", 1), DB_OK);
	must_open(DB_READER, &reader);
	assert_int_equal(db_begin(reader), DB_OK);
	assert_int_equal(get_domain(reader, "x.test", &v), DB_ROW);
	assert_int_equal(add_domain(writer, "y.test", 1), DB_OK);
	assert_int_equal(db_checkpoint(writer, &all), DB_OK);
	assert_false(all);
	assert_true(db_wal_bytes(writer) > 0);
	assert_int_equal(db_rollback(reader), DB_OK);
	assert_int_equal(db_checkpoint(writer, &all), DB_OK);
	assert_true(all);
	db_close(&reader);
}

static void test_distrusted_writer_leaves_the_log(void **state)
{
	int64_t v;

	assert_int_equal(add_domain(writer, "x.test", 1), DB_OK);
	db_distrust(writer);
	db_close(&writer);
	assert_true(file_size("store.db-wal") > 0);
	must_open(DB_WRITER, &writer);
	assert_int_equal(get_domain(writer, "x.test", &v), DB_ROW);
}

static void test_full(void **state)
{
	enum db_code code = DB_OK;
	char name[512];

	assert_int_equal(db_script(writer, "PRAGMA max_page_count = 1"), DB_OK);
	memset(name, 'x', sizeof name);
	for (int i = 0; code == DB_OK && i < 4096; i++) {
		snprintf(name, 32, "%d", i);
		name[strlen(name)] = 'x';
		code = add_row(writer, db_text(str_of(name, sizeof name)), db_int(1));
	}
	assert_int_equal(code, DB_FULL);
	assert_string_equal(db_code_name(code), "DB_FULL");
}

/* The index of the log cannot grow: SQLite has a word for it that says nothing. */
static void test_no_room_for_the_index(void **state)
{
	struct err e = {""};
	struct fault f;

	db_close(&writer);
	fault_init(&f);
	fault_set(&f, FAULT_DB_SHM, 1, true, true);
	assert_int_equal(db_open("store.db", DB_WRITER, &writer, &e), DB_FULL);
	assert_true(f.fired > 0);
	fault_fini(&f);
	assert_non_null(strstr(e.text, "make room on the disk"));
	must_open(DB_WRITER, &writer);
}

static void test_io_failures(void **state)
{
	static const struct {
		enum fault_kind kind;
		bool full;
		int error;
		enum db_code want;
		const char *cure;
	} cases[] = {
	    {FAULT_DB_WRITE, false, EIO, DB_IO, "the disk may be failing"},
	    {FAULT_DB_WRITE, true, ENOSPC, DB_FULL, "make room on the disk"},
	    {FAULT_DB_WRITE, false, EDQUOT, DB_FULL, "raise the quota"},
	    {FAULT_DB_SYNC, false, EIO, DB_IO, "the disk may be failing"},
	    {FAULT_DB_SYNC, false, ENOSPC, DB_IO, "make room on the disk"},
	};
	struct fault f;
	int64_t v;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		fault_init(&f);
		fault_set(&f, cases[i].kind, 1, false, cases[i].full);
		f.error = cases[i].error;
		assert_int_equal(add_domain(writer, "x.test", 1), cases[i].want);
		assert_non_null(strstr(db_error(writer), cases[i].cure));
		assert_int_equal(f.fired, 1);
		fault_fini(&f);
		assert_false(db_in_transaction(writer));
		assert_int_equal(get_domain(writer, "x.test", &v), DB_OK);
	}
	assert_int_equal(add_domain(writer, "x.test", 1), DB_OK);
}

/* No file grows beyond it from now on; the limit before. */
static rlim_t limit_files(rlim_t size)
{
	struct rlimit limit;
	rlim_t before;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	before = limit.rlim_cur;
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	return before;
}

/* The system's words belong to the failure that they are told with, not to one before it. */
static void test_reason_of_a_failure(void **state)
{
	struct fault f;
	rlim_t before;

	assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	before = limit_files(1);
	assert_int_equal(add_domain(writer, "x.test", 1), DB_IO);
	limit_files(before);
	assert_non_null(strstr(db_error(writer), "File too large"));
	fault_init(&f);
	fault_set(&f, FAULT_DB_WRITE, 1, false, false);
	assert_int_equal(add_domain(writer, "x.test", 1), DB_IO);
	fault_fini(&f);
	assert_null(strstr(db_error(writer), "File too large"));
}

static void test_identity(void **state)
{
	struct db *db = NULL;
	struct stat before, after;
	struct err e;
	sqlite3 *raw;

	assert_int_equal(sqlite3_open("other.db", &raw), SQLITE_OK);
	assert_int_equal(sqlite3_exec(raw, "CREATE TABLE t (x)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(raw);
	stat("other.db", &before);
	assert_int_equal(db_open("other.db", DB_WRITER, &db, &e), DB_CORRUPT);
	assert_non_null(strstr(e.text, "another program"));
	assert_null(db);
	stat("other.db", &after);
	assert_memory_equal(&before.st_mtim, &after.st_mtim, sizeof before.st_mtim);
	assert_int_equal(access("other.db-wal", F_OK), -1);
	assert_int_equal(db_open("none.db", DB_READER, &db, &e), DB_IO);

	FILE *f = fopen("text.db", "wb");
	for (int i = 0; i < 1000; i++)
		fputs("this is no database\n", f);
	fclose(f);
	assert_int_equal(db_open("text.db", DB_WRITER, &db, &e), DB_CORRUPT);
}

/* Of a file: its octets, one behind the other; -1 for what is not there. */
static int64_t sum_of(const char *name)
{
	FILE *f = fopen(name, "rb");
	uint64_t sum = 0;
	int c;

	while (f && (c = getc(f)) != EOF)
		sum = sum * 31 + (uint64_t)c;
	if (!f)
		return -1;
	fclose(f);
	return (int64_t)(sum >> 1);
}

/* Also what only its log tells, as after a crash: nothing of it is changed. */
static void test_newer_version(void **state)
{
	static const char *const names[] = {"store.db", "store.db-wal", "store.db-shm"};
	int64_t sums[3], version = -1;
	struct err e;

	assert_int_equal(db_version(writer, &version), DB_OK);
	assert_int_equal(version, sql_schema()->version);
	assert_int_equal(db_script(writer, "ALTER TABLE domain ADD COLUMN more integer"), DB_OK);
	assert_int_equal(db_set_version(writer, sql_schema()->version + 1), DB_OK);
	for (int crashed = 1; crashed >= 0; crashed--) {
		if (crashed)
			db_distrust(writer);
		db_close(&writer);
		(void)unlink("store.db-shm");
		for (size_t i = 0; i < 3; i++)
			sums[i] = sum_of(names[i]);
		assert_true(crashed == (sums[1] != -1));
		assert_int_equal(db_open("store.db", DB_WRITER, &writer, &e), DB_CORRUPT);
		assert_non_null(strstr(e.text, "newer version"));
		assert_null(writer);
		for (size_t i = 0; i < 3; i++)
			assert_true(sum_of(names[i]) == sums[i]);
		if (crashed) { /* the log goes into it */
			sqlite3 *raw = NULL;

			assert_int_equal(sqlite3_open("store.db", &raw), SQLITE_OK);
			assert_int_equal(
			    sqlite3_exec(raw, "SELECT * FROM domain", NULL, NULL, NULL), SQLITE_OK);
			sqlite3_close(raw);
		}
	}
}

/* The tables tell what it is. */
static void test_flipped_identity(void **state)
{
	static const char *const flips[] = {"PRAGMA user_version = 0", "PRAGMA user_version = 3",
	    "PRAGMA user_version = 1026", "PRAGMA application_id = 1196902741"};
	char back[64];
	struct err e;

	snprintf(back, sizeof back, "PRAGMA user_version = %d; PRAGMA application_id = %d",
	    sql_schema()->version, DB_APPLICATION_ID);
	for (size_t i = 0; i < sizeof flips / sizeof *flips; i++) {
		assert_int_equal(db_script(writer, flips[i]), DB_OK);
		db_close(&writer);
		assert_int_equal(db_open("store.db", DB_WRITER, &writer, &e), DB_CORRUPT);
		assert_non_null(
		    strstr(e.text, "it is damaged, for its tables are those of version"));
		assert_non_null(strstr(e.text, "godwit store salvage"));
		{
			sqlite3 *raw = NULL;

			assert_int_equal(sqlite3_open("store.db", &raw), SQLITE_OK);
			assert_int_equal(sqlite3_exec(raw, back, NULL, NULL, NULL), SQLITE_OK);
			sqlite3_close(raw);
		}
		must_open(DB_WRITER, &writer);
	}
}

static void test_schema_words(void **state)
{
	static const struct sql_object objects[] = {
	    {"CREATE TABLE t (a bigint NOT NULL, bytea_count bigint, b bytea)", false},
	    {"CREATE TABLE u (a bigint PRIMARY KEY)", true},
	    {"CREATE INDEX i ON t (a)", false},
	};
	struct sql_schema schema = {objects, 3, 0};
	struct buf b;

	buf_init(&b, MIB);
	sql_schema_sqlite(&b, &schema);
	assert_string_equal(buf_cstr(&b),
	    "CREATE TABLE t (a integer NOT NULL, bytea_count integer, b blob) STRICT;\n"
	    "CREATE TABLE u (a integer PRIMARY KEY) STRICT, WITHOUT ROWID;\n"
	    "CREATE INDEX i ON t (a);\n");
	buf_fini(&b);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_every_statement_prepares),
	    T(test_settings),
	    T(test_files_are_private),
	    T(test_values),
	    T(test_parameters_by_name),
	    T(test_constraint),
	    T(test_savepoint),
	    T(test_reader_sees_one_state),
	    T(test_checkpoint),
	    T(test_checkpoint_waits_for_nobody),
	    T(test_distrusted_writer_leaves_the_log),
	    T(test_full),
	    T(test_io_failures),
	    T(test_no_room_for_the_index),
	    T(test_reason_of_a_failure),
	    T(test_identity),
	    T(test_newer_version),
	    T(test_flipped_identity),
	    T(test_schema_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
