/* The repair of packs that a start has set aside: they come back where they are missed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "repair_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/aside.h"

/* Rows that were lost, and the start took their pack for one that the database does not know. */
static void set_aside(void)
{
	assert_int_equal(blob_seal(rig.blobs, NULL), BLOB_OK);
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "in another pack\r\n", NULL));
	flip_change(&rig, "DELETE FROM blob WHERE pack = 1; DELETE FROM pack WHERE pack = 1");
	rig_restart(&rig);
	assert_true(is_there("packs/0000000001.pack.orphan"));
}

static void a_pack_that_was_set_aside_comes_back(void **state)
{
	set_aside();
	run(NULL);
	assert_int_equal(last.returned, 1);
	assert_int_equal(last.damaged, 0);
	assert_false(is_there("packs/0000000001.pack.orphan"));
	must_have_and_one();
	damage_must_be_none(&rig);
	rig_restart(&rig);
	damage_must_be_none(&rig);
}

static int closed_to_us(struct fsio *fs, const char *name, int flags, mode_t mode)
{
	return strstr(name, ".orphan") ? -EACCES : fsio_real.open(fs, name, flags, mode);
}

/* Nothing is given up for it: whoever lets this user read it finds all messages. */
static void a_pack_set_aside_that_cannot_be_opened(void **state)
{
	struct fsio_ops closed = fsio_real;

	set_aside();
	closed.open = closed_to_us;
	prepare(NULL);
	store.dir.fs.ops = &closed;
	assert_false(repair_run(&last, &store));
	assert_non_null(strstr(last.err.text, "0000000001.pack.orphan"));
	assert_int_equal(last.damaged, 0);
	run(NULL);
	assert_int_equal(last.returned, 1);
	must_have_and_one();
	damage_must_be_none(&rig);
}

/* Both names of one file, as a link that was not followed by its unlink leaves them. */
static void a_pack_with_both_names_comes_back(void **state)
{
	set_aside();
	assert_int_equal(link("packs/0000000001.pack.orphan", "packs/0000000001.pack"), 0);
	rig_restart(&rig);
	assert_false(is_there("packs/0000000001.pack"));
	assert_true(is_there("packs/0000000001.pack.orphan"));
	run(NULL);
	assert_int_equal(last.returned, 1);
	assert_int_equal(last.damaged, 0);
	must_have_and_one();
	damage_must_be_none(&rig);
}

static int no_unlink(struct fsio *fs, const char *name)
{
	return -EIO;
}

/* One step takes it in: nothing is left that the next one could stumble over. */
static void a_pack_comes_back_in_one_step(void **state)
{
	struct fsio_ops ops = fsio_real;

	set_aside();
	ops.unlink = no_unlink;
	prepare(NULL);
	store.dir.fs.ops = &ops;
	assert_int_equal(aside_return(&store.dir.fs, 1), 0);
	assert_false(is_there("packs/0000000001.pack.orphan"));
	assert_true(is_there("packs/0000000001.pack"));
	assert_int_equal(aside_return(&store.dir.fs, 1), -EEXIST);
}

static void on_aside(void *ctx, const struct aside_pack *p)
{
	*(struct aside_pack *)ctx = *p;
}

static struct aside_pack look_aside(struct fsio *fs)
{
	struct aside_pack p = {.pack = 0};

	assert_int_equal(aside_each(fs, rig.db, on_aside, &p, NULL), DB_OK);
	assert_int_equal(p.pack, 1);
	return p;
}

/* A reader's thread has others to serve: of a pack with many records a step takes a part. */
static void a_pack_set_aside_is_looked_into_in_steps(void **state)
{
	struct aside_pack p = {.pack = 0};
	struct aside *a = NULL;
	int steps = 1;

	for (int i = 0; i < 200; i++)
		assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "more\r\n", NULL));
	set_aside();
	assert_int_equal(aside_begin(&rig.fs, rig.db, on_aside, &p, &a, NULL), DB_OK);
	while (aside_step(a)) {
		assert_int_equal(p.pack, 0);
		steps++;
	}
	assert_int_equal(steps, 4);
	assert_int_equal(p.pack, 1);
	assert_int_equal(p.missed, MESSAGES + 200);
	assert_true(p.records >= MESSAGES + 200);
	aside_end(&a);
	assert_int_equal(aside_begin(&rig.fs, rig.db, on_aside, &p, &a, NULL), DB_OK);
	assert_true(aside_step(a));
	aside_end(&a);
	assert_null(a);
}

