#include "net_fixture.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/net_listen.h"
#include "net/net_stream_priv.h"

static int setup(void **state)
{
	struct net *n = mem_new(struct net);

	net_setup(n);
	*state = n;
	return 0;
}

static int teardown(void **state)
{
	net_teardown(*state);
	mem_free(*state);
	return 0;
}

static void say(struct end *e, const char *text)
{
	net_stream_write(e->s, str_of_c(text));
}

static bool b_has_5(struct net *n)
{
	return n->b.got.n >= 5;
}

static bool a_has_5(struct net *n)
{
	return n->a.got.n >= 5;
}

static bool a_closed(struct net *n)
{
	return n->a.closed;
}

static bool b_closed(struct net *n)
{
	return n->b.closed;
}

static bool a_eof(struct net *n)
{
	return n->a.eof;
}

static bool b_eof(struct net *n)
{
	return n->b.eof;
}

/* ---- octets ---- */
static void test_both_ways(void **state)
{
	struct net *n = *state;

	net_tcp_pair(n);
	say(&n->a, "hello");
	say(&n->b, "ho");
	say(&n->b, "-la");
	net_until(n, b_has_5);
	net_until(n, a_has_5);
	assert_got(&n->b, "hello");
	assert_got(&n->a, "ho-la");
	assert_true(net_stream_fd(n->b.s) >= 0);
	assert_false(net_stream_is_tls(n->a.s));
}

static size_t large = 3 * MIB + 17;

static bool b_has_large(struct net *n)
{
	return n->b.got.n >= large;
}

static void assert_large(struct net *n)
{
	struct buf want;

	buf_init(&want, large);
	pattern(&want, large);
	assert_int_equal(n->b.got.n, large);
	assert_memory_equal(n->b.got.p, want.p, large);
	buf_fini(&want);
}

static void test_large(void **state)
{
	struct net *n = *state;
	struct buf bytes;

	net_pair(n);
	buf_init(&bytes, large);
	pattern(&bytes, large);
	net_stream_write(n->a.s, buf_view(&bytes));
	assert_true(net_stream_pending(n->a.s) > 0);
	assert_false(n->a.drained);
	net_until(n, b_has_large);
	assert_large(n);
	assert_int_equal(net_stream_pending(n->a.s), 0);
	assert_true(n->a.drained);
	buf_fini(&bytes);
}

/* ---- back-pressure ---- */
static bool a_offered(struct net *n)
{
	return n->a.offered > 0;
}

static bool b_offered(struct net *n)
{
	return n->b.offered > 0;
}

/* A reader that stops keeps little, and the writer's octets stay with the writer. */
static void test_reader_stops(void **state)
{
	struct net *n = *state;
	struct buf bytes;

	net_pair(n);
	n->b.take = 0;
	buf_init(&bytes, large);
	pattern(&bytes, large);
	net_stream_write(n->a.s, buf_view(&bytes));
	net_until(n, b_offered);
	for (int i = 0; i < 100; i++)
		uv_run(&n->loop, UV_RUN_NOWAIT);
	assert_true(n->b.offered <= LIMIT_NET_READ);
	assert_int_equal(n->b.got.n, 0);
	assert_true(net_stream_pending(n->a.s) > MIB);
	net_stream_resume(n->b.s);
	assert_int_equal(n->b.got.n, 0);
	n->b.take = SIZE_MAX;
	net_stream_resume(n->b.s);
	net_until(n, b_has_large);
	assert_large(n);
	buf_fini(&bytes);
}

/* One octet at a time, each after a resume; the end comes after the last of them. */
static void crawl(struct net *n)
{
	n->b.take = 1;
	say(&n->a, "0123456789");
	net_stream_shutdown(n->a.s);
	while (!n->b.eof) {
		assert_true(n->b.got.n <= 10);
		net_stream_resume(n->b.s);
		uv_run(&n->loop, UV_RUN_NOWAIT);
	}
	assert_got(&n->b, "0123456789");
}

static void test_one_by_one(void **state)
{
	net_pair(*state);
	crawl(*state);
}

