/* Packs: every byte comes back or damage is reported; what was not committed is forgotten. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "fault.h"
#include "scratch.h"
#include "base/mem.h"
#include "store/pack.h"
#include "store/pack_format.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROWS_MAX 4096
#define SMALL    ((int64_t)64 * 1024) /* size of a pack in most tests */

/* What the database would hold. */
static struct blob_point rows[ROWS_MAX];
static size_t nrows;
static struct fault fault;
static struct blob_store *store;
static struct err err;

static int order(const void *a, const void *b)
{
	const struct blob_point *x = a, *y = b;

	return (x->pack > y->pack) - (x->pack < y->pack);
}

static void put_row(void *ctx, const struct blob_point *point)
{
	size_t i = 0;

	while (i < nrows && rows[i].pack != point->pack)
		i++;
	assert_true(i < ROWS_MAX);
	nrows += i == nrows;
	rows[i] = *point;
	qsort(rows, nrows, sizeof rows[0], order);
}

static enum blob_code try_open(int64_t pack_size)
{
	struct pack_config config = {&fault.fs, "packs", pack_size};
	struct blob_point point;
	enum blob_code code = pack_open(&config, rows, nrows, &store, &point, &err);

	if (code == BLOB_OK)
		put_row(NULL, &point);
	return code;
}

static void must_open(int64_t pack_size)
{
	if (try_open(pack_size) != BLOB_OK)
		fail_msg("%s", err.text);
}

static void reopen(void)
{
	blob_store_free(&store);
	must_open(SMALL);
}

static int setup(void **state)
{
	scratch_enter();
	mkdir("packs", 0700);
	fault_init(&fault);
	nrows = 0;
	must_open(SMALL);
	return 0;
}

static int teardown(void **state)
{
	blob_store_free(&store);
	fault_fini(&fault);
	scratch_leave();
	return 0;
}

/* Content that tells which blob and which place it is from. */
static void fill(uint8_t *p, size_t n, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)((uint64_t)id * 31 + i * 7 + (i >> 8));
}

static enum blob_code append_one(int64_t id, size_t n, struct blob_pos *pos_r)
{
	uint8_t *p = mem_alloc(n);
	struct iovec iov = {p, n};
	struct blob_in in = {.id = id, .codec = BLOB_PLAIN, .iov = &iov, .niov = 1};
	struct blob_in *const v[] = {&in};
	enum blob_code code;

	fill(p, n, id);
	code = blob_append(store, v, 1, &err);
	mem_free(p);
	*pos_r = in.pos;
	return code;
}

static void commit(void)
{
	assert_int_equal(blob_sync(store, &err), BLOB_OK);
	blob_points(store, put_row, NULL);
	blob_committed(store);
	assert_false(blob_is_dirty(store));
}

static struct blob_pos must_add(int64_t id, size_t n)
{
	struct blob_pos pos;

	assert_int_equal(append_one(id, n, &pos), BLOB_OK);
	assert_true(blob_is_dirty(store));
	commit();
	assert_int_equal(pos.length, n);
	return pos;
}

static enum blob_code check(int64_t id, struct blob_pos pos)
{
	size_t n = (size_t)pos.length;
	uint8_t *got = mem_alloc(n), *want = mem_alloc(n);
	enum blob_code code = blob_get(store, id, pos, got, n, &err);

	fill(want, n, id);
	if (code == BLOB_OK)
		assert_memory_equal(got, want, n);
	mem_free(got);
	mem_free(want);
	return code;
}

static int64_t size_of(int64_t pack)
{
	char name[PACK_NAME_MAX];
	struct stat st;

	pack_name_put(name, "packs", pack);
	return stat(name, &st) < 0 ? -1 : st.st_size;
}

/* Changes one bit of the file. */
static void flip(int64_t pack, int64_t offset, int bit)
{
	char name[PACK_NAME_MAX];
	uint8_t byte;
	int fd;

	pack_name_put(name, "packs", pack);
	fd = open(name, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, offset), 1);
	byte ^= (uint8_t)(1 << bit);
	assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
	close(fd);
}

