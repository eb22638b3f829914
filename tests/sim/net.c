/*
 * net/net_stream.h over the simulated network, with the same promises: closed() is the last callback and
 * never comes from inside a call, what is not consumed is kept until resume.
 */
#include "net.h"

#include "base/list.h"
#include "base/limits.h"
#include "base/mem.h"
#include "net/net_stream.h"
#include "smtp/smtp_client.h"
#include "world.h"

enum state {
	CONNECTING,
	OPEN,
	FINISHING,
	CLOSING
};

struct net_stream {
	struct list link; /* in streams */
	const struct net_stream_handler *handler;
	void *user;
	struct sim_process *process;
	struct sim_conn *conn;
	enum state state;
	struct buf in;
	bool ended; /* the host sends no more */
	bool end_told;
	bool handshaking;
	struct sim_timer deadline;
	enum net_end end;
	const char *why;
};

static struct list streams = {&streams, &streams};

/* ---- the end ---- */

static void closed(void *ctx)
{
	struct net_stream *s = ctx;

	if (s->handshaking)
		s->handler->secured(s->user, &(struct net_tls_info){.why = s->why});
	s->handler->closed(s->user, s->end, s->why);
	list_remove(&s->link);
	buf_fini(&s->in);
	mem_free(s);
}

/* The host learns of it as fast as a packet goes. */
static void tell_host(void *ctx)
{
	struct sim_conn *c = ctx;

	if (c->session)
		sim_host_end(c);
}

static void end_stream(struct net_stream *s, enum net_end end, const char *why, int64_t delay)
{
	if (s->state == CLOSING)
		return;
	s->state = CLOSING;
	s->end = end;
	s->why = why;
	sim_stop(&s->deadline);
	s->conn->stream = NULL;
	sim_post_to(&sim_outside, s->conn->delay, tell_host, s->conn);
	sim_post_to(s->process, delay, closed, s);
}

void net_stream_close(struct net_stream *s)
{
	end_stream(s, NET_END_LOCAL, "", 0);
}

/* What was written is on its way already. */
void net_stream_finish(struct net_stream *s)
{
	if (s->handshaking || s->state != OPEN) {
		net_stream_close(s);
		return;
	}
	end_stream(s, NET_END_LOCAL, "", 2 * s->conn->delay);
}

void sim_net_kill(const struct sim_process *process)
{
	LIST_FOREACH(&streams, it)
	{
		struct net_stream *s = LIST_ENTRY(it, struct net_stream, link);

		if (s->process != process)
			continue;
		list_remove(&s->link);
		if (s->state == CLOSING)
			continue;
		s->conn->stream = NULL;
		s->conn->killed = true;
		sim_post_to(&sim_outside, s->conn->delay, tell_host, s->conn);
	}
}

/* Those that we have opened, or begun to, and not closed; of a host, or NULL: in all. */
static size_t count(const struct sim_host *host)
{
	size_t n = 0;

	LIST_FOREACH(&streams, it)
	{
		const struct net_stream *s = LIST_ENTRY(it, struct net_stream, link);

		n += s->state != CLOSING && (!host || s->conn->host == host);
	}
	return n;
}

size_t sim_net_count(const struct sim_host *host)
{
	return count(host);
}

static size_t most;

size_t sim_net_most(void)
{
	return most;
}

/* Where some log in and others do not, they are two hosts for our store. */
static void check_count(const struct sim_host *host)
{
	size_t all = count(NULL), here = host ? count(host) : 0;
	size_t may = host && host->extensions & SMTP_EXT_AUTH ? 2 * SESSIONS_MAX : SESSIONS_MAX;

	most = all > most ? all : most;
	SIM_MUST(all <= CONNS_MAX, "%zu connections are open at once", all);
	SIM_MUST(
	    here <= may, "%zu connections are open at once to %s", here, host ? host->name : "");
}

/* ---- from the host ---- */

static void offer(struct net_stream *s)
{
	while (s->state == OPEN && !s->handshaking && s->in.n > 0) {
		size_t used = s->handler->read(s->user, buf_view(&s->in));

		if (used == 0 || s->handshaking) /* what came before TLS is dropped */
			return;
		buf_drop(&s->in, used);
	}
	if (s->state == OPEN && !s->handshaking && s->ended && !s->end_told) {
		s->end_told = true;
		s->handler->eof(s->user);
	}
}

enum kind {
	PACKET_BYTES,
	PACKET_END,
	PACKET_RESET
};

struct packet {
	struct sim_conn *conn;
	enum kind kind;
	struct buf bytes;
};

/* A packet has come to us. */
static void arrive(void *ctx)
{
	struct packet *p = ctx;
	struct net_stream *s = p->conn->stream;

	if (s && s->state == OPEN && s->process->alive) {
		sim_self = s->process;
		if (p->kind == PACKET_RESET) {
			end_stream(s, NET_END_LOST,
			    "the connection was lost: connection reset by peer", 0);
		} else {
			buf_str(&s->in, buf_view(&p->bytes));
			s->ended = s->ended || p->kind == PACKET_END;
			offer(s);
		}
	}
	buf_fini(&p->bytes);
	mem_free(p);
}

