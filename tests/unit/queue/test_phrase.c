/* Phrases, times, and text from outside. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "queue/queue_phrase.h"
#include "queue/queue_reason.h"
#include "queue/queue_text.h"

#define NOW INT64_C(1795464000000) /* Monday 23 November 2026, 20:00 UTC */

static const struct queue_zone utc;

/* Every phrase is said in every language, as UTF-8, with templates that end well. */
static void test_all_phrases(void **state)
{
	const struct str args[] = {STR("A"), STR("B"), STR("C"), STR("D"), STR("E")};

	for (int lang = 0; lang < QUEUE_LANGS; lang++)
		for (int i = 0; i < QUEUE_PHRASES; i++) {
			struct buf b;

			buf_init(&b, 1000);
			queue_phrase_put(&b, (enum queue_lang)lang, (enum queue_phrase)i, args, 5);
			assert_true(b.n > 0 && !b.overflow);
			assert_true(utf8_is_valid(buf_view(&b)));
			assert_int_equal(str_find(buf_view(&b), '%'), b.n);
			buf_fini(&b);
		}
}

static void expect_time(int64_t ms, int64_t now, const struct queue_zone *zone, const char *want)
{
	struct buf b;

	buf_init(&b, 1000);
	queue_phrase_put_time(&b, QUEUE_LANG_EN, ms, now, zone);
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
}

static void test_times(void **state)
{
	static const struct queue_zone west = {-300, STR_INIT("EST")}, east = {345, STR_INIT("")};

	expect_time(NOW + HOUR_MS, NOW, &utc, "at 21:00");
	expect_time(NOW + 2 * MINUTE_MS, NOW, &utc, "at 20:02");
	expect_time(NOW + 119 * SECOND_MS, NOW, &utc, "at 20:01:59");
	expect_time(NOW - 119 * SECOND_MS, NOW, &utc, "at 19:58:01");
	expect_time(NOW + 4 * HOUR_MS, NOW, &utc, "on Tuesday 24 November at 00:00");
	expect_time(NOW + 4 * HOUR_MS, NOW, &west, "at 19:00 EST");
	expect_time(NOW, NOW - 2 * HOUR_MS, &east, "on Tuesday 24 November at 01:45");
	expect_time(NOW + 40 * DAY_MS, NOW, &utc, "on Saturday 2 January 2027 at 20:00");
	expect_time(NOW, 0, &utc, "on Monday 23 November 2026 at 20:00");
	expect_time(NOW, 0, &west, "on Monday 23 November 2026 at 15:00 EST");
}

static void expect_span(int64_t ms, const char *want)
{
	struct buf b;

	buf_init(&b, 1000);
	queue_phrase_put_span(&b, QUEUE_LANG_EN, ms);
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
}

static void test_spans(void **state)
{
	expect_span(5 * DAY_MS, "5 days");
	expect_span(5 * DAY_MS + 59 * MINUTE_MS, "5 days");
	expect_span(DAY_MS + HOUR_MS, "1 day and 1 hour");
	expect_span(4 * HOUR_MS + 30 * MINUTE_MS + 59 * SECOND_MS, "4 hours and 30 minutes");
	expect_span(MINUTE_MS + 2 * SECOND_MS, "1 minute and 2 seconds");
	expect_span(20 * SECOND_MS + 999, "20 seconds");
	expect_span(0, "1 second");
	expect_span(-5, "1 second");
}

static void expect_clean(struct str s, size_t max, bool utf8, const char *want)
{
	struct buf b;

	buf_init(&b, 1000);
	buf_lit(&b, "=");
	queue_text_clean(&b, s, max, utf8);
	assert_string_equal(buf_cstr(&b) + 1, want);
	buf_fini(&b);
}

static void test_clean(void **state)
{
	expect_clean(STR(""), 9, true, "");
	expect_clean(STR(" \r\n\t"), 9, true, "");
	expect_clean(STR(" a \r\n b\t"), 9, true, "a b");
	expect_clean(STR("123456789"), 9, true, "123456789");
	expect_clean(STR("123456789  "), 9, true, "123456789");
	expect_clean(STR("1234567890"), 9, true, "123456...");
	expect_clean(STR("1234567 9"), 9, true, "1234567 9");
	expect_clean(STR("12345678 9"), 9, true, "123456...");
	expect_clean(STR("12345\xc3\xbc"
			 "7890"),
	    9, true, "12345...");
	expect_clean(STR("\xc3\xbc\xc3\xbc\xc3\xbc"), 4, true, "...");
	expect_clean(STR("\xc3\xbc"), 9, true, "\xc3\xbc");
	expect_clean(STR("\xc3\xbc\xc3"), 9, false, "??");
	expect_clean(STR("a\0b\x7f\x1b"), 9, true, "a?b??");
	expect_clean(STR("\xc2\x9b\xe2\x80\xae\xe2\x81\xa6\xef\xbb\xbf\xf3\xa0\x80\x81\xc2\xad"), 9,
	    true, "??????");
	expect_clean(STR("\xf0\x9f\x98\x80\xed\xa0\x80"), 9, true, "\xf0\x9f\x98\x80???");
}

static void expect_wrap(struct str s, size_t width, size_t column, const char *want)
{
	struct buf b;

	buf_init(&b, 1000);
	queue_text_wrap(&b, s, STR("\r\n  "), width, column);
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
}

