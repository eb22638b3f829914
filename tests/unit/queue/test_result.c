/* What outcomes of attempts mean. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/limits.h"
#include "base/utf8.h"
#include "queue/queue_result.h"

#define S(name) QUEUE_STAGE_##name
#define E(name) QUEUE_EVENT_##name

/* Replies. */
static const struct {
	struct queue_attempt a;
	enum queue_outcome outcome;
	enum queue_event event;
	const char *status;
} replies[] = {
    {{S(BODY), 0, 250, {2, 6, 0}}, QUEUE_DELIVERED, E(SUCCESS), "2.6.0"},
    {{S(BODY), 0, 250}, QUEUE_DELIVERED, E(SUCCESS), "2.0.0"},
    {{S(RCPT), 0, 250}, QUEUE_RETRY, E(BUSY), "4.5.0"},
    {{S(HELO), 0, 354}, QUEUE_RETRY_HOST, E(FAILED), "4.5.0"},
    {{S(BODY), 0, 0}, QUEUE_RETRY, E(BUSY), "4.5.0"},
    {{S(BODY), 0, 354}, QUEUE_RETRY, E(BUSY), "4.5.0"},
    {{S(RCPT), 0, 550, {5, 1, 1}}, QUEUE_FAILED, E(ANSWERED), "5.1.1"},
    {{S(RCPT), 0, 550}, QUEUE_FAILED, E(ANSWERED), "5.1.0"},
    {{S(MAIL), 0, 550}, QUEUE_FAILED, E(ANSWERED), "5.0.0"},
    {{S(RCPT), 0, 550, {4, 1, 1}}, QUEUE_FAILED, E(ANSWERED), "5.1.0"},
    {{S(BODY), 0, 552}, QUEUE_FAILED, E(ANSWERED), "5.3.4"},
    {{S(RCPT), 0, 552}, QUEUE_FAILED, E(ANSWERED), "5.2.2"},
    {{S(RCPT), 0, 599}, QUEUE_FAILED, E(ANSWERED), "5.0.0"},
    {{S(GREETING), 0, 554}, QUEUE_RETRY_HOST, E(TURNED_AWAY), "4.0.0"},
    {{S(GREETING), 0, 554, {5, 7, 1}}, QUEUE_RETRY_HOST, E(TURNED_AWAY), "4.7.1"},
    {{S(GREETING), 0, 550}, QUEUE_RETRY_HOST, E(TURNED_AWAY), "4.0.0"},
    {{S(GREETING), 0, 556, {5, 1, 10}}, QUEUE_FAILED, E(ANSWERED), "5.1.10"},
    {{S(GREETING), 0, 521}, QUEUE_FAILED, E(ANSWERED), "5.3.2"},
    {{S(GREETING), 0, 421}, QUEUE_RETRY_HOST, E(TURNED_AWAY), "4.3.2"},
    {{S(GREETING), 0, 450}, QUEUE_RETRY_HOST, E(TURNED_AWAY), "4.2.0"},
    {{S(HELO), 0, 451}, QUEUE_RETRY_HOST, E(FAILED), "4.3.0"},
    {{S(HELO), 0, 421}, QUEUE_RETRY_HOST, E(TURNED_AWAY), "4.3.2"},
    {{S(TLS), 0, 454}, QUEUE_RETRY_HOST, E(FAILED), "4.7.0"},
    {{S(TLS), 0, 502, {5, 5, 1}}, QUEUE_RETRY_HOST, E(FAILED), "4.5.1"},
    {{S(AUTH), 0, 535, {5, 7, 8}}, QUEUE_RETRY_HOST, E(FAILED), "4.7.8"},
    {{S(MAIL), 0, 451, {4, 7, 1}}, QUEUE_RETRY, E(ANSWERED), "4.7.1"},
    {{S(RCPT), 0, 450, {4, 2, 0}}, QUEUE_RETRY, E(ANSWERED), "4.2.0"},
    {{S(RCPT), 0, 421}, QUEUE_RETRY, E(BUSY), "4.3.2"},
    {{S(BODY), 0, 421}, QUEUE_RETRY, E(BUSY), "4.3.2"},
    {{S(RCPT), 0, 452, {4, 4, 6}}, QUEUE_RETRY, E(ANSWERED), "4.4.6"},
    {{S(RCPT), 0, 452, {0}, 7}, QUEUE_RETRY_NOW, E(ANSWERED), "4.3.1"},
    {{S(RCPT), 0, 552, {0}, 7}, QUEUE_RETRY_NOW, E(ANSWERED), "4.2.2"},
    {{S(RCPT), 0, 452, {4, 5, 3}, 7}, QUEUE_RETRY_NOW, E(ANSWERED), "4.5.3"},
    {{S(RCPT), 0, 550, {5, 5, 3}, 7}, QUEUE_RETRY_NOW, E(ANSWERED), "4.5.3"},
    {{S(RCPT), 0, 452, {4, 2, 2}, 7}, QUEUE_RETRY, E(ANSWERED), "4.2.2"},
    {{S(RCPT), 0, 452, {4, 5, 1}, 7}, QUEUE_RETRY, E(ANSWERED), "4.5.1"},
    {{S(RCPT), 0, 452, {4, 2, 3}, 7}, QUEUE_RETRY, E(ANSWERED), "4.2.3"},
    {{S(RCPT), 0, 450, {0}, 7}, QUEUE_RETRY, E(ANSWERED), "4.2.0"},
    {{S(RCPT), 0, 452, {4, 5, 3}, 0}, QUEUE_RETRY, E(ANSWERED), "4.5.3"},
    {{S(BODY), 0, 452, {4, 5, 3}, 7}, QUEUE_RETRY, E(ANSWERED), "4.5.3"},
};

