/* Names in a Maildir, there and back and those of others. */
#include "mime_test.h"

#include "base/id.h"
#include "mime/mime_lf.h"
#include "mime/mime_maildir.h"

static void test_names(void **state)
{
	static const struct {
		const char *name, *keywords;
		int64_t time;
	} cases[] = {
	    {"1795463673.M1P2.host,S=12:2,FS", "$flagged $seen", INT64_C(1795463673000)},
	    {"1795463673.M1P2.host", "", INT64_C(1795463673000)},
	    {"1795463673.1_0.host:2,", "", INT64_C(1795463673000)},
	    {"1795463673.x;2,RSTabc", "$answered $deleted $seen", INT64_C(1795463673000)},
	    {"1795463673.x!2,PD", "$draft $forwarded", INT64_C(1795463673000)},
	    {"1795463673.x:1,S", "", INT64_C(1795463673000)},
	    {"1795463673.host-2,S=15", "", INT64_C(1795463673000)},
	    {"1795463673.host-2,S=15:2,F", "$flagged", INT64_C(1795463673000)},
	    {"1795463673.host!2,S=15", "", INT64_C(1795463673000)},
	    {"1795463673.x-2,Sa", "$seen", INT64_C(1795463673000)},
	    {"1795463673.x:2,S,3", "", INT64_C(1795463673000)},
	    {"message.eml", "", 0},
	    {"99999999999999999999.x:2,S", "$seen", 0},
	    {"12", "", 0},
	    {"", "", 0},
	    {",", "", 0},
	    {"2,S", "", 0},
	};
	struct buf b;

	buf_init(&b, KIB);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t time = -1;

		buf_clear(&b);
		mime_maildir_name_read(str_of_c(cases[i].name), &b, &time);
		expect_text(cases[i].name, buf_view(&b), cases[i].keywords);
		assert_int_equal(time, cases[i].time);
	}
	buf_clear(&b);
	mime_maildir_name_put(
	    &b, INT64_C(1795463673999), 77, STR("a.b/c:d"), 1234, STR("$draft $seen x"));
	expect_text("name", buf_view(&b), "1795463673.G000000000002d.a.b_c_d,W=1234:2,DS");
	buf_fini(&b);
}

/* The base, a line, the letters. */
static void test_parts(void **state)
{
	static const char *const cases[][2] = {{"1.x:2,Sa", "1.x\nSa"}, {"1.x:2,", "1.x\n"},
	    {"1.x", "1.x\n"}, {"1.x!2,a", "1.x\na"}, {"1.x-2,a", "1.x\na"}, {"1.x;2,", "1.x\n"},
	    {"1.host-2,S=15", "1.host-2,S=15\n"}, {"1.x:1,a", "1.x:1,a\n"}, {"2,a", "2,a\n"},
	    {"", "\n"}};
	struct buf b;

	buf_init(&b, KIB);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		buf_clear(&b);
		buf_str(&b, mime_maildir_base(str_of_c(cases[i][0])));
		buf_byte(&b, '\n');
		buf_str(&b, mime_maildir_letters(str_of_c(cases[i][0])));
		expect_text(cases[i][0], buf_view(&b), cases[i][1]);
	}
	buf_fini(&b);
}

static void test_folders(void **state)
{
	static const struct {
		const char *path, *name;
	} cases[] = {
	    {"Sent", ".Sent"},
	    {"Work/Projects", ".Work.Projects"},
	    {"Entw\xc3\xbcrfe", ".Entw&APw-rfe"},
	    {"a&b", ".a&-b"},
	    {"v1.2", ".v1&AC4-2"},
	    {"\xe5\x8f\xb0\xe5\x8c\x97/\xf0\x9f\x98\x80x", ".&U,BTFw-.&2D3eAA-x"},
	    {"&", ".&-"},
	};
	struct buf b;

	buf_init(&b, KIB);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		buf_clear(&b);
		mime_maildir_folder_put(&b, str_of_c(cases[i].path));
		expect_text(cases[i].path, buf_view(&b), cases[i].name);
		buf_clear(&b);
		assert_true(mime_maildir_folder_read(&b, str_of_c(cases[i].name)));
		expect_text(cases[i].name, buf_view(&b), cases[i].path);
	}
	buf_clear(&b);
	assert_true(mime_maildir_folder_read(&b, STR(".Entw\xc3\xbcrfe &x")));
	expect_text("plain UTF-8", buf_view(&b), "Entw\xc3\xbcrfe &x");
	buf_fini(&b);
}

