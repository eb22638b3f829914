/*
 * One connection on a libuv loop, TCP or Unix socket, plain or TLS, with the same interface for all.
 * Never blocks, never uses libuv's threads. All functions may be called from inside its callbacks.
 *
 * Reading: what the handler does not consume is kept, and reading pauses until net_stream_resume();
 * memory per stream is thereby bounded. Writing: the caller watches net_stream_pending().
 * Each stream ends with exactly one closed(), its last callback. The process must ignore SIGPIPE.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <uv.h>

#include "net/net_addr.h"
#include "net/tls.h"

struct net_stream;

enum net_end {
	NET_END_LOCAL,   /* closed by this side */
	NET_END_CONNECT, /* the connection was never made */
	NET_END_TLS,     /* the handshake failed, or TLS was broken later */
	NET_END_LOST,    /* reset, or broken underneath */
};

/* How a handshake ended. Texts live during the callback. */
struct net_tls_info {
	bool ok;
	const char *why;     /* not ok: the reason */
	const char *version; /* "TLSv1.3" */
	const char *cipher;  /* "TLS_AES_256_GCM_SHA384" */
	const char *alpn;    /* agreed on, or NULL */
	bool resumed;
	bool verified;           /* the peer's certificate is trusted and has the wanted name */
	const char *verify_text; /* why it is not */
	size_t dropped; /* octets of plain text that came behind STARTTLS and were dropped */
};

/* Any but read, eof and closed may be NULL when it cannot come. */
struct net_stream_handler {
	/* Octets have come; gives how many of them are consumed. */
	size_t (*read)(void *user, struct str in);

	/* The peer sends nothing more (everything before it was consumed). Writing still works. */
	void (*eof)(void *user);

	/* net_stream_connect(): the connection stands. */
	void (*connected)(void *user);

	/* Answers each net_stream_start_tls(). Not ok: closed() follows at once. */
	void (*secured)(void *user, const struct net_tls_info *info);

	/* All that was written is on its way, after net_stream_pending() was above 0. */
	void (*drained)(void *user);

	/* The deadline has come; it is off again. */
	void (*deadline)(void *user);

	/* The end; the stream is freed when this returns. why: a sentence, empty for NET_END_LOCAL. */
	void (*closed)(void *user, enum net_end end, const char *why);
};

/*
 * Makes libuv open what it opens with the first stream of a loop (a spare descriptor). Call it before
 * a sandbox is entered, and tls_warm_up() too: no file is opened after that.
 */
void net_stream_warm_up(uv_loop_t *loop);

/* Takes over a connected socket (also when it fails). NULL with a sentence. handler: borrowed. */
struct net_stream *net_stream_open(
    uv_loop_t *loop, int fd, const struct net_stream_handler *handler, void *user, struct err *e);

/*
 * Connects; from: local address to use, or NULL. Every failure comes by closed(), never from inside.
 * When writing fails what the server said before is still read, for a moment: it may say why.
 */
struct net_stream *net_stream_connect(uv_loop_t *loop, const struct net_addr *to,
    const struct ip *from, const struct net_stream_handler *handler, void *user);

/*
 * Queues octets; what the socket takes at once does not wait. Nothing is sent after net_stream_finish(),
 * net_stream_shutdown() or on a closing stream. The queue's maximum is LIMIT_NET_QUEUE; more loses the
 * connection. Aborts before the connection stands and during a handshake.
 */
void net_stream_write(struct net_stream *s, struct str bytes);

/* Octets that wait to be sent; SIZE_MAX once they cannot be. */
size_t net_stream_pending(const struct net_stream *s);

/* Of these, octets that the socket has not taken: the peer cannot have them. SIZE_MAX as above. */
size_t net_stream_unsent(const struct net_stream *s);

/* Offers kept octets again and goes on reading. Does nothing inside read(), whose result says it all. */
void net_stream_resume(struct net_stream *s);

struct net_tls_start {
	struct tls_ctx *ctx; /* a reference is taken */
	const char *name;    /* client: the server's name for SNI and verification; NULL: none */
	bool verify;         /* client: an untrusted certificate or wrong name ends the handshake */
	const char *alpn;    /* server: see tls_set_alpn(); client: offered when not NULL; static */
	int64_t timeout;     /* milliseconds for the handshake; 0: 30 seconds */
};

/*
 * Starts TLS as server or client as the context says, after what was written so far; plain octets read
 * but not consumed are dropped. Aborts when TLS is active already.
 */
void net_stream_start_tls(struct net_stream *s, const struct net_tls_start *start);

bool net_stream_is_tls(const struct net_stream *s);

/* The time (of clock_mono()) at which to call deadline(); INT64_MAX: never. Replaces the one before. */
void net_stream_deadline(struct net_stream *s, int64_t at);

/* Ends our side: what is queued is sent, then close_notify and a half-close. Reading goes on. */
void net_stream_shutdown(struct net_stream *s);

/*
 * Closes after flushing; what still comes is read and dropped for a moment, so that the last words
 * are not lost to a reset. No read, eof, drained or deadline comes any more.
 */
void net_stream_finish(struct net_stream *s);

/* Closes at once; closed() comes in the next turn of the loop. Does nothing on a closing stream. */
void net_stream_close(struct net_stream *s);

/* The descriptor, for questions to the kernel; -1 when it is closing. It stays the stream's. */
int net_stream_fd(const struct net_stream *s);

/* Of an active TLS, for logs and trace headers; else NULL. Static texts. */
const char *net_stream_tls_version(const struct net_stream *s);
const char *net_stream_tls_cipher(const struct net_stream *s);

#endif
