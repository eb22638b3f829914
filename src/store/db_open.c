/*
 * Connections: opening with the settings that durability rests on, preparing, classes of failure,
 * closing. One writer in the world checkpoints; readers never do, not even when they close last.
 */
#include "store/db_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/db_look.h"
#include "store/db_vfs.h"

#define DB_MAGIC      0x6462676fu
#define BUSY_WAIT_MS  2000
#define WRITER_CACHE  "-65536" /* KiB, negative by SQLite's custom */
#define READER_CACHE  "-8192"
#define LOG_KEPT      "33554432" /* the log's file is cut to this when it starts anew */
#define SHRINK_MIN    1024       /* unused pages that are no trouble */
#define SHRINK_SLICE  512        /* pages given back at a time */
#define STRINGIFY_(x) #x
#define STRINGIFY(x)  STRINGIFY_(x)

static const char *const code_names[] = {
    [DB_OK] = "DB_OK",
    [DB_ROW] = "DB_ROW",
    [DB_BUSY] = "DB_BUSY",
    [DB_FULL] = "DB_FULL",
    [DB_IO] = "DB_IO",
    [DB_CORRUPT] = "DB_CORRUPT",
    [DB_CONSTRAINT] = "DB_CONSTRAINT",
    [DB_ERROR] = "DB_ERROR",
};

const char *db_code_name(enum db_code code)
{
	BUG_ON((size_t)code >= sizeof code_names / sizeof code_names[0]);
	return code_names[code];
}

/* Of a sync SQLite cannot take back what it did: whatever the reason, that is an I/O error. */
static bool is_without_room(int rc, int system)
{
	bool sync = rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC;

	return (system == ENOSPC || system == EDQUOT) && !sync &&
	       ((rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN);
}

static enum db_code classify(int rc, int system)
{
	if (is_without_room(rc, system))
		return DB_FULL;
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return DB_BUSY;
	case SQLITE_FULL:
		return DB_FULL;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
		return DB_IO;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return DB_CORRUPT;
	case SQLITE_CONSTRAINT:
		return DB_CONSTRAINT;
	default:
		return DB_ERROR;
	}
}

enum db_code db_tell(struct err *e, const char *what, int rc, const char *words)
{
	int system = db_vfs_errno();
	enum db_code code;

	if (rc == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM)
		mem_out(0);
	BUG_ON(rc == SQLITE_MISUSE);
	code = classify(rc, system);
	if (code == DB_FULL)
		err_sys(e, system == EDQUOT ? EDQUOT : ENOSPC, "%s: %s (%d)", what,
		    sqlite3_errstr(SQLITE_FULL), rc);
	else if (code == DB_IO && system) /* SQLite has one word for all of them */
		err_sys(e, system, "%s: %s (%d)", what, words, rc);
	else
		err_set(e, "%s: %s (%d)", what, words, rc);
	return code;
}

enum db_code db_fail(struct db *db, int rc, const char *what)
{
	struct err where;

	err_set(&where, "database: %s", what);
	return db->code = db_tell(&db->err, where.text, rc, sqlite3_errmsg(db->sqlite));
}

enum db_code db_damaged(struct db *db, const char *what)
{
	err_set(&db->err, "database: %s", what);
	return db->code = DB_CORRUPT;
}

const char *db_error(const struct db *db)
{
	return db->err.text;
}

const char *db_cure(const struct db *db)
{
	return db->code == DB_CORRUPT ? "; " DB_CURE : "";
}

enum db_code db_error_code(const struct db *db)
{
	return db->code;
}

/* ---- preparing ---- */

/* Finds SQLite's number of each $k; every one from 1 to the count must be there. */
static void map_parameters(struct db_query *q)
{
	int n = sqlite3_bind_parameter_count(q->stmt);

	BUG_ON(n > DB_PARAMS_MAX);
	q->nparams = (uint8_t)n;
	for (int k = 1; k <= n; k++) {
		char name[8];
		int at;

		snprintf(name, sizeof name, "$%d", k);
		at = sqlite3_bind_parameter_index(q->stmt, name);
		BUG_ON(at == 0);
		q->at[k - 1] = (uint8_t)at;
	}
}

