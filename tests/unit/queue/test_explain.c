/* Explanations: their words, and in simulated weeks that what they say then happens. */
#include "queue_sim.h"

#include "base/mem.h"
#include "queue/queue_explain.h"

#define MON (SIM_START + 2 * MINUTE_MS) /* Monday, 20:02 */

static struct queue_policy policy;

static int set_up(void **state)
{
	queue_policy_init(&policy);
	return 0;
}

/* bob, taken at 20:00, seen at 20:02; nothing was tried. */
static struct queue_explain picture(void)
{
	struct queue_explain x = {.recipient = STR("bob@b.test"),
	    .sender = STR("alice@a.test"),
	    .domain = STR("b.test"),
	    .notify_failure = true,
	    .entry = {.accepted = SIM_START, .warn = true},
	    .policy = &policy,
	    .now = MON};

	queue_destination_init(&x.destination, 1);
	return x;
}

static void expect(const struct queue_explain *x, const char *want)
{
	struct buf b;

	buf_init(&b, 100000);
	queue_explain_put(&b, x);
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
}

#define RETURNED                                                                                   \
	"If none succeeds, it will be returned to alice@a.test on Saturday 28 November at 20:00."
#define WARNED                                                                                     \
	"If it still waits on Tuesday 24 November at 00:00, alice@a.test is told of the delay."

/* Three failures, the last two minutes ago at 20:02; seen at 20:04. */
static struct queue_explain unreachable(void)
{
	struct queue_explain x = picture();

	x.destination.failures = 3;
	x.destination.failing_since = SIM_START;
	x.destination.last_try = MON;
	x.destination.next_probe = SIM_START + 32 * MINUTE_MS;
	x.destination.last_reply = STR("connection refused");
	x.now = SIM_START + 4 * MINUTE_MS;
	return x;
}

static void test_failing(void **state)
{
	struct queue_explain x = unreachable();

	expect(&x,
	    "bob@b.test waits because b.test could not be reached (connection refused, 3 attempts, "
	    "last at 20:02). The next attempt to reach b.test is at 20:32. " RETURNED " " WARNED);
	x.destination.last_reply = STR("421 4.3.2 closing");
	x.destination.failures = 1;
	x.entry.warn = false;
	expect(&x,
	    "bob@b.test waits because b.test takes no mail at present (it answered \"421 4.3.2 "
	    "closing\", "
	    "1 attempt, last at 20:02). The next attempt to reach b.test is at 20:32. " RETURNED);
	x.active = 1;
	expect(&x,
	    "bob@b.test waits because b.test takes no mail at present (it answered \"421 4.3.2 "
	    "closing\", "
	    "1 attempt, last at 20:02). An attempt with another message is under way; if b.test "
	    "answers it, this one follows. " RETURNED);
	x.active = 0;
	x.now = x.destination.next_probe;
	expect(&x,
	    "bob@b.test waits because b.test takes no mail at present (it answered \"421 4.3.2 "
	    "closing\", "
	    "1 attempt, last at 20:02). The next attempt is due now. " RETURNED);
}

/* b.test is up; its mail server, by what others have found out, is not. */
static void test_host(void **state)
{
	struct queue_explain x = picture();

	x.entry.warn = false;
	x.destination.waits = SIM_START + 32 * MINUTE_MS;
	x.host = STR("mx.example.net");
	x.host_serves = STR("c.test");
	queue_destination_init(&x.host_state, 2);
	x.host_state.failures = 3;
	x.host_state.last_try = SIM_START;
	x.host_state.next_probe = SIM_START + 30 * MINUTE_MS;
	x.host_state.last_reply = STR("no answer in time");
	expect(&x,
	    "bob@b.test waits because its mail server mx.example.net, which also serves c.test, could not "
	    "be reached (no answer in time, 3 attempts, last at 20:00). The next attempt is at 20:32, or as "
	    "soon as that server answers for another domain. " RETURNED);
	x.host_state.last_reply = STR("421 4.3.2 closing");
	x.host_serves = STR("");
	expect(&x,
	    "bob@b.test waits because its mail server mx.example.net takes no mail at present (it answered "
	    "\"421 4.3.2 closing\", 3 attempts, last at 20:00). The next attempt is at 20:32, or as soon as "
	    "that server answers for another domain. " RETURNED);
	x.entry.attempts = 1; /* his own time is before that of the host */
	x.entry.not_before = SIM_START + 5 * MINUTE_MS;
	expect(&x,
	    "bob@b.test waits because its mail server mx.example.net takes no mail at present (it answered "
	    "\"421 4.3.2 closing\", 3 attempts, last at 20:00). The next attempt is at 20:32, or as soon as "
	    "that server answers for another domain. " RETURNED);
	x.entry.not_before = x.entry.attempts = 0;
	queue_destination_init(&x.host_state, 2);
	x.host_serves = STR("c.test");
	x.host_active = 20;
	expect(&x,
	    "bob@b.test waits because its mail server mx.example.net, which also serves c.test, has as many "
	    "connections as it may have at present (20 connections). It goes as soon as one of them is "
	    "free. " RETURNED);
}

