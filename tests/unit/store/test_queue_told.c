/* Who is told of what failed, and what the trace says of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "queue_test.h"

#include "base/limits.h"
#include "store/trace.h"

static void take_story(void *ctx, const struct trace_event *e)
{
	if (e->kind == TRACE_BOUNCED || e->kind == TRACE_NOTICE)
		buf_printf(ctx, "%lld %.*s\n", (long long)e->recipient, STR_FMT(e->text));
}

static void expect_story(int64_t message, const char *want)
{
	struct buf b;

	buf_init(&b, 16 * KIB);
	assert_int_equal(trace_message(q.rig.db, message, take_story, &b), DB_ROW);
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
}

/* The trace says of each who was told of him, and never that it went back where it did not. */
static void trace_says_who_is_told(void **state)
{
	static const char *const two[] = {"x@b.test", "y@b.test", NULL};
	int64_t id;

	q.world = unknown;
	id = qrig_send(&q, "ann@a.test", QUEUE_NOTIFY_NEVER, two);
	qrig_work(&q);
	expect_story(id, "0 nobody is told: its sender asked for no report\n"
			 "1 nobody is told: its sender asked for no report\n"
			 "0 could not be delivered: 550 5.1.1 no such user\n"
			 "1 could not be delivered: 550 5.1.1 no such user\n");
	id = qrig_send_one(&q, "", "x@b.test");
	qrig_work(&q);
	expect_story(id, "0 nobody is told: it has no sender\n"
			 "0 could not be delivered: 550 5.1.1 no such user\n");
	id = qrig_send(&q, "ann@a.test", 0, two);
	rig_sql(&q.rig, "UPDATE queue SET notify = 1 WHERE recipient = 1");
	qrig_work(&q);
	assert_int_equal(qrig_count(&q, "trace WHERE recipient = -1 AND text LIKE 'the sender is"
					" told by message %'"),
	    1);
	assert_int_equal(
	    qrig_count(&q, "trace WHERE recipient = 0 AND text LIKE 'nobody is told%'"), 2);
	assert_int_equal(
	    qrig_count(&q, "trace WHERE recipient = 1 AND text LIKE 'nobody is told%'"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(trace_says_who_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
