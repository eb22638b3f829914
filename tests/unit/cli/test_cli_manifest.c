/* Manifests: there and back; whatever is changed or cut is found. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/limits.h"
#include "cli/cli_manifest.h"

static char path[] = "/tmp/godwit-manifest-XXXXXX";
static int dirfd_;

static int setup(void **state)
{
	memcpy(path + sizeof path - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(path));
	dirfd_ = open(path, O_RDONLY | O_DIRECTORY);
	return dirfd_ < 0;
}

static int teardown(void **state)
{
	unlinkat(dirfd_, CLI_MANIFEST_NAME, 0);
	close(dirfd_);
	return rmdir(path);
}

static void put(struct str text)
{
	int fd = openat(dirfd_, CLI_MANIFEST_NAME, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text.p, text.n), text.n);
	close(fd);
}

static size_t get(uint8_t *p, size_t max)
{
	int fd = openat(dirfd_, CLI_MANIFEST_NAME, O_RDONLY);
	ssize_t n = read(fd, p, max);

	close(fd);
	return (size_t)n;
}

static enum cli_manifest_code code(void)
{
	struct cli_manifest m;
	struct err e = {""};
	enum cli_manifest_code c;

	cli_manifest_init(&m);
	c = cli_manifest_read(&m, dirfd_, path, &e);
	assert_int_equal(c == CLI_MANIFEST_BAD, e.text[0] != 0);
	cli_manifest_fini(&m);
	return c;
}

static void write_example(void)
{
	struct cli_manifest m;
	struct err e = {""};

	cli_manifest_init(&m);
	m.store = 77;
	m.mark = 78;
	m.created = INT64_C(1795463673000);
	m.hostname = STR("mail.example.org");
	m.packs = STR("packs-1");
	m.files = STR("files-2");
	m.lost = 3;
	cli_manifest_add_file(&m, &(struct cli_manifest_file){STR("store.db"), 4096, 0600, 0xabc});
	cli_manifest_add_file(
	    &m, &(struct cli_manifest_file){STR("tls/my key.pem"), 12, 0640, UINT64_MAX});
	cli_manifest_add_part(&m, &(struct cli_manifest_part){1, 65536, 0, 100, false, 1});
	cli_manifest_add_part(&m, &(struct cli_manifest_part){1, 65537, 100, 250, false, 2});
	cli_manifest_add_part(&m, &(struct cli_manifest_part){7, 0, 0, 64, true, 3});
	cli_manifest_add_part(&m, &(struct cli_manifest_part){8, 0, 0, 64, true, 4, true});
	cli_manifest_add_part(&m, &(struct cli_manifest_part){9, 0, 0, 64, false, 5});
	cli_manifest_add_part(&m, &(struct cli_manifest_part){9, 0, 64, 72, false, 6, true});
	cli_manifest_add_part(&m, &(struct cli_manifest_part){9, 0, 72, 80, false, 7});
	assert_int_equal(cli_manifest_write(&m, dirfd_, &e), 0);
	cli_manifest_fini(&m);
}

static void there_and_back(void **state)
{
	struct cli_manifest m;
	struct err e = {""};
	int64_t end = 0;

	assert_int_equal(code(), CLI_MANIFEST_NONE);
	write_example();
	cli_manifest_init(&m);
	assert_int_equal(cli_manifest_read(&m, dirfd_, path, &e), CLI_MANIFEST_OK);
	assert_int_equal(m.store, 77);
	assert_int_equal(m.mark, 78);
	assert_int_equal(m.created, INT64_C(1795463673000));
	assert_int_equal(m.lost, 3);
	assert_true(str_eq(m.hostname, STR("mail.example.org")));
	assert_true(str_eq(m.packs, STR("packs-1")));
	assert_int_equal(m.nfiles, 2);
	assert_true(str_eq(m.file[1].name, STR("tls/my key.pem")));
	assert_int_equal(m.file[1].mode, 0640);
	assert_int_equal(m.file[1].size, 12);
	assert_true(m.file[1].sum == UINT64_MAX);
	assert_int_equal(m.nparts, 7);
	assert_int_equal(cli_manifest_pack(&m, 0, &end), 2);
	assert_int_equal(end, 250);
	assert_int_equal(cli_manifest_pack(&m, 2, &end), 3);
	assert_int_equal(end, 64);
	assert_int_equal(m.part[1].generation, 65537);
	assert_true(m.part[2].single && !m.part[2].holes);
	assert_true(m.part[3].single && m.part[3].holes);
	assert_true(!m.part[5].single && m.part[5].holes);
	cli_manifest_fini(&m);
}

static void every_change_is_found(void **state)
{
	uint8_t text[2048];
	size_t n;

	write_example();
	n = get(text, sizeof text);
	for (size_t i = 0; i < n; i++) {
		text[i] ^= 1;
		put(str_of(text, n));
		assert_int_equal(code(), CLI_MANIFEST_BAD);
		text[i] ^= 1;
		put(str_of(text, i));
		assert_int_equal(code(), CLI_MANIFEST_BAD);
	}
}

/* What a right checksum may not hide. */
static void nonsense(void **state)
{
	static const char *const lines[] = {"store x", "store 1 x", "unknown 1", "packs ../x",
	    "packs /x", "files ", "file 384 1 0000000000000000 ../../x",
	    "file 384 1 000000000000000g x", "file 384 -1 0000000000000000 x", "packs x/y",
	    "packs .", "files x/y", "files ..", "part 1 0 0 5 10 0000000000000000",
	    "part 1 0 0 0 0 0000000000000000", "part 0 0 0 0 9 0000000000000000"};
	struct buf b;

	buf_init(&b, KIB);
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		buf_clear(&b);
		buf_printf(&b, "godwit-backup 1\n%s\n", lines[i]);
		buf_printf(&b, "sum %016llx\n", (unsigned long long)XXH3_64bits(b.p, b.n));
		put(buf_view(&b));
		if (code() != CLI_MANIFEST_BAD)
			fail_msg("\"%s\" is taken", lines[i]);
	}
	buf_clear(&b);
	buf_lit(&b, "godwit-backup 1\nstore 5\n");
	buf_printf(&b, "sum %016llx\n", (unsigned long long)XXH3_64bits(b.p, b.n));
	put(buf_view(&b));
	assert_int_equal(code(), CLI_MANIFEST_OK);
	buf_fini(&b);
}

/* A restore makes these files, as root. */
static void names(void **state)
{
	static const char *const good[] = {
	    "store.db", "godwit.conf", "relay.password", "tls/key.pem", "tls/lock"};
	static const char *const bad[] = {"", ".", "..", "/x", "x/y", "x/", "tls", "tls/", "tls/.",
	    "tls/..", "tls/x/y", "tls//x", "packs", "packs/0000000001.pack", "run", "lock",
	    "restoring", "reserve", "backup.db", "salvaged.db", "store.db-wal", "store.db-shm",
	    "store.db-journal", "x\ny", "x\x7f"};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		if (!cli_manifest_is_name(str_of_c(good[i])))
			fail_msg("\"%s\" is refused", good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (cli_manifest_is_name(str_of_c(bad[i])))
			fail_msg("\"%s\" is taken", bad[i]);
	assert_true(cli_manifest_is_reserved(STR("reserve")));
	assert_true(cli_manifest_is_reserved(STR("store.db-x")));
	assert_false(cli_manifest_is_reserved(STR("store.db")));
	assert_false(cli_manifest_is_reserved(STR("tls/lock")));
	assert_false(cli_manifest_is_reserved(STR("x..y")));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(there_and_back),
	    T(every_change_is_found),
	    T(nonsense),
	    T(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
