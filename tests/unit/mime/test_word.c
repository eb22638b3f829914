/* Encoded words and extended parameters, both ways; charsets. */
#include "mime_test.h"

#include "base/utf8.h"
#include "mime/mime_charset.h"
#include "mime/mime_word.h"

static const struct {
	const char *raw;
	const char *want;
} cases[] = {
    {"", ""},
    {"plain text", "plain text"},
    {" a\r\n b ", "a b"},
    {"=?utf-8?Q?J=C3=BCrgen?=", "J\xc3\xbcrgen"},
    {"=?UTF-8?b?SsO8cmdlbg==?= Meier", "J\xc3\xbcrgen Meier"},
    {"=?iso-8859-1?q?J=FCrgen_M?=", "J\xc3\xbcrgen M"},
    {"=?ISO-8859-15?Q?=A4?=", "\xe2\x82\xac"},
    {"=?windows-1252?Q?=80=93x=94?=", "\xe2\x82\xac\xe2\x80\x9cx\xe2\x80\x9d"},
    {"=?us-ascii*en?Q?Keith_Moore?=", "Keith Moore"},
    /* RFC 2047 8 */
    {"(=?ISO-8859-1?Q?a?=)", "(a)"},
    {"=?ISO-8859-1?Q?a?= b", "a b"},
    {"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
    {"=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"},
    {"=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab"},
    {"=?ISO-8859-1?Q?a_b?=", "a b"},
    {"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a =?ISO-8859-2?Q?_b?="},
    /* a character cut in two */
    {"=?utf-8?B?w7zD?= =?utf-8?B?vA==?=", "\xc3\xbc\xc3\xbc"},
    {"=?utf-8?Q?=C3?= =?utf-8?Q?=BC?=", "\xc3\xbc"},
    {"=?utf-8?Q?=C3?= =?iso-8859-1?Q?=BC?=", "\xef\xbf\xbd\xc2\xbc"},
    /* glued to text, as some send it */
    {"Re:=?utf-8?Q?a?=b", "Re:ab"},
    {"=?utf-8?Q?two words?=", "two words"},
    {"=?utf-8?Q?a?==?utf-8?Q?b?=", "ab"},
    /* not words */
    {"=?utf-8?X?abc?=", "=?utf-8?X?abc?="},
    {"=?koi8-r?B?8NLJ18XU?=", "=?koi8-r?B?8NLJ18XU?="},
    {"=??Q?a?=", "=??Q?a?="},
    {"=?utf-8?Q?abc", "=?utf-8?Q?abc"},
    {"=?utf-8?Q?abc?", "=?utf-8?Q?abc?"},
    {"=?=?=?=?utf-8?Q?a?=", "=?=?=?a"},
    {"a =? b ?= c", "a =? b ?= c"},
    {"=?utf-8?Q?a=?=", "a="},
    {"=?utf-8?Q?a=4?=", "a=4"},
    {"=?utf-8?Q?a=zz?=", "a=zz"},
    {"=?utf-8?B?YQ?=", "a"},
    {"=?utf-8?B?!!?=", ""},
    /* what might do harm */
    {"=?utf-8?Q?a=0D=0ABcc:_x=00?=", "a  Bcc: x "},
    {"\xfc raw", "\xef\xbf\xbd raw"},
    {"\xc3\xbc raw", "\xc3\xbc raw"},
};

static void test_decode(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct buf b;

		buf_init(&b, 1000);
		mime_word_decode(&b, str_of_c(cases[i].raw));
		expect_text(cases[i].raw, buf_view(&b), cases[i].want);
		assert_true(b.n <= 3 * strlen(cases[i].raw));
		buf_fini(&b);
	}
}

/* A reply mark and two words, again and again; and eleven times a character of four octets. */
static const char chinese[] =
    "\xe5\x9b\x9e\xe5\xa4\x8d: \xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c "
    "\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96"
    "\xe7\x95\x8c\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c\xe4\xbd\xa0\xe5\xa5\xbd";
static const char faces[] =
    "\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f"
    "\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80";

