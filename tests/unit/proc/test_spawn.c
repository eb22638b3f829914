/* Processes that end and are started again from the callback that says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/mem.h"
#include "proc/spawn.h"

#define STARTS      3
#define EXIT_STATUS 3

static struct {
	size_t ends;
	size_t downs;
} seen;

static void on_request(struct peer *p, struct ipc_request *r, struct str payload, int fd)
{
	fail();
}

static void on_event(struct peer *p, uint16_t type, struct str payload, int fd)
{
	fail();
}

static void on_down(struct peer *p, const char *why)
{
	struct spawn *s = p->owner;

	s->link = NULL;
	seen.downs++;
}

static const struct peer_config link_config = {
    &sc_edge, IPC_ASKER, "child", on_request, on_event, on_down};

static void start(struct spawn *s)
{
	struct err e;

	assert_int_equal(spawn_start(s, uv_default_loop(), &link_config, &e), 0);
	assert_true(s->running);
}

static void on_exit_start_again(struct spawn *s, int64_t status, int signal)
{
	assert_int_equal(status, EXIT_STATUS);
	assert_int_equal(signal, 0);
	assert_false(s->running);
	spawn_kill(s); /* nobody is there to be killed */
	if (++seen.ends < STARTS)
		start(s);
}

static void test_start_again_at_the_end(void **state)
{
	struct spawn s = {.role = SC_ROLE_MX, .on_exit = on_exit_start_again};

	start(&s);
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	assert_int_equal(seen.ends, STARTS);
	assert_null(s.link);
	assert_int_equal(uv_loop_close(uv_default_loop()), 0);
}

/* Started as a child of itself it ends at once. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_start_again_at_the_end),
	};

	if (argc > 1)
		return EXIT_STATUS;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
