/* Event loops. Where there is no memory, or no descriptor, for one, the process ends and says so. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <uv.h>

/* The process's own, ready; the same each time. */
uv_loop_t *net_loop(void);

/* Another one; uv_loop_close() ends it. */
void net_loop_init(uv_loop_t *loop);

#endif