static void send_packet(struct sim_conn *c, enum kind kind, struct str bytes, int64_t delay)
{
	struct packet *p = mem_new(struct packet);
	int64_t at = clock_mono() + c->delay + delay;

	c->last = at > c->last ? at : c->last;
	p->conn = c;
	p->kind = kind;
	buf_init(&p->bytes, bytes.n);
	buf_str(&p->bytes, bytes);
	sim_post_to(&sim_outside, c->last - clock_mono(), arrive, p);
}

void sim_net_send(struct sim_conn *c, struct str bytes, int64_t delay)
{
	send_packet(c, PACKET_BYTES, bytes, delay);
}

void sim_net_end(struct sim_conn *c, int64_t delay)
{
	send_packet(c, PACKET_END, STR(""), delay);
}

void sim_net_reset(struct sim_conn *c, int64_t delay)
{
	send_packet(c, PACKET_RESET, STR(""), delay);
}

/* ---- to the host ---- */

static void reach_host(void *ctx)
{
	struct packet *p = ctx;

	if (p->conn->session)
		sim_host_feed(p->conn, buf_view(&p->bytes));
	buf_fini(&p->bytes);
	mem_free(p);
}

void net_stream_write(struct net_stream *s, struct str bytes)
{
	struct packet *p;

	if (s->state != OPEN)
		return;
	p = mem_new(struct packet);
	p->conn = s->conn;
	buf_init(&p->bytes, bytes.n);
	buf_str(&p->bytes, bytes);
	sim_post_to(&sim_outside, s->conn->delay, reach_host, p);
}

size_t net_stream_pending(const struct net_stream *s)
{
	return 0;
}

size_t net_stream_unsent(const struct net_stream *s)
{
	return 0;
}

static void resume(void *ctx)
{
	struct sim_conn *c = ctx;

	if (c->stream && c->stream->in.n > 0)
		offer(c->stream);
}

void net_stream_resume(struct net_stream *s)
{
	if (s->in.n > 0)
		sim_post_to(s->process, 0, resume, s->conn);
}

/* ---- time ---- */

static void on_deadline(struct sim_timer *t)
{
	struct net_stream *s = t->ctx;

	if (s->state == OPEN)
		s->handler->deadline(s->user);
}

void net_stream_deadline(struct net_stream *s, int64_t at)
{
	if (s->state != OPEN && s->state != CONNECTING)
		return;
	if (at == INT64_MAX)
		sim_stop(&s->deadline);
	else
		sim_set(&s->deadline, at - clock_mono(), on_deadline, s);
}

/* ---- TLS: only whether it succeeds ---- */

static void handshake_over(void *ctx)
{
	struct sim_conn *c = ctx;
	struct net_stream *s = c->stream;
	struct net_tls_info info = {.ok = true,
	    .why = "",
	    .version = "TLSv1.3",
	    .cipher = "TLS_AES_256_GCM_SHA384",
	    .verify_text = "self-signed"};

	if (!s || s->state != OPEN)
		return;
	if (!c->session || !sim_host_handshake(c)) {
		end_stream(s, NET_END_TLS, "the TLS handshake failed: handshake failure", 0);
		return;
	}
	s->handshaking = false;
	s->handler->secured(s->user, &info);
	offer(s);
}

void net_stream_start_tls(struct net_stream *s, const struct net_tls_start *start)
{
	if (s->state != OPEN)
		return;
	buf_clear(&s->in);
	s->handshaking = true;
	sim_post_to(s->process, 2 * s->conn->delay, handshake_over, s->conn);
}

/* ---- the beginning ---- */

static void connected(void *ctx)
{
	struct sim_conn *c = ctx;
	struct net_stream *s = c->stream;

	if (!s || s->state != CONNECTING) /* a brief attempt may be over by then */
		return;
	s->state = OPEN;
	s->handler->connected(s->user);
	offer(s);
}

struct net_stream *net_stream_connect(uv_loop_t *loop, const struct net_addr *to,
    const struct ip *from, const struct net_stream_handler *handler, void *user)
{
	struct net_stream *s = mem_new(struct net_stream);
	struct sim_conn *c = mem_new(struct sim_conn);

	s->handler = handler;
	s->user = user;
	s->process = sim_self;
	s->conn = c;
	buf_init(&s->in, MIB);
	list_push(&streams, &s->link);
	c->stream = s;
	c->delay = sim_between(5, 150);
	c->last = clock_mono() + 2 * c->delay + 1; /* nothing comes before the connection stands */
	switch (sim_host_connect(c, &to->ip)) {
	case SIM_ACCEPT:
		sim_post(2 * c->delay, connected, c);
		break;
	case SIM_REFUSE:
		end_stream(s, NET_END_CONNECT, "connection refused", 2 * c->delay);
		break;
	case SIM_NO_ROUTE:
		end_stream(s, NET_END_CONNECT, "host is unreachable", 2 * c->delay);
		break;
	case SIM_NO_ANSWER:
		break;
	}
	check_count(c->host);
	return s;
}

void net_stream_warm_up(uv_loop_t *loop)
{
}

/* Nobody connects to us here. */
struct net_stream *net_stream_open(
    uv_loop_t *loop, int fd, const struct net_stream_handler *handler, void *user, struct err *e)
{
	BUG("the relay takes no connections");
}
