/* Rows of the ledger: one for each accepted recipient, changed only from queued to a final state. */
#include "store/ledger.h"

#include "base/mem.h"

static const char *const state_names[LEDGER_STATES] = {
    [LEDGER_MAILBOX] = "mailbox",
    [LEDGER_RELAYED] = "relayed",
    [LEDGER_BOUNCED] = "bounced",
    [LEDGER_DISCARDED] = "discarded",
    [LEDGER_QUEUED] = "queued",
};

const char *ledger_state_name(enum ledger_state state)
{
	MUST((size_t)state < LEDGER_STATES);
	return state_names[state];
}

enum db_code ledger_add(struct db *db, const struct ledger_row *row)
{
	return db_exec(db, SQL_LEDGER_ADD,
	    DB_ARGS(db_int(row->message), db_int(row->recipient), db_text(row->address),
		db_int(row->state), db_int(row->account), db_text(row->detail), db_int(row->time)),
	    NULL);
}

enum db_code ledger_settle(struct db *db, const struct ledger_row *row, bool *changed_r)
{
	int64_t changes = 0;
	enum db_code code = db_exec(db, SQL_LEDGER_SETTLE,
	    DB_ARGS(db_int(row->message), db_int(row->recipient), db_int(LEDGER_QUEUED),
		db_int(row->state), db_int(row->account), db_text(row->detail), db_int(row->time)),
	    &changes);

	MUST(row->state != LEDGER_QUEUED);
	if (code == DB_OK)
		*changed_r = changes > 0;
	return code;
}
