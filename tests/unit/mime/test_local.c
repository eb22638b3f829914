/* Local parts: what is one name, and how it is written. */
#include "mime_test.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "mime/mime_local.h"

static const struct {
	const char *local, *key;
} keys[] = {
    {"", ""}, {"Bob+X", "bob+x"}, {"j\u00f6rg", "j\u00f6rg"}, {"jo\u0308rg", "j\u00f6rg"},
    {"J\u00d6RG", "j\u00f6rg"}, {"JO\u0308RG+Tag", "j\u00f6rg+tag"},
    /* two marks in either order, and a letter with one that is decomposed further */
    {"q\u0307\u0323", "q\u0323\u0307"}, {"\u1e69", "\u1e69"}, {"S\u0307\u0323", "\u1e69"},
    {"\u212bngstr\u00f6m", "\u00e5ngstr\u00f6m"}, {"Stra\u00dfe", "strasse"},
    {"STRASSE", "strasse"}, {"\u039d\u03af\u03ba\u03bf\u03c2", "\u03bd\u03af\u03ba\u03bf\u03c2"},
    {"\u039d\u038a\u039a\u039f\u03a3", "\u03bd\u03af\u03ba\u03bf\u03c2"},
    {"\u039d\u0399\u0301\u039a\u039f\u03a3+\u03a3", "\u03bd\u03af\u03ba\u03bf\u03c2+\u03c3"},
    {"\u03a3\u03c6.\u03c3\u03a3", "\u03c3\u03c6.\u03c3\u03c2"},
    {"\u0418\u0412\u0410\u041d", "\u0438\u0432\u0430\u043d"}, {"\u7528\u6237", "\u7528\u6237"},
    {"\uff42", "\uff42"},   /* of another width, and so of another look: another name */
    {"J\xd6rg", "j\xd6rg"}, /* no UTF-8 */
};

static void has_one_form(void **state)
{
	struct arena *a = arena_new();

	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		struct str got = mime_local_key(a, str_of_c(keys[i].local));

		if (!str_eq(got, str_of_c(keys[i].key)))
			fail_msg("%s: %.*s", keys[i].local, STR_FMT(got));
		assert_true(str_eq(mime_local_key(a, got), got));
	}
	arena_free(&a);
}

/* Every character of the first two planes, alone and among letters. */
static void form_of_a_form_is_itself(void **state)
{
	struct buf b;

	buf_init(&b, 64);
	for (uint32_t code = 0x80; code < 0x20000; code++) {
		struct arena *a = arena_new();
		struct str once, twice;

		buf_clear(&b);
		buf_lit(&b, "s");
		utf8_put(&b, code);
		buf_lit(&b, "\u03c3\u0345");
		once = mime_local_key(a, buf_view(&b));
		twice = mime_local_key(a, once);
		if (!str_eq(once, twice))
			fail_msg("U+%04X: %.*s, %.*s", code, STR_FMT(once), STR_FMT(twice));
		assert_true(once.n <= 9 * b.n);
		arena_free(&a);
	}
	buf_fini(&b);
}

static void names_and_addresses(void **state)
{
	static const struct {
		const char *a, *b;
		bool local, address;
	} cases[] = {
	    {"J\u00d6RG", "jo\u0308rg", true, true},
	    {"jorg", "j\u00f6rg", false, false},
	    {"BOB@X.test", "bob@x.test", true, true},
	    {"j\u00f6rg@b\u00fccher.example", "JO\u0308RG@xn--bcher-kva.EXAMPLE", false, true},
	    {"j\u00f6rg@[::1]", "J\u00d6RG@[::1]", true, true},
	    {"j\u00f6rg@a.test", "j\u00f6rg@b.test", false, false},
	    {"bob@b\u00fccher.example", "bob@xn--bcher-kva.example", false, true},
	    {"sam", "\u017fam", true, true},
	    {"j\xf6rg", "j\u00f6rg", false, false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct str a = str_of_c(cases[i].a), b = str_of_c(cases[i].b);
		struct arena *arena = arena_new();

		if (str_eq(mime_local_key(arena, a), mime_local_key(arena, b)) != cases[i].local ||
		    mime_local_address_eq(a, b) != cases[i].address ||
		    mime_local_address_eq(b, a) != cases[i].address)
			fail_msg("%s, %s", cases[i].a, cases[i].b);
		arena_free(&arena);
	}
}

static void may_be_given(void **state)
{
	static const struct {
		const char *local;
		enum mime_local_status want;
	} cases[] = {
	    {"bob", MIME_LOCAL_OK},
	    {"j\u00f6rg", MIME_LOCAL_OK},
	    {"jo\u0308rg", MIME_LOCAL_OK},
	    {"\U0001f600", MIME_LOCAL_OK},
	    {"j\xf6rg", MIME_LOCAL_NOT_UTF8},
	    {"a\xed\xa0\x80", MIME_LOCAL_NOT_UTF8},
	    {"bo\u200bb", MIME_LOCAL_HIDDEN},
	    {"\u202e"
	     "bob",
		MIME_LOCAL_HIDDEN},
	    {"b\u0378", MIME_LOCAL_UNASSIGNED},
	    {"\U0003fffd", MIME_LOCAL_UNASSIGNED},
	    {"\uffff", MIME_LOCAL_UNASSIGNED},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (mime_local_check(str_of_c(cases[i].local)) != cases[i].want)
			fail_msg("%s", cases[i].local);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(has_one_form),
	    cmocka_unit_test(form_of_a_form_is_itself),
	    cmocka_unit_test(names_and_addresses),
	    cmocka_unit_test(may_be_given),
	};

	return cmocka_run_group_tests_name("mime/local", tests, NULL, NULL);
}
