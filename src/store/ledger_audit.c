/*
 * The audit: days folded into sums, then messages in the order of their ids, then accounts, the queue,
 * the packs. Each message is held against its ledger rows, these against the rows they speak of.
 */
#include "store/ledger.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"

enum stage {
	STAGE_DAYS,
	STAGE_MESSAGES,
	STAGE_ACCOUNTS,
	STAGE_QUEUE,
	STAGE_PACKS,
	STAGE_ROWS,
};

static const char *const fault_texts[LEDGER_ROWS] = {
    [LEDGER_COUNT] = "the ledger has not one row for each accepted recipient",
    [LEDGER_NO_MESSAGE] = "the ledger has rows of a message that is not there",
    [LEDGER_NO_EMAIL] = "is in a mailbox, says the ledger; the copy is not there",
    [LEDGER_NO_QUEUE] = "is queued, says the ledger; the queue row is not there",
    [LEDGER_TWO_STATES] = "is settled, says the ledger; it is still in the queue",
    [LEDGER_NO_BLOB] = "the content is not there",
    [LEDGER_MAILBOX_COUNTS] = "the counters of a mailbox differ from what is in it",
    [LEDGER_ACCOUNT_COUNTS] = "the usage counted differs from what is in the mailboxes",
    [LEDGER_DAY] = "the sums of the day do not hold: not each accepted recipient is in one of them",
    [LEDGER_DAYS_LOST] = "sums of days are missing, or differ from what was added to them",
    [LEDGER_DOMAIN_COUNTS] = "the usage counted for the domain differs from that of its accounts",
    [LEDGER_LINKS] = "it is not in as many mailboxes as it should be",
    [LEDGER_GONE] = "it was taken, and its rows in the ledger are gone",
    [LEDGER_NO_CREDENTIAL] = "the account has no password (godwit account passwd sets one)",
    [LEDGER_NO_ACCOUNT] = "the account is not there, and mailboxes of it are",
    [LEDGER_NO_DESTINATION] = "waits for a destination that is not there",
    [LEDGER_NO_PACK] = "its content lies in a pack that has no row",
    [LEDGER_NO_FILE] = "its content lies in a pack whose file is not there",
    [LEDGER_REFERENCES] = "not as many rows refer to its content as should",
    [LEDGER_NO_LEASE] = "is being sent under a lease that is not there",
    [LEDGER_NO_COUNTERS] = "counters of the store are missing",
    [LEDGER_NO_GIVEN] = LEDGER_TEXT_GIVEN,
};

const char *ledger_fault_text(enum ledger_fault fault)
{
	MUST((size_t)fault < LEDGER_FAULTS);
	return fault < LEDGER_ROWS ? fault_texts[fault]
				   : rows_text((enum rows_table)(fault - LEDGER_ROWS));
}

bool ledger_fault_is_of_rows(enum ledger_fault fault)
{
	return fault == LEDGER_MAILBOX_COUNTS || fault == LEDGER_ACCOUNT_COUNTS ||
	       fault == LEDGER_LINKS || fault >= LEDGER_NO_CREDENTIAL;
}

static void find(struct ledger_audit *a, struct ledger_finding finding)
{
	a->findings++;
	a->no_credential += finding.fault == LEDGER_NO_CREDENTIAL;
	if (a->on_finding)
		a->on_finding(a->ctx, &finding);
}

static void find_if(
    bool condition, struct ledger_audit *a, struct ledger_finding finding, enum ledger_fault fault)
{
	finding.fault = fault;
	if (condition)
		find(a, finding);
}

/* ---- days ---- */

/* Whatever stands in a damaged row: what is wrong is told by comparing, not by adding. */
static int64_t add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

static void end_day(struct ledger_audit *a)
{
	if (a->day.messages > 0 && a->on_day)
		a->on_day(a->ctx, &a->day);
	a->total.messages = add(a->total.messages, a->day.messages);
	a->total.accepted = add(a->total.accepted, a->day.accepted);
	for (int i = 0; i < LEDGER_STATES; i++)
		a->total.in[i] = add(a->total.in[i], a->day.in[i]);
	a->day = (struct ledger_day){0};
}

