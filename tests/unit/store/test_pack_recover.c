/* Packs: what was committed survives restarts and failing calls, what was not is forgotten. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "pack_rig.h"
#include "scratch.h"
#include "store/pack_format.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_uncommitted_is_forgotten(void **state)
{
	struct blob_pos kept = packs_add(1, 1000), lost, next;

	assert_int_equal(packs_append(2, 3000, &lost), BLOB_OK);
	packs_reopen();
	next = packs_add(3, 500);
	assert_int_equal(next.pack, lost.pack);
	assert_int_equal(next.offset, lost.offset);
	assert_int_equal(packs_check(1, kept), BLOB_OK);
	assert_int_equal(packs_check(3, next), BLOB_OK);
	assert_int_equal(packs_check(2, lost), BLOB_DAMAGED);
}

static void test_torn_tail(void **state)
{
	struct blob_pos kept = packs_add(1, 1000), lost;

	for (int64_t cut = 0; cut < 300; cut += 37) {
		char name[PACK_NAME_MAX];
		struct blob_pos next;

		assert_int_equal(packs_append(2, 200, &lost), BLOB_OK);
		blob_store_free(&rig.store);
		pack_name_put(name, "packs", lost.pack);
		assert_int_equal(truncate(name, lost.offset + cut), 0);
		packs_must_open(PACKS_SMALL);
		assert_int_equal(packs_check(1, kept), BLOB_OK);
		assert_int_equal(packs_append(4, 100, &next), BLOB_OK);
		assert_int_equal(next.offset, lost.offset);
		assert_int_equal(packs_check(4, next), BLOB_OK);
		blob_rewind(rig.store);
	}
}

/* What overwrites differs in its generation from what was there, after a rewind and a restart. */
static void test_generations_rise(void **state)
{
	int64_t first = rig.rows[0].generation, second;
	struct blob_pos pos;

	assert_int_equal(packs_append(1, 10, &pos), BLOB_OK);
	blob_rewind(rig.store);
	packs_add(1, 10);
	second = rig.rows[0].generation;
	assert_true(second > first);
	assert_int_equal(packs_append(1, 10, &pos), BLOB_OK);
	blob_rewind(rig.store);
	packs_reopen();
	assert_true(rig.rows[0].generation > second + 1);
}

static void test_missing_pack(void **state)
{
	struct blob_pos first = packs_add(1, 50000), second = packs_add(2, 50000), third;
	struct blob_counts counts;
	char name[PACK_NAME_MAX];

	assert_int_not_equal(first.pack, second.pack);
	pack_name_put(name, "packs", first.pack);
	unlink(name);
	packs_reopen();
	assert_non_null(strstr(rig.err.text, "missing"));
	blob_counts(rig.store, &counts);
	assert_int_equal(counts.missing, 1);
	assert_int_equal(packs_check(1, first), BLOB_GONE);
	assert_int_equal(packs_check(2, second), BLOB_OK);
	/* the last one cut short: it is left alone and a new one begun */
	pack_name_put(name, "packs", second.pack);
	assert_int_equal(truncate(name, second.offset + 100), 0);
	packs_reopen();
	third = packs_add(3, 100);
	assert_true(third.pack > second.pack);
	assert_int_equal(packs_check(2, second), BLOB_DAMAGED);
	assert_int_equal(packs_check(3, third), BLOB_OK);
}

static void test_one_foreign_pack(void **state)
{
	packs_add(1, 50000);
	blob_store_free(&rig.store);
	rig.nrows = 0;
	assert_int_equal(packs_try_open(PACKS_SMALL), BLOB_DAMAGED);
	assert_non_null(strstr(rig.err.text, " holds 1 pack with messages"));
}

