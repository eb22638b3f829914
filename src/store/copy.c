/*
 * The rows of one copy. It costs one row each of email, membership and change, and one update each
 * of account, domain and mailbox; uid and modseq come from those updates.
 */
#include "store/copy.h"

#include "store/change.h"
#include "store/email_seal.h"

/* What must give a row: none is a failure. */
static enum db_code must_get(
    struct db *db, enum sql_id id, const struct db_value *args, size_t n, int64_t *value_r)
{
	enum db_code code = db_get_int(db, id, args, n, value_r);

	return code == DB_ROW ? DB_OK : code == DB_OK ? DB_ERROR : code;
}

enum db_code copy_put_in(struct db *db, const struct copy_place *p, int64_t *modseq_r)
{
	int64_t modseq = 0, uidnext = 0;
	enum db_code code = db_get_int(db, SQL_ACCOUNT_CHARGE,
	    DB_ARGS(db_int(p->account), db_int(p->size), db_int(p->no_quota), db_int(p->closed)),
	    &modseq);

	if (code != DB_ROW)
		return code;
	code = db_exec(
	    db, SQL_DOMAIN_REFUND, DB_ARGS(db_int(p->account), db_int(-p->size), db_int(-1)), NULL);
	if (code != DB_OK)
		return code;
	code = must_get(db, SQL_MAILBOX_PUT_IN,
	    DB_ARGS(db_int(p->account), db_int(p->mailbox), db_int(modseq), db_int(p->size)),
	    &uidnext);
	if (code == DB_OK)
		code = db_exec(db, SQL_MEMBERSHIP_ADD,
		    DB_ARGS(db_int(p->account), db_int(p->mailbox), db_int(uidnext - 1),
			db_int(p->email), db_int(p->size), db_int(modseq), db_int(p->now),
			db_int(p->origin)),
		    NULL);
	if (code == DB_OK)
		code = db_exec(db, SQL_CHANGE_ADD,
		    DB_ARGS(db_int(p->account), db_int(modseq), db_int(CHANGE_EMAIL),
			db_int(p->email), db_int(CHANGE_CREATED)),
		    NULL);
	if (code != DB_OK)
		return code;
	*modseq_r = modseq;
	return DB_ROW;
}

/* The email changes in the other mailboxes that it may be in too: none may have a lower modseq. */
enum db_code copy_link(struct db *db, const struct copy_place *p)
{
	int64_t modseq = 0;
	enum db_code code = copy_put_in(db, p, &modseq);

	if (code != DB_ROW)
		return code;
	code = db_exec(db, SQL_EMAIL_LINK,
	    DB_ARGS(db_int(p->account), db_int(p->email), db_int(modseq)), NULL);
	if (code == DB_OK)
		code = db_exec(db, SQL_MAILBOX_CHANGED,
		    DB_ARGS(db_int(p->account), db_int(p->mailbox), db_int(modseq), db_int(1)),
		    NULL);
	return code == DB_OK ? DB_ROW : code;
}

enum db_code copy_add_email(
    struct db *db, const struct copy_place *p, const struct copy_email *e, int64_t modseq)
{
	struct email_row row = {.account = p->account,
	    .id = p->email,
	    .blob = p->email,
	    .thread = e->thread,
	    .received = e->received,
	    .prefix = e->prefix,
	    .keywords = e->keywords,
	    .summary = e->summary};

	return db_exec(db, SQL_EMAIL_ADD,
	    DB_ARGS(db_int(p->account), db_int(p->email), db_int(p->email), db_bytes(e->prefix),
		db_int(e->thread), db_int(e->received), db_int(p->size), db_text(e->keywords),
		db_int(modseq), db_bytes(e->summary), db_int(email_seal(&row))),
	    NULL);
}

enum db_code copy_add(struct db *db, const struct copy_place *p, const struct copy_email *e)
{
	int64_t modseq = 0;
	enum db_code code = copy_put_in(db, p, &modseq);

	if (code != DB_ROW)
		return code;
	code = copy_add_email(db, p, e, modseq);
	return code == DB_OK ? DB_ROW : code;
}