static int64_t start_of(int64_t day)
{
	return (int64_t)((uint64_t)day * (uint64_t)DAY_MS);
}

static void begin_day(struct ledger_audit *a, int64_t day)
{
	int64_t at = start_of(day);

	if (a->day.day != at)
		end_day(a);
	a->day.day = at;
}

static void read_day(struct ledger_audit *a, struct db_query *q)
{
	int64_t accepted = db_col_int(q, 2), sum = 0;

	begin_day(a, db_col_int(q, 0));
	a->day.messages = add(a->day.messages, db_col_int(q, 1));
	a->day.accepted = add(a->day.accepted, accepted);
	a->folded = add(a->folded, accepted);
	for (int i = LEDGER_MAILBOX; i < LEDGER_QUEUED; i++) {
		a->day.in[i] = add(a->day.in[i], db_col_int(q, 3 + i));
		sum = add(sum, db_col_int(q, 3 + i));
	}
	find_if(sum != accepted, a, (struct ledger_finding){.recipient = -1, .day = a->day.day},
	    LEDGER_DAY);
}

/* In one transaction, with the sum of all that was ever folded. */
static enum db_code read_days(struct db *db, struct ledger_audit *a)
{
	struct db_query *q = db_begin_query(db, SQL_LEDGER_DAYS, DB_NO_ARGS);
	int64_t folded = 0;
	bool has_sum = false;

	a->folded = 0;
	while (db_step(q) == DB_ROW) {
		if (!db_col_is_null(q, 7)) {
			has_sum = true;
			folded = db_col_int(q, 7);
		}
		if (!db_col_is_null(q, 0))
			read_day(a, q);
	}
	find_if(has_sum && folded != a->folded, a, (struct ledger_finding){.recipient = -1},
	    LEDGER_DAYS_LOST);
	a->stage = STAGE_MESSAGES;
	return db_end(q);
}

/* ---- messages ---- */

/* One ledger row against the rows it speaks of; columns as AUDIT_LEDGER. */
static void check_row(struct ledger_audit *a, int64_t message, struct db_query *q)
{
	struct ledger_finding f = {
	    .message = message, .recipient = db_col_int(q, 0), .account = db_col_int(q, 2)};
	int64_t state = db_col_int(q, 1);
	bool purged = db_col_int(q, 3) != 0;
	bool email = db_col_int(q, 4) != 0, queue = db_col_int(q, 5) != 0;
	bool blob = db_col_int(q, 6) != 0;

	if (state >= 0 && state < LEDGER_STATES)
		a->day.in[state]++;
	find_if(state == LEDGER_MAILBOX && !purged && !email, a, f, LEDGER_NO_EMAIL);
	find_if(state == LEDGER_QUEUED && !queue, a, f, LEDGER_NO_QUEUE);
	find_if(state != LEDGER_QUEUED && queue, a, f, LEDGER_TWO_STATES);
	find_if((email || queue) && !blob, a, f, LEDGER_NO_BLOB);
}

/*
 * Rows of the queue that only tell have none in the ledger: their content misses them. Of a message from a day of
 * which anything was folded the ledger may have a part, as where it is being folded or was restored behind that:
 * then more may refer to its content than the ledger tells of.
 */
static enum db_code check_references(struct db *db, struct ledger_audit *a, int64_t message)
{
	struct db_query *q = db_begin_query(db, SQL_AUDIT_REFERENCES, DB_ARGS(db_int(message)));
	struct ledger_finding f = {.message = message, .recipient = -1};
	int64_t whole = 0; /* the ledger has all of what is from here on */
	enum db_code code;

	if (db_step(q) == DB_ROW) {
		f.there = db_col_int(q, 0);
		f.should = db_col_int(q, 1);
	}
	code = db_end(q);
	if (code == DB_OK && f.there < f.should)
		code = ledger_unfolded(db, &whole);
	if (code == DB_OK)
		find_if(f.there > f.should || (f.there < f.should && message >= whole), a, f,
		    LEDGER_REFERENCES);
	return code;
}

