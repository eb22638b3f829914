#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/limits.h"
#include "cli/cli_table.h"

static void row(struct cli_table *t, const char *a, const char *b, const char *c)
{
	cli_table_cell(t, str_of_c(a));
	cli_table_cell(t, str_of_c(b));
	if (c)
		cli_table_cell(t, str_of_c(c));
	cli_table_row(t);
}

static void begin(struct cli_table *t, struct buf *out)
{
	buf_init(out, MIB);
	cli_table_init(t, out);
	cli_table_column(t, STR("name"), false);
	cli_table_column(t, STR("used_bytes"), true);
	cli_table_column(t, STR("note"), false);
}

static void test_aligned(void **state)
{
	struct cli_table t;
	struct buf out;

	begin(&t, &out);
	row(&t, "bob@example.org", "12", "x");
	row(&t, "\xe4\xbd\xa0\xe5\xa5\xbd", "1", NULL);
	row(&t, "", "123456789012", "longer than its column");
	assert_int_equal(out.n, 0);
	cli_table_end(&t);
	assert_string_equal(buf_cstr(&out),
	    "NAME               USED BYTES  NOTE\n"
	    "bob@example.org            12  x\n"
	    "\xe4\xbd\xa0\xe5\xa5\xbd                        1  \n"
	    "                 123456789012  longer than its column\n");
	buf_fini(&out);
}

static void test_only_head(void **state)
{
	struct cli_table t;
	struct buf out;

	begin(&t, &out);
	cli_table_end(&t);
	assert_string_equal(buf_cstr(&out), "NAME  USED BYTES  NOTE\n");
	buf_fini(&out);
}

static void test_long_lists_stream(void **state)
{
	struct cli_table t;
	struct buf out;
	size_t lines = 0;

	begin(&t, &out);
	for (size_t i = 0; i < 3 * CLI_TABLE_MEASURED; i++) {
		row(&t, "abc", "1", i < CLI_TABLE_MEASURED ? "" : "more");
		if (i + 1 < CLI_TABLE_MEASURED)
			assert_int_equal(out.n, 0);
		else
			assert_true(out.n > 0);
		assert_true(t.cells.n < CLI_TABLE_MEASURED * 32);
		if (i + 1 >= CLI_TABLE_MEASURED) {
			for (size_t k = 0; k < out.n; k++)
				lines += out.p[k] == '\n';
			buf_clear(&out);
		}
	}
	cli_table_end(&t);
	assert_int_equal(out.n, 0);
	assert_int_equal(lines, 3 * CLI_TABLE_MEASURED + 1);
	buf_fini(&out);
}

/* The widest of those that may be cut gives first; those that may not keep their width. */
static void test_lines_fit(void **state)
{
	struct cli_table t;
	struct buf out;

	buf_init(&out, MIB);
	cli_table_init(&t, &out);
	cli_table_column(&t, STR("id"), false);
	cli_table_column(&t, STR("to"), false);
	cli_table_flexible(&t, 40);
	cli_table_column(&t, STR("from"), false);
	cli_table_flexible(&t, 40);
	row(&t, "0123456789abc", "somebody@a-long-name.example.org", "a@b.example.org");
	row(&t, "0123456789abc", "x@b.test",
	    "\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd@example.org");
	cli_table_end(&t);
	assert_string_equal(buf_cstr(&out),
	    "ID             TO           FROM\n"
	    "0123456789abc  somebody@a\xe2\x80\xa6  a@b.example\xe2\x80\xa6\n"
	    "0123456789abc  x@b.test     \xe4\xbd\xa0\xe5\xa5\xbd\xe4\xbd\xa0\xe5\xa5\xbd@ex\xe2\x80\xa6\n");
	buf_fini(&out);
}

static void test_surplus_is_ignored(void **state)
{
	struct cli_table t;
	struct buf out;

	begin(&t, &out);
	row(&t, "a", "b", "c");
	cli_table_cell(&t, STR("1"));
	cli_table_cell(&t, STR("2"));
	cli_table_cell(&t, STR("3"));
	cli_table_cell(&t, STR("4"));
	cli_table_row(&t);
	cli_table_end(&t);
	assert_null(strchr(buf_cstr(&out), '4'));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_aligned),
	    cmocka_unit_test(test_only_head),
	    cmocka_unit_test(test_long_lists_stream),
	    cmocka_unit_test(test_lines_fit),
	    cmocka_unit_test(test_surplus_is_ignored),
	};

	return cmocka_run_group_tests_name("cli/table", tests, NULL, NULL);
}
