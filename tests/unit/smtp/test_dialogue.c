/* Dialogues: all of one that fits, to the octet; beginning, number and end of one that does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/limits.h"
#include "smtp/smtp_dialogue.h"

#define MAX    1024
#define NUMBER 16 /* octets of the line of put() */
#define MARK   "* lines left out: "

static void put(struct smtp_dialogue *d, size_t number)
{
	struct buf *b = smtp_dialogue_begin(d, "S: 250 ");

	buf_u64_pad(b, number, NUMBER - 8);
	smtp_dialogue_end(d);
}

static void put_long(struct smtp_dialogue *d, size_t n)
{
	static const uint8_t octets[4 * MAX];

	buf_add(smtp_dialogue_begin(d, "C: "), octets, n - 4);
	smtp_dialogue_end(d);
}

/* The text is the lines of put() from 0 to total; if not all are there, their beginning, how many not, their end. */
static void must_hold(struct smtp_dialogue *d, size_t total)
{
	struct str text = smtp_dialogue_text(d), line;
	uint64_t number, next = 0, missed = 0;

	assert_true(text.n <= d->max);
	while (text.n) {
		line = str_split(text, '\n', &text);
		if (str_has_prefix(line, STR(MARK))) {
			assert_true(next > 0 && missed == 0);
			assert_true(str_to_u64(str_from(line, sizeof MARK - 1), total, &missed));
			assert_true(missed > 0);
			next += missed;
			continue;
		}
		assert_int_equal(line.n, NUMBER - 1);
		assert_true(str_has_prefix(line, STR("S: 250 ")));
		assert_true(str_to_u64(str_from(line, 7), total, &number));
		assert_int_equal(number, next++);
	}
	assert_int_equal(next, total);
	assert_true(!missed == (total * NUMBER <= d->max));
}

static void must_be(struct smtp_dialogue *d, const char *want)
{
	struct buf got;

	buf_init(&got, MIB);
	buf_str(&got, smtp_dialogue_text(d));
	assert_string_equal(buf_cstr(&got), want);
	buf_fini(&got);
}

static void test_what_fits_is_whole(void **state)
{
	struct smtp_dialogue d;

	smtp_dialogue_init(&d, MAX);
	must_be(&d, "");
	for (size_t n = 0; n < MAX / NUMBER; n++)
		put(&d, n);
	assert_int_equal(smtp_dialogue_text(&d).n, MAX);
	must_hold(&d, MAX / NUMBER);
	put(&d, MAX / NUMBER);
	must_hold(&d, MAX / NUMBER + 1);
	smtp_dialogue_clear(&d);
	must_be(&d, "");
	for (size_t n = 0; n < 2 * MAX / NUMBER; n++) {
		put(&d, n);
		must_hold(&d, n + 1);
	}
	smtp_dialogue_fini(&d);
	must_be(&d, "");
}

/* Of every length, read once at its end and after each line. The room is used, but for less than two lines and the mark. */
static void test_beginning_and_end(void **state)
{
	for (size_t max = 256; max < 300; max++)
		for (size_t total = 1; total < 100; total++) {
			struct smtp_dialogue once, often;

			smtp_dialogue_init(&once, max);
			smtp_dialogue_init(&often, max);
			for (size_t n = 0; n < total; n++) {
				put(&once, n);
				put(&often, n);
				must_hold(&often, n + 1);
			}
			must_hold(&once, total);
			if (total * NUMBER > max)
				assert_true(once.text.n > max - 48 - 2 * NUMBER);
			smtp_dialogue_fini(&once);
			smtp_dialogue_fini(&often);
		}
}

static void test_very_many(void **state)
{
	struct smtp_dialogue d;

	smtp_dialogue_init(&d, 64 * KIB);
	for (size_t n = 0; n < 2000000; n++) {
		put(&d, n);
		assert_true(d.text.cap <= 80 * KIB + 1);
	}
	must_hold(&d, 2000000);
	smtp_dialogue_fini(&d);
}

/* It is missed like others, and no part of it is there, whatever its length. */
static void test_line_that_is_too_long(void **state)
{
	for (size_t n = MAX / 8 + 1; n < 3 * MAX; n++) {
		struct smtp_dialogue d;

		smtp_dialogue_init(&d, MAX);
		put_long(&d, n);
		must_be(&d, MARK "1\n");
		put(&d, 1);
		put_long(&d, n);
		put_long(&d, n);
		must_be(&d, MARK "4\n");
		put(&d, 2);
		must_be(&d, MARK "4\nS: 250 00000002\n");
		smtp_dialogue_clear(&d);
		put(&d, 0);
		put_long(&d, n);
		put(&d, 2);
		must_be(&d, "S: 250 00000000\n" MARK "1\nS: 250 00000002\n");
		smtp_dialogue_fini(&d);
	}
}

static void test_longest_line(void **state)
{
	struct smtp_dialogue d;

	smtp_dialogue_init(&d, MAX);
	for (size_t n = 0; n < 8; n++)
		put_long(&d, MAX / 8);
	assert_int_equal(smtp_dialogue_text(&d).n, MAX);
	assert_true(str_find_str(smtp_dialogue_text(&d), STR(MARK)) == MAX);
	smtp_dialogue_fini(&d);
}

/* Whichever of both is too long, it is as if there had been one. */
static void test_append(void **state)
{
	static const size_t totals[] = {0, 1, 10, 64, 65, 100, 1000};
	size_t count = sizeof totals / sizeof *totals;

	for (size_t i = 0; i < count * count; i++) {
		size_t first = totals[i / count], total = first + totals[i % count];
		struct smtp_dialogue d, more;

		smtp_dialogue_init(&d, MAX);
		smtp_dialogue_init(&more, MAX);
		for (size_t n = 0; n < first; n++)
			put(&d, n);
		for (size_t n = first; n < total; n++)
			put(&more, n);
		smtp_dialogue_append(&d, &more);
		must_hold(&d, total);
		smtp_dialogue_fini(&d);
		smtp_dialogue_fini(&more);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_what_fits_is_whole),
	    cmocka_unit_test(test_beginning_and_end),
	    cmocka_unit_test(test_very_many),
	    cmocka_unit_test(test_line_that_is_too_long),
	    cmocka_unit_test(test_longest_line),
	    cmocka_unit_test(test_append),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