static enum db_code check_message(
    struct db *db, struct ledger_audit *a, int64_t message, int64_t recipients)
{
	struct db_query *q = db_begin_query(db, SQL_AUDIT_LEDGER, DB_ARGS(db_int(message)));
	enum db_code code;
	int64_t rows = 0;

	begin_day(a, id_time(message) / DAY_MS);
	a->day.messages++;
	a->day.accepted += recipients;
	for (; db_step(q) == DB_ROW; rows++)
		check_row(a, message, q);
	if (rows != recipients)
		find(a,
		    (struct ledger_finding){
			.fault = LEDGER_COUNT, .message = message, .recipient = -1, .account = 0});
	code = db_end(q);
	return code == DB_OK ? check_references(db, a, message) : code;
}

/* Ledger rows of ids behind `from` up to `to` that belong to no message. */
static enum db_code check_strays(struct db *db, struct ledger_audit *a, int64_t from, int64_t to)
{
	struct db_query *q = db_begin_query(
	    db, SQL_AUDIT_STRAYS, DB_ARGS(db_int(from), db_int(to)));

	while (db_step(q) == DB_ROW)
		find(a, (struct ledger_finding){LEDGER_NO_MESSAGE, db_col_int(q, 0), -1, 0});
	return db_end(q);
}

static enum db_code check_messages(struct db *db, struct ledger_audit *a, int64_t max)
{
	struct db_query *q = db_begin_query(
	    db, SQL_AUDIT_MESSAGES, DB_ARGS(db_int(a->message), db_int(max)));
	int64_t from = a->message, rows = 0;
	enum db_code code = DB_OK, end;

	for (; code == DB_OK && db_step(q) == DB_ROW; rows++) {
		a->message = db_col_int(q, 0);
		code = check_message(db, a, a->message, db_col_int(q, 1));
	}
	end = db_end(q);
	code = code == DB_OK ? end : code;
	if (code != DB_OK)
		return code;
	if (rows == max)
		return check_strays(db, a, from, a->message);
	end_day(a);
	a->stage = STAGE_ACCOUNTS;
	return check_strays(db, a, from, INT64_MAX);
}

/* ---- accounts ---- */

/* Damaged counters may be anything: what they leave, and whether that is nothing, is asked without an overflow. */
static int64_t less(int64_t value, int64_t by)
{
	return (int64_t)((uint64_t)value - (uint64_t)by);
}

static enum db_code check_account(
    struct db *db, struct ledger_audit *a, int64_t account, int64_t messages, int64_t octets)
{
	struct db_query *q = db_begin_query(db, SQL_AUDIT_MAILBOXES, DB_ARGS(db_int(account)));

	while (db_step(q) == DB_ROW) {
		messages = less(messages, db_col_int(q, 2));
		octets = less(octets, db_col_int(q, 3));
		if (db_col_int(q, 0) != db_col_int(q, 2) || db_col_int(q, 1) != db_col_int(q, 3))
			find(a, (struct ledger_finding){.fault = LEDGER_MAILBOX_COUNTS,
				    .message = 0,
				    .recipient = -1,
				    .account = account});
	}
	if (messages != 0 || octets != 0)
		find(a, (struct ledger_finding){.fault = LEDGER_ACCOUNT_COUNTS,
			    .message = 0,
			    .recipient = -1,
			    .account = account});
	return db_end(q);
}

static enum db_code check_links(struct db *db, struct ledger_audit *a, int64_t account)
{
	struct db_query *q = db_begin_query(db, SQL_AUDIT_LINKS, DB_ARGS(db_int(account)));

	while (db_step(q) == DB_ROW)
		find(a, (struct ledger_finding){.fault = LEDGER_LINKS,
			    .message = db_col_int(q, 0),
			    .recipient = -1,
			    .account = account});
	return db_end(q);
}

/* Accounts that only their mailboxes tell of. */
static enum db_code check_lost_accounts(struct db *db, struct ledger_audit *a)
{
	struct db_query *q = db_begin_query(db, SQL_AUDIT_LOST_ACCOUNTS, DB_NO_ARGS);

	while (db_step(q) == DB_ROW)
		find(a,
		    (struct ledger_finding){
			.fault = LEDGER_NO_ACCOUNT, .recipient = -1, .account = db_col_int(q, 0)});
	return db_end(q);
}

