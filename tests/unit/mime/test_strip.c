/* Messages without the fields of a name: each fed whole, octet by octet and in two pieces at every place. */
#include "mime_test.h"

#include <string.h>

#include "base/mem.h"
#include "mime/mime_strip.h"

static const struct {
	const char *name;
	const char *text;
	const char *want;
} cases[] = {
    {"empty", "", ""},
    {"none", "A: b\r\n\r\nMT-Priority: 3\r\n", "A: b\r\n\r\nMT-Priority: 3\r\n"},
    {"the first", "MT-Priority: 3\r\nA: b\r\n\r\nx\r\n", "A: b\r\n\r\nx\r\n"},
    {"all of them, whatever their case", "mt-priority: 3\r\nA: b\r\nMT-PRIORITY : x\r\n\r\nx",
	"A: b\r\n\r\nx"},
    {"folded", "A: b\r\n c\r\nMT-Priority:\r\n 3\r\n\t(ultra)\r\nB: d\r\n\r\nx",
	"A: b\r\n c\r\nB: d\r\n\r\nx"},
    {"a longer name, a shorter one", "MT-Priority-X: 1\r\nMT: 2\r\nX-MT-Priority: 3\r\n\r\n",
	"MT-Priority-X: 1\r\nMT: 2\r\nX-MT-Priority: 3\r\n\r\n"},
    {"bare LF", "A: b\nMT-Priority: 3\nB: c\n\nMT-Priority: 3\n", "A: b\nB: c\n\nMT-Priority: 3\n"},
    {"header only", "A: b\r\nMT-Priority: 3", "A: b\r\n"},
    {"header only, another field last", "MT-Priority: 3\r\nA: b", "A: b"},
    {"behind a line that is none", "A: b\r\nno field\r\nMT-Priority: 3\r\n",
	"A: b\r\nno field\r\nMT-Priority: 3\r\n"},
    {"no header", "\r\nMT-Priority: 3\r\n", "\r\nMT-Priority: 3\r\n"},
};

/* Fed in two pieces, or octet by octet; nothing waits that need not. */
static void check(const char *what, struct str text, size_t split, bool octets, struct str want)
{
	struct mime_strip s;
	struct buf b;

	buf_init(&b, text.n + 1);
	mime_strip_init(&s, STR("MT-Priority"));
	if (!octets)
		mime_strip_feed(&s, str_sub(text, 0, split), &b);
	if (!octets)
		mime_strip_feed(&s, str_from(text, split), &b);
	for (size_t i = 0; octets && i < text.n; i++)
		mime_strip_feed(&s, str_sub(text, i, 1), &b);
	mime_strip_end(&s, &b);
	assert_int_equal(mime_strip_held(&s), 0);
	if (!str_eq(buf_view(&b), want))
		fail_msg("%s: at %zu: %.*s", what, split, STR_FMT(buf_view(&b)));
	mime_strip_fini(&s);
	buf_fini(&b);
}

static void test_cases(void **state)
{
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct str text = str_of_c(cases[i].text), want = str_of_c(cases[i].want);

		for (size_t split = 0; split <= text.n; split++)
			check(cases[i].name, text, split, false, want);
		check(cases[i].name, text, 0, true, want);
	}
}

/* Fields longer than what may wait pass, and what waits is bounded. */
static void test_long(void **state)
{
	struct mime_strip s;
	struct buf in, out;

	buf_init(&in, 64 * KIB);
	buf_init(&out, 64 * KIB);
	buf_lit(&in, "A: ");
	for (size_t i = 0; i < 20 * KIB; i++)
		buf_byte(&in, 'a');
	buf_lit(&in, "\r\nMT-Priority: 3\r\nB: c\r\n\r\nbody");
	mime_strip_init(&s, STR("MT-Priority"));
	for (size_t i = 0; i < in.n; i++) {
		mime_strip_feed(&s, str_sub(buf_view(&in), i, 1), &out);
		assert_true(mime_strip_held(&s) <= MIME_STRIP_HELD);
	}
	mime_strip_end(&s, &out);
	assert_int_equal(out.n, in.n - strlen("MT-Priority: 3\r\n"));
	assert_memory_equal(out.p, in.p, 20 * KIB + 5);
	expect_text("the end", str_from(buf_view(&out), 20 * KIB + 5), "B: c\r\n\r\nbody");
	mime_strip_fini(&s);
	buf_fini(&in);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cases),
	    cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests_name("mime/strip", tests, NULL, NULL);
}
