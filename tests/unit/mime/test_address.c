/* Address lists: forms old and new, recovery, limits, linear time, and printing that reads back. */
#include "mime_test.h"

#include "mime/mime_address.h"

static const struct {
	const char *text;
	const char *want;
} cases[] = {
    {"", ""},
    {" \r\n\t ", ""},
    {"bob@x.org", "bob@x.org"},
    {"<bob@x.org>", "bob@x.org"},
    {"Bob <bob@x.org>", "\"Bob\" bob@x.org"},
    {"Bob Smith <bob@x.org>, al@y.org", "\"Bob Smith\" bob@x.org | al@y.org"},
    {"\"Smith, Bob\" <bob@x.org>", "\"Smith, Bob\" bob@x.org"},
    {"\"a \\\"b\\\" \\\\c\" <bob@x.org>", "\"a \"b\" \\c\" bob@x.org"},
    {"John Q. Public <john@x.org>", "\"John Q. Public\" john@x.org"},
    {"\"Joe\" 'the' Bob <b@x>", "\"Joe 'the' Bob\" b@x"},
    {"\"Joe\"Bob <b@x>", "\"JoeBob\" b@x"},
    {"bob@x.org (Bob Smith)", "\"Bob Smith\" bob@x.org"},
    {"(Bob (the) Smith) bob@x.org", "\"Bob (the) Smith\" bob@x.org"},
    {"Bob (nick) <bob@x.org> (ignored)", "\"Bob\" bob@x.org"},
    {"bob@x.org, (comment) , al@y.org", "bob@x.org | al@y.org"},
    {"\"bob smith\"@x.org", "bob smith@x.org"},
    {"\"a.b\".c@x.org", "a.b.c@x.org"},
    {"a . b @ x . org", "a.b@x.org"},
    {"a(1).(2)b@(3)x(4).(5)org(6)", "\"6\" a.b@x.org"},
    {"bob@[192.0.2.1]", "bob@[192.0.2.1]"},
    {"Bob <bob@[IPv6:2001:db8::1]>", "\"Bob\" bob@[IPv6:2001:db8::1]"},
    {"<@a.org,@b.org:bob@x.org>", "bob@x.org"},
    {"<@a.org:bob@x.org>", "bob@x.org"},
    {"root", "root@"},
    {"Root <root>", "\"Root\" root@"},
    {"team: al@x.org, Bob <bob@x.org>;", "\"team\" : | al@x.org | \"Bob\" bob@x.org | ;"},
    {"undisclosed recipients:;", "\"undisclosed recipients\" : | ;"},
    {"a: b@x.org;, c@x.org", "\"a\" : | b@x.org | ; | c@x.org"},
    {"a: b@x.org; c@x.org", "\"a\" : | b@x.org | ; | c@x.org"},
    {"a: b@x.org", "\"a\" : | b@x.org | ;"},
    {"al@x.org; bob@x.org;", "al@x.org | bob@x.org"},
    {",, ,bob@x.org,,", "bob@x.org"},
    {"=?utf-8?B?w7w=?= <u@x.org>", "\"=?utf-8?B?w7w=?=\" u@x.org"},
    {"\xc3\xbc <\xc3\xbc@\xc3\xa4.org>", "\"\xc3\xbc\" \xc3\xbc@\xc3\xa4.org"},
    {"Bob\r\n Smith\r\n\t<bob@x.org>", "\"Bob Smith\" bob@x.org"},
    {"\"Bob\r\n Smith\" <bob@x.org>", "\"Bob Smith\" bob@x.org"},
    {"bob@x.org <bob@x.org>", "\"bob@x.org\" bob@x.org"},
    {"bob@x.org via list <list@y.org>", " (1 bad)"},
    {"Bob <bob@x.org", "\"Bob\" bob@x.org"},
    /* what is beyond help costs itself only */
    {"Bob Smith, al@x.org", "al@x.org (1 bad)"},
    {"bob smith@x.org, al@x.org", "al@x.org (1 bad)"},
    {"bob@, al@x.org", "al@x.org (1 bad)"},
    {"@x.org, al@x.org", "al@x.org (1 bad)"},
    {"<>, al@x.org", "al@x.org (1 bad)"},
    {"Bob <bob@x.org> <al@x.org>, c@x", "c@x (1 bad)"},
    {"a: b: c@x.org;, d@x.org", "\"a\" : | ; | d@x.org (1 bad)"},
    {">>>, al@x.org", "al@x.org (1 bad)"},
    {"a\\b@x.org, al@x.org", "al@x.org (1 bad)"},
    {"bob@x.org@y.org, al@x.org", "al@x.org (1 bad)"},
    {"al@x.org, \"Bob <bob@x.org>, al@x.org", "al@x.org (1 bad)"},
    {"bob@[1.2, al@x.org", " (1 bad)"},
    {"bob@[1\\].2]", "bob@[1].2]"},
    {"(bob@x.org", ""},
};

