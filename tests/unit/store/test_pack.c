/* Packs: every byte comes back, or damage is reported. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <unistd.h>

#include "pack_rig.h"
#include "store/pack_format.h"

static void test_format_is_fixed(void **state)
{
	static const uint8_t want_start[] = {'G', 'W', 'r', 'c', 1, 0, 0,
	    0,                       /* magic, format, codec, key */
	    0, 0, 0, 0, 0, 0, 0, 2,  /* generation */
	    0, 0, 0, 0, 0, 0, 0, 3,  /* pack */
	    0, 0, 0, 0, 0, 0, 0, 64, /* offset */
	    0, 0, 0, 0, 0, 0, 0, 5,  /* id */
	    0, 0, 0, 0, 0, 0, 1, 0}; /* length */
	struct pack_record r = {.pack = 3, .generation = 2, .offset = 64, .id = 5, .length = 256},
			   got;
	uint8_t bytes[PACK_RECORD], head[PACK_HEAD];
	struct pack_head h;

	pack_record_put(bytes, &r);
	pack_record_seal(bytes, 0x0102030405060708u);
	assert_memory_equal(bytes, want_start, sizeof want_start);
	assert_int_equal(bytes[56], 1);
	assert_int_equal(bytes[63], 8);
	assert_true(pack_record_get(bytes, &got));
	assert_int_equal(got.length, 256);
	assert_true(got.checksum == 0x0102030405060708u);
	pack_head_put(head, &(struct pack_head){9, true});
	assert_true(pack_head_get(head, &h));
	assert_true(h.single && h.pack == 9);
	for (size_t i = 0; i < PACK_HEAD; i++) {
		head[i] ^= 1;
		assert_false(pack_head_get(head, &h));
		head[i] ^= 1;
	}
	assert_int_equal(pack_name_get("0000000012.pack"), 12);
	assert_int_equal(pack_name_get("12345678901.pack"), INT64_C(12345678901));
	assert_int_equal(pack_name_get("00000000x2.pack"), 0);
	assert_int_equal(pack_name_get(".pack"), 0);
}

static void test_round_trip(void **state)
{
	static const size_t sizes[] = {
	    0, 1, 7, 8, 9, 63, 64, 4096, 16319, 16320, 16321, 40000, 65535, 200000};
	struct blob_pos pos[sizeof sizes / sizeof sizes[0]];
	size_t n = sizeof sizes / sizeof sizes[0];

	for (size_t i = 0; i < n; i++)
		pos[i] = packs_add((int64_t)i + 1, sizes[i]);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < n; i++)
			assert_int_equal(packs_check((int64_t)i + 1, pos[i]), BLOB_OK);
		packs_reopen();
	}
}

static void test_pieces_and_batches(void **state)
{
	enum {
		N = 700
	}; /* more than one write gathers */
	static struct iovec iov[N][3];
	static uint8_t content[N][30];
	static struct blob_in in[N];
	static struct blob_in *v[N];

	for (int i = 0; i < N; i++) {
		size_t n = (size_t)(i % 30);

		packs_fill(content[i], n, i);
		iov[i][0] = (struct iovec){content[i], n / 2};
		iov[i][1] = (struct iovec){NULL, 0};
		iov[i][2] = (struct iovec){content[i] + n / 2, n - n / 2};
		in[i] = (struct blob_in){.id = i, .codec = BLOB_ZSTD, .iov = iov[i], .niov = 3};
		v[i] = &in[i];
	}
	rig.fault.calls[FAULT_FS_WRITE] = rig.fault.calls[FAULT_FS_SYNC] = 0;
	assert_int_equal(blob_append(rig.store, v, N, &rig.err), BLOB_OK);
	packs_commit();
	/* few writes, one sync, whatever the number of blobs; two packs here */
	assert_true(rig.fault.calls[FAULT_FS_WRITE] <= 6);
	assert_true(rig.fault.calls[FAULT_FS_SYNC] <= 3);
	for (int i = 0; i < N; i++)
		assert_int_equal(packs_check(i, in[i].pos), BLOB_OK);
	assert_int_equal(blob_append(rig.store, NULL, 0, &rig.err), BLOB_OK);
	assert_false(blob_is_dirty(rig.store));
}