static const char *const texts[] = {
    "",
    "Hello",
    "Hello world, this is a long subject that has to be folded somewhere because it does not fit",
    "J\xc3\xbcrgen",
    "=?utf-8?Q?not_a_word?=",
    " leading and trailing ",
    "two  blanks   inside",
    chinese,
    faces,
};

/* No line above 78 columns, no bare line end; unfolding and decoding gives the text. */
static void check_encoded(const char *text, struct str out, size_t column)
{
	struct buf back;
	struct str rest;

	for (struct str s = out; s.n; s = rest) {
		struct str line = str_split(s, '\n', &rest);
		bool last = line.n == s.n;

		assert_true(column + line.n <= 79);
		assert_true(last || (line.n && line.p[line.n - 1] == '\r'));
		assert_true(last || (rest.n && rest.p[0] == ' '));
		column = 0;
	}
	buf_init(&back, 10000);
	mime_word_decode(&back, out);
	expect_text(text, buf_view(&back), text);
	buf_fini(&back);
}

static void test_encode(void **state)
{
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		for (size_t column = 0; column < 70; column += 9) {
			struct buf b;

			buf_init(&b, 10000);
			mime_word_encode(&b, str_of_c(texts[i]), column);
			/* a first word cannot be moved to the next line, but words begin before 60 */
			if (column < 60 || str_has_8bit(buf_view(&b)))
				check_encoded(texts[i], buf_view(&b), column);
			assert_false(str_has_8bit(buf_view(&b)));
			buf_fini(&b);
		}
	}
}

static void test_encode_forms(void **state)
{
	struct buf b;

	buf_init(&b, 100000);
	mime_word_encode(&b, STR("a\r\nBcc: all"), 9);
	expect_text("injection", buf_view(&b), "a  Bcc: all");
	buf_clear(&b);
	mime_word_encode(&b, STR("\xff"), 9);
	expect_text("no UTF-8", buf_view(&b), "=?UTF-8?B?77+9?=");
	buf_clear(&b);
	for (int i = 0; i < 1000; i++)
		buf_byte(&b, 'x');
	{
		struct buf out;

		buf_init(&out, 100000);
		mime_word_encode(&out, buf_view(&b), 9);
		check_encoded(buf_cstr(&b), buf_view(&out), 9);
		buf_fini(&out);
	}
	buf_fini(&b);
}

static const struct {
	const char *field;
	const char *want; /* NULL: no parameter filename */
} params[] = {
    {"attachment; filename=a.txt", "a.txt"},
    {"attachment; filename=\"a b.txt\"", "a b.txt"},
    {"attachment; filename=a b.txt; size=3", "a b.txt"},
    {"attachment; filename*=UTF-8''%E2%82%AC%20x", "\xe2\x82\xac x"},
    {"attachment; filename=plain; filename*=utf-8'en'ext", "ext"},
    {"attachment; filename*=iso-8859-1''%A3", "\xc2\xa3"},
    {"attachment; filename*0=ab; filename*1=cd", "abcd"},
    {"attachment; filename*1=cd; filename*0=ab", "abcd"},
    {"attachment; filename*0*=UTF-8''%C3; filename*1*=%BC; filename*2=.txt", "\xc3\xbc.txt"},
    {"attachment; filename*0=ab; filename*2=cd", "ab"},
    {"attachment; filename*1=cd", NULL},
    {"attachment; filename*=no-quotes", "no-quotes"},
    {"attachment; filename*=a'b", "b"},
    {"attachment; filename*=''%zz%4", "%zz%4"},
    {"attachment; filename*x=y; filename*01x=z", NULL},
    {"attachment; filename=\"=?utf-8?Q?=C3=BC?=\"", "\xc3\xbc"},
    {"attachment; filename*=utf-8''a%0D%0Ab%00", "a  b "},
    {"attachment; filename=", ""},
    {"attachment; filename", NULL},
    {"attachment", NULL},
};