static int64_t no_size(struct fsio *fs, int fd)
{
	return -EACCES;
}

static void a_pack_set_aside_without_a_size(void **state)
{
	struct fsio_ops ops = fsio_real;
	struct fsio fs = rig.fs;
	struct aside_pack p;

	set_aside();
	ops.size = no_size;
	fs.ops = &ops;
	p = look_aside(&fs);
	assert_int_equal(p.size, 0);
	assert_int_equal(p.error, -EACCES);
}

/* One header is none: that message is lost, those behind it are not. */
static void a_pack_set_aside_with_a_bad_header(void **state)
{
	int64_t at = rig_number(&rig, "SELECT pos + 10 FROM blob ORDER BY id LIMIT 1 OFFSET 1");
	struct aside_pack p;

	set_aside();
	p = look_aside(&rig.fs);
	assert_int_equal(p.missed, MESSAGES);
	assert_int_equal(p.records, MESSAGES);
	assert_false(p.doubtful);
	flip_in("packs/0000000001.pack.orphan", at);
	p = look_aside(&rig.fs);
	assert_int_equal(p.missed, MESSAGES - 1);
	assert_non_null(strstr(p.unread.text, "are no record"));
	assert_int_equal(p.error, 0);
	assert_true(p.doubtful);
	run(NULL);
	assert_int_equal(last.returned, 1);
	assert_int_equal(last.damaged, 1);
	assert_int_equal(live(), MESSAGES);
	damage_must_be_none(&rig);
}

/* One that nobody misses stays where it is, and so does one whose number is taken. */
static void a_pack_that_nobody_misses_stays_aside(void **state)
{
	int fd;

	assert_int_equal(blob_seal(rig.blobs, NULL), BLOB_OK);
	assert_true(rig_send(&rig, "x@else.test", "ann@a.test", "in another pack\r\n", NULL));
	assert_int_equal(rename("packs/0000000001.pack", "packs/0000000007.pack.orphan"), 0);
	assert_int_equal(link("packs/0000000007.pack.orphan", "packs/0000000001.pack"), 0);
	fd = open("packs/0000000009.pack.orphan", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	run(NULL);
	assert_int_equal(last.returned, 0);
	assert_true(is_there("packs/0000000007.pack.orphan"));
	assert_true(is_there("packs/0000000009.pack.orphan"));
	damage_must_be_none(&rig);
}

/* Its first block holds the headers of all but one. */
static void a_pack_set_aside_that_the_disk_does_not_give(void **state)
{
	struct aside_pack p;

	fail_a_block(-EIO);
	set_aside();
	fault_block(&fault, "packs/0000000001.pack.orphan", 64, -EIO);
	p = look_aside(&fault.fs);
	assert_int_equal(p.missed, 1);
	assert_int_equal(p.error, -EIO);
	assert_true(p.doubtful);
	fault_block(&fault, "packs/0000000001.pack.orphan", 64, -EACCES);
	p = look_aside(&fault.fs);
	assert_int_equal(p.error, -EACCES);
	end_fault();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_pack_that_was_set_aside_comes_back),
	    T(a_pack_set_aside_that_cannot_be_opened),
	    T(a_pack_with_both_names_comes_back),
	    T(a_pack_comes_back_in_one_step),
	    T(a_pack_set_aside_is_looked_into_in_steps),
	    T(a_pack_set_aside_without_a_size),
	    T(a_pack_set_aside_with_a_bad_header),
	    T(a_pack_that_nobody_misses_stays_aside),
	    T(a_pack_set_aside_that_the_disk_does_not_give),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
