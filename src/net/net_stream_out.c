/*
 * Writing. Octets go to the socket at once where it takes them; the rest waits in out, and moves to
 * sending while libuv has it. At most one libuv write is under way, so the order is that of out. On a
 * broken stream nothing moves any more, and pending says so: nobody takes for sent what is not.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "net/net_stream_priv.h"

static bool is_writing(const struct net_stream *s)
{
	return s->sending.n > 0;
}

size_t net_stream_pending(const struct net_stream *s)
{
	return s->broken ? SIZE_MAX : s->out.n + s->sending.n;
}

size_t net_stream_unsent(const struct net_stream *s)
{
	if (s->broken)
		return SIZE_MAX;
	return s->out.n + (is_writing(s) ? uv_stream_get_write_queue_size(&s->h.stream) : 0);
}

static bool can_send(const struct net_stream *s)
{
	return (s->state == STREAM_OPEN || s->state == STREAM_FLUSHING) && !s->half_closed &&
	       !s->broken;
}

/* Octets the socket took; an error other than "full" breaks the stream. */
static size_t try_send(struct net_stream *s, struct str bytes)
{
	uv_buf_t vec;
	int n;

	if (bytes.n == 0)
		return 0;
	vec = (uv_buf_t){.base = (char *)(uintptr_t)bytes.p, .len = bytes.n};
	n = uv_try_write(&s->h.stream, &vec, 1);
	if (n < 0 && n != UV_EAGAIN)
		stream_broke(s, n);
	return n > 0 ? (size_t)n : 0;
}

/* ---- when all is out ---- */
static void linger(struct net_stream *s)
{
	s->state = STREAM_LINGERING;
	stream_timer(s, NET_LINGER_MS);
	if (s->ended)
		stream_end(s, NET_END_LOCAL, "");
}

static void on_shutdown(uv_shutdown_t *req, int code)
{
	struct net_stream *s = stream_of(req->data);

	if (s->state == STREAM_FLUSHING)
		linger(s);
}

static void half_close(struct net_stream *s)
{
	s->half_closed = true;
	s->req.shutdown.data = s;
	if (uv_shutdown(&s->req.shutdown, &s->h.stream, on_shutdown) < 0)
		stream_end(s, NET_END_LOCAL, "");
}

/* A peer that has closed needs no lingering, and one whose TLS broke gets none. */
static void flushed(struct net_stream *s)
{
	bool finishing = s->state == STREAM_FLUSHING;

	if (finishing && (s->ended || s->end == NET_END_TLS))
		stream_end(s, s->end, s->why ? s->why : "");
	else if (finishing && s->half_closed)
		linger(s);
	else if (!s->half_closed && (finishing || s->half_closing))
		half_close(s);
}

static void on_written(uv_write_t *req, int code)
{
	struct net_stream *s = stream_of(req->data);

	buf_fini(&s->sending);
	if (s->state == STREAM_CLOSING)
		return;
	if (code < 0) {
		stream_broke(s, code);
		return;
	}
	stream_flush(s);
	if (stream_is_open(s) && net_stream_pending(s) == 0 && s->handler->drained)
		s->handler->drained(s->user);
}

static void send_rest(struct net_stream *s)
{
	struct buf done = s->sending;
	uv_buf_t vec;
	int code;

	s->sending = s->out;
	s->out = done;
	vec = (uv_buf_t){.base = (char *)s->sending.p, .len = s->sending.n};
	s->write.data = s;
	code = uv_write(&s->write, &s->h.stream, &vec, 1, on_written);
	if (code < 0) {
		buf_fini(&s->sending);
		stream_broke(s, code);
	}
}

void stream_flush(struct net_stream *s)
{
	if (s->out.overflow) {
		stream_end(s, NET_END_LOST, "the peer does not read what it is sent");
		return;
	}
	if (!can_send(s) || is_writing(s))
		return;
	buf_drop(&s->out, try_send(s, buf_view(&s->out)));
	if (s->state == STREAM_CLOSING || s->broken)
		return;
	if (s->out.n > 0) {
		send_rest(s);
		return;
	}
	buf_fini(&s->out);
	flushed(s);
}

/* ---- writing ---- */
static bool may_write(const struct net_stream *s)
{
	MUST(s->state != STREAM_CONNECTING);
	if (!stream_is_open(s) || s->half_closing || s->broken)
		return false;
	MUST(!s->handshaking);
	return true;
}

void net_stream_write(struct net_stream *s, struct str bytes)
{
	stream_of(s);
	if (!may_write(s))
		return;
	if (s->tls)
		net_tls_write(s->tls, bytes);
	else if (net_stream_pending(s) == 0)
		buf_str(&s->out, str_from(bytes, try_send(s, bytes)));
	else
		buf_str(&s->out, bytes);
	stream_flush(s);
}

void net_stream_shutdown(struct net_stream *s)
{
	stream_of(s);
	if (!may_write(s))
		return;
	s->half_closing = true;
	if (s->tls)
		net_tls_shutdown(s->tls);
	stream_flush(s);
}
