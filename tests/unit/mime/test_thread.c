/* Base subjects and references: what makes two messages one thread. */
#include "mime_test.h"

#include "mime/mime_thread.h"

static const struct {
	const char *raw;
	const char *want;
} subjects[] = {
    {"Hello World", "helloworld"},
    {"Re: Hello World", "helloworld"},
    {"RE: re: Fwd: FW: Hello  World", "helloworld"},
    {"Re[2]: Hello", "hello"},
    {"Re: [list] Re: Hello", "hello"},
    {"[list] Hello", "hello"},
    {"[only]", "[only]"},
    {"Hello (fwd)", "hello"},
    {"Re: Hello (fwd) (fwd)", "hello"},
    {"[Fwd: Hello]", "hello"},
    {"[Fwd: Re: Hello]", "hello"},
    {"AW: WG: Sv: Hallo", "hallo"},
    {"Regarding this", "regardingthis"},
    {"=?utf-8?B?5Zue5aSNOiBIaQ==?=", "hi"},
    {"\xe5\x9b\x9e\xe5\xa4\x8d\xef\xbc\x9aHi", "hi"},
    {"Re:", ""},
    {"", ""},
    {"[", "["},
    {"[fwd:]", ""},
    {"re[re[re[", "re[re[re["},
};

static void test_base_subject(void **state)
{
	for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
		struct buf b;

		buf_init(&b, LIMIT_MIME_TEXT * 3);
		mime_thread_base_subject(&b, str_of_c(subjects[i].raw));
		expect_text(subjects[i].raw, buf_view(&b), subjects[i].want);
		buf_fini(&b);
	}
	assert_true(mime_thread_subject(STR("Re: a b")) == mime_thread_subject(STR("A\r\n B")));
	assert_true(mime_thread_subject(STR("a")) != mime_thread_subject(STR("b")));
}

static void test_ids(void **state)
{
	uint64_t a = mime_thread_id(STR("<a@x>"));

	assert_true(a != 0);
	assert_true(mime_thread_id(STR("Your message <a@x> of today")) == a);
	assert_true(mime_thread_id(STR("<A@x>")) != a);
	assert_true(mime_thread_id(STR("")) == 0);
	assert_true(mime_thread_id(STR("a@x")) == 0);
	assert_true(mime_thread_id(STR("<a@x")) == 0);
	assert_true(mime_thread_id(STR("<>")) == 0);
}

/* The root stays, then the newest; none twice. */
static void test_refs(void **state)
{
	struct mime_thread_key key = {.n_refs = 0};
	struct buf b;

	buf_init(&b, 1000);
	mime_thread_add_refs(&key, STR("<0> <1> <0>\r\n <1>junk<2"));
	assert_int_equal(key.n_refs, 2);
	for (int i = 2; i < 100; i++) {
		buf_clear(&b);
		buf_printf(&b, "<%d>", i);
		mime_thread_add_refs(&key, buf_view(&b));
	}
	assert_int_equal(key.n_refs, LIMIT_MIME_THREAD_REFS);
	assert_true(key.refs[0] == mime_thread_id(STR("<0>")));
	assert_true(key.refs[1] == mime_thread_id(STR("<85>")));
	assert_true(key.refs[LIMIT_MIME_THREAD_REFS - 1] == mime_thread_id(STR("<99>")));
	buf_fini(&b);
}

/* The hashes are stored for years: they must never change. */
static void test_fixed(void **state)
{
	assert_int_equal(mime_thread_id(STR("<a@x>")), UINT64_C(0x2617f45db6c2a7fe));
	assert_int_equal(mime_thread_subject(STR("Re: Hello")), UINT64_C(0xba410516ec7a09ff));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_base_subject),
	    cmocka_unit_test(test_ids),
	    cmocka_unit_test(test_refs),
	    cmocka_unit_test(test_fixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
