/* Event loops. Where there is no memory, or no descriptor, for one, the process ends and says so. */
#ifndef PROC_EVENT_LOOP_H
#define PROC_EVENT_LOOP_H

#include <uv.h>

/* The process's own, ready; the same each time. */
uv_loop_t *event_loop(void);

/* Another one; uv_loop_close() ends it. */
void event_loop_init(uv_loop_t *loop);

#endif
