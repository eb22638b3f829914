/*
 * Older data directories: each change of the schema, or of the format of packs, behind version 1 is a numbered
 * migration, and opening a directory brings it up to date. docs/invariants/versions.md.
 */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include "store/db.h"

/* From the version before to this one. The texts are PostgreSQL's, as those of the schema. */
struct migration {
	int version;
	const struct sql_object *objects;
	size_t n;
	/* What no statement can do, behind them, in their transaction; NULL: nothing. Sets e, beside
	 * DB_CONSTRAINT, when somebody must decide first. */
	enum db_code (*then)(struct db *db, struct err *e);
};

/* All there are, without gaps: from 2 up to sql_schema()->version; none while that is 1. */
struct migrations {
	const struct migration *v;
	size_t n;
};

const struct migrations *migrations(void);

/* Where the database is kept as it was before: beside it, with its version behind the name. */
#define MIGRATE_KEPT ".version-"

/*
 * Brings the writer's database `name` up to `version` in one transaction, after a copy of it was made
 * durable. DB_OK also when nothing had to be done; else nothing was changed, and e names the cure.
 */
enum db_code migrate(
    struct db *db, const char *name, const struct migrations *all, int version, struct err *e);

#endif
