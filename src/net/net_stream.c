/*
 * A stream's life: opened or connecting, open, flushing, lingering, closing. The handle is the libuv
 * handle's owner: it is freed only after libuv has closed both handles, and nothing but closed() is
 * called from stream_end() on.
 */
#include <netinet/in.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/net_stream_priv.h"

#define STREAM_MAGIC 0x6e737472u

struct net_stream *stream_of(void *p)
{
	struct net_stream *s = p;

	MUST(s->magic == STREAM_MAGIC);
	return s;
}

static char *copy_text(const char *text)
{
	size_t n = strlen(text) + 1;

	return memcpy(mem_alloc(n), text, n);
}

/* ---- the end ---- */
static void on_handle_closed(uv_handle_t *h)
{
	struct net_stream *s = stream_of(h->data);
	const char *why = s->why ? s->why : "";

	if (--s->open_handles)
		return;
	if (s->handshaking)
		s->handler->secured(
		    s->user, &(struct net_tls_info){.why = why, .dropped = s->dropped});
	s->handler->closed(s->user, s->end, why);
	net_tls_free(&s->tls);
	stream_drop_input(s);
	buf_fini(&s->out);
	buf_fini(&s->sending);
	mem_free(s->why);
	s->magic = 0;
	mem_free(s);
}

static void set_reason(struct net_stream *s, enum net_end end, const char *why)
{
	if (s->why)
		return;
	s->end = end;
	s->why = copy_text(why);
}

void stream_end(struct net_stream *s, enum net_end end, const char *why)
{
	if (s->state == STREAM_CLOSING)
		return;
	set_reason(s, end, why);
	s->state = STREAM_CLOSING;
	uv_close(&s->h.any, on_handle_closed);
	uv_close((uv_handle_t *)&s->timer, on_handle_closed);
}

void stream_lost(struct net_stream *s, const char *what, int code)
{
	struct err e;

	err_set(&e, "%s: %s", what, uv_strerror(code));
	stream_end(s, NET_END_LOST, e.text);
}

void stream_tls_broke(struct net_stream *s, const char *why)
{
	if (!stream_is_open(s))
		return;
	set_reason(s, NET_END_TLS, why);
	s->state = STREAM_FLUSHING;
	stream_discard(s);
	stream_timer(s, NET_LINGER_MS);
	stream_flush(s);
}

void net_stream_close(struct net_stream *s)
{
	stream_end(stream_of(s), NET_END_LOCAL, "");
}

void net_stream_finish(struct net_stream *s)
{
	stream_of(s);
	if (s->broken) {
		stream_end(s, s->end, s->why);
		return;
	}
	if (!stream_is_open(s) || s->handshaking) {
		if (s->state != STREAM_FLUSHING && s->state != STREAM_LINGERING)
			net_stream_close(s);
		return;
	}
	if (s->tls && !s->half_closing)
		net_tls_shutdown(s->tls);
	s->state = STREAM_FLUSHING;
	stream_discard(s);
	stream_timer(s, NET_FLUSH_MS);
	stream_flush(s);
}

/* ---- time ---- */
static void set_timer(struct net_stream *s);

/* When the timer is next needed. */
static int64_t next_moment(const struct net_stream *s)
{
	int64_t at = s->deadline < s->handshake_by ? s->deadline : s->handshake_by;

	return at < s->heard_by ? at : s->heard_by;
}

/*
 * The process, or the machine, stood still: what the peer said meanwhile is not read yet, for the loop looks at
 * the time first. So there is a moment for that, once.
 */
static bool excuse(struct net_stream *s, int64_t now)
{
	int64_t at = next_moment(s);

	if (at == s->excused || now < at || now - at < NET_LATE_MS)
		return false;
	s->excused = at;
	stream_timer(s, NET_EXCUSE_MS);
	return true;
}

