/* The inside of a stream, shared by the files net_stream*.c and by no other. */
#ifndef NET_STREAM_PRIV_H
#define NET_STREAM_PRIV_H

#include "net/net_stream.h"
#include "net/net_tls.h"

enum stream_state {
	STREAM_CONNECTING,
	STREAM_OPEN,
	STREAM_FLUSHING,  /* finish(): what is queued goes out; input is dropped */
	STREAM_LINGERING, /* our side is closed; input is dropped until the peer closes too */
	STREAM_CLOSING,   /* handles are being closed; nothing happens but closed() */
};

struct net_stream {
	uint32_t magic;
	enum stream_state state;
	const struct net_stream_handler *handler;
	void *user;
	union {
		uv_handle_t any;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} h;
	uv_timer_t timer;
	int open_handles;
	int64_t deadline;
	int64_t excused; /* the moment that was put off last, for it came late */

	/* input */
	struct buf in;  /* plain octets the handler did not consume */
	struct buf raw; /* ciphertext behind them */
	bool reading;   /* libuv reads */
	bool pumping;   /* inside stream_pump() */
	bool ended;     /* the peer has said its last */
	bool told_eof;
	size_t dropped; /* octets of input dropped: by STARTTLS, then while closing */

	/* output */
	struct buf out;     /* waits */
	struct buf sending; /* libuv has it */
	bool hears_out;     /* when writing fails the peer's last words are still read */
	bool broken;        /* it has failed: nothing is sent any more */
	bool half_closing;  /* net_stream_shutdown(): close our side when out is empty */
	bool half_closed;

	/* TLS */
	struct net_tls *tls;
	bool handshaking;
	int64_t handshake_by; /* when it must be done; INT64_MAX when there is none */
	int64_t heard_by;     /* when a broken stream ends at the latest; else INT64_MAX */

	/* the end */
	enum net_end end;
	char *why;

	union {
		uv_connect_t connect;
		uv_shutdown_t shutdown;
	} req;
	uv_write_t write;
};

/* Checks the magic and gives s. */
struct net_stream *stream_of(void *s);

/* The handler may be called, and octets may be written. */
static inline bool stream_is_open(const struct net_stream *s)
{
	return s->state == STREAM_OPEN;
}

#define NET_HANDSHAKE_MS (30 * 1000)
#define NET_FLUSH_MS     (30 * 1000) /* for the last words to get out */
#define NET_LINGER_MS    (2 * 1000)  /* for the peer to close too, or to be heard out */
#define NET_LATE_MS      250         /* no timer of a process that runs comes so late */
#define NET_EXCUSE_MS    500         /* to read what came while it did not run */

/* Lets the timer fire in so many milliseconds; replaces what it was set to. */
void stream_timer(struct net_stream *s, int64_t ms);

/* Closes the stream for this reason (the first one counts). */
void stream_end(struct net_stream *s, enum net_end end, const char *why);

/* Closes it because of a libuv error; what: said in front. */
void stream_lost(struct net_stream *s, const char *what, int code);

/*
 * Writing failed. Who hears out goes on reading: the reason may be in what the peer said before it
 * went. For others, and in a handshake, it is the end.
 */
void stream_broke(struct net_stream *s, int code);

/* TLS broke: the alert goes out, then the stream ends. */
void stream_tls_broke(struct net_stream *s, const char *why);

/* ---- net_stream_in.c ---- */
/* Offers kept octets, then decrypts and offers fresh ones; keeps the rest; reads on when all is gone. */
void stream_pump(struct net_stream *s, struct str fresh);

/* Drops what is kept; gives how many octets of plain text that were. */
size_t stream_drop_input(struct net_stream *s);

/* Takes the handshake on with these octets of ciphertext, moving *wire. */
void stream_handshake(struct net_stream *s, struct str *wire);

/* Reads and drops (closing). */
void stream_discard(struct net_stream *s);

/* ---- net_stream_out.c ---- */
/* Sends what the socket takes now; the rest goes by itself. */
void stream_flush(struct net_stream *s);

#endif
