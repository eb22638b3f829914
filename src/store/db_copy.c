/* Copies of the database. Their file is written without syncs: whoever keeps it syncs it. */
#include "store/db_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/db_internal.h"
#include "store/db_vfs.h"

#define FOUND_MAX ((size_t)120)

struct db_copy {
	const char *name;
	sqlite3 *to;
	sqlite3_backup *backup; /* NULL: the copy is complete */
	size_t checked;         /* tables */
};

/* The copying itself leaves its code only where it returns it, and none in the connection. */
static enum db_code failed(const struct db_copy *c, int rc, struct err *e)
{
	struct err where;

	err_set(&where, "cannot copy the database to %s", c->name);
	return db_tell(e, where.text, rc, sqlite3_errstr(rc));
}

/* Nobody else may read it, nor its journal. */
static bool make_file(const char *name)
{
	int fd;

	(void)unlink(name);
	fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

struct db_copy *db_copy_begin(struct db *from, const char *name, struct err *e)
{
	struct db_copy *c = mem_new(struct db_copy);
	int rc;

	MUST(from->role == DB_READER && db_in_transaction(from));
	if (!make_file(name)) {
		err_sys(e, errno, "cannot copy the database to %s", name);
		mem_free(c);
		return NULL;
	}
	c->name = name;
	db_vfs_forget();
	rc = sqlite3_open_v2(
	    name, &c->to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, db_vfs_name());
	if (rc == SQLITE_OK)
		rc = sqlite3_extended_result_codes(c->to, 1);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(
		    c->to, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		c->backup = sqlite3_backup_init(c->to, "main", from->sqlite, "main");
	if (c->backup)
		return c;
	(void)failed(c, rc != SQLITE_OK ? rc : sqlite3_extended_errcode(c->to), e);
	db_copy_end(&c);
	return NULL;
}

/* It came with the mark of a log beside it; a copy has none. */
static enum db_code complete(struct db_copy *c, struct err *e)
{
	int rc = sqlite3_backup_finish(c->backup);

	c->backup = NULL;
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(c->to, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
	return rc == SQLITE_OK ? DB_OK : failed(c, rc, e);
}

enum db_code db_copy_step(struct db_copy *c, int pages, struct err *e)
{
	int rc;

	db_vfs_forget();
	rc = sqlite3_backup_step(c->backup, pages);
	if (rc == SQLITE_OK)
		return DB_ROW;
	if (rc == SQLITE_DONE)
		return complete(c, e);
	return failed(c, rc, e);
}

int64_t db_copy_size(const struct db_copy *c)
{
	return c->backup ? (int64_t)sqlite3_backup_pagecount(c->backup) * DB_PAGE : 0;
}

int64_t db_copy_left(const struct db_copy *c)
{
	return c->backup ? (int64_t)sqlite3_backup_remaining(c->backup) * DB_PAGE : 0;
}

/* The first thing found is the story: in one line, behind the one that names the database. */
static void on_bad(void *ctx, enum db_bad kind, const char *text)
{
	struct str all = str_of_c(text), first, rest;
	struct err *e = ctx;

	first = str_split(all, '\n', &rest);
	if (str_has_prefix(first, STR("***")))
		first = str_split(rest, '\n', &rest);
	if (!e->text[0])
		err_set(e, "%.*s", STR_FMT(str_sub(first.n ? first : all, 0, FOUND_MAX)));
}

enum db_code db_copy_check(struct db_copy *c, struct err *e)
{
	struct err found = {""};
	bool more = false;
	int rc;

	MUST(!c->backup);
	db_vfs_forget();
	rc = db_check_pages(c->to, c->checked++, on_bad, &found, &more);
	if (found.text[0]) {
		*e = found;
		return DB_CORRUPT;
	}
	if (rc == SQLITE_OK)
		return more ? DB_ROW : DB_OK;
	return db_tell(e, "the copy of the database cannot be read", rc, sqlite3_errmsg(c->to));
}

/* No journal lies beside it meanwhile: of a copy that a crash broke off nothing is kept. */
enum db_code db_copy_put(struct db_copy *c, struct str name, int64_t value, struct err *e)
{
	sqlite3_stmt *stmt = NULL;
	enum db_code code = DB_OK;
	int rc;

	MUST(!c->backup);
	db_vfs_forget();
	rc = sqlite3_exec(c->to, "PRAGMA journal_mode = MEMORY", NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v2(c->to,
		    "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(stmt, 1, (const char *)name.p, (int)name.n, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_int64(stmt, 2, value);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc != SQLITE_DONE)
		code = db_tell(
		    e, "the copy of the database cannot be marked", rc, sqlite3_errmsg(c->to));
	sqlite3_finalize(stmt);
	return code;
}

void db_copy_end(struct db_copy **c)
{
	if (!*c)
		return;
	if ((*c)->backup)
		sqlite3_backup_finish((*c)->backup);
	sqlite3_close((*c)->to);
	mem_free(*c);
	*c = NULL;
}

enum db_code db_size(struct db *db, int64_t *size_r)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db->sqlite, "PRAGMA page_count", -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*size_r = sqlite3_column_int64(stmt, 0) * DB_PAGE;
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? DB_OK : db_fail(db, rc, "PRAGMA page_count");
}
