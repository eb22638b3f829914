/* Listings of the directory: one page a call, behind a key, so that any number streams. */
#include "store/directory.h"

enum db_code directory_domains(
    struct db *db, struct str after, size_t max, size_t *n_r, directory_domain_fn *fn, void *ctx)
{
	struct db_query *q = db_begin_query(
	    db, SQL_DOMAIN_LIST, DB_ARGS(db_text(after), db_int((int64_t)max)));
	size_t n = 0;
	enum db_code code;

	for (; db_step(q) == DB_ROW; n++) {
		struct directory_domain_row row = {db_col_str(q, 0), db_col_int(q, 1),
		    db_col_int(q, 2), db_col_int(q, 3), db_col_int(q, 4), db_col_int(q, 5),
		    db_col_int(q, 6), db_col_int(q, 7),
		    (enum directory_kind)db_col_word(q, 8, DIRECTORY_KINDS, DIRECTORY_LOCAL)};

		fn(ctx, &row);
	}
	code = db_end(q);
	if (code == DB_OK)
		*n_r = n;
	return code;
}

static void account_row(struct db_query *q, struct directory_account_row *r)
{
	r->account = db_col_int(q, 0);
	r->domain = db_col_str(q, 1);
	r->local = db_col_str(q, 2);
	r->state = (enum directory_state)db_col_word(
	    q, 3, DIRECTORY_STATES, DIRECTORY_STATE_DISABLED);
	r->send_only = db_col_int(q, 4) != 0;
	r->created = db_col_int(q, 5);
	r->used_bytes = db_col_int(q, 6);
	r->used_messages = db_col_int(q, 7);
	r->quota_bytes = db_col_int(q, 8);
	r->quota_messages = db_col_int(q, 9);
	r->language = db_col_str(q, 10);
}

enum db_code directory_accounts(struct db *db, struct str only, struct str after_domain,
    struct str after_local, size_t max, size_t *n_r, directory_account_fn *fn, void *ctx)
{
	struct db_query *q = db_begin_query(db, only.n ? SQL_ACCOUNT_LIST_OF : SQL_ACCOUNT_LIST,
	    DB_ARGS(
		db_text(only.n ? only : after_domain), db_text(after_local), db_int((int64_t)max)));
	size_t n = 0;
	enum db_code code;

	for (; db_step(q) == DB_ROW; n++) {
		struct directory_account_row row;

		account_row(q, &row);
		fn(ctx, &row);
	}
	code = db_end(q);
	if (code == DB_OK)
		*n_r = n;
	return code;
}

enum db_code directory_aliases(struct db *db, struct str only,
    const struct directory_alias_row *after, size_t max, size_t *n_r, directory_alias_fn *fn,
    void *ctx)
{
	static const struct directory_alias_row first;
	const struct directory_alias_row *a = after ? after : &first;
	/* a catch-all has an empty local part: in front of it is nothing but an empty target */
	struct db_query *q = db_begin_query(db, only.n ? SQL_ALIAS_LIST_OF : SQL_ALIAS_LIST,
	    DB_ARGS(db_text(only.n ? only : a->domain), db_text(a->local),
		db_text(a->target_domain), db_text(a->target_local), db_int((int64_t)max)));
	size_t n = 0;
	enum db_code code;

	for (; db_step(q) == DB_ROW; n++) {
		struct directory_alias_row row = {db_col_str(q, 1), db_col_str(q, 0),
		    db_col_str(q, 3), db_col_str(q, 2), db_col_int(q, 4)};

		fn(ctx, &row);
	}
	code = db_end(q);
	if (code == DB_OK)
		*n_r = n;
	return code;
}
