/* What the store is fed: whole messages, and of those that cannot be stored only their end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/limits.h"
#include "cli/cli_feed.h"
#include "ipc/admin.h"
#include "mime/mime_mbox.h"

static struct cli_feed feed;

static int setup(void **state)
{
	cli_feed_init(&feed, "feeding", NULL, NULL);
	cli_feed_begin(&feed, &(struct admin_feed_begin){.path = STR("INBOX")});
	return 0;
}

static int teardown(void **state)
{
	cli_feed_fini(&feed);
	return 0;
}

/* The letters of what lies there: begin, data, end, drop. */
static void expect_frames(const char *letters)
{
	struct str rest = buf_view(&feed.up), payload;
	enum admin_feed_kind kind;

	for (; admin_feed_next(&rest, &kind, &payload) > 0; letters++)
		assert_int_equal(*letters, kind == ADMIN_FEED_BEGIN  ? 'b'
					   : kind == ADMIN_FEED_DATA ? 'd'
					   : kind == ADMIN_FEED_END  ? 'e'
								     : 'x');
	assert_int_equal(*letters, 0);
	assert_int_equal(rest.n, 0);
}

static void whole(void **state)
{
	cli_feed_bytes(&feed, STR("Subject: x\r\n\r\n"));
	cli_feed_bytes(&feed, STR("text\r\n"));
	assert_null(cli_feed_end(&feed, MIME_MBOX_NO_DATE, STR(""), STR("")));
	expect_frames("bdde");
}

static void empty(void **state)
{
	assert_string_equal(
	    cli_feed_end(&feed, MIME_MBOX_NO_DATE, STR(""), STR("")), "it is empty");
	expect_frames("bx");
}

/* As if so many octets had come before. */
static void too_large(void **state)
{
	feed.size = (int64_t)LIMIT_MESSAGE_SIZE - 2;
	cli_feed_bytes(&feed, STR("a\n"));
	cli_feed_bytes(&feed, STR("b"));
	cli_feed_bytes(&feed, STR("c"));
	assert_string_equal(cli_feed_end(&feed, MIME_MBOX_NO_DATE, STR(""), STR("")),
	    "it is larger than the 2 GiB that a message may have");
	expect_frames("bdx");
	cli_feed_begin(&feed, &(struct admin_feed_begin){.path = STR("INBOX")});
	cli_feed_bytes(&feed, STR("text\r\n"));
	assert_null(cli_feed_end(&feed, MIME_MBOX_NO_DATE, STR(""), STR("")));
	expect_frames("bdxbde");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(whole, setup, teardown),
	    cmocka_unit_test_setup_teardown(empty, setup, teardown),
	    cmocka_unit_test_setup_teardown(too_large, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