static int prepare_text(struct db *db, const char *text, sqlite3_stmt **stmt)
{
	return sqlite3_prepare_v3(db->sqlite, text, -1, SQLITE_PREPARE_PERSISTENT, stmt, NULL);
}

enum db_code db_prepare(struct db *db, enum sql_id id)
{
	struct db_query *q = &db->queries[id];
	int rc = prepare_text(db, sql_statement(id)->sqlite, &q->stmt);

	if (rc != SQLITE_OK)
		return db_fail(db, rc, sql_statement(id)->name);
	map_parameters(q);
	return DB_OK;
}

enum db_code db_prepare_all(struct db *db)
{
	for (enum sql_id id = 0; id < SQL_COUNT; id++) {
		enum db_code code = db->queries[id].stmt ? DB_OK : db_prepare(db, id);

		if (code != DB_OK)
			return code;
	}
	return DB_OK;
}

enum db_code db_control(struct db *db, enum db_control what)
{
	static const char *const texts[] = {
	    [DB_DO_BEGIN_WRITE] = "BEGIN IMMEDIATE",
	    [DB_DO_BEGIN_READ] = "BEGIN",
	    [DB_DO_COMMIT] = "COMMIT",
	    [DB_DO_ROLLBACK] = "ROLLBACK",
	    [DB_DO_SAVEPOINT] = "SAVEPOINT op",
	    [DB_DO_RELEASE] = "RELEASE op",
	    [DB_DO_ROLLBACK_TO] = "ROLLBACK TO op",
	};
	sqlite3_stmt **stmt = &db->controls[what];
	enum db_code code = DB_OK;
	int rc;

	db_vfs_forget();
	rc = *stmt ? SQLITE_OK : prepare_text(db, texts[what], stmt);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(*stmt);
	if (rc != SQLITE_DONE)
		code = db_fail(db, rc, texts[what]);
	(void)sqlite3_reset(*stmt);
	return code;
}

/* ---- small statements about the database itself ---- */

static enum db_code ask_int(struct db *db, const char *sql, int64_t *value_r)
{
	sqlite3_stmt *stmt = NULL;
	enum db_code code = DB_OK;
	int rc;

	db_vfs_forget();
	rc = sqlite3_prepare_v2(db->sqlite, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*value_r = sqlite3_column_int64(stmt, 0);
	else
		code = db_fail(db, rc, sql);
	sqlite3_finalize(stmt);
	return code;
}

enum db_code db_version(struct db *db, int64_t *version_r)
{
	return ask_int(db, "PRAGMA user_version", version_r);
}

enum db_code db_set_version(struct db *db, int64_t version)
{
	char sql[64];

	snprintf(sql, sizeof sql, "PRAGMA user_version = %d", (int)version);
	return db_script(db, sql);
}

enum db_code db_has_tables(struct db *db, bool *has_r)
{
	int64_t n = 0;
	enum db_code code = ask_int(db, "SELECT count(*) FROM sqlite_schema", &n);

	if (code == DB_OK)
		*has_r = n > 0;
	return code;
}

enum db_code db_shrink(struct db *db)
{
	int64_t unused = 0, pages = 0;
	enum db_code code = ask_int(db, "PRAGMA freelist_count", &unused);