static void test_round_trip(void **state)
{
	static const size_t sizes[] = {
	    0, 1, 7, 8, 9, 63, 64, 4096, 16319, 16320, 16321, 40000, 65535, 200000};
	struct blob_pos pos[sizeof sizes / sizeof sizes[0]];
	size_t n = sizeof sizes / sizeof sizes[0];

	for (size_t i = 0; i < n; i++)
		pos[i] = must_add((int64_t)i + 1, sizes[i]);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < n; i++)
			assert_int_equal(check((int64_t)i + 1, pos[i]), BLOB_OK);
		reopen();
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

		fill(content[i], n, i);
		iov[i][0] = (struct iovec){content[i], n / 2};
		iov[i][1] = (struct iovec){NULL, 0};
		iov[i][2] = (struct iovec){content[i] + n / 2, n - n / 2};
		in[i] = (struct blob_in){.id = i, .codec = BLOB_ZSTD, .iov = iov[i], .niov = 3};
		v[i] = &in[i];
	}
	fault.calls[FAULT_FS_WRITE] = fault.calls[FAULT_FS_SYNC] = 0;
	assert_int_equal(blob_append(store, v, N, &err), BLOB_OK);
	commit();
	/* few writes, one sync, whatever the number of blobs; two packs here */
	assert_true(fault.calls[FAULT_FS_WRITE] <= 6);
	assert_true(fault.calls[FAULT_FS_SYNC] <= 3);
	for (int i = 0; i < N; i++)
		assert_int_equal(check(i, in[i].pos), BLOB_OK);
	assert_int_equal(blob_append(store, NULL, 0, &err), BLOB_OK);
	assert_false(blob_is_dirty(store));
}

static void test_roll_over(void **state)
{
	struct blob_pos pos[40];
	struct blob_counts counts;

	for (int i = 0; i < 40; i++)
		pos[i] = must_add(i, 10000);
	assert_true(pos[39].pack > pos[0].pack + 5);
	assert_true(nrows > 5);
	/* a full pack keeps no spare space, and none is larger than it may be */
	for (size_t i = 0; i + 1 < nrows; i++)
		assert_int_equal(size_of(rows[i].pack), rows[i].end);
	for (size_t i = 0; i < nrows; i++)
		assert_true(size_of(rows[i].pack) <= SMALL);
	blob_counts(store, &counts);
	assert_int_equal(counts.packs, nrows);
	assert_int_equal(counts.bytes, 40 * pack_record_size(10000));
	reopen();
	blob_counts(store, &counts);
	assert_int_equal(counts.packs, nrows);
	assert_int_equal(counts.bytes, 40 * pack_record_size(10000));
	for (int i = 0; i < 40; i++)
		assert_int_equal(check(i, pos[i]), BLOB_OK);
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
		fill(content[i], sizeof content[i], i);
		iov[i] = (struct iovec){content[i], sizeof content[i]};
		in[i] = (struct blob_in){.id = i, .iov = &iov[i], .niov = 1};
		v[i] = &in[i];
	}
	assert_int_equal(blob_append(store, v, N, &err), BLOB_OK);
	blob_rewind(store);
	assert_false(blob_is_dirty(store));
	assert_int_equal(blob_append(store, v, N, &err), BLOB_OK);
	commit();
	reopen();
	for (int i = 0; i < N; i++)
		assert_int_equal(check(i, in[i].pos), BLOB_OK);
}

static void test_uncommitted_is_forgotten(void **state)
{
	struct blob_pos kept = must_add(1, 1000), lost, next;

	assert_int_equal(append_one(2, 3000, &lost), BLOB_OK);
	reopen();
	next = must_add(3, 500);
	assert_int_equal(next.pack, lost.pack);
	assert_int_equal(next.offset, lost.offset);
	assert_int_equal(check(1, kept), BLOB_OK);
	assert_int_equal(check(3, next), BLOB_OK);
	assert_int_equal(check(2, lost), BLOB_DAMAGED);
}