static void test_no_folders(void **state)
{
	static const char *const names[] = {"", ".", "..", "x", "cur", "..a", ".a.", ".a..b",
	    ".\x01", ".&!-", ".\xff", ".&AAE-", ".&eU-", "./a", ".&AC8-a", ".a&AC8-", ".&2D0-",
	    ".&3gA-x&2D0-"};
	struct buf b;

	buf_init(&b, KIB);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		buf_clear(&b);
		if (mime_maildir_folder_read(&b, str_of_c(names[i])))
			fail_msg("%s is taken as %s", names[i], buf_cstr(&b));
	}
	buf_fini(&b);
}

static void test_letters(void **state)
{
	struct str list = STR("0 $junk\n2  two \r\n26 x\n-1 x\n\n3\n4 \nx y\n1 one");
	struct buf b;

	assert_true(str_eq(mime_maildir_keyword(list, 'a'), STR("$junk")));
	assert_true(str_eq(mime_maildir_keyword(list, 'b'), STR("one")));
	assert_true(str_eq(mime_maildir_keyword(list, 'c'), STR("two")));
	for (int letter = 0; letter < 256; letter++)
		if (letter < 'a' || letter > 'c')
			assert_int_equal(mime_maildir_keyword(list, (uint8_t)letter).n, 0);
	assert_int_equal(mime_maildir_letter(list, STR("$JUNK")), 'a');
	assert_int_equal(mime_maildir_letter(list, STR("x")), 0);
	assert_int_equal(mime_maildir_letter(list, STR("")), 0);

	buf_init(&b, KIB);
	assert_int_equal(mime_maildir_letter_add(&b, STR("x"), 0), 'a');
	expect_text("first", buf_view(&b), "0 x\n");
	buf_lit(&b, "8 y"); /* without its end */
	for (int letter = 'j'; letter <= 'z'; letter++)
		assert_int_equal(mime_maildir_letter_add(&b, STR("z"), 0), letter);
	assert_true(str_has_prefix(buf_view(&b), STR("0 x\n8 y\n9 z\n10 z\n")));
	assert_true(str_has_suffix_i(buf_view(&b), STR("\n25 z\n")));
	assert_int_equal(mime_maildir_letter_add(&b, STR("u"), 0x3e), 'g'); /* names have b to f */
	assert_int_equal(mime_maildir_letter_add(&b, STR("v"), 0x3e), 'h');
	assert_int_equal(mime_maildir_letter_add(&b, STR("w"), 0x3e), 0);
	assert_true(str_has_suffix_i(buf_view(&b), STR("\n25 z\n6 u\n7 v\n")));
	buf_fini(&b);
	buf_init(&b, 2);
	assert_int_equal(mime_maildir_letter_add(&b, STR("x"), 0), 0);
	buf_fini(&b);
}

/* At every split. */
static void test_line_ends(void **state)
{
	struct str text = STR("\r\n\ra\r\n\r\nb\nc\r\r\n\r");
	struct buf out;

	buf_init(&out, KIB);
	for (size_t at = 0; at <= text.n; at++) {
		struct mime_lf lf = {0};

		buf_clear(&out);
		mime_lf_put(&lf, &out, str_sub(text, 0, at));
		mime_lf_put(&lf, &out, str_from(text, at));
		mime_lf_end(&lf, &out);
		assert_true(str_eq(buf_view(&out), STR("\n\ra\n\nb\nc\r\n\r")));
	}
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_parts),
	    cmocka_unit_test(test_folders),
	    cmocka_unit_test(test_no_folders),
	    cmocka_unit_test(test_letters),
	    cmocka_unit_test(test_line_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
