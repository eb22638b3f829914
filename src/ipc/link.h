/*
 * ipc: typed frames over a socketpair, six kinds: request, reply, chunk, credit, cancel, event.
 *
 * One side of a link asks (IPC_ASKER), the other answers (IPC_ANSWERER); events go both ways. Bulk
 * (chunks) flows only against credit, so that neither side ever stops reading because its writing is
 * full; control frames overtake waiting chunks. The peer is hostile: every frame is checked against
 * the edge's table, and the first violation closes the link.
 *
 * This file is free of system calls (but close() of descriptors it owns): bytes and descriptors go
 * in, callbacks and bytes come out. A link must not be closed from inside one of its callbacks.
 * ipc/sock.h moves them over a socket.
 */
#ifndef IPC_LINK_H
#define IPC_LINK_H

#include <sys/uio.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/list.h"

enum ipc_kind {
	IPC_REQUEST, /* asker: opens id with a type and a payload */
	IPC_REPLY,   /* answerer: ends id */
	IPC_CHUNK,   /* a piece of a stream of id, either way */
	IPC_CREDIT,  /* payload u32: so many more bytes of chunks may be sent for id */
	IPC_CANCEL,  /* asker: no longer interested; the reply still comes */
	IPC_EVENT,   /* a type and a payload, no answer; id is 0 */
	IPC_KINDS
};

enum ipc_side {
	IPC_ASKER,
	IPC_ANSWERER,
};

/* Who may send a type: a bit set of (1 << enum ipc_side). */
#define IPC_BY_ASKER    (1u << IPC_ASKER)
#define IPC_BY_ANSWERER (1u << IPC_ANSWERER)

/* Traits of a type. */
#define IPC_IS_EVENT 1u  /* an event, not a request */
#define IPC_UP       2u  /* the request is followed by chunks from the asker */
#define IPC_DOWN     4u  /* the reply is preceded by chunks from the answerer */
#define IPC_FD       8u  /* may carry one descriptor */
#define IPC_BULK     16u /* the request itself is large: it queues with the chunks */

/* One row of an edge's table. */
struct ipc_type {
	const char *name;
	unsigned by; /* who may send it */
	unsigned traits;
	size_t max;       /* octets of its payload */
	size_t reply_max; /* octets of its reply's payload */
};

struct ipc_edge {
	const char *name;
	const struct ipc_type *types;
	uint16_t ntypes;
};

struct ipc_link;

/* Why a call ended. */
enum ipc_end {
	IPC_REPLIED, /* the payload is the answer */
	IPC_LOST,    /* the link closed first: whether it was carried out is not known */
};

/*
 * The asker's side of one request; embedded in the caller's object, zeroed first. Fill in the
 * callbacks; on_chunk and on_credit only for streams.
 */
struct ipc_call {
	struct hash_node node;
	struct ipc_link *link; /* set while the call is open */
	uint32_t id;
	uint16_t type;
	size_t send_credit; /* bytes of chunks that may be sent now */
	size_t recv_credit;
	void (*on_chunk)(struct ipc_call *call, struct str bytes);
	void (*on_credit)(struct ipc_call *call);
	void (*on_end)(struct ipc_call *call, enum ipc_end end, struct str payload);
};

/*
 * The answerer's side of one request. It lives until ipc_request_end(), which must be called exactly
 * once for each, also after on_cancel and after the link closed (then nothing is sent).
 */
struct ipc_request {
	struct hash_node node;
	struct ipc_link *link;
	uint32_t id;
	uint16_t type;
	bool cancelled; /* the asker lost interest, or the link is closed */
	bool up_ended;  /* the last chunk has come */
	size_t send_credit;
	size_t recv_credit;
	void *user; /* the handler's */
	void (*on_chunk)(struct ipc_request *r, struct str bytes, bool last);
	void (*on_credit)(struct ipc_request *r);
	void (*on_cancel)(struct ipc_request *r);
};

struct ipc_handler {
	/* A request has come; fd is -1 or now the handler's. Answerer only. */
	void (*request)(void *user, struct ipc_request *r, struct str payload, int fd);
	void (*event)(void *user, uint16_t type, struct str payload, int fd);
	/* Output is waiting: arrange for a flush in this turn of the loop. */
	void (*wake)(void *user);
};

/* A link of the given side. edge, handler: borrowed, constant. */
struct ipc_link *ipc_link_new(
    const struct ipc_edge *edge, enum ipc_side side, const struct ipc_handler *handler, void *user);

/*
 * Ends the link: open calls end with IPC_LOST, open requests are cancelled; nothing is sent any
 * more. The memory goes when the last open request is ended. Takes NULL, sets NULL.
 */
void ipc_link_close(struct ipc_link **link);

/*
 * Takes bytes from the peer, and the descriptors that came with them (at most 16 are kept waiting;
 * they are owned by the link from here on). 0, or -1 after a violation: *why_r says which, close it.
 */
int ipc_link_feed(
    struct ipc_link *link, struct str in, const int *fds, size_t nfds, const char **why_r);

/*
 * Bytes to send: fills at most max vectors; *fd_r is -1 or the descriptor to send with the first
 * byte. 0 vectors: nothing waits. ipc_link_sent() says how many bytes went out (the descriptor with
 * them; the link closes its copy).
 */
size_t ipc_link_out(struct ipc_link *link, struct iovec *vec, size_t max, int *fd_r);
void ipc_link_sent(struct ipc_link *link, size_t n);

/* Bytes that wait to be sent. */
size_t ipc_link_waiting(const struct ipc_link *link);

/* ---- asker ---- */
/* Starts a call. fd: -1, or a descriptor that the link now owns. payload is copied. */
void ipc_call_start(
    struct ipc_link *link, struct ipc_call *call, uint16_t type, struct str payload, int fd);

/* Sends a piece of the upward stream: at most call->send_credit and LIMIT_IPC_CHUNK octets. */
void ipc_call_chunk(struct ipc_call *call, struct str bytes, bool last);

/* n octets of the downward stream were dealt with: as many more may come. */
void ipc_call_credit(struct ipc_call *call, size_t n);

/* No callback comes any more; the struct may go. Does nothing on a call that is not open. */
void ipc_call_cancel(struct ipc_call *call);

/* Cancels it and ends it with IPC_LOST: the answer took too long. Does nothing when not open. */
void ipc_call_lose(struct ipc_call *call);

/* ---- answerer ---- */
void ipc_request_chunk(struct ipc_request *r, struct str bytes);
void ipc_request_credit(struct ipc_request *r, size_t n);
void ipc_request_end(struct ipc_request *r, struct str payload);

/* ---- both ---- */
void ipc_event(struct ipc_link *link, uint16_t type, struct str payload, int fd);

#endif
