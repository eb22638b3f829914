/*
 * A bit flips in the row of the pack that is appended to, while the store is stopped. Whatever it tells then, no
 * message is written over, not even for whoever has the packs alone; and what comes next is kept too.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "flip.h"
#include "rig.h"

#include <string.h>

#include "scratch.h"
#include "store/pack_survey.h"
#include "store/recover.h"

#define IDS  1000
#define PACK (INT64_C(64) * 1024)

static struct rig rig;
static int64_t ann;
static struct err told;

static int setup(void **state)
{
	rig_open(&rig);
	rig.pack_size = PACK;
	rig_restart(&rig);
	rig_domain(&rig, "a.test");
	ann = rig_account(&rig, "ann@a.test");
	return 0;
}

static int teardown(void **state)
{
	rig_close(&rig);
	return 0;
}

static void send(void)
{
	assert_true(
	    rig_send(&rig, "x@else.test", "ann@a.test", "Subject: s\r\n\r\ntext\r\n", NULL));
}

/* A start as the store makes it, for what it tells. */
static void listen_to_a_start(void)
{
	struct pack_config packs = {.fs = &rig.fs, .dir = "packs", .pack_size = rig.pack_size};
	struct blob_store *blobs = NULL;
	struct db *db;
	int64_t sequence;

	rig_pause(&rig);
	db = scratch_db();
	assert_int_equal(recover_packs(db, &packs, &blobs, &sequence, &told), DB_OK);
	blob_store_free(&blobs);
	db_close(&db);
	rig_resume(&rig);
}

/* Of the column of the pack that is appended to. */
static int64_t flip(const char *column, int bit)
{
	int64_t mask = (int64_t)(UINT64_C(1) << bit), pack = blob_active(rig.blobs), was;
	char sql[200];

	was = flip_number(&rig, "SELECT %s FROM pack WHERE pack = %lld", column, (long long)pack);
	snprintf(sql, sizeof sql, "UPDATE pack SET %s = %lld WHERE pack = %lld", column,
	    (long long)(was ^ mask), (long long)pack);
	rig_sql(&rig, sql);
	return was;
}

/* Unless it was put right, or written, meanwhile. */
static void put_back(const char *column, int bit, int64_t pack, int64_t was)
{
	int64_t mask = (int64_t)(UINT64_C(1) << bit);
	char sql[200];

	snprintf(sql, sizeof sql, "UPDATE pack SET %s = %lld WHERE pack = %lld AND %s = %lld",
	    column, (long long)was, (long long)pack, column, (long long)(was ^ mask));
	rig_sql(&rig, sql);
}

static void read_all(int64_t count)
{
	struct mailbox_snapshot s = rig_snapshot(&rig, ann, MAILBOX_INBOX);
	struct arena *a = arena_new();

	assert_int_equal(mailbox_snapshot_count(&s), count);
	for (int64_t n = 1; n <= count; n++)
		(void)rig_read(&rig, a, &s, n);
	arena_free(&a);
	mailbox_snapshot_fini(&s);
}

static int64_t ids[IDS];
static size_t nids;

static void on_record(void *ctx, const struct pack_record *r, bool good)
{
	assert_true(good && nids < IDS);
	ids[nids++] = r->id;
}

static void on_file(void *ctx, const char *name)
{
	struct pack_survey s = {.on_record = on_record};
	int64_t pack = pack_name_get(name);

	if (pack)
		assert_int_equal(pack_survey(&s, &rig.fs, "packs", rig.blobs, pack, NULL), BLOB_OK);
}

/* Nothing but the files tells how many there are. */
static void survey_all(int64_t count)
{
	nids = 0;
	assert_int_equal(rig.fs.ops->each(&rig.fs, "packs", on_file, NULL), 0);
	assert_int_equal(nids, count);
}

static int64_t sent;

static void flip_and_start(const char *column, int bit)
{
	int64_t pack = blob_active(rig.blobs), was = flip(column, bit);

	rig_restart(&rig);
	send();
	sent++;
	rig_restart(&rig);
	read_all(sent);
	put_back(column, bit, pack, was);
}

/* Or each `step`th. */
static void each_bit(const char *column, int step)
{
	for (sent = 0; sent < 3; sent++)
		send();
	for (int bit = 0; bit < 64; bit += step)
		flip_and_start(column, bit);
	read_all(sent);
	survey_all(sent);
}

static void each_bit_of_its_end(void **state)
{
	each_bit("end_offset", 1);
}

static void each_bit_of_its_generation(void **state)
{
	each_bit("generation", 1);
}

