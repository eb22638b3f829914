/* Housekeeping: what goes, when, and what must not go with it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rig.h"

#include "base/clock.h"
#include "base/mem.h"
#include "store/pack_format.h"

#include <fcntl.h>
#include <unistd.h>

#define NEVER (INT64_MAX / 2)

static struct rig rig;
static int64_t ann, bob;

static int setup(void **state)
{
	rig_open(&rig);
	rig_domain(&rig, "a.test");
	ann = rig_account(&rig, "ann@a.test");
	bob = rig_account(&rig, "bob@a.test");
	return 0;
}

static int teardown(void **state)
{
	rig_must_balance(&rig);
	rig_close(&rig);
	return 0;
}

static void send_to_both(void)
{
	struct deliver *d = rig_message(&rig, "x@else.test", "text\r\n");

	rig_to(d, "ann@a.test");
	rig_to(d, "bob@a.test");
	assert_true(rig_run(&rig, d));
	deliver_free(&d);
}

static int64_t count(const char *what)
{
	char select[80];

	snprintf(select, sizeof select, "SELECT count(*) FROM %s", what);
	return rig_number(&rig, select);
}

static void expunged_mail_stays_for_its_window(void **state)
{
	send_to_both();
	rig_expunge_all(&rig, ann);
	rig.now += 14 * DAY_MS;
	rig_maintain(&rig, 14 * DAY_MS, NEVER);
	assert_int_equal(count("membership"), 2);
	assert_int_equal(count("email"), 2);
	rig.now += 1;
	rig_maintain(&rig, 14 * DAY_MS, NEVER);
	assert_int_equal(count("membership"), 1);
	assert_int_equal(count("email"), 1);
	assert_int_equal(rig_number(&rig, "SELECT refs FROM blob"), 1); /* bob's */
	rig_expunge_all(&rig, bob);
	rig.now += 1;
	rig_maintain(&rig, 0, NEVER);
	assert_int_equal(count("email"), 0);
	assert_int_equal(count("blob"), 0);
	assert_int_equal(count("ledger"), 2); /* history is another matter */
}

static void run_sparing(bool spares)
{
	struct maintain_config cfg = {14 * DAY_MS, 90 * DAY_MS, rig.blobs};
	struct maintain *m = mem_new(struct maintain);

	maintain_init(m, &cfg);
	m->op.done = rig_nothing;
	m->spares = spares;
	do
		lane_run_one(rig.lane, &m->op, rig.now);
	while (m->more);
	mem_free(m);
}

/* The clock went ahead, and may be wrong: what cannot be had back stays, and all else goes on. */
static void a_clock_that_may_be_wrong_costs_nobody_his_mail(void **state)
{
	send_to_both();
	rig_expunge_all(&rig, ann);
	rig_expunge_all(&rig, bob);
	rig.now += 100 * DAY_MS;
	run_sparing(true);
	assert_int_equal(count("email"), 2);
	assert_int_equal(count("ledger"), 2);
	assert_int_equal(count("message"), 1);
	assert_true(count("trace_index") > 0);
	run_sparing(false);
	assert_int_equal(count("email"), 0);
	assert_int_equal(count("blob"), 0);
	assert_int_equal(count("ledger"), 0);
	assert_int_equal(count("message"), 0);
}

/* Whatever stores less goes on; the index of the trace, which grows, waits. */
static void a_full_disk_is_made_room_on(void **state)
{
	rig.disk_full = true;
	send_to_both();
	rig_expunge_all(&rig, ann);
	rig_expunge_all(&rig, bob);
	rig.now += 1;
	rig_maintain(&rig, 0, NEVER);
	assert_int_equal(count("email"), 0);
	assert_int_equal(count("blob"), 0);
	assert_int_equal(count("trace_index"), 0);
	rig.now += 100 * DAY_MS;
	rig_maintain(&rig, 0, 90 * DAY_MS);
	assert_int_equal(count("ledger"), 0);
	assert_int_equal(count("message"), 0);
	rig.disk_full = false;
	send_to_both();
	rig_maintain(&rig, 0, NEVER);
	assert_true(count("trace_index") > 0);
}