static void test_foreign_packs(void **state)
{
	struct blob_pos first = packs_add(1, 50000), second = packs_add(2, 50000);
	char name[PACK_NAME_MAX], aside[PACK_NAME_MAX + 8];

	/* a database that lost everything must not cost the packs too */
	blob_store_free(&rig.store);
	rig.nrows = 0;
	assert_int_equal(packs_try_open(PACKS_SMALL), BLOB_DAMAGED);
	assert_non_null(strstr(
	    rig.err.text, " holds 2 packs with messages of which the database knows nothing"));
	assert_true(packs_size_of(first.pack) > 0);
	/* one that knows some: the others are set aside */
	rig.rows[rig.nrows++] = (struct blob_point){first.pack, 1, false, 50128};
	packs_must_open(PACKS_SMALL);
	assert_int_equal(packs_check(1, first), BLOB_OK);
	pack_name_put(name, "packs", second.pack);
	snprintf(aside, sizeof aside, "%s.orphan", name);
	assert_int_equal(access(aside, F_OK), 0);
}

/* Named and whole, and the machine died before the commit; or it was committed, and an older database put back. */
static int64_t add_unknown_upload(void)
{
	struct blob_upload *u = NULL;
	struct blob_pos pos;

	assert_int_equal(packs_upload(1, 300, &u, &pos), BLOB_OK);
	assert_int_equal(blob_attach(rig.store, u, &rig.err), BLOB_OK);
	blob_distrust(rig.store);
	blob_rewind(rig.store);
	blob_upload_free(rig.store, &u);
	return pos.pack;
}

static bool is_aside(int64_t pack)
{
	char name[PACK_NAME_MAX];

	pack_orphan_put(name, "packs", pack);
	return access(name, F_OK) == 0;
}

#define MANY 20

static void expect_told(int64_t packs, int64_t now)
{
	char want[80];

	snprintf(want, sizeof want, "packs: %lld packs, %lld octets, ", (long long)packs,
	    (long long)packs * 432);
	assert_non_null(strstr(rig.err.text, want));
	snprintf(want, sizeof want, "(%lld new)", (long long)now);
	assert_non_null(strstr(rig.err.text, want));
	assert_non_null(strstr(rig.err.text, "godwit store salvage"));
}

/* What may have been accepted is set aside, however often it dies, and each start tells of all. */
static void test_unknown_large_messages(void **state)
{
	int64_t packs[MANY];

	for (int i = 0; i < MANY; i++) {
		packs[i] = add_unknown_upload();
		packs_reopen();
		assert_true(is_aside(packs[i]));
		assert_int_equal(packs_size_of(packs[i]), -1);
		expect_told(i + 1, 1);
	}
	packs_reopen();
	expect_told(MANY, 0);
	for (int i = 0; i < MANY; i++)
		assert_true(is_aside(packs[i]));
}

static int64_t add_large(int64_t id)
{
	struct blob_upload *u = NULL;
	struct blob_pos pos;

	assert_int_equal(packs_upload(id, 300, &u, &pos), BLOB_OK);
	assert_int_equal(blob_attach(rig.store, u, &rig.err), BLOB_OK);
	packs_commit();
	blob_upload_free(rig.store, &u);
	return pos.pack;
}

/* Accepted mail that an older database does not know outlives the crashes that follow. */
static void test_an_older_database(void **state)
{
	int64_t packs[MANY];

	for (int i = 0; i < MANY; i++)
		packs[i] = add_large(i);
	for (int i = 0; i < MANY; i++)
		packs_remove_row(packs[i]);
	packs_reopen();
	expect_told(MANY, MANY);
	for (int crash = 1; crash <= 3; crash++) {
		(void)add_unknown_upload();
		packs_reopen();
		expect_told(MANY + crash, 1);
	}
	for (int i = 0; i < MANY; i++)
		assert_true(is_aside(packs[i]));
}

/* The one with the lower number commits last, after the database was copied. */
static void test_commits_against_the_order_of_numbers(void **state)
{
	struct blob_upload *a = NULL, *b = NULL;
	struct blob_pos first, second;

	assert_int_equal(packs_upload(1, 300, &a, &first), BLOB_OK);
	assert_int_equal(packs_upload(2, 300, &b, &second), BLOB_OK);
	assert_true(first.pack < second.pack);
	assert_int_equal(blob_attach(rig.store, b, &rig.err), BLOB_OK);
	packs_commit();
	assert_int_equal(blob_attach(rig.store, a, &rig.err), BLOB_OK);
	packs_commit();
	blob_upload_free(rig.store, &a);
	blob_upload_free(rig.store, &b);
	packs_remove_row(first.pack);
	packs_reopen();
	assert_true(is_aside(first.pack));
	expect_told(1, 1);
}

