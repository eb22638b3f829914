/* What is known of recipients of relay domains: for how long, how much of it, and what replaces what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rig.h"

#include "base/clock.h"
#include "store/callout.h"

static struct rig rig;
static struct arena *arena;

static int setup(void **state)
{
	struct directory_change c = {.verb = DIRECTORY_DOMAIN_ADD,
	    .who = STR("test"),
	    .domain = STR("r.test"),
	    .kind = DIRECTORY_RELAY};

	rig_open(&rig);
	rig_domain(&rig, "a.test");
	rig_account(&rig, "ann@a.test");
	directory_change_init(&c);
	c.op.done = rig_nothing;
	lane_run_one(rig.lane, &c.op, rig.now);
	assert_false(c.refused);
	arena = arena_new();
	return 0;
}

static int teardown(void **state)
{
	arena_free(&arena);
	rig_must_balance(&rig);
	rig_close(&rig);
	return 0;
}

static void settle_of(
    const char *domain, const char *local, enum callout_verdict verdict, const char *reply)
{
	struct callout_settle s = {.domain = str_of_c(domain),
	    .local = str_of_c(local),
	    .verdict = verdict,
	    .reply = str_of_c(reply)};

	callout_settle_init(&s);
	s.op.done = rig_nothing;
	lane_run_one(rig.lane, &s.op, rig.now);
	assert_int_equal(s.op.result, LANE_DONE);
}

static void settle(const char *local, enum callout_verdict verdict, const char *reply)
{
	settle_of("r.test", local, verdict, reply);
}

static struct callout known(const char *local)
{
	struct callout k;

	assert_int_equal(
	    callout_get(rig.db, arena, STR("r.test"), str_of_c(local), rig.now, &k), DB_OK);
	return k;
}

/* "0", or the verdict's number, and "!" when it is due. */
static const char *state_of(const char *local)
{
	static const char *const words[CALLOUT_VERDICTS][2] = {{"nothing", "nothing!"},
	    {"good", "good!"}, {"refused", "refused!"}, {"unsure", "unsure!"}};
	struct callout k = known(local);

	return words[k.verdict][callout_is_due(&k, rig.now)];
}

static void after(int64_t ms, const char *local, const char *want)
{
	int64_t now = rig.now;

	rig.now += ms;
	assert_string_equal(state_of(local), want);
	rig.now = now;
}

static void what_is_known_has_its_time(void **state)
{
	assert_string_equal(state_of("bob"), "nothing!");
	settle("bob", CALLOUT_GOOD, "250 ok");
	after(0, "bob", "good");
	after(0, "BOB", "good");
	after(7 * DAY_MS - 1, "bob", "good");
	after(7 * DAY_MS, "bob", "good!");
	after(31 * DAY_MS - 1, "bob", "good!");
	after(31 * DAY_MS, "bob", "nothing!");
	settle("eve", CALLOUT_REFUSED, "550 no");
	after(3 * HOUR_MS - 1, "eve", "refused");
	after(3 * HOUR_MS, "eve", "refused!");
	after(3 * DAY_MS - 1, "eve", "refused!");
	after(3 * DAY_MS, "eve", "nothing!");
	settle("dan", CALLOUT_UNSURE, "450 later");
	after(MINUTE_MS - 1, "dan", "unsure");
	after(MINUTE_MS, "dan", "unsure!");
	after(HOUR_MS, "dan", "nothing!");
	assert_true(str_eq(known("eve").reply, STR("550 no")));
	assert_int_equal(known("eve").asked, rig.now);
}

static void a_clock_that_was_set_back_asks_again(void **state)
{
	settle("bob", CALLOUT_GOOD, "250 ok");
	after(-DAY_MS, "bob", "good!");
}

static void what_is_for_good_is_not_shaken(void **state)
{
	settle("Bob", CALLOUT_GOOD, "250 ok");
	settle("eve", CALLOUT_REFUSED, "550 no");
	rig.now += 7 * DAY_MS;
	settle("eve", CALLOUT_REFUSED, "550 no");
	rig.now += 4 * HOUR_MS;
	assert_string_equal(state_of("bob"), "good!");
	assert_string_equal(state_of("eve"), "refused!");
	settle("bob", CALLOUT_UNSURE, "450 later");
	settle("eve", CALLOUT_UNSURE, "450 later");
	assert_string_equal(state_of("bob"), "good");
	assert_string_equal(state_of("eve"), "refused");
	after(15 * MINUTE_MS, "bob", "good!");
	after(25 * DAY_MS, "bob", "nothing!"); /* no longer than it was */
	assert_true(str_eq(known("bob").reply, STR("250 ok")));
	/* one word for good is replaced by another */
	settle("bob", CALLOUT_REFUSED, "550 gone");
	settle("eve", CALLOUT_GOOD, "250 come");
	assert_string_equal(state_of("bob"), "refused");
	assert_string_equal(state_of("eve"), "good");
}

