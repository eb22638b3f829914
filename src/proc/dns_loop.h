/* A libuv loop as libunbound sees one (unbound-event.h): descriptors and timers, no threads. */
#ifndef PROC_DNS_LOOP_H
#define PROC_DNS_LOOP_H

#include <uv.h>

struct ub_event_base;

/* What ub_ctx_create_ub_event() takes. It must outlive the context made with it. */
struct ub_event_base *dns_loop_new(uv_loop_t *loop);

/* Takes NULL, sets NULL. All events must be freed before: ub_ctx_delete() does. */
void dns_loop_free(struct ub_event_base **base);

#endif
