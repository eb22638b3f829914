/* Compaction: what lives is moved octet by octet, what is dead goes, whatever happens in between. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rig.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/compact.h"

#define NEVER  (INT64_MAX / 2)
#define COUNT  120 /* messages of 20 KB: the packs of the rig hold 1 MiB */
#define LENGTH 20000

static struct rig rig;
static int64_t ann;
static char text[LENGTH + 1];
static struct compact *work;
static int64_t stays, needed; /* what was told last */

static void begin_work(void)
{
	work = mem_new(struct compact);
	compact_init(work, rig.blobs);
	stays = needed = 0;
}

static void end_work(void)
{
	compact_fini(work);
	mem_free(work);
	work = NULL;
}

static int setup(void **state)
{
	rig_open(&rig);
	rig_domain(&rig, "a.test");
	ann = rig_account(&rig, "ann@a.test");
	begin_work();
	return 0;
}

static int teardown(void **state)
{
	end_work();
	rig_must_balance(&rig);
	rig_close(&rig);
	return 0;
}

/* Message n says its number in every octet. */
static const char *text_of(int n)
{
	memset(text, 'a' + n % 26, LENGTH);
	snprintf(text, 20, "n: %d\r\n\r\n", n);
	text[strlen(text)] = 'x';
	memcpy(text + LENGTH - 2, "\r\n", 3);
	return text;
}

static void fill(void)
{
	for (int n = 0; n < COUNT; n++)
		assert_true(rig_send(&rig, "x@else.test", "ann@a.test", text_of(n), NULL));
}

/* All but every tenth. */
static void expunge_most(void)
{
	struct mailbox_snapshot s = rig_snapshot(&rig, ann, MAILBOX_INBOX);

	for (int n = 0; n < COUNT; n += 10)
		rig_expunge(&rig, &s, n + 2, n + 10);
	mailbox_snapshot_fini(&s);
	rig.now += 1;
	rig_maintain(&rig, 0, NEVER);
}

static bool round_of_work(void)
{
	reader_run(&work->read, rig.db);
	assert_int_equal(work->read.result, DB_OK);
	if (work->stays) {
		stays = work->stays;
		needed = work->needed;
	}
	if (work->has_work) {
		lane_run_one(rig.lane, &work->write, rig.now);
		assert_int_equal(work->write.result, LANE_DONE);
		compact_written(work, rig.now);
	}
	return !work->complete;
}

static void nothing(struct lane_op *op)
{
}

static void compact_all(void)
{
	work->write.done = nothing;
	while (round_of_work())
		assert_true(work->bytes <= COMPACT_BYTES + LENGTH);
}

static void expect_tenths(void)
{
	struct mailbox_snapshot s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	struct arena *a = arena_new();

	assert_int_equal(mailbox_snapshot_count(&s), COUNT / 10);
	for (int n = 0; n < COUNT / 10; n++) {
		struct str got = rig_read(&rig, a, &s, n + 1);

		assert_true(str_eq(str_from(got, got.n - LENGTH), str_of(text_of(n * 10), LENGTH)));
	}
	arena_free(&a);
	mailbox_snapshot_fini(&s);
}

static int64_t disk_use(void)
{
	int64_t sum = 0;
	char name[40];

	for (int64_t pack = 1; pack < 100; pack++) {
		snprintf(name, sizeof name, "packs/%010lld.pack", (long long)pack);
		sum += access(name, F_OK) == 0;
	}
	return sum;
}

static void the_dead_goes_and_the_living_stays(void **state)
{
	int64_t before;

	fill();
	before = disk_use();
	assert_true(before >= 3);
	expunge_most();
	compact_all();
	assert_int_equal(work->removed, before - 1);
	assert_true(work->moved > 0);
	expect_tenths();
	compact_tend(work, rig.now + COMPACT_GRACE_MS - 1);
	assert_int_equal(disk_use(), before);
	compact_tend(work, rig.now + COMPACT_GRACE_MS);
	assert_true(disk_use() <= 2);
	expect_tenths();
	rig_restart(&rig);
	expect_tenths();
	rig_maintain(&rig, NEVER, NEVER);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM dropped"), 0);
}

