/*
 * Migrations. What is written by a program of version N is opened by every later one; what a later one
 * wrote is refused by db_open().
 *
 * 1. The copy is complete and synced before anything is changed; one that is there from an attempt
 *    that failed is replaced.
 * 2. All migrations and the new number are one transaction: the database has the old version or the new.
 * 3. A migration that stands here is never changed; tests/data holds what its predecessors wrote.
 */
#include "store/migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/mem.h"
#include "store/db_copy.h"
#include "store/directory_fold.h"
#include "store/trace.h"

#define COPY_PAGES 4096
#define NAME_MAX_  ((size_t)4096)

/*
 * What it adds to a row has the default that says nothing: old rows are as they were. Destinations of
 * different standing (enum queue_standing) are found apart.
 */
static const struct sql_object version_2[] = {
    {"ALTER TABLE account ADD COLUMN language text NOT NULL DEFAULT ''", false},
    {"ALTER TABLE destination ADD COLUMN standing bigint NOT NULL DEFAULT 1", false},
    {"UPDATE destination SET standing = CASE WHEN failures > 0 THEN 2 WHEN last_try > 0 THEN 0"
     " ELSE 1 END",
	false},
    {"DROP INDEX destination_due", false},
    {"CREATE INDEX destination_due ON destination (shard, standing, due, turn)", false},
    {"ALTER TABLE lease ADD COLUMN standing bigint NOT NULL DEFAULT 0", false},
    {"CREATE INDEX lease_standing ON lease (shard, standing)", false},
    {"ALTER TABLE domain ADD COLUMN quota_warned bigint NOT NULL DEFAULT 0", false},
    {"CREATE INDEX domain_warning ON domain (name) WHERE quota_warned = 1", false},
    /* all recipients in ledger_day, so that a day that is lost is missed */
    {"INSERT INTO meta (name, value) SELECT 'folded', CAST(coalesce(sum(accepted), 0) AS bigint)"
     " FROM ledger_day",
	false},
    {"INSERT INTO meta (name, value) SELECT 'rows_admin_log', count(*) FROM admin_log UNION ALL"
     " SELECT 'rows_alias', count(*) FROM alias UNION ALL SELECT 'rows_change', count(*) FROM change"
     " UNION ALL SELECT 'rows_domain', count(*) FROM domain UNION ALL SELECT 'rows_mailbox', count(*)"
     " FROM mailbox UNION ALL SELECT 'rows_message', count(*) FROM message UNION ALL"
     " SELECT 'rows_trace', count(*) FROM trace UNION ALL SELECT 'rows_trace_index', count(*)"
     " FROM trace_index",
	false},
    {"ALTER TABLE queue ADD COLUMN priority bigint NOT NULL DEFAULT 0", false},
    {"ALTER TABLE queue ADD COLUMN hold_until bigint NOT NULL DEFAULT 0", false},
    {"ALTER TABLE queue ADD COLUMN by_kind bigint NOT NULL DEFAULT 0", false},
    {"ALTER TABLE queue ADD COLUMN by_time bigint NOT NULL DEFAULT 0", false},
    {"ALTER TABLE queue ADD COLUMN by_trace bigint NOT NULL DEFAULT 0", false},
    {"ALTER TABLE queue ADD COLUMN tier bigint NOT NULL DEFAULT 0", false},
    {"DROP INDEX queue_accepted", false},
    {"CREATE INDEX queue_accepted ON queue (shard, tier, bounce, warned, accepted)"
     " WHERE report = 0 AND held = 0",
	false},
    {"DROP INDEX queue_destination", false},
    {"CREATE INDEX queue_destination ON queue (shard, destination, token, priority, not_before)",
	false},
    {"ALTER TABLE domain ADD COLUMN relay bigint NOT NULL DEFAULT 0", false},
    {"CREATE TABLE callout ("
     " domain text NOT NULL,"
     " local text NOT NULL,"
     " verdict bigint NOT NULL,"
     " reply text NOT NULL,"
     " asked bigint NOT NULL,"
     " refresh bigint NOT NULL,"
     " expires bigint NOT NULL,"
     " PRIMARY KEY (domain, local))",
	true},
    {"CREATE INDEX callout_asked ON callout (domain, verdict, asked)", false},
    {"CREATE INDEX callout_expires ON callout (expires)", false},
    {"CREATE INDEX queue_by ON queue (shard, by_time)"
     " WHERE by_kind > 0 AND by_kind < 3 AND report = 0 AND held = 0",
	false},
    {"ALTER TABLE queue ADD COLUMN forwarder text NOT NULL DEFAULT ''", false},
    {"ALTER TABLE lease ADD COLUMN reverse_path text NOT NULL DEFAULT ''", false},
    {"ALTER TABLE destination ADD COLUMN host text NOT NULL DEFAULT ''", false},
    {"ALTER TABLE destination ADD COLUMN waits bigint NOT NULL DEFAULT 0", false},
    {"ALTER TABLE lease ADD COLUMN host text NOT NULL DEFAULT ''", false},
    {"CREATE INDEX lease_host ON lease (shard, host)", false},
    {"CREATE TABLE host ("
     " shard bigint NOT NULL,"
     " name text NOT NULL,"
     " sessions bigint NOT NULL,"
     " failures bigint NOT NULL,"
     " failing_since bigint NOT NULL,"
     " next_probe bigint NOT NULL,"
     " last_try bigint NOT NULL,"
     " last_problem bigint NOT NULL,"
     " last_status bigint NOT NULL,"
     " last_reply text NOT NULL,"
     " tried_for text NOT NULL,"
     " PRIMARY KEY (shard, name))",
	true},
    {"CREATE TABLE host_wait ("
     " shard bigint NOT NULL,"
     " host text NOT NULL,"
     " since bigint NOT NULL,"
     " destination text NOT NULL,"
     " PRIMARY KEY (shard, host, since, destination))",
	true},
    {"CREATE INDEX host_wait_destination ON host_wait (shard, destination)", false},
    {"ALTER TABLE email ADD COLUMN seal bigint NOT NULL DEFAULT 0", false},
    {"CREATE INDEX email_unsealed ON email (account, id) WHERE seal = 0 AND blob = id", false},
    /*
     * Mailboxes that a repair made had the moment of their account or their first copy, a uidvalidity from
     * then on, which clients know, and no role.
     */
    {"UPDATE mailbox SET created = uidvalidity * 1000 WHERE uidvalidity > created / 1000"
     " AND uidvalidity < 4294967296",
	false},
    {"UPDATE mailbox SET role = id WHERE role = 0 AND id BETWEEN 2 AND 6", false},
};