/* Rows of version 1; one that is damaged as it is seen stays for the repair. */
static void rows_without_a_seal_are_sealed(void **state)
{
	for (int i = 0; i < 150; i++)
		send_to_both();
	rig_sql(&rig, "CREATE TABLE kept AS SELECT id, account, seal FROM email;"
		      "UPDATE email SET seal = 0;"
		      "UPDATE email SET blob = blob + 1 WHERE account = 1 AND id ="
		      " (SELECT min(id) FROM email)");
	rig_maintain(&rig, NEVER, NEVER);
	assert_int_equal(count("email WHERE seal = 0"), 1);
	rig_sql(&rig, "UPDATE email SET blob = id");
	rig_maintain(&rig, NEVER, NEVER);
	assert_int_equal(count("email WHERE seal = 0"), 0);
	assert_int_equal(
	    rig_number(&rig, "SELECT count(*) FROM (SELECT id, account, seal FROM email EXCEPT"
			     " SELECT id, account, seal FROM kept)"),
	    0);
}

/* As if a bit had flipped: the others in the pack stay where they are. */
static void a_pack_with_others_stays(void **state)
{
	send_to_both();
	rig_expunge_all(&rig, ann);
	rig_expunge_all(&rig, bob);
	rig.now += 1;
	send_to_both();
	rig_sql(&rig, "UPDATE pack SET single = 1");
	rig_maintain(&rig, 0, NEVER);
	assert_int_equal(count("blob"), 1);
	assert_int_equal(count("pack"), 1);
	assert_int_equal(count("dropped"), 0);
}

static void run_slice(struct maintain *m)
{
	assert_int_equal(db_begin(rig.db), DB_OK);
	MUST(m->op.exec(&m->op, rig.db, rig.now) == LANE_KEEP);
	assert_int_equal(db_commit(rig.db), DB_OK);
}

/* What grows meets a full disk before anybody has seen that it is full. */
static void the_reserve_is_for_what_stores_less(void **state)
{
	struct maintain_config cfg = {0, NEVER, rig.blobs};
	struct maintain *m = mem_new(struct maintain);

	send_to_both();
	maintain_init(m, &cfg);
	run_slice(m);
	assert_true(count("trace_index") > 0);
	assert_false(m->op.frees);
	rig_expunge_all(&rig, ann);
	rig.now += 1;
	run_slice(m);
	assert_int_equal(count("membership"), 1);
	assert_true(m->op.frees);
	mem_free(m);
	rig_maintain(&rig, 0, NEVER);
}

static void many_go_in_slices(void **state)
{
	struct maintain_config cfg = {0, NEVER, rig.blobs};
	struct maintain *m = mem_new(struct maintain);

	for (int i = 0; i < 100; i++)
		send_to_both();
	rig_expunge_all(&rig, ann);
	rig_expunge_all(&rig, bob);
	rig.now += 1;
	maintain_init(m, &cfg);
	assert_true(m->op.frees);
	for (int64_t left = 200; left > 0;) {
		int64_t now_left;

		run_slice(m);
		now_left = count("membership");
		assert_true(m->rows <= LIMIT_SLICE_ROWS);
		assert_true(now_left < left || m->more);
		left = now_left;
	}
	mem_free(m);
	rig_maintain(&rig, 0, NEVER);
	assert_int_equal(count("blob"), 0);
}

static bool has_file(int64_t pack)
{
	char name[PACK_NAME_MAX];

	pack_name_put(name, "packs", pack);
	return access(name, F_OK) == 0;
}

/* As if a bit had flipped: nothing is in it, and what comes next will be. */
static void the_pack_that_is_appended_to_stays(void **state)
{
	int64_t active = blob_active(rig.blobs);

	send_to_both();
	rig_expunge_all(&rig, ann);
	rig_expunge_all(&rig, bob);
	rig.now += 1;
	rig_sql(&rig, "UPDATE pack SET single = 1");
	rig_maintain(&rig, 0, NEVER);
	assert_int_equal(count("blob"), 0);
	assert_int_equal(count("dropped"), 0);
	assert_int_equal(rig_number(&rig, "SELECT pack FROM pack WHERE single = 0"), active);
}