static void what_mostly_lives_is_left_alone(void **state)
{
	struct mailbox_snapshot s;

	fill();
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	rig_expunge(&rig, &s, 1, 10);
	mailbox_snapshot_fini(&s);
	rig.now += 1;
	rig_maintain(&rig, 0, NEVER);
	compact_all();
	assert_int_equal(work->moved, 0);
	assert_int_equal(work->removed, 0);
}

/* Readers that opened before go on in files without names. */
static void a_reader_keeps_its_pack(void **state)
{
	struct blob_pos pos;
	struct blob_reader *r = NULL;
	uint8_t bytes[LENGTH];
	size_t got;
	int64_t id;

	fill();
	expunge_most();
	id = rig_number(&rig, "SELECT min(id) FROM blob");
	pos = (struct blob_pos){rig_number(&rig, "SELECT pack FROM blob ORDER BY id LIMIT 1"),
	    rig_number(&rig, "SELECT pos FROM blob ORDER BY id LIMIT 1"), LENGTH};
	assert_int_equal(blob_open(rig.blobs, id, pos, &r, NULL), BLOB_OK);
	compact_all();
	compact_tend(work, INT64_MAX);
	assert_int_equal(blob_read(rig.blobs, r, bytes, sizeof bytes, &got), BLOB_OK);
	assert_memory_equal(bytes, text_of(0), LENGTH);
	assert_int_equal(access("packs/0000000001.pack", F_OK), 0);
	blob_close(rig.blobs, &r);
	assert_int_not_equal(access("packs/0000000001.pack", F_OK), 0);
	expect_tenths();
}

/* Moved or gone between the reading and the writing: that wins. */
static void a_change_in_between_wins(void **state)
{
	fill();
	expunge_most();
	work->write.done = nothing;
	do
		reader_run(&work->read, rig.db);
	while (!work->has_work);
	rig_sql(&rig, "UPDATE blob SET pos = pos + 8 WHERE id = (SELECT min(id) FROM blob)");
	lane_run_one(rig.lane, &work->write, rig.now);
	compact_written(work, rig.now);
	assert_int_equal(rig_number(&rig, "SELECT pack FROM blob ORDER BY id LIMIT 1"), 1);
	rig_sql(&rig, "UPDATE blob SET pos = pos - 8 WHERE id = (SELECT min(id) FROM blob)");
	compact_all();
	expect_tenths();
}

static void what_is_damaged_stays(void **state)
{
	int fd;

	fill();
	expunge_most();
	fd = open("packs/0000000001.pack", O_RDWR);
	assert_int_equal(pwrite(fd, "?", 1, 64 + 64 + 1000), 1);
	close(fd);
	compact_all();
	assert_int_equal(work->kept, 1);
	assert_int_equal(work->nstaying, 1);
	compact_all();
	assert_int_equal(work->kept, 1); /* it is not read again, pass after pass */
	compact_tend(work, INT64_MAX);
	assert_int_equal(access("packs/0000000001.pack", F_OK), 0);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM blob WHERE pack = 1"), 1);
	fd = open("packs/0000000001.pack", O_RDWR);
	assert_int_equal(pwrite(fd, "a", 1, 64 + 64 + 1000), 1);
	close(fd);
	expect_tenths();
}

/* A length whose bit flipped: nothing beside it suffers, and the pack stays for the repair. */
static void what_has_a_wrong_length_stays(void **state)
{
	static const char *const wrong[] = {"length - 32768", "length + 1099511627776",
	    "-9223372036854775807", "9223372036854775807"};

	fill();
	expunge_most();
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		char change[160];
		int64_t was = rig_number(&rig,
		    "SELECT length FROM blob WHERE id = (SELECT max(id) FROM blob"
		    " WHERE pack = 1)");
		int64_t id = rig_number(&rig, "SELECT max(id) FROM blob WHERE pack = 1");

		snprintf(change, sizeof change, "UPDATE blob SET length = %s WHERE id = %lld",
		    wrong[i], (long long)id);
		rig_sql(&rig, change);
		work->nstaying = 0; /* as of a store that has been started again */
		compact_all();
		assert_true(work->kept > 0);
		compact_tend(work, INT64_MAX);
		assert_int_equal(access("packs/0000000001.pack", F_OK), 0);
		snprintf(change, sizeof change, "UPDATE blob SET length = %lld WHERE id = %lld",
		    (long long)was, (long long)id);
		rig_sql(&rig, change);
	}
	expect_tenths();
}

