/* Explanations: their words. */
#include "queue_sim.h"

#include "base/mem.h"
#include "queue/queue_explain.h"

#define PUTS_OFF "An attempt for another domain that fails before puts it off. "
#define MON      (SIM_START + 2 * MINUTE_MS) /* Monday, 20:02 */

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

#define CLOSING                                                                                    \
	"bob@b.test waits because b.test takes no mail at present (it answered \"421 4.3.2 "       \
	"closing\", 1 attempt, last at 20:02). "

static void test_failing(void **state)
{
	struct queue_explain x = unreachable();

	expect(&x,
	    "bob@b.test waits because b.test could not be reached (connection refused, 3 attempts, "
	    "last at 20:02). The next attempt to reach b.test is at 20:32. " RETURNED " " WARNED);
	x.destination.last_reply = STR("421 4.3.2 closing");
	x.destination.failures = 1;
	x.entry.warn = false;
	expect(&x, CLOSING "The next attempt to reach b.test is at 20:32. " RETURNED);
	x.active = 1;
	expect(&x, CLOSING "An attempt with another message is under way; if b.test "
			   "answers it, this one follows. " RETURNED);
	x.active = 0;
	x.now = x.destination.next_probe;
	expect(&x, CLOSING "The next attempt is due now. " RETURNED);
}

#define REACH_HOSTS                                                                                \
	"The next attempt to reach b.test is at 20:32, or as soon as one of its mail servers "     \
	"answers for another domain. " PUTS_OFF

/* It was tried itself, and a server of it may answer others earlier. */
static void test_failing_in_line(void **state)
{
	struct queue_explain x = unreachable();

	x.destination.last_reply = STR("421 4.3.2 closing");
	x.destination.failures = 1;
	x.entry.warn = false;
	x.host = STR("mx.example.net");
	x.host_serves = STR("c.test");
	x.hosts = 1;
	x.host_state = x.destination;
	expect(&x, CLOSING REACH_HOSTS RETURNED);
	x.hosts = 2;
	x.entry.attempts = 1; /* his own time is between them */
	x.entry.last_attempt = SIM_START;
	x.entry.not_before = SIM_START + 20 * MINUTE_MS;
	expect(&x, CLOSING REACH_HOSTS "It is tried at 20:20 at the earliest. " RETURNED);
	x.entry.not_before = SIM_START + 40 * MINUTE_MS;
	x.last_reply = STR("450 4.7.1 greylisted");
	expect(&x,
	    "bob@b.test waits because b.test has not accepted the message yet (it answered \"450 4.7.1 "
	    "greylisted\", 1 attempt, last at 20:00). The next attempt is at 20:40, if b.test can be "
	    "reached by then. " RETURNED);
	x.entry.not_before = x.entry.attempts = 0;
	x.active = 1;
	expect(&x, CLOSING "An attempt with another message is under way; if b.test "
			   "answers it, this one follows. " RETURNED);
	x.active = 0;
	queue_destination_init(&x.host_state, 2); /* others go there already, as many as may */
	x.host_active = 20;
	expect(&x,
	    "bob@b.test waits because its mail server mx.example.net, which also serves c.test, has as many "
	    "connections as it may have at present (20 connections). It goes as soon as one of them is "
	    "free. " RETURNED);
}

/* b.test is up; its mail server, by what others have found out, is not. Seen at 20:02. */
static struct queue_explain host_is_down(struct str host)
{
	struct queue_explain x = picture();

	x.entry.warn = false;
	x.destination.waits = SIM_START + 32 * MINUTE_MS;
	x.host = host;
	x.hosts = 1;
	x.host_serves = STR("c.test");
	queue_destination_init(&x.host_state, 2);
	x.host_state.failures = 3;
	x.host_state.last_try = SIM_START;
	x.host_state.next_probe = SIM_START + 30 * MINUTE_MS;
	x.host_state.last_reply = STR("no answer in time");
	return x;
}

#define HOST_CLOSING                                                                                 \
	"bob@b.test waits because its mail server mx.example.net takes no mail at present (it "      \
	"answered \"421 4.3.2 closing\", 3 attempts, last at 20:00). The next attempt is at 20:32, " \
	"or as soon as that server answers for another domain. " PUTS_OFF