static void test_zone(void **state)
{
	struct queue_explain x = unreachable();

	x.zone = (struct queue_zone){330, STR("IST")};
	x.entry.warn = false;
	expect(&x,
	    "bob@b.test waits because b.test could not be reached (connection refused, 3 attempts, "
	    "last at 01:32 IST). The next attempt to reach b.test is at 02:02 IST. If none "
	    "succeeds, it "
	    "will be returned to alice@a.test on Sunday 29 November at 01:30 IST.");
}

static void test_own(void **state)
{
	struct queue_explain x = picture();

	x.entry.attempts = 1;
	x.entry.last_attempt = SIM_START;
	x.entry.not_before = SIM_START + 5 * MINUTE_MS;
	x.entry.warn = false;
	x.last_reply = STR("450 4.7.1 greylisted");
	expect(&x,
	    "bob@b.test waits because b.test has not accepted the message yet (it answered \"450 "
	    "4.7.1 "
	    "greylisted\", 1 attempt, last at 20:00). The next attempt is at 20:05. " RETURNED);
	x.last_reply = STR("connection lost");
	expect(&x,
	    "bob@b.test waits because the message could not be transferred to b.test (connection "
	    "lost, "
	    "1 attempt, last at 20:00). The next attempt is at 20:05. " RETURNED);
	x.destination.limit = x.active = 2;
	expect(&x,
	    "bob@b.test waits because the message could not be transferred to b.test (connection "
	    "lost, "
	    "1 attempt, last at 20:00). The next attempt is at 20:05, if a connection to b.test is "
	    "free by then. " RETURNED);
	x.active = 0;
	x.destination.failures = 1;
	x.destination.next_probe = SIM_START + 4 * MINUTE_MS;
	expect(&x,
	    "bob@b.test waits because the message could not be transferred to b.test (connection "
	    "lost, "
	    "1 attempt, last at 20:00). The next attempt is at 20:05, if b.test can be reached by "
	    "then. " RETURNED);
	x.destination.last_reply = STR("no answer in time");
	x.destination.last_try = SIM_START + MINUTE_MS;
	x.destination.next_probe = x.entry.not_before;
	x.now = SIM_START + 3 * MINUTE_MS + 1;
	expect(&x,
	    "bob@b.test waits because b.test could not be reached (no answer in time, 1 attempt, "
	    "last at 20:01). The next attempt to reach b.test is at 20:05:00. " RETURNED);
	x.active = 1;
	expect(&x,
	    "bob@b.test waits because b.test could not be reached (no answer in time, 1 attempt, "
	    "last at 20:01). An attempt with another message is under way; if b.test answers it, "
	    "this one "
	    "follows. " RETURNED);
	x.active = 0;
	x.now = MON;
	x.destination = picture().destination;
	x.entry.attempts = 0;
	expect(&x,
	    "bob@b.test waits for the time that is set for it. The next attempt is at 20:05. "
	    "" RETURNED);
	x.postponed = true;
	x.entry.last_attempt = MON - MINUTE_MS;
	expect(&x,
	    "bob@b.test waits because this server could not look up b.test: its resolver was not running "
	    "(last at 20:01:00). The next attempt is at 20:05. " RETURNED);
}

static void test_may_go(void **state)
{
	struct queue_explain x = picture();

	x.entry.warn = false;
	expect(&x,
	    "bob@b.test waits for its turn; b.test can be tried at once. The next attempt is due "
	    "now. " RETURNED);
	x.active = 5;
	expect(&x,
	    "bob@b.test waits because b.test has as many connections as it may have at present "
	    "(5 connections). It goes as soon as one of them is free. " RETURNED);
	x.under_way = MON - SECOND_MS;
	expect(&x, "bob@b.test is being delivered: the attempt began at 20:01:59. " RETURNED);
}

static void test_endings(void **state)
{
	struct queue_explain x = unreachable();
	int64_t end = SIM_START + 5 * DAY_MS;

	x.destination.next_probe = end;
	x.destination.last_try = x.now = end - 10 * MINUTE_MS;
	expect(&x,
	    "bob@b.test waits because b.test could not be reached (connection refused, 3 "
	    "attempts, last "
	    "at 19:50:00). No further attempt is planned; it will be returned to alice@a.test at "
	    "20:00.");
	x.notify_failure = false;
	expect(&x, "bob@b.test waits because b.test could not be reached (connection refused, 3 "
		   "attempts, last "
		   "at 19:50:00). No further attempt is planned; it will be given up at 20:00, and "
		   "alice@a.test "
		   "asked not to be told.");
	x.now = end;
	expect(&x,
	    "bob@b.test could not be delivered in time. It is now being given up; alice@a.test "
	    "asked not "
	    "to be told.");
	x.notify_failure = true;
	expect(&x,
	    "bob@b.test could not be delivered in time. It is now being returned to alice@a.test.");
	x.entry.bounce = true;
	x.sender = STR("");
	expect(&x, "bob@b.test could not be delivered in time. It is now being given up and has no "
		   "sender who "
		   "could be told.");
	x = picture();
	x.domain = STR("");
	x.last_reply = STR("550 5.1.1 unknown");
	expect(&x,
	    "bob@b.test cannot be delivered (550 5.1.1 unknown). It is now being returned to "
	    "alice@a.test.");
}