/* Problems: before and within the transaction. */
static const struct {
	enum queue_problem problem;
	enum queue_outcome early, late;
	enum queue_event early_event, late_event;
	const char *early_status, *late_status;
} problems[] = {
#define BOTH(outcome, event, status)                                                               \
	outcome, outcome, QUEUE_EVENT_##event, QUEUE_EVENT_##event, status, status
    {QUEUE_PROBLEM_REFUSED, BOTH(QUEUE_RETRY_HOST, TURNED_AWAY, "4.4.1")},
    {QUEUE_PROBLEM_UNREACHABLE, BOTH(QUEUE_RETRY_HOST, FAILED, "4.4.1")},
    {QUEUE_PROBLEM_TIMEOUT, QUEUE_RETRY_HOST, QUEUE_RETRY, E(FAILED), E(BUSY), "4.4.1", "4.4.2"},
    {QUEUE_PROBLEM_LOST, QUEUE_RETRY_HOST, QUEUE_RETRY, E(TURNED_AWAY), E(BUSY), "4.4.2", "4.4.2"},
    {QUEUE_PROBLEM_GARBAGE, QUEUE_RETRY_HOST, QUEUE_RETRY, E(FAILED), E(BUSY), "4.5.0", "4.5.0"},
    {QUEUE_PROBLEM_TLS, BOTH(QUEUE_RETRY_HOST, FAILED, "4.7.5")},
    {QUEUE_PROBLEM_NO_TLS, BOTH(QUEUE_RETRY_HOST, FAILED, "4.7.4")},
    {QUEUE_PROBLEM_NO_AUTH, BOTH(QUEUE_RETRY_HOST, FAILED, "4.7.8")},
    {QUEUE_PROBLEM_DNS, BOTH(QUEUE_RETRY_HOST, FAILED, "4.4.3")},
    {QUEUE_PROBLEM_NXDOMAIN, BOTH(QUEUE_FAILED, ANSWERED, "5.1.2")},
    {QUEUE_PROBLEM_NO_ADDRESS, BOTH(QUEUE_FAILED, ANSWERED, "5.4.4")},
    {QUEUE_PROBLEM_NULL_MX, BOTH(QUEUE_FAILED, ANSWERED, "5.1.10")},
    {QUEUE_PROBLEM_FORBIDDEN, BOTH(QUEUE_FAILED, ANSWERED, "5.4.4")},
    {QUEUE_PROBLEM_LOOP, BOTH(QUEUE_FAILED, ANSWERED, "5.4.6")},
    {QUEUE_PROBLEM_NO_SMTPUTF8, BOTH(QUEUE_FAILED, ANSWERED, "5.6.7")},
    {QUEUE_PROBLEM_TOO_LARGE, BOTH(QUEUE_FAILED, ANSWERED, "5.3.4")},
    {QUEUE_PROBLEM_LOCAL, BOTH(QUEUE_RETRY, NONE, "4.3.0")},
    {QUEUE_PROBLEM_NO_RESOLVER, BOTH(QUEUE_RETRY, NONE, "4.4.3")},
    {QUEUE_PROBLEM_ENDED, BOTH(QUEUE_FAILED, NONE, "5.0.0")},
    {QUEUE_PROBLEM_NO_TIMES, BOTH(QUEUE_FAILED, ANSWERED, "5.3.3")},
    {QUEUE_PROBLEM_TIME_SHORT, BOTH(QUEUE_FAILED, ANSWERED, "5.4.7")},
    {QUEUE_PROBLEM_TOO_MANY, BOTH(QUEUE_RETRY_NOW, ANSWERED, "4.5.3")},
    {QUEUE_PROBLEM_OFF, BOTH(QUEUE_FAILED, NONE, "5.4.7")},
    {QUEUE_PROBLEM_BRIEF, QUEUE_RETRY_HOST, QUEUE_RETRY, E(FAILED), E(BUSY), "4.4.1", "4.4.2"},
};