/* Moments may have moved away while the timer ran: then it is set anew. */
static void on_moment(struct net_stream *s)
{
	int64_t now = clock_mono();

	if (excuse(s, now))
		return;
	if (s->heard_by <= now) {
		stream_end(s, s->end, s->why);
	} else if (s->handshake_by <= now) {
		stream_end(s, NET_END_TLS, "the TLS handshake took too long");
	} else if (s->deadline <= now) {
		s->deadline = INT64_MAX;
		set_timer(s);
		s->handler->deadline(s->user);
	} else {
		set_timer(s);
	}
}

static void on_timer(uv_timer_t *t)
{
	struct net_stream *s = stream_of(t->data);

	switch (s->state) {
	case STREAM_CONNECTING:
	case STREAM_OPEN:
		on_moment(s);
		return;
	case STREAM_FLUSHING:
		stream_end(s, NET_END_LOST, "the peer does not read our last words");
		return;
	case STREAM_LINGERING:
		stream_end(s, NET_END_LOCAL, "");
		return;
	case STREAM_CLOSING:
		return;
	}
}

void stream_timer(struct net_stream *s, int64_t ms)
{
	uv_update_time(s->timer.loop);
	uv_timer_start(&s->timer, on_timer, ms > 0 ? (uint64_t)ms : 0, 0);
}

static void set_timer(struct net_stream *s)
{
	int64_t at = next_moment(s);

	if (at != INT64_MAX)
		stream_timer(s, at - clock_mono());
}

void stream_broke(struct net_stream *s, int code)
{
	struct err e;

	if (!s->hears_out || !stream_is_open(s) || s->handshaking || s->ended) {
		stream_lost(s, "sending", code);
		return;
	}
	err_set(&e, "sending: %s", uv_strerror(code));
	set_reason(s, NET_END_LOST, e.text);
	s->broken = true;
	s->heard_by = clock_mono() + NET_LINGER_MS;
	set_timer(s);
}

/* A moment that moves away leaves the timer alone: it looks again when it fires. */
void net_stream_deadline(struct net_stream *s, int64_t at)
{
	bool sooner = at < next_moment(s);

	stream_of(s);
	if (s->state != STREAM_OPEN && s->state != STREAM_CONNECTING)
		return;
	s->deadline = at;
	if (sooner || !uv_is_active((uv_handle_t *)&s->timer))
		set_timer(s);
}

/* ---- the beginning ---- */
static struct net_stream *stream_new(
    uv_loop_t *loop, bool unix_socket, const struct net_stream_handler *handler, void *user)
{
	struct net_stream *s = mem_new(struct net_stream);

	s->magic = STREAM_MAGIC;
	s->state = STREAM_CONNECTING;
	s->handler = handler;
	s->user = user;
	s->deadline = s->handshake_by = s->heard_by = s->excused = INT64_MAX;
	buf_init(&s->in, LIMIT_NET_READ);
	buf_init(&s->raw, LIMIT_NET_READ);
	buf_init(&s->out, LIMIT_NET_QUEUE);
	buf_init(&s->sending, LIMIT_NET_QUEUE);
	if (unix_socket)
		uv_pipe_init(loop, &s->h.pipe, 0);
	else
		uv_tcp_init(loop, &s->h.tcp);
	uv_timer_init(loop, &s->timer);
	s->h.any.data = s;
	s->timer.data = s;
	s->open_handles = 2;
	return s;
}

static void on_warm(uv_handle_t *h)
{
	mem_free(h);
}

void net_stream_warm_up(uv_loop_t *loop)
{
	uv_tcp_t *tcp = mem_new(uv_tcp_t);

	MUST(uv_tcp_init(loop, tcp) == 0);
	uv_close((uv_handle_t *)tcp, on_warm);
}

/* Answers go out when they are complete; the kernel need not wait for more. */
static void opened(struct net_stream *s)
{
	s->state = STREAM_OPEN;
	if (s->h.any.type == UV_TCP)
		uv_tcp_nodelay(&s->h.tcp, 1);
}

