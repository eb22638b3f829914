/* The repair: what can be saved is, with its ids; what cannot is written off; afterwards nothing is found. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "repair_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "store/adopt.h"
#include "store/quarantine.h"
#include "store/repair_work.h"
#include "store/trace.h"

static void a_sound_store_stays_as_it_is(void **state)
{
	int64_t modseq = rig_number(&rig, "SELECT modseq FROM account");

	run(NULL);
	assert_int_equal(last.damaged + last.indexed + last.remade + last.accounts + last.moved, 0);
	assert_int_equal(rig_number(&rig, "SELECT modseq FROM account"), modseq);
	must_have_all_but(-1);
	damage_must_be_none(&rig);
}

/* Rows that are lost or wrong, and that something else tells. */
static void rows_are_made_anew(void **state)
{
	static const char *const changes[] = {
	    "DELETE FROM blob",
	    "UPDATE blob SET pos = pos + 8 WHERE id = (SELECT max(id) FROM blob)",
	    "UPDATE blob SET pack = 99 WHERE id = (SELECT min(id) FROM blob)",
	    "UPDATE blob SET length = length - 1",
	    "UPDATE blob SET refs = 0",
	    "DELETE FROM pack",
	    "UPDATE pack SET end_offset = 200",
	    "DELETE FROM email",
	    "DELETE FROM email; DELETE FROM blob",
	    "UPDATE email SET size = 1, links = 0",
	    "DELETE FROM change",
	    "DELETE FROM ledger",
	    "DELETE FROM message",
	    "DELETE FROM mailbox WHERE id = 1",
	    "DELETE FROM account",
	    "DELETE FROM domain",
	    "DELETE FROM meta WHERE name IN ('admin', 'folded', 'lease', 'trace_index')",
	    "UPDATE meta SET value = 0 WHERE name IN ('admin', 'account')",
	    "UPDATE mailbox SET uidnext = 1, messages = 99",
	    "UPDATE mailbox SET modseq = 1",
	    "UPDATE email SET modseq = 4711",
	    "UPDATE account SET modseq = 1, used_bytes = 0",
	    "UPDATE membership SET size = 1",
	    "UPDATE domain SET used_bytes = 1, used_messages = 99",
	    "DELETE FROM membership",
	    "DELETE FROM message; DELETE FROM ledger",
	    "DELETE FROM alias",
	    "DELETE FROM trace_index",
	    "DELETE FROM admin_log",
	    "DELETE FROM admin_log WHERE id = (SELECT min(id) FROM admin_log)",
	    "DELETE FROM mailbox WHERE id = 4",
	    "DELETE FROM meta WHERE name LIKE 'rows%'",
	    "UPDATE meta SET value = 0 WHERE name LIKE 'rows%'",
	    "UPDATE meta SET value = value + 7 WHERE name LIKE 'rows%'",
	};

	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		flip_change(&rig, changes[i]);
		run(NULL);
		assert_int_equal(last.damaged, 0);
		must_have_all_but(-1);
		damage_must_be_none(&rig);
		run(NULL);
		assert_int_equal(last.indexed + last.remade + last.accounts, 0);
		teardown(NULL);
		setup(NULL);
	}
}

/* Each is in the record of administrators as lost, and none that went with time. */
static void lost_changes_are_said_to_be(void **state)
{
	int64_t changes;

	rig.now += 100 * DAY_MS;
	rig_maintain(&rig, INT64_MAX / 2, 90 * DAY_MS);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM admin_log"), 0);
	rig_account(&rig, "bob@a.test");
	rig_account(&rig, "carl@a.test");
	rig_account(&rig, "dan@a.test");
	changes = rig_number(&rig, "SELECT count(*) FROM admin_log");
	assert_int_equal(changes, 3);
	flip_change(&rig, "DELETE FROM admin_log WHERE what NOT LIKE '%carl%'");
	run(NULL);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM admin_log"), changes + 1);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM admin_log WHERE what = 'lost'"), 2);
	assert_int_equal(
	    rig_number(&rig, "SELECT max(id) FROM admin_log WHERE what <> 'repair'") + 1,
	    rig_number(&rig, "SELECT id FROM admin_log WHERE what = 'repair'"));
	assert_int_equal(
	    rig_number(&rig, "SELECT max(id) - min(id) + 1 FROM admin_log"), changes + 1);
	damage_must_be_none(&rig);
}