static void expect(const struct queue_attempt *a, enum queue_outcome outcome,
    enum queue_event event, const char *status)
{
	struct queue_result r = queue_result_of(a);
	struct buf b;

	buf_init(&b, 100);
	queue_result_put_status(&b, r.status);
	assert_string_equal(buf_cstr(&b), status);
	assert_int_equal(r.outcome, outcome);
	assert_int_equal(r.event, event);
	buf_fini(&b);
}

static void test_replies(void **state)
{
	for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++)
		expect(&replies[i].a, replies[i].outcome, replies[i].event, replies[i].status);
}

static void test_problems(void **state)
{
	assert_int_equal(sizeof problems / sizeof problems[0], QUEUE_PROBLEMS - 1);
	for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
		struct queue_attempt a = {.problem = problems[i].problem};

		for (int stage = 0; stage < QUEUE_STAGES; stage++) {
			a.stage = (enum queue_stage)stage;
			if (stage < QUEUE_STAGE_MAIL)
				expect(&a, problems[i].early, problems[i].early_event,
				    problems[i].early_status);
			else
				expect(&a, problems[i].late, problems[i].late_event,
				    problems[i].late_status);
		}
		assert_true(queue_result_problem(a.problem)[0] != 0);
	}
}

/* Whatever a server replies at whatever stage has an outcome with a status of its class. */
static void test_all_codes(void **state)
{
	for (int stage = 0; stage < QUEUE_STAGES; stage++)
		for (uint16_t code = 0; code < 1000; code++) {
			struct queue_attempt a = {.stage = (enum queue_stage)stage, .code = code};
			struct queue_result r = queue_result_of(&a);

			assert_int_equal(r.status.class, r.outcome == QUEUE_DELIVERED ? 2
							 : r.outcome == QUEUE_FAILED  ? 5
										      : 4);
			assert_int_equal(r.outcome == QUEUE_RETRY_HOST,
			    r.outcome != QUEUE_FAILED && stage < QUEUE_STAGE_MAIL);
		}
}

/* Whatever goes wrong with TLS, the login, or for haste: it is not asked of the host for others,
 * unless they ask for the same. */
