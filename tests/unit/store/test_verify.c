/* Looking for damage: what is found names its message, and what is sound is not named. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "damage.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/limits.h"

#define MESSAGES 12

static struct rig rig;
static int64_t ids[MESSAGES];
static int64_t found, named; /* findings; those with the message that is looked for */
static int64_t wanted, last_message;

static int setup(void **state)
{
	char text[400];

	rig_open(&rig);
	rig_domain(&rig, "a.test");
	rig_account(&rig, "ann@a.test");
	for (int i = 0; i < MESSAGES; i++) {
		snprintf(text, sizeof text, "%0*d\r\n", 20 + 10 * i, i);
		assert_true(rig_send(&rig, "x@else.test", "ann@a.test", text, &ids[i]));
	}
	return 0;
}

static int teardown(void **state)
{
	rig_close(&rig);
	return 0;
}

static void on_finding(void *ctx, const struct verify_finding *f)
{
	assert_true(strlen(f->what) > 0);
	found++;
	last_message = f->message;
	if (f->message == wanted && str_eq(f->account, STR("ann@a.test")))
		named++;
}

static void verify(int64_t octets)
{
	int64_t all, left;

	found = named = 0;
	all = damage_find(&rig, octets, on_finding, NULL, &left);
	assert_int_equal(all, found);
	assert_int_equal(left, 0);
}

/* Old rows of the record of administrators go with time; one between them does not. */
static void forgotten_changes_are_not_missed(void **state)
{
	rig.now += 91 * DAY_MS;
	rig_maintain(&rig, 3650 * DAY_MS, 90 * DAY_MS);
	verify(MIB);
	assert_int_equal(found, 0);
	rig_account(&rig, "bob@a.test");
	rig_account(&rig, "carl@a.test");
	rig_account(&rig, "dan@a.test");
	verify(MIB);
	assert_int_equal(found, 0);
	for (int i = 0; i < 3; i++) { /* the first, the last, one between them */
		assert_int_equal(db_begin(rig.db), DB_OK);
		rig_sql(&rig,
		    i == 0 ? "DELETE FROM admin_log WHERE id = (SELECT min(id) FROM admin_log)"
		    : i == 1
			? "DELETE FROM admin_log WHERE id = (SELECT max(id) FROM admin_log)"
			: "DELETE FROM admin_log WHERE id = (SELECT max(id) - 1 FROM admin_log)");
		assert_int_equal(db_commit(rig.db), DB_OK);
		verify(MIB);
		assert_int_equal(found, 1);
		rig_count_rows(&rig);
		verify(MIB);
		assert_int_equal(found, 0);
		for (int k = 0; k < 2; k++)
			assert_string_equal(
			    rig_change(&rig,
				k ? DIRECTORY_ACCOUNT_ENABLE : DIRECTORY_ACCOUNT_DISABLE,
				"dan@a.test", NULL),
			    "");
	}
}

static void flip(int64_t pack, int64_t at, int bit)
{
	char name[PACK_NAME_MAX];
	uint8_t octet;
	int fd;

	pack_name_put(name, "packs", pack);
	fd = open(name, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &octet, 1, at), 1);
	octet ^= (uint8_t)(1u << bit);
	assert_int_equal(pwrite(fd, &octet, 1, at), 1);
	close(fd);
}

static void a_sound_store(void **state)
{
	verify(INT64_MAX / 2);
	assert_int_equal(found, 0);
	verify(1);
	assert_int_equal(found, 0);
}

/* Octets all over some messages, a bit each: the message is named, each time. */
static void each_octet_of_a_message(void **state)
{
	for (int i = 0; i < MESSAGES; i += 5) {
		struct db_query *q = db_begin_query(rig.db, SQL_BLOB_GET, DB_ARGS(db_int(ids[i])));
		int64_t pack, pos, length;

		assert_int_equal(db_step(q), DB_ROW);
		pack = db_col_int(q, 0);
		pos = db_col_int(q, 1);
		length = db_col_int(q, 2);
		db_end(q);
		wanted = ids[i];
		for (int64_t at = 0; at < (int64_t)PACK_RECORD + length; at += 11) {
			flip(pack, pos + at, (int)(at % 8));
			verify(INT64_MAX / 2);
			if (named != 1)
				fail_msg("octet %lld of message %d is named %lld times",
				    (long long)at, i, (long long)named);
			flip(pack, pos + at, (int)(at % 8));
		}
	}
	verify(INT64_MAX / 2);
	assert_int_equal(found, 0);
}