static void test_param(void **state)
{
	for (size_t i = 0; i < sizeof params / sizeof params[0]; i++) {
		struct arena *a = arena_new();
		struct mime_params ps;
		struct str word;
		struct buf b;

		buf_init(&b, 1000);
		assert_int_equal(
		    mime_content_disposition_parse(a, str_of_c(params[i].field), &word, &ps),
		    MIME_CONTENT_OK);
		if (mime_word_param(&b, &ps, STR("filename")) != (params[i].want != NULL))
			fail_msg("%s", params[i].field);
		expect_text(params[i].field, buf_view(&b), params[i].want ? params[i].want : "");
		buf_fini(&b);
		arena_free(&a);
	}
}

static const char long_name[] =
    "\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96"
    "\xe7\x95\x8c\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c\xe4\xbd\xa0\xe5\xa5\xbd.pdf";

/* What is written is read back, in lines of at most 78 columns unless it is one plain name. */
static void test_put_param(void **state)
{
	static const char *const names[] = {
	    "a.txt",
	    "my file.txt",
	    "quote\"back\\slash",
	    "\xe4\xbd\xa0\xe5\xa5\xbd.pdf",
	    long_name,
	};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct arena *a = arena_new();
		struct mime_params ps;
		struct buf b, back;
		struct str word;

		buf_init(&b, 10000);
		buf_init(&back, 10000);
		buf_lit(&b, "attachment");
		mime_word_put_param(&b, STR("filename"), str_of_c(names[i]));
		assert_false(str_has_8bit(buf_view(&b)));
		mime_content_disposition_parse(a, buf_view(&b), &word, &ps);
		assert_true(mime_word_param(&back, &ps, STR("filename")));
		expect_text(names[i], buf_view(&back), names[i]);
		buf_fini(&b);
		buf_fini(&back);
		arena_free(&a);
	}
}

/* Longer than a file name can be: cut between characters. */
static void test_put_param_cut(void **state)
{
	struct arena *a = arena_new();
	struct mime_params ps;
	struct buf name, b, back;
	struct str word;

	buf_init(&name, 10000);
	buf_init(&b, 10000);
	buf_init(&back, 10000);
	for (int i = 0; i < 200; i++)
		buf_lit(&name, "\xc3\xbc");
	buf_lit(&b, "attachment");
	mime_word_put_param(&b, STR("filename"), buf_view(&name));
	mime_content_disposition_parse(a, buf_view(&b), &word, &ps);
	assert_true(mime_word_param(&back, &ps, STR("filename")));
	assert_int_equal(back.n, 254);
	assert_true(str_has_prefix(buf_view(&name), buf_view(&back)));
	buf_fini(&name);
	buf_fini(&b);
	buf_fini(&back);
	arena_free(&a);
}

static void test_charset(void **state)
{
	struct buf b;

	assert_int_equal(mime_charset_by_name(STR("")), MIME_CHARSET_UTF8);
	assert_int_equal(mime_charset_by_name(STR("US-ASCII")), MIME_CHARSET_UTF8);
	assert_int_equal(mime_charset_by_name(STR("Windows-1252")), MIME_CHARSET_LATIN1);
	assert_int_equal(mime_charset_by_name(STR("big5")), MIME_CHARSET_UNKNOWN);
	buf_init(&b, 10000);
	for (unsigned c = 0; c < 256; c++) {
		uint8_t octet = (uint8_t)c;

		for (unsigned k = 0; k <= MIME_CHARSET_UNKNOWN; k++) {
			buf_clear(&b);
			mime_charset_to_utf8(&b, (enum mime_charset)k, str_of(&octet, 1));
			assert_true(b.n >= 1 && b.n <= 3 && utf8_is_valid(buf_view(&b)));
			assert_true(c >= 128 || (b.n == 1 && b.p[0] == c));
		}
	}
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_decode),
	    cmocka_unit_test(test_encode),
	    cmocka_unit_test(test_encode_forms),
	    cmocka_unit_test(test_param),
	    cmocka_unit_test(test_put_param),
	    cmocka_unit_test(test_put_param_cut),
	    cmocka_unit_test(test_charset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