/* Of a message that only the mailbox knows the ledger tells again, and the trace finds it. */
static void history_is_made_anew(void **state)
{
	int64_t found_id = 0;
	size_t n = 0;

	rig_maintain(&rig, INT64_MAX / 2, INT64_MAX / 2);
	flip_change(&rig, "DELETE FROM message WHERE id = (SELECT min(id) FROM email);"
			  "DELETE FROM ledger WHERE message = (SELECT min(id) FROM email)");
	run(NULL);
	damage_must_be_none(&rig);
	must_have_all_but(-1);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM message"), MESSAGES);
	flip_change(&rig, "DELETE FROM trace_index WHERE message = (SELECT max(id) FROM email)");
	run(NULL);
	rig_maintain(&rig, INT64_MAX / 2, INT64_MAX / 2);
	damage_must_be_none(&rig);
	assert_int_equal(trace_find(rig.db, STR("ann@a.test"), &found_id, 1, &n), DB_OK);
	assert_int_equal(n, 1);
	assert_int_equal(found_id, ids[MESSAGES - 1]);
}

/* What a lost event was found by goes with it: else it would stay in the index for ever. */
static void the_index_knows_no_lost_aliases(void **state)
{
	int64_t id;

	rig_alias(&rig, "away@a.test", "x@else.test");
	assert_true(rig_send(&rig, "y@else.test", "away@a.test", "\r\n", &id));
	rig_maintain(&rig, INT64_MAX / 2, INT64_MAX / 2);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM trace_index"
					  " WHERE message = (SELECT max(id) FROM message)"),
	    3);
	flip_change(&rig, "DELETE FROM trace");
	run(NULL);
	rig_maintain(&rig, INT64_MAX / 2, INT64_MAX / 2);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM trace_index"
					  " WHERE message = (SELECT max(id) FROM message)"),
	    2);
}

/* Of a message with the content the row of which is gone the uid and everything else stay. */
static void uids_stay(void **state)
{
	flip_change(&rig, "DELETE FROM email WHERE id = (SELECT min(id) FROM email)");
	run(NULL);
	assert_int_equal(last.remade, 1);
	assert_int_equal(rig_number(&rig, "SELECT min(uid) FROM membership"), 1);
	assert_int_equal(rig_number(&rig, "SELECT max(uid) FROM membership"), MESSAGES);
}

static void flip(int64_t at)
{
	flip_in("packs/0000000001.pack", at);
}

/* The third one's octets are others: all that must be said of it. */
static void what_is_given_up(const char *kept)
{
	struct stat st;

	run(NULL);
	assert_int_equal(last.damaged, 1);
	must_have_all_but(2);
	damage_must_be_none(&rig);
	assert_int_equal(
	    rig_number(&rig, "SELECT count(*) FROM ledger WHERE state = 3 AND detail = 'damaged'"),
	    1);
	assert_int_equal(stat(kept, &st), 0);
	assert_true(st.st_size > 0);
	assert_int_equal(st.st_nlink, 1);
	run(NULL);
	assert_int_equal(last.damaged, 0);
}

static void what_is_damaged_is_given_up(void **state)
{
	flip(rig_number(&rig, "SELECT pos + 70 FROM blob ORDER BY id LIMIT 1 OFFSET 2"));
	what_is_given_up("quarantine/0000000001.pack");
}

static void what_cannot_be_read_is_given_up(void **state)
{
	struct str behind;

	fail_a_block(-EIO);
	behind = content(MESSAGES + 2);
	run(NULL);
	assert_int_equal(last.damaged, 1);
	assert_int_equal(live(), MESSAGES + 1);
	for (int i = 0; i < MESSAGES; i++)
		assert_true(str_eq(content(i + 1), before[i]));
	assert_true(str_eq(content(MESSAGES + 1), behind));
	damage_must_be_none(&rig);
	end_fault();
}

/* Whose cause can be removed: nothing is given up for it. */
static void another_failure_ends_the_repair(void **state)
{
	static const int errors[] = {-EACCES, -ENOMEM};

	fail_a_block(-EACCES);
	for (size_t i = 0; i < 2; i++) {
		fault.bad_error = errors[i];
		prepare(NULL);
		assert_false(repair_run(&last, &store));
		assert_true(strlen(last.err.text) > 0);
		assert_int_equal(live(), MESSAGES + 2);
	}
	end_fault();
	damage_must_be_none(&rig);
}

/* Calls that fail, for good. */
static int failing_link(struct fsio *fs, int fd, const char *name)
{
	return -EIO;
}

static int failing_unlink(struct fsio *fs, const char *name)
{
	return -EIO;
}

static void keep_name(void *ctx, int64_t message, int64_t account, const char *file)
{
	memcpy(ctx, file, strlen(file) + 1);
}

static int64_t bad_sector;
static int bad_sector_error = -EIO;

