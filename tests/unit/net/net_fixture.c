#include "net_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/net_listen.h"

/* ---- recording ---- */
static size_t wanted(struct end *e, struct str in)
{
	size_t n = in.n < e->take ? in.n : e->take;

	if (e->until) {
		struct str mark = str_of_c(e->until);
		size_t at = str_find_str(in, mark);

		n = at < in.n ? at + mark.n : n;
	}
	return n;
}

static size_t on_read(void *user, struct str in)
{
	struct end *e = user;
	size_t n = wanted(e, in);
	bool found = e->until && n >= strlen(e->until);

	if (in.n > e->offered)
		e->offered = in.n;
	buf_add(&e->got, in.p, n);
	if (found && e->tls) {
		e->until = NULL;
		net_stream_start_tls(e->s, e->tls);
	}
	return n;
}

static void on_eof(void *user)
{
	struct end *e = user;

	assert_false(e->eof);
	e->eof = true;
}

static void on_connected(void *user)
{
	((struct end *)user)->connected = true;
}

static void on_secured(void *user, const struct net_tls_info *info)
{
	struct end *e = user;

	assert_false(e->secured);
	e->secured = true;
	e->info = *info;
	if (info->verify_text)
		snprintf(e->verify_text, sizeof e->verify_text, "%s", info->verify_text);
}

static void on_drained(void *user)
{
	((struct end *)user)->drained = true;
}

static void on_deadline(void *user)
{
	((struct end *)user)->deadlines++;
}

static void on_closed(void *user, enum net_end end, const char *why)
{
	struct end *e = user;

	assert_false(e->closed);
	e->closed = true;
	e->why = end;
	e->s = NULL;
	snprintf(e->text, sizeof e->text, "%s", why);
}

const struct net_stream_handler end_handler = {
    .read = on_read,
    .eof = on_eof,
    .connected = on_connected,
    .secured = on_secured,
    .drained = on_drained,
    .deadline = on_deadline,
    .closed = on_closed,
};

/* ---- life ---- */
static void end_init(struct end *e)
{
	*e = (struct end){.take = SIZE_MAX};
	buf_init(&e->got, GOT_MAX);
}

static void on_beat(uv_timer_t *timer)
{
}

void net_setup(struct net *n)
{
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(uv_loop_init(&n->loop), 0);
	uv_timer_init(&n->loop, &n->beat);
	uv_timer_start(&n->beat, on_beat, 5, 5);
	end_init(&n->a);
	end_init(&n->b);
}

void net_teardown(struct net *n)
{
	if (n->a.s)
		net_stream_close(n->a.s);
	if (n->b.s)
		net_stream_close(n->b.s);
	uv_close((uv_handle_t *)&n->beat, NULL);
	uv_run(&n->loop, UV_RUN_DEFAULT);
	assert_null(n->a.s);
	assert_null(n->b.s);
	buf_fini(&n->a.got);
	buf_fini(&n->b.got);
	assert_int_equal(uv_loop_close(&n->loop), 0);
}

static void open_end(struct net *n, struct end *e, int fd)
{
	struct err err;

	e->s = net_stream_open(&n->loop, fd, &end_handler, e, &err);
	if (!e->s)
		fail_msg("%s", err.text);
}

void net_pair(struct net *n)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	open_end(n, &n->a, fds[0]);
	open_end(n, &n->b, fds[1]);
}

void net_tcp_pair(struct net *n)
{
	struct net_addr addr;
	struct ip loopback;
	struct err e;
	int fd, listener;

	assert_true(ip_parse(STR("127.0.0.1"), &loopback));
	listener = net_listen_tcp(&loopback, 0, &e);
	assert_true(listener >= 0);
	addr = net_addr_ip(&loopback, net_listen_port(listener));
	n->a.s = net_stream_connect(&n->loop, &addr, NULL, &end_handler, &n->a);
	while (!n->a.connected && !n->a.closed)
		uv_run(&n->loop, UV_RUN_ONCE);
	assert_true(n->a.connected);
	fd = accept(listener, NULL, NULL);
	assert_true(fd >= 0);
	open_end(n, &n->b, fd);
	close(listener);
}

int net_half(struct net *n, struct end *e)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	open_end(n, e, fds[0]);
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	return fds[1];
}

int net_tcp_half(struct net *n, struct end *e)
{
	struct sockaddr_storage sys;
	struct net_addr addr;
	struct ip loopback;
	struct err err;
	int listener, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len;

	assert_true(ip_parse(STR("127.0.0.1"), &loopback));
	listener = net_listen_tcp(&loopback, 0, &err);
	assert_true(listener >= 0);
	addr = net_addr_ip(&loopback, net_listen_port(listener));
	len = net_addr_to_sys(&addr, &sys);
	assert_int_equal(connect(fd, (const struct sockaddr *)&sys, len), 0);
	open_end(n, e, accept(listener, NULL, NULL));
	close(listener);
	return fd;
}

void net_until(struct net *n, bool (*done)(struct net *n))
{
	while (!done(n))
		uv_run(&n->loop, UV_RUN_ONCE);
}

bool both_closed(struct net *n)
{
	return n->a.closed && n->b.closed;
}

bool both_secured(struct net *n)
{
	return n->a.secured && n->b.secured;
}

void pattern(struct buf *b, size_t n)
{
	uint8_t *p = buf_reserve(b, n);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + i / 251);
	buf_advance(b, n);
}

void assert_got(const struct end *e, const char *want)
{
	if (!str_eq(buf_view(&e->got), str_of_c(want)))
		fail_msg("got \"%.*s\", want \"%s\"", STR_FMT(buf_view(&e->got)), want);
}

/* ---- certificates ---- */
void identity_init(struct identity *id)
{
	struct err e;
	int fd;

	buf_init(&id->certificate, TLS_PEM_MAX);
	buf_init(&id->key, TLS_PEM_MAX);
	if (tls_self_signed(STR("mail.x.test"), clock_now(), &id->certificate, &id->key, &e) < 0)
		fail_msg("%s", e.text);
	snprintf(id->path, sizeof id->path, "/tmp/godwit-net-XXXXXX");
	fd = mkstemp(id->path);
	assert_true(fd >= 0);
	assert_int_equal(
	    write(fd, id->certificate.p, id->certificate.n), (ssize_t)id->certificate.n);
	close(fd);
}

void identity_fini(struct identity *id)
{
	unlink(id->path);
	buf_fini(&id->certificate);
	buf_wipe(&id->key);
}

struct tls_ctx *identity_server(const struct identity *id)
{
	struct err e;
	struct tls_ctx *ctx = tls_server_new((struct tls_pem){buf_view(&id->certificate), "C"},
	    (struct tls_pem){buf_view(&id->key), "K"}, (struct str){NULL, 0}, &e);

	if (!ctx)
		fail_msg("%s", e.text);
	return ctx;
}

struct tls_ctx *identity_client(const struct identity *id)
{
	struct err e;
	struct tls_ctx *ctx = tls_client_new(id->path, &e);

	if (!ctx)
		fail_msg("%s", e.text);
	return ctx;
}