static void test_queue_limit(void **state)
{
	struct net *n = *state;
	struct buf bytes;

	net_pair(n);
	n->b.take = 0;
	buf_init(&bytes, MIB);
	pattern(&bytes, MIB);
	for (int i = 0; i < 12 && !n->a.closed; i++) {
		net_stream_write(n->a.s, buf_view(&bytes));
		uv_run(&n->loop, UV_RUN_NOWAIT);
	}
	net_until(n, a_closed);
	assert_int_equal(n->a.why, NET_END_LOST);
	assert_string_equal(n->a.text, "the peer does not read what it is sent");
	buf_fini(&bytes);
}

/* ---- the end ---- */
static void test_half_close(void **state)
{
	struct net *n = *state;

	net_pair(n);
	say(&n->a, "hello");
	net_stream_shutdown(n->a.s);
	say(&n->a, "not sent");
	net_until(n, b_eof);
	assert_got(&n->b, "hello");
	assert_false(n->b.closed);
	say(&n->b, "still");
	net_until(n, a_has_5);
	net_stream_finish(n->b.s);
	net_until(n, b_closed);
	assert_int_equal(n->b.why, NET_END_LOCAL);
	net_until(n, a_eof);
	assert_got(&n->a, "still");
}

static ssize_t read_some(int fd, struct buf *out)
{
	uint8_t space[256];
	ssize_t n = recv(fd, space, sizeof space, MSG_DONTWAIT);

	if (n > 0)
		buf_add(out, space, (size_t)n);
	return n;
}

/*
 * The last words arrive although the closing side had unread input: no reset overtakes them. The
 * client is a bare socket, because libuv tells a reset as an end.
 */
static void finish_with_unread_input(struct net *n, bool half_closed_before)
{
	struct buf bytes, got;
	ssize_t last;
	int fd = net_tcp_half(n, &n->b);

	n->b.take = 0;
	buf_init(&bytes, MIB);
	buf_init(&got, MIB);
	pattern(&bytes, 200 * KIB);
	assert_true(send(fd, bytes.p, bytes.n, MSG_DONTWAIT) > (ssize_t)LIMIT_NET_READ);
	net_until(n, b_offered);
	say(&n->b, "goodbye");
	if (half_closed_before)
		net_stream_shutdown(n->b.s);
	net_stream_finish(n->b.s);
	do {
		uv_run(&n->loop, UV_RUN_NOWAIT);
		last = read_some(fd, &got);
	} while (last > 0 || (last < 0 && errno == EAGAIN));
	assert_int_equal(last, 0);
	assert_true(str_eq(buf_view(&got), STR("goodbye")));
	assert_false(n->b.closed);
	close(fd);
	net_until(n, b_closed);
	assert_int_equal(n->b.why, NET_END_LOCAL);
	assert_int_equal(n->b.got.n, 0);
	assert_false(n->b.eof);
	buf_fini(&bytes);
	buf_fini(&got);
}

static void test_finish_with_unread_input(void **state)
{
	finish_with_unread_input(*state, false);
}

static void test_finish_after_half_close(void **state)
{
	finish_with_unread_input(*state, true);
}

static void test_close_now(void **state)
{
	struct net *n = *state;

	net_pair(n);
	net_stream_close(n->a.s);
	assert_false(n->a.closed);
	assert_int_equal(net_stream_fd(n->a.s), -1);
	net_stream_write(n->a.s, STR("nothing"));
	net_stream_close(n->a.s);
	net_stream_finish(n->a.s);
	net_until(n, a_closed);
	assert_int_equal(n->a.why, NET_END_LOCAL);
	assert_string_equal(n->a.text, "");
	net_until(n, b_eof);
	assert_int_equal(n->b.got.n, 0);
}

