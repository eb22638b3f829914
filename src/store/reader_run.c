/* One request of a reader, without the threads. */
#include "base/mem.h"
#include "store/reader.h"

/* Settles the result; an op may have set a better text than the database has. */
static void settle(struct reader_op *op, struct db *db, enum db_code code)
{
	op->result = code;
	if (code == DB_OK || op->err.text[0])
		return;
	if (code == db_error_code(db))
		err_set(&op->err, "%s%s", db_error(db), db_cure(db));
	else
		err_set(&op->err, "read failed");
}

void reader_run(struct reader_op *op, struct db *db)
{
	bool nested = db_in_transaction(db);
	enum db_code code = nested ? DB_OK : db_begin(db);

	op->err.text[0] = '\0';
	if (code == DB_OK)
		code = op->run(op, db);
	BUG_ON(code == DB_ROW);
	settle(op, db, code);
	if (!nested)
		(void)db_rollback(db);
}
