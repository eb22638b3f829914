/* What rows keep of a message's summary. */
#ifndef STORE_SUMMARY_H
#define STORE_SUMMARY_H

#include "base/arena.h"
#include "store/db.h"

struct summary_facts {
	int64_t thread;
	struct str header_id; /* Message-ID without <>; empty: none, or not fit for a row */
};

/*
 * Reads a summary, which is not to be trusted; one that cannot be read is emptied: it can be made anew
 * from the blob. id: of the message, its thread where it has no other.
 */
void summary_facts(struct arena *a, struct str *summary, int64_t id, struct summary_facts *facts_r);

/* Whether it is of a message with this Message-ID (without <>), in any case of letters. */
bool summary_is_of(struct arena *a, struct str summary, struct str header_id);

/*
 * The same of an email: by its summary, for its history goes before it; by that only where the summary has none. DB_OK,
 * *is_r; false when there is no such email.
 */
enum db_code summary_email_is_of(struct db *db, struct arena *a, int64_t account, int64_t email,
    struct str header_id, bool *is_r);

#endif