static void test_host(void **state)
{
	struct queue_explain x = host_is_down(STR("mx.example.net"));

	expect(&x,
	    "bob@b.test waits because its mail server mx.example.net, which also serves c.test, could not "
	    "be reached (no answer in time, 3 attempts, last at 20:00). The next attempt is at 20:32, or as "
	    "soon as that server answers for another domain. " PUTS_OFF RETURNED);
	x.hosts_due = SIM_START + 33 * MINUTE_MS; /* a minute is no matter */
	x.host_state.last_reply = STR("421 4.3.2 closing");
	x.host_serves = STR("");
	expect(&x, HOST_CLOSING RETURNED);
	x.hosts_due = SIM_START + 34 * MINUTE_MS;
	expect(&x,
	    "bob@b.test waits because its mail server mx.example.net takes no mail at present (it answered "
	    "\"421 4.3.2 closing\", 3 attempts, last at 20:00). Its turn comes at 20:32, when b.test is "
	    "looked up anew; its servers that are known are tried again at 20:34 at the earliest, or as "
	    "soon as one of them answers for another domain. " RETURNED);
	x.hosts_due = 0;
	x.entry.attempts = 1; /* his own time is before that of the host */
	x.entry.not_before = SIM_START + 5 * MINUTE_MS;
	expect(&x, HOST_CLOSING "It is tried at 20:05 at the earliest. " RETURNED);
	x.entry.not_before = x.entry.attempts = 0;
	x.hosts = 2;
	expect(&x,
	    "bob@b.test waits because its mail server mx.example.net takes no mail at present (it answered "
	    "\"421 4.3.2 closing\", 3 attempts, last at 20:00). " REACH_HOSTS RETURNED);
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

#define LOST                                                                                       \
	"bob@b.test waits because the message could not be transferred to b.test (connection "     \
	"lost, 1 attempt, last at 20:00). "

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
	expect(&x, LOST "The next attempt is at 20:05. " RETURNED);
	x.destination.limit = x.active = 2;
	expect(&x, LOST "The next attempt is at 20:05, if a connection to b.test is "
			"free by then. " RETURNED);
	x.active = 0;
	x.destination.failures = 1;
	x.destination.next_probe = SIM_START + 4 * MINUTE_MS;
	expect(&x, LOST "The next attempt is at 20:05, if b.test can be reached by "
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
	    "follows. It is tried at 20:05:00 at the earliest. " RETURNED);
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

#define ROOM " It goes as soon as this server may open another connection. " RETURNED

static void test_may_go(void **state)
{
	static const char *const full[] = {
	    "bob@b.test waits because this server has as many connections to others open as it may "
	    "have for now." ROOM,
	    "bob@b.test waits because this server has as many connections to servers that it never "
	    "reached before as it may have for now." ROOM,
	    "bob@b.test waits because the connections that this server may still open are kept for "
	    "mail to others." ROOM,
	    "bob@b.test waits because mail to others has its turn before it, and this server may not open so "
	    "many connections." ROOM,
	};
	struct queue_explain x = picture();

	x.entry.warn = false;
	expect(&x,
	    "bob@b.test waits for its turn; b.test can be tried at once. The next attempt is due "
	    "now. " RETURNED);
	for (size_t i = 0; i < sizeof full / sizeof *full; i++) {
		x.full = (enum queue_explain_full)(1 + i);
		expect(&x, full[i]);
	}
	x.full = QUEUE_EXPLAIN_ROOM;
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
}

#define LAST                                                                                       \
	"bob@b.test waits because b.test could not be reached (connection refused, 3 attempts, "   \
	"last at 19:50:00). "
#define LAST_RETURN "it will be returned to alice@a.test at 20:00."

/* No probe is left in its life, and yet it may go. */
static void test_endings_that_others_turn(void **state)
{
	struct queue_explain x = unreachable();
	int64_t end = SIM_START + 5 * DAY_MS;

	x.destination.next_probe = end;
	x.destination.last_try = x.now = end - 10 * MINUTE_MS;
	x.active = 1;
	expect(&x,
	    LAST "An attempt with another message is under way; if b.test answers it, this one "
		 "follows. If none succeeds, " LAST_RETURN);
	x.entry.attempts = 1;
	x.entry.last_attempt = x.now;
	x.entry.not_before = end; /* too late, whatever that attempt comes to */
	x.last_reply = STR("450 4.7.1 greylisted");
	expect(&x,
	    "bob@b.test waits because b.test has not accepted the message yet (it answered \"450 4.7.1 "
	    "greylisted\", 1 attempt, last at 19:50:00). No further attempt is planned; " LAST_RETURN);
	x.entry.not_before = x.entry.attempts = x.active = 0;
	x.host = STR("mx.example.net");
	x.hosts = 1;
	x.host_state = x.destination;
	expect(&x, LAST
	    "No other attempt is due; one follows at once if one of its mail servers answers for another "
	    "domain. If none succeeds, " LAST_RETURN);
	x.destination = picture().destination;
	x.destination.waits = end;
	expect(&x,
	    "bob@b.test waits because its mail server mx.example.net could not be reached (connection "
	    "refused, 3 attempts, last at 19:50:00). No other attempt is due; one follows at once if that server answers "
	    "for another domain. If none succeeds, " LAST_RETURN);
	x.entry.not_before = end;
	x.entry.attempts = 1;
	expect(&x,
	    "bob@b.test waits because b.test has not accepted the message yet (it answered \"450 4.7.1 "
	    "greylisted\", 1 attempt, last at 19:50:00). No further attempt is planned; " LAST_RETURN);
}

/* Nothing is left to be tried: of each, what became of it, and what of its report. */
static void test_fates(void **state)
{
	static const struct {
		enum queue_explain_end end;
		const char *reply, *now, *later;
	} cases[] = {
	    {QUEUE_EXPLAIN_FAILED, "550 5.1.1 unknown",
		"bob@b.test cannot be delivered (550 5.1.1 unknown). It is now being returned to "
		"alice@a.test.",
		"bob@b.test cannot be delivered (550 5.1.1 unknown). "},
	    {QUEUE_EXPLAIN_EXPIRED, "no answer in time",
		"bob@b.test could not be delivered in time. It is now being returned to alice@a.test.",
		"bob@b.test could not be delivered in time. "},
	    {QUEUE_EXPLAIN_RELAYED, "250 2.0.0 taken",
		"bob@b.test was taken by the next server (250 2.0.0 taken). The report of it to "
		"alice@a.test is now being made.",
		"bob@b.test was taken by the next server (250 2.0.0 taken). "},
	    {QUEUE_EXPLAIN_DELIVERED, "",
		"bob@b.test was delivered into the mailbox. The report of it to alice@a.test is now "
		"being made.",
		"bob@b.test was delivered into the mailbox. "},
	    {QUEUE_EXPLAIN_EXPANDED, "",
		"bob@b.test was sent on to all addresses behind it. The report of it to alice@a.test "
		"is now being made.",
		"bob@b.test was sent on to all addresses behind it. "},
	};
	struct buf want;

	buf_init(&want, 1000);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct queue_explain x = picture();

		x.domain = STR("");
		x.end = cases[i].end;
		x.last_reply = str_of_c(cases[i].reply);
		expect(&x, cases[i].now);
		x.entry.not_before = MON + 5 * MINUTE_MS;
		buf_clear(&want);
		buf_c(&want, cases[i].later);
		buf_lit(&want, "The report of it to alice@a.test could not be delivered yet; it is "
			       "tried again at 20:07.");
		expect(&x, buf_cstr(&want));
	}
	buf_fini(&want);
}