static void check(const char *text, struct str body, size_t max, const char *want)
{
	struct arena *a = arena_new();
	struct mime_address_list list;
	enum mime_address_status st = mime_address_parse(a, body, max, &list);
	struct buf b;

	buf_init(&b, 10000);
	dump_addresses(&b, &list);
	expect_text(text, buf_view(&b), want);
	assert_int_equal(st, list.truncated ? MIME_ADDRESS_TRUNCATED
					    : (list.bad ? MIME_ADDRESS_SOME_BAD : MIME_ADDRESS_OK));
	buf_fini(&b);
	arena_free(&a);
}

static void test_table(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		check(cases[i].text, str_of_c(cases[i].text), 256, cases[i].want);
}

static void test_nul(void **state)
{
	check("NUL", STR("B\0b <b\0@x>"), 9, "\"B b\" b@x");
	check("NUL in name", STR("\"B\0b\" <b@x>"), 9, "\"B b\" b@x");
}

/* A list that is full: groups are closed, the flag is set, never more than max. */
static void test_truncation(void **state)
{
	static const char text[] = "a@x, g: b@x, c@x, d@x;, e@x";

	check("0", str_of_c(text), 0, " (truncated)");
	check("1", str_of_c(text), 1, "a@x (truncated)");
	check("2", str_of_c(text), 2, "a@x (truncated)");
	check("3", str_of_c(text), 3, "a@x | \"g\" : | ; (truncated)");
	check("4", str_of_c(text), 4, "a@x | \"g\" : | b@x | ; (truncated)");
	check("6", str_of_c(text), 6, "a@x | \"g\" : | b@x | c@x | d@x | ; (truncated)");
	check("7", str_of_c(text), 7, "a@x | \"g\" : | b@x | c@x | d@x | ; | e@x");
}

/* Whatever is cut off at the end, nothing breaks and nothing grows. */
static void test_prefixes(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str all = str_of_c(cases[i].text);

		for (size_t n = 0; n <= all.n; n++) {
			struct arena *a = arena_new();
			struct mime_address_list list;

			mime_address_parse(a, str_sub(all, 0, n), 16, &list);
			assert_true(list.n <= 16);
			arena_free(&a);
		}
	}
}

static const char *const patterns[] = {
    "bob@x.org,",
    "\"",
    "(",
    "((a)",
    "<",
    "a ",
    "a:",
    "a@b <",
    "<@a,",
    "\\",
    "[",
    ",;:",
    "a@b c ",
    "\xff",
    "Bob (c) <b@x> (d),",
    "a@x b@y <",
    "\"a\" ",
    "g: a@x, b@y; ",
};