/* As if a bit had flipped: a large message that somebody has counts as one that nobody needs. */
static void a_large_message_that_somebody_has_stays(void **state)
{
	int64_t pack = rig_send_large(&rig, "ann@a.test");

	rig_sql(&rig, "CREATE TABLE kept AS SELECT * FROM blob; UPDATE blob SET refs = 0");
	rig.now += 1;
	rig_maintain(&rig, 0, NEVER);
	assert_int_equal(count("blob"), 0);
	assert_true(has_file(pack));
	assert_int_equal(count("dropped"), 0);
	rig_restart(&rig);
	assert_true(has_file(pack));
	rig_sql(&rig, "INSERT INTO blob SELECT * FROM kept");
}

/* An append came by after the slice that found it empty. */
static void a_pack_whose_row_came_back_stays(void **state)
{
	int64_t pack = rig_send_large(&rig, "ann@a.test");
	struct maintain_config cfg = {0, NEVER, rig.blobs};
	struct maintain *m = mem_new(struct maintain);

	maintain_init(m, &cfg);
	m->op.done = rig_nothing;
	m->dropped[m->ndropped++] = pack;
	rig_sql(&rig, "UPDATE pack SET single = 0");
	lane_run_one(rig.lane, &m->op, rig.now);
	mem_free(m);
	assert_true(has_file(pack));
}

/* Each is somewhere else on the disk, and who delivers waits for the slice. */
static void few_large_messages_go_at_a_time(void **state)
{
	struct maintain_config cfg = {0, NEVER, rig.blobs};
	struct maintain *m = mem_new(struct maintain);
	int64_t last = 0;

	for (int i = 0; i < 20; i++)
		last = rig_send_large(&rig, "ann@a.test");
	rig_expunge_all(&rig, ann);
	rig.now += 1;
	maintain_init(m, &cfg);
	m->op.done = rig_nothing;
	do {
		lane_run_one(rig.lane, &m->op, rig.now);
		assert_int_equal(m->op.result, LANE_DONE);
		assert_in_range(m->ndropped, 0, 8);
	} while (m->more);
	mem_free(m);
	assert_int_equal(count("blob"), 0);
	assert_int_equal(count("pack WHERE single = 1"), 0);
	assert_false(has_file(last));
}

/* The server dies while a backup holds the files: what was deleted goes at the next start. */
static void a_dropped_file_that_is_held(void **state)
{
	int64_t pack = rig_send_large(&rig, "ann@a.test");
	char name[PACK_NAME_MAX];

	blob_hold(rig.blobs);
	rig_expunge_all(&rig, ann);
	rig.now += 1;
	rig_maintain(&rig, 0, NEVER);
	assert_int_equal(count("pack WHERE single = 1"), 0);
	pack_name_put(name, "packs", pack);
	assert_int_equal(access(name, F_OK), 0);
	rig_restart(&rig);
	assert_int_not_equal(access(name, F_OK), 0);
	pack_orphan_put(name, "packs", pack);
	assert_int_not_equal(access(name, F_OK), 0);
	/* a copy of the database of that time drops this number: never is it given again */
	rig_restart(&rig);
	assert_true(rig_send_large(&rig, "ann@a.test") > pack);
}

