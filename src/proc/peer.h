/* An ipc link on a libuv loop: reads when there is something, flushes once a turn, reports the end. */
#ifndef PROC_PEER_H
#define PROC_PEER_H

#include <uv.h>

#include "ipc/link.h"

struct peer;

struct peer_config {
	const struct ipc_edge *edge;
	enum ipc_side side;
	const char *name; /* for the log */
	void (*request)(struct peer *p, struct ipc_request *r, struct str payload, int fd);
	void (*event)(struct peer *p, uint16_t type, struct str payload, int fd);

	/*
	 * The link is down: the peer went (why NULL) or broke the protocol. All calls have ended as
	 * lost, all requests are cancelled; the peer frees itself after this returns.
	 */
	void (*down)(struct peer *p, const char *why);

	/* Some output has left; NULL when nobody waits for that. Not inside the link's callbacks. */
	void (*sent)(struct peer *p);
};

struct peer {
	const struct peer_config *config;
	void *owner;
	uint16_t node; /* of a front, for whoever keeps several */
	struct ipc_link *link;
	int fd;
	bool closing;
	void (*wake)(
	    struct peer *p); /* the link has something to say; NULL: it is looked at anyway */
	int watched;         /* the events the poll handle waits for */
	uv_poll_t poll;
	uv_prepare_t prepare;
	int open_handles;
};

/*
 * For what implements the rest of this header, here over a socket on a loop: one with its link, whose
 * requests and events go to config's functions.
 */
struct peer *peer_make(
    const struct peer_config *config, int fd, void *owner, void (*wake)(struct peer *p));

/* Takes over the socket fd. config is borrowed, constant. */
struct peer *peer_new(uv_loop_t *loop, const struct peer_config *config, int fd, void *owner);

/*
 * Closes the link without calling down(); the object goes by itself. Safe inside its callbacks: the
 * end then comes in the next turn of the loop. Takes NULL, sets NULL.
 */
void peer_close(struct peer **p);

/*
 * Ends the link at once as though the other side had gone: down() is called. Not for use inside its
 * own callbacks. Takes NULL, sets NULL.
 */
void peer_lose(struct peer **p);

#endif
