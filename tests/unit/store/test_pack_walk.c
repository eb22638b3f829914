/* Walks through packs without their database: every bit that flips is found, and what is sound is too. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "pack_rig.h"

#include <errno.h>

#include "base/limits.h"
#include "base/mem.h"
#include "store/pack_survey.h"
#include "store/pack_walk.h"

static const size_t lengths[] = {0, 1, 7, 8, 9, 40, 64, 100};

#define BLOBS (sizeof lengths / sizeof lengths[0])

struct tally {
	int good, bad, damage;
	int64_t ids; /* of good ones, summed up */
};

static struct tally tally;

static void on_record(void *ctx, const struct pack_record *r, bool good)
{
	tally.good += good;
	tally.bad += !good;
	tally.ids += good ? r->id : 0;
}

static void on_damage(void *ctx, int64_t pack, int64_t from, int64_t to, const char *why)
{
	assert_true(from < to);
	tally.damage++;
}

static enum blob_code try_walk(int64_t pack, int64_t end, int64_t octets)
{
	struct pack_walk *w = mem_new(struct pack_walk);
	enum blob_code code = BLOB_OK;
	bool done = false;

	tally = (struct tally){0};
	w->on_record = on_record;
	w->on_damage = on_damage;
	w->blobs = rig.store;
	pack_walk_begin(w, pack, end);
	while (code == BLOB_OK && !done)
		code = pack_walk_step(w, octets, &done, &rig.err);
	pack_walk_fini(w);
	mem_free(w);
	return code;
}

/* In steps of so many octets. */
static void walk(int64_t pack, int64_t end, int64_t octets)
{
	assert_int_equal(try_walk(pack, end, octets), BLOB_OK);
}

static int64_t fill(int64_t *end_r)
{
	struct blob_pos pos = {0};

	for (size_t i = 0; i < BLOBS; i++)
		pos = packs_add((int64_t)i + 1, lengths[i]);
	*end_r = pos.offset + pack_record_size(pos.length);
	return pos.pack;
}

#define SUM ((int64_t)(BLOBS * (BLOBS + 1) / 2))

static void a_sound_pack(void **state)
{
	int64_t end, pack = fill(&end);

	for (int64_t octets = 1; octets < 4096; octets *= 7) {
		walk(pack, end, octets);
		assert_int_equal(tally.good, BLOBS);
		assert_int_equal(tally.bad + tally.damage, 0);
		assert_int_equal(tally.ids, SUM);
	}
}

/* Each bit from the first to the last; at most the record that it is in is lost for it. */
static void every_flipped_bit_is_found(void **state)
{
	int64_t end, pack = fill(&end);

	for (int64_t at = 0; at < end; at++) {
		for (int bit = 0; bit < 8; bit++) {
			packs_flip(pack, at, bit);
			walk(pack, end, 4096);
			if (tally.bad + tally.damage == 0)
				fail_msg("octet %lld, bit %d", (long long)at, bit);
			assert_true(tally.good >= (int)BLOBS - 1);
			packs_flip(pack, at, bit);
		}
	}
	walk(pack, end, 4096);
	assert_int_equal(tally.bad + tally.damage, 0);
}

/* Behind a record that is gone altogether the next one is found, wherever it begins. */
static void what_follows_is_found(void **state)
{
	int64_t end, pack = fill(&end);

	for (int bit = 0; bit < 8; bit++)
		for (int64_t at = (int64_t)PACK_HEAD; at < (int64_t)PACK_HEAD + 200; at++)
			packs_flip(pack, at, bit);
	walk(pack, end, 64);
	assert_int_equal(tally.damage, 1);
	assert_true(tally.good >= 5);
}

#define LARGE 8

/* Each block in turn; the records that lie in it are lost for it, and no other. */
static void a_block_that_cannot_be_read(void **state)
{
	struct blob_pos pos[LARGE];
	int64_t end = 0;

	for (int i = 0; i < LARGE; i++) {
		pos[i] = packs_add(i + 1, 3000 + 700 * (size_t)i);
		end = pos[i].offset + pack_record_size(pos[i].length);
	}
	for (int64_t block = 0; block < end; block += (int64_t)PACK_WALK_BLOCK) {
		int64_t whole = 0;

		for (int i = 0; i < LARGE; i++)
			if (pos[i].offset >= block + (int64_t)PACK_WALK_BLOCK ||
			    pos[i].offset + pack_record_size(pos[i].length) <= block)
				whole += i + 1;
		fault_block(&rig.fault, "packs/0000000001.pack", block, -EIO);
		walk(pos[0].pack, end, 4096);
		assert_int_equal(tally.ids, whole);
		assert_true(tally.damage >= 1);
	}
}

/* What does not speak of the octets ends the walk. */
static void a_failure_that_is_not_of_the_disk(void **state)
{
	int64_t end, pack = fill(&end);

	fault_block(&rig.fault, "packs/0000000001.pack", 0, -EACCES);
	assert_int_equal(try_walk(pack, end, 4096), BLOB_IO);
	fault_block(&rig.fault, "packs/0000000001.pack", 0, -ENOMEM);
	assert_int_equal(try_walk(pack, end, 4096), BLOB_FULL);
	assert_int_equal(tally.good + tally.bad + tally.damage, 0);
}

static void survey(int64_t pack, struct pack_survey *s)
{
	*s = (struct pack_survey){.on_record = on_record};
	tally = (struct tally){0};
	assert_int_equal(
	    pack_survey(s, &rig.fault.fs, "packs", rig.store, pack, &rig.err), BLOB_OK);
}

static void a_survey_finds_the_end(void **state)
{
	struct pack_survey s;
	int64_t end, pack = fill(&end);

	survey(pack, &s);
	assert_true(s.has_head && !s.single);
	assert_int_equal(s.end, end);
	assert_int_equal(s.records, BLOBS);
	assert_int_equal(tally.good, BLOBS);
	assert_true(s.size >= end);
}

/* Three records, taken back after the first; what is overwritten by another generation ends there. */
static void a_survey_ends_where_the_generation_falls(void **state)
{
	struct pack_survey s;
	struct blob_pos pos, first = packs_add(1, 100);

	assert_int_equal(packs_append(2, 100, &pos), BLOB_OK);
	assert_int_equal(packs_append(3, 100, &pos), BLOB_OK);
	assert_int_equal(blob_sync(rig.store, &rig.err), BLOB_OK);
	blob_rewind(rig.store);
	pos = packs_add(4, 100);
	assert_int_equal(pos.offset, first.offset + pack_record_size(100));
	survey(first.pack, &s);
	assert_int_equal(s.records, 2);
	assert_int_equal(s.end, pos.offset + pack_record_size(100));
	assert_int_equal(tally.ids, 1 + 4);
}

static void a_survey_without_a_file(void **state)
{
	struct pack_survey s = {.on_record = NULL};
	assert_int_equal(
	    pack_survey(&s, &rig.fault.fs, "packs", rig.store, 4711, &rig.err), BLOB_IO);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, packs_setup, packs_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_sound_pack),
	    T(every_flipped_bit_is_found),
	    T(what_follows_is_found),
	    T(a_block_that_cannot_be_read),
	    T(a_failure_that_is_not_of_the_disk),
	    T(a_survey_finds_the_end),
	    T(a_survey_ends_where_the_generation_falls),
	    T(a_survey_without_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