/* A peer that is gone: the next writes find out. */
static void test_lost(void **state)
{
	struct net *n = *state;

	net_pair(n);
	n->b.take = 0;
	net_stream_close(n->a.s);
	net_until(n, a_closed);
	while (!n->b.closed) {
		say(&n->b, "anybody?");
		uv_run(&n->loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(n->b.why, NET_END_LOST);
	assert_true(n->b.text[0] != 0);
}

/* ---- connecting ---- */
static void test_refused(void **state)
{
	struct net *n = *state;
	struct net_addr to = {.port = 0};
	struct sockaddr_in sys = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0); /* holds its port, without listening */

	assert_int_equal(bind(fd, (const struct sockaddr *)&sys, sizeof sys), 0);
	assert_true(ip_parse(STR("127.0.0.1"), &to.ip));
	to.port = net_listen_port(fd);
	n->a.s = net_stream_connect(&n->loop, &to, &to.ip, &end_handler, &n->a);
	assert_false(n->a.closed);
	net_until(n, a_closed);
	assert_int_equal(n->a.why, NET_END_CONNECT);
	assert_string_equal(n->a.text, "connection refused");
	assert_false(n->a.connected);
	close(fd);
}

static void test_bad_source(void **state)
{
	struct net *n = *state;
	struct net_addr to = {.port = 9};
	struct ip from;

	assert_true(ip_parse(STR("127.0.0.1"), &to.ip));
	assert_true(ip_parse(STR("192.0.2.1"), &from));
	n->a.s = net_stream_connect(&n->loop, &to, &from, &end_handler, &n->a);
	net_until(n, a_closed);
	assert_int_equal(n->a.why, NET_END_CONNECT);
}

static void test_no_such_path(void **state)
{
	struct net *n = *state;
	struct net_addr to;
	struct err e;

	assert_int_equal(net_addr_path("/nonexistent/godwit.sock", &to, &e), 0);
	n->a.s = net_stream_connect(&n->loop, &to, NULL, &end_handler, &n->a);
	net_until(n, a_closed);
	assert_int_equal(n->a.why, NET_END_CONNECT);
	assert_string_equal(n->a.text, "no such file or directory");
}

static void test_close_while_connecting(void **state)
{
	struct net *n = *state;
	struct net_addr to;
	struct err e;

	assert_int_equal(net_addr_path("/nonexistent/godwit.sock", &to, &e), 0);
	n->a.s = net_stream_connect(&n->loop, &to, NULL, &end_handler, &n->a);
	net_stream_close(n->a.s);
	net_until(n, a_closed);
	assert_int_equal(n->a.why, NET_END_LOCAL);
}

/* ---- a peer that is gone ---- */
static bool a_connected(struct net *n)
{
	return n->a.connected;
}

/* a is connected to a peer that has said this and then reset the connection; the reset is here. */
static void connect_to_gone(struct net *n, const char *words)
{
	struct linger now = {1, 0};
	struct net_addr to = {.port = 0};
	struct err e;
	int listener, fd;

	assert_true(ip_parse(STR("127.0.0.1"), &to.ip));
	listener = net_listen_tcp(&to.ip, 0, &e);
	to.port = net_listen_port(listener);
	n->a.s = net_stream_connect(&n->loop, &to, NULL, &end_handler, &n->a);
	net_until(n, a_connected);
	do
		fd = accept(listener, NULL, NULL);
	while (fd < 0 && errno == EAGAIN);
	close(listener);
	assert_int_equal(write(fd, words, strlen(words)), (ssize_t)strlen(words));
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
	close(fd);
}

/* Writing fails before they were read: they are not lost, and nothing counts as sent. */
static void test_last_words(void **state)
{
	struct net *n = *state;

	connect_to_gone(n, "421 bye");
	say(&n->a, "hello");
	assert_int_equal(net_stream_pending(n->a.s), SIZE_MAX);
	say(&n->a, "hello again");
	net_until(n, a_eof);
	assert_got(&n->a, "421 bye");
	assert_false(n->a.closed);
	net_stream_finish(n->a.s);
	net_until(n, a_closed);
	assert_int_equal(n->a.why, NET_END_LOST);
	assert_non_null(strstr(n->a.text, "sending: "));
	assert_false(n->a.drained);
}

/* Who does not listen to them is not waited for. */
static void test_last_words_unread(void **state)
{
	struct net *n = *state;

	n->a.take = 0;
	connect_to_gone(n, "421 bye");
	say(&n->a, "hello");
	net_until(n, a_offered);
	assert_in_range(n->a.s->heard_by - clock_mono(), 0, NET_LINGER_MS);
	net_stream_deadline(n->a.s, clock_mono()); /* lets the timer fire */
	n->a.s->heard_by = clock_mono();
	net_until(n, a_closed);
	assert_int_equal(n->a.why, NET_END_LOST);
	assert_int_equal(n->a.deadlines, 0);
}

/* ---- time ---- */
static bool a_deadline(struct net *n)
{
	return n->a.deadlines > 0;
}

static void test_deadline(void **state)
{
	struct net *n = *state;

	net_pair(n);
	net_stream_deadline(n->a.s, clock_mono() - 5);
	assert_int_equal(n->a.deadlines, 0);
	net_until(n, a_deadline);
	for (int i = 0; i < 10; i++)
		uv_run(&n->loop, UV_RUN_NOWAIT);
	assert_int_equal(n->a.deadlines, 1);
}

static void turn(struct net *n)
{
	for (int i = 0; i < 10; i++) {
		usleep(1000);
		uv_run(&n->loop, UV_RUN_NOWAIT);
	}
}

/* What came while the process stood still comes before a moment that passed meanwhile; each is put off once. */
static void test_deadline_while_standing_still(void **state)
{
	struct net *n = *state;
	int64_t at = clock_mono() + 10;

	net_pair(n);
	net_stream_deadline(n->a.s, at);
	say(&n->b, "250 ok");
	usleep((10 + 2 * NET_LATE_MS) * 1000);
	uv_run(&n->loop, UV_RUN_NOWAIT);
	assert_int_equal(n->a.deadlines, 0);
	assert_got(&n->a, "250 ok");
	net_until(n, a_deadline); /* nobody moved it */
	net_stream_deadline(n->a.s, at);
	turn(n);
	assert_int_equal(n->a.deadlines, 2);
	net_stream_deadline(n->a.s, at + 1);
	turn(n);
	assert_int_equal(n->a.deadlines, 2);
	n->a.deadlines = 0;
	net_until(n, a_deadline);
}

/* Moved away, it does not come at its old time; moved back, it does. */
static void test_deadline_moves(void **state)
{
	struct net *n = *state;

	net_pair(n);
	net_stream_deadline(n->a.s, clock_mono());
	net_stream_deadline(n->a.s, clock_mono() + HOUR_MS);
	for (int i = 0; i < 10; i++)
		uv_run(&n->loop, UV_RUN_NOWAIT);
	assert_int_equal(n->a.deadlines, 0);
	net_stream_deadline(n->a.s, INT64_MAX);
	for (int i = 0; i < 10; i++)
		uv_run(&n->loop, UV_RUN_NOWAIT);
	assert_int_equal(n->a.deadlines, 0);
	net_stream_deadline(n->a.s, clock_mono());
	net_until(n, a_deadline);
	assert_int_equal(n->a.deadlines, 1);
}

/* Nothing is left to open when the first connection comes. */
static void test_warm_up(void **state)
{
	struct net *n = *state;
	int spare;

	net_stream_warm_up(&n->loop);
	spare = n->loop.emfile_fd;
	assert_true(spare >= 0);
	net_pair(n);
	assert_int_equal(n->loop.emfile_fd, spare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_both_ways, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_large, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_reader_stops, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_one_by_one, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_queue_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_half_close, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_finish_with_unread_input, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_finish_after_half_close, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_close_now, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_lost, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_bad_source, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_no_such_path, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_close_while_connecting, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_last_words, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_last_words_unread, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_deadline, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_deadline_while_standing_still, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_deadline_moves, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_warm_up, setup, teardown),
	};

	return cmocka_run_group_tests_name("net/stream", tests, NULL, NULL);
}
