/*
 * An account whose row is lost still has its mail, its mailboxes and its password, by its number. Its name
 * is found in the ledger: the address that most of its mail came for; else it gets one made of its number.
 */
#include "base/mem.h"
#include "store/quota.h"
#include "store/repair_work.h"

struct lost {
	int64_t account;
	struct str address; /* empty: nothing tells */
};

struct names {
	struct arena *arena;
	struct lost *v;
	size_t n;
};

static enum db_code list(struct names *x, struct db *db)
{
	struct db_query *q = db_begin_query(db, SQL_REPAIR_ACCOUNTS, DB_NO_ARGS);

	for (; db_step(q) == DB_ROW; x->n++) {
		x->v = mem_resize(x->v, (x->n + 1) * sizeof *x->v);
		x->v[x->n] = (struct lost){db_col_int(q, 0), arena_str(x->arena, db_col_str(q, 1))};
	}
	return db_end(q);
}

/* Without the detail of a subaddress. */
static struct str base_of(const struct repair_work *w, struct str local)
{
	char separator = w->s->cfg.directory.separator;
	size_t at = separator ? str_find(local, (uint8_t)separator) : local.n;

	return at > 0 ? str_sub(local, 0, at) : local;
}

/* Whether the address is one, and no account's. */
static enum db_code is_free(struct db *db, struct str domain, struct str local, bool *free_r)
{
	int64_t account;
	enum db_code code = db_get_int(
	    db, SQL_REPAIR_ACCOUNT_ADDRESS, DB_ARGS(db_text(domain), db_text(local)), &account);

	*free_r = code == DB_OK;
	return code == DB_ROW ? DB_OK : code;
}

static enum db_code some_domain(struct names *x, struct db *db, struct str *domain_r)
{
	struct db_query *q = db_begin_query(db, SQL_REPAIR_ACCOUNT_DOMAIN, DB_NO_ARGS);

	*domain_r = db_step(q) == DB_ROW ? arena_str(x->arena, db_col_str(q, 0))
					 : STR("recovered.invalid");
	return db_end(q);
}

static struct str numbered(struct names *x, int64_t account)
{
	struct buf b;
	struct str s;

	buf_init(&b, 64);
	buf_printf(&b, "recovered-%lld", (long long)account);
	s = arena_str(x->arena, buf_view(&b));
	buf_fini(&b);
	return s;
}

static enum db_code add_account(
    struct repair_work *w, struct db *db, struct names *x, const struct lost *l, int64_t now)
{
	struct str local, domain;
	struct err e = {""};
	bool is_good = false;
	enum db_code code = DB_OK;

	if (directory_address(x->arena, l->address, false, &local, &domain, &e)) {
		local = base_of(w, local);
		code = is_free(db, domain, local, &is_good);
	}
	if (code == DB_OK && !is_good) {
		local = numbered(x, l->account);
		code = some_domain(x, db, &domain);
	}
	if (code != DB_OK)
		return code;
	w->r->accounts++;
	return db_exec(db, SQL_ACCOUNT_ADD,
	    DB_ARGS(db_int(l->account), db_text(domain), db_text(local), db_int(0), db_int(now),
		db_int(QUOTA_DEFAULT), db_int(QUOTA_DEFAULT)),
	    NULL);
}

enum db_code repair_accounts(struct repair_work *w, struct db *db, int64_t now)
{
	struct names x = {.arena = arena_new()};
	enum db_code code = list(&x, db);

	w->r->accounts = 0;
	for (size_t i = 0; i < x.n && code == DB_OK; i++)
		code = add_account(w, db, &x, &x.v[i], now);
	mem_free(x.v);
	arena_free(&x.arena);
	return code;
}
