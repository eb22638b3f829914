/* Over the edge between relay and store: there and back, cut, and what cannot be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/wire.h"
#include "ipc/relay_store.h"

static struct buf b;

static int set_up(void **state)
{
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	return 0;
}

static int tear_down(void **state)
{
	buf_fini(&b);
	return 0;
}

/* Each of its truths by itself: none stands for another. */
static void test_job(void **state)
{
	for (int i = 0; i < 5; i++) {
		struct rs_recipient to = {3, STR("bob@a.test"), 2, STR("rfc822;b@a.test")}, got_to;
		struct rs_job m = {.lease = {11, 12},
		    .destination = STR("a.test via smart.test"),
		    .route = {.host = STR("smart.test"), .port = 587, .user = STR("us")},
		    .host = STR("smart.test:587 as us"),
		    .reverse_path = STR("ann@b.test"),
		    .eightbit = i == 0,
		    .utf8 = i == 1,
		    .ret = 1,
		    .priority = -4,
		    .has_priority = i == 2,
		    .by = QUEUE_BY_NOTIFY,
		    .by_time = 99,
		    .by_trace = i == 3,
		    .envid = STR("e"),
		    .size = 5,
		    .attempts = 6,
		    .brief = i == 4,
		    .recipient_count = 1};
		struct rs_job got;
		struct buf recipients;
		struct cur c;

		buf_init(&recipients, LIMIT_ENVELOPE);
		rs_recipient_put(&recipients, &to);
		m.recipients = buf_view(&recipients);
		buf_clear(&b);
		rs_job_put(&b, &m);
		c = cur_of(buf_view(&b));
		assert_true(rs_job_next(&c, &got) && cur_done(&c));
		assert_true(got.lease.message == 11 && got.lease.token == 12);
		assert_true(str_eq(got.destination, m.destination) && str_eq(got.host, m.host));
		assert_true(str_eq(got.route.host, m.route.host) && got.route.port == 587);
		assert_true(str_eq(got.reverse_path, m.reverse_path) && str_eq(got.envid, m.envid));
		assert_int_equal(got.eightbit, i == 0);
		assert_int_equal(got.utf8, i == 1);
		assert_int_equal(got.has_priority, i == 2);
		assert_int_equal(got.by_trace, i == 3);
		assert_int_equal(got.brief, i == 4);
		assert_true(got.ret == 1 && got.priority == -4 && got.by == QUEUE_BY_NOTIFY);
		assert_true(got.by_time == 99 && got.size == 5 && got.attempts == 6);
		c = cur_of(got.recipients);
		assert_true(rs_recipient_next(&c, &got_to) && cur_done(&c));
		assert_true(str_eq(got_to.address, to.address) && str_eq(got_to.orcpt, to.orcpt));
		assert_true(got_to.number == 3 && got_to.notify == 2);
		for (size_t n = 0; n < b.n; n++) {
			c = cur_of(str_of(b.p, n));
			assert_false(rs_job_next(&c, &got));
		}
		buf_fini(&recipients);
	}
}

static void test_callout(void **state)
{
	struct rs_callout m = {.number = 7,
	    .destination = STR("a.test"),
	    .route = {.host = STR("192.0.2.1"),
		.port = 25,
		.tls = 2,
		.user = STR("us"),
		.password = STR("secret")},
	    .address = STR("bob@a.test")};
	struct rs_callout got;

	rs_callout_put(&b, &m);
	assert_true(rs_callout_get(buf_view(&b), &got));
	assert_int_equal(got.number, 7);
	assert_true(str_eq(got.destination, m.destination) && str_eq(got.address, m.address));
	assert_true(str_eq(got.route.host, m.route.host) && got.route.port == 25);
	assert_true(str_eq(got.route.password, m.route.password) && got.route.tls == 2);
	for (size_t n = 0; n < b.n; n++)
		assert_false(rs_callout_get(str_of(b.p, n), &got));
	buf_byte(&b, 0);
	assert_false(rs_callout_get(buf_view(&b), &got));
	buf_clear(&b);
	m.number = 0;
	rs_callout_put(&b, &m);
	assert_false(rs_callout_get(buf_view(&b), &got));
}

