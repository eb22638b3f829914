/*
 * SQLite's unix files behind a layer that opens all for reading only. A log that is not there is an empty
 * file of ours; the memory that connections share for the log's index is our own.
 */
#include "store/db_look.h"

#include <pthread.h>
#include <xxhash.h>

#include "base/limits.h"
#include "base/mem.h"
#include "store/db_layer.h"
#include "store/db_vfs.h"
#include "store/sql.h"

#define LAYER "godwit-look"

struct file {
	struct db_layer_file below;
	uint8_t **index; /* of the log, in parts */
	int parts;
};

static struct {
	pthread_once_t once;
	sqlite3_vfs vfs;
	sqlite3_io_methods methods;
} layer = {.once = PTHREAD_ONCE_INIT};

static struct file *file_of(sqlite3_file *f)
{
	return (struct file *)(void *)f;
}

static int shm_unmap(sqlite3_file *f, int remove)
{
	struct file *file = file_of(f);

	for (int i = 0; i < file->parts; i++)
		mem_free(file->index[i]);
	mem_free(file->index);
	file->index = NULL;
	file->parts = 0;
	return SQLITE_OK;
}

static int shm_map(sqlite3_file *f, int part, int size, int extend, void volatile **p_r)
{
	struct file *file = file_of(f);

	*p_r = NULL;
	if (part >= file->parts && !extend)
		return SQLITE_OK;
	if (part >= file->parts) {
		file->index = mem_resize(file->index, ((size_t)part + 1) * sizeof *file->index);
		while (file->parts <= part)
			file->index[file->parts++] = mem_alloc((size_t)size);
	}
	*p_r = file->index[part];
	return SQLITE_OK;
}

static int shm_lock(sqlite3_file *f, int off, int n, int flags)
{
	return SQLITE_OK;
}

static void shm_barrier(sqlite3_file *f)
{
}

static int file_close(sqlite3_file *f)
{
	(void)shm_unmap(f, 0);
	return db_layer_close(f);
}

static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off)
{
	sqlite3_file *real = file_of(f)->below.real;

	if (real)
		return real->pMethods->xRead(real, p, n, off);
	memset(p, 0, (size_t)n);
	return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 off)
{
	return SQLITE_READONLY;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return SQLITE_READONLY;
}

static int file_sync(sqlite3_file *f, int flags)
{
	return SQLITE_OK;
}

#define WRITES                                                                                     \
	(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE |                      \
	    SQLITE_OPEN_DELETEONCLOSE)

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *flags_r)
{
	sqlite3_vfs *below = db_layer_unix(vfs);
	struct file *file = file_of(f);
	sqlite3_file *real = (sqlite3_file *)(void *)(file + 1);
	int rc = SQLITE_OK, there = 1, got = SQLITE_OPEN_READONLY;

	*file = (struct file){0};
	if (!name)
		return SQLITE_CANTOPEN;
	if (flags & SQLITE_OPEN_WAL)
		rc = below->xAccess(below, name, SQLITE_ACCESS_EXISTS, &there);
	if (rc == SQLITE_OK && there)
		rc = below->xOpen(
		    below, name, real, (flags & ~WRITES) | SQLITE_OPEN_READONLY, &got);
	if (rc != SQLITE_OK)
		return rc;
	file->below.real = there ? real : NULL;
	f->pMethods = &layer.methods;
	if (flags_r)
		*flags_r = got;
	return SQLITE_OK;
}

/* Of a log beside an empty database. */
static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	return SQLITE_OK;
}

static void register_layer(void)
{
	(void)db_vfs_name(); /* SQLite's own settings come before its first use */
	db_layer_init(&layer.vfs, &layer.methods, LAYER, sizeof(struct file));
	layer.vfs.xOpen = vfs_open;
	layer.vfs.xDelete = vfs_delete;
	layer.methods.xClose = file_close;
	layer.methods.xRead = file_read;
	layer.methods.xWrite = file_write;
	layer.methods.xTruncate = file_truncate;
	layer.methods.xSync = file_sync;
	layer.methods.xShmMap = shm_map;
	layer.methods.xShmLock = shm_lock;
	layer.methods.xShmBarrier = shm_barrier;
	layer.methods.xShmUnmap = shm_unmap;
	MUST(sqlite3_vfs_register(&layer.vfs, 0) == SQLITE_OK);
}

int db_look_open(const char *name, sqlite3 **sqlite_r)
{
	int rc;

	MUST(pthread_once(&layer.once, register_layer) == 0);
	rc = sqlite3_open_v2(name, sqlite_r,
	    SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, LAYER);
	if (rc != SQLITE_OK)
		return rc;
	sqlite3_db_config(*sqlite_r, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	sqlite3_db_config(*sqlite_r, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(*sqlite_r, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	return sqlite3_exec(*sqlite_r, "PRAGMA temp_store = MEMORY", NULL, NULL, NULL);
}

/* ---- which schema is there ---- */

/* Those of earlier versions, as print_of() gives them; the test store/migrate computes them. */
static const struct {
	int64_t version;
	uint64_t print;
} earlier[] = {{1, UINT64_C(0xbbae3ad3314fedc5)}};

/* A checksum over the texts of all tables and indexes; 0: they cannot be read. */
static uint64_t print_of(sqlite3 *sqlite)
{
	sqlite3_stmt *stmt = NULL;
	struct buf all;
	uint64_t print = 0;
	int rc = sqlite3_prepare_v2(sqlite,
	    "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name", -1, &stmt,
	    NULL);

	buf_init(&all, MIB);
	while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		buf_c(&all, (const char *)sqlite3_column_text(stmt, 0));
		buf_byte(&all, '\n');
		rc = SQLITE_OK;
	}
	if (rc == SQLITE_DONE && !all.overflow)
		print = XXH3_64bits(buf_view(&all).p, all.n);
	sqlite3_finalize(stmt);
	buf_fini(&all);
	return print;
}

/* That of this version, made in memory. */
static uint64_t print_of_now(void)
{
	sqlite3 *sqlite = NULL;
	struct buf script;
	uint64_t print = 0;

	buf_init(&script, MIB);
	sql_schema_sqlite(&script, sql_schema());
	if (sqlite3_open_v2(":memory:", &sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
		NULL) == SQLITE_OK &&
	    sqlite3_exec(sqlite, buf_cstr(&script), NULL, NULL, NULL) == SQLITE_OK)
		print = print_of(sqlite);
	sqlite3_close(sqlite);
	buf_fini(&script);
	return print;
}

int64_t db_look_version(sqlite3 *sqlite)
{
	uint64_t print = print_of(sqlite);

	if (print == 0)
		return 0;
	for (size_t i = 0; i < sizeof earlier / sizeof *earlier; i++)
		if (earlier[i].print == print)
			return earlier[i].version;
	return print == print_of_now() ? sql_schema()->version : 0;
}