static enum db_code check_domains(struct db *db, struct ledger_audit *a)
{
	struct db_query *q = db_begin_query(db, SQL_AUDIT_DOMAINS, DB_NO_ARGS);

	while (db_step(q) == DB_ROW)
		find(a, (struct ledger_finding){.fault = LEDGER_DOMAIN_COUNTS,
			    .recipient = -1,
			    .domain = db_col_str(q, 0)});
	return db_end(q);
}

static enum db_code check_accounts(struct db *db, struct ledger_audit *a, int64_t max)
{
	struct db_query *q = db_begin_query(
	    db, SQL_AUDIT_ACCOUNTS, DB_ARGS(db_int(a->account), db_int(max)));
	int64_t rows = 0;
	enum db_code code = DB_OK, end;

	for (; code == DB_OK && db_step(q) == DB_ROW; rows++) {
		a->account = db_col_int(q, 0);
		find_if(db_col_int(q, 3) == 0, a,
		    (struct ledger_finding){.recipient = -1, .account = a->account},
		    LEDGER_NO_CREDENTIAL);
		code = check_account(db, a, a->account, db_col_int(q, 1), db_col_int(q, 2));
		if (code == DB_OK)
			code = check_links(db, a, a->account);
	}
	end = db_end(q);
	code = code == DB_OK ? end : code;
	if (code == DB_OK && rows < max)
		code = check_domains(db, a);
	if (code == DB_OK && rows < max)
		code = check_lost_accounts(db, a);
	if (code == DB_OK && rows < max) {
		a->stage = STAGE_QUEUE;
		a->waiting = INT64_MIN;
	}
	return code;
}

/* ---- what others refer to ---- */

static enum db_code check_queue(struct db *db, struct ledger_audit *a, int64_t max)
{
	struct db_query *q = db_begin_query(
	    db, SQL_AUDIT_QUEUE, DB_ARGS(db_int(a->waiting), db_int(a->recipient), db_int(max)));
	int64_t rows = 0;

	for (; db_step(q) == DB_ROW; rows++) {
		a->waiting = db_col_int(q, 0);
		a->recipient = db_col_int(q, 1);
		find_if(db_col_int(q, 2) == 0, a,
		    (struct ledger_finding){.message = a->waiting, .recipient = a->recipient},
		    LEDGER_NO_DESTINATION);
		find_if(db_col_int(q, 3) == 0, a,
		    (struct ledger_finding){.message = a->waiting, .recipient = a->recipient},
		    LEDGER_NO_LEASE);
	}
	if (rows < max) {
		a->stage = STAGE_PACKS;
		a->pack = INT64_MIN;
	}
	return db_end(q);
}

/* The next pack that blobs lie in: whether it is lost. */
static enum db_code next_pack(struct db *db, struct ledger_audit *a)
{
	struct db_query *q = db_begin_query(db, SQL_AUDIT_PACK, DB_ARGS(db_int(a->pack)));
	bool found = db_step(q) == DB_ROW, has_row;

	if (found) {
		a->pack = db_col_int(q, 0);
		has_row = db_col_int(q, 1) != 0;
		a->fault = has_row ? LEDGER_NO_FILE : LEDGER_NO_PACK;
		a->lost = !has_row || (a->has_file && !a->has_file(a->ctx, a->pack));
		a->pos = INT64_MIN;
	} else {
		a->stage = STAGE_ROWS;
	}
	return db_end(q);
}

/* What lies in one that is lost. */
static enum db_code name_content(struct db *db, struct ledger_audit *a, int64_t max)
{
	struct db_query *q = db_begin_query(
	    db, SQL_AUDIT_CONTENT, DB_ARGS(db_int(a->pack), db_int(a->pos), db_int(max)));
	int64_t rows = 0;

	for (; db_step(q) == DB_ROW; rows++) {
		a->pos = db_col_int(q, 1);
		find_if(db_col_int(q, 2) > 0, a,
		    (struct ledger_finding){
			.message = db_col_int(q, 0), .recipient = -1, .pack = a->pack},
		    (enum ledger_fault)a->fault);
	}
	a->lost = rows == max;
	return db_end(q);
}