/* Twice the input, at most twice the steps (and a few). */
static void test_linear(void **state)
{
	for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
		struct str unit = str_of_c(patterns[i]);
		size_t steps[2];
		struct buf b;

		buf_init(&b, 4 * MIB);
		for (int k = 0; k < 2; k++) {
			while (b.n < (MIB >> 1 << k))
				buf_str(&b, unit);
			steps[k] = mime_address_steps(buf_view(&b), SIZE_MAX / 2);
			assert_true(steps[k] <= 3 * b.n + 100);
		}
		if (steps[1] > 2 * steps[0] + 100)
			fail_msg("%s: %zu, %zu steps", patterns[i], steps[0], steps[1]);
		buf_fini(&b);
	}
}

/* Text -> list -> text -> list gives the same list, also folded. */
static void test_put(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct arena *a = arena_new();
		struct mime_address_list list, again;
		struct buf text, one, two;

		buf_init(&text, 10000);
		buf_init(&one, 10000);
		buf_init(&two, 10000);
		mime_address_parse(a, str_of_c(cases[i].text), 256, &list);
		list.bad = 0;
		mime_address_list_put(&text, &list, 4);
		mime_address_parse(a, buf_view(&text), 256, &again);
		dump_addresses(&one, &list);
		dump_addresses(&two, &again);
		if (!str_has_8bit(buf_view(&one)))
			expect_text(cases[i].text, buf_view(&two), buf_cstr(&one));
		buf_fini(&text);
		buf_fini(&one);
		buf_fini(&two);
		arena_free(&a);
	}
}

static void put(struct buf *b, const char *name, const char *local, const char *domain)
{
	const struct mime_address a = {
	    MIME_ADDRESS_MAILBOX, str_of_c(name), str_of_c(local), str_of_c(domain)};

	buf_clear(b);
	mime_address_put(b, &a);
}

static void test_put_forms(void **state)
{
	struct buf b;

	buf_init(&b, 10000);
	put(&b, "", "bob", "x.org");
	expect_text("plain", buf_view(&b), "bob@x.org");
	put(&b, "Bob Smith", "bob", "x.org");
	expect_text("phrase", buf_view(&b), "Bob Smith <bob@x.org>");
	put(&b, "Smith, Bob", "b ob", "x.org");
	expect_text("quoted", buf_view(&b), "\"Smith, Bob\" <\"b ob\"@x.org>");
	put(&b, "a\"b\\c", ".bob", "x.org");
	expect_text("escapes", buf_view(&b), "\"a\\\"b\\\\c\" <\".bob\"@x.org>");
	put(&b, "two  blanks", "b..b", "x.org");
	expect_text("blanks", buf_view(&b), "\"two  blanks\" <\"b..b\"@x.org>");
	put(&b, "J\xc3\xbcrgen", "j", "x.org");
	expect_text("encoded", buf_view(&b), "=?UTF-8?Q?J=C3=BCrgen?= <j@x.org>");
	put(&b, "evil\r\nBcc: all@x.org", "b\r\nob", "x\r\n.org");
	expect_text("injection", buf_view(&b), "\"evil  Bcc: all@x.org\" <\"b  ob\"@x  .org>");
	buf_fini(&b);
}

/* Lines of a long list stay within 78 columns. */
static void test_fold(void **state)
{
	struct mime_address v[40];
	struct mime_address_list list = {.v = v, .n = 40};
	struct str rest;
	struct buf b;

	for (size_t i = 0; i < 40; i++)
		v[i] = (struct mime_address){
		    .name = i % 3 ? STR("J\xc3\xbcrgen Somebody") : STR(""),
		    .local = STR("somebody"),
		    .domain = STR("mail.example.org")};
	buf_init(&b, 100000);
	mime_address_list_put(&b, &list, 4);
	for (struct str s = buf_view(&b); s.n; s = rest) {
		struct str line = str_split(s, '\n', &rest);

		assert_true(line.n <= 79);
	}
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_nul),
	    cmocka_unit_test(test_truncation),
	    cmocka_unit_test(test_prefixes),
	    cmocka_unit_test(test_linear),
	    cmocka_unit_test(test_put),
	    cmocka_unit_test(test_put_forms),
	    cmocka_unit_test(test_fold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
