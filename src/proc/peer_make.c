/* A peer and its link, whatever carries the bytes. */
#include "base/mem.h"
#include "proc/peer.h"

static void on_request(void *user, struct ipc_request *r, struct str payload, int fd)
{
	struct peer *p = user;

	p->config->request(p, r, payload, fd);
}

static void on_event(void *user, uint16_t type, struct str payload, int fd)
{
	struct peer *p = user;

	p->config->event(p, type, payload, fd);
}

static void on_wake(void *user)
{
	struct peer *p = user;

	if (p->wake)
		p->wake(p);
}

static const struct ipc_handler handler = {on_request, on_event, on_wake};

struct peer *peer_make(
    const struct peer_config *config, int fd, void *owner, void (*wake)(struct peer *p))
{
	struct peer *p = mem_new(struct peer);

	p->config = config;
	p->owner = owner;
	p->fd = fd;
	p->wake = wake;
	p->link = ipc_link_new(config->edge, config->side, &handler, p);
	return p;
}
