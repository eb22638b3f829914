/* How much of a message TOP wants, against a plain count of lines, at every split. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "pop3/pop3_top.h"

static const char *const messages[] = {
    "",
    "A: b\r\n",
    "A: b\r\n\r\n",
    "A: b\r\nC: d\r\n\r\none\r\ntwo\r\nthree\r\n",
    "\r\nbody at once\r\nmore\r\n",
    "A: b\r\n \r\nC: d\r\n\r\nx\r\n\r\n\r\ny\r\n",
    "A: b\n\none\ntwo\n",
    "A: b\r\n\r\r\n\r\none\r\n",
    "\r\n\r\n\r\n",
    "no end of line",
    "A: b\r\n\r\nno end of line",
};

/* Octets wanted, counted line by line. */
static size_t reference(struct str s, int64_t lines)
{
	size_t at = 0;
	bool in_body = false;

	while (at < s.n) {
		struct str rest = str_from(s, at);
		size_t n = str_find(rest, '\n');
		struct str line = str_sub(rest, 0, n);

		if (in_body && lines-- == 0)
			return at;
		if (n == rest.n)
			return s.n;
		if (!in_body)
			in_body = line.n == 0 || str_eq(line, STR("\r"));
		at += n + 1;
	}
	return at;
}

static size_t take_split(struct str s, int64_t lines, size_t split, size_t piece, bool *full_r)
{
	struct pop3_top t;
	size_t n;

	pop3_top_init(&t, lines);
	n = pop3_top_take(&t, str_sub(s, 0, split));
	if (n == split)
		for (size_t at = split; at < s.n; at += piece)
			n += pop3_top_take(&t, str_sub(s, at, piece));
	*full_r = t.full;
	return n;
}

static void test_splits(void **state)
{
	for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
		struct str s = str_of_c(messages[i]);

		for (int64_t lines = 0; lines < 6; lines++) {
			size_t want = reference(s, lines);
			bool full, full_at_once;

			assert_int_equal(take_split(s, lines, 0, s.n + 1, &full_at_once), want);
			assert_true(full_at_once || want == s.n);
			for (size_t split = 0; split <= s.n; split++) {
				assert_int_equal(take_split(s, lines, split, s.n + 1, &full), want);
				assert_int_equal(full, full_at_once);
			}
			assert_int_equal(take_split(s, lines, 0, 1, &full), want);
		}
	}
}

static void test_all(void **state)
{
	struct pop3_top t;

	pop3_top_init(&t, -1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pop3_top_take(&t, STR("\r\n\r\n\r\n")), 6);
	assert_false(t.full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_splits),
	    cmocka_unit_test(test_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
