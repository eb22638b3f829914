/* A copy lies in a directory of its own, so that everything that comes to lie beside it goes with it. */
#include "cli/cli_restore_db.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "store/db_copy.h"
#include "store/migrate.h"

#define PATH_MAX_ 4096
#define PAGES     4096
#define COPY      "/store.db"

/* ---- the copy ---- */

static int make_directory(struct cli_restore_db *r, struct err *e)
{
	const char *tmp = getenv("TMPDIR");

	buf_printf(&r->copy, "%s/godwit-restore-XXXXXX", tmp && *tmp ? tmp : "/var/tmp");
	if (mkdtemp((char *)(uintptr_t)buf_cstr(&r->copy)))
		return 0;
	err_sys(e, errno,
	    "the backup is of an earlier version, and there is no place for a copy of its database: "
	    "%s (name another directory with TMPDIR)",
	    buf_cstr(&r->copy));
	buf_clear(&r->copy);
	return -1;
}

static enum db_code copy_all(struct db *from, const char *name, struct err *e)
{
	struct db_copy *c = NULL;
	enum db_code code = db_begin(from);

	if (code == DB_OK)
		c = db_copy_begin(from, name, e);
	else
		err_set(e, "%s", db_error(from));
	code = c ? DB_ROW : DB_IO;
	while (code == DB_ROW)
		code = db_copy_step(c, PAGES, e);
	db_copy_end(&c);
	(void)db_rollback(from);
	return code;
}

static enum db_code bring_up(const char *name, struct err *e)
{
	struct db *db = NULL;
	enum db_code code = db_open(name, DB_WRITER, &db, e);

	if (code == DB_OK)
		code = migrate(db, name, migrations(), sql_schema()->version, e);
	db_close(&db);
	return code;
}

/* In the place of the backup's own. */
static int open_copy(struct cli_restore_db *r, struct err *e)
{
	struct buf name;
	enum db_code code;

	if (make_directory(r, e) < 0)
		return -1;
	buf_init(&name, PATH_MAX_);
	buf_printf(&name, "%s" COPY, buf_cstr(&r->copy));
	code = copy_all(r->db, buf_cstr(&name), e);
	db_close(&r->db);
	if (code == DB_OK)
		code = bring_up(buf_cstr(&name), e);
	if (code == DB_OK)
		code = db_open(buf_cstr(&name), DB_READER, &r->db, e);
	buf_fini(&name);
	return code == DB_OK ? 0 : -1;
}

static void remove_copy(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;

	while (dir && (d = readdir(dir)) != NULL)
		(void)unlinkat(dirfd(dir), d->d_name, 0); /* "." and ".." are refused */
	if (dir)
		closedir(dir);
	(void)rmdir(path);
}

/* ---- both ---- */

int cli_restore_db_open(struct cli_restore_db *r, const char *name, struct err *e)
{
	int64_t version = 0;

	r->db = NULL;
	buf_init(&r->copy, PATH_MAX_);
	if (db_open(name, DB_READER, &r->db, e) != DB_OK)
		return -1;
	if (db_version(r->db, &version) != DB_OK)
		return err_set(e, "%s", db_error(r->db));
	return version < sql_schema()->version ? open_copy(r, e) : 0;
}

void cli_restore_db_close(struct cli_restore_db *r)
{
	db_close(&r->db);
	if (r->copy.n)
		remove_copy(buf_cstr(&r->copy));
	buf_fini(&r->copy);
}
