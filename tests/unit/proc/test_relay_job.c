/* Jobs of the relay, from the lease to the report that store has. Store is at the other end of a link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/mem.h"
#include "link_rig.h"
#include "proc/relay.h"

static struct {
	struct relay relay;
	struct peer store;
	struct ipc_link *answerer;
	enum rs_verdict verdict; /* of every result */
	bool silent;             /* results stay open */
	struct ipc_request *open;
	struct ipc_request *wish; /* for jobs */
	uint32_t room;
	int results, extended;
	struct rs_outcome outcome; /* of the last result, without its text */
} f;

/* ---- store ---- */
static void end_with(struct ipc_request *r, enum rs_verdict verdict)
{
	struct buf b;

	buf_init(&b, 8);
	rs_verdict_put(&b, verdict);
	ipc_request_end(r, buf_view(&b));
	buf_fini(&b);
}

static void take_result(struct ipc_request *r, struct str payload)
{
	struct rs_result m;
	struct cur c;

	assert_true(rs_result_get(payload, &m));
	c = cur_of(m.outcomes);
	for (uint32_t i = 0; i < m.count; i++)
		assert_true(rs_outcome_next(&c, &f.outcome));
	f.results++;
	f.open = r;
	if (!f.silent)
		end_with(r, f.verdict);
}

static void on_request(void *user, struct ipc_request *r, struct str payload, int fd)
{
	if (r->type == RS_RESULT) {
		take_result(r, payload);
		return;
	}
	assert_int_equal(r->type, RS_LEASE);
	assert_null(f.wish);
	assert_true(rs_lease_get(payload, &f.room));
	f.wish = r;
}

static void on_event(void *user, uint16_t type, struct str payload, int fd)
{
	struct rs_lease lease;

	assert_int_equal(type, RS_EXTEND);
	assert_true(rs_handle_get(payload, &lease));
	f.extended++;
}

static void on_wake(void *user)
{
}

static const struct ipc_handler handler = {on_request, on_event, on_wake};

static void carry_all(void)
{
	while (link_rig_carry(f.store.link, f.answerer) || link_rig_carry(f.answerer, f.store.link))
		;
}

static void connect_store(void)
{
	f.store.link = ipc_link_new(&rs_edge, IPC_ASKER, &handler, NULL);
	f.answerer = ipc_link_new(&rs_edge, IPC_ANSWERER, &handler, NULL);
}

/* Its process dies: what was asked is lost. */
static void disconnect_store(void)
{
	ipc_link_close(&f.store.link);
	ipc_link_close(&f.answerer);
	if (f.wish)
		ipc_request_end(f.wish, STR(""));
	f.wish = NULL;
}

static int up(void **state)
{
	memset(&f, 0, sizeof f);
	list_init(&f.relay.sessions);
	list_init(&f.relay.jobs);
	list_init(&f.relay.results);
	list_init(&f.relay.callouts);
	f.relay.store = &f.store;
	connect_store();
	return 0;
}

static int down(void **state)
{
	assert_int_equal(f.relay.job_count, 0);
	assert_true(list_is_empty(&f.relay.jobs) && list_is_empty(&f.relay.results));
	disconnect_store();
	return 0;
}

/* ---- jobs ---- */
/* As recipient and as sender. */
static struct relay_job *take(const char *address)
{
	struct rs_recipient r = {.number = 3, .address = str_of_c(address)};
	struct rs_job job = {.lease = {7, 9},
	    .destination = STR("b.test"),
	    .reverse_path = r.address,
	    .recipient_count = 1};
	struct relay_job *j;
	struct buf b;

	buf_init(&b, 1024);
	rs_recipient_put(&b, &r);
	job.recipients = buf_view(&b);
	j = relay_job_new(&f.relay, &job);
	buf_fini(&b);
	return j;
}

static void report_lost(struct relay_job *j)
{
	static const struct relay_remote nobody;

	relay_job_fail(j, &nobody,
	    &(struct queue_attempt){.stage = QUEUE_STAGE_CONNECT, .problem = QUEUE_PROBLEM_REFUSED},
	    STR("connection refused"));
}

