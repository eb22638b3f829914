/*
 * Listeners are bound once and inherited by every process that accepts from them, so accepting is
 * plain accept4(2) when poll says so; that another process was faster is normal.
 */
#include "net/net_listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define ACCEPTOR_MAGIC 0x6e616363u
#define BACKLOG        511
#define ACCEPT_TURN    16  /* connections taken at a time: others have work too */
#define STARVED_MS     200 /* pause when descriptors or memory run out */

/* ---- binding ---- */
static int fail(int fd, int code)
{
	close(fd);
	errno = code;
	return -1;
}

static int set_option(int fd, int level, int name)
{
	const int on = 1;

	return setsockopt(fd, level, name, &on, sizeof on);
}

/* The listening socket or -1 and errno. */
static int bind_listen(const struct net_addr *addr)
{
	struct sockaddr_storage sys;
	socklen_t len = net_addr_to_sys(addr, &sys);
	int fd = socket(sys.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (sys.ss_family != AF_UNIX && set_option(fd, SOL_SOCKET, SO_REUSEADDR) < 0)
		return fail(fd, errno);
	if (sys.ss_family == AF_INET6 && set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY) < 0)
		return fail(fd, errno);
	if (bind(fd, (const struct sockaddr *)&sys, len) < 0 || listen(fd, BACKLOG) < 0)
		return fail(fd, errno);
	return fd;
}

static int explain(const struct net_addr *addr, int code, struct err *e)
{
	struct buf text;

	buf_init(&text, 256);
	net_addr_put(&text, addr);
	switch (code) {
	case EADDRINUSE:
		err_set(e,
		    "%s is in use: another server listens on port %u (ss -ltnp shows which); stop it, or "
		    "set port_offset or ports in godwit.conf",
		    buf_cstr(&text), addr->port);
		break;
	case EACCES:
		err_set(e,
		    "%s may not be used: ports below 1024 need root or CAP_NET_BIND_SERVICE; start as "
		    "root, or set port_offset in godwit.conf",
		    buf_cstr(&text));
		break;
	case EADDRNOTAVAIL:
		err_set(e,
		    "%s is not an address of this machine (ip address shows them); correct listen in "
		    "godwit.conf",
		    buf_cstr(&text));
		break;
	case EAFNOSUPPORT:
		err_set(e,
		    "%s cannot be used: this machine has no IPv6; take the address out of listen in "
		    "godwit.conf",
		    buf_cstr(&text));
		break;
	default:
		err_sys(e, code, "cannot listen on %s", buf_cstr(&text));
	}
	buf_fini(&text);
	errno = code;
	return -1;
}

int net_listen_tcp(const struct ip *ip, uint16_t port, struct err *e)
{
	struct net_addr addr = net_addr_ip(ip, port);
	int fd = bind_listen(&addr);

	return fd >= 0 ? fd : explain(&addr, errno, e);
}

/* Does a server answer on that path? */
static bool is_alive(const struct net_addr *addr)
{
	struct sockaddr_storage sys;
	socklen_t len = net_addr_to_sys(addr, &sys);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool alive;

	if (fd < 0)
		return true;
	alive = connect(fd, (const struct sockaddr *)&sys, len) == 0 || errno != ECONNREFUSED;
	close(fd);
	return alive;
}

/* Removes what a server that died left behind. */
static int clear_path(const char *path, const struct net_addr *addr, struct err *e)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "cannot look at %s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(e, "%s is in the way: it is no socket; move it away", path);
	if (is_alive(addr))
		return err_set(e, "%s is in use: another server runs here; stop it first", path);
	if (unlink(path) < 0)
		return err_sys(e, errno, "cannot remove the old socket %s", path);
	return 0;
}

int net_listen_unix(const char *path, mode_t mode, struct err *e)
{
	struct net_addr addr;
	mode_t old;
	int fd;

	if (net_addr_path(path, &addr, e) < 0 || clear_path(path, &addr, e) < 0)
		return -1;
	/* The mode is right from the first moment. Set later, by name, it could be another file's: the directory
	 * belongs to a user who must not lead root astray. */
	old = umask(0777 & ~mode);
	fd = bind_listen(&addr);
	umask(old);
	return fd >= 0 ? fd : err_sys(e, errno, "cannot listen on %s", path);
}