static void it_outlives_the_server(void **state)
{
	settle("bob", CALLOUT_GOOD, "250 ok");
	rig_restart(&rig);
	assert_string_equal(state_of("bob"), "good");
}

static int64_t count(enum callout_verdict verdict)
{
	char select[120];

	snprintf(select, sizeof select,
	    "SELECT count(*) FROM callout WHERE domain = 'r.test' AND verdict = %d", (int)verdict);
	return rig_number(&rig, select);
}

static void fill(enum callout_verdict verdict, int n)
{
	char sql[300];

	snprintf(sql, sizeof sql,
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT %d)"
	    " INSERT INTO callout SELECT 'r.test', 'u%d-' || i, %d, '', i, %lld, %lld FROM n",
	    n, (int)verdict, (int)verdict, (long long)(rig.now + DAY_MS),
	    (long long)(rig.now + DAY_MS));
	rig_sql(&rig, sql);
}

/* Names that somebody makes up push out what was made up before, and nobody who is known. */
static void a_dictionary_does_not_fill_it(void **state)
{
	settle("bob", CALLOUT_GOOD, "250 ok");
	settle_of("other.test", "u2-1", CALLOUT_REFUSED, "550 no");
	fill(CALLOUT_REFUSED, CALLOUT_OTHER_MAX - 1);
	settle("eve", CALLOUT_REFUSED, "550 no");
	assert_int_equal(count(CALLOUT_REFUSED), CALLOUT_OTHER_MAX);
	settle("dan", CALLOUT_REFUSED, "550 no");
	assert_int_equal(count(CALLOUT_REFUSED), CALLOUT_OTHER_MAX);
	assert_string_equal(state_of("u2-1"), "nothing!"); /* asked first */
	assert_string_equal(state_of("u2-2"), "refused");
	assert_string_equal(state_of("eve"), "refused");
	assert_string_equal(state_of("dan"), "refused");
	assert_string_equal(state_of("bob"), "good");
	assert_int_equal(
	    rig_number(&rig, "SELECT count(*) FROM callout WHERE domain = 'other.test'"), 1);
	/* where the limit was another one before, all that is too much goes bit by bit */
	fill(CALLOUT_UNSURE, CALLOUT_OTHER_MAX + 20);
	for (int i = 0; i < 4; i++)
		settle("new", CALLOUT_UNSURE, "450 later");
	assert_int_equal(count(CALLOUT_UNSURE), CALLOUT_OTHER_MAX);
}

struct said {
	struct queue_attempt attempt;
	enum callout_verdict verdict;
	bool host, unrouted;
	const char *text;
};

static void judge(const struct said *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct callout_lesson got = callout_judge(
		    &rows[i].attempt, str_of_c(rows[i].text ? rows[i].text : ""));

		if (got.verdict != rows[i].verdict || got.host != rows[i].host ||
		    got.unrouted != rows[i].unrouted)
			fail_msg("row %zu: %d %d %d", i, got.verdict, got.host, got.unrouted);
	}
}

