/*
 * The tables that are counted, and the statements that change their number of rows. The test store/rows
 * holds the second list to the texts of all statements.
 */
#include "store/rows.h"

#include "base/mem.h"

static const struct {
	const char *name;
	enum sql_id count;
	const char *text;
} tables[ROWS_TABLES] = {
    [ROWS_ADMIN_LOG] = {"rows_admin_log", SQL_ROWS_ADMIN_LOG,
	"rows of the administrators' record are missing, or were added by hand"},
    [ROWS_ALIAS] = {"rows_alias", SQL_ROWS_ALIAS, "aliases are missing, or were added by hand"},
    [ROWS_CHANGE] = {"rows_change", SQL_ROWS_CHANGE,
	"rows of the feeds of changes are missing, or were added by hand"},
    [ROWS_DOMAIN] = {"rows_domain", SQL_ROWS_DOMAIN, "domains are missing, or were added by hand"},
    [ROWS_MAILBOX] = {"rows_mailbox", SQL_ROWS_MAILBOX,
	"mailboxes are missing, or were added by hand"},
    [ROWS_MESSAGE] = {"rows_message", SQL_ROWS_MESSAGE,
	"messages that were taken are missing, or were added by hand"},
    [ROWS_TRACE] = {"rows_trace", SQL_ROWS_TRACE,
	"events of the trace are missing, or were added by hand"},
    [ROWS_TRACE_INDEX] = {"rows_trace_index", SQL_ROWS_TRACE_INDEX,
	"rows of the index of the trace are missing, or were added by hand"},
};

#define INSERTS(table) (1 + (table))
#define DELETES(table) (-1 - (table))

static const int8_t effects[SQL_COUNT] = {
    [SQL_ADMIN_LOG_ADD] = INSERTS(ROWS_ADMIN_LOG),
    [SQL_ADMIN_LOG_FORGET] = DELETES(ROWS_ADMIN_LOG),
    [SQL_REPAIR_ADMIN_LOG] = INSERTS(ROWS_ADMIN_LOG),
    [SQL_ALIAS_ADD] = INSERTS(ROWS_ALIAS),
    [SQL_ALIAS_DELETE] = DELETES(ROWS_ALIAS),
    [SQL_ALIAS_DELETE_ALL] = DELETES(ROWS_ALIAS),
    [SQL_CHANGE_ADD] = INSERTS(ROWS_CHANGE),
    [SQL_EXPUNGE_CHANGES] = INSERTS(ROWS_CHANGE),
    [SQL_CHANGE_DELETE] = DELETES(ROWS_CHANGE),
    [SQL_REPAIR_MEMBER_CHANGE] = INSERTS(ROWS_CHANGE),
    [SQL_REPAIR_CHANGE_IN] = INSERTS(ROWS_CHANGE),
    [SQL_REPAIR_CHANGE_OUT] = INSERTS(ROWS_CHANGE),
    [SQL_REPAIR_CHANGE_LAST] = INSERTS(ROWS_CHANGE),
    [SQL_DOMAIN_ADD] = INSERTS(ROWS_DOMAIN),
    [SQL_DOMAIN_DELETE] = DELETES(ROWS_DOMAIN),
    [SQL_REPAIR_DOMAIN] = INSERTS(ROWS_DOMAIN),
    [SQL_MAILBOX_ADD] = INSERTS(ROWS_MAILBOX),
    [SQL_MAILBOX_ADD_CHILD] = INSERTS(ROWS_MAILBOX),
    [SQL_MAILBOX_DELETE_ALL] = DELETES(ROWS_MAILBOX),
    [SQL_REPAIR_INBOX] = INSERTS(ROWS_MAILBOX),
    [SQL_REPAIR_MAILBOX] = INSERTS(ROWS_MAILBOX),
    [SQL_MESSAGE_ADD] = INSERTS(ROWS_MESSAGE),
    [SQL_MESSAGE_DELETE] = DELETES(ROWS_MESSAGE),
    [SQL_REPAIR_MESSAGE] = INSERTS(ROWS_MESSAGE),
    [SQL_TRACE_ADD] = INSERTS(ROWS_TRACE),
    [SQL_EXPUNGE_TELL] = INSERTS(ROWS_TRACE),
    [SQL_TRACE_DELETE] = DELETES(ROWS_TRACE),
    [SQL_TRACE_INDEX_ADD] = INSERTS(ROWS_TRACE_INDEX),
    [SQL_TRACE_INDEX_DELETE] = DELETES(ROWS_TRACE_INDEX),
    [SQL_REPAIR_TRACE_INDEX] = DELETES(ROWS_TRACE_INDEX),
};

int rows_effect(enum sql_id id, enum rows_table *table_r)
{
	int effect = effects[id];

	if (effect == 0)
		return 0;
	*table_r = (enum rows_table)(effect > 0 ? effect - 1 : -1 - effect);
	return effect > 0 ? 1 : -1;
}

struct str rows_name(enum rows_table table)
{
	MUST((size_t)table < ROWS_TABLES);
	return str_of_c(tables[table].name);
}

const char *rows_text(enum rows_table table)
{
	MUST((size_t)table < ROWS_TABLES);
	return tables[table].text;
}

enum db_code rows_count(struct db *db, enum rows_table table, int64_t *there_r, int64_t *should_r)
{
	struct db_query *q;

	MUST((size_t)table < ROWS_TABLES);
	q = db_begin_query(db, tables[table].count, DB_NO_ARGS);
	if (db_step(q) == DB_ROW) {
		*there_r = db_col_int(q, 0);
		*should_r = db_col_is_null(q, 1) ? *there_r : db_col_int(q, 1);
	}
	return db_end(q);
}
