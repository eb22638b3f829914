/*
 * The addresses of this server, as its processes are to know them (own_list.h). They may change while it runs where it
 * listens on all that the machine has: then they are looked up again and again.
 */
#ifndef PROC_OWN_WATCH_H
#define PROC_OWN_WATCH_H

#include <uv.h>

#include "base/buf.h"
#include "base/ip.h"

struct own_watch {
	uv_timer_t timer;
	struct ip *listen; /* of the configuration */
	size_t count;
	struct buf list; /* payload of SC_OWN */
	void (*changed)(struct own_watch *w);
};

/* changed: called when the list is another one, from the loop or from own_watch_set(). */
void own_watch_init(struct own_watch *w, uv_loop_t *loop, void (*changed)(struct own_watch *));

/* What is listened on from now on; copied. Looks at once. */
void own_watch_set(struct own_watch *w, const struct ip *listen, size_t count);

/* Frees the memory; the timer ends with its loop. */
void own_watch_fini(struct own_watch *w);

#endif
