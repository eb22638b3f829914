/* What changes is read first: no statement reads a table while another one changes it. */
#include "store/directory_fold.h"

#include "base/arena.h"
#include "base/limits.h"
#include "base/mem.h"
#include "mime/mime_local.h"
#include "store/directory.h"

struct row {
	struct str domain, local;
	struct str target; /* its local part */
	int64_t created;
};

struct fold {
	struct db *db;
	struct arena *arena;
	struct row *v;
	size_t n;
	enum db_code code; /* the first failure of the database */
};

static struct fold begin(struct db *db)
{
	return (struct fold){.db = db, .arena = arena_new(), .code = DB_OK};
}

static enum db_code end(struct fold *f)
{
	mem_free(f->v);
	arena_free(&f->arena);
	return f->code;
}

static bool failed(struct fold *f, enum db_code code)
{
	if (code != DB_OK && code != DB_ROW && f->code == DB_OK)
		f->code = code;
	return f->code != DB_OK;
}

static bool exec(struct fold *f, enum sql_id id, const struct db_value *args, size_t n)
{
	return !failed(f, db_exec(f->db, id, args, n, NULL));
}

static struct row *add_row(struct fold *f)
{
	f->v = mem_resize(f->v, (f->n + 1) * sizeof *f->v);
	f->v[f->n] = (struct row){0};
	return &f->v[f->n++];
}

/* Whether the form of the name is another than the name. */
static bool changes(struct fold *f, struct str local)
{
	return !str_eq(local, mime_local_key(f->arena, local));
}

/* ---- targets ---- */

static void read_targets(struct fold *f, struct str domain)
{
	struct db_query *q = db_begin_query(f->db, SQL_ALIAS_INTO, DB_ARGS(db_text(domain)));

	while (db_step(q) == DB_ROW) {
		struct str target = db_col_str(q, 2);
		struct row *r;

		if (!changes(f, target) ||
		    mime_local_key(f->arena, target).n > LIMIT_SMTP_LOCAL_PART)
			continue;
		r = add_row(f);
		r->domain = arena_str(f->arena, db_col_str(q, 0));
		r->local = arena_str(f->arena, db_col_str(q, 1));
		r->target = arena_str(f->arena, target);
		r->created = db_col_int(q, 3);
	}
	failed(f, db_end(q));
}

enum db_code directory_fold_targets(struct db *db, struct str domain)
{
	struct fold f = begin(db);

	read_targets(&f, domain);
	for (size_t i = 0; i < f.n && f.code == DB_OK; i++) {
		const struct row *r = &f.v[i];
		struct str key = mime_local_key(f.arena, r->target);

		if (exec(&f, SQL_ALIAS_DELETE,
			DB_ARGS(db_text(r->domain), db_text(r->local), db_text(domain),
			    db_text(r->target))))
			exec(&f, SQL_ALIAS_ADD,
			    DB_ARGS(db_text(r->domain), db_text(r->local), db_text(domain),
				db_text(key), db_int(r->created)));
	}
	return end(&f);
}

/* ---- names ---- */

static void read_names(struct fold *f)
{
	struct db_query *q = db_begin_query(f->db, SQL_DIRECTORY_NAMES, DB_NO_ARGS);

	while (db_step(q) == DB_ROW) {
		struct str local = db_col_str(q, 1);
		struct row *r;

		if (!changes(f, local))
			continue;
		r = add_row(f);
		r->domain = arena_str(f->arena, db_col_str(q, 0));
		r->local = arena_str(f->arena, local);
	}
	failed(f, db_end(q));
}

static void rename_one(struct fold *f, const struct row *r, struct err *e)
{
	struct str key = mime_local_key(f->arena, r->local);
	int64_t there = 0;

	if (key.n > LIMIT_SMTP_LOCAL_PART) {
		err_set(e,
		    "the name %.*s@%.*s would be longer than %zu octets, in the form in which"
		    " names are kept now",
		    STR_FMT(r->local), STR_FMT(r->domain), LIMIT_SMTP_LOCAL_PART);
		f->code = DB_CONSTRAINT;
		return;
	}
	if (failed(f, db_get_int(f->db, SQL_DIRECTORY_NAMED,
			  DB_ARGS(db_text(r->domain), db_text(key)), &there)))
		return;
	if (there) {
		err_set(e, "%.*s@%.*s and %.*s@%.*s are one name now", STR_FMT(r->local),
		    STR_FMT(r->domain), STR_FMT(key), STR_FMT(r->domain));
		f->code = DB_CONSTRAINT;
		return;
	}
	exec(f, SQL_ACCOUNT_RENAME, DB_ARGS(db_text(r->domain), db_text(r->local), db_text(key)));
	exec(f, SQL_ALIAS_RENAME, DB_ARGS(db_text(r->domain), db_text(r->local), db_text(key)));
}

static void read_domains(struct fold *f)
{
	struct db_query *q = db_begin_query(
	    f->db, SQL_DOMAINS_OF_KIND, DB_ARGS(db_int(DIRECTORY_LOCAL)));

	f->n = 0;
	while (db_step(q) == DB_ROW)
		add_row(f)->domain = arena_str(f->arena, db_col_str(q, 0));
	failed(f, db_end(q));
}

enum db_code directory_fold_names(struct db *db, struct err *e)
{
	struct fold f = begin(db);

	read_names(&f);
	for (size_t i = 0; i < f.n && f.code == DB_OK; i++)
		rename_one(&f, &f.v[i], e);
	if (f.code == DB_OK)
		read_domains(&f);
	for (size_t i = 0; i < f.n && f.code == DB_OK; i++)
		failed(&f, directory_fold_targets(db, f.v[i].domain));
	return end(&f);
}