/* Refused, and nobody, or another than the sender, is to hear of it. */
static void test_fates_of_no_sender(void **state)
{
	struct queue_explain x = picture();

	x.domain = STR("");
	x.end = QUEUE_EXPLAIN_FAILED;
	expect(&x, "bob@b.test cannot be delivered. It is now being returned to alice@a.test.");
	x.notify_failure = false;
	expect(&x,
	    "bob@b.test cannot be delivered. It is now being given up; alice@a.test asked not "
	    "to be told.");
	x.entry.not_before = MON + 5 * MINUTE_MS; /* with others that wait for their report */
	expect(&x,
	    "bob@b.test cannot be delivered. It leaves the queue at 20:07 at the earliest; no "
	    "report of it is made.");
	x.postmaster = x.entry.bounce = true;
	expect(&x,
	    "bob@b.test cannot be delivered. The report of it to the postmaster could not be "
	    "delivered yet; it is tried again at 20:07.");
	x = picture();
	x.domain = STR("");
	x.end = QUEUE_EXPLAIN_RELAYED;
	x.sender_refuses = true; /* what went well nobody is told of */
	expect(&x,
	    "bob@b.test was taken by the next server. It leaves the queue at 20:02:00 at the earliest; no "
	    "report of it is made.");
	x.end = QUEUE_EXPLAIN_FAILED;
	expect(&x,
	    "bob@b.test cannot be delivered. It is now being given up, and the postmaster is told of it, "
	    "because alice@a.test takes no mail.");
	x.entry.not_before = MON + 5 * MINUTE_MS; /* he took it then, and had no room */
	expect(&x,
	    "bob@b.test cannot be delivered. No further attempt is planned; it will be given up at 20:07, "
	    "and the postmaster is told of it, because alice@a.test takes no mail.");
	x.notify_failure = false;
	expect(&x,
	    "bob@b.test cannot be delivered. It leaves the queue at 20:07 at the earliest; no report of it "
	    "is made.");
}

