/* libunbound's events on our loop, used as it uses them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unbound-event.h>
#include <unistd.h>

#include "proc/dns_loop.h"

struct seen {
	int count;
	short bits;
};

static struct {
	uv_loop_t loop;
	struct ub_event_base *base;
	int a[2], b[2]; /* socket pairs: our end, the event's */
	struct seen seen;
} f;

static void on_event(int fd, short bits, void *arg)
{
	struct seen *s = arg;

	s->count++;
	s->bits = bits;
}

static int up(void **state)
{
	f.seen = (struct seen){0, 0};
	f.base = NULL;
	if (uv_loop_init(&f.loop) || socketpair(AF_UNIX, SOCK_STREAM, 0, f.a) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, f.b))
		return -1;
	f.base = dns_loop_new(&f.loop);
	return 0;
}

static int down(void **state)
{
	for (size_t i = 0; i < 2; i++) {
		close(f.a[i]);
		close(f.b[i]);
	}
	dns_loop_free(&f.base);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	return uv_loop_close(&f.loop);
}

static struct ub_event *new_event(int fd, short bits)
{
	return f.base->vmt->new_event(f.base, fd, bits, on_event, &f.seen);
}

static void send_octet(int fd)
{
	assert_int_equal(write(fd, "x", 1), 1);
}

static void turn(void)
{
	uv_run(&f.loop, UV_RUN_NOWAIT);
}

static void test_persistent_event(void **state)
{
	struct ub_event *e = new_event(f.a[1], UB_EV_READ | UB_EV_PERSIST);

	assert_int_equal(e->vmt->add(e, NULL), 0);
	turn();
	assert_int_equal(f.seen.count, 0);
	send_octet(f.a[0]);
	turn();
	turn();
	assert_int_equal(f.seen.count, 2); /* it was not read */
	assert_int_equal(f.seen.bits, UB_EV_READ);
	e->vmt->del(e);
	turn();
	assert_int_equal(f.seen.count, 2);
	assert_int_equal(e->vmt->add(e, NULL), 0);
	turn();
	assert_int_equal(f.seen.count, 3);
	e->vmt->free(e);
}

static void test_event_that_fires_once(void **state)
{
	struct ub_event *e = new_event(f.a[1], UB_EV_READ | UB_EV_TIMEOUT);
	struct timeval soon = {0, 1000};

	send_octet(f.a[0]);
	assert_int_equal(e->vmt->add(e, NULL), 0);
	turn();
	turn();
	assert_int_equal(f.seen.count, 1);
	assert_int_equal(e->vmt->add(e, &soon), 0);
	turn();
	assert_int_equal(f.seen.count, 2);
	e->vmt->free(e);
}

static void test_timeout(void **state)
{
	struct ub_event *e = new_event(f.a[1], UB_EV_READ | UB_EV_TIMEOUT);
	struct timeval soon = {0, 1000};

	assert_int_equal(e->vmt->add(e, &soon), 0);
	while (f.seen.count == 0)
		uv_run(&f.loop, UV_RUN_ONCE);
	assert_int_equal(f.seen.bits, UB_EV_TIMEOUT);
	e->vmt->free(e);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	++*(int *)poll->data;
	uv_poll_stop(poll);
}

/*
 * An event is removed, its descriptor closed, and somebody else has the number: whatever the event does
 * next is nothing to him.
 */
static void test_number_that_is_somebody_elses(void **state)
{
	struct ub_event *e = new_event(f.a[1], UB_EV_READ | UB_EV_PERSIST);
	uv_poll_t other;
	int heard = 0;

	assert_int_equal(e->vmt->add(e, NULL), 0);
	turn();
	e->vmt->del(e);
	assert_int_equal(dup2(f.b[1], f.a[1]), f.a[1]); /* closes it, too */
	assert_int_equal(uv_poll_init(&f.loop, &other, f.a[1]), 0);
	other.data = &heard;
	uv_poll_start(&other, UV_READABLE, on_poll);
	turn();

	e->vmt->set_fd(e, f.b[1]);
	assert_int_equal(e->vmt->add(e, NULL), 0);
	e->vmt->del(e);
	send_octet(f.b[0]);
	turn();
	assert_int_equal(heard, 1);
	assert_int_equal(f.seen.count, 0);
	e->vmt->free(e);
	uv_close((uv_handle_t *)&other, NULL);
	turn();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_persistent_event, up, down),
	    cmocka_unit_test_setup_teardown(test_event_that_fires_once, up, down),
	    cmocka_unit_test_setup_teardown(test_timeout, up, down),
	    cmocka_unit_test_setup_teardown(test_number_that_is_somebody_elses, up, down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