static void test_roll_over(void **state)
{
	struct blob_pos pos[40];
	struct blob_counts counts;

	for (int i = 0; i < 40; i++)
		pos[i] = packs_add(i, 10000);
	assert_true(pos[39].pack > pos[0].pack + 5);
	assert_true(rig.nrows > 5);
	/* a full pack keeps no spare space, and none is larger than it may be */
	for (size_t i = 0; i + 1 < rig.nrows; i++)
		assert_int_equal(packs_size_of(rig.rows[i].pack), rig.rows[i].end);
	for (size_t i = 0; i < rig.nrows; i++)
		assert_true(packs_size_of(rig.rows[i].pack) <= PACKS_SMALL);
	blob_counts(rig.store, &counts);
	assert_int_equal(counts.packs, rig.nrows);
	assert_int_equal(counts.bytes, 40 * pack_record_size(10000));
	packs_reopen();
	blob_counts(rig.store, &counts);
	assert_int_equal(counts.packs, rig.nrows);
	assert_int_equal(counts.bytes, 40 * pack_record_size(10000));
	for (int i = 0; i < 40; i++)
		assert_int_equal(packs_check(i, pos[i]), BLOB_OK);
}

/* A batch over several packs is one commit. */
static void test_batch_over_packs(void **state)
{
	enum {
		N = 20
	};
	static uint8_t content[N][20000];
	struct iovec iov[N];
	struct blob_in in[N], *v[N];

	for (int i = 0; i < N; i++) {
		packs_fill(content[i], sizeof content[i], i);
		iov[i] = (struct iovec){content[i], sizeof content[i]};
		in[i] = (struct blob_in){.id = i, .iov = &iov[i], .niov = 1};
		v[i] = &in[i];
	}
	assert_int_equal(blob_append(rig.store, v, N, &rig.err), BLOB_OK);
	blob_rewind(rig.store);
	assert_false(blob_is_dirty(rig.store));
	assert_int_equal(blob_append(rig.store, v, N, &rig.err), BLOB_OK);
	packs_commit();
	packs_reopen();
	for (int i = 0; i < N; i++)
		assert_int_equal(packs_check(i, in[i].pos), BLOB_OK);
}

static void test_every_flipped_bit_is_found(void **state)
{
	enum {
		N = 90
	};
	struct blob_pos pos = packs_add(7, N);

	for (int64_t at = 0; at < (int64_t)PACK_RECORD + N; at++) {
		int bit = (int)(at % 8);

		packs_flip(pos.pack, pos.offset + at, bit);
		/* the four bytes that carry nothing are covered by the checksum all the same */
		assert_int_equal(packs_check(7, pos), BLOB_DAMAGED);
		packs_flip(pos.pack, pos.offset + at, bit);
	}
	assert_int_equal(packs_check(7, pos), BLOB_OK);
}

static void test_wrong_questions(void **state)
{
	struct blob_pos pos = packs_add(7, 100), other;
	struct blob_counts counts;

	assert_int_equal(packs_check(8, pos), BLOB_DAMAGED);
	other = pos;
	other.offset += 8;
	assert_int_equal(packs_check(7, other), BLOB_DAMAGED);
	other = pos;
	other.length--;
	assert_int_equal(packs_check(7, other), BLOB_DAMAGED);
	other = pos;
	other.offset = 0;
	assert_int_equal(packs_check(7, other), BLOB_DAMAGED);
	other = pos;
	other.offset = INT64_C(1) << 40;
	assert_int_equal(packs_check(7, other), BLOB_DAMAGED);
	other = pos;
	other.pack = 99;
	assert_int_equal(packs_check(7, other), BLOB_GONE);
	blob_counts(rig.store, &counts);
	assert_int_equal(counts.damaged, 5);
	assert_int_equal(counts.pinned, 0);
}