/* What the database dropped goes, and its number is not given again. */
static void test_dropped_large_message(void **state)
{
	int64_t pack = add_unknown_upload();

	rig.dropped = pack;
	packs_reopen();
	assert_int_equal(packs_size_of(pack), -1);
	assert_false(is_aside(pack));
	assert_int_equal(rig.err.text[0], '\0');
	packs_reopen();
	assert_true(add_large(1) > pack);
}

/* A head that the disk does not give may be anything's: neither removed nor written to. */
static void test_head_that_cannot_be_read(void **state)
{
	struct blob_pos known = packs_add(1, 100), next;
	int64_t unknown = add_unknown_upload(), size = packs_size_of(unknown);
	char name[PACK_NAME_MAX];

	for (int64_t pack = known.pack; pack; pack = pack == known.pack ? unknown : 0) {
		int64_t before;

		pack_name_put(name, "packs", pack);
		before = packs_size_of(pack);
		fault_block(&rig.fault, name, 0, -EIO);
		packs_reopen();
		assert_int_equal(packs_size_of(pack), before);
		next = packs_add(2, 100);
		assert_int_not_equal(next.pack, pack);
		assert_int_equal(packs_size_of(pack), before);
		if (pack == known.pack) {
			assert_non_null(strstr(rig.err.text, "missing"));
			pack_orphan_put(name, "packs", unknown);
			assert_int_equal(access(name, F_OK), 0);
			unknown = add_unknown_upload();
		}
	}
	assert_int_equal(packs_size_of(unknown), size);
	rig.fault.bad_file = 0;
	packs_reopen();
	assert_int_equal(packs_check(1, known), BLOB_OK);
}

/* Of the pack that is appended to: what lies in it is read as before, and what comes goes to another. */
static void test_each_bit_of_a_head(void **state)
{
	for (int64_t bit = 0; bit < (int64_t)PACK_HEAD * 8; bit++) {
		struct blob_pos before = packs_add(2 * bit, 100), after;

		packs_flip(before.pack, bit / 8, (int)(bit % 8));
		packs_reopen();
		assert_non_null(strstr(rig.err.text, "missing or cut short"));
		after = packs_add(2 * bit + 1, 100);
		assert_true(after.pack > before.pack);
		packs_flip(before.pack, bit / 8, (int)(bit % 8));
		assert_int_equal(packs_check(2 * bit, before), BLOB_OK);
		assert_int_equal(packs_check(2 * bit + 1, after), BLOB_OK);
	}
}