static ssize_t failing_read(struct fsio *fs, int fd, void *p, size_t n, int64_t off)
{
	bool bad = off <= bad_sector && bad_sector < off + (int64_t)n;

	return bad ? bad_sector_error : fsio_real.read(fs, fd, p, n, off);
}

/* The lane may run a request again (docs/invariants/lane.md 4): what it counted before counts no more. */
static void a_change_that_runs_again(void **state)
{
	struct repair_work w = {.r = &last, .s = &store};

	prepare(NULL);
	flip(rig_number(&rig, "SELECT pos + 70 FROM blob ORDER BY id LIMIT 1 OFFSET 2"));
	flip(rig_number(&rig, "SELECT pos + 70 FROM blob ORDER BY id LIMIT 1 OFFSET 4"));
	flip_change(
	    &rig, "DELETE FROM account; DELETE FROM blob WHERE id = (SELECT min(id) FROM blob)");
	assert_true(repair_read_packs(&w));
	assert_int_equal(w.bad.n, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(db_begin(rig.db), DB_OK);
		assert_int_equal(repair_index(&w, rig.db, rig.now), DB_OK);
		assert_int_equal(repair_accounts(&w, rig.db, rig.now), DB_OK);
		assert_int_equal(db_rollback(rig.db), DB_OK);
		assert_int_equal(w.lost.n, 2);
		assert_int_equal(last.indexed, 1);
		assert_int_equal(last.accounts, 1);
	}
	mem_free(w.bad.v);
	mem_free(w.lost.v);
	mem_free(w.packs.v);
	mem_free(w.found);
}

/* What lies behind a sector that cannot be read is kept too. */
static void around_a_bad_sector(void **state)
{
	struct fsio_ops bad_read = fsio_real;
	static char text[40000], kept[50000];
	char name[64] = "";
	int64_t id;
	struct err err;
	ssize_t n;
	int fd;

	memset(text, 'x', sizeof text - 1);
	memcpy(text, "Subject: long\r\n\r\n", 17);
	memcpy(text + sizeof text - 12, "\r\nthe end\r\n", 11);
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", text, &id));
	bad_sector = rig_number(&rig, "SELECT max(pos) + 20000 FROM blob");
	bad_read.read = failing_read;
	prepare(NULL);
	rig.fs.ops = &bad_read;
	assert_true(quarantine_make(&store, &err));
	bad_sector_error = -EACCES; /* the octets may be whole */
	assert_false(quarantine_write(&store, id, keep_name, name, &err));
	assert_non_null(strstr(err.text, "cannot be read yet"));
	bad_sector_error = -EIO;
	assert_true(quarantine_write(&store, id, keep_name, name, &err));
	rig.fs.ops = &fsio_real;
	fd = open(name, O_RDONLY | O_CLOEXEC);
	n = read(fd, kept, sizeof kept);
	close(fd);
	assert_in_range(n, 20000, sizeof kept);
	assert_non_null(memmem(kept, (size_t)n, "Subject: long", 13));
	assert_non_null(memmem(kept, (size_t)n, "the end", 7));
	assert_null(memmem(kept, (size_t)n, text + 100, sizeof text - 200));
}

static bool run_on(struct fsio fs)
{
	prepare(NULL);
	store.dir.fs = fs;
	return repair_run(&last, &store);
}

/* Also when it dies between the commit that ends it and the end of its first name. */
static void a_damaged_pack_is_not_lost(void **state)
{
	struct fsio_ops no_link = fsio_real, no_unlink = fsio_real;

	no_link.link = failing_link;
	no_unlink.unlink = failing_unlink;
	flip(rig_number(&rig, "SELECT pos + 70 FROM blob ORDER BY id LIMIT 1 OFFSET 2"));
	assert_false(run_on((struct fsio){&no_link, rig.fs.dirfd}));
	assert_non_null(
	    strstr(last.err.text, "cannot keep the damaged pack packs/0000000001.pack"));
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM pack WHERE pack = 1"), 1);
	rig_restart(&rig);
	assert_int_equal(access("packs/0000000001.pack", F_OK), 0);

	assert_true(run_on((struct fsio){&no_unlink, rig.fs.dirfd}));
	assert_int_equal(last.moved, 1);
	assert_int_equal(access("packs/0000000001.pack", F_OK), 0);
	rig_restart(&rig);
	assert_int_not_equal(access("packs/0000000001.pack", F_OK), 0);
	assert_int_equal(access("quarantine/0000000001.pack", F_OK), 0);
	must_have_all_but(2);
	damage_must_be_none(&rig);
}

static int failing_open(struct fsio *fs, const char *name, int flags, mode_t mode)
{
	return strcmp(name, "packs/0000000001.pack") == 0 ? -EACCES
							  : fsio_real.open(fs, name, flags, mode);
}

