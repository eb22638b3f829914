/* The counts of the database for `godwit status`: one statement each, no mail is read. */
#include "store/status.h"

/* The integers of a statement's one row, in order. */
static enum db_code read_row(struct db *db, enum sql_id id, int64_t *const *values, int n)
{
	struct db_query *q = db_begin_query(db, id, DB_NO_ARGS);

	if (db_step(q) == DB_ROW) {
		for (int i = 0; i < n; i++)
			*values[i] = db_col_int(q, i);
	}
	return db_end(q);
}

enum db_code status_read(struct db *db, struct status *s_r)
{
	struct status s = {0};
	const struct {
		enum sql_id id;
		int n;
		int64_t *values[3];
	} rows[] = {
	    {SQL_STATUS_DIRECTORY, 3, {&s.domains, &s.accounts, &s.aliases}},
	    {SQL_STATUS_MAILBOXES, 2, {&s.mailbox_messages, &s.mailbox_octets}},
	    {SQL_STATUS_QUEUE, 1, {&s.queue_recipients}},
	    {SQL_STATUS_QUEUE_OLDEST, 1, {&s.queue_oldest}},
	};
	enum db_code code = DB_OK;

	for (size_t i = 0; i < sizeof rows / sizeof *rows && code == DB_OK; i++)
		code = read_row(db, rows[i].id, rows[i].values, rows[i].n);
	if (code == DB_OK)
		*s_r = s;
	return code;
}