	if (code == DB_OK)
		code = ask_int(db, "PRAGMA page_count", &pages);
	if (code != DB_OK || unused < SHRINK_MIN || unused < pages / 4)
		return code;
	return db_script(db, "PRAGMA incremental_vacuum(" STRINGIFY(SHRINK_SLICE) ")");
}

/* ---- opening ---- */

static int on_commit(void *ctx, sqlite3 *sqlite, const char *name, int pages)
{
	struct db *db = ctx;

	db->wal_pages = pages;
	return SQLITE_OK;
}

static void protect(struct db *db)
{
	sqlite3_extended_result_codes(db->sqlite, 1);
	sqlite3_busy_timeout(db->sqlite, BUSY_WAIT_MS);
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	if (db->role == DB_READER)
		sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

/* The page size and auto_vacuum count only while the file is empty, so they come first. */
static const char writer_settings[] = "PRAGMA page_size = " STRINGIFY(
    DB_PAGE) ";"
	     "PRAGMA auto_vacuum = INCREMENTAL;"
	     "PRAGMA journal_mode = WAL;"
	     "PRAGMA synchronous = FULL;"
	     "PRAGMA wal_autocheckpoint = 0;"
	     "PRAGMA journal_size_limit = " LOG_KEPT ";"
	     "PRAGMA temp_store = MEMORY;"
	     "PRAGMA cache_size = " WRITER_CACHE ";";

static const char reader_settings[] = "PRAGMA query_only = 1;"
				      "PRAGMA temp_store = MEMORY;"
				      "PRAGMA cache_size = " READER_CACHE ";";

/* What a file says it is. */
struct identity {
	int64_t app, version;
	bool tables;
};

static enum db_code read_identity(struct db *db, struct identity *id_r)
{
	enum db_code code = ask_int(db, "PRAGMA application_id", &id_r->app);

	if (code == DB_OK)
		code = db_version(db, &id_r->version);
	if (code == DB_OK)
		code = db_has_tables(db, &id_r->tables);
	return code;
}

/* Ours, empty and to be made ours (writer only), or somebody else's; where it is damaged, the tables tell. */
static enum db_code judge(struct db *db, const struct identity *id)
{
	bool foreign = id->app != DB_APPLICATION_ID &&
		       (id->app || id->tables || db->role == DB_READER);
	bool other = id->tables && id->version != sql_schema()->version;
	int64_t there = foreign || other ? db_look_version(db->sqlite) : 0;

	if (there && (foreign || there != id->version))
		err_set(&db->err,
		    "database: it is damaged, for its tables are those of version %d, and its %s is %lld; "
		    "stop the server and run `godwit store salvage ADDRESS`, or restore a backup",
		    (int)there, foreign ? "mark" : "version",
		    (long long)(foreign ? id->app : id->version));
	else if (foreign)
		err_set(&db->err, "database: the file belongs to another program");
	else if (id->version > sql_schema()->version)
		err_set(&db->err,
		    "database: written by a newer version (schema %d, this program knows %d):"
		    " use that version, or restore a backup",
		    (int)id->version, sql_schema()->version);
	else
		return DB_OK;
	return db->code = DB_CORRUPT;
}

static enum db_code check_identity(struct db *db)
{
	struct identity id = {0};
	enum db_code code = read_identity(db, &id);

	if (code == DB_OK)
		code = judge(db, &id);
	if (code != DB_OK || id.app)
		return code;
	return db_script(db, "PRAGMA application_id = " STRINGIFY(DB_APPLICATION_ID));
}

/*
 * Before a file is opened for writing, which changes it: what is not for this program to open stays as it is, to
 * the last octet. What cannot be looked at is found out about by opening it.
 */
static enum db_code look(struct db *db, const char *name)
{
	struct identity id = {0};
	enum db_code code = DB_OK;

	if (db_look_open(name, &db->sqlite) == SQLITE_OK && read_identity(db, &id) == DB_OK)
		code = judge(db, &id);
	sqlite3_close(db->sqlite);
	db->sqlite = NULL;
	if (code == DB_OK) { /* what could not be looked at, opening it will say */
		db->code = DB_OK;
		db->err.text[0] = '\0';
	}
	return code;
}

static enum db_code configure(struct db *db)
{
	enum db_code code;

	protect(db);
	if (db->role == DB_READER) {
		code = check_identity(db);
		return code == DB_OK ? db_script(db, reader_settings) : code;
	}
	code = db_script(db, writer_settings);
	if (code == DB_OK)
		code = check_identity(db);
	sqlite3_wal_hook(db->sqlite, on_commit, db);
	return code;
}

/*
 * SQLite would make it readable for all, and gives its log the mode of the file. Never opened when
 * it is there: closing it would drop the locks of this process's other connections.
 */
static void make_private(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd); /* if not, SQLite finds out why */
}

static bool is_link(const char *name)
{
	struct stat st;

	return lstat(name, &st) == 0 && S_ISLNK(st.st_mode);
}

bool db_has_link(const char *name, struct err *e)
{
	static const char *const ends[] = {"", "-wal", "-journal"};
	bool found = false;
	struct buf file;

	buf_init(&file, 8 * KIB);
	for (size_t i = 0; i < sizeof ends / sizeof *ends && !found; i++) {
		buf_clear(&file);
		buf_printf(&file, "%s%s", name, ends[i]);
		found = is_link(buf_cstr(&file));
		if (found)
			err_set(e,
			    "%s is a link, and links are not followed: move the file that it leads to here "
			    "(mv)%s",
			    buf_cstr(&file), i == 0 ? ", with its -wal if it has one" : "");
	}
	buf_fini(&file);
	return found;
}

static void explain(struct db *db, const char *name, struct err *e)
{
	int rc = db->sqlite ? sqlite3_errcode(db->sqlite) : SQLITE_OK;

	if (db->code == DB_IO && db_has_link(name, e))
		return;
	if (rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT)
		err_set(e,
		    "the database %s is damaged (%s); stop the server and run `godwit store salvage ADDRESS`,"
		    " or restore a backup with `godwit restore` into a new data directory",
		    name, sqlite3_errmsg(db->sqlite));
	else
		err_set(e, "%s: %s", name, db->err.text);
}

static enum db_code open_file(struct db *db, const char *name, int flags)
{
	int rc;