static bool is_unix(int fd)
{
	int domain = AF_UNSPEC;
	socklen_t len = sizeof domain;

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

/* For a stream that never was one: no callback. */
static void on_stillborn(uv_handle_t *h)
{
	struct net_stream *s = stream_of(h->data);

	if (--s->open_handles)
		return;
	s->magic = 0;
	mem_free(s);
}

struct net_stream *net_stream_open(
    uv_loop_t *loop, int fd, const struct net_stream_handler *handler, void *user, struct err *e)
{
	bool unix_socket = is_unix(fd);
	struct net_stream *s = stream_new(loop, unix_socket, handler, user);
	int code = unix_socket ? uv_pipe_open(&s->h.pipe, fd) : uv_tcp_open(&s->h.tcp, fd);

	if (code < 0) {
		err_set(e, "the connection cannot be used: %s", uv_strerror(code));
		uv_close(&s->h.any, on_stillborn);
		uv_close((uv_handle_t *)&s->timer, on_stillborn);
		close(fd);
		return NULL;
	}
	opened(s);
	stream_pump(s, (struct str){NULL, 0});
	return s;
}

static void not_connected(struct net_stream *s, int code)
{
	stream_end(s, NET_END_CONNECT, uv_strerror(code));
}

static void on_connect(uv_connect_t *req, int code)
{
	struct net_stream *s = stream_of(req->data);

	if (s->state != STREAM_CONNECTING)
		return;
	if (code < 0) {
		not_connected(s, code);
		return;
	}
	opened(s);
	s->handler->connected(s->user);
	if (stream_is_open(s))
		stream_pump(s, (struct str){NULL, 0});
}

static int connect_tcp(struct net_stream *s, const struct net_addr *to, const struct ip *from)
{
	struct sockaddr_storage sys;
	struct net_addr local;
	int code = 0;

	if (from) {
		local = net_addr_ip(from, 0);
		net_addr_to_sys(&local, &sys);
		code = uv_tcp_bind(&s->h.tcp, (const struct sockaddr *)&sys, 0);
	}
	if (code < 0)
		return code;
	net_addr_to_sys(to, &sys);
	return uv_tcp_connect(
	    &s->req.connect, &s->h.tcp, (const struct sockaddr *)&sys, on_connect);
}

struct net_stream *net_stream_connect(uv_loop_t *loop, const struct net_addr *to,
    const struct ip *from, const struct net_stream_handler *handler, void *user)
{
	struct net_stream *s = stream_new(loop, to->path[0] != 0, handler, user);
	int code = 0;

	s->hears_out = true;
	s->req.connect.data = s;
	if (to->path[0])
		uv_pipe_connect(&s->req.connect, &s->h.pipe, to->path, on_connect);
	else
		code = connect_tcp(s, to, from);
	if (code < 0)
		not_connected(s, code);
	return s;
}

/* ---- TLS ---- */
void net_stream_start_tls(struct net_stream *s, const struct net_tls_start *start)
{
	struct str none = {NULL, 0};

	stream_of(s);
	if (!stream_is_open(s))
		return;
	MUST(!s->tls);
	s->dropped = stream_drop_input(s);
	s->tls = net_tls_new(start, &s->out);
	s->handshaking = true;
	s->handshake_by = clock_mono() + (start->timeout ? start->timeout : NET_HANDSHAKE_MS);
	set_timer(s);
	if (tls_is_client(start->ctx))
		stream_handshake(s, &none);
	net_stream_resume(s); /* it may have paused */
}

bool net_stream_is_tls(const struct net_stream *s)
{
	return s->tls && !s->handshaking;
}

const char *net_stream_tls_version(const struct net_stream *s)
{
	return net_stream_is_tls(s) ? net_tls_version(s->tls) : NULL;
}

const char *net_stream_tls_cipher(const struct net_stream *s)
{
	return net_stream_is_tls(s) ? net_tls_cipher(s->tls) : NULL;
}

/* ---- questions ---- */
int net_stream_fd(const struct net_stream *s)
{
	uv_os_fd_t fd;

	if (s->state == STREAM_CLOSING || uv_fileno(&s->h.any, &fd) < 0)
		return -1;
	return fd;
}
