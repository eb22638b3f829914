/*
 * The pump: carry out effects, offer input, hand output to the stream up to its mark, until nothing moves;
 * then set the deadline. Input comes before output, and an engine may keep output for a while, so that the
 * answers to what was pipelined leave in one write. It never runs inside itself: a call from inside asks
 * it for another round. Input is fed only from the stream's read callback, so its octets are kept in one
 * place.
 */
#include "net/net_drive.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"

#define DRIVE_MAGIC 0x6e647276u

/* An engine that takes nothing so often in a row has a bug: it is not fed for ever. */
#define IDLE_MAX 16

struct net_drive {
	uint32_t magic;
	const struct net_drive_engine *engine;
	void *ctx;
	struct net_stream *stream;
	bool started;
	bool closed;   /* the stream is finishing: the engine is left alone */
	bool securing; /* a handshake is under way: no output */
	bool eof_told;
	bool has_more; /* the stream keeps input that the engine did not take yet */
	bool pumping;
	bool again; /* asked for another round from inside */
};

static struct net_drive *drive_of(void *p)
{
	struct net_drive *d = p;

	MUST(d->magic == DRIVE_MAGIC);
	return d;
}

static bool is_running(const struct net_drive *d)
{
	return d->started && !d->closed;
}

static unsigned wants(struct net_drive *d)
{
	return d->engine->wants(d->ctx);
}

/* ---- output ---- */
/* Moves a piece of the engine's output to the stream. False: there is none. */
static bool send_piece(struct net_drive *d)
{
	struct str out = str_sub(d->engine->out(d->ctx), 0, LIMIT_NET_WRITE);

	if (out.n == 0)
		return false;
	net_stream_write(d->stream, out);
	d->engine->sent(d->ctx, out.n, clock_mono());
	return true;
}

/*
 * The engine's output, while there is room for it in the stream. True: something went. What the engine would
 * rather keep is kept only while the peer has sent more than was fed: he may wait for it otherwise
 * [RFC 2920 3.2 (5)].
 */
static bool send_out(struct net_drive *d)
{
	bool went = false;

	while (net_stream_pending(d->stream) < LIMIT_NET_WRITE &&
	       (!d->has_more || (wants(d) & NET_WANTS_WRITE) != 0) && send_piece(d))
		went = true;
	return went;
}

/* Effects, until none follows from another. */
static void run_effects(struct net_drive *d)
{
	do {
		d->again = false;
		d->engine->effects(d->ctx);
	} while (d->again && !d->closed);
}

/* Effects and output, until neither makes more of the other. */
static void run_engine(struct net_drive *d)
{
	do
		run_effects(d);
	while (!d->closed && !d->securing && send_out(d));
}

/* ---- the pump ---- */
static void set_deadline(struct net_drive *d)
{
	net_stream_deadline(d->stream, d->engine->deadline(d->ctx));
}

static bool close_if_done(struct net_drive *d)
{
	if (!(wants(d) & NET_WANTS_CLOSE) || d->engine->out(d->ctx).n)
		return false;
	d->closed = true;
	net_stream_finish(d->stream);
	return true;
}

/* Comes back in on_read(), when something is kept. */
static void offer_kept(struct net_drive *d)
{
	if (!d->closed && wants(d) & NET_WANTS_READ)
		net_stream_resume(d->stream);
}

void net_drive_pump(struct net_drive *d)
{
	drive_of(d);
	if (d->pumping) {
		d->again = true;
		return;
	}
	if (!is_running(d))
		return;
	d->pumping = true;
	run_effects(d);
	d->pumping = false;
	offer_kept(d);
	if (d->closed)
		return;
	d->pumping = true;
	run_engine(d);
	d->pumping = false;
	if (d->closed || close_if_done(d))
		return;
	set_deadline(d);
	offer_kept(d); /* what was sent may have made room for more */
}

/* ---- from the stream ---- */
static bool takes_input(struct net_drive *d)
{
	return is_running(d) && !d->securing && (wants(d) & NET_WANTS_READ);
}

static void tell_unsent(struct net_drive *d)
{
	if (d->engine->unsent)
		d->engine->unsent(d->ctx, net_stream_unsent(d->stream));
}

/* False when it took nothing: it may have had an effect to be carried out first. */
static bool feed(struct net_drive *d, struct str in, size_t *used)
{
	size_t n;

	tell_unsent(d);
	n = d->engine->feed(d->ctx, str_from(in, *used), clock_mono());
	*used += n;
	d->has_more = *used < in.n;
	run_effects(d);
	return n > 0;
}