/* A dropped pack is known until its file is gone, and while its number lies above all that are in use. */
static void what_was_dropped_is_forgotten(void **state)
{
	int64_t pack = rig_send_large(&rig, "ann@a.test"), last;

	blob_hold(rig.blobs);
	rig_expunge_all(&rig, ann);
	rig.now += 1;
	rig_maintain(&rig, 0, NEVER);
	assert_int_equal(count("dropped"), 1);
	last = rig_send_large(&rig, "ann@a.test");
	assert_true(last > pack);
	rig.now += 2 * HOUR_MS;
	rig_maintain(&rig, NEVER, NEVER);
	assert_int_equal(count("dropped"), 1); /* its file is still there */
	blob_release(rig.blobs);
	rig.now += 2 * HOUR_MS;
	rig_maintain(&rig, NEVER, NEVER);
	assert_int_equal(count("dropped"), 0);
	rig_expunge_all(&rig, ann);
	rig.now += 1;
	rig_maintain(&rig, 0, NEVER);
	rig.now += 2 * HOUR_MS;
	rig_maintain(&rig, NEVER, NEVER);
	assert_int_equal(count("dropped"), 1); /* the last of all */
	rig_restart(&rig);
	assert_true(rig_send_large(&rig, "ann@a.test") > last);
}

static void a_removed_account_goes_whole(void **state)
{
	for (int i = 0; i < 90; i++)
		send_to_both();
	assert_string_equal(rig_change(&rig, DIRECTORY_ACCOUNT_REMOVE, "ann@a.test", NULL), "");
	rig_must_balance(&rig);
	assert_true(rig_account(&rig, "ann@a.test") > bob); /* the name is free at once */
	rig_maintain(&rig, NEVER, NEVER);
	assert_int_equal(count("email WHERE account = 1"), 0);
	assert_int_equal(count("membership WHERE account = 1"), 0);
	assert_int_equal(count("change WHERE account = 1"), 0);
	assert_int_equal(count("mailbox WHERE account = 1"), 0);
	assert_int_equal(count("account WHERE id = 1"), 0);
	assert_int_equal(count("credential WHERE account = 1"), 0);
	assert_int_equal(count("email"), 90);
	assert_int_equal(rig_number(&rig, "SELECT sum(refs) FROM blob"), 90);
}

static void history_becomes_sums(void **state)
{
	send_to_both();
	rig.now += 1;
	rig_maintain(&rig, NEVER, NEVER); /* indexed */
	assert_int_equal(count("trace_index"), 3);
	rig.now += 90 * DAY_MS;
	send_to_both();
	rig_maintain(&rig, NEVER, 90 * DAY_MS);
	assert_int_equal(count("message"), 1);
	assert_int_equal(count("ledger"), 2);
	assert_int_equal(count("trace_index"), 3); /* of the new one */
	assert_int_equal(rig_number(&rig, "SELECT mailbox FROM ledger_day"), 2);
	assert_int_equal(count("email"), 4); /* mail is not history */
}

#define MANY 200

/* Each of the many accounts has a copy; its rows in the ledger are 0 to MANY - 1. */
static void send_to_many(void)
{
	struct deliver *d = rig_message(&rig, "x@else.test", "text\r\n");
	char address[32];

	for (int i = 0; i < MANY; i++) {
		snprintf(address, sizeof address, "u%d@a.test", i);
		(void)rig_account(&rig, address);
		rig_to(d, address);
	}
	assert_true(rig_run(&rig, d));
	deliver_free(&d);
}

