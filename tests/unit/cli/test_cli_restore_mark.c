/* Marks of restores: whole, damaged, and files that are none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/limits.h"
#include "cli/cli_restore_mark.h"
#include "store/restore.h"

static int dir = -1, file = -1; /* a directory, and the mark in it */

static enum cli_restore_mark_code code_of(struct str s)
{
	enum cli_restore_mark_code code;
	struct buf names;

	assert_int_equal(ftruncate(file, 0), 0);
	assert_int_equal(pwrite(file, s.p, s.n, 0), (ssize_t)s.n);
	buf_init(&names, KIB);
	code = cli_restore_mark_read(file, &names);
	if (code != CLI_RESTORE_MARK_NAMES)
		assert_int_equal(names.n, 0);
	buf_fini(&names);
	return code;
}

static void write_mark(void)
{
	struct cli_manifest m;

	cli_manifest_init(&m);
	cli_manifest_add_file(&m, &(struct cli_manifest_file){.name = STR("godwit.conf")});
	cli_manifest_add_file(&m, &(struct cli_manifest_file){.name = STR("tls/key.pem")});
	close(file);
	file = cli_restore_mark_write(dir, &m);
	assert_true(file >= 0);
	cli_manifest_fini(&m);
}

/* Whoever comes meanwhile finds it by its name, and locked. */
static void test_in_place(void **state)
{
	int other;

	write_mark();
	write_mark();
	assert_int_equal(faccessat(dir, CLI_RESTORE_MARK_NEW, F_OK, 0), -1);
	other = openat(dir, RESTORE_MARK, O_RDONLY);
	assert_true(other >= 0);
	assert_int_equal(flock(other, LOCK_SH | LOCK_NB), -1);
	close(other);
}

static void test_names(void **state)
{
	struct buf names;

	write_mark();
	buf_init(&names, KIB);
	assert_int_equal(cli_restore_mark_read(file, &names), CLI_RESTORE_MARK_NAMES);
	assert_string_equal(buf_cstr(&names), "godwit.conf\ntls/key.pem\n");
	assert_true(cli_restore_mark_has(&names, STR("godwit.conf")));
	assert_true(cli_restore_mark_has(&names, STR("tls/key.pem")));
	assert_false(cli_restore_mark_has(&names, STR("key.pem")));
	assert_false(cli_restore_mark_has(&names, STR("tls/key.pe")));
	assert_false(cli_restore_mark_has(&names, STR("")));
	buf_fini(&names);
}

/* Nothing less than the whole says what may be removed. */
static void test_damaged(void **state)
{
	uint8_t whole[256], damaged[256];
	ssize_t n;

	write_mark();
	n = pread(file, whole, sizeof whole, 0);
	assert_in_range(n, 1, sizeof whole);
	for (size_t i = 1; i < (size_t)n; i++) {
		assert_int_equal(code_of(str_of(whole, i)), CLI_RESTORE_MARK_FOREIGN);
		memcpy(damaged, whole, (size_t)n);
		damaged[i] = 0;
		assert_int_equal(code_of(str_of(damaged, (size_t)n)), CLI_RESTORE_MARK_FOREIGN);
	}
	assert_int_equal(code_of(str_of(whole, (size_t)n)), CLI_RESTORE_MARK_NAMES);
}

static void test_others(void **state)
{
	static const struct {
		const char *text;
		enum cli_restore_mark_code want;
	} rows[] = {
	    {"", CLI_RESTORE_MARK_BEGUN},
	    {"godwit-restore 1\nend\n", CLI_RESTORE_MARK_NAMES},
	    {"x", CLI_RESTORE_MARK_FOREIGN},
	    {"\n", CLI_RESTORE_MARK_FOREIGN},
	    {"godwit-restore 2\nend\n", CLI_RESTORE_MARK_FOREIGN},
	    {"my notes on restoring\n", CLI_RESTORE_MARK_FOREIGN},
	    {"godwit-restore 1\n../x\nend\n", CLI_RESTORE_MARK_FOREIGN},
	    {"godwit-restore 1\n\nend\n", CLI_RESTORE_MARK_FOREIGN},
	    {"godwit-restore 1\nlock\nend\n", CLI_RESTORE_MARK_FOREIGN},
	};
	struct buf names;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(code_of(str_of_c(rows[i].text)), rows[i].want);
	buf_init(&names, KIB);
	assert_int_equal(cli_restore_mark_read(-1, &names), CLI_RESTORE_MARK_UNREAD);
	buf_fini(&names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_in_place),
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_damaged),
	    cmocka_unit_test(test_others),
	};
	char name[] = "/tmp/godwit-mark.XXXXXX";
	int failed;

	dir = mkdtemp(name) ? open(name, O_RDONLY | O_DIRECTORY) : -1;
	if (dir < 0)
		return 1;
	failed = cmocka_run_group_tests_name("cli/restore_mark", tests, NULL, NULL);
	close(file);
	(void)unlinkat(dir, RESTORE_MARK, 0);
	close(dir);
	(void)rmdir(name);
	return failed;
}