static void test_torn_tail(void **state)
{
	struct blob_pos kept = must_add(1, 1000), lost;

	for (int64_t cut = 0; cut < 300; cut += 37) {
		char name[PACK_NAME_MAX];
		struct blob_pos next;

		assert_int_equal(append_one(2, 200, &lost), BLOB_OK);
		blob_store_free(&store);
		pack_name_put(name, "packs", lost.pack);
		assert_int_equal(truncate(name, lost.offset + cut), 0);
		must_open(SMALL);
		assert_int_equal(check(1, kept), BLOB_OK);
		assert_int_equal(append_one(4, 100, &next), BLOB_OK);
		assert_int_equal(next.offset, lost.offset);
		assert_int_equal(check(4, next), BLOB_OK);
		blob_rewind(store);
	}
}

/* What overwrites differs in its generation from what was there, after a rewind and a restart. */
static void test_generations_rise(void **state)
{
	int64_t first = rows[0].generation, second;
	struct blob_pos pos;

	assert_int_equal(append_one(1, 10, &pos), BLOB_OK);
	blob_rewind(store);
	must_add(1, 10);
	second = rows[0].generation;
	assert_true(second > first);
	assert_int_equal(append_one(1, 10, &pos), BLOB_OK);
	blob_rewind(store);
	reopen();
	assert_true(rows[0].generation > second + 1);
}

static void test_every_flipped_bit_is_found(void **state)
{
	enum {
		N = 90
	};
	struct blob_pos pos = must_add(7, N);

	for (int64_t at = 0; at < (int64_t)PACK_RECORD + N; at++) {
		int bit = (int)(at % 8);

		flip(pos.pack, pos.offset + at, bit);
		/* the four bytes that carry nothing are covered by the checksum all the same */
		assert_int_equal(check(7, pos), BLOB_DAMAGED);
		flip(pos.pack, pos.offset + at, bit);
	}
	assert_int_equal(check(7, pos), BLOB_OK);
}

static void test_wrong_questions(void **state)
{
	struct blob_pos pos = must_add(7, 100), other;
	struct blob_counts counts;

	assert_int_equal(check(8, pos), BLOB_DAMAGED);
	other = pos;
	other.offset += 8;
	assert_int_equal(check(7, other), BLOB_DAMAGED);
	other = pos;
	other.length--;
	assert_int_equal(check(7, other), BLOB_DAMAGED);
	other = pos;
	other.offset = 0;
	assert_int_equal(check(7, other), BLOB_DAMAGED);
	other = pos;
	other.offset = INT64_C(1) << 40;
	assert_int_equal(check(7, other), BLOB_DAMAGED);
	other = pos;
	other.pack = 99;
	assert_int_equal(check(7, other), BLOB_GONE);
	blob_counts(store, &counts);
	assert_int_equal(counts.damaged, 5);
	assert_int_equal(counts.pinned, 0);
}

static void test_reading_in_steps(void **state)
{
	enum {
		N = 100000
	};
	static uint8_t got[N], want[N];
	struct blob_pos pos = must_add(7, N);
	struct blob_reader *r = NULL;
	size_t n, at;

	fill(want, N, 7);
	for (size_t step = 1; step < N; step = step * 3 + 1) {
		assert_int_equal(blob_open(store, 7, pos, &r, &err), BLOB_OK);
		for (at = 0; at < N; at += n) {
			assert_int_equal(blob_read(store, r, got + at, step, &n), BLOB_OK);
			assert_true(n > 0 && n <= step);
		}
		assert_int_equal(blob_read(store, r, got, step, &n), BLOB_OK);
		assert_int_equal(n, 0);
		assert_memory_equal(got, want, N);
		blob_close(store, &r);
	}
	/* from the middle, across what came with the header */
	assert_int_equal(blob_open(store, 7, pos, &r, &err), BLOB_OK);
	assert_int_equal(blob_seek(store, r, 16000), BLOB_OK);
	assert_int_equal(blob_read(store, r, got, 1000, &n), BLOB_OK);
	assert_int_equal(n, 1000);
	assert_memory_equal(got, want + 16000, 1000);
	assert_int_equal(blob_seek(store, r, 0), BLOB_OK);
	assert_int_equal(blob_read(store, r, got, N, &n), BLOB_OK);
	assert_int_equal(n, N);
	assert_memory_equal(got, want, N);
	blob_close(store, &r);
}