static void test_wrap(void **state)
{
	expect_wrap(STR(""), 9, 0, "");
	expect_wrap(STR("abc def"), 7, 0, "abc def");
	expect_wrap(STR("abc def"), 6, 0, "abc\r\n  def");
	expect_wrap(STR("abc def"), 7, 1, "abc\r\n  def");
	expect_wrap(STR("a b c d e"), 5, 0, "a b c\r\n  d e");
	expect_wrap(STR("a longer-than-that b"), 6, 0, "a\r\n  longer-than-that\r\n  b");
	expect_wrap(STR("\xc3\xbc\xc3\xbc x"), 4, 0, "\xc3\xbc\xc3\xbc x");
}

static const struct {
	enum queue_problem problem;
	struct queue_status status;
	enum queue_phrase why, advice;
} reasons[] = {
    {QUEUE_PROBLEM_NONE, {5, 1, 1}, QUEUE_PHRASE_WHY_NO_MAILBOX, QUEUE_PHRASE_DO_CHECK_ADDRESS},
    {QUEUE_PROBLEM_NONE, {4, 1, 1}, QUEUE_PHRASE_WHY_LATER, QUEUE_PHRASE_DO_SEND_LATER},
    {QUEUE_PROBLEM_NONE, {5, 1, 0}, QUEUE_PHRASE_WHY_BAD_ADDRESS, QUEUE_PHRASE_DO_CHECK_ADDRESS},
    {QUEUE_PROBLEM_NONE, {5, 2, 2}, QUEUE_PHRASE_WHY_MAILBOX_FULL, QUEUE_PHRASE_DO_TELL_RECIPIENT},
    {QUEUE_PROBLEM_NONE, {5, 7, 26}, QUEUE_PHRASE_WHY_UNPROVEN, QUEUE_PHRASE_DO_ASK_OWN_ADMIN},
    {QUEUE_PROBLEM_NONE, {5, 7, 1}, QUEUE_PHRASE_WHY_POLICY, QUEUE_PHRASE_DO_TELL_RECIPIENT},
    {QUEUE_PROBLEM_NONE, {4, 7, 1}, QUEUE_PHRASE_WHY_LATER, QUEUE_PHRASE_DO_SEND_LATER},
    {QUEUE_PROBLEM_NONE, {4, 2, 0}, QUEUE_PHRASE_WHY_LATER, QUEUE_PHRASE_DO_SEND_LATER},
    {QUEUE_PROBLEM_NONE, {5, 0, 0}, QUEUE_PHRASE_WHY_OTHER, QUEUE_PHRASE_DO_ASK_OWN_ADMIN},
    {QUEUE_PROBLEM_NONE, {5, 999, 999}, QUEUE_PHRASE_WHY_OTHER, QUEUE_PHRASE_DO_ASK_OWN_ADMIN},
    {QUEUE_PROBLEM_NONE, {0, 0, 0}, QUEUE_PHRASE_WHY_UNTRIED, QUEUE_PHRASE_DO_SEND_LATER},
    {QUEUE_PROBLEM_NONE, {4, 7, 8}, QUEUE_PHRASE_WHY_AUTH, QUEUE_PHRASE_DO_ASK_OWN_ADMIN},
    {QUEUE_PROBLEM_NO_AUTH, {4, 7, 8}, QUEUE_PHRASE_WHY_AUTH, QUEUE_PHRASE_DO_ASK_OWN_ADMIN},
    {QUEUE_PROBLEM_NULL_MX, {5, 1, 10}, QUEUE_PHRASE_WHY_NULL_MX, QUEUE_PHRASE_DO_CHECK_DOMAIN},
    {QUEUE_PROBLEM_TIMEOUT, {4, 4, 1}, QUEUE_PHRASE_WHY_UNREACHABLE, QUEUE_PHRASE_DO_SEND_LATER},
    {QUEUE_PROBLEM_TIMEOUT, {4, 4, 2}, QUEUE_PHRASE_WHY_BROKEN, QUEUE_PHRASE_DO_SEND_LATER},
    {QUEUE_PROBLEM_BRIEF, {4, 4, 1}, QUEUE_PHRASE_WHY_UNREACHABLE, QUEUE_PHRASE_DO_SEND_LATER},
    {QUEUE_PROBLEM_BRIEF, {4, 4, 2}, QUEUE_PHRASE_WHY_BROKEN, QUEUE_PHRASE_DO_SEND_LATER},
};

static void test_reasons(void **state)
{
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
		struct queue_reason r = queue_reason_of(
		    reasons[i].problem, reasons[i].status, STR(""));

		assert_int_equal(r.why, reasons[i].why);
		assert_int_equal(r.advice, reasons[i].advice);
	}
	for (int i = 0; i < QUEUE_PROBLEMS; i++) {
		struct queue_reason r = queue_reason_of(
		    (enum queue_problem)i, (struct queue_status){5, 0, 0}, STR(""));

		assert_in_range(r.why, QUEUE_PHRASE_WHY_UNREACHABLE, QUEUE_PHRASE_WHY_OFF);
		assert_in_range(
		    r.advice, QUEUE_PHRASE_DO_CHECK_ADDRESS, QUEUE_PHRASE_DO_OTHER_ADDRESS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_all_phrases),
	    cmocka_unit_test(test_times),
	    cmocka_unit_test(test_spans),
	    cmocka_unit_test(test_clean),
	    cmocka_unit_test(test_wrap),
	    cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