static void test_reported(void **state)
{
	struct relay_job *j = take("bob@b.test");

	assert_non_null(j);
	assert_int_equal(f.relay.job_count, 1);
	report_lost(j);
	assert_int_equal(f.relay.job_count, 1); /* until store has it */
	carry_all();
	assert_int_equal(f.results, 1);
	assert_int_equal(f.outcome.number, 3);
	assert_int_equal(f.outcome.attempt.problem, QUEUE_PROBLEM_REFUSED);
	assert_int_equal(f.relay.job_count, 0);
	assert_non_null(f.wish); /* there is room again */
	assert_int_equal(f.room, RELAY_JOBS_MAX);
}

static void test_stale(void **state)
{
	f.verdict = RS_STALE;
	report_lost(take("bob@b.test"));
	carry_all();
	assert_int_equal(f.results, 1);
	assert_int_equal(f.relay.job_count, 0);
}

/* Store cannot take it now: it is said again, and meanwhile its lease is kept. */
static void test_said_again(void **state)
{
	f.verdict = RS_TEMPORARY;
	report_lost(take("bob@b.test"));
	for (int i = 1; i <= 3; i++) {
		carry_all();
		assert_int_equal(f.results, i);
		assert_int_equal(f.relay.job_count, 1);
		relay_job_extend(&f.relay);
		carry_all();
		assert_int_equal(f.extended, i);
		relay_job_resend(&f.relay);
	}
	f.verdict = RS_DONE;
	carry_all();
	assert_int_equal(f.results, 4);
}

/* No second time while the first is on its way. */
static void test_not_said_twice(void **state)
{
	f.silent = true;
	report_lost(take("bob@b.test"));
	carry_all();
	relay_job_resend(&f.relay);
	carry_all();
	assert_int_equal(f.results, 1);
	end_with(f.open, RS_DONE);
	carry_all();
}

static void test_store_dies_with_it(void **state)
{
	f.silent = true;
	report_lost(take("bob@b.test"));
	carry_all();
	disconnect_store();
	ipc_request_end(f.open, STR(""));
	relay_job_resend(&f.relay); /* there is nobody */
	relay_job_extend(&f.relay);
	report_lost(take("eve@b.test"));
	assert_int_equal(f.relay.job_count, 2);
	f.silent = false;
	connect_store();
	relay_job_extend(&f.relay);
	relay_job_resend(&f.relay);
	carry_all();
	assert_int_equal(f.extended, 2);
	assert_int_equal(f.results, 3);
}

/* A new link before the old one is closed: what the old one was asked is not waited for. */
static void test_next_store_comes_first(void **state)
{
	struct ipc_link *old = f.store.link, *old_answerer = f.answerer;
	struct ipc_request *first;

	f.silent = true;
	report_lost(take("bob@b.test"));
	carry_all();
	first = f.open;
	relay_job_forget_link(&f.relay);
	connect_store();
	f.silent = false;
	relay_job_resend(&f.relay);
	carry_all();
	assert_int_equal(f.results, 2);
	ipc_link_close(&old);
	ipc_link_close(&old_answerer);
	ipc_request_end(first, STR(""));
}

/* What callouts have is not asked for. */
static void test_callouts_take_room(void **state)
{
	f.relay.callout_count = 30;
	relay_want_jobs(&f.relay);
	carry_all();
	assert_int_equal(f.room, RELAY_JOBS_MAX - 30);
}

static void test_abandoned(void **state)
{
	relay_job_abandon(take("bob@b.test"));
	carry_all();
	assert_int_equal(f.results, 0);
}

/* It cannot be sent, but is not kept until its lease ends. */
static void test_address_that_is_none(void **state)
{
	assert_null(take("no address"));
	assert_int_equal(f.relay.job_count, 1);
	carry_all();
	assert_int_equal(f.results, 1);
	assert_int_equal(f.outcome.attempt.problem, QUEUE_PROBLEM_LOCAL);
}

/* What MAIL takes is sent on, and reports go to it [RFC 5321 4.5.3.1.1]. */
static void test_long_local_part(void **state)
{
	char address[128];
	struct relay_job *j;

	memset(address, 'a', 100);
	memcpy(address + 100, "@b.test", sizeof "@b.test");
	j = take(address);
	assert_non_null(j);
	assert_int_equal(j->message.reverse.local.n, 100);
	relay_job_abandon(j);
	carry_all();
	assert_int_equal(f.results, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_reported),
	    T(test_stale),
	    T(test_said_again),
	    T(test_not_said_twice),
	    T(test_store_dies_with_it),
	    T(test_next_store_comes_first),
	    T(test_callouts_take_room),
	    T(test_abandoned),
	    T(test_address_that_is_none),
	    T(test_long_local_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