/* The host that is named for its mail is what is spoken of: nobody has tried the domain. */
static void test_route(void **state)
{
	struct queue_explain x = unreachable();

	x.entry.warn = false;
	x.route = STR("smart.test");
	expect(&x,
	    "bob@b.test waits because the server smart.test through which mail for b.test is sent could "
	    "not be reached (connection refused, 3 attempts, last at 20:02). The next attempt to reach "
	    "smart.test is at 20:32. " RETURNED);
	x.destination.last_reply = STR("login failed: 535 no");
	expect(&x,
	    "bob@b.test waits because the connection to the server smart.test through which mail for "
	    "b.test is sent could not be used (login failed: 535 no, 3 attempts, last at 20:02). The "
	    "next attempt to reach smart.test is at 20:32. " RETURNED);
	x.host_state = x.destination;
	x.host = STR("smart.test");
	x.hosts = 1;
	expect(&x,
	    "bob@b.test waits because the connection to the server smart.test through which mail for "
	    "b.test is sent could not be used (login failed: 535 no, 3 attempts, last at 20:02). The "
	    "next attempt to reach smart.test is at 20:32, or as soon as that server answers for another "
	    "domain. " PUTS_OFF RETURNED);
	x.host = STR("smart.test:2525"); /* others have found out more about it since */
	x.host_state.failures = 5;
	x.host_state.last_try = SIM_START + MINUTE_MS;
	x.hosts_due = SIM_START + 61 * MINUTE_MS;
	expect(&x,
	    "bob@b.test waits because the connection to the server smart.test:2525 through which mail for "
	    "b.test is sent could not be used (login failed: 535 no, 5 attempts, last at 20:01). Its turn "
	    "comes at 20:32, when smart.test:2525 is looked up anew; its servers that are known are tried "
	    "again at 21:01 at the earliest, or as soon as one of them answers for another "
	    "domain. " RETURNED);
	x = host_is_down(STR("smart.test:2525"));
	x.route = STR("smart.test");
	expect(&x,
	    "bob@b.test waits because the server smart.test:2525 through which mail for b.test is sent "
	    "could not be reached (no answer in time, 3 attempts, last at 20:00). The next attempt is at "
	    "20:32, or as soon as that server answers for another domain. " PUTS_OFF RETURNED);
	x.host = STR("smart.test.example"); /* of before the route was named */
	expect(&x,
	    "bob@b.test waits because its mail server smart.test.example, which also serves c.test, could "
	    "not be reached (no answer in time, 3 attempts, last at 20:00). The next attempt is at 20:32, "
	    "or as soon as that server answers for another domain. " PUTS_OFF RETURNED);
	x.active = 1; /* at another of its hosts */
	expect(&x,
	    "bob@b.test waits because its mail server smart.test.example, which also serves c.test, could "
	    "not be reached (no answer in time, 3 attempts, last at 20:00). The next attempt is at 20:32, "
	    "or as soon as that server answers for another domain. " PUTS_OFF
	    "An attempt with another message is "
	    "under way; if smart.test answers it, this one follows. " RETURNED);
	x.active = 0;
	x.host_state.failures = 0;
	x.host = STR("SMART.test");
	x.host_active = 20;
	expect(&x,
	    "bob@b.test waits because the server SMART.test through which mail for b.test is sent has as "
	    "many connections as it may have at present (20 connections). It goes as soon as one of them "
	    "is free. " RETURNED);
}

