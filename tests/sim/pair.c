/*
 * proc/peer.h over memory: real links of ipc/link.h, whose bytes take a moment to the other side. What a
 * process had not flushed when it died is lost, as it is in the real world.
 */
#include "pair.h"

#include "base/mem.h"

#define FIRST_FD 100000 /* no descriptor of this process */
#define ENDS_MAX 4096
#define DELAY_MS 2

struct end {
	struct sim_process *process;
	struct peer *peer; /* NULL: not taken yet, or closed */
	struct end *other;
	struct sim_timer flush;
	bool closed;
};

static struct end ends[ENDS_MAX];
static size_t end_count;

void sim_pair(int fds[2], struct sim_process *first, struct sim_process *second)
{
	struct end *a = &ends[end_count], *b = a + 1;

	SIM_MUST(end_count + 2 <= ENDS_MAX, "the simulation has too few ends of links");
	*a = (struct end){.process = first, .other = b};
	*b = (struct end){.process = second, .other = a};
	fds[0] = FIRST_FD + (int)end_count;
	fds[1] = fds[0] + 1;
	end_count += 2;
}

static struct end *end_of(const struct peer *p)
{
	return &ends[p->fd - FIRST_FD];
}

/* ---- the end of a link ---- */

static void go_down(void *ctx)
{
	struct end *e = ctx;
	struct peer *p = e->peer;
	bool asked = p && p->closing;

	if (!p)
		return;
	e->peer = NULL;
	p->closing = true;
	ipc_link_close(&p->link);
	if (!asked)
		p->config->down(p, NULL);
	mem_free(p);
}

/* Its other side learns of it. */
static void close_end(struct end *e)
{
	if (e->closed)
		return;
	e->closed = true;
	sim_stop(&e->flush);
	if (!e->other->closed) {
		e->other->closed = true;
		sim_stop(&e->other->flush);
		sim_post_to(e->other->process, DELAY_MS, go_down, e->other);
	}
}

void sim_pair_kill(const struct sim_process *process)
{
	for (size_t i = 0; i < end_count; i++)
		if (ends[i].process == process)
			close_end(&ends[i]);
}

/* ---- bytes ---- */

static void feed(struct end *to, struct str bytes)
{
	const char *why = "";

	if (ipc_link_feed(to->peer->link, bytes, NULL, 0, &why) != 0)
		sim_fail("the link %s was violated: %s", to->peer->config->name, why);
}

/* To one who has died, and did not close. */
static void drop(struct ipc_link *link)
{
	struct iovec vec[16];
	size_t n;
	int fd;

	while ((n = ipc_link_out(link, vec, 16, &fd)) > 0)
		for (size_t i = 0; i < n; i++)
			ipc_link_sent(link, vec[i].iov_len);
}

/* All that waits; while the other side has not taken its end yet it stays. */
static void flush(struct sim_timer *t)
{
	struct end *e = t->ctx;
	struct ipc_link *link = e->peer->link;
	struct iovec vec[16];
	struct sim_process *self = sim_self;
	size_t n;
	int fd;

	if (e->other->process && !e->other->process->alive) {
		drop(link);
		return;
	}
	if (!e->other->peer || e->other->peer->closing) {
		sim_set(t, DELAY_MS, flush, e);
		return;
	}
	sim_self = e->other->process;
	while (
	    !e->closed && !e->other->peer->closing && (n = ipc_link_out(link, vec, 16, &fd)) > 0) {
		size_t all = 0;

		for (size_t i = 0; i < n; i++) {
			feed(e->other, str_of(vec[i].iov_base, vec[i].iov_len));
			all += vec[i].iov_len;
		}
		ipc_link_sent(link, all);
	}
	sim_self = self;
	if (!e->closed && e->peer->config->sent)
		e->peer->config->sent(e->peer);
}

static void on_wake(struct peer *p)
{
	struct end *e = end_of(p);
	struct sim_process *self = sim_self;

	if (e->flush.place || e->closed)
		return;
	sim_self = e->process;
	sim_set(&e->flush, (int64_t)sim_random(DELAY_MS), flush, e);
	sim_self = self;
}

/* ---- proc/peer.h ---- */

struct peer *peer_new(uv_loop_t *loop, const struct peer_config *config, int fd, void *owner)
{
	struct peer *p = peer_make(config, fd, owner, on_wake);

	end_of(p)->peer = p;
	return p;
}

static void close_asked(void *ctx)
{
	close_end(ctx);
	go_down(ctx);
}

void peer_close(struct peer **pp)
{
	struct peer *p = *pp;

	*pp = NULL;
	if (!p)
		return;
	p->closing = true;
	sim_post_to(end_of(p)->process, 0, close_asked, end_of(p));
}

void peer_lose(struct peer **pp)
{
	struct peer *p = *pp;

	*pp = NULL;
	if (!p || p->closing)
		return;
	close_end(end_of(p));
	go_down(end_of(p));
}