/* The clock was set back by a day, and the rows are not written yet. */
static void test_set_back(void **state)
{
	struct queue_explain x = unreachable();

	x.entry.warn = false;
	x.now = SIM_START - DAY_MS;
	expect(&x,
	    "bob@b.test waits because b.test could not be reached (connection refused, 3 attempts, "
	    "last at 20:00:00). The next attempt to reach b.test is at 20:30. If none succeeds, "
	    "it will "
	    "be returned to alice@a.test on Friday 27 November at 20:00.");
}

static void test_late(void **state)
{
	struct queue_explain x = picture();

	x.started = SIM_START + 6 * DAY_MS;
	x.now = x.started + MINUTE_MS;
	expect(&x,
	    "bob@b.test waits for its turn; b.test can be tried at once. The next attempt is due "
	    "now. "
	    "Its time ended while the server was not running: unless an attempt succeeds, it will "
	    "be "
	    "returned to alice@a.test, at the latest at 20:05.");
}

/* Texts of others neither break the line nor reach the terminal. */
static void test_hostile(void **state)
{
	struct queue_explain x = unreachable();
	struct buf b, reply;

	buf_init(&reply, 4 * MIB);
	buf_lit(&reply, "421 \x1b]0;owned\x07\r\n\xff\xe2\x80\xae%1");
	while (reply.n < 3 * MIB)
		buf_lit(&reply, "\x01%9 ");
	x.destination.last_reply = buf_view(&reply);
	x.recipient = x.sender = x.domain = buf_view(&reply);
	buf_init(&b, 100000);
	queue_explain_put(&b, &x);
	assert_false(b.overflow);
	assert_true(b.n > LIMIT_QUEUE_REPLY && b.n < 6 * LIMIT_SMTP_PATH + LIMIT_QUEUE_REPLY);
	assert_false(str_has_cntrl(buf_view(&b)));
	assert_false(str_has_8bit(buf_view(&b)));
	buf_fini(&b);
	buf_fini(&reply);
}

/* ---- the truth ---- */

static void expect_phrase(const struct buf *text, const char *before, const struct queue_explain *x,
    int64_t time, const char *behind)
{
	struct buf want;

	buf_init(&want, 1000);
	buf_c(&want, before);
	queue_phrase_put_time(&want, x->lang, time, x->now, &x->zone);
	buf_c(&want, behind);
	if (str_find_str(buf_view(text), buf_view(&want)) == text->n)
		fail_msg("\"%s\" is not in: %.*s", buf_cstr(&want), STR_FMT(buf_view(text)));
	buf_fini(&want);
}

/* What the sentences say at this moment, against what a copy then goes through. */
static void expect_true(const struct sim *s, bool own)
{
	struct queue_explain x = picture();
	struct sim *future = sim_new(0);
	struct buf text;

	*future = *s;
	future->n_attempts = future->n_warnings = 0;
	sim_run(future, SIM_START + 30 * DAY_MS);
	x.entry = s->entry;
	x.destination = s->destination;
	x.policy = &s->policy;
	x.last_reply = STR("450 4.2.0 come back");
	x.now = s->time;
	buf_init(&text, 100000);
	queue_explain_put(&text, &x);
	if (future->n_attempts)
		expect_phrase(&text,
		    own ? "The next attempt is " : "The next attempt to reach b.test is ", &x,
		    future->attempts[0], ".");
	expect_phrase(&text,
	    future->n_attempts
		? "If none succeeds, it will be returned to alice@a.test "
		: "No further attempt is planned; it will be returned to alice@a.test ",
	    &x, future->returned, ".");
	if (future->n_warnings)
		expect_phrase(&text, "If it still waits ", &x, future->warnings[0],
		    ", alice@a.test is told of the delay.");
	else
		assert_int_equal(str_find_str(buf_view(&text), STR("told")), text.n);
	buf_fini(&text);
	sim_free(&future);
}

static void expect_true_week(uint64_t seed, bool own)
{
	struct sim *s = sim_new(seed);

	s->answer = own ? sim_greylisted : sim_refused;
	for (int64_t at = SIM_START + MINUTE_MS; !s->returned; at += 47 * MINUTE_MS) {
		sim_run(s, at);
		if (!s->returned)
			expect_true(s, own);
	}
	assert_int_equal(s->returned, SIM_START + 5 * DAY_MS);
	sim_free(&s);
}

static void test_true(void **state)
{
	for (uint64_t seed = 0; seed < 4; seed++) {
		expect_true_week(seed, false);
		expect_true_week(seed, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_failing),
	    cmocka_unit_test(test_host),
	    cmocka_unit_test(test_zone),
	    cmocka_unit_test(test_own),
	    cmocka_unit_test(test_may_go),
	    cmocka_unit_test(test_endings),
	    cmocka_unit_test(test_set_back),
	    cmocka_unit_test(test_late),
	    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_true),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