/* Words that are put in stand without blanks in Chinese, an address keeps its own. */
static void test_route_in_chinese(void **state)
{
	struct queue_explain x = unreachable();

	x.entry.warn = false;
	x.route = STR("smart.test");
	x.sender = STR("爱丽丝@a.test");
	x.lang = QUEUE_LANG_ZH_HANS;
	expect(&x,
	    "发往 bob@b.test 的邮件正在等待，因为无法连接用来发送 b.test 邮件的服务器 smart.test"
	    "（connection refused，已尝试 3 次，最近一次在今天 20:02）。下一次尝试连接 smart.test 在今天 20:32。"
	    "如果都不成功，将在 11 月 28 日（星期六）20:00 退回给 爱丽丝@a.test。");
	x.lang = QUEUE_LANG_ZH_HANT;
	expect(&x,
	    "發往 bob@b.test 的郵件正在等待，因為無法連線到用來傳送 b.test 郵件的伺服器 smart.test"
	    "（connection refused，已嘗試 3 次，最近一次在今天 20:02）。下一次嘗試連線到 smart.test 在今天 20:32。"
	    "如果都不成功，將在 11 月 28 日（星期六）20:00 退回給 爱丽丝@a.test。");
}

/* It was reached, and had nothing that could be used. */
static void test_unusable(void **state)
{
	static const char *const whys[] = {
	    "TLS not offered", "TLS failed: certificate expired", "login failed", "no SMTP reply"};
	struct buf want;

	buf_init(&want, 1000);
	for (size_t i = 0; i < sizeof whys / sizeof *whys; i++) {
		struct queue_explain x = unreachable();

		x.entry.warn = false;
		x.destination.last_reply = str_of_c(whys[i]);
		buf_clear(&want);
		buf_lit(
		    &want, "bob@b.test waits because the connection to b.test could not be used (");
		buf_c(&want, whys[i]);
		buf_lit(&want,
		    ", 3 attempts, last at 20:02). The next attempt to reach b.test is at "
		    "20:32. " RETURNED);
		expect(&x, buf_cstr(&want));
	}
	buf_fini(&want);
}

/* The words of a time bring their own "at" or "on". */
static void test_words_before_times(void **state)
{
	struct queue_explain x = picture();

	x.held = MON - HOUR_MS;
	expect(&x, "bob@b.test was held back by an administrator at 19:02: it is neither tried nor "
		   "returned until it is released.");
	x = picture();
	x.here = true;
	x.entry.not_before = SIM_START + 30 * MINUTE_MS;
	expect(&x,
	    "bob@b.test waits because its sender wants it to be delivered at 20:30 at the earliest; then "
	    "it goes into the mailbox.");
	x.now = x.entry.not_before;
	expect(&x, "bob@b.test goes into the mailbox as soon as this server can put it there.");
	x.now = MON;
	x.entry.attempts = 1;
	x.last_reply = STR("452 4.2.2 full");
	expect(&x,
	    "bob@b.test waits because the mailbox does not take the message (452 4.2.2 full). The next "
	    "attempt is at 20:30. " RETURNED " " WARNED);
	x.entry.by = QUEUE_BY_RETURN;
	x.entry.by_time = x.entry.not_before;
	expect(&x,
	    "bob@b.test waits because the mailbox does not take the message (452 4.2.2 full). No further "
	    "attempt is planned; it will be returned to alice@a.test at 20:30. Its sender wants it to be "
	    "returned if it is not delivered by then.");
	x = picture();
	x.backup = true;
	x.entry.warn = false;
	expect(&x,
	    "bob@b.test waits for its turn; b.test can be tried at once. The next attempt is due "
	    "now. " RETURNED " b.test is a relay domain: its mail is kept for its own server.");
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
	    "Its time ended while the server was not running, or as its clock was set ahead: unless an attempt succeeds, it will "
	    "be "
	    "returned to alice@a.test, at the latest at 20:48.");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_failing),
	    cmocka_unit_test(test_failing_in_line),
	    cmocka_unit_test(test_host),
	    cmocka_unit_test(test_zone),
	    cmocka_unit_test(test_own),
	    cmocka_unit_test(test_may_go),
	    cmocka_unit_test(test_endings),
	    cmocka_unit_test(test_endings_that_others_turn),
	    cmocka_unit_test(test_fates),
	    cmocka_unit_test(test_fates_of_no_sender),
	    cmocka_unit_test(test_route),
	    cmocka_unit_test(test_route_in_chinese),
	    cmocka_unit_test(test_unusable),
	    cmocka_unit_test(test_words_before_times),
	    cmocka_unit_test(test_set_back),
	    cmocka_unit_test(test_late),
	    cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