static void judges_what_was_said(void **state)
{
	static const struct said rows[] = {
	    {{.stage = QUEUE_STAGE_RCPT, .code = 250}, CALLOUT_GOOD, false, false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 251}, CALLOUT_GOOD, false, false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550}, CALLOUT_REFUSED, false, false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 551}, CALLOUT_REFUSED, false, false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 553}, CALLOUT_REFUSED, false, false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 552}, CALLOUT_UNSURE, false, false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 552, .status = {5, 5, 3}}, CALLOUT_UNSURE, false,
		false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 554}, CALLOUT_UNSURE, false, false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 554, .status = {5, 1, 1}}, CALLOUT_REFUSED, false,
		false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 2, 1}}, CALLOUT_REFUSED, false,
		false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 552, .status = {5, 2, 2}}, CALLOUT_UNSURE, false,
		false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 7, 1}}, CALLOUT_UNSURE, true,
		false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 551, .status = {5, 1, 6}}, CALLOUT_REFUSED, false,
		false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 551, .status = {5, 7, 1}}, CALLOUT_UNSURE, true,
		false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 552, .status = {5, 1, 1}}, CALLOUT_REFUSED, false,
		false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 552, .status = {5, 2, 1}}, CALLOUT_REFUSED, false,
		false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 552, .status = {4, 1, 1}}, CALLOUT_UNSURE, false,
		false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 553, .status = {5, 1, 3}}, CALLOUT_REFUSED, false,
		false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 553, .status = {5, 7, 1}}, CALLOUT_UNSURE, true,
		false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 553, .status = {5, 5, 4}}, CALLOUT_UNSURE, false,
		false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 553, .status = {4, 1, 3}}, CALLOUT_REFUSED, false,
		false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 450, .status = {4, 1, 1}}, CALLOUT_UNSURE, false,
		false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 450}, CALLOUT_UNSURE, false, false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 354}, CALLOUT_UNSURE, false, false},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 421}, CALLOUT_UNSURE, true, false},
	    {{.stage = QUEUE_STAGE_MAIL, .code = 550}, CALLOUT_UNSURE, true, false},
	    {{.stage = QUEUE_STAGE_GREETING, .code = 554}, CALLOUT_UNSURE, true, false},
	    {{.stage = QUEUE_STAGE_RCPT, .problem = QUEUE_PROBLEM_TIMEOUT}, CALLOUT_UNSURE, true,
		false},
	    {{.stage = QUEUE_STAGE_CONNECT, .problem = QUEUE_PROBLEM_REFUSED}, CALLOUT_UNSURE, true,
		false},
	    {{.stage = QUEUE_STAGE_LOOKUP, .problem = QUEUE_PROBLEM_DNS}, CALLOUT_UNSURE, true,
		false},
	    {{.stage = QUEUE_STAGE_LOOKUP, .problem = QUEUE_PROBLEM_LOCAL}, CALLOUT_UNSURE, false,
		false},
	    {{.stage = QUEUE_STAGE_LOOKUP, .problem = QUEUE_PROBLEM_NO_RESOLVER}, CALLOUT_UNSURE,
		false, false},
	    {{.stage = QUEUE_STAGE_LOOKUP, .problem = QUEUE_PROBLEM_LOOP}, CALLOUT_UNSURE, true,
		true},
	    {{.stage = QUEUE_STAGE_LOOKUP, .problem = QUEUE_PROBLEM_NULL_MX}, CALLOUT_UNSURE, true,
		true},
	    {{.stage = QUEUE_STAGE_LOOKUP, .problem = QUEUE_PROBLEM_NXDOMAIN}, CALLOUT_UNSURE, true,
		true},
	    {{.stage = QUEUE_STAGE_LOOKUP, .problem = QUEUE_PROBLEM_NO_ADDRESS}, CALLOUT_UNSURE,
		true, true},
	    {{.stage = QUEUE_STAGE_LOOKUP, .problem = QUEUE_PROBLEM_FORBIDDEN}, CALLOUT_UNSURE,
		true, true},
	    {{.stage = QUEUE_STAGE_MAIL, .problem = QUEUE_PROBLEM_NO_SMTPUTF8}, CALLOUT_REFUSED,
		false, false},
	};

	judge(rows, sizeof rows / sizeof *rows);
}

