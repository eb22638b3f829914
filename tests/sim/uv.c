/*
 * What the program under test uses of libuv: timers. Linked in libuv's place, they run on simulated
 * time.
 */
#include <uv.h>

#include "base/mem.h"
#include "loop.h"

static uv_loop_t the_loop;

uv_loop_t *uv_default_loop(void)
{
	return &the_loop;
}

static struct sim_timer *timer_of(uv_timer_t *h)
{
	return h->u.reserved[0];
}

int uv_timer_init(uv_loop_t *loop, uv_timer_t *h)
{
	*h = (uv_timer_t){.loop = loop, .type = UV_TIMER};
	h->u.reserved[0] = mem_new(struct sim_timer);
	return 0;
}

static void fire(struct sim_timer *t)
{
	uv_timer_t *h = t->ctx;

	if (h->repeat)
		sim_set(t, (int64_t)h->repeat, fire, h);
	h->timer_cb(h);
}

int uv_timer_start(uv_timer_t *h, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
	h->timer_cb = cb;
	h->repeat = repeat;
	sim_set(timer_of(h), (int64_t)timeout, fire, h);
	return 0;
}

int uv_timer_stop(uv_timer_t *h)
{
	sim_stop(timer_of(h));
	return 0;
}

static void closed(void *ctx)
{
	uv_handle_t *h = ctx;

	h->close_cb(h);
}

void uv_close(uv_handle_t *h, uv_close_cb cb)
{
	struct sim_timer *t = h->u.reserved[0];

	MUST(h->type == UV_TIMER);
	sim_stop(t);
	mem_free(t);
	h->close_cb = cb;
	sim_post(0, closed, h);
}