/* One that waits to be sent is in no mailbox: it is named by its id. */
static void one_that_waits(void **state)
{
	struct deliver *d = rig_message(&rig, "ann@a.test", "text\r\n");

	d->may_relay = true;
	rig_to(d, "x@else.test")->action = PLAN_RELAY;
	assert_true(rig_run(&rig, d));
	wanted = d->message_id;
	deliver_free(&d);
	flip(1, rig_number(&rig, "SELECT max(pos) + 64 FROM blob"), 0);
	verify(INT64_MAX / 2);
	assert_int_equal(found, 1);
	assert_int_equal(last_message, wanted);
}

/* Whatever else: head of the pack, filling between records. test_pack_walk.c does so for every bit. */
static void octets_of_the_pack(void **state)
{
	int64_t end = rig_number(&rig, "SELECT end_offset FROM pack");

	for (int64_t at = 0; at < end; at += 37) {
		flip(1, at, (int)(at % 8));
		verify(INT64_MAX / 2);
		assert_true(found > 0);
		flip(1, at, (int)(at % 8));
	}
}

/* A change by hand is found, and where it concerns a message that is named. */
static void rows(void **state)
{
	static const struct {
		const char *sql;
		bool names; /* message and account */
	} changes[] = {
	    {"DELETE FROM blob WHERE id = (SELECT min(id) FROM email)", true},
	    {"UPDATE blob SET pos = pos + 8 WHERE id = (SELECT min(id) FROM email)", true},
	    {"UPDATE blob SET length = length + 1 WHERE id = (SELECT min(id) FROM email)", true},
	    {"UPDATE blob SET pack = 99 WHERE id = (SELECT min(id) FROM email)", false},
	    {"UPDATE blob SET refs = 2 WHERE id = (SELECT min(id) FROM email)", false},
	    {"UPDATE email SET size = 1 WHERE id = (SELECT min(id) FROM email)", true},
	    {"UPDATE email SET links = 2 WHERE id = (SELECT min(id) FROM email)", true},
	    {"UPDATE membership SET size = 1 WHERE uid = 1", true},
	    {"UPDATE membership SET mailbox = 77 WHERE uid = 1", true},
	    {"UPDATE membership SET email = 4711 WHERE uid = 1", false},
	    {"DELETE FROM change WHERE id = (SELECT min(id) FROM email)", true},
	    {"UPDATE email SET modseq = 4711 WHERE id = (SELECT min(id) FROM email)", true},
	    {"UPDATE mailbox SET modseq = 1", false},
	    {"UPDATE mailbox SET uidnext = 1", false},
	    {"UPDATE account SET modseq = 1", false},
	    {"UPDATE account SET used_bytes = 1", false},
	    {"UPDATE domain SET used_bytes = 1", false},
	    {"DELETE FROM meta WHERE name = 'folded'", false},
	    {"DELETE FROM domain", false},
	    {"DELETE FROM pack", false},
	};

	wanted = ids[0];
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		assert_int_equal(db_begin(rig.db), DB_OK);
		rig_sql(&rig, changes[i].sql);
		assert_int_equal(db_commit(rig.db), DB_OK);
		verify(INT64_MAX / 2);
		if (found == 0 || (changes[i].names && named == 0))
			fail_msg("%s: %lld found, %lld named", changes[i].sql, (long long)found,
			    (long long)named);
		teardown(NULL);
		setup(NULL);
		wanted = ids[0];
	}
}

/* The message that the disk does not give is named, and so is damage behind it. */
static void a_block_that_cannot_be_read(void **state)
{
	static char large[16 * 1024];
	static struct fault fault;
	int64_t id, behind;

	memset(large, 'x', sizeof large - 1);
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", large, &id));
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "behind\r\n", &behind));
	fault_init(&fault);
	rig.fault = &fault;
	rig_restart(&rig);
	fault_block(&fault, "packs/0000000001.pack",
	    rig_number(&rig, "SELECT pos + 8192 FROM blob ORDER BY length DESC LIMIT 1"), -EIO);
	wanted = id;
	verify(MIB);
	assert_int_equal(named, 1);
	assert_int_equal(found, 2); /* the block, the message */
	flip(1, rig_number(&rig, "SELECT max(pos) + 70 FROM blob"), 3);
	wanted = behind;
	verify(MIB);
	assert_int_equal(named, 1);
	assert_int_equal(found, 3);
	rig.fault = NULL;
	rig_restart(&rig);
	fault_fini(&fault);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_sound_store),
	    T(forgotten_changes_are_not_missed),
	    T(each_octet_of_a_message),
	    T(one_that_waits),
	    T(octets_of_the_pack),
	    T(rows),
	    T(a_block_that_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
