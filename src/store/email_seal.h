/*
 * The seal of an email's row: a checksum of all in it that no other row tells, so that a bit that flips there
 * is found before what it belongs to is handed out. docs/invariants/rows.md.
 */
#ifndef STORE_EMAIL_SEAL_H
#define STORE_EMAIL_SEAL_H

#include "base/arena.h"
#include "store/db.h"

/* What is sealed, in the order of EMAIL_SEALED (sql_statements.h). Strings are borrowed. */
struct email_row {
	int64_t account, id, blob, thread, received; /* received: milliseconds since 1970 */
	struct str prefix, keywords, summary;
	int64_t seal; /* 0: none, a row from before version 2 */
};

/* The seal of a row, whatever seal it has; never negative. */
int64_t email_seal(const struct email_row *row);

/* The seal after the keywords, and nothing else, were changed; 0 stays 0. */
int64_t email_seal_changed(int64_t seal, struct str before, struct str after);

/*
 * Whether the row is what was written: its seal fits, or it has none, and its blob is its own. Of no seal
 * says nothing else.
 */
bool email_seal_fits(const struct email_row *row);

/* The row at hand of a query, of which the columns from `first` on are EMAIL_SEALED. */
struct email_row email_row_of(struct db_query *q, int first);

/*
 * Finds the one bit that makes the seal fit, in any field or in the seal itself, and changes *row to what was
 * written; changed strings are in the arena. False, *row untouched, when there is none. Of a row without a seal it
 * says nothing.
 */
bool email_row_mend(struct arena *a, struct email_row *row);

#endif