/* From which no higher one can come. */
static void the_highest_generation(void **state)
{
	for (sent = 0; sent < 3; sent++)
		send();
	rig_sql(&rig, "UPDATE pack SET generation = 9223372036854775807");
	rig_restart(&rig);
	send();
	rig_restart(&rig);
	read_all(++sent);
	survey_all(sent);
}

static void each_bit_of_whether_it_is_single(void **state)
{
	each_bit("single", 7);
}

static void each_bit_of_its_sequence(void **state)
{
	each_bit("sequence", 7);
}

/* Numbers of others rise from what it says. */
static void bits_of_its_number(void **state)
{
	static const int bits[] = {0, 1, 2, 7, 31, 32, 40, 62, 63};

	for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
		teardown(state);
		setup(state);
		for (sent = 0; sent < 3; sent++)
			send();
		(void)flip("pack", bits[i]);
		rig_restart(&rig);
		send();
		rig_restart(&rig);
		read_all(++sent);
		survey_all(sent);
	}
}

/* An end before messages that are there: said once, with the cure, for then another pack is appended to. */
static void an_end_that_is_too_low_is_told(void **state)
{
	int64_t pack = blob_active(rig.blobs);
	char sql[80];

	send();
	listen_to_a_start();
	assert_string_equal(told.text, "");
	assert_int_equal(blob_active(rig.blobs), pack);
	rig_sql(&rig, "UPDATE pack SET end_offset = 64");
	listen_to_a_start();
	snprintf(sql, sizeof sql, "the row of pack %lld,", (long long)pack);
	assert_non_null(strstr(told.text, sql));
	assert_non_null(strstr(told.text, "godwit store repair"));
	assert_true(blob_active(rig.blobs) > pack);
	listen_to_a_start();
	assert_string_equal(told.text, "");
	send();
	read_all(2);
}

/* Of the file nothing is missing that the index has. */
static void an_end_that_is_too_high_is_told(void **state)
{
	int64_t pack = blob_active(rig.blobs);

	send();
	rig_sql(&rig, "UPDATE pack SET end_offset = end_offset + 1073741824");
	listen_to_a_start();
	assert_non_null(strstr(told.text, "does not fit"));
	assert_true(blob_active(rig.blobs) > pack);
	send();
	read_all(2);
}

/* What nobody needs any more may be written over, as ever. */
static void what_is_gone_lies_behind_no_end(void **state)
{
	int64_t pack = blob_active(rig.blobs);

	send();
	rig_sql(&rig, "UPDATE pack SET end_offset = 64; DELETE FROM blob");
	listen_to_a_start();
	assert_string_equal(told.text, "");
	assert_int_equal(blob_active(rig.blobs), pack);
}

/* A pack of one large message that counts as shared is not taken for the one to append to. */
static void a_pack_of_one_message_is_passed_over(void **state)
{
	int64_t pack = blob_active(rig.blobs), id = 4711;
	struct blob_upload *u = NULL;
	struct blob_pos pos;

	send();
	assert_int_equal(blob_upload_begin(rig.blobs, id, BLOB_PLAIN, &u, NULL), BLOB_OK);
	assert_int_equal(blob_upload_write(rig.blobs, u, STR("text\r\n"), NULL), BLOB_OK);
	assert_int_equal(blob_upload_finish(rig.blobs, u, &pos, NULL), BLOB_OK);
	assert_int_equal(blob_attach(rig.blobs, u, NULL), BLOB_OK);
	assert_int_equal(blob_sync(rig.blobs, NULL), BLOB_OK);
	blob_committed(rig.blobs);
	blob_upload_free(rig.blobs, &u);
	assert_true(pos.pack > pack);
	rig_sql(&rig, "INSERT INTO pack SELECT pack + 1, 0, 0, 136, 1 FROM pack");
	assert_int_equal(flip_number(&rig, "SELECT max(pack) FROM pack"), pos.pack);
	listen_to_a_start();
	assert_string_equal(told.text, "");
	assert_int_equal(blob_active(rig.blobs), pack);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(each_bit_of_its_end),
	    T(each_bit_of_its_generation),
	    T(the_highest_generation),
	    T(each_bit_of_whether_it_is_single),
	    T(each_bit_of_its_sequence),
	    T(bits_of_its_number),
	    T(an_end_that_is_too_low_is_told),
	    T(an_end_that_is_too_high_is_told),
	    T(what_is_gone_lies_behind_no_end),
	    T(a_pack_of_one_message_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