/* Killed after each round: nothing is lost, no file stays behind, none becomes an orphan. */
static void a_restart_after_each_round(void **state)
{
	fill();
	expunge_most();
	for (bool more = true; more;) {
		work->write.done = nothing;
		more = round_of_work();
		if (work->complete || work->has_work) {
			int64_t removed = work->removed;

			end_work();
			rig_restart(&rig);
			begin_work();
			expect_tenths();
			if (removed)
				assert_int_equal(
				    rig_number(&rig, "SELECT count(*) FROM pack"), disk_use());
		}
	}
	assert_true(disk_use() <= 2);
	assert_int_not_equal(access("packs/0000000001.pack.orphan", F_OK), 0);
}

/* Octets of all packs that belong to no record of a blob, but for the heads. */
static int64_t dead_octets(void)
{
	return rig_number(&rig, "SELECT (SELECT sum(end_offset - 64) FROM pack WHERE single = 0)"
				" - (SELECT sum(64 + (length + 7) / 8 * 8) FROM blob)");
}

/* Also in packs that are not worth the work, and in the one that is appended to. */
static void the_dead_are_counted(void **state)
{
	struct mailbox_snapshot s;

	compact_all();
	assert_int_equal(work->dead, 0);
	fill();
	compact_all();
	assert_int_equal(work->dead, 0);
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	rig_expunge(&rig, &s, 1, 3);
	rig_expunge(&rig, &s, COUNT - 3, COUNT);
	mailbox_snapshot_fini(&s);
	rig.now += 1;
	rig_maintain(&rig, 0, NEVER);
	compact_all();
	assert_int_equal(work->removed, 0);
	assert_int_equal(work->dead, 7 * (64 + LENGTH));
	assert_int_equal(work->dead, dead_octets());
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	rig_expunge(&rig, &s, 5, mailbox_snapshot_count(&s));
	mailbox_snapshot_fini(&s);
	rig.now += 1;
	rig_maintain(&rig, 0, NEVER);
	compact_all();
	assert_true(work->removed > 0);
	assert_int_equal(work->dead, dead_octets());
}

/* On a full disk what is empty goes, and what takes less room to copy than there is. */
static void on_a_full_disk_only_what_finds_room_is_copied(void **state)
{
	struct mailbox_snapshot s;

	fill();
	s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	rig_expunge(&rig, &s, 1, COUNT / 2 + 5);
	rig_expunge(&rig, &s, COUNT / 2 + 7, COUNT - 15);
	mailbox_snapshot_fini(&s);
	rig.now += 1;
	rig_maintain(&rig, 0, NEVER);
	work->room = 0;
	compact_all();
	assert_int_equal(work->moved, 0);
	assert_int_equal(work->removed, 1);
	work->room = LENGTH; /* and the head of its record is too much */
	compact_all();
	assert_int_equal(work->moved, 0);
	work->room = LENGTH + 64;
	compact_all();
	assert_int_equal(work->moved, LENGTH);
	assert_int_equal(work->removed, 2);
}

static bool is_there(int64_t pack)
{
	char name[40];

	snprintf(name, sizeof name, "packs/%010lld.pack", (long long)pack);
	return access(name, F_OK) == 0;
}

static void compact_anew(void)
{
	end_work();
	begin_work();
	compact_all();
	compact_tend(work, INT64_MAX);
}

