#include "net_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/net_listen.h"

/* ---- binding ---- */
static struct ip loopback(void)
{
	struct ip ip;

	assert_true(ip_parse(STR("127.0.0.1"), &ip));
	return ip;
}

static void test_in_use(void **state)
{
	struct ip ip = loopback();
	struct err e;
	char want[128];
	int fd = net_listen_tcp(&ip, 0, &e);
	uint16_t port = net_listen_port(fd);

	assert_true(fd >= 0 && port > 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(net_listen_tcp(&ip, port, &e), -1);
	assert_int_equal(errno, EADDRINUSE);
	snprintf(want, sizeof want, "127.0.0.1:%u is in use: another server listens on port %u ",
	    port, port);
	assert_true(str_has_prefix(str_of_c(e.text), str_of_c(want)));
	assert_non_null(strstr(e.text, "port_offset"));
	close(fd);
	fd = net_listen_tcp(&ip, port, &e);
	assert_true(fd >= 0);
	close(fd);
}

static void test_not_ours(void **state)
{
	struct ip ip;
	struct err e;

	assert_true(ip_parse(STR("192.0.2.1"), &ip));
	assert_int_equal(net_listen_tcp(&ip, 0, &e), -1);
	assert_string_equal(e.text,
	    "192.0.2.1:0 is not an address of this machine (ip address shows "
	    "them); correct listen in godwit.conf");
}

/* As an ordinary user, in a process of its own. */
static int bind_as_nobody(void)
{
	struct ip ip = loopback();
	struct err e;

	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		return 2;
	if (net_listen_tcp(&ip, 1, &e) >= 0)
		return 3;
	return errno == EACCES && strstr(e.text, "ports below 1024 need root") ? 0 : 4;
}

static void test_privileged(void **state)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(bind_as_nobody());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 3)
		skip(); /* a machine where every port is free for all */
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- paths ---- */
static char path[64];

static int make_path(void **state)
{
	snprintf(path, sizeof path, "/tmp/godwit-listen-XXXXXX");
	close(mkstemp(path));
	return unlink(path);
}

static int remove_path(void **state)
{
	unlink(path);
	return 0;
}

static void test_unix(void **state)
{
	struct stat st;
	struct err e;
	int fd;

	umask(077);
	fd = net_listen_unix(path, 0622, &e);
	assert_true(fd >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0622);
	assert_int_equal(umask(022), 077); /* whatever it was, it is what it was */
	assert_int_equal(net_listen_port(fd), 0);
	assert_int_equal(net_listen_unix(path, 0622, &e), -1);
	assert_non_null(strstr(e.text, "is in use: another server runs here; stop it first"));
	close(fd);
	fd = net_listen_unix(path, 0600, &e); /* the socket of a server that is gone is replaced */
	assert_true(fd >= 0);
	close(fd);
}

static void test_unix_in_the_way(void **state)
{
	struct err e;
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	close(fd);
	assert_int_equal(net_listen_unix(path, 0600, &e), -1);
	assert_non_null(strstr(e.text, "is in the way: it is no socket"));
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(net_listen_unix("/nonexistent/sock", 0600, &e), -1);
	assert_non_null(strstr(e.text, "/nonexistent/sock"));
}

/* ---- accepting ---- */
struct gate {
	uv_loop_t loop;
	uv_timer_t beat;
	struct net_acceptor *acceptor;
	struct net_addr to;
	int accepted, starved;
	int last;
	struct net_addr peer;
};

static void on_accepted(void *user, int fd, const struct net_addr *peer)
{
	struct gate *g = user;

	g->accepted++;
	g->peer = *peer;
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(fd);
}

static void on_starved(void *user, int code)
{
	struct gate *g = user;

	g->starved++;
	g->last = code;
}

static const struct net_acceptor_handler handler = {on_accepted, on_starved};

static void on_beat(uv_timer_t *timer)
{
}

static int gate_open(void **state)
{
	struct gate *g = mem_new(struct gate);
	struct ip ip = loopback();
	struct err e;
	int fd = net_listen_tcp(&ip, 0, &e);

	g->to = net_addr_ip(&ip, net_listen_port(fd));
	uv_loop_init(&g->loop);
	uv_timer_init(&g->loop, &g->beat);
	uv_timer_start(&g->beat, on_beat, 5, 5);
	*state = g;
	return net_acceptor_new(&g->loop, fd, &handler, g, &g->acceptor, &e);
}

static int gate_close(void **state)
{
	struct gate *g = *state;

	net_acceptor_free(&g->acceptor);
	net_acceptor_free(&g->acceptor);
	uv_close((uv_handle_t *)&g->beat, NULL);
	uv_run(&g->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&g->loop), 0);
	mem_free(g);
	return 0;
}

static int dial(const struct gate *g)
{
	struct sockaddr_storage sys;
	socklen_t len = net_addr_to_sys(&g->to, &sys);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&sys, len), 0);
	return fd;
}

static void some_turns(struct gate *g)
{
	for (int i = 0; i < 10; i++)
		uv_run(&g->loop, UV_RUN_NOWAIT);
}

static void test_accept(void **state)
{
	struct gate *g = *state;
	int fds[40];

	for (int i = 0; i < 40; i++)
		fds[i] = dial(g);
	while (g->accepted < 40)
		uv_run(&g->loop, UV_RUN_ONCE);
	assert_true(ip_is_loopback(&g->peer.ip));
	assert_true(g->peer.port > 0);
	for (int i = 0; i < 40; i++)
		close(fds[i]);
}

/* No descriptors: it is told, does not spin, loses nobody, and goes on when there are some again. */
static void test_starved(void **state)
{
	struct gate *g = *state;
	struct rlimit before, none;
	int fd = dial(g);

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	while (!g->starved)
		uv_run(&g->loop, UV_RUN_ONCE);
	some_turns(g);
	assert_int_equal(g->starved, 1);
	assert_int_equal(g->last, EMFILE);
	assert_int_equal(g->accepted, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	while (g->accepted < 1)
		uv_run(&g->loop, UV_RUN_ONCE);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_in_use),
	    cmocka_unit_test(test_not_ours),
	    cmocka_unit_test(test_privileged),
	    cmocka_unit_test_setup_teardown(test_unix, make_path, remove_path),
	    cmocka_unit_test_setup_teardown(test_unix_in_the_way, make_path, remove_path),
	    cmocka_unit_test_setup_teardown(test_accept, gate_open, gate_close),
	    cmocka_unit_test_setup_teardown(test_starved, gate_open, gate_close),
	};

	return cmocka_run_group_tests_name("net/listen", tests, NULL, NULL);
}