static void judges_by_the_words(void **state)
{
	static const struct said rows[] = {
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 4, 1}}, CALLOUT_REFUSED, false,
		false,
		"Recipient address rejected: Access denied. [X.prod.protection.outlook.com]"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 4, 1}}, CALLOUT_UNSURE, false,
		false, "no answer from host"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 7, 1}}, CALLOUT_REFUSED, false,
		false, "<bob@r.test>: Recipient address rejected: User unknown"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 7, 1}}, CALLOUT_UNSURE, true,
		false, "<bob@r.test>: Recipient address rejected: Access denied"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 7, 1}}, CALLOUT_UNSURE, true,
		false, "blocked using a blocklist, user unknown"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 5, 0}}, CALLOUT_REFUSED, false,
		false, "Requested action not taken: mailbox unavailable"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 554}, CALLOUT_REFUSED, false, false,
		"no such user"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 552}, CALLOUT_UNSURE, false, false,
		"mailbox not found: quota exceeded"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 7, 1}}, CALLOUT_UNSURE, true,
		false, "Too many invalid recipients"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 7, 1}}, CALLOUT_UNSURE, true,
		false, "too many unknown users from your network"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 554}, CALLOUT_UNSURE, false, false,
		"This IP has been temporarily blocked for attempting to mail too many invalid"
		" recipients. IB112"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550}, CALLOUT_UNSURE, false, false,
		"Too many invalid recipients"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550}, CALLOUT_UNSURE, false, false,
		"blocked using zen.spamhaus.org"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550}, CALLOUT_UNSURE, false, false,
		"mailbox full"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 7, 1}}, CALLOUT_UNSURE, true,
		false, "Your IP doesn't have a PTR"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 4, 0}}, CALLOUT_UNSURE, false,
		false, "host mailstore.internal does not exist"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 7, 0}}, CALLOUT_UNSURE, false,
		false, "Requested action not taken: mailbox unavailable"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 7, 1}}, CALLOUT_UNSURE, false,
		false, "Invalid recipient"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 7, 133}}, CALLOUT_UNSURE, false,
		false,
		"RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; group only"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 2, 1}}, CALLOUT_UNSURE, false,
		false,
		"The user you are trying to contact is receiving mail at a rate that prevents additional messages"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 553, .status = {5, 1, 8}}, CALLOUT_UNSURE, false,
		false, "<>: Sender address rejected: Domain not found"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 553}, CALLOUT_UNSURE, false, false,
		"sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550}, CALLOUT_UNSURE, false, false,
		"members only"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550}, CALLOUT_UNSURE, false, false,
		"Mailbox size limit exceeded"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550}, CALLOUT_UNSURE, false, false,
		"Greylisted, try again in 5 minutes"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 7, 1}}, CALLOUT_UNSURE, true,
		false, "blocked for sending to unknown users"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 1, 1}}, CALLOUT_REFUSED, false,
		false, "mailbox full"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 554}, CALLOUT_UNSURE, false, false,
		"<bob@r.test>: Recipient address rejected: Greylisted"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 552, .status = {5, 2, 2}}, CALLOUT_UNSURE, false,
		false, "no such user"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 554, .status = {4, 7, 1}}, CALLOUT_UNSURE, false,
		false, "no such user"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 450}, CALLOUT_UNSURE, false, false,
		"no such user"},
	    {{.stage = QUEUE_STAGE_RCPT, .code = 421}, CALLOUT_UNSURE, true, false, "no such user"},
	    {{.stage = QUEUE_STAGE_MAIL, .code = 550}, CALLOUT_UNSURE, true, false, "no such user"},
	};

	judge(rows, sizeof rows / sizeof *rows);
}

static void time_takes_it(void **state)
{
	settle("bob", CALLOUT_GOOD, "250 ok");
	settle("eve", CALLOUT_REFUSED, "550 no");
	rig.now += 4 * DAY_MS;
	rig_maintain(&rig, DAY_MS, 90 * DAY_MS);
	assert_int_equal(count(CALLOUT_REFUSED), 0);
	assert_int_equal(count(CALLOUT_GOOD), 1);
}

static void a_domain_that_is_verified_no_more_takes_it(void **state)
{
	settle("bob", CALLOUT_GOOD, "250 ok");
	settle_of("other.test", "bob", CALLOUT_GOOD, "250 ok");
	rig_maintain(&rig, DAY_MS, 90 * DAY_MS);
	assert_int_equal(count(CALLOUT_GOOD), 1);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM callout"), 1);
	assert_string_equal(rig_change(&rig, DIRECTORY_DOMAIN_REMOVE, "r.test", NULL), "");
	rig.now += HOUR_MS;
	rig_maintain(&rig, DAY_MS, 90 * DAY_MS);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM callout"), 0);
}

/* A stranger's message is taken and sent on, and the trace says why. */
static void a_message_for_a_relay_domain(void **state)
{
	struct deliver *d = rig_message(&rig, "x@else.test", "text\r\n");

	settle("bob", CALLOUT_GOOD, "250 2.1.5 ok");
	rig_to(d, "Bob@r.test")->action = PLAN_RELAY;
	assert_true(rig_run(&rig, d));
	assert_int_equal(d->queued, 1);
	assert_int_equal(rig_number(&rig, "SELECT count(*) FROM queue WHERE destination = 'r.test'"
					  " AND address = 'Bob@r.test'"),
	    1);
	assert_int_equal(
	    rig_number(&rig, "SELECT count(*) FROM trace WHERE text LIKE 'relay domain: its"
			     " server took this recipient when it was asked at %: 250 2.1.5 ok'"),
	    1);
	deliver_free(&d);
	/* but no farther than that */
	d = rig_message(&rig, "x@else.test", "text\r\n");
	rig_to(d, "bob@else.test")->action = PLAN_RELAY;
	assert_false(rig_run(&rig, d));
	deliver_free(&d);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(what_is_known_has_its_time),
	    T(a_clock_that_was_set_back_asks_again),
	    T(what_is_for_good_is_not_shaken),
	    T(it_outlives_the_server),
	    T(a_dictionary_does_not_fill_it),
	    T(judges_what_was_said),
	    T(judges_by_the_words),
	    T(time_takes_it),
	    T(a_domain_that_is_verified_no_more_takes_it),
	    T(a_message_for_a_relay_domain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
