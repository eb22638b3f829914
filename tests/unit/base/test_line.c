/* The line framer: every case whole and at every split; limits to the octet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/line.h"

#define MAX 12

static const char *const names[] = {"more", "done", "bare", "long"};

/* What came out, as "done:QUIT|bare:x|". */
static void run(struct line_in *l, struct str in, struct buf *log)
{
	while (in.n) {
		struct str line;
		size_t used;
		enum line_status s = line_in_next(l, in, &used, &line);

		assert_true(used > 0);
		in = str_from(in, used);
		if (s == LINE_MORE)
			continue;
		buf_c(log, names[s]);
		buf_byte(log, ':');
		buf_str(log, line);
		buf_byte(log, '|');
	}
}

static void test_every_split(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
	    {"QUIT\r\n", "done:QUIT|"},
	    {"A\r\nB\r\n", "done:A|done:B|"},
	    {"\r\n", "done:|"},
	    {"A\n", "bare:A|"},
	    {"A\rB\r\n", "bare:A\rB|"},
	    {"A\r\r\n", "bare:A\r|"},
	    {"A\n\r\n", "bare:A|done:|"},
	    {"QUIT", ""},
	    {"QUIT\r", ""},
	    {"0123456789\r\n", "done:0123456789|"},
	    {"01234567890\r\nB\r\n", "long:0123|done:B|"},
	    {"0123456789012345678901234567890\r\nB\r\n", "long:0123|done:B|"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct str in = str_of_c(cases[i].in);

		for (size_t split = 0; split <= in.n; split++) {
			struct line_in l;
			struct buf log;

			line_in_init(&l, MAX);
			buf_init(&log, 1000);
			run(&l, str_sub(in, 0, split), &log);
			run(&l, str_from(in, split), &log);
			if (!str_eq(buf_view(&log), str_of_c(cases[i].want)))
				fail_msg(
				    "case %zu split %zu: %.*s", i, split, STR_FMT(buf_view(&log)));
			buf_fini(&log);
			line_in_fini(&l);
		}
	}
}

static void test_byte_by_byte_in_bounded_memory(void **state)
{
	struct line_in l;
	struct buf log;

	line_in_init(&l, MAX);
	buf_init(&log, 1000);
	for (int i = 0; i < 100000; i++)
		run(&l, STR("x"), &log);
	assert_true(l.acc.cap <= MAX + 1);
	run(&l, STR("\r\n"), &log);
	run(&l, STR("ok\r\n"), &log);
	assert_true(str_eq(buf_view(&log), STR("long:xxxx|done:ok|")));
	buf_fini(&log);
	line_in_fini(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_split),
	    cmocka_unit_test(test_byte_by_byte_in_bounded_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
