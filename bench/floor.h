/*
 * Floors: the least that an SMTP server can do. One thread that speaks the dialogue and believes
 * everything; with a log it also appends each message to a file and syncs it before the 250, one sync for all
 * that came in the same turn. What a real server takes longer is its own doing. Without a log it is the sink
 * that relayed mail ends in.
 */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include "base/err.h"

#include <netinet/in.h>

struct floor_settings {
	struct sockaddr_in listen;
	const char *log;      /* file to append to; NULL: none */
	const char *counters; /* file that shows struct floor_counters while it runs; NULL: none */
};

/* Native byte order, as it lies in the file. */
struct floor_counters {
	uint64_t connections, messages, octets, syncs;
};

/* Serves until a signal ends the process; -1 and *e when it cannot begin. */
int floor_run(const struct floor_settings *settings, struct err *e);

#endif