static void test_reading_in_steps(void **state)
{
	enum {
		N = 100000
	};
	static uint8_t got[N], want[N];
	struct blob_pos pos = packs_add(7, N);
	struct blob_reader *r = NULL;
	size_t n, at;

	packs_fill(want, N, 7);
	for (size_t step = 1; step < N; step = step * 3 + 1) {
		assert_int_equal(blob_open(rig.store, 7, pos, &r, &rig.err), BLOB_OK);
		for (at = 0; at < N; at += n) {
			assert_int_equal(blob_read(rig.store, r, got + at, step, &n), BLOB_OK);
			assert_true(n > 0 && n <= step);
		}
		assert_int_equal(blob_read(rig.store, r, got, step, &n), BLOB_OK);
		assert_int_equal(n, 0);
		assert_memory_equal(got, want, N);
		blob_close(rig.store, &r);
	}
	/* from the middle, across what came with the header */
	assert_int_equal(blob_open(rig.store, 7, pos, &r, &rig.err), BLOB_OK);
	assert_int_equal(blob_seek(rig.store, r, 16000), BLOB_OK);
	assert_int_equal(blob_read(rig.store, r, got, 1000, &n), BLOB_OK);
	assert_int_equal(n, 1000);
	assert_memory_equal(got, want + 16000, 1000);
	assert_int_equal(blob_seek(rig.store, r, 0), BLOB_OK);
	assert_int_equal(blob_read(rig.store, r, got, N, &n), BLOB_OK);
	assert_int_equal(n, N);
	assert_memory_equal(got, want, N);
	blob_close(rig.store, &r);
}

/* The last piece of a damaged blob is never handed out, and a part of it only unchecked. */
static void test_damage_at_the_end_of_a_stream(void **state)
{
	enum {
		N = 50000
	};
	static uint8_t got[N];
	struct blob_pos pos = packs_add(7, N);
	struct blob_reader *r = NULL;
	size_t n;

	packs_flip(pos.pack, pos.offset + (int64_t)PACK_RECORD + 30000, 3);
	assert_int_equal(blob_open(rig.store, 7, pos, &r, &rig.err), BLOB_OK);
	assert_int_equal(blob_read(rig.store, r, got, 40000, &n), BLOB_OK);
	assert_int_equal(n, 40000);
	assert_int_equal(blob_read(rig.store, r, got, 40000, &n), BLOB_DAMAGED);
	assert_int_equal(n, 0);
	blob_close(rig.store, &r);
}

static void test_upload(void **state)
{
	static const size_t sizes[] = {0, 5, 300000, 2500000};
	struct blob_upload *u = NULL;
	struct blob_pos pos[4], small;
	struct blob_counts counts;

	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(packs_upload((int64_t)i, sizes[i], &u, &pos[i]), BLOB_OK);
		assert_int_equal(packs_size_of(pos[i].pack), -1); /* nobody sees it yet */
		assert_int_equal(blob_attach(rig.store, u, &rig.err), BLOB_OK);
		assert_int_equal(packs_append(100, 10, &small), BLOB_OK);
		blob_rewind(rig.store); /* and again, as the lane does */
		assert_int_equal(blob_attach(rig.store, u, &rig.err), BLOB_OK);
		packs_commit();
		blob_upload_free(rig.store, &u);
		assert_int_equal(packs_check((int64_t)i, pos[i]), BLOB_OK);
	}
	packs_reopen();
	blob_counts(rig.store, &counts);
	assert_int_equal(counts.packs, 5);
	assert_int_equal(counts.missing, 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(packs_check((int64_t)i, pos[i]), BLOB_OK);
}

static void test_upload_given_up(void **state)
{
	struct blob_upload *u = NULL;
	struct blob_pos pos;
	char name[PACK_NAME_MAX];

	assert_int_equal(packs_upload(1, 300000, &u, &pos), BLOB_OK);
	blob_upload_free(rig.store, &u);
	/* attached but never committed */
	assert_int_equal(packs_upload(1, 300000, &u, &pos), BLOB_OK);
	assert_int_equal(blob_attach(rig.store, u, &rig.err), BLOB_OK);
	assert_true(packs_size_of(pos.pack) > 0);
	blob_rewind(rig.store);
	blob_upload_free(rig.store, &u);
	assert_int_equal(packs_size_of(pos.pack), -1);
	/* the same, but the commit may have happened: the file stays */
	assert_int_equal(packs_upload(1, 300000, &u, &pos), BLOB_OK);
	assert_int_equal(blob_attach(rig.store, u, &rig.err), BLOB_OK);
	blob_distrust(rig.store);
	blob_rewind(rig.store);
	blob_upload_free(rig.store, &u);
	assert_true(packs_size_of(pos.pack) > 0);
	/* the next start does not take it for a message, and keeps it nevertheless */
	packs_reopen();
	assert_int_equal(packs_size_of(pos.pack), -1);
	pack_orphan_put(name, "packs", pos.pack);
	assert_int_equal(access(name, F_OK), 0);
}

