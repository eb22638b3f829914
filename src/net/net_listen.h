/* Listening sockets: bound once by the process that may, accepted from by those that inherit them. */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include <sys/types.h>
#include <uv.h>

#include "net/net_addr.h"

/*
 * Binds and listens: non-blocking, close-on-exec, IPv6 only for IPv6. The descriptor, or -1 with a
 * sentence that names port and cure (in use, privileged, address not of this machine).
 * port 0: any; net_listen_port() tells which. errno stays for callers that can live with a reason, as
 * with EAFNOSUPPORT on a machine without IPv6.
 */
int net_listen_tcp(const struct ip *ip, uint16_t port, struct err *e);

/*
 * The same on a path, with that mode. A socket left over that nobody listens on is replaced; one in
 * use, or a file that is no socket, is an error.
 */
int net_listen_unix(const char *path, mode_t mode, struct err *e);

/* Our end of a socket; zeros when the system does not say, or it is of another family. */
struct net_addr net_local_addr(int fd);

/* The port a TCP socket is bound to, 0 when it is none. */
uint16_t net_listen_port(int fd);

struct net_acceptor;

struct net_acceptor_handler {
	/* A connection: fd is the handler's now, non-blocking; peer: zero for Unix sockets. */
	void (*accepted)(void *user, int fd, const struct net_addr *peer);

	/* Accepting fails for lack of descriptors or memory and pauses for a moment. May be NULL. */
	void (*starved)(void *user, int code);
};

/* Accepts on an inherited listening socket, which it now owns. -1 with a sentence. handler: borrowed. */
int net_acceptor_new(uv_loop_t *loop, int fd, const struct net_acceptor_handler *handler,
    void *user, struct net_acceptor **acceptor_r, struct err *e);

/* Closes its copy of the socket; no callback comes any more. Takes NULL, sets NULL. */
void net_acceptor_free(struct net_acceptor **a);

#endif
