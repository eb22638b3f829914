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
#include "store/mailbox_path.h"

#define ROWS  350
#define MOST  1500
#define FIRST INT64_C(0x1122334455660000) /* the email of uid 0 */

static struct rig rig;
static struct arena *arena;
static int64_t ann;
static int seen[MOST + 1], missing;

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

/* The number that a sentence begins with; -1: it has none. */
static int number_in(struct str text)
{
	int number = 0;
	size_t i;

	for (i = 0; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++)
		number = 10 * number + text.p[i] - '0';
	return i ? number : -1;
}

static void note(const struct mailbox_at_row *row)
{
	if (row->kind == MAILBOX_AT_DAMAGE) {
		missing = number_in(row->why);
		assert_int_equal(row->missing, missing < 0 ? 0 : missing);
	}
	if (row->kind != MAILBOX_AT_MESSAGE)
		return;
	assert_in_range(row->message.email - FIRST, 1, MOST);
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
			assert_in_range(n, 0, 2 * MOST); /* it comes to an end */
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
	    " FROM membership ORDER BY email DESC LIMIT 1;"
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

static void put_number(uint8_t *at, size_t octets, uint64_t number)
{
	for (size_t i = octets; i-- > 0; number >>= 8)
		at[i] = (uint8_t)number;
}

/* The uid of message number i, of so many octets, in its page. */
static void change_uid(int i, int64_t uid, int64_t with, size_t octets)
{
	static uint8_t all[4 << 20];
	uint8_t key[16];
	int changed = 0, fd;
	ssize_t n;

	put_number(key, octets, (uint64_t)uid);
	put_number(key + octets, 8, (uint64_t)(FIRST + i));
	rig_pause(&rig);
	fd = open("store.db", O_RDWR | O_CLOEXEC);
	n = read(fd, all, sizeof all);
	for (uint8_t *p = all; (p = memmem(p, (size_t)(all + n - p), key, octets + 8)); p++) {
		put_number(p, octets, (uint64_t)with);
		changed++;
	}
	assert_true(changed > 0);
	assert_int_equal(pwrite(fd, all, (size_t)n, 0), n);
	close(fd);
	rig_resume(&rig);
}

static void flip_uid(int uid, int flip)
{
	change_uid(uid, uid, uid ^ flip, uid < 128 ? 1 : 2);
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

static void add_and_expunge(void)
{
	add();
	flip_change(&rig,
	    "UPDATE membership SET expunged_modseq = 1, expunged_at = 1 WHERE uid = 5;"
	    "UPDATE mailbox SET messages = messages - 1 WHERE id = 1");
}

/* Nothing follows it that it could be told by; what comes meanwhile lies behind it all the same. */
static void the_last_uid_leads_back(void **state)
{
	fill(ROWS);
	flip_uid(ROWS, 0x100);
	for (int turn = 1; turn < 200; turn += 33) {
		assert_int_equal(walk(turn), ROWS);
		must_have_each_once();
		assert_int_equal(missing, 0);
	}
	for (int i = 0; i < 2; i++) {
		teardown(NULL);
		setup(NULL);
		fill(ROWS - 1);
		flip_uid(ROWS - 1, 0x100);
		assert_int_equal(walk_with(ROWS - 1, i ? add_and_expunge : add), ROWS);
		must_have_each_once();
		assert_int_equal(missing, 0);
	}
}

static void spoil(int64_t page)
{
	static const uint8_t garbage[4096] = {0xa5, 0xa5};
	int fd;

	rig_pause(&rig);
	fd = open("store.db", O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, garbage, sizeof garbage, (page - 1) * 4096), sizeof garbage);
	close(fd);
	rig_resume(&rig);
}

#define LEAF(what, number)                                                                         \
	"SELECT " what " FROM dbstat WHERE name = 'membership' AND pagetype = 'leaf'"              \
	" ORDER BY path LIMIT 1 OFFSET " number

/* It lies above the leaves; of what follows it the page cannot be read. */
static void a_uid_before_a_torn_page_leads_back(void **state)
{
	int last = 0, lost;
	int64_t page;

	fill(MOST);
	for (int i = 0; i < 4; i++)
		last += 1 + (int)flip_number(&rig, LEAF("ncell", "%d"), i);
	lost = (int)flip_number(&rig, LEAF("ncell", "%d"), 4);
	page = flip_number(&rig, LEAF("pageno", "%d"), 4);
	assert_in_range(last, 512, 1023);
	assert_in_range(last + lost, last + 1, MOST - 1);
	flip_uid(last, 512);
	spoil(page);
	for (int turn = 1; turn < 200; turn += 33) {
		assert_int_equal(walk(turn), MOST - lost);
		assert_int_equal(missing, lost);
		for (int i = 1; i <= MOST; i++)
			assert_int_equal(seen[i], i <= last || i > last + lost);
	}
}

/* The highest number, behind the one before it, and a row behind it. */
static void uids_up_to_the_highest(void **state)
{
	fill(ROWS);
	flip_change(&rig, "UPDATE membership SET uid = 9223372036854775457 + uid;"
			  "DELETE FROM mailbox WHERE id = 1");
	change_uid(ROWS - 2, INT64_MAX - 2, INT64_MAX - 1, 8);
	change_uid(ROWS - 1, INT64_MAX - 1, INT64_MAX, 8);
	assert_int_equal(walk(60), ROWS);
	must_have_each_once();
}

/* Of another mailbox by now. */
static void what_is_counted_and_not_there(void **state)
{
	fill(ROWS);
	flip_change(&rig, "UPDATE membership SET mailbox = 33 WHERE uid IN (17, 201)");
	assert_int_equal(walk(90), ROWS - 2);
	assert_int_equal(missing, 2);
}

/* How many are listed; whether others may be hidden. */
static size_t list(bool *torn_r)
{
	struct mailbox_listed *all;
	size_t n = 0;

	assert_int_equal(mailbox_path_list(rig.db, arena, ann, &all, &n, torn_r), DB_OK);
	return n;
}

static void mailboxes_on_pages_that_cannot_be_read(void **state)
{
	static const char *const tables[] = {"mailbox", "membership"};
	int64_t roots[2];
	size_t all;
	bool torn = true;

	fill(ROWS);
	all = list(&torn);
	assert_true(all > 1 && !torn);
	for (int i = 0; i < 2; i++)
		roots[i] = flip_number(
		    &rig, "SELECT rootpage FROM sqlite_schema WHERE name = '%s'", tables[i]);
	spoil(roots[0]);
	assert_int_equal(list(&torn), 1); /* by its messages */
	assert_true(torn);
	spoil(roots[1]);
	torn = false;
	assert_int_equal(list(&torn), 0);
	assert_true(torn);
}

/* More than the list holds; then, of the last one, only a message. */
static void mailboxes_beyond_those_that_are_listed(void **state)
{
	size_t few;
	bool torn = true;
	char sql[400];

	few = list(&torn);
	snprintf(sql, sizeof sql,
	    "WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < %zu)"
	    " INSERT INTO mailbox SELECT %lld, i, 0, 'm' || i, 0, 1, 1, 1, 0, 0, 0 FROM n",
	    100 + 100000 - few - 1, (long long)ann);
	flip_change(&rig, sql);
	assert_int_equal(list(&torn), 100000);
	assert_false(torn);
	fill(1);
	flip_change(&rig, "UPDATE membership SET mailbox = 33 WHERE uid = 1");
	assert_int_equal(list(&torn), 100000);
	assert_true(torn);
	flip_change(&rig, "UPDATE membership SET mailbox = 100 WHERE uid = 1;"
			  "INSERT INTO mailbox SELECT account, 33, 0, 'x', 0, 1, 1, 1, 0, 0, 0"
			  " FROM mailbox WHERE id = 1");
	torn = false;
	assert_int_equal(list(&torn), 100000);
	assert_true(torn);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(all_rows),
	    T(others_have_their_turn),
	    T(rows_that_go_and_come_meanwhile),
	    T(uids_that_flipped),
	    T(the_last_uid_leads_back),
	    T(a_uid_before_a_torn_page_leads_back),
	    T(uids_up_to_the_highest),
	    T(what_is_counted_and_not_there),
	    T(mailboxes_on_pages_that_cannot_be_read),
	    T(mailboxes_beyond_those_that_are_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
