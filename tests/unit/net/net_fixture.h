/* Two ends of a connection on one loop, each recorded: what the tests of src/net have in common. */
#ifndef NET_FIXTURE_H
#define NET_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/limits.h"
#include "base/mem.h"
#include "net/net_stream.h"

#define GOT_MAX (16 * MIB)

/* One end and all that happened to it. */
struct end {
	struct net_stream *s; /* NULL after closed() */
	struct buf got;
	size_t take;       /* octets consumed by one read(); SIZE_MAX: all */
	size_t offered;    /* the most octets offered at once */
	const char *until; /* consume up to and with this text, then start tls */
	const struct net_tls_start *tls;
	bool connected, eof, drained, secured, closed;
	int deadlines;
	struct net_tls_info info;
	char text[LIMIT_ERR_TEXT]; /* of a handshake that failed, then of closed() */
	char verify_text[LIMIT_ERR_TEXT];
	enum net_end why;
};

struct net {
	uv_loop_t loop;
	uv_timer_t beat; /* or a turn that only ran a timer would wait for more */
	struct end a, b;
};

extern const struct net_stream_handler end_handler;

void net_setup(struct net *n);

/* Closes what is open and runs the loop until nothing is left; checks that. */
void net_teardown(struct net *n);

/* Both ends on a Unix socket pair, or on TCP over loopback. */
void net_pair(struct net *n);
void net_tcp_pair(struct net *n);

/* One end on a socket pair; the other descriptor, non-blocking. */
int net_half(struct net *n, struct end *e);

/* The same over loopback; the other descriptor blocks. */
int net_tcp_half(struct net *n, struct end *e);

/* Runs the loop until done() is true. */
void net_until(struct net *n, bool (*done)(struct net *n));
bool both_closed(struct net *n);
bool both_secured(struct net *n);

/* n octets of a pattern, appended. */
void pattern(struct buf *b, size_t n);

/* Asserts what an end has got so far. */
void assert_got(const struct end *e, const char *want);

/* A certificate for `localhost`, written to a file too for clients to trust. */
struct identity {
	struct buf certificate, key;
	char path[64];
};

void identity_init(struct identity *id);
void identity_fini(struct identity *id);
struct tls_ctx *identity_server(const struct identity *id);
struct tls_ctx *identity_client(const struct identity *id);

#endif
