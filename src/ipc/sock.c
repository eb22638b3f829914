#include "ipc/sock.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE  (64 * KIB)
#define READ_TURNS 4
#define FDS_MAX    8
#define VECS       64

int ipc_sock_pair(int fds_r[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds_r);
}

/* Descriptors that came with a message; how many. */
static size_t received_fds(struct msghdr *msg, int fds[FDS_MAX])
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count && n < FDS_MAX; i++)
			memcpy(&fds[n++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
	}
	return n;
}

enum ipc_sock ipc_sock_read(int fd, struct ipc_link *link, const char **why_r)
{
	uint8_t bytes[READ_SIZE];

	for (int turn = 0; turn < READ_TURNS; turn++) {
		union {
			char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
			struct cmsghdr align;
		} control;
		struct iovec vec = {bytes, sizeof bytes};
		struct msghdr msg = {.msg_iov = &vec,
		    .msg_iovlen = 1,
		    .msg_control = control.space,
		    .msg_controllen = sizeof control.space};
		ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
		int fds[FDS_MAX];

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return IPC_SOCK_OK;
		if (n <= 0)
			return IPC_SOCK_CLOSED;
		if (ipc_link_feed(
			link, str_of(bytes, (size_t)n), fds, received_fds(&msg, fds), why_r))
			return IPC_SOCK_BAD;
		if ((size_t)n < sizeof bytes)
			return IPC_SOCK_OK;
	}
	return IPC_SOCK_OK;
}

static ssize_t send_once(int fd, struct iovec *vec, size_t nvec, int pass)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct msghdr msg = {.msg_iov = vec, .msg_iovlen = nvec};

	if (pass >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.space;
		msg.msg_controllen = sizeof control.space;
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass, sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL);
}

enum ipc_sock ipc_sock_flush(int fd, struct ipc_link *link)
{
	for (;;) {
		struct iovec vec[VECS];
		int pass;
		size_t nvec = ipc_link_out(link, vec, VECS, &pass);
		ssize_t n;

		if (nvec == 0)
			return IPC_SOCK_OK;
		n = send_once(fd, vec, nvec, pass);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS))
			return IPC_SOCK_AGAIN;
		if (n < 0)
			return IPC_SOCK_CLOSED;
		ipc_link_sent(link, (size_t)n);
	}
}