/* A message with far more recipients and events than a commit may touch: at no time a sum is wrong. */
static void a_large_message_is_folded_in_parts(void **state)
{
	struct maintain_config cfg = {NEVER, DAY_MS, rig.blobs};
	struct maintain *m = mem_new(struct maintain);
	int slices = 0;

	send_to_many();
	rig_sql(&rig,
	    "WITH RECURSIVE n (i) AS (SELECT 200 UNION ALL SELECT i + 1 FROM n WHERE i < 1199)"
	    " INSERT INTO ledger SELECT (SELECT id FROM message), i, 'r' || i || '@else.test', 1 + i % 3,"
	    " 0, '', 0, 0 FROM n;"
	    "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 700)"
	    " INSERT INTO trace SELECT (SELECT id FROM message), i, 0, 0, 6, '', 0 FROM n;"
	    "UPDATE message SET recipients = 1200");
	rig_count_rows(&rig);
	rig_maintain(&rig, NEVER, NEVER);
	assert_int_equal(count("trace_index"), 1200 + 1);
	rig.now += 2 * DAY_MS;
	maintain_init(m, &cfg);
	for (; count("message") > 0; slices++) {
		int64_t faults[LEDGER_FAULTS];
		struct ledger_day total;

		m->task = 3; /* history */
		run_slice(m);
		assert_true(m->rows > 0 && m->rows <= LIMIT_SLICE_ROWS);
		total = rig_audit(&rig, faults);
		rig_must_balance(&rig);
		assert_int_equal(total.messages, 1);
		assert_int_equal(total.accepted, 1200);
		assert_int_equal(total.in[LEDGER_MAILBOX], MANY);
	}
	assert_true(slices > 5);
	assert_int_equal(count("ledger"), 0);
	assert_int_equal(count("trace"), 0);
	assert_int_equal(count("trace_index"), 0);
	assert_int_equal(rig_number(&rig, "SELECT relayed FROM ledger_day"), 333);
	assert_int_equal(rig_number(&rig, "SELECT bounced + discarded FROM ledger_day"), 667);
	mem_free(m);
}

static void queued_mail_is_not_folded(void **state)
{
	struct deliver *d = rig_message(&rig, "ann@a.test", "text\r\n");

	d->may_relay = true;
	rig_to(d, "bob@a.test");
	rig_to(d, "x@else.test")->action = PLAN_RELAY;
	assert_true(rig_run(&rig, d));
	deliver_free(&d);
	send_to_both();
	rig.now += 100 * DAY_MS;
	rig_maintain(&rig, NEVER, DAY_MS);
	assert_int_equal(count("message"), 1);
	assert_int_equal(count("queue"), 1);
	assert_int_equal(count("ledger"), 2);
}

/* What administrators did is kept as long as what it tells of. */
static void changes_are_forgotten_in_slices(void **state)
{
	int64_t before = count("admin_log");

	rig_sql(&rig,
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)"
	    " INSERT INTO admin_log SELECT i - 5000, 1, 'uid 0', 'nothing' FROM n");
	rig_count_rows(&rig);
	assert_true(rig_maintain(&rig, NEVER, 90 * DAY_MS) >= 3);
	assert_int_equal(count("admin_log"), before);
	rig.now += 89 * DAY_MS;
	rig_maintain(&rig, NEVER, 90 * DAY_MS);
	assert_int_equal(count("admin_log"), before);
	rig.now += 2 * DAY_MS;
	rig_maintain(&rig, NEVER, 90 * DAY_MS);
	assert_int_equal(count("admin_log"), 0);
}

static void nothing_to_do_writes_nothing(void **state)
{
	struct lane_stats before, after;

	rig_maintain(&rig, NEVER, NEVER);
	lane_stats(rig.lane, &before);
	assert_int_equal(rig_maintain(&rig, NEVER, NEVER), 1);
	lane_stats(rig.lane, &after);
	assert_int_equal(after.wal_bytes, before.wal_bytes);
	assert_int_equal(after.sequence, before.sequence);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(expunged_mail_stays_for_its_window),
	    T(a_clock_that_may_be_wrong_costs_nobody_his_mail),
	    T(a_full_disk_is_made_room_on),
	    T(rows_without_a_seal_are_sealed),
	    T(a_pack_with_others_stays),
	    T(the_reserve_is_for_what_stores_less),
	    T(many_go_in_slices),
	    T(a_removed_account_goes_whole),
	    T(history_becomes_sums),
	    T(the_pack_that_is_appended_to_stays),
	    T(a_large_message_that_somebody_has_stays),
	    T(a_pack_whose_row_came_back_stays),
	    T(few_large_messages_go_at_a_time),
	    T(a_dropped_file_that_is_held),
	    T(what_was_dropped_is_forgotten),
	    T(a_large_message_is_folded_in_parts),
	    T(queued_mail_is_not_folded),
	    T(changes_are_forgotten_in_slices),
	    T(nothing_to_do_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
