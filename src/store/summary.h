/* What rows keep of a message's summary. */
#ifndef STORE_SUMMARY_H
#define STORE_SUMMARY_H

#include "base/arena.h"

struct summary_facts {
	int64_t thread;
	struct str header_id; /* Message-ID without <>; empty: none, or not fit for a row */
};

/*
 * Reads a summary, which is not to be trusted; one that cannot be read is emptied: it can be made anew
 * from the blob. id: of the message, its thread where it has no other.
 */
void summary_facts(struct arena *a, struct str *summary, int64_t id, struct summary_facts *facts_r);

#endif
