/* How long the relay waits for another server. */
#ifndef PROC_RELAY_TIMES_H
#define PROC_RELAY_TIMES_H

#include "config/config.h"
#include "smtp/smtp_client.h"

/* Milliseconds for each thing that a session waits for. */
struct relay_times {
	int64_t connect, tls; /* a connection is accepted; the handshake is over */
	struct smtp_client_timeouts talk;
};

/* Somebody waits: for each step of a callout, for all of a brief job up to its content. */
#define RELAY_BRIEF_MS (20 * SECOND_MS)

/*
 * The times of a session by the configuration; of a callout's none up to RCPT, where it ends, is longer than
 * RELAY_BRIEF_MS. QUIT's is not configured: it is smtp_client_config_init()'s [RFC 5321 4.5.3.2].
 */
struct relay_times relay_times_of(const struct config_timeouts *configured, bool callout);

/*
 * The time of one message over a connection, up to its final dot, in milliseconds: an hour, and what its
 * size in octets takes at 16 KiB a second. Without it a server that is just not too slow at any step would
 * keep the message for weeks, and nobody would be told.
 */
int64_t relay_times_message(uint64_t size);

#endif
