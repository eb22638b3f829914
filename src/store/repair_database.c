/*
 * The database itself, before its rows are looked at: an index that lacks a row would hide it from every statement
 * that goes by it. What pages have lost is not for a repair: a new database is made of what can be read.
 */
#include "store/db_check.h"
#include "store/repair_work.h"

struct found {
	struct repair_work *w;
	int64_t indexes, pages;
};

static void on_bad(void *ctx, enum db_bad kind, const char *text)
{
	struct found *f = ctx;

	f->indexes += kind == DB_BAD_INDEX;
	if (kind != DB_BAD_INDEX && f->pages++ == 0)
		err_set(&f->w->r->err, "%s", text);
}

static bool check(struct repair_work *w, struct found *f, bool *more_r)
{
	*f = (struct found){.w = w};
	return repair_db_good(w, db_check_part(w->s->db, w->part, on_bad, f, more_r));
}

static enum db_code mend(struct repair_work *w, struct db *db, int64_t now)
{
	return db_check_mend(db, w->part);
}

/* One whose rows have a key twice, or that is as it was, is no better than damaged pages. */
static bool mend_part(struct repair_work *w)
{
	struct found f;
	bool more;

	if (!repair_change(w, mend)) {
		enum db_code code = db_error_code(w->s->db);

		w->r->beyond = code == DB_CORRUPT || code == DB_CONSTRAINT;
		return false;
	}
	if (!check(w, &f, &more))
		return false;
	w->r->beyond = f.indexes || f.pages;
	if (w->r->beyond)
		err_set(&w->r->err, "an index cannot be made anew");
	w->r->reindexed++;
	return !w->r->beyond;
}

static bool mend_parts(struct repair_work *w)
{
	bool more = true;
	struct found f;

	for (w->part = 0; more; w->part++) {
		if (!check(w, &f, &more))
			return false;
		w->r->beyond = f.pages > 0;
		if (f.pages || (f.indexes && !mend_part(w)))
			return false;
	}
	return true;
}

bool repair_database(struct repair_work *w)
{
	bool good = repair_db_good(w, db_sort_on_disk(w->s->db, true)) && mend_parts(w);

	return repair_db_good(w, db_sort_on_disk(w->s->db, false)) && good;
}
