/* What a session of the relay came to, in the queue's terms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "proc/relay.h"

static struct smtp_verdict reply(enum smtp_stage stage, uint16_t code, struct smtp_status status)
{
	return (struct smtp_verdict){.stage = stage, .reply = {.code = code, .status = status}};
}

static struct smtp_verdict own(enum smtp_stage stage, uint8_t x, uint16_t y, uint16_t z)
{
	return reply(stage, 0, (struct smtp_status){x, y, z});
}

static void test_reply(void **state)
{
	struct smtp_verdict v = reply(SMTP_STAGE_RCPT, 550, (struct smtp_status){5, 1, 1});
	struct queue_attempt a = relay_attempt_of(&v, 3, QUEUE_PROBLEM_TIMEOUT);

	assert_int_equal(a.stage, QUEUE_STAGE_RCPT);
	assert_int_equal(a.problem, QUEUE_PROBLEM_NONE);
	assert_int_equal(a.code, 550);
	assert_int_equal(a.status.class, 5);
	assert_int_equal(a.status.subject, 1);
	assert_int_equal(a.status.detail, 1);
	assert_int_equal(a.accepted, 3);
}

static void test_stages(void **state)
{
	static const struct {
		enum smtp_stage stage;
		enum queue_stage want;
	} rows[] = {
	    {SMTP_STAGE_CONNECT, QUEUE_STAGE_GREETING},
	    {SMTP_STAGE_HELO, QUEUE_STAGE_HELO},
	    {SMTP_STAGE_TLS, QUEUE_STAGE_TLS},
	    {SMTP_STAGE_AUTH, QUEUE_STAGE_AUTH},
	    {SMTP_STAGE_READY, QUEUE_STAGE_MAIL},
	    {SMTP_STAGE_MAIL, QUEUE_STAGE_MAIL},
	    {SMTP_STAGE_RCPT, QUEUE_STAGE_RCPT},
	    {SMTP_STAGE_DATA, QUEUE_STAGE_DATA},
	    {SMTP_STAGE_BODY, QUEUE_STAGE_BODY},
	    {SMTP_STAGE_QUIT, QUEUE_STAGE_BODY},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct smtp_verdict v = reply(rows[i].stage, 450, (struct smtp_status){0, 0, 0});

		assert_int_equal(relay_attempt_of(&v, 0, QUEUE_PROBLEM_LOST).stage, rows[i].want);
	}
}

static void test_problems(void **state)
{
	static const struct {
		uint8_t x;
		uint16_t y, z;
		enum queue_problem want;
	} rows[] = {
	    {5, 6, 7, QUEUE_PROBLEM_NO_SMTPUTF8},
	    {5, 3, 4, QUEUE_PROBLEM_TOO_LARGE},
	    {5, 3, 3, QUEUE_PROBLEM_NO_TIMES},
	    {5, 4, 7, QUEUE_PROBLEM_TIME_SHORT},
	    {4, 5, 3, QUEUE_PROBLEM_TOO_MANY},
	    {5, 7, 0, QUEUE_PROBLEM_NO_AUTH},
	    {4, 7, 10, QUEUE_PROBLEM_NO_TLS},
	    {4, 7, 0, QUEUE_PROBLEM_TLS},
	    {4, 5, 0, QUEUE_PROBLEM_GARBAGE},
	    {4, 3, 0, QUEUE_PROBLEM_LOCAL},
	    {4, 4, 2, QUEUE_PROBLEM_LOST},
	};
	struct smtp_verdict v;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		v = own(SMTP_STAGE_MAIL, rows[i].x, rows[i].y, rows[i].z);
		assert_int_equal(relay_attempt_of(&v, 0, QUEUE_PROBLEM_LOST).problem, rows[i].want);
		assert_int_equal(relay_attempt_of(&v, 0, QUEUE_PROBLEM_LOST).code, 0);
	}
	v = own(SMTP_STAGE_MAIL, 4, 4, 2);
	assert_int_equal(
	    relay_attempt_of(&v, 0, QUEUE_PROBLEM_TIMEOUT).problem, QUEUE_PROBLEM_TIMEOUT);
}

static const struct queue_attempt refused = {.stage = QUEUE_STAGE_CONNECT,
				      .problem = QUEUE_PROBLEM_REFUSED},
				  later = {.stage = QUEUE_STAGE_GREETING, .code = 450},
				  never = {.stage = QUEUE_STAGE_GREETING, .code = 521},
				  broken = {
				      .stage = QUEUE_STAGE_MAIL, .problem = QUEUE_PROBLEM_LOST};

static void test_weight(void **state)
{
	assert_true(relay_attempt_outweighs(&refused, &never));
	assert_true(relay_attempt_outweighs(&later, &never));
	assert_false(relay_attempt_outweighs(&never, &never));
	assert_false(relay_attempt_outweighs(&never, &refused));
	assert_false(relay_attempt_outweighs(&refused, &later));
	assert_false(relay_attempt_outweighs(&later, &refused));
	assert_true(relay_attempt_outweighs(&broken, &refused));
	assert_true(relay_attempt_outweighs(&broken, &never));
	assert_false(relay_attempt_outweighs(&refused, &broken));
	assert_false(relay_attempt_outweighs(&never, &broken));
	assert_false(relay_attempt_outweighs(&broken, &broken));
}

static void test_unheard(void **state)
{
	static const struct {
		struct queue_attempt a;
		bool want;
	} rows[] = {
	    {{.stage = QUEUE_STAGE_MAIL, .problem = QUEUE_PROBLEM_LOST}, true},
	    {{.stage = QUEUE_STAGE_MAIL, .code = 421}, true},
	    {{.stage = QUEUE_STAGE_MAIL, .code = 450}, false},
	    {{.stage = QUEUE_STAGE_MAIL, .problem = QUEUE_PROBLEM_TIMEOUT}, false},
	    {{.stage = QUEUE_STAGE_MAIL, .problem = QUEUE_PROBLEM_NO_SMTPUTF8}, false},
	    {{.stage = QUEUE_STAGE_RCPT, .problem = QUEUE_PROBLEM_LOST}, false},
	    {{.stage = QUEUE_STAGE_BODY, .problem = QUEUE_PROBLEM_LOST}, false},
	    {{.stage = QUEUE_STAGE_BODY, .code = 421}, false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		assert_int_equal(relay_attempt_is_unheard(&rows[i].a), rows[i].want);
}

/* Whether the next host may have the message at once. */
static void test_open(void **state)
{
	struct smtp_verdict v;

	for (int stage = SMTP_STAGE_MAIL; stage <= SMTP_STAGE_BODY; stage++) {
		enum smtp_stage at = (enum smtp_stage)stage;

		v = own(at, 4, 4, 2);
		assert_true(relay_attempt_is_open(&v));
		v.outcome = SMTP_OUTCOME_UNSURE;
		assert_false(relay_attempt_is_open(&v));
		v = own(at, 4, 5, 0);
		assert_true(relay_attempt_is_open(&v));
		v = own(at, 4, 5, 3); /* more recipients than the host takes at once */
		assert_true(relay_attempt_is_open(&v));
		v = own(at, 4, 3, 0); /* our own side */
		assert_false(relay_attempt_is_open(&v));
		v = own(at, 5, 6, 7);
		assert_false(relay_attempt_is_open(&v));
		v = reply(at, 421, (struct smtp_status){4, 3, 2});
		assert_int_equal(relay_attempt_is_open(&v), stage < SMTP_STAGE_BODY);
		v = reply(at, 450, (struct smtp_status){4, 2, 0});
		assert_false(relay_attempt_is_open(&v));
		v = reply(at, 550, (struct smtp_status){5, 1, 1});
		assert_false(relay_attempt_is_open(&v));
		v = reply(at, 250, (struct smtp_status){2, 0, 0});
		assert_false(relay_attempt_is_open(&v));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_reply),
	    cmocka_unit_test(test_stages),
	    cmocka_unit_test(test_problems),
	    cmocka_unit_test(test_weight),
	    cmocka_unit_test(test_unheard),
	    cmocka_unit_test(test_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