static void test_of_host(void **state)
{
	static const enum queue_problem about_us[] = {
	    QUEUE_PROBLEM_TLS, QUEUE_PROBLEM_NO_TLS, QUEUE_PROBLEM_NO_AUTH, QUEUE_PROBLEM_BRIEF};
	struct queue_attempt a = {.code = 454};

	for (int stage = 0; stage < QUEUE_STAGES; stage++) {
		bool ours = stage == QUEUE_STAGE_TLS || stage == QUEUE_STAGE_AUTH;

		a.stage = (enum queue_stage)stage;
		for (int problem = 0; problem < QUEUE_PROBLEMS; problem++) {
			bool of_host = !ours;

			for (size_t i = 0; i < sizeof about_us / sizeof about_us[0]; i++)
				of_host &= problem != (int)about_us[i];
			a.problem = (enum queue_problem)problem;
			assert_int_equal(queue_result_is_of_host(&a, false), of_host);
			assert_int_equal(
			    queue_result_is_of_host(&a, true), problem != QUEUE_PROBLEM_BRIEF);
		}
	}
}

static void expect_reply(const struct queue_attempt *a, struct str text, const char *want)
{
	struct buf b;

	buf_init(&b, 10000);
	queue_result_put_reply(&b, a, text);
	assert_string_equal(buf_cstr(&b), want);
	assert_int_equal(queue_result_is_reply(buf_view(&b)), a->problem == QUEUE_PROBLEM_NONE);
	buf_fini(&b);
}

static void test_put_reply(void **state)
{
	struct queue_attempt with = {S(RCPT), 0, 550, {5, 1, 1}}, without = {S(RCPT), 0, 421},
			     lost = {.stage = S(RCPT), .problem = QUEUE_PROBLEM_LOST};

	expect_reply(&with, STR("no such user"), "550 5.1.1 no such user");
	expect_reply(&with, STR("two\nlines \r\n of it\n"), "550 5.1.1 two lines of it");
	expect_reply(&with, STR("\x1b[2J\x07 \xff\x00z"), "550 5.1.1 ?[2J? ??z");
	expect_reply(&with, STR("\xe4\xbd\xa0 \xe2\x80\xae evil"), "550 5.1.1 \xe4\xbd\xa0 ? evil");
	expect_reply(&without, STR(" "), "421");
	expect_reply(&lost, STR(""), "connection lost");
	expect_reply(&lost, STR("by peer"), "connection lost: by peer");
	expect_reply(&lost, STR("Connection lost\n"), "connection lost");
	assert_true(queue_result_is_reply(STR("250 ok")));
	assert_true(queue_result_is_reply(STR("599")));
	assert_false(queue_result_is_reply(STR("55")));
	assert_false(queue_result_is_reply(STR("5500 x")));
	assert_false(queue_result_is_reply(STR("150 x")));
	assert_false(queue_result_is_reply(STR("650 x")));
	assert_false(queue_result_is_reply(STR("5x0 x")));
}

static void test_megabytes(void **state)
{
	struct queue_attempt a = {S(RCPT), 0, 550, {5, 1, 1}};
	struct buf text, b;

	buf_init(&text, 4 * MIB);
	buf_init(&b, 10000);
	buf_lit(&b, "before"); /* does not count */
	for (size_t i = 0; i < MIB; i++)
		buf_lit(&text, "\xe4\xbd\xa0");
	queue_result_put_reply(&b, &a, buf_view(&text));
	assert_in_range(b.n, LIMIT_QUEUE_REPLY + 6 - 3, LIMIT_QUEUE_REPLY + 6);
	assert_true(utf8_is_valid(buf_view(&b)));
	assert_true(str_has_suffix_i(buf_view(&b), STR("\xa0...")));
	buf_fini(&text);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_replies),
	    cmocka_unit_test(test_problems),
	    cmocka_unit_test(test_all_codes),
	    cmocka_unit_test(test_of_host),
	    cmocka_unit_test(test_put_reply),
	    cmocka_unit_test(test_megabytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
