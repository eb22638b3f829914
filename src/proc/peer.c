/*
 * The prepare handle runs in every turn before the loop sleeps: all frames queued in a turn leave in
 * one system call. A link is never closed inside its own callbacks: a close asked for there is
 * carried out in prepare.
 */
#include "proc/peer.h"

#include <unistd.h>

#include "base/mem.h"
#include "ipc/sock.h"
#include "proc/log.h"

static void on_closed(uv_handle_t *h)
{
	struct peer *p = h->data;

	if (--p->open_handles > 0)
		return;
	close(p->fd);
	mem_free(p);
}

/* Ends the link and the handles; tells the owner unless it asked for it. */
static void go_down(struct peer *p, const char *why)
{
	bool asked = p->closing;

	if (!p->link)
		return;
	p->closing = true;
	ipc_link_close(&p->link);
	uv_close((uv_handle_t *)&p->poll, on_closed);
	uv_close((uv_handle_t *)&p->prepare, on_closed);
	if (asked)
		return;
	if (why) {
		log_open(LOG_ERROR, "ipc-violation");
		log_text("link", p->config->name);
		log_num("node", p->node);
		log_text("why", why);
		log_close();
	}
	p->config->down(p, why);
}

static void watch(struct peer *p, int events);

static void flush(struct peer *p)
{
	size_t waited = ipc_link_waiting(p->link);

	switch (ipc_sock_flush(p->fd, p->link)) {
	case IPC_SOCK_OK:
		watch(p, UV_READABLE);
		break;
	case IPC_SOCK_AGAIN:
		watch(p, UV_READABLE | UV_WRITABLE);
		break;
	default:
		go_down(p, NULL);
		return;
	}
	if (p->config->sent && ipc_link_waiting(p->link) < waited)
		p->config->sent(p);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct peer *p = poll->data;
	const char *why = NULL;

	if (p->closing)
		return;
	if (status < 0) {
		go_down(p, NULL);
		return;
	}
	if (events & UV_READABLE) {
		enum ipc_sock s = ipc_sock_read(p->fd, p->link, &why);

		if (!p->closing && (s == IPC_SOCK_CLOSED || s == IPC_SOCK_BAD))
			go_down(p, why);
	}
	if (!p->closing && events & UV_WRITABLE)
		flush(p);
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct peer *p = prepare->data;

	if (p->closing)
		go_down(p, NULL);
	else if (ipc_link_waiting(p->link))
		flush(p);
}

static void watch(struct peer *p, int events)
{
	if (p->watched == events)
		return;
	p->watched = events;
	uv_poll_start(&p->poll, events, on_poll);
}

struct peer *peer_new(uv_loop_t *loop, const struct peer_config *config, int fd, void *owner)
{
	struct peer *p = peer_make(config, fd, owner, NULL); /* prepare looks at every link */

	MUST(uv_poll_init(loop, &p->poll, fd) == 0);
	MUST(uv_prepare_init(loop, &p->prepare) == 0);
	p->open_handles = 2;
	p->poll.data = p;
	p->prepare.data = p;
	uv_prepare_start(&p->prepare, on_prepare);
	watch(p, UV_READABLE);
	return p;
}

void peer_close(struct peer **pp)
{
	struct peer *p = *pp;

	*pp = NULL;
	if (p)
		p->closing = true;
}

void peer_lose(struct peer **pp)
{
	struct peer *p = *pp;

	*pp = NULL;
	if (p && !p->closing)
		go_down(p, NULL);
}