struct net_addr net_local_addr(int fd)
{
	struct sockaddr_storage sys = {0};
	socklen_t len = sizeof sys;
	struct net_addr addr;

	if (getsockname(fd, (struct sockaddr *)&sys, &len) < 0 ||
	    !net_addr_from_sys(&sys, len, &addr))
		return (struct net_addr){0};
	return addr;
}

uint16_t net_listen_port(int fd)
{
	return net_local_addr(fd).port;
}

/* ---- accepting ---- */
struct net_acceptor {
	uint32_t magic;
	int fd;
	const struct net_acceptor_handler *handler;
	void *user;
	bool closing;
	int open_handles;
	uv_poll_t poll;
	uv_timer_t timer; /* runs while starved */
};

static void on_ready(uv_poll_t *poll, int status, int events);

static void set_polling(struct net_acceptor *a)
{
	bool on = !a->closing && !uv_is_active((uv_handle_t *)&a->timer);

	if (on == (uv_is_active((uv_handle_t *)&a->poll) != 0))
		return;
	if (on)
		uv_poll_start(&a->poll, UV_READABLE, on_ready);
	else
		uv_poll_stop(&a->poll);
}

static void on_recovered(uv_timer_t *timer)
{
	set_polling(timer->data);
}

/* The connection stays in the kernel's queue; without a pause poll would spin. */
static void starve(struct net_acceptor *a, int code)
{
	uv_timer_start(&a->timer, on_recovered, STARVED_MS, 0);
	set_polling(a);
	if (a->handler->starved)
		a->handler->starved(a->user, code);
}

static bool is_starving(int code)
{
	return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

/* One connection. False: no more for now. */
static bool accept_one(struct net_acceptor *a)
{
	struct sockaddr_storage sys = {0};
	socklen_t len = sizeof sys;
	struct net_addr peer = {0};
	int fd = accept4(a->fd, (struct sockaddr *)&sys, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0 && is_starving(errno))
		starve(a, errno);
	if (fd < 0)
		return errno == ECONNABORTED || errno == EINTR;
	net_addr_from_sys(&sys, len, &peer);
	a->handler->accepted(a->user, fd, &peer);
	return true;
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct net_acceptor *a = poll->data;

	MUST(a->magic == ACCEPTOR_MAGIC);
	for (int i = 0; i < ACCEPT_TURN && !a->closing; i++)
		if (!accept_one(a))
			return;
}

int net_acceptor_new(uv_loop_t *loop, int fd, const struct net_acceptor_handler *handler,
    void *user, struct net_acceptor **acceptor_r, struct err *e)
{
	struct net_acceptor *a = mem_new(struct net_acceptor);
	int code = uv_poll_init(loop, &a->poll, fd);

	if (code < 0) {
		mem_free(a);
		return err_set(e, "the listening socket cannot be used: %s", uv_strerror(code));
	}
	uv_timer_init(loop, &a->timer);
	a->magic = ACCEPTOR_MAGIC;
	a->fd = fd;
	a->handler = handler;
	a->user = user;
	a->poll.data = a;
	a->timer.data = a;
	a->open_handles = 2;
	set_polling(a);
	*acceptor_r = a;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct net_acceptor *a = h->data;

	if (--a->open_handles)
		return;
	close(a->fd);
	a->magic = 0;
	mem_free(a);
}

void net_acceptor_free(struct net_acceptor **acceptor)
{
	struct net_acceptor *a = *acceptor;

	*acceptor = NULL;
	if (!a)
		return;
	MUST(a->magic == ACCEPTOR_MAGIC && !a->closing);
	a->closing = true;
	uv_close((uv_handle_t *)&a->poll, on_closed);
	uv_close((uv_handle_t *)&a->timer, on_closed);
}
