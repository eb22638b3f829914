#include "pack_rig.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "scratch.h"
#include "base/mem.h"
#include "store/pack_format.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct pack_rig rig;

static int order(const void *a, const void *b)
{
	const struct blob_point *x = a, *y = b;

	return (x->pack > y->pack) - (x->pack < y->pack);
}

void packs_put_row(void *ctx, const struct blob_point *point)
{
	size_t i = 0;

	while (i < rig.nrows && rig.rows[i].pack != point->pack)
		i++;
	assert_true(i < PACKS_ROWS);
	rig.nrows += i == rig.nrows;
	rig.rows[i] = *point;
	qsort(rig.rows, rig.nrows, sizeof rig.rows[0], order);
}

enum blob_code packs_try_open(int64_t pack_size)
{
	struct pack_config config = {
	    &rig.fault.fs, "packs", pack_size, &rig.dropped, rig.dropped != 0};
	struct blob_point point;
	enum blob_code code = pack_open(&config, rig.rows, rig.nrows, &rig.store, &point, &rig.err);

	if (code == BLOB_OK)
		packs_put_row(NULL, &point);
	return code;
}

void packs_must_open(int64_t pack_size)
{
	if (packs_try_open(pack_size) != BLOB_OK)
		fail_msg("%s", rig.err.text);
}

void packs_reopen(void)
{
	blob_store_free(&rig.store);
	packs_must_open(PACKS_SMALL);
}

int packs_setup(void **state)
{
	scratch_enter();
	mkdir("packs", 0700);
	fault_init(&rig.fault);
	rig.nrows = 0;
	rig.dropped = 0;
	packs_must_open(PACKS_SMALL);
	return 0;
}

int packs_teardown(void **state)
{
	blob_store_free(&rig.store);
	fault_fini(&rig.fault);
	scratch_leave();
	return 0;
}

/* Content that tells which blob and which place it is from. */
void packs_fill(uint8_t *p, size_t n, int64_t id)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)((uint64_t)id * 31 + i * 7 + (i >> 8));
}

enum blob_code packs_append(int64_t id, size_t n, struct blob_pos *pos_r)
{
	uint8_t *p = mem_alloc(n);
	struct iovec iov = {p, n};
	struct blob_in in = {.id = id, .codec = BLOB_PLAIN, .iov = &iov, .niov = 1};
	struct blob_in *const v[] = {&in};
	enum blob_code code;

	packs_fill(p, n, id);
	code = blob_append(rig.store, v, 1, &rig.err);
	mem_free(p);
	*pos_r = in.pos;
	return code;
}

void packs_commit(void)
{
	assert_int_equal(blob_sync(rig.store, &rig.err), BLOB_OK);
	blob_points(rig.store, packs_put_row, NULL);
	blob_committed(rig.store);
	assert_false(blob_is_dirty(rig.store));
}

struct blob_pos packs_add(int64_t id, size_t n)
{
	struct blob_pos pos;

	assert_int_equal(packs_append(id, n, &pos), BLOB_OK);
	assert_true(blob_is_dirty(rig.store));
	packs_commit();
	assert_int_equal(pos.length, n);
	return pos;
}

enum blob_code packs_check(int64_t id, struct blob_pos pos)
{
	size_t n = (size_t)pos.length;
	uint8_t *got = mem_alloc(n), *want = mem_alloc(n);
	enum blob_code code = blob_get(rig.store, id, pos, got, n, &rig.err);

	packs_fill(want, n, id);
	if (code == BLOB_OK)
		assert_memory_equal(got, want, n);
	mem_free(got);
	mem_free(want);
	return code;
}

int64_t packs_size_of(int64_t pack)
{
	char name[PACK_NAME_MAX];
	struct stat st;

	pack_name_put(name, "packs", pack);
	return stat(name, &st) < 0 ? -1 : st.st_size;
}

/* Changes one bit of the file. */
void packs_flip(int64_t pack, int64_t offset, int bit)
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

enum blob_code packs_upload(int64_t id, size_t n, struct blob_upload **u, struct blob_pos *pos_r)
{
	uint8_t *p = mem_alloc(n);
	enum blob_code code = blob_upload_begin(rig.store, id, BLOB_PLAIN, u, &rig.err);

	packs_fill(p, n, id);
	for (size_t at = 0; code == BLOB_OK && at < n; at += 70001)
		code = blob_upload_write(rig.store, *u, str_sub(str_of(p, n), at, 70001), &rig.err);
	if (code == BLOB_OK)
		code = blob_upload_finish(rig.store, *u, pos_r, &rig.err);
	mem_free(p);
	return code;
}

void packs_remove_row(int64_t pack)
{
	size_t i = 0;

	while (rig.rows[i].pack != pack)
		i++;
	rig.rows[i] = rig.rows[--rig.nrows];
	qsort(rig.rows, rig.nrows, sizeof rig.rows[0], order);
}
