/* Files of a configuration, and whose they may be. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"
#include "config/config_file.h"

static char dir[] = "/tmp/godwit-config-XXXXXX";

static const char *in_dir(struct buf *b, const char *name)
{
	buf_clear(b);
	buf_printf(b, "%s/%s", dir, name);
	return buf_cstr(b);
}

static int make_dir(void **state)
{
	memcpy(dir + strlen(dir) - 6, "XXXXXX", 6);
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	struct buf b;

	buf_init(&b, 256);
	unlink(in_dir(&b, "godwit.conf"));
	buf_fini(&b);
	return rmdir(dir);
}

static void test_file(void **state)
{
	const struct config_initial initial = {"mail.x.org", NULL, 5};
	struct config_snapshot *c;
	struct buf path, report;
	struct stat st;
	struct err e;

	buf_init(&path, 256);
	assert_int_equal(config_load(dir, 1, &c, &e), -1);
	assert_non_null(strstr(e.text, "godwit.conf does not exist"));
	assert_int_equal(config_write_default(dir, &initial, &e), 0);
	assert_int_equal(stat(in_dir(&path, "godwit.conf"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(config_load(dir, 1, &c, &e), 0);
	assert_int_equal(c->port_offset, 5);
	buf_init(&report, MIB);
	config_put(c, false, &report);
	assert_string_equal(buf_cstr(&report), "hostname = \"mail.x.org\";\nport_offset = 5;\n");
	buf_fini(&report);
	config_unref(&c);
	assert_int_equal(config_write_default(dir, &initial, &e), -1);
	assert_non_null(strstr(e.text, "is there already; it is left as it is"));
	chmod(buf_cstr(&path), 0666);
	assert_int_equal(config_load(dir, 1, &c, &e), -1);
	assert_non_null(
	    strstr(e.text, "can be changed by others than its owner (mode 0666): run chmod go-w"));
	buf_fini(&path);
}

static void test_file_limits(void **state)
{
	struct buf path, content;
	struct err e;

	buf_init(&path, 256);
	buf_init(&content, 8);
	buf_lit(&content, "ab");
	assert_int_equal(
	    config_file_create(in_dir(&path, "godwit.conf"), 0600, STR("1234567"), &e), 0);
	assert_int_equal(config_file_read(buf_cstr(&path), CONFIG_FILE_SECRET, &content, &e), -1);
	assert_non_null(strstr(e.text, "is too long: at most 8 octets"));
	assert_int_equal(content.n, 2);
	buf_clear(&content);
	assert_int_equal(config_file_read(buf_cstr(&path), CONFIG_FILE_SECRET, &content, &e), 0);
	assert_int_equal(content.n, 7);
	assert_int_equal(config_file_read(dir, CONFIG_FILE_PUBLIC, &content, &e), -1);
	assert_non_null(strstr(e.text, "is no regular file"));
	buf_fini(&content);
	buf_fini(&path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_file, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(test_file_limits, make_dir, remove_dir),
	};

	return cmocka_run_group_tests_name("config/config_file", tests, NULL, NULL);
}
