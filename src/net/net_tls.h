/*
 * One TLS connection without I/O: ciphertext in, plain text out, and the other way round. The stream
 * (net/net_stream.c) moves the octets.
 */
#ifndef NET_NET_TLS_H
#define NET_NET_TLS_H

#include "net/net_stream.h"

enum net_tls_status {
	NET_TLS_OK,     /* handshake: done; read: octets were given */
	NET_TLS_MORE,   /* all ciphertext is used up, more must come */
	NET_TLS_CLOSED, /* read: the peer said close_notify */
	NET_TLS_BAD,    /* broken for good; an alert may wait in out */
};

struct net_tls;

/* out: ciphertext to send is appended there; borrowed for life. */
struct net_tls *net_tls_new(const struct net_tls_start *start, struct buf *out);
void net_tls_free(struct net_tls **t);

/* Both take ciphertext from the front of *wire. BAD sets *e. read: *n_r octets, at most max. */
enum net_tls_status net_tls_handshake(struct net_tls *t, struct str *wire, struct err *e);
enum net_tls_status net_tls_read(
    struct net_tls *t, struct str *wire, uint8_t *plain, size_t max, size_t *n_r, struct err *e);

/* After the handshake. An error shows as overflow of out, or by the next read. */
void net_tls_write(struct net_tls *t, struct str plain);

/* Says close_notify. */
void net_tls_shutdown(struct net_tls *t);

/* After the handshake. The texts live as long as t. */
void net_tls_info(struct net_tls *t, struct net_tls_info *info_r);

/* Static texts. */
const char *net_tls_version(const struct net_tls *t);
const char *net_tls_cipher(const struct net_tls *t);

#endif
