/*
 * SQLite's unix files behind a layer that opens all for reading only. A log that is not there is an empty
 * file of ours; the memory that connections share for the log's index is our own.
 */
#include "store/db_look.h"

#include <pthread.h>
#include <xxhash.h>

#include "base/limits.h"
#include "base/mem.h"
#include "store/db_vfs.h"
#include "store/sql.h"

#define LAYER "godwit-look"

struct file {
	sqlite3_file base;
	sqlite3_file *real; /* NULL: an empty one */
	uint8_t **index;    /* of the log, in parts */
	int parts;
};

static struct {
	pthread_once_t once;
	sqlite3_vfs *unix_vfs;
	sqlite3_vfs vfs;
} layer = {.once = PTHREAD_ONCE_INIT};

static struct file *file_of(sqlite3_file *f)
{
	return (struct file *)(void *)f;
}

static sqlite3_file *real_of(sqlite3_file *f)
{
	return file_of(f)->real;
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
	return real_of(f) ? real_of(f)->pMethods->xClose(real_of(f)) : SQLITE_OK;
}

static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 off)
{
	if (real_of(f))
		return real_of(f)->pMethods->xRead(real_of(f), p, n, off);
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

static int file_size(sqlite3_file *f, sqlite3_int64 *size_r)
{
	*size_r = 0;
	return real_of(f) ? real_of(f)->pMethods->xFileSize(real_of(f), size_r) : SQLITE_OK;
}

static int file_lock(sqlite3_file *f, int level)
{
	return real_of(f) ? real_of(f)->pMethods->xLock(real_of(f), level) : SQLITE_OK;
}

static int file_unlock(sqlite3_file *f, int level)
{
	return real_of(f) ? real_of(f)->pMethods->xUnlock(real_of(f), level) : SQLITE_OK;
}

static int file_check_lock(sqlite3_file *f, int *result_r)
{
	*result_r = 0;
	return real_of(f) ? real_of(f)->pMethods->xCheckReservedLock(real_of(f), result_r)
			  : SQLITE_OK;
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f) ? real_of(f)->pMethods->xFileControl(real_of(f), op, arg)
			  : SQLITE_NOTFOUND;
}

static int file_sector_size(sqlite3_file *f)
{
	return real_of(f) ? real_of(f)->pMethods->xSectorSize(real_of(f)) : 4096;
}

static int file_device(sqlite3_file *f)
{
	return real_of(f) ? real_of(f)->pMethods->xDeviceCharacteristics(real_of(f)) : 0;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_device,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

#define WRITES                                                                                     \
	(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE |                      \
	    SQLITE_OPEN_DELETEONCLOSE)

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *flags_r)
{
	struct file *file = file_of(f);
	int rc = SQLITE_OK, there = 1, got = SQLITE_OPEN_READONLY;

	*file = (struct file){.real = (sqlite3_file *)(void *)(file + 1)};
	if (!name)
		return SQLITE_CANTOPEN;
	if (flags & SQLITE_OPEN_WAL)
		rc = layer.unix_vfs->xAccess(layer.unix_vfs, name, SQLITE_ACCESS_EXISTS, &there);
	if (rc == SQLITE_OK && there)
		rc = layer.unix_vfs->xOpen(layer.unix_vfs, name, file->real,
		    (flags & ~WRITES) | SQLITE_OPEN_READONLY, &got);
	else
		file->real = NULL;
	if (rc != SQLITE_OK)
		return rc;
	file->base.pMethods = &methods;
	if (flags_r)
		*flags_r = got;
	return SQLITE_OK;
}

/* Of a log beside an empty database. */
static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *result_r)
{
	return layer.unix_vfs->xAccess(layer.unix_vfs, name, flags, result_r);
}

/* As it is, like all names of databases (store/db_vfs.h). */
static int vfs_full_name(sqlite3_vfs *vfs, const char *name, int max, char *out)
{
	size_t n = strlen(name);

	if (n >= (size_t)max)
		return SQLITE_CANTOPEN;
	memcpy(out, name, n + 1);
	return SQLITE_OK;
}

static void register_layer(void)
{
	(void)db_vfs_name(); /* SQLite's own settings come before its first use */
	layer.unix_vfs = sqlite3_vfs_find("unix");
	MUST(layer.unix_vfs);
	layer.vfs = *layer.unix_vfs;
	layer.vfs.zName = LAYER;
	layer.vfs.pNext = NULL;
	layer.vfs.szOsFile = (int)sizeof(struct file) + layer.unix_vfs->szOsFile;
	layer.vfs.xOpen = vfs_open;
	layer.vfs.xDelete = vfs_delete;
	layer.vfs.xAccess = vfs_access;
	layer.vfs.xFullPathname = vfs_full_name;
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
