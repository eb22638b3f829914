/* A mailbox at a moment: the rows that were put in by then and not yet expunged. */
#include "store/mailbox_at.h"

#include "store/email_seal.h"

enum db_code mailbox_at_next(struct db *db, struct arena *a, int64_t account, int64_t mailbox,
    int64_t after, int64_t moment, struct mailbox_at_row *row_r)
{
	struct db_query *q = db_begin_query(db, SQL_MAILBOX_AT,
	    DB_ARGS(db_int(account), db_int(mailbox), db_int(after), db_int(moment), db_int(1)));
	enum db_code found = db_step(q), code;
	struct mailbox_at_row row = {0};

	if (found == DB_ROW) {
		struct email_row email = email_row_of(q, 7);

		row.uid = db_col_int(q, 0);
		row.received = email.received;
		row.keywords = arena_str(a, email.keywords);
		row.summary = arena_str(a, email.summary);
		row.lost = db_col_is_null(q, 3) || db_col_is_null(q, 7);
		row.message = (struct mailbox_message){.email = db_col_int(q, 1),
		    .size = db_col_int(q, 2),
		    .prefix = arena_str(a, email.prefix),
		    .blob = email.blob,
		    .pos = {db_col_int(q, 3), db_col_int(q, 4), db_col_int(q, 5)},
		    .changed = db_col_int(q, 6) == 0 || !email_seal_fits(&email)};
	}
	code = db_end(q);
	if (code != DB_OK || found != DB_ROW)
		return code;
	*row_r = row;
	return DB_ROW;
}
