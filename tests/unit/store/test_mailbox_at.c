/* A mailbox at a moment, row by row: whatever order they lie in, and whatever goes between two transactions. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "flip.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/mailbox_at.h"

#define ROWS  350
#define FIRST INT64_C(0x1122334455660000) /* the email of uid 0 */

static struct rig rig;
static struct arena *arena;
static int64_t ann;
static int seen[ROWS + 1], missing;

/* Rows without a message: that is told, and does not matter here. */
static void fill(int rows)
{
	char sql[600];

	snprintf(sql, sizeof sql,
	    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
	    " INSERT INTO membership SELECT %lld, 1, i, %lld + i, 100, i, 1, 0, 0, 0 FROM n;"
	    "UPDATE mailbox SET messages = %d, uidnext = %d WHERE id = 1",
	    rows, (long long)ann, (long long)FIRST, rows, rows + 1);
	flip_change(&rig, sql);
}

static int setup(void **state)
{
	arena = arena_new();
	rig_open(&rig);
	rig_domain(&rig, "a.test");
	ann = rig_account(&rig, "ann@a.test");
	return 0;
}

static int teardown(void **state)
{
	rig_close(&rig);
	arena_free(&arena);
	return 0;
}

static void note(const struct mailbox_at_row *row)
{
	if (row->kind == MAILBOX_AT_DAMAGE) {
		missing = (int)db_word(row->why.p[0] - '0', 10, 10);
		assert_int_equal(row->missing, missing == 10 ? 0 : missing);
	}
	if (row->kind != MAILBOX_AT_MESSAGE)
		return;
	assert_in_range(row->message.email - FIRST, 1, ROWS);
	assert_true(str_eq(row->why, STR("its row is lost")));
	seen[row->message.email - FIRST]++;
}

/* All rows, a turn of so many of them; `between` (may be NULL) behind the first turn. How many there were. */
static int walk_with(int turn, void (*between)(void))
{
	struct mailbox_at w;
	struct mailbox_at_row row;
	enum db_code code = DB_ROW;
	int n = 0;

	memset(seen, 0, sizeof seen);
	missing = 0;
	mailbox_at_begin(&w, ann, MAILBOX_INBOX, MAILBOX_NOW);
	while (code == DB_ROW) {
		mailbox_at_turn(&w);
		for (int i = 0; i < turn && code == DB_ROW; i++) {
			code = mailbox_at_next(rig.db, arena, &w, &row);
			if (code == DB_ROW)
				note(&row);
			n += code == DB_ROW && row.kind == MAILBOX_AT_MESSAGE;
		}
		if (between)
			between();
		between = NULL;
	}
	assert_int_equal(code, DB_OK);
	return n;
}

static int walk(int turn)
{
	return walk_with(turn, NULL);
}

static void must_have_each_once(void)
{
	for (int i = 1; i <= ROWS; i++)
		if (seen[i] != 1)
			fail_msg("row %d came %d times", i, seen[i]);
}

static void all_rows(void **state)
{
	static const int turns[] = {1, 7, 100, 101, 1000};

	assert_int_equal(walk(10), 0);
	fill(ROWS);
	for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
		assert_int_equal(walk(turns[i]), ROWS);
		must_have_each_once();
		assert_int_equal(missing, 0);
	}
}

/* Long stretches of what is expunged are passed in turns. */
static void others_have_their_turn(void **state)
{
	struct mailbox_at w;
	struct mailbox_at_row row;
	int pauses = 0;

	fill(5000);
	flip_change(&rig, "UPDATE membership SET expunged_modseq = 1, expunged_at = 1;"
			  "UPDATE mailbox SET messages = 0");
	mailbox_at_begin(&w, ann, MAILBOX_INBOX, MAILBOX_NOW);
	while (mailbox_at_next(rig.db, arena, &w, &row) == DB_ROW) {
		assert_int_equal(row.kind, MAILBOX_AT_PAUSE);
		pauses++;
	}
	assert_int_equal(pauses, 2);
}

static void purge(void)
{
	flip_change(&rig, "DELETE FROM membership WHERE uid <= 120 OR uid BETWEEN 201 AND 210;"
			  "UPDATE mailbox SET messages = messages - 130");
}

static void add(void)
{
	flip_change(&rig,
	    "INSERT INTO membership SELECT account, mailbox, 350, email + 1, 100, 1, 1, 0, 0, 0"
	    " FROM membership WHERE uid = 349;"
	    "UPDATE mailbox SET messages = messages + 1, uidnext = 351 WHERE id = 1");
}

/* What goes and comes in between is no damage. */
static void rows_that_go_and_come_meanwhile(void **state)
{
	fill(ROWS);
	assert_int_equal(walk_with(100, purge), 100 + ROWS - 130);
	assert_int_equal(missing, 0);
	teardown(state);
	setup(state);
	fill(ROWS - 1);
	assert_int_equal(walk_with(ROWS - 1, add), ROWS);
	assert_int_equal(missing, 0);
}

/* A uid, in its page. */
static void flip_uid(int uid, int flip)
{
	static uint8_t all[4 << 20];
	uint8_t key[10] = {(uint8_t)(uid >> 8), (uint8_t)uid};
	size_t skip = uid < 128;
	int changed = 0, fd;
	ssize_t n;

	for (int i = 0; i < 8; i++)
		key[2 + i] = (uint8_t)((uint64_t)(FIRST + uid) >> (56 - 8 * i));
	rig_pause(&rig);
	fd = open("store.db", O_RDWR | O_CLOEXEC);
	n = read(fd, all, sizeof all);
	for (uint8_t *p = all; (p = memmem(p, (size_t)(all + n - p), key + skip, 10 - skip)); p++) {
		p[skip ? 0 : 1] ^= (uint8_t)flip;
		p[0] ^= (uint8_t)(flip >> 8);
		changed++;
	}
	assert_true(changed > 0);
	assert_int_equal(pwrite(fd, all, (size_t)n, 0), n);
	close(fd);
	rig_resume(&rig);
}

static void uids_that_flipped(void **state)
{
	static const struct {
		int uid, flip;
	} flips[] = {{20, 0x40}, {30, 0x80}, {100, 0x40}, {101, 0x20}, {103, 0x10}, {150, 0x8000},
	    {200, 0x100}, {201, 0x4000}, {ROWS, 0x4000}};

	fill(ROWS);
	for (size_t i = 0; i < sizeof flips / sizeof *flips; i++) {
		flip_uid(flips[i].uid, flips[i].flip);
		for (int turn = 1; turn < 200; turn += 33) {
			assert_int_equal(walk(turn), ROWS);
			must_have_each_once();
			assert_int_equal(missing, 0);
		}
	}
}

/* Of another mailbox by now. */
static void what_is_counted_and_not_there(void **state)
{
	fill(ROWS);
	flip_change(&rig, "UPDATE membership SET mailbox = 33 WHERE uid IN (17, 201)");
	assert_int_equal(walk(90), ROWS - 2);
	assert_int_equal(missing, 2);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(all_rows),
	    T(others_have_their_turn),
	    T(rows_that_go_and_come_meanwhile),
	    T(uids_that_flipped),
	    T(what_is_counted_and_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
