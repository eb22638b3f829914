#include "proc/own_watch.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/mem.h"
#include "ipc/super_child.h"
#include "net/net_own.h"

#define LOOK_MS (30 * SECOND_MS)

static void look(struct own_watch *w)
{
	struct ip *own = mem_array(LIMIT_OWN_ADDRESSES, sizeof *own);
	size_t n = net_own_addresses(w->listen, w->count, own, LIMIT_OWN_ADDRESSES);
	struct buf list;

	buf_init(&list, LIMIT_OWN_ADDRESSES * sizeof *own);
	for (size_t i = 0; i < n; i++)
		sc_own_put(&list, &own[i]);
	mem_free(own);
	if (str_eq(buf_view(&list), buf_view(&w->list))) {
		buf_fini(&list);
		return;
	}
	buf_fini(&w->list);
	w->list = list;
	w->changed(w);
}

static void on_look(uv_timer_t *timer)
{
	look(timer->data);
}

void own_watch_init(struct own_watch *w, uv_loop_t *loop, void (*changed)(struct own_watch *))
{
	*w = (struct own_watch){.changed = changed};
	buf_init(&w->list, 0);
	uv_timer_init(loop, &w->timer);
	w->timer.data = w;
}

void own_watch_set(struct own_watch *w, const struct ip *listen, size_t count)
{
	mem_free(w->listen);
	w->listen = mem_array(count, sizeof *listen);
	w->count = count;
	if (count)
		memcpy(w->listen, listen, count * sizeof *listen);
	if (net_own_is_open(listen, count))
		uv_timer_start(&w->timer, on_look, LOOK_MS, LOOK_MS);
	else
		uv_timer_stop(&w->timer);
	look(w);
}

void own_watch_fini(struct own_watch *w)
{
	mem_free(w->listen);
	buf_fini(&w->list);
}
