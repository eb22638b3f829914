/* Moves an ipc link's bytes and descriptors over a Unix stream socket; non-blocking, batched. */
#ifndef IPC_SOCK_H
#define IPC_SOCK_H

#include "ipc/link.h"

enum ipc_sock {
	IPC_SOCK_OK,     /* all that was possible now is done */
	IPC_SOCK_AGAIN,  /* flush only: the socket is full; call again when it is writable */
	IPC_SOCK_CLOSED, /* the peer is gone */
	IPC_SOCK_BAD,    /* the peer broke the protocol; *why_r says how */
};

/* A connected pair, non-blocking, close-on-exec. -1 and errno on failure. */
int ipc_sock_pair(int fds_r[2]);

/* Reads what is there, up to 256 KiB a call, and feeds the link. why_r is set on BAD only. */
enum ipc_sock ipc_sock_read(int fd, struct ipc_link *link, const char **why_r);

/* Sends what waits. */
enum ipc_sock ipc_sock_flush(int fd, struct ipc_link *link);

#endif
