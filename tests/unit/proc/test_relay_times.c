/* How long the relay waits for what, against the RFC's minutes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"
#include "proc/relay_times.h"

static const struct config_timeouts *configured(struct config_snapshot **c, const char *text)
{
	struct err e;

	if (config_parse("/data", "godwit.conf", str_of_c(text), 1, c, &e) < 0)
		fail_msg("%s", e.text);
	return &(*c)->timeouts;
}

#define HOST         "hostname = \"mail.example.org\";\n"
#define WAIT(member) #member, offsetof(struct relay_times, member)

/* seconds: by default, with each option another value, of a callout with both. */
static const struct {
	const char *name;
	size_t wait;
	int64_t initial, apart, callout, callout_apart;
} rows[] = {
    {WAIT(connect), 30, 11, 20, 11},
    {WAIT(tls), 30, 11, 20, 11},
    {WAIT(talk.greeting), 5 * 60, 12, 20, 12}, /* 4.5.3.2.1 Initial 220 Message: 5 Minutes */
    {WAIT(talk.helo), 5 * 60, 12, 20, 12},
    {WAIT(talk.mail), 5 * 60, 12, 20, 12},  /* 4.5.3.2.2 MAIL Command: 5 Minutes */
    {WAIT(talk.rcpt), 5 * 60, 12, 20, 12},  /* 4.5.3.2.3 RCPT Command: 5 Minutes */
    {WAIT(talk.data), 2 * 60, 33, 120, 33}, /* 4.5.3.2.4 DATA Initiation: 2 Minutes */
    {WAIT(talk.body), 3 * 60, 44, 180, 44}, /* 4.5.3.2.5 Data Block: 3 Minutes */
    {WAIT(talk.end), 10 * 60, 55, 600, 55}, /* 4.5.3.2.6 DATA Termination: 10 Minutes */
    {WAIT(talk.quit), 10, 10, 10, 10},
};

static int64_t seconds(const struct relay_times *t, size_t wait)
{
	return *(const int64_t *)((const char *)t + wait) / SECOND_MS;
}

static void check(const char *text, bool callout, size_t column)
{
	struct config_snapshot *c = NULL;
	struct relay_times got = relay_times_of(configured(&c, text), callout);

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const int64_t want[] = {
		    rows[i].initial, rows[i].apart, rows[i].callout, rows[i].callout_apart};

		if (seconds(&got, rows[i].wait) != want[column])
			fail_msg("%s: want %lld s, got %lld s", rows[i].name,
			    (long long)want[column], (long long)seconds(&got, rows[i].wait));
	}
	config_unref(&c);
}

static const char apart[] = HOST
    "timeouts = { relay_connect = \"11s\"; relay_command = \"12s\"; relay_data = \"33s\";\n"
    "  relay_body = \"44s\"; relay_end = \"55s\"; };\n";

static void test_the_rfcs_minutes(void **state)
{
	check(HOST, false, 0);
}

static void test_each_has_its_option(void **state)
{
	check(apart, false, 1);
}

/* Somebody waits for what it finds out; what comes behind RCPT is no part of it. */
static void test_callout_is_impatient(void **state)
{
	check(HOST, true, 2);
	check(apart, true, 3);
}

static void test_a_message_has_its_time(void **state)
{
	assert_int_equal(relay_times_message(0), HOUR_MS);
	assert_int_equal(relay_times_message(50 * MIB), HOUR_MS + 50 * MIB / 16);
	assert_true(relay_times_message(2 * KIB * MIB) < 2 * DAY_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_the_rfcs_minutes),
	    cmocka_unit_test(test_each_has_its_option),
	    cmocka_unit_test(test_callout_is_impatient),
	    cmocka_unit_test(test_a_message_has_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
