/* Frames of a feed: cut anywhere they are waited for, malformed ones are told. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/wire.h"
#include "ipc/admin.h"

static void there_and_back(void **state)
{
	struct admin_feed_begin begin = {STR("Work/A"), 77, 5, STR("P: x\r\n")}, b;
	struct admin_feed_end end = {-5, STR("$seen"), STR("\0\1")}, e;
	enum admin_feed_kind kind;
	struct str stream, payload;
	struct buf out;

	buf_init(&out, 64 * KIB);
	admin_feed_begin_put(&out, &begin);
	admin_feed_data_put(&out, STR("octets"));
	admin_feed_end_put(&out, &end);
	admin_feed_drop_put(&out);
	stream = buf_view(&out);
	assert_int_equal(admin_feed_next(&stream, &kind, &payload), 1);
	assert_int_equal(kind, ADMIN_FEED_BEGIN);
	assert_true(admin_feed_begin_get(payload, &b));
	assert_true(str_eq(b.path, begin.path) && str_eq(b.prefix, begin.prefix));
	assert_true(b.id == 77 && b.length == 5);
	assert_int_equal(admin_feed_next(&stream, &kind, &payload), 1);
	assert_int_equal(kind, ADMIN_FEED_DATA);
	assert_true(str_eq(payload, STR("octets")));
	assert_int_equal(admin_feed_next(&stream, &kind, &payload), 1);
	assert_int_equal(kind, ADMIN_FEED_END);
	assert_true(admin_feed_end_get(payload, &e));
	assert_true(e.received == -5 && str_eq(e.keywords, end.keywords));
	assert_true(str_eq(e.summary, end.summary));
	assert_int_equal(admin_feed_next(&stream, &kind, &payload), 1);
	assert_int_equal(kind, ADMIN_FEED_DROP);
	assert_int_equal(admin_feed_next(&stream, &kind, &payload), 0);
	for (size_t n = 0; n < out.n; n++) {
		struct str cut = str_sub(buf_view(&out), 0, n);

		while (admin_feed_next(&cut, &kind, &payload) == 1)
			continue;
		assert_true(cut.n < out.n);
		assert_int_equal(admin_feed_next(&cut, &kind, &payload), 0);
	}
	buf_fini(&out);
}

static void malformed(void **state)
{
	enum admin_feed_kind kind;
	struct admin_feed_begin b;
	struct admin_feed_end e;
	struct str payload, stream = STR("\x04\0\0\0\0");

	assert_int_equal(admin_feed_next(&stream, &kind, &payload), -1);
	stream = STR("\1\0\1\0\0");
	assert_int_equal(admin_feed_next(&stream, &kind, &payload), -1); /* too long */
	assert_false(admin_feed_begin_get(STR("\0\0\0"), &b));
	assert_false(admin_feed_end_get(STR("\0\0\0\0\0\0\0\0\0\0\0\1"), &e));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(there_and_back),
	    cmocka_unit_test(malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
