/*
 * The last steps of a restore. The database is changed before the lock makes a data directory of it, so
 * that no server can open what still has the identity of another one.
 */
#include "store/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/admin_log.h"
#include "store/datadir.h"
#include "store/db.h"

static enum db_code put_meta(struct db *db, const char *name, int64_t value)
{
	return db_exec(db, SQL_META_PUT, DB_ARGS(db_text(str_of_c(name)), db_int(value)), NULL);
}

enum db_code restore_identity(struct db *db, int64_t source, int64_t now)
{
	int64_t id = 0;
	enum db_code code = db_begin(db);

	randombytes_buf(&id, sizeof id);
	if (code == DB_OK)
		code = put_meta(db, "store", (id & INT64_MAX) | 1);
	if (code == DB_OK)
		code = put_meta(db, "parent", source);
	if (code == DB_OK)
		code = put_meta(db, "restored", now);
	if (code == DB_OK)
		code = db_commit(db);
	(void)db_rollback(db);
	return code;
}

static enum db_code record(struct db *db, struct str who, int64_t now)
{
	enum db_code code = db_begin(db);

	if (code == DB_OK)
		code = admin_log_add(db, now, who, STR("restored from a backup"));
	if (code == DB_OK)
		code = db_commit(db);
	(void)db_rollback(db);
	return code;
}

static int change_database(int64_t source, struct str who, int64_t now, struct err *e)
{
	struct db *db = NULL;
	enum db_code code;

	code = sodium_init() < 0 ? DB_ERROR : db_open(DATADIR_DB, DB_WRITER, &db, e);
	if (code == DB_OK) {
		code = restore_identity(db, source, now);
		if (code == DB_OK)
			code = record(db, who, now);
		if (code != DB_OK)
			err_set(e, "%s", db_error(db));
	}
	db_close(&db);
	return code == DB_OK ? 0 : -1;
}

/* Whoever has opened the data directory meanwhile has done the same. */
static bool remove_mark(int dirfd)
{
	return unlinkat(dirfd, RESTORE_MARK, 0) == 0 || errno == ENOENT;
}

/* Broken off between the lock and the mark, it is a data directory: datadir_open() removes the mark. */
static bool put_lock(int dirfd)
{
	int lock = openat(dirfd, DATADIR_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (lock < 0)
		return false;
	close(lock);
	return fsync(dirfd) == 0 && remove_mark(dirfd) && fsync(dirfd) == 0;
}

static int furnish(int dirfd, const char *name, struct err *e)
{
	bool good = fchmod(dirfd, DATADIR_MODE) == 0;

	if (good && datadir_make_run(dirfd, e) < 0)
		return -1;
	good = good && syncfs(dirfd) == 0;
	if (good && put_lock(dirfd))
		return 0;
	return err_sys(e, errno, "cannot complete the data directory %s", name);
}

int restore_complete(
    int dirfd, const char *name, int64_t source, struct str who, int64_t now, struct err *e)
{
	struct datadir_self self;
	int result;

	if (fchdir(dirfd) < 0)
		return err_sys(e, errno, "cannot enter the directory %s", name);
	if (datadir_become_owner(dirfd, &self, e) < 0)
		return -1;
	result = change_database(source, who, now, e);
	if (result == 0)
		result = furnish(dirfd, name, e);
	datadir_become_self(&self);
	return result;
}