static void test_called(void **state)
{
	struct rs_called got,
	    m = {7, {.stage = QUEUE_STAGE_RCPT, .code = 550, .status = {5, 1, 1}}, STR("no")};

	rs_called_put(&b, &m);
	assert_true(rs_called_get(buf_view(&b), &got));
	assert_int_equal(got.number, 7);
	assert_int_equal(got.attempt.stage, QUEUE_STAGE_RCPT);
	assert_int_equal(got.attempt.code, 550);
	assert_int_equal(got.attempt.status.detail, 1);
	assert_true(str_eq(got.text, STR("no")));
	for (size_t n = 0; n < b.n; n++)
		assert_false(rs_called_get(str_of(b.p, n), &got));
	buf_byte(&b, 0);
	assert_false(rs_called_get(buf_view(&b), &got));
}

static void test_called_refused(void **state)
{
	static const struct rs_called rows[] = {
	    {.number = 0},
	    {.number = -1},
	    {.number = 1, .attempt.stage = QUEUE_STAGES},
	    {.number = 1, .attempt.problem = QUEUE_PROBLEMS},
	    {.number = 1, .attempt.code = 600},
	    {.number = 1, .attempt.status.class = 3},
	};
	struct rs_called got = {.number = 66};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		buf_clear(&b);
		rs_called_put(&b, &rows[i]);
		assert_false(rs_called_get(buf_view(&b), &got));
		assert_int_equal(got.number, 66);
	}
}

/* The longest of each is one that the edge carries; a text is cut by its writer. */
static void test_sizes(void **state)
{
	static uint8_t fill[2 * RS_TEXT_MAX];
	struct rs_callout m = {.number = 1,
	    .destination = str_of(fill, LIMIT_QUEUE_DESTINATION),
	    .route = {.host = str_of(fill, LIMIT_SMTP_DOMAIN),
		.user = str_of(fill, LIMIT_USER_NAME),
		.password = str_of(fill, LIMIT_PASSWORD)},
	    .address = str_of(fill, LIMIT_SMTP_PATH)};
	struct rs_called called = {.number = 1, .text = str_of(fill, sizeof fill)};
	struct rs_callout got;
	struct rs_called got_called;

	rs_callout_put(&b, &m);
	assert_true(b.n <= rs_edge.types[RS_CALLOUT].max);
	assert_true(rs_callout_get(buf_view(&b), &got));
	buf_clear(&b);
	rs_called_put(&b, &called);
	assert_true(b.n <= rs_edge.types[RS_CALLED].max);
	assert_true(rs_called_get(buf_view(&b), &got_called));
	assert_int_equal(got_called.text.n, RS_TEXT_MAX);
}

/* The same of a way with as many hosts as there may be. */
static void test_way_sizes(void **state)
{
	static uint8_t fill[2 * RS_TEXT_MAX];
	struct rs_way m = {.lease = {1, 1},
	    .failed = str_of(fill, RS_PLACE_MAX),
	    .text = str_of(fill, sizeof fill),
	    .count = RS_HOSTS_MAX};
	struct rs_host host = {.name = str_of(fill, RS_PLACE_MAX)};
	struct buf hosts;
	struct rs_way got;
	struct cur c;

	buf_init(&hosts, LIMIT_IPC_PAYLOAD);
	for (int i = 0; i < RS_HOSTS_MAX; i++)
		rs_host_put(&hosts, &host);
	m.hosts = buf_view(&hosts);
	rs_way_put(&b, &m);
	assert_true(b.n <= rs_edge.types[RS_WAY].max);
	assert_true(rs_way_get(buf_view(&b), &got));
	assert_int_equal(got.failed.n, RS_PLACE_MAX);
	c = cur_of(got.hosts);
	for (int i = 0; i < RS_HOSTS_MAX; i++)
		assert_true(rs_host_next(&c, &host) && host.name.n == RS_PLACE_MAX);
	assert_true(cur_done(&c));
	buf_fini(&hosts);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(test_job),
	    T(test_callout),
	    T(test_called),
	    T(test_called_refused),
	    T(test_sizes),
	    T(test_way_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