static void test_stranger_files_are_left_alone(void **state)
{
	static const char *const names[] = {"packs/README", "packs/1.pack",
	    "packs/0000000009.pack.orphan", "packs/x000000009.pack"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		close(open(names[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	packs_reopen();
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_int_equal(access(names[i], F_OK), 0);
}

static void test_short_writes(void **state)
{
	struct blob_pos pos;

	fault_set(&rig.fault, FAULT_FS_SHORT, 1, true, false);
	pos = packs_add(1, 100);
	fault_set(&rig.fault, FAULT_NONE, 0, false, false);
	assert_int_equal(packs_check(1, pos), BLOB_OK);
}

static void test_full_disk(void **state)
{
	struct blob_pos kept = packs_add(1, 30000), pos;

	fault_set(&rig.fault, FAULT_FS_WRITE, 1, true, true);
	assert_int_equal(packs_append(2, 1000, &pos), BLOB_FULL);
	blob_rewind(rig.store);
	fault_set(&rig.fault, FAULT_FS_OPEN, 1, true, true);
	assert_int_equal(packs_append(2, 50000, &pos), BLOB_FULL); /* wants a new pack */
	blob_rewind(rig.store);
	fault_set(&rig.fault, FAULT_NONE, 0, false, false);
	pos = packs_add(2, 1000);
	assert_int_equal(packs_check(1, kept), BLOB_OK);
	assert_int_equal(packs_check(2, pos), BLOB_OK);
}

/* One run: appends, a rewind, a roll-over, an upload. Gives up at the first failure. */
static enum blob_code scenario(int64_t *acknowledged, struct blob_pos pos[8])
{
	struct blob_upload *u = NULL;
	enum blob_code code = BLOB_OK;

	for (int64_t i = 0; i < 6 && code == BLOB_OK; i++) {
		code = packs_append(i, 15000, &pos[i]);
		if (code == BLOB_OK)
			code = blob_sync(rig.store, &rig.err);
		if (code != BLOB_OK)
			break;
		blob_points(rig.store, packs_put_row, NULL);
		blob_committed(rig.store);
		*acknowledged = i + 1;
	}
	if (code == BLOB_OK)
		code = packs_upload(6, 100000, &u, &pos[6]);
	if (code == BLOB_OK)
		code = blob_attach(rig.store, u, &rig.err);
	if (code == BLOB_OK)
		code = blob_sync(rig.store, &rig.err);
	if (code == BLOB_OK) {
		blob_points(rig.store, packs_put_row, NULL);
		blob_committed(rig.store);
		*acknowledged = 7;
	} else {
		blob_rewind(rig.store);
	}
	blob_upload_free(rig.store, &u);
	return code;
}

/* The n-th call fails, for every n: what was acknowledged is there after the restart. */
static void test_every_call_failing(void **state)
{
	int64_t failures = 0;

	for (int full = 0; full < 2; full++) {
		for (int64_t n = 1;; n++) {
			struct blob_pos pos[8];
			int64_t acknowledged = 0;
			enum blob_code code;
			bool fired;

			blob_store_free(&rig.store);
			scratch_wipe();
			mkdir("packs", 0700);
			rig.nrows = 0;
			fault_set(&rig.fault, FAULT_ANY, n, false, full);
			code = packs_try_open(PACKS_SMALL);
			if (code == BLOB_OK)
				code = scenario(&acknowledged, pos);
			fired = rig.fault.fired > 0;
			failures += code != BLOB_OK;
			fault_set(&rig.fault, FAULT_NONE, 0, false, false);
			blob_store_free(&rig.store);
			packs_must_open(PACKS_SMALL);
			for (int64_t i = 0; i < acknowledged; i++)
				assert_int_equal(packs_check(i, pos[i]), BLOB_OK);
			packs_add(50, 100);
			if (!fired) {
				assert_int_equal(acknowledged, 7);
				break;
			}
		}
	}
	assert_true(failures > 40);
}

/* Thousands of random steps against a model. */
static void test_random_operations(void **state)
{
	enum {
		N = 1500
	};
	static struct blob_pos pos[N];
	uint64_t seed = 88172645463325252u;
	int committed = 0, pending = 0;

	for (int step = 0; step < 4000 && committed + pending < N; step++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		switch (seed % 8) {
		case 0:
			if (pending && blob_is_dirty(rig.store))
				packs_commit();
			committed += pending;
			pending = 0;
			break;
		case 1:
			blob_rewind(rig.store);
			pending = 0;
			break;
		case 2:
			if (seed % 5 == 0) {
				packs_reopen();
				pending = 0;
			}
			break;
		case 3: {
			int i = committed ? (int)(seed / 8 % (uint64_t)committed) : -1;

			if (i >= 0)
				assert_int_equal(packs_check(i, pos[i]), BLOB_OK);
			break;
		}
		default:
			assert_int_equal(packs_append(committed + pending, seed / 8 % 3000,
					     &pos[committed + pending]),
			    BLOB_OK);
			pending++;
		}
	}
	packs_reopen();
	assert_true(committed > 100);
	for (int i = 0; i < committed; i++)
		assert_int_equal(packs_check(i, pos[i]), BLOB_OK);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, packs_setup, packs_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_uncommitted_is_forgotten),
	    T(test_torn_tail),
	    T(test_generations_rise),
	    T(test_missing_pack),
	    T(test_foreign_packs),
	    T(test_one_foreign_pack),
	    T(test_unknown_large_messages),
	    T(test_an_older_database),
	    T(test_commits_against_the_order_of_numbers),
	    T(test_dropped_large_message),
	    T(test_head_that_cannot_be_read),
	    T(test_each_bit_of_a_head),
	    T(test_stranger_files_are_left_alone),
	    T(test_short_writes),
	    T(test_full_disk),
	    T(test_every_call_failing),
	    T(test_random_operations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
