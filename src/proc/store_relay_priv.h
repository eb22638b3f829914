/*
 * The inside of a link to a relay, for store_relay*.c only.
 *
 * store_relay.c        the link, results, longer leases
 * store_relay_lease.c  jobs
 * store_relay_way.c    which hosts a job may go to
 * store_relay_read.c   content
 */
#ifndef PROC_STORE_RELAY_PRIV_H
#define PROC_STORE_RELAY_PRIV_H

#include "proc/store_relay.h"

/* RS_READ at a time: one a job, and those whose cancel is on its way. */
#define STORE_RELAY_READS_MAX ((size_t)2 * RS_ROOM_MAX)

/* Something of it is with another thread: the object stays until as many unhold() as hold() were called. */
void store_relay_hold(struct store_relay *r);
void store_relay_unhold(struct store_relay *r);

/* Answers a request. */
void store_relay_end(struct ipc_request *request, enum rs_verdict verdict);

/* Logs what no relay asks that is well; it is told so where it waits for an answer. */
void store_relay_log_refused(const struct store_relay *r, const char *what);

/* It may be taken over, and have more asked for than we have memory. True: that was logged. */
bool store_relay_is_too_busy(const struct store_relay *r, const char *what);

/* Text from a relay that is to be a row's, in the arena: one line, whatever it sent. */
struct str store_relay_clean(struct arena *a, struct str text, size_t max);

/* Requests and events. */
void store_relay_take_way(struct store_relay *r, struct ipc_request *request, struct str payload);
void store_relay_take_lease(struct store_relay *r, struct ipc_request *request, struct str payload);
void store_relay_take_read(struct store_relay *r, struct ipc_request *request, struct str payload);

#endif
