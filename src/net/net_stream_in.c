/*
 * Reading. libuv reads into one buffer of the thread, and the handler sees the octets there; only what
 * it leaves is copied. While anything is kept, libuv does not read. Ciphertext is decrypted as far as
 * its plain text is consumed.
 */
#include "base/limits.h"
#include "base/mem.h"
#include "net/net_stream_priv.h"

/* Filled and emptied within one call of libuv, so one of each serves all streams of the thread. */
static _Thread_local uint8_t read_space[LIMIT_NET_READ];
static _Thread_local uint8_t plain_space[16 * 1024];

static bool is_blocked(const struct net_stream *s)
{
	return s->in.n > 0 || s->raw.n > 0;
}

/* The handler may be given input. */
static bool takes_input(const struct net_stream *s)
{
	return stream_is_open(s) && !s->handshaking;
}

size_t stream_drop_input(struct net_stream *s)
{
	size_t n = s->in.n;

	buf_fini(&s->in);
	buf_fini(&s->raw);
	return n;
}

/* ---- to the handler ---- */
/*
 * Offers octets; what is left is kept. When the handler starts TLS meanwhile, or closes, what it left
 * is dropped [RFC 3207 4.2].
 */
static void offer(struct net_stream *s, struct str bytes)
{
	const struct net_tls *tls = s->tls;
	size_t used;

	if (bytes.n == 0 || !takes_input(s))
		return;
	used = s->handler->read(s->user, bytes);
	MUST(used <= bytes.n);
	if (s->tls != tls)
		s->dropped += bytes.n - used;
	else if (stream_is_open(s))
		buf_str(&s->in, str_from(bytes, used));
}

static void offer_kept(struct net_stream *s)
{
	struct buf kept = s->in;

	buf_init(&s->in, kept.max);
	offer(s, buf_view(&kept));
	buf_fini(&kept);
}

/* ---- TLS ---- */
void stream_handshake(struct net_stream *s, struct str *wire)
{
	struct net_tls_info info;
	struct err e;

	switch (net_tls_handshake(s->tls, wire, &e)) {
	case NET_TLS_OK:
		s->handshaking = false;
		s->handshake_by = INT64_MAX;
		stream_flush(s);
		if (!stream_is_open(s))
			return;
		net_tls_info(s->tls, &info);
		info.dropped = s->dropped;
		s->handler->secured(s->user, &info);
		return;
	case NET_TLS_MORE:
		stream_flush(s);
		return;
	default:
		stream_tls_broke(s, e.text);
	}
}

/* One piece of plain text, as long as the one before is consumed. False: nothing more comes of wire. */
static bool decrypt(struct net_stream *s, struct str *wire)
{
	struct err e;
	size_t n;

	switch (net_tls_read(s->tls, wire, plain_space, sizeof plain_space, &n, &e)) {
	case NET_TLS_OK:
		offer(s, str_of(plain_space, n));
		return true;
	case NET_TLS_MORE:
		stream_flush(s); /* an answer to a key update */
		return false;
	case NET_TLS_CLOSED:
		s->ended = true;
		return false;
	default:
		stream_tls_broke(s, e.text);
		return false;
	}
}

static void pump_tls(struct net_stream *s, struct str wire)
{
	if (s->handshaking)
		stream_handshake(s, &wire);
	while (takes_input(s) && s->in.n == 0 && !s->ended)
		if (!decrypt(s, &wire))
			break;
	if (stream_is_open(s) && !s->ended)
		buf_str(&s->raw, wire);
}

static void pump_kept_raw(struct net_stream *s)
{
	struct buf raw = s->raw;

	buf_init(&s->raw, raw.max);
	pump_tls(s, buf_view(&raw));
	buf_fini(&raw);
}

/* ---- libuv ---- */
static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
	*buf = uv_buf_init((char *)read_space, sizeof read_space);
}

static void set_reading(struct net_stream *s, bool on);

/* What comes while we close: dropped up to a limit. */
static void on_discard(struct net_stream *s, ssize_t n)
{
	s->dropped += n > 0 ? (size_t)n : 0;
	if (n >= 0 && s->dropped <= LIMIT_NET_LINGER)
		return;
	s->ended = true;
	set_reading(s, false);
	if (s->state == STREAM_LINGERING)
		stream_end(s, NET_END_LOCAL, "");
	else if (n != UV_EOF)
		stream_end(s, NET_END_LOST, "the peer is gone, or sends without end");
}

static void on_end_of_input(struct net_stream *s)
{
	s->ended = true;
	if (s->handshaking)
		stream_end(
		    s, NET_END_TLS, "the peer closed the connection during the TLS handshake");
	else
		stream_pump(s, (struct str){NULL, 0});
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *buf)
{
	struct net_stream *s = stream_of(h->data);

	if (n == 0 || s->state == STREAM_CLOSING)
		return;
	if (!stream_is_open(s))
		on_discard(s, n);
	else if (n == UV_EOF)
		on_end_of_input(s);
	else if (n < 0)
		stream_lost(s, "reading", (int)n);
	else
		stream_pump(s, str_of(buf->base, (size_t)n));
}

static void set_reading(struct net_stream *s, bool on)
{
	int code = 0;

	if (on && !s->reading)
		code = uv_read_start(&s->h.stream, on_alloc, on_read);
	else if (!on && s->reading)
		code = uv_read_stop(&s->h.stream);
	s->reading = on;
	if (code < 0)
		stream_lost(s, "reading", code);
}

void stream_discard(struct net_stream *s)
{
	stream_drop_input(s);
	s->dropped = 0;
	if (!s->ended)
		set_reading(s, true);
}

/* ---- all together ---- */
/* Everything was offered: the end is told, or reading goes on. The end is never met while any is kept. */
static void settle(struct net_stream *s)
{
	if (!stream_is_open(s))
		return;
	set_reading(s, !is_blocked(s) && !s->ended);
	if (!s->ended || s->told_eof || !stream_is_open(s))
		return;
	s->told_eof = true;
	s->handler->eof(s->user);
}

void stream_pump(struct net_stream *s, struct str fresh)
{
	const struct net_tls *tls = s->tls; /* what the octets are; a handler may start TLS */

	if (s->pumping)
		return;
	s->pumping = true;
	if (s->in.n)
		offer_kept(s);
	else if (!tls)
		offer(s, fresh);
	if (tls && s->in.n == 0) {
		if (s->raw.n)
			pump_kept_raw(s);
		else
			pump_tls(s, fresh);
	}
	s->pumping = false;
	settle(s);
}

void net_stream_resume(struct net_stream *s)
{
	stream_of(s);
	if (stream_is_open(s))
		stream_pump(s, (struct str){NULL, 0});
}