/* The last piece of a damaged blob is never handed out, and a part of it only unchecked. */
static void test_damage_at_the_end_of_a_stream(void **state)
{
	enum {
		N = 50000
	};
	static uint8_t got[N];
	struct blob_pos pos = must_add(7, N);
	struct blob_reader *r = NULL;
	size_t n;

	flip(pos.pack, pos.offset + (int64_t)PACK_RECORD + 30000, 3);
	assert_int_equal(blob_open(store, 7, pos, &r, &err), BLOB_OK);
	assert_int_equal(blob_read(store, r, got, 40000, &n), BLOB_OK);
	assert_int_equal(n, 40000);
	assert_int_equal(blob_read(store, r, got, 40000, &n), BLOB_DAMAGED);
	assert_int_equal(n, 0);
	blob_close(store, &r);
}

static enum blob_code upload(int64_t id, size_t n, struct blob_upload **u, struct blob_pos *pos_r)
{
	uint8_t *p = mem_alloc(n);
	enum blob_code code = blob_upload_begin(store, id, BLOB_PLAIN, u, &err);

	fill(p, n, id);
	for (size_t at = 0; code == BLOB_OK && at < n; at += 70001)
		code = blob_upload_write(store, *u, str_sub(str_of(p, n), at, 70001), &err);
	if (code == BLOB_OK)
		code = blob_upload_finish(store, *u, pos_r, &err);
	mem_free(p);
	return code;
}

static void test_upload(void **state)
{
	static const size_t sizes[] = {0, 5, 300000, 2500000};
	struct blob_upload *u = NULL;
	struct blob_pos pos[4], small;
	struct blob_counts counts;

	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(upload((int64_t)i, sizes[i], &u, &pos[i]), BLOB_OK);
		assert_int_equal(size_of(pos[i].pack), -1); /* nobody sees it yet */
		assert_int_equal(blob_attach(store, u, &err), BLOB_OK);
		assert_int_equal(append_one(100, 10, &small), BLOB_OK);
		blob_rewind(store); /* and again, as the lane does */
		assert_int_equal(blob_attach(store, u, &err), BLOB_OK);
		commit();
		blob_upload_free(store, &u);
		assert_int_equal(check((int64_t)i, pos[i]), BLOB_OK);
	}
	reopen();
	blob_counts(store, &counts);
	assert_int_equal(counts.packs, 5);
	assert_int_equal(counts.missing, 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(check((int64_t)i, pos[i]), BLOB_OK);
}

static void test_upload_given_up(void **state)
{
	struct blob_upload *u = NULL;
	struct blob_pos pos;

	assert_int_equal(upload(1, 300000, &u, &pos), BLOB_OK);
	blob_upload_free(store, &u);
	/* attached but never committed */
	assert_int_equal(upload(1, 300000, &u, &pos), BLOB_OK);
	assert_int_equal(blob_attach(store, u, &err), BLOB_OK);
	assert_true(size_of(pos.pack) > 0);
	blob_rewind(store);
	blob_upload_free(store, &u);
	assert_int_equal(size_of(pos.pack), -1);
	/* the same, but the commit may have happened: the file stays */
	assert_int_equal(upload(1, 300000, &u, &pos), BLOB_OK);
	assert_int_equal(blob_attach(store, u, &err), BLOB_OK);
	blob_distrust(store);
	blob_rewind(store);
	blob_upload_free(store, &u);
	assert_true(size_of(pos.pack) > 0);
	/* the next start knows that it did not */
	reopen();
	assert_int_equal(size_of(pos.pack), -1);
}