/* The database has lost its row, and the file may not be opened: it may be sound, so it is not touched. */
static void a_pack_that_cannot_be_opened(void **state)
{
	struct fsio_ops no_open = fsio_real;

	no_open.open = failing_open;
	flip_change(&rig, "DELETE FROM pack");
	assert_false(run_on((struct fsio){&no_open, rig.fs.dirfd}));
	assert_non_null(strstr(last.err.text, "cannot open packs/0000000001.pack"));
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM email"), MESSAGES);
	rig.fs.ops = &no_open;
	rig_restart(&rig);
	rig.fs.ops = &fsio_real;
	assert_int_equal(access("packs/0000000001.pack", F_OK), 0);
	run(NULL);
	rig_restart(&rig);
	assert_int_equal(last.damaged, 0);
	must_have_all_but(-1);
	damage_must_be_none(&rig);
}

/* What lies in quarantine/, from an attempt that was interrupted or another pack of the number, stays. */
static void an_interrupted_attempt_is_repeated(void **state)
{
	int fd;

	assert_int_equal(mkdir("quarantine", 0700), 0);
	fd = open("quarantine/0000000001.pack", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	flip(rig_number(&rig, "SELECT pos + 70 FROM blob ORDER BY id LIMIT 1 OFFSET 2"));
	what_is_given_up("quarantine/0000000001-2.pack");
	assert_int_equal(access("quarantine/0000000001.pack", F_OK), 0);
}

static bool adopt(int64_t messages)
{
	struct adopt a = {.account = ann, .address = STR("ann@a.test")};

	return adopt_run(&a, &store) && a.taken == messages;
}

static bool adopt_one(void *ctx)
{
	return adopt(1);
}

static bool adopt_all_but_one(void *ctx)
{
	return adopt(MESSAGES - 1);
}

/* Whatever knew of them is gone; but of one the ledger knows that it was relayed, and is over. */
static void what_nothing_knows_is_taken_in(void **state)
{
	flip_change(&rig,
	    "DELETE FROM email; DELETE FROM membership; DELETE FROM change;"
	    "UPDATE ledger SET state = 1 WHERE message = (SELECT min(id) FROM message);"
	    "DELETE FROM message WHERE id > (SELECT min(id) FROM message);"
	    "DELETE FROM ledger WHERE message > (SELECT min(message) FROM ledger)");
	run(adopt_all_but_one);
	damage_must_be_none(&rig);
	assert_int_equal(live(), 0);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM membership s JOIN mailbox m"
					  " ON m.account = s.account AND m.id = s.mailbox"
					  " WHERE m.name = 'recovered'"),
	    MESSAGES - 1);
	assert_int_equal(
	    rig_number(&rig, "SELECT count(*) FROM ledger WHERE state = 0 AND purged = 0"),
	    MESSAGES - 1);
}

/* Its row of the ledger, which says that it was purged, is that of the one that is there again. */
static void what_was_purged_and_lost_its_row_is_taken_in(void **state)
{
	rig_expunge_all(&rig, ann);
	rig.now += 2 * DAY_MS;
	flip_change(&rig, "CREATE TEMP TABLE kept AS SELECT * FROM blob");
	rig_maintain(&rig, DAY_MS, 90 * DAY_MS);
	assert_int_equal(
	    rig_number(&rig, "SELECT count(*) FROM ledger WHERE purged > 0"), MESSAGES);
	flip_change(&rig,
	    "DELETE FROM message WHERE id = (SELECT min(id) FROM kept); INSERT INTO blob"
	    " SELECT id, pack, pos, length, 0 FROM kept ORDER BY id LIMIT 1");
	run(adopt_one);
	damage_must_be_none(&rig);
	assert_int_equal(rig_number(&rig, "SELECT id FROM email"), ids[0]);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM ledger"), MESSAGES);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM ledger WHERE purged = 0"), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_sound_store_stays_as_it_is),
	    T(rows_are_made_anew),
	    T(lost_changes_are_said_to_be),
	    T(history_is_made_anew),
	    T(the_index_knows_no_lost_aliases),
	    T(uids_stay),
	    T(what_is_damaged_is_given_up),
	    T(what_cannot_be_read_is_given_up),
	    T(another_failure_ends_the_repair),
	    T(a_damaged_pack_is_not_lost),
	    T(a_change_that_runs_again),
	    T(around_a_bad_sector),
	    T(a_pack_that_cannot_be_opened),
	    T(an_interrupted_attempt_is_repeated),
	    T(what_nothing_knows_is_taken_in),
	    T(what_was_purged_and_lost_its_row_is_taken_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
