/* Rules between rows: each is a query that gives the rows where it does not hold. */
#include "store/verify.h"

#include "base/mem.h"
#include "store/email_seal.h"

static const struct {
	enum sql_id query;
	const char *what;
	bool compares;
} rules[] = {
    {SQL_VERIFY_BLOB_REFS, "the references to its content are counted wrong", true},
    {SQL_VERIFY_BLOB_PACK, "its content lies where no pack is", false},
    {SQL_VERIFY_PACK_SINGLE, "a pack for one message has several", false},
    {SQL_VERIFY_MESSAGE_BLOB, "names the content of another", true},
    {SQL_VERIFY_LEDGER_STATE, "has in the ledger a state that there is not", false},
    {SQL_VERIFY_ACCOUNT_WORDS, "an account has a state that there is not", false},
    {SQL_VERIFY_DOMAIN_WORDS, "a domain is of a kind that there is not", false},
    {SQL_VERIFY_EMAIL_BLOB, "its content is not in the index", false},
    {SQL_VERIFY_QUEUE_BLOB, "waits to be sent, and its content is not in the index", false},
    {SQL_VERIFY_TRACE_BLOB, "the dialogue of an attempt is not in the index", false},
    {SQL_VERIFY_EMAIL_ACCOUNT, "belongs to an account that is not there", false},
    {SQL_VERIFY_EMAIL_LINKS, "the mailboxes it is in are counted wrong", true},
    {SQL_VERIFY_EMAIL_SIZE, "has another size than its content", true},
    {SQL_VERIFY_MEMBER_EMAIL, "is in a mailbox, and the message is not there", false},
    {SQL_VERIFY_MEMBER_SIZE, "has another size in its mailbox", true},
    {SQL_VERIFY_MEMBER_MAILBOX, "is in a mailbox that is not there", false},
    {SQL_VERIFY_MEMBER_UID, "has a uid in its mailbox that there is not", false},
    {SQL_VERIFY_MEMBER_EXPUNGED, "is deleted and not, as its row in a mailbox says", false},
    {SQL_VERIFY_MEMBER_ORIGIN, "brings back what is not deleted, or another message", false},
    {SQL_VERIFY_MAILBOX_ROLE, "a mailbox has the role or the name of another", false},
    {SQL_VERIFY_MAILBOX_PARENT, "a mailbox is in one that is not there", false},
    {SQL_VERIFY_MAILBOX_VALIDITY, "the uidvalidity of a mailbox is not of when it was made", true},
    {SQL_VERIFY_MAILBOX_ACCOUNT, "a mailbox belongs to an account that is not there", false},
    {SQL_VERIFY_MAILBOX_COUNTS, "the counters of a mailbox differ from what is in it", true},
    {SQL_VERIFY_ACCOUNT_COUNTS, "the usage counted differs from the mailboxes", true},
    {SQL_VERIFY_UIDNEXT, "the next uid of a mailbox has been given already", true},
    {SQL_VERIFY_MODSEQ, "the next change would get a number that has been given", true},
    {SQL_VERIFY_CHANGE_IN, "the feed of changes does not tell of its coming", false},
    {SQL_VERIFY_CHANGE_OUT, "the feed of changes does not tell of its deletion", false},
    {SQL_VERIFY_CHANGE_LAST, "the feed of changes does not tell of its last change", false},
    {SQL_VERIFY_MAILBOX_MODSEQ, "a mailbox was changed before what is in it was", true},
    {SQL_VERIFY_INBOX, "the account has no INBOX", false},
    {SQL_VERIFY_CREDENTIAL, "the account has no password (godwit account passwd sets one)", false},
    {SQL_VERIFY_DOMAIN, "the domain of the account is not there", false},
    {SQL_VERIFY_QUEUE_LEDGER, "waits to be sent, and the ledger does not know it", false},
    {SQL_VERIFY_QUEUE_DESTINATION, "waits for a destination that is not there", false},
    {SQL_VERIFY_QUEUE_LEASE, "is being sent under a lease that is not there", false},
    {SQL_VERIFY_META, "counters of the store are missing", true},
    {SQL_VERIFY_META_GIVEN, LEDGER_TEXT_GIVEN, false},
    {SQL_VERIFY_META_ACCOUNT, "the next account would get a number that has been given", true},
    {SQL_VERIFY_META_ADMIN,
	"the next change would get a number that the administrators' record has", true},
};

#define RULES (sizeof rules / sizeof *rules)

/* Rows that nothing else tells of. */
static enum db_code check_number(struct verify *v, enum rows_table table)
{
	int64_t there = 0, should = 0;
	enum db_code code = rows_count(v->db, table, &there, &should);

	if (code == DB_OK && there != should)
		verify_found(v,
		    (struct verify_finding){.what = rows_text(table),
			.stored = there,
			.expected = should,
			.compares = true},
		    0);
	return code;
}

enum db_code verify_seals(struct verify *v, int64_t rows)
{
	struct db_query *q = db_begin_query(
	    v->db, SQL_VERIFY_SEALS, DB_ARGS(db_int(v->account), db_int(v->email), db_int(rows)));
	int64_t n = 0;

	for (; db_step(q) == DB_ROW; n++) {
		struct email_row row = email_row_of(q, 0);

		v->account = row.account;
		v->email = row.id;
		if (!email_seal_fits(&row))
			verify_found(v,
			    (struct verify_finding){
				.what = "its row is not what was written", .message = row.id},
			    row.account);
	}
	if (n < rows)
		v->stage = VERIFY_LEDGER;
	return db_end(q);
}

enum db_code verify_rule(struct verify *v, size_t i, bool *more_r)
{
	struct db_query *q;

	*more_r = i + 1 < RULES + ROWS_TABLES;
	if (i >= RULES)
		return check_number(v, (enum rows_table)(i - RULES));
	q = db_begin_query(v->db, rules[i].query, DB_NO_ARGS);

	while (db_step(q) == DB_ROW) {
		struct verify_finding f = {.what = rules[i].what,
		    .message = db_col_int(q, 1),
		    .mailbox = db_col_int(q, 2),
		    .uid = db_col_int(q, 3),
		    .stored = db_col_int(q, 4),
		    .expected = db_col_int(q, 5),
		    .compares = rules[i].compares};

		v->no_credential += rules[i].query == SQL_VERIFY_CREDENTIAL;
		verify_found(v, f, db_col_int(q, 0));
	}
	return db_end(q);
}