/*
 * What a pack has is named in a transaction after the one that missed its file: a pack that was given up
 * meanwhile has no rows then.
 */
static enum db_code check_packs(struct db *db, struct ledger_audit *a, int64_t max)
{
	enum db_code code = DB_OK;

	if (a->lost)
		return name_content(db, a, max);
	for (int64_t i = 0; i < max && code == DB_OK && !a->lost && a->stage == STAGE_PACKS; i++)
		code = next_pack(db, a);
	return code;
}

/* One whose counter of rows is gone would be taken for whole. */
static enum db_code check_counters(struct db *db, struct ledger_audit *a)
{
	struct db_query *q = db_begin_query(db, SQL_VERIFY_META, DB_NO_ARGS);

	while (db_step(q) == DB_ROW)
		find(a, (struct ledger_finding){.fault = LEDGER_NO_COUNTERS,
			    .recipient = -1,
			    .there = db_col_int(q, 4),
			    .should = db_col_int(q, 5)});
	return db_end(q);
}

static enum db_code check_given(struct db *db, struct ledger_audit *a)
{
	struct db_query *q = db_begin_query(db, SQL_VERIFY_META_GIVEN, DB_NO_ARGS);

	while (db_step(q) == DB_ROW)
		find(a, (struct ledger_finding){.fault = LEDGER_NO_GIVEN, .recipient = -1});
	return db_end(q);
}

/* ---- rows that nothing else would miss ---- */

enum db_code ledger_unfolded(struct db *db, int64_t *first_r)
{
	int64_t day = 0;
	enum db_code code = db_get_int(db, SQL_LEDGER_LAST_DAY, DB_NO_ARGS, &day);

	if (code != DB_OK && code != DB_ROW)
		return code;
	*first_r = code == DB_ROW ? id_first(start_of(add(day, 1))) : 0;
	return DB_OK;
}

/* Messages of which no row is left but in the index, or but their copies. */
static enum db_code name_gone(struct db *db, struct ledger_audit *a)
{
	struct db_query *q;
	int64_t first = 0;
	enum db_code code = ledger_unfolded(db, &first);

	if (code != DB_OK)
		return code;
	q = db_begin_query(db, SQL_AUDIT_GONE, DB_ARGS(db_int(first)));
	while (db_step(q) == DB_ROW)
		find(a, (struct ledger_finding){
			    .fault = LEDGER_GONE, .message = db_col_int(q, 0), .recipient = -1});
	return db_end(q);
}

/* A table; while the server works its number and its counter are of one moment. */
static enum db_code check_rows(struct db *db, struct ledger_audit *a)
{
	enum rows_table table = (enum rows_table)a->table;
	int64_t there = 0, should = 0;
	enum db_code code = a->table == 0 ? check_counters(db, a) : DB_OK;

	if (code == DB_OK && a->table == 0)
		code = check_given(db, a);
	if (code == DB_OK)
		code = rows_count(db, table, &there, &should);
	if (code == DB_OK && there != should) {
		find(a, (struct ledger_finding){
			    .fault = (enum ledger_fault)((int)LEDGER_ROWS + a->table),
			    .recipient = -1,
			    .there = there,
			    .should = should});
		if (table == ROWS_MESSAGE)
			code = name_gone(db, a);
	}
	a->complete = code == DB_OK && ++a->table == ROWS_TABLES;
	return code;
}

enum db_code ledger_audit_step(struct db *db, struct ledger_audit *a, int64_t max)
{
	MUST(max > 0 && !a->complete);
	switch ((enum stage)a->stage) {
	case STAGE_DAYS:
		return read_days(db, a);
	case STAGE_MESSAGES:
		return check_messages(db, a, max);
	case STAGE_ACCOUNTS:
		return check_accounts(db, a, max);
	case STAGE_QUEUE:
		return check_queue(db, a, max);
	case STAGE_PACKS:
		return check_packs(db, a, max);
	case STAGE_ROWS:
		return check_rows(db, a);
	}
	mem_bug(__FILE__, __LINE__, "no stage");
}
