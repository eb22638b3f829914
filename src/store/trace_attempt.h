/*
 * The sentence of the trace about an attempt: what it came to, with whom, over what, and how long it took.
 * What it says can be read from it again.
 */
#ifndef STORE_TRACE_ATTEMPT_H
#define STORE_TRACE_ATTEMPT_H

#include "base/buf.h"
#include "queue/queue_result.h"

struct trace_attempt {
	enum queue_outcome outcome;
	bool broken;       /* RETRY: not for what the server said */
	struct str server; /* name; empty: none was spoken to */
	struct str ip;     /* as text; empty: likewise, or it is the name */
	struct str tls;    /* "TLSv1.3 TLS_AES_256_GCM_SHA384, certificate verified"; empty: none */
	int64_t took;      /* milliseconds from its lease to its commit; -1: not known */
};

/* Appends "mx.b.test [192.0.2.1]", as much as is known. */
void trace_attempt_put_server(struct buf *b, struct str server, struct str ip);

/*
 * Appends "taken by mx.b.test [192.0.2.1] over TLSv1.3 ..., within 0.412 s" (", after" where it was
 * not taken), as much as is known.
 */
void trace_attempt_put(struct buf *b, const struct trace_attempt *a);

/* Reads the beginning of what this or an older program put; borrowed from it. False: it is none. */
bool trace_attempt_read(struct str text, struct trace_attempt *a_r);

#endif
