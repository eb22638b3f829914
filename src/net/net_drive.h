/*
 * Drives a sans-IO engine over a stream: pumps octets both ways with back-pressure, keeps the
 * deadline, flushes before TLS, closes when the engine has said its last. The same for servers and
 * clients of every protocol. Times are those of clock_mono().
 *
 * Server: net_drive_open(); with implicit TLS net_drive_start_tls() and, in secured(), go on; make the
 * engine; net_drive_start(). After each done() from outside the callbacks: net_drive_pump().
 */
#ifndef NET_DRIVE_H
#define NET_DRIVE_H

#include "net/net_stream.h"

/* Bits of wants(); the same numbers in every engine. */
enum net_wants {
	NET_WANTS_READ = 1,
	NET_WANTS_WRITE =
	    2, /* else out() may wait for what follows it, while more input is there */
	NET_WANTS_CLOSE = 4,
};

/*
 * The engine, and its session around it. ctx: the session. Those of the first part are called only
 * between net_drive_start() and closed(), and none from inside another.
 */
struct net_drive_engine {
	size_t (*feed)(void *ctx, struct str in, int64_t now);
	struct str (*out)(void *ctx);
	void (*sent)(void *ctx, size_t n, int64_t now);
	unsigned (*wants)(void *ctx);
	int64_t (*deadline)(void *ctx);
	void (*tick)(void *ctx, int64_t now);

	/* The peer sends nothing more, or (before closed()) is gone. Once. */
	void (*eof)(void *ctx, int64_t now);

	/* Before feed and eof, if not NULL: so many of the octets that went out have not left this process. */
	void (*unsent)(void *ctx, size_t n);

	/*
	 * Look at the pending effect and carry it out, until there is none or it is left for later:
	 * done() at once, or later and then net_drive_pump(). Called after everything that may have
	 * changed the engine, also when output went out and a source may go on filling.
	 */
	void (*effects)(void *ctx);

	/* net_drive_connect(): the connection stands. */
	void (*connected)(void *ctx);

	/* Answers net_drive_start_tls(). Not ok: closed() follows at once. */
	void (*secured)(void *ctx, const struct net_tls_info *info);

	/* The end: the drive is freed when this returns; the session may go in it. */
	void (*closed)(void *ctx, enum net_end end, const char *why);
};

/*
 * Defines drive_feed() ... drive_eof() for an engine whose functions are NAME_feed() ... NAME_eof();
 * of(ctx) gives the engine of a session. NET_DRIVE_CALLBACKS_INIT puts them into the table.
 */
#define NET_DRIVE_CALLBACKS(name, of)                                                              \
	static size_t drive_feed(void *ctx, struct str in, int64_t now)                            \
	{                                                                                          \
		return name##_feed(of(ctx), in, now);                                              \
	}                                                                                          \
	static struct str drive_out(void *ctx)                                                     \
	{                                                                                          \
		return name##_out(of(ctx));                                                        \
	}                                                                                          \
	static void drive_sent(void *ctx, size_t n, int64_t now)                                   \
	{                                                                                          \
		name##_sent(of(ctx), n, now);                                                      \
	}                                                                                          \
	static unsigned drive_wants(void *ctx)                                                     \
	{                                                                                          \
		return name##_wants(of(ctx));                                                      \
	}                                                                                          \
	static int64_t drive_deadline(void *ctx)                                                   \
	{                                                                                          \
		return name##_deadline(of(ctx));                                                   \
	}                                                                                          \
	static void drive_tick(void *ctx, int64_t now)                                             \
	{                                                                                          \
		name##_tick(of(ctx), now);                                                         \
	}                                                                                          \
	static void drive_eof(void *ctx, int64_t now)                                              \
	{                                                                                          \
		name##_eof(of(ctx), now);                                                          \
	}

#define NET_DRIVE_CALLBACKS_INIT                                                                   \
	.feed = drive_feed, .out = drive_out, .sent = drive_sent, .wants = drive_wants,            \
	.deadline = drive_deadline, .tick = drive_tick, .eof = drive_eof

struct net_drive;

/* As net_stream_open() and net_stream_connect(). engine: borrowed. */
struct net_drive *net_drive_open(
    uv_loop_t *loop, int fd, const struct net_drive_engine *engine, void *ctx, struct err *e);
struct net_drive *net_drive_connect(uv_loop_t *loop, const struct net_addr *to,
    const struct ip *from, const struct net_drive_engine *engine, void *ctx);

/* The engine is there: begins to drive it. Once. */
void net_drive_start(struct net_drive *d);

/* Something changed the engine from outside: goes on. Safe inside callbacks, cheap when idle. */
void net_drive_pump(struct net_drive *d);

/* Sends the engine's output, then starts TLS (net_stream_start_tls()). */
void net_drive_start_tls(struct net_drive *d, const struct net_tls_start *start);

/* Closes at once; closed() comes in the next turn of the loop. */
void net_drive_close(struct net_drive *d);

/* The stream, for questions: peer, descriptor, TLS. */
const struct net_stream *net_drive_stream(const struct net_drive *d);

#endif
