/* Callouts of a relay: few at one host, and with the messages no more than there may be. Its servers are silent. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/mem.h"
#include "proc/relay_session_priv.h"

#define AT_HOST 4
#define SERVERS 2

static struct {
	uv_loop_t loop;
	struct relay relay;
	int listeners[SERVERS];
	uint16_t ports[SERVERS];
	int64_t number;
} f;

/* ---- the servers ---- */
static int listen_at(uint16_t *port_r)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*port_r = ntohs(a.sin_port);
	return fd;
}

/* Ends up to so many connections. */
static void hang_up(size_t server, int most)
{
	int fd;

	while (most-- > 0 && (fd = accept(f.listeners[server], NULL, NULL)) >= 0)
		close(fd);
}

/* ---- the relay ---- */
static int up(void **state)
{
	struct err e;

	memset(&f, 0, sizeof f);
	uv_loop_init(&f.loop);
	relay_init(&f.relay, &f.loop);
	uv_timer_init(&f.loop, &f.relay.turn);
	f.relay.turn.data = &f.relay;
	assert_int_equal(
	    config_parse("/d", "f", STR("hostname = \"us.test\";"), 0, &f.relay.config, &e), 0);
	for (size_t i = 0; i < SERVERS; i++)
		f.listeners[i] = listen_at(&f.ports[i]);
	return 0;
}

static int down(void **state)
{
	f.relay.job_count = 0;
	while (!list_is_empty(&f.relay.sessions)) {
		for (size_t i = 0; i < SERVERS; i++)
			hang_up(i, 64);
		uv_run(&f.loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(f.relay.callout_count, 0);
	assert_int_equal(f.relay.callouts_waiting, 0);
	uv_close((uv_handle_t *)&f.relay.turn, NULL);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f.loop), 0);
	config_unref(&f.relay.config);
	for (size_t i = 0; i < SERVERS; i++)
		close(f.listeners[i]);
	return 0;
}

/* Questions about as many domains, which a server has. */
static void ask(size_t server, int n)
{
	char domain[32], address[64];

	for (int i = 0; i < n; i++) {
		struct rs_callout m = {.number = ++f.number,
		    .route = {.host = STR("127.0.0.1"), .port = f.ports[server]}};

		snprintf(domain, sizeof domain, "d%d.test", (int)f.number);
		snprintf(address, sizeof address, "bob@%s", domain);
		m.destination = str_of_c(domain);
		m.address = str_of_c(address);
		relay_job_callout(&f.relay, &m);
	}
}

static size_t connections(void)
{
	size_t n = 0;

	LIST_FOREACH(&f.relay.sessions, it)
	n += LIST_ENTRY(it, struct relay_session, link)->drive != NULL;
	return n;
}

/* Those over which something may be said. */
static size_t connected(void)
{
	size_t n = 0;

	LIST_FOREACH(&f.relay.sessions, it)
	n += LIST_ENTRY(it, struct relay_session, link)->engine != NULL;
	return n;
}

static void expect(size_t open, size_t waiting)
{
	for (int i = 0; i < 10; i++)
		uv_run(&f.loop, UV_RUN_NOWAIT);
	assert_int_equal(connections(), open);
	assert_int_equal(f.relay.callouts_waiting, waiting);
}

/* ---- tests ---- */
static void test_few_at_a_host(void **state)
{
	ask(0, 10);
	ask(1, 3);
	expect(AT_HOST + 3, 10 - AT_HOST);
	hang_up(0, 2);
	while (f.relay.callouts_waiting > 10 - AT_HOST - 2)
		uv_run(&f.loop, UV_RUN_ONCE);
	expect(AT_HOST + 3, 10 - AT_HOST - 2);
}

static void test_with_the_messages(void **state)
{
	f.relay.job_count = RELAY_JOBS_MAX - 3;
	f.relay.asked = 1;
	ask(0, 2);
	ask(1, 2);
	expect(2, 2);
	f.relay.asked = 0;
	relay_callout_turn(&f.relay);
	expect(3, 1);
	f.relay.job_count = RELAY_JOBS_MAX;
	hang_up(0, 1);
	while (connections() > 2)
		uv_run(&f.loop, UV_RUN_ONCE);
	expect(2, 1);
	f.relay.job_count = 0;
	relay_callout_turn(&f.relay);
	expect(3, 0);
}

static void test_in_vain(void **state)
{
	ask(0, AT_HOST);
	while (connected() < AT_HOST)
		uv_run(&f.loop, UV_RUN_ONCE);
	f.relay.config->timeouts.relay_connect = 20;
	ask(0, 2);
	assert_int_equal(f.relay.callouts_waiting, 2);
	while (f.relay.callouts_waiting > 0)
		uv_run(&f.loop, UV_RUN_ONCE);
	expect(AT_HOST, 0);
	assert_int_equal(f.relay.callout_count, AT_HOST);
}

#define T(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    T(test_few_at_a_host),
	    T(test_with_the_messages),
	    T(test_in_vain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
