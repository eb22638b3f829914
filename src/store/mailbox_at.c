/* A mailbox at a moment: the rows that were put in by then and not yet expunged. */
#include "store/mailbox_at.h"

enum db_code mailbox_at_next(struct db *db, struct arena *a, int64_t account, int64_t mailbox,
    int64_t after, int64_t moment, struct mailbox_at_row *row_r)
{
	struct db_query *q = db_begin_query(db, SQL_MAILBOX_AT,
	    DB_ARGS(db_int(account), db_int(mailbox), db_int(after), db_int(moment), db_int(1)));
	enum db_code found = db_step(q), code;
	struct mailbox_at_row row = {0};

	if (found == DB_ROW) {
		row.uid = db_col_int(q, 0);
		row.message.email = db_col_int(q, 1);
		row.message.size = db_col_int(q, 2);
		row.received = db_col_int(q, 3);
		row.keywords = arena_str(a, db_col_str(q, 4));
		row.message.prefix = arena_str(a, db_col_str(q, 5));
		row.summary = arena_str(a, db_col_str(q, 6));
		row.message.blob = db_col_int(q, 7);
		row.lost = db_col_is_null(q, 7) || db_col_is_null(q, 8);
		row.message.pos = (struct blob_pos){
		    db_col_int(q, 8), db_col_int(q, 9), db_col_int(q, 10)};
	}
	code = db_end(q);
	if (code != DB_OK || found != DB_ROW)
		return code;
	*row_r = row;
	return DB_ROW;
}