static void remove_row(int64_t pack)
{
	size_t i = 0;

	while (rows[i].pack != pack)
		i++;
	rows[i] = rows[--nrows];
	qsort(rows, nrows, sizeof rows[0], order);
}

static void test_drop_waits_for_readers(void **state)
{
	struct blob_upload *u = NULL;
	struct blob_reader *r = NULL;
	static uint8_t got[1000];
	struct blob_pos pos;
	size_t n;

	assert_int_equal(upload(1, 300000, &u, &pos), BLOB_OK);
	assert_int_equal(blob_attach(store, u, &err), BLOB_OK);
	commit();
	blob_upload_free(store, &u);
	assert_int_equal(blob_open(store, 1, pos, &r, &err), BLOB_OK);
	remove_row(pos.pack);
	assert_int_equal(blob_drop_pack(store, pos.pack, &err), BLOB_OK);
	assert_true(size_of(pos.pack) > 0);
	assert_int_equal(blob_read(store, r, got, sizeof got, &n), BLOB_OK);
	assert_int_equal(n, sizeof got);
	assert_int_equal(check(1, pos), BLOB_GONE);
	blob_close(store, &r);
	assert_int_equal(size_of(pos.pack), -1);
	assert_int_equal(blob_drop_pack(store, pos.pack, &err), BLOB_GONE);
}

static void test_missing_pack(void **state)
{
	struct blob_pos first = must_add(1, 50000), second = must_add(2, 50000), third;
	struct blob_counts counts;
	char name[PACK_NAME_MAX];

	assert_int_not_equal(first.pack, second.pack);
	pack_name_put(name, "packs", first.pack);
	unlink(name);
	reopen();
	assert_non_null(strstr(err.text, "missing"));
	blob_counts(store, &counts);
	assert_int_equal(counts.missing, 1);
	assert_int_equal(check(1, first), BLOB_GONE);
	assert_int_equal(check(2, second), BLOB_OK);
	/* the last one cut short: it is left alone and a new one begun */
	pack_name_put(name, "packs", second.pack);
	assert_int_equal(truncate(name, second.offset + 100), 0);
	reopen();
	third = must_add(3, 100);
	assert_true(third.pack > second.pack);
	assert_int_equal(check(2, second), BLOB_DAMAGED);
	assert_int_equal(check(3, third), BLOB_OK);
}

static void test_foreign_packs(void **state)
{
	struct blob_pos first = must_add(1, 50000), second = must_add(2, 50000);
	char name[PACK_NAME_MAX], aside[PACK_NAME_MAX + 8];

	/* a database that lost everything must not cost the packs too */
	blob_store_free(&store);
	nrows = 0;
	assert_int_equal(try_open(SMALL), BLOB_DAMAGED);
	assert_non_null(strstr(err.text, "knows nothing"));
	assert_true(size_of(first.pack) > 0);
	/* one that knows some: the others are set aside */
	rows[nrows++] = (struct blob_point){first.pack, 1, false, 50128};
	must_open(SMALL);
	assert_int_equal(check(1, first), BLOB_OK);
	pack_name_put(name, "packs", second.pack);
	snprintf(aside, sizeof aside, "%s.orphan", name);
	assert_int_equal(access(aside, F_OK), 0);
}