static void test_drop_waits_for_readers(void **state)
{
	struct blob_upload *u = NULL;
	struct blob_reader *r = NULL;
	static uint8_t got[1000];
	struct blob_pos pos;
	size_t n;

	assert_int_equal(packs_upload(1, 300000, &u, &pos), BLOB_OK);
	assert_int_equal(blob_attach(rig.store, u, &rig.err), BLOB_OK);
	packs_commit();
	blob_upload_free(rig.store, &u);
	assert_int_equal(blob_open(rig.store, 1, pos, &r, &rig.err), BLOB_OK);
	packs_remove_row(pos.pack);
	assert_int_equal(blob_drop_pack(rig.store, pos.pack, &rig.err), BLOB_OK);
	assert_true(packs_size_of(pos.pack) > 0);
	assert_int_equal(blob_read(rig.store, r, got, sizeof got, &n), BLOB_OK);
	assert_int_equal(n, sizeof got);
	assert_int_equal(packs_check(1, pos), BLOB_GONE);
	blob_close(rig.store, &r);
	assert_int_equal(packs_size_of(pos.pack), -1);
	assert_int_equal(blob_drop_pack(rig.store, pos.pack, &rig.err), BLOB_GONE);
}

/* A damaged row may ask for that. */
static void test_the_pack_being_written_to_stays(void **state)
{
	struct blob_pos first = packs_add(1, 100), second;

	assert_int_equal(blob_drop_pack(rig.store, first.pack, &rig.err), BLOB_IO);
	assert_non_null(strstr(rig.err.text, "being written to"));
	second = packs_add(2, 100);
	assert_int_equal(second.pack, first.pack);
	assert_int_equal(packs_check(1, first), BLOB_OK);
	assert_int_equal(packs_check(2, second), BLOB_OK);
}

static void test_held_packs_stay(void **state)
{
	struct blob_upload *u = NULL;
	struct blob_pos pos;
	uint8_t head[8];

	assert_int_equal(packs_upload(1, 300000, &u, &pos), BLOB_OK);
	assert_int_equal(blob_attach(rig.store, u, &rig.err), BLOB_OK);
	packs_commit();
	blob_upload_free(rig.store, &u);
	blob_hold(rig.store);
	blob_hold(rig.store);
	packs_remove_row(pos.pack);
	assert_int_equal(blob_drop_pack(rig.store, pos.pack, &rig.err), BLOB_OK);
	assert_int_equal(blob_raw(rig.store, pos.pack, 0, head, 8, &rig.err), BLOB_OK);
	assert_memory_equal(head, "GODWITPK", 8);
	blob_release(rig.store);
	assert_true(packs_size_of(pos.pack) > 0);
	blob_release(rig.store);
	assert_int_equal(packs_size_of(pos.pack), -1);
	assert_int_equal(blob_raw(rig.store, pos.pack, 0, head, 8, &rig.err), BLOB_GONE);
}

static void test_raw_ends_with_the_file(void **state)
{
	struct blob_upload *u = NULL;
	struct blob_pos pos;
	uint8_t bytes[16];
	int64_t size;

	assert_int_equal(packs_upload(1, 300000, &u, &pos), BLOB_OK);
	assert_int_equal(blob_attach(rig.store, u, &rig.err), BLOB_OK);
	packs_commit();
	blob_upload_free(rig.store, &u);
	size = packs_size_of(pos.pack);
	assert_int_equal(blob_raw(rig.store, pos.pack, size - 16, bytes, 16, &rig.err), BLOB_OK);
	assert_int_equal(
	    blob_raw(rig.store, pos.pack, size - 15, bytes, 16, &rig.err), BLOB_DAMAGED);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, packs_setup, packs_teardown)
	const struct CMUnitTest tests[] = {
	    T(test_format_is_fixed),
	    T(test_round_trip),
	    T(test_pieces_and_batches),
	    T(test_roll_over),
	    T(test_batch_over_packs),
	    T(test_every_flipped_bit_is_found),
	    T(test_wrong_questions),
	    T(test_reading_in_steps),
	    T(test_damage_at_the_end_of_a_stream),
	    T(test_upload),
	    T(test_upload_given_up),
	    T(test_drop_waits_for_readers),
	    T(test_the_pack_being_written_to_stays),
	    T(test_held_packs_stay),
	    T(test_raw_ends_with_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