	if (db->role == DB_WRITER)
		make_private(name);
	db_vfs_forget();
	rc = sqlite3_open_v2(name, &db->sqlite, flags, db_vfs_name());
	return rc == SQLITE_OK ? configure(db) : db_fail(db, rc, name);
}

bool db_is_there(const char *name)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(db_vfs_name());
	int there = 0;

	return is_link(name) ||
	       vfs->xAccess(vfs, name, SQLITE_ACCESS_EXISTS, &there) != SQLITE_OK || there;
}

static struct db *new_db(enum db_role role)
{
	struct db *db = mem_new(struct db);

	db->magic = DB_MAGIC;
	db->role = role;
	for (size_t i = 0; i < SQL_COUNT; i++) {
		db->queries[i].db = db;
		db->queries[i].id = (enum sql_id)i;
	}
	return db;
}

bool db_is_foreign(const char *name, struct err *e)
{
	struct db *db = new_db(DB_WRITER);
	bool foreign = look(db, name) != DB_OK;

	if (foreign)
		explain(db, name, e);
	db_close(&db);
	return foreign;
}

enum db_code db_open(const char *name, enum db_role role, struct db **db_r, struct err *e)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
		    (role == DB_WRITER ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
				       : SQLITE_OPEN_READONLY);
	struct db *db = new_db(role);
	enum db_code code = role == DB_WRITER ? look(db, name) : DB_OK;

	if (code == DB_OK)
		code = open_file(db, name, flags);
	if (code == DB_OK) {
		*db_r = db;
		return DB_OK;
	}
	explain(db, name, e);
	if (db->sqlite)
		db_distrust(db); /* leave what is there as it is */
	db_close(&db);
	return code;
}

void db_distrust(struct db *db)
{
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

void db_close(struct db **db)
{
	struct db *d = *db;

	*db = NULL;
	if (!d)
		return;
	BUG_ON(d->magic != DB_MAGIC || d->active);
	for (size_t i = 0; i < SQL_COUNT; i++)
		sqlite3_finalize(d->queries[i].stmt);
	for (size_t i = 0; i < DB_CONTROLS; i++)
		sqlite3_finalize(d->controls[i]);
	MUST(sqlite3_close(d->sqlite) == SQLITE_OK);
	mem_free(d->hints);
	d->magic = 0;
	mem_free(d);
}
