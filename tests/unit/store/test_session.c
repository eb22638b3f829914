/* Handles open nothing on another link, and end with their link or account. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "store/session.h"

static struct session_table table;

static int setup(void **state)
{
	session_table_init(&table, 3);
	return 0;
}

static int teardown(void **state)
{
	session_table_fini(&table);
	return 0;
}

static void a_handle_is_bound_to_its_link(void **state)
{
	struct session *s = session_open(&table, 7, 1);
	struct session_handle h = s->handle, forged = h;

	assert_ptr_equal(session_find(&table, 7, &h), s);
	assert_null(session_find(&table, 8, &h));
	forged.b[15] ^= 1;
	assert_null(session_find(&table, 7, &forged));
	forged = (struct session_handle){0};
	assert_null(session_find(&table, 7, &forged));
	session_close(&table, s);
	assert_null(session_find(&table, 7, &h));
}

static void handles_differ(void **state)
{
	struct session *a = session_open(&table, 7, 1), *b = session_open(&table, 7, 1);

	assert_memory_not_equal(a->handle.b, b->handle.b, sizeof a->handle.b);
}

static void the_table_is_bounded(void **state)
{
	for (int i = 0; i < 3; i++)
		assert_non_null(session_open(&table, 1, i));
	assert_null(session_open(&table, 1, 9));
	assert_int_equal(session_close_link(&table, 1), 3);
	assert_non_null(session_open(&table, 1, 9));
}

static void ends_with_link_or_account(void **state)
{
	struct session *a = session_open(&table, 1, 10);
	struct session *b = session_open(&table, 2, 10);
	struct session *c = session_open(&table, 2, 11);
	struct session_handle ha = a->handle, hb = b->handle, hc = c->handle;

	assert_int_equal(session_close_account(&table, 10), 2);
	assert_null(session_find(&table, 1, &ha));
	assert_null(session_find(&table, 2, &hb));
	assert_ptr_equal(session_find(&table, 2, &hc), c);
	assert_int_equal(session_close_link(&table, 1), 0);
	assert_int_equal(session_close_link(&table, 2), 1);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(a_handle_is_bound_to_its_link),
	    T(handles_differ),
	    T(the_table_is_bounded),
	    T(ends_with_link_or_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
