/* One admin request answered on a socket by a store that is open in this process, without a loop. */
#ifndef PROC_ADMIN_SERVE_H
#define PROC_ADMIN_SERVE_H

#include "proc/store_admin.h"

/* Blocks until the request has ended or the asker has gone. fd stays the caller's. */
void admin_serve(const struct admin_context *ctx, int fd);

/* Answers the request with this only. */
void admin_serve_refusal(int fd, const struct admin_reply *reply);

#endif