/* A bit of the index: in the pack that truly holds it, it looks dead. */
static void what_the_index_seeks_elsewhere_keeps_its_pack(void **state)
{
	static const struct {
		const char *damage, *cure;
	} all[] = {
	    {"UPDATE blob SET pack = 2 WHERE id = (SELECT id FROM lost)",
		"DELETE FROM blob WHERE id ="
		" (SELECT id FROM lost)"},
	    {"UPDATE blob SET pack = 4711 WHERE id = (SELECT id FROM lost)",
		"DELETE FROM blob WHERE id = (SELECT id FROM lost)"},
	    {"DELETE FROM blob WHERE id = (SELECT id FROM lost)", ""},
	};

	fill();
	expunge_most();
	rig_sql(
	    &rig, "CREATE TABLE lost AS SELECT * FROM blob WHERE pack = 1 ORDER BY pos LIMIT 1");
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		rig_sql(&rig, all[i].damage);
		compact_anew();
		assert_true(is_there(1));
		assert_int_equal(rig_number(&rig, "SELECT count(*) FROM pack WHERE pack = 1"), 1);
		assert_int_equal(stays, 1);
		assert_int_equal(needed, rig_number(&rig, "SELECT id FROM lost"));
		/* told once */
		stays = 0;
		compact_all();
		assert_int_equal(stays, 0);
		rig_sql(&rig, all[i].cure);
		rig_sql(&rig, "INSERT INTO blob SELECT * FROM lost");
	}
	compact_anew();
	assert_false(is_there(1));
	expect_tenths();
}

/* A row with another number: nothing is known of what it means. */
static void a_pack_without_a_file_stays(void **state)
{
	fill();
	expunge_most();
	rig_sql(&rig, "UPDATE pack SET pack = 1000 WHERE pack = 1");
	compact_anew();
	assert_int_equal(stays, 1000);
	assert_int_equal(needed, 0);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM dropped WHERE pack = 1000"), 0);
	rig_sql(&rig, "UPDATE pack SET pack = 1 WHERE pack = 1000");
	compact_anew();
	assert_false(is_there(1));
	expect_tenths();
}

static void expunge_all(void)
{
	rig_expunge_all(&rig, ann);
	rig.now += 1;
	rig_maintain(&rig, 0, NEVER);
}

static void read_all(void)
{
	struct mailbox_snapshot s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	struct arena *a = arena_new();

	for (int64_t n = 1; n <= mailbox_snapshot_count(&s); n++)
		(void)rig_read(&rig, a, &s, n);
	arena_free(&a);
	mailbox_snapshot_fini(&s);
}

/* A bit of a row makes a pack of one large message look as if it were appended to, and not the one that is. */
static void the_one_that_is_appended_to_stays(void **state)
{
	int64_t active = blob_active(rig.blobs), large;

	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", text_of(1), NULL));
	expunge_all();
	large = rig_send_large(&rig, "ann@a.test");
	assert_true(large > active);
	rig_sql(&rig, "UPDATE pack SET single = 0");
	compact_all();
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM dropped"), 0);
	assert_int_equal(rig_number(&rig, "SELECT min(pack) FROM pack"), active);
	fill();
	assert_true(blob_active(rig.blobs) > large);
	compact_tend(work, INT64_MAX);
	assert_true(is_there(active));
	read_all();
}

/* What an append writes says what the pack is. */
static void a_delivery_puts_the_row_right(void **state)
{
	rig_sql(&rig, "UPDATE pack SET single = 1");
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", text_of(1), NULL));
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM pack WHERE single = 1"), 0);
}

/* As housekeeping leaves one whose file it has doubts about. */
static void a_pack_of_one_message_goes_as_others_do(void **state)
{
	int64_t large = rig_send_large(&rig, "ann@a.test");

	rig_sql(&rig, "UPDATE pack SET single = 0");
	expunge_all();
	assert_true(is_there(large));
	compact_all();
	compact_tend(work, INT64_MAX);
	assert_false(is_there(large));
	assert_true(is_there(blob_active(rig.blobs)));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(the_dead_goes_and_the_living_stays),
	    T(what_mostly_lives_is_left_alone),
	    T(a_reader_keeps_its_pack),
	    T(a_change_in_between_wins),
	    T(what_is_damaged_stays),
	    T(a_restart_after_each_round),
	    T(the_dead_are_counted),
	    T(on_a_full_disk_only_what_finds_room_is_copied),
	    T(what_has_a_wrong_length_stays),
	    T(what_the_index_seeks_elsewhere_keeps_its_pack),
	    T(a_pack_without_a_file_stays),
	    T(the_one_that_is_appended_to_stays),
	    T(a_delivery_puts_the_row_right),
	    T(a_pack_of_one_message_goes_as_others_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