/* Names had the case of ASCII letters alone. */
static enum db_code fold_names(struct db *db, struct err *e)
{
	enum db_code code = directory_fold_names(db, e);

	return code == DB_OK ? trace_index_fold(db) : code;
}

static const struct migration all_migrations[] = {
    {2, version_2, sizeof version_2 / sizeof version_2[0], fold_names},
};

const struct migrations *migrations(void)
{
	static const struct migrations list = {
	    all_migrations, sizeof all_migrations / sizeof all_migrations[0]};

	return &list;
}

/* ---- the copy ---- */

static int sync_path(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);
	int result = fd < 0 ? -1 : fsync(fd);

	if (fd >= 0)
		close(fd);
	return result;
}

static enum db_code copy_all(struct db *from, const char *copy, struct err *e)
{
	struct db_copy *c = db_copy_begin(from, copy, e);
	enum db_code code = c ? DB_ROW : DB_IO;

	while (code == DB_ROW)
		code = db_copy_step(c, COPY_PAGES, e);
	db_copy_end(&c);
	return code;
}

/* The database lies in the working directory. */
static enum db_code keep(const char *name, const char *copy, struct err *e)
{
	struct db *from = NULL;
	enum db_code code = db_open(name, DB_READER, &from, e);

	if (code == DB_OK) {
		code = db_begin(from);
		if (code == DB_OK)
			code = copy_all(from, copy, e);
		else
			err_set(e, "%s", db_error(from));
		(void)db_rollback(from);
	}
	db_close(&from);
	if (code == DB_OK &&
	    (sync_path(copy, O_RDONLY) < 0 || sync_path(".", O_RDONLY | O_DIRECTORY) < 0)) {
		err_sys(e, errno, "%s cannot be synced", copy);
		code = DB_IO;
	}
	if (code != DB_OK)
		(void)unlink(copy);
	return code;
}

/* ---- the changes ---- */

static enum db_code apply(struct db *db, const struct migration *m, struct err *e)
{
	struct sql_schema part = {m->objects, m->n, m->version};
	struct buf script;
	enum db_code code;

	buf_init(&script, MIB);
	sql_schema_sqlite(&script, &part);
	code = db_script(db, buf_cstr(&script));
	buf_fini(&script);
	if (code == DB_OK && m->then)
		code = m->then(db, e);
	return code;
}

/* e: set when a migration refuses, and not when the database fails. */
static enum db_code change(
    struct db *db, const struct migrations *all, int64_t from, int version, struct err *e)
{
	enum db_code code = db_begin(db);

	for (size_t i = 0; i < all->n && code == DB_OK; i++) {
		if (all->v[i].version > from && all->v[i].version <= version)
			code = apply(db, &all->v[i], e);
	}
	if (code == DB_OK)
		code = db_set_version(db, version);
	if (code == DB_OK)
		code = db_commit(db);
	return code;
}

static bool has_all(const struct migrations *all, int64_t from, int version)
{
	int64_t next = from + 1;

	for (size_t i = 0; i < all->n; i++)
		next += all->v[i].version == next;
	return next > version;
}

static enum db_code change_or_explain(struct db *db, const struct migrations *all, int64_t from,
    int version, const char *copy, struct err *e)
{
	struct err why = {""};
	enum db_code code = change(db, all, from, version, &why);

	if (code == DB_OK)
		return DB_OK;
	err_set(e,
	    "the database cannot be brought from version %d to %d: %s; it is as it was, also in"
	    " %s: %s the program it was written by",
	    (int)from, version, why.text[0] ? why.text : db_error(db), copy,
	    why.text[0] ? "remove such a name with" : "mend that, or use");
	(void)db_rollback(db);
	return code;
}

enum db_code migrate(
    struct db *db, const char *name, const struct migrations *all, int version, struct err *e)
{
	char copy[NAME_MAX_];
	int64_t from = 0;
	struct err why = {""};
	enum db_code code = db_version(db, &from);

	if (code != DB_OK)
		err_set(e, "%s", db_error(db));
	if (code != DB_OK || from == version)
		return code;
	if (from < 1) {
		err_set(e, "the database was written by a program before version 1, which is not "
			   "supported: export its mail with that program and import it here");
		return DB_ERROR;
	}
	MUST(has_all(all, from, version));
	snprintf(copy, sizeof copy, "%s" MIGRATE_KEPT "%d", name, (int)from);
	code = keep(name, copy, &why);
	if (code == DB_OK)
		return change_or_explain(db, all, from, version, copy, e);
	err_set(e,
	    "the database must be brought from version %d to %d, and cannot be copied before: %s;"
	    " mend that, or use the program it was written by",
	    (int)from, version, why.text);
	return code;
}
