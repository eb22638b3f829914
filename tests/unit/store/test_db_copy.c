/* Copies of the database: one moment, whatever is written meanwhile; one file that needs nothing beside. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"
#include "scratch.h"
#include "store/db_copy.h"

static struct db *writer, *reader;

static int setup(void **state)
{
	struct err e = {""};

	scratch_enter();
	writer = scratch_db();
	return db_open("store.db", DB_READER, &reader, &e) != DB_OK;
}

static int teardown(void **state)
{
	db_close(&reader);
	db_close(&writer);
	scratch_leave();
	return 0;
}

static void write_row(const char *name, int64_t value)
{
	assert_int_equal(
	    db_exec(writer, SQL_META_PUT, DB_ARGS(db_text(str_of_c(name)), db_int(value)), NULL),
	    DB_OK);
}

static int64_t row(struct db *db, const char *name)
{
	int64_t value = -1;

	(void)db_get_int(db, SQL_META_GET, DB_ARGS(db_text(str_of_c(name))), &value);
	return value;
}

static void fill(int from)
{
	char name[32];

	assert_int_equal(db_begin(writer), DB_OK);
	for (int i = from; i < from + 3000; i++) {
		snprintf(name, sizeof name, "a row with the number %d", i);
		write_row(name, i);
	}
	assert_int_equal(db_commit(writer), DB_OK);
}

static void one_moment(void **state)
{
	struct db_copy *copy;
	struct db *db = NULL;
	struct err e = {""};
	enum db_code code;
	bool all;
	int64_t size = 0;
	struct stat st;
	uint8_t head[20];
	int steps = 0, fd;

	fill(0);
	write_row("mark", 1);
	assert_int_equal(db_begin(reader), DB_OK);
	assert_int_equal(row(reader, "mark"), 1);
	copy = db_copy_begin(reader, "copy", &e);
	assert_non_null(copy);
	while ((code = db_copy_step(copy, 10, &e)) == DB_ROW) {
		write_row("mark", 2 + steps++); /* the writer goes on, and checkpoints */
		if (steps == 3)
			fill(3000);
		assert_int_equal(db_checkpoint(writer, &all), DB_OK);
	}
	assert_int_equal(code, DB_OK);
	assert_true(steps > 5); /* and was not begun anew for ever */
	assert_int_equal(db_size(reader, &size), DB_OK);
	db_copy_end(&copy);
	assert_int_equal(db_rollback(reader), DB_OK);
	assert_int_equal(stat("copy", &st), 0);
	assert_int_equal(st.st_size, size);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(access("copy-wal", F_OK), -1);
	fd = open("copy", O_RDONLY);
	assert_int_equal(read(fd, head, sizeof head), sizeof head);
	close(fd);
	assert_int_equal(head[18], 1); /* no log belongs to it */
	assert_int_equal(mkdir("below", 0700), 0);
	assert_int_equal(rename("copy", "below/copy"), 0);
	assert_int_equal(chmod("below", 0500), 0);
	assert_int_equal(db_open("below/copy", DB_READER, &db, &e), DB_OK);
	assert_int_equal(row(db, "mark"), 1);
	assert_int_equal(row(db, "a row with the number 2999"), 2999);
	assert_int_equal(row(db, "a row with the number 3000"), -1);
	db_close(&db);
	assert_int_equal(chmod("below", 0700), 0);
	assert_int_equal(db_open("below/copy", DB_WRITER, &db, &e), DB_OK);
	db_close(&db);
}

/* One left by a copy that was broken off is replaced. */
static void replaces(void **state)
{
	struct db_copy *copy;
	struct err e = {""};
	int fd = open("copy", O_WRONLY | O_CREAT, 0644);

	assert_int_equal(write(fd, "rubbish", 7), 7);
	close(fd);
	assert_int_equal(db_begin(reader), DB_OK);
	copy = db_copy_begin(reader, "copy", &e);
	assert_non_null(copy);
	assert_int_equal(db_copy_step(copy, -1, &e), DB_OK);
	db_copy_end(&copy);
	copy = db_copy_begin(reader, "none/copy", &e);
	assert_null(copy);
	assert_true(e.text[0]);
	assert_int_equal(db_rollback(reader), DB_OK);
}

/* The file is named, and the reason with its cure. */
static void says_why(void **state)
{
	static const struct {
		enum fault_kind kind;
		bool full;
		enum db_code code;
		const char *why;
	} cases[] = {
	    {FAULT_DB_WRITE, true, DB_FULL, "make room on the disk"},
	    {FAULT_DB_WRITE, false, DB_IO, "Input/output error"},
	    {FAULT_DB_READ, false, DB_IO, "Input/output error"},
	};
	struct db_copy *copy;
	struct err e;
	struct fault f;

	fill(0);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(db_begin(reader), DB_OK);
		copy = db_copy_begin(reader, "copy", &e);
		assert_non_null(copy);
		fault_init(&f);
		fault_set(&f, cases[i].kind, 2, false, cases[i].full);
		assert_int_equal(db_copy_step(copy, -1, &e), cases[i].code);
		assert_int_equal(f.fired, 1);
		fault_fini(&f);
		assert_non_null(strstr(e.text, "cannot copy the database to copy: "));
		assert_non_null(strstr(e.text, cases[i].why));
		db_copy_end(&copy);
		assert_int_equal(db_rollback(reader), DB_OK);
	}
}

/* How a copy is found to be, looked through to its end or to what is damaged. */
static enum db_code copy_and_check(struct err *e)
{
	struct db *db = NULL;
	struct db_copy *copy;
	enum db_code code;
	int looks = 0;

	code = db_open("store.db", DB_READER, &db, e);
	if (code != DB_OK) /* the schema itself */
		return code;
	assert_int_equal(db_begin(db), DB_OK);
	copy = db_copy_begin(db, "copy", e);
	assert_non_null(copy);
	assert_int_equal(db_copy_step(copy, -1, e), DB_OK);
	assert_int_equal(db_rollback(db), DB_OK);
	db_close(&db);
	while ((code = db_copy_check(copy, e)) == DB_ROW)
		looks++;
	assert_true(code != DB_OK || looks > 10); /* a table at a time */
	db_copy_end(&copy);
	return code;
}

/* Whatever page of a table or an index is damaged is copied like any other, and told. */
static void damage_is_found(void **state)
{
	uint8_t garbage[4096], before[4096];
	struct err e = {""};
	int64_t size = 0;
	bool all;
	int fd;

	fill(0);
	assert_int_equal(db_checkpoint(writer, &all), DB_OK);
	assert_true(all);
	assert_int_equal(copy_and_check(&e), DB_OK);
	assert_int_equal(db_size(reader, &size), DB_OK);
	memset(garbage, 0xa5, sizeof garbage);
	fd = open("store.db", O_RDWR);
	for (off_t at = 4 * 4096; at < size; at += 4096) {
		e.text[0] = 0;
		assert_int_equal(pread(fd, before, sizeof before, at), sizeof before);
		assert_int_equal(pwrite(fd, garbage, sizeof garbage, at), sizeof garbage);
		if (copy_and_check(&e) != DB_CORRUPT)
			fail_msg("page %d", (int)(at / 4096) + 1);
		assert_true(e.text[0] && !strchr(e.text, '\n'));
		assert_int_equal(pwrite(fd, before, sizeof before, at), sizeof before);
	}
	close(fd);
	assert_int_equal(copy_and_check(&e), DB_OK);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(one_moment),
	    T(replaces),
	    T(says_why),
	    T(damage_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