static void test_stranger_files_are_left_alone(void **state)
{
	static const char *const names[] = {"packs/README", "packs/1.pack",
	    "packs/0000000009.pack.orphan", "packs/x000000009.pack"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		close(open(names[i], O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	reopen();
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_int_equal(access(names[i], F_OK), 0);
}

static void test_short_writes(void **state)
{
	struct blob_pos pos;

	fault_set(&fault, FAULT_FS_SHORT, 1, true, false);
	pos = must_add(1, 100);
	fault_set(&fault, FAULT_NONE, 0, false, false);
	assert_int_equal(check(1, pos), BLOB_OK);
}

static void test_full_disk(void **state)
{
	struct blob_pos kept = must_add(1, 30000), pos;

	fault_set(&fault, FAULT_FS_WRITE, 1, true, true);
	assert_int_equal(append_one(2, 1000, &pos), BLOB_FULL);
	blob_rewind(store);
	fault_set(&fault, FAULT_FS_OPEN, 1, true, true);
	assert_int_equal(append_one(2, 50000, &pos), BLOB_FULL); /* wants a new pack */
	blob_rewind(store);
	fault_set(&fault, FAULT_NONE, 0, false, false);
	pos = must_add(2, 1000);
	assert_int_equal(check(1, kept), BLOB_OK);
	assert_int_equal(check(2, pos), BLOB_OK);
}

/* One run: appends, a rewind, a roll-over, an upload. Gives up at the first failure. */
static enum blob_code scenario(int64_t *acknowledged, struct blob_pos pos[8])
{
	struct blob_upload *u = NULL;
	enum blob_code code = BLOB_OK;

	for (int64_t i = 0; i < 6 && code == BLOB_OK; i++) {
		code = append_one(i, 15000, &pos[i]);
		if (code == BLOB_OK)
			code = blob_sync(store, &err);
		if (code != BLOB_OK)
			break;
		blob_points(store, put_row, NULL);
		blob_committed(store);
		*acknowledged = i + 1;
	}
	if (code == BLOB_OK)
		code = upload(6, 100000, &u, &pos[6]);
	if (code == BLOB_OK)
		code = blob_attach(store, u, &err);
	if (code == BLOB_OK)
		code = blob_sync(store, &err);
	if (code == BLOB_OK) {
		blob_points(store, put_row, NULL);
		blob_committed(store);
		*acknowledged = 7;
	} else {
		blob_rewind(store);
	}
	blob_upload_free(store, &u);
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

			blob_store_free(&store);
			scratch_wipe();
			mkdir("packs", 0700);
			nrows = 0;
			fault_set(&fault, FAULT_ANY, n, false, full);
			code = try_open(SMALL);
			if (code == BLOB_OK)
				code = scenario(&acknowledged, pos);
			fired = fault.fired > 0;
			failures += code != BLOB_OK;
			fault_set(&fault, FAULT_NONE, 0, false, false);
			blob_store_free(&store);
			must_open(SMALL);
			for (int64_t i = 0; i < acknowledged; i++)
				assert_int_equal(check(i, pos[i]), BLOB_OK);
			must_add(50, 100);
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
			if (pending && blob_is_dirty(store))
				commit();
			committed += pending;
			pending = 0;
			break;
		case 1:
			blob_rewind(store);
			pending = 0;
			break;
		case 2:
			if (seed % 5 == 0) {
				reopen();
				pending = 0;
			}
			break;
		case 3: {
			int i = committed ? (int)(seed / 8 % (uint64_t)committed) : -1;

			if (i >= 0)
				assert_int_equal(check(i, pos[i]), BLOB_OK);
			break;
		}
		default:
			assert_int_equal(append_one(committed + pending, seed / 8 % 3000,
					     &pos[committed + pending]),
			    BLOB_OK);
			pending++;
		}
	}
	reopen();
	assert_true(committed > 100);
	for (int i = 0; i < committed; i++)
		assert_int_equal(check(i, pos[i]), BLOB_OK);
}

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

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    T(test_format_is_fixed),
	    T(test_round_trip),
	    T(test_pieces_and_batches),
	    T(test_roll_over),
	    T(test_batch_over_packs),
	    T(test_uncommitted_is_forgotten),
	    T(test_torn_tail),
	    T(test_generations_rise),
	    T(test_every_flipped_bit_is_found),
	    T(test_wrong_questions),
	    T(test_reading_in_steps),
	    T(test_damage_at_the_end_of_a_stream),
	    T(test_upload),
	    T(test_upload_given_up),
	    T(test_drop_waits_for_readers),
	    T(test_missing_pack),
	    T(test_foreign_packs),
	    T(test_stranger_files_are_left_alone),
	    T(test_short_writes),
	    T(test_full_disk),
	    T(test_every_call_failing),
	    T(test_random_operations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