/*
 * What is fed may make effects, and when the engine has said what it has to, it may take more. Nobody comes back for
 * what is left while the engine takes input.
 */
static size_t feed_all(struct net_drive *d, struct str in)
{
	size_t used = 0;
	int idle = 0;

	d->has_more = in.n > 0;
	d->pumping = true;
	do {
		while (used < in.n && idle < IDLE_MAX && takes_input(d))
			idle = feed(d, in, &used) ? 0 : idle + 1;
		if (!d->closed)
			run_engine(d);
	} while (used < in.n && idle < IDLE_MAX && takes_input(d));
	d->pumping = false;
	return used;
}

static size_t on_read(void *user, struct str in)
{
	struct net_drive *d = drive_of(user);
	size_t used = feed_all(d, in);

	if (is_running(d) && !close_if_done(d))
		set_deadline(d);
	return used;
}

static void on_eof(void *user)
{
	struct net_drive *d = drive_of(user);

	if (!is_running(d) || d->eof_told) {
		if (!d->started)
			net_stream_close(d->stream);
		return;
	}
	d->eof_told = true;
	tell_unsent(d);
	d->engine->eof(d->ctx, clock_mono());
	net_drive_pump(d);
}

static void on_drained(void *user)
{
	net_drive_pump(user);
}

static void on_deadline(void *user)
{
	struct net_drive *d = drive_of(user);

	if (!is_running(d))
		return;
	tell_unsent(d);
	d->engine->tick(d->ctx, clock_mono());
	net_drive_pump(d);
}

static void on_connected(void *user)
{
	struct net_drive *d = drive_of(user);

	d->engine->connected(d->ctx);
}

static void on_secured(void *user, const struct net_tls_info *info)
{
	struct net_drive *d = drive_of(user);

	d->securing = false;
	d->engine->secured(d->ctx, info);
	net_drive_pump(d);
}

static void on_closed(void *user, enum net_end end, const char *why)
{
	struct net_drive *d = drive_of(user);

	if (is_running(d) && !d->eof_told) {
		d->eof_told = true;
		tell_unsent(d);
		d->engine->eof(d->ctx, clock_mono());
		d->engine->effects(d->ctx);
	}
	d->closed = true;
	d->engine->closed(d->ctx, end, why);
	d->magic = 0;
	mem_free(d);
}

static const struct net_stream_handler stream_handler = {
    .read = on_read,
    .eof = on_eof,
    .connected = on_connected,
    .secured = on_secured,
    .drained = on_drained,
    .deadline = on_deadline,
    .closed = on_closed,
};

/* ---- for the session ---- */
static struct net_drive *drive_new(const struct net_drive_engine *engine, void *ctx)
{
	struct net_drive *d = mem_new(struct net_drive);

	d->magic = DRIVE_MAGIC;
	d->engine = engine;
	d->ctx = ctx;
	return d;
}

struct net_drive *net_drive_open(
    uv_loop_t *loop, int fd, const struct net_drive_engine *engine, void *ctx, struct err *e)
{
	struct net_drive *d = drive_new(engine, ctx);

	d->stream = net_stream_open(loop, fd, &stream_handler, d, e);
	if (d->stream)
		return d;
	mem_free(d);
	return NULL;
}

struct net_drive *net_drive_connect(uv_loop_t *loop, const struct net_addr *to,
    const struct ip *from, const struct net_drive_engine *engine, void *ctx)
{
	struct net_drive *d = drive_new(engine, ctx);

	d->stream = net_stream_connect(loop, to, from, &stream_handler, d);
	return d;
}

void net_drive_start(struct net_drive *d)
{
	drive_of(d);
	MUST(!d->started);
	d->started = true;
	net_drive_pump(d);
}

void net_drive_start_tls(struct net_drive *d, const struct net_tls_start *start)
{
	drive_of(d);
	if (d->closed)
		return;
	while (d->started && send_piece(d))
		continue;
	d->has_more = false; /* what came before TLS is dropped */
	d->securing = true;
	net_stream_start_tls(d->stream, start);
}

void net_drive_close(struct net_drive *d)
{
	net_stream_close(drive_of(d)->stream);
}

const struct net_stream *net_drive_stream(const struct net_drive *d)
{
	return d->stream;
}
