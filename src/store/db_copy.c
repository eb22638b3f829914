/* Copies of the database. Their file is written without syncs: whoever keeps it syncs it. */
#include "store/db_copy.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/db_internal.h"
#include "store/db_vfs.h"

struct db_copy {
	sqlite3 *to;
	sqlite3_backup *backup;
};

static void failed(struct err *e, sqlite3 *to, const char *name)
{
	err_set(e, "cannot copy the database to %s: %s", name,
	    to ? sqlite3_errmsg(to) : "it cannot be opened");
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

	MUST(from->role == DB_READER && db_in_transaction(from));
	if (make_file(name) &&
	    sqlite3_open_v2(name, &c->to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
		db_vfs_name()) == SQLITE_OK &&
	    sqlite3_exec(c->to, "PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF", NULL, NULL,
		NULL) == SQLITE_OK)
		c->backup = sqlite3_backup_init(c->to, "main", from->sqlite, "main");
	if (c->backup)
		return c;
	failed(e, c->to, name);
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
	if (rc == SQLITE_OK)
		return DB_OK;
	failed(e, c->to, "its file");
	return (rc & 0xff) == SQLITE_FULL ? DB_FULL : DB_IO;
}

enum db_code db_copy_step(struct db_copy *c, int pages, struct err *e)
{
	int rc = sqlite3_backup_step(c->backup, pages);

	if (rc == SQLITE_OK)
		return DB_ROW;
	if (rc == SQLITE_DONE)
		return complete(c, e);
	failed(e, c->to, "its file");
	return (rc & 0xff) == SQLITE_FULL ? DB_FULL : DB_IO;
}

int64_t db_copy_size(const struct db_copy *c)
{
	return c->backup ? (int64_t)sqlite3_backup_pagecount(c->backup) * DB_PAGE : 0;
}

int64_t db_copy_left(const struct db_copy *c)
{
	return c->backup ? (int64_t)sqlite3_backup_remaining(c->backup) * DB_PAGE : 0;
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
